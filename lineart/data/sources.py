"""Where pictures come from: a folder, a zip that is never unpacked, or Kaggle."""

from __future__ import annotations

import os
import stat
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

from lineart.config import DATA
from lineart.images import SUFFIXES, Unfit

PAIRED = ("kaggle", "pairs")  # colour and sketch side by side; of the others the lines are extracted
KAGGLE = {"kaggle": "ktaebum/anime-sketch-colorization-pair", "faces": "arnaud58/selfie2anime"}
PAPER_COUNTS = {"train": 14_224, "test": 3_545}  # of `kaggle`, section 4.1
MAX_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Entry:
    """A file of a source: its name there ("/" between folders), and where it can't be read, the reason.

    version: size and time of change (folder) or check sum (zip); a changed file has another one.
    """

    name: str
    version: str = ""
    reason: str = ""


def locate(name: str, source: str | Path | None) -> Path:
    """The folder or zip of a source; without one, downloaded from Kaggle where Kaggle has it.

    Raises ValueError for an unknown name, FileNotFoundError or ValueError for a source that is neither folder nor zip,
    ModuleNotFoundError without kagglehub, ConnectionError where the download fails.
    """
    if name not in DATA or name == "toon":
        raise ValueError(f"the set must be one of {', '.join(DATA[1:])}, got {name!r}")
    if source is None:
        if name not in KAGGLE:
            raise ValueError(f"{name} needs --source, the folder or zip with your pictures")
        source = _download(KAGGLE[name])
    path = Path(source).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"source must be a folder or a zip, there is nothing at {path}")
    if not path.is_dir() and not (path.is_file() and zipfile.is_zipfile(path)):  # to look into a pipe would wait
        raise ValueError(f"source must be a folder or a whole zip, {path} is neither")
    return path


def _download(dataset: str) -> Path:
    by_hand = f"or download kaggle.com/datasets/{dataset} in a browser and give the zip as --source"
    try:
        import kagglehub
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"{dataset} comes through kagglehub, which is not installed: "
                                  f"pip install 'lineart[kaggle]', {by_hand}") from error
    try:
        return Path(kagglehub.dataset_download(dataset))
    except Exception as error:  # no network, no login, no such set: each version raises its own
        text = " ".join(str(error).split())[:200]
        raise ConnectionError(f"kagglehub could not download {dataset} ({type(error).__name__}: {text}): check the "
                              f"network and your Kaggle login (kagglehub.login()), {by_hand}") from error


def list_entries(source: Path, without: Path | None = None) -> tuple[list[Entry], int]:
    """Picture files of a folder or zip, sorted by name, and how many other files were passed over.

    By suffix; hidden files count as other. Links are followed, each folder once. What can't be read is an entry with
    a reason. without: a folder below `source` that is no part of it.
    """
    entries, others = _list_folder(source, without) if source.is_dir() else _list_zip(source)
    return sorted(entries, key=lambda entry: entry.name), others


def _list_folder(root: Path, without: Path | None = None) -> tuple[list[Entry], int]:
    entries: list[Entry] = []
    others, waiting, seen = 0, [""], set()
    passed_over = os.stat(without) if without and without.exists() else None
    while waiting:
        folder = waiting.pop()
        try:
            status = os.stat(root / folder)
            if folder and passed_over and os.path.samestat(status, passed_over):
                continue
            if (status.st_dev, status.st_ino) in seen:
                entries.append(Entry(folder, reason="a link to a folder that is already listed"))
                continue
            seen.add((status.st_dev, status.st_ino))
            names = sorted(os.listdir(root / folder), reverse=True)
        except OSError as error:
            entries.append(Entry(folder or ".", reason=f"unreadable folder: {error.strerror}"))
            continue
        links = []  # after the real folders, so that what is listed twice is listed where it lies
        for name in names:
            path = f"{folder}/{name}" if folder else name
            picture = path.lower().endswith(SUFFIXES)
            try:
                status = os.stat(root / path)
            except OSError as error:
                # A link without a suffix may have been a folder of pictures
                if not name.startswith(".") and (picture or "." not in name):
                    entries.append(Entry(path, reason=f"unreadable: {error.strerror}"))
                else:
                    others += 1
                continue
            if name.startswith("."):
                others += 1
            elif stat.S_ISDIR(status.st_mode):
                (links if os.path.islink(root / path) else waiting).append(path)
            elif not picture:
                others += 1
            elif not stat.S_ISREG(status.st_mode):
                entries.append(Entry(path, reason="not a regular file"))
            else:
                entries.append(_entry(path, status.st_size, f"{status.st_size} {status.st_mtime_ns}"))
        waiting[:0] = links
    return entries, others


def _list_zip(path: Path) -> tuple[list[Entry], int]:
    entries: dict[str, Entry] = {}
    others = 0
    try:
        infos = _open_zip(path).infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:  # only the end of it was looked at so far
        raise ValueError(f"source must be a folder or a whole zip, {path} is damaged: {error}") from error
    for info in infos:
        parts = PurePosixPath(info.filename).parts
        if info.is_dir():
            continue
        if not info.filename.lower().endswith(SUFFIXES) or any(p.startswith(".") and p != ".." for p in parts):
            others += 1
        elif ".." in parts or info.filename.startswith("/"):
            entries[info.filename] = Entry(info.filename, reason="a name that leads out of the zip")
        elif info.flag_bits & 1:
            entries[info.filename] = Entry(info.filename, reason="encrypted")
        elif info.filename in entries:
            entries[info.filename] = Entry(info.filename, reason="a name that occurs twice in the zip")
        else:
            entries[info.filename] = _entry(info.filename, info.file_size, f"{info.file_size} {info.CRC:08x}")
    return list(entries.values()), others


def _entry(name: str, size: int, version: str) -> Entry:
    reason = f"larger than {MAX_BYTES // 2**20} MiB" if size > MAX_BYTES else ""
    return Entry(name, version, reason)


def read(source: Path, name: str) -> bytes:
    """The bytes of an entry. Raises `Unfit` where they can't be had."""
    try:
        if source.is_dir():
            return (source / name).read_bytes()
        return _open_zip(source).read(name)
    except OSError as error:
        raise Unfit(f"unreadable: {error.strerror or error}") from error
    except Exception as error:  # zlib, CRC, an unknown method of compression
        raise Unfit(f"damaged in the zip: {error}") from error


def _open_zip(path: Path) -> zipfile.ZipFile:
    return _opened_zip(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=1)
def _opened_zip(path: Path, changed: int) -> zipfile.ZipFile:
    return zipfile.ZipFile(path)


def assign(name: str, entries: list[Entry]) -> list[tuple[Entry, str]]:
    """The entries that belong to the set, each with the split that the source gives it, "" where it gives none.

    kaggle: val/ is the paper's test set. faces: trainB and testB on Kaggle (A are photographs of people and left out),
    and of what is not in testB the last fifth of the names is for testing. folder, pairs: folders named train, val and
    test, if there are any.
    """
    known = {"kaggle": {"train": "train", "val": "test"}, "faces": {"trainB": "train", "testB": "test"}}
    names = known.get(name, {"train": "train", "val": "val", "test": "test"})

    def split(entry: Entry) -> str:
        return next((names[part] for part in PurePosixPath(entry.name).parts[:-1] if part in names), "")

    found = [(entry, split(entry)) for entry in entries]
    if name != "faces":
        return found
    if any(split for _, split in found):
        found = [(entry, split) for entry, split in found if split]
    rest = [entry for entry, split in found if split != "test"]
    first_test = len(rest) - len(rest) // 5
    return [(entry, "train") for entry in rest[:first_test]] + [
        (entry, "test") for entry in [*rest[first_test:], *(entry for entry, split in found if split == "test")]]

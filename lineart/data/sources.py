"""Where pictures come from: a folder, a zip that is never unpacked, or Kaggle; and which of its files make a set."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import zipfile
from collections import deque
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath

from lineart.config import DATA, InputError, MissingFile
from lineart.images import SUFFIXES, Unfit

PAIRED = ("kaggle", "pairs")  # colour and sketch are both given; of the others the lines are extracted
COLOR = ("color", "colors", "colored", "colour", "colours", "coloured")  # names of the folder with the colours
SKETCH = ("line", "lines", "lineart", "sketch", "sketches")  # and of the one with the drawings
KAGGLE = {"kaggle": "ktaebum/anime-sketch-colorization-pair", "faces": "arnaud58/selfie2anime"}
PAPER_COUNTS = {"train": 14_224, "test": 3_545}  # of `kaggle`, section 4.1
MAX_BYTES = 256 * 2**20  # of a picture's file
MAX_UNPACKED = 100  # times its packed size: a zip in a zip that claims more is a bomb


@dataclass(frozen=True)
class Entry:
    """A picture of a source: name there ("/" between folders), bytes, and why it can't be used, if it can't.

    inside: name of the zip that holds it, where that lies in a zip itself; split: as the source gives it, or "";
    sketch: its drawing, where that is a file of its own.
    """

    name: str
    size: int = 0
    reason: str = ""
    inside: str = ""
    split: str = ""
    sketch: Entry | None = None


def locate(name: str, source: str | Path | None) -> Path:
    """The folder or zip of a source; without one, downloaded from Kaggle where Kaggle has it. Raises InputError."""
    if name not in DATA or name == "toon":
        raise InputError(f"the set must be one of {', '.join(DATA[1:])}, got {name!r}")
    if source is None and name not in KAGGLE:
        raise InputError(f"{name} needs --source, the folder or zip with your pictures")
    path = Path(source).expanduser() if source else _download(KAGGLE[name])
    if not path.exists():
        raise MissingFile(f"source must be a folder or a zip, there is nothing at {path}")
    if not path.is_dir() and not (path.is_file() and zipfile.is_zipfile(path)):  # to look into a pipe would wait
        raise InputError(f"source must be a folder or a whole zip, {path} is neither")
    return path


def _download(dataset: str) -> Path:
    try:
        import kagglehub

        return Path(kagglehub.dataset_download(dataset))
    except Exception as error:  # not installed, no network, no login: each version raises its own
        text = " ".join(str(error).split())[:200]
        raise InputError(
            f"kagglehub could not download {dataset} ({type(error).__name__}: {text}): is it installed "
            "(pip install 'lineart[kaggle]'), and are you logged in (kagglehub.login())? Or download "
            f"kaggle.com/datasets/{dataset} in a browser and give the zip as --source"
        ) from error


def list_entries(source: Path, without: Path | None = None) -> tuple[list[Entry], int]:
    """Picture files of a folder or zip, sorted by name, and how many other files were passed over.

    By suffix; hidden files count as other. Links are followed, each folder once. What can't be read is an entry with
    a reason. without: a folder below `source` that is no part of it. Raises InputError for a damaged zip.
    """
    if source.is_dir():
        entries, others = _list_folder(source, without and without.resolve())
    else:
        try:
            entries, others = _list_zip(source)
        except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
            raise InputError(f"source must be a folder or a whole zip, {source} is damaged: {error}") from error
    too_large = f"larger than {MAX_BYTES // 2**20} MiB"
    entries = [replace(e, reason=too_large) if e.size > MAX_BYTES and not e.reason else e for e in entries]
    return sorted(entries, key=lambda entry: entry.name), others


def _list_folder(root: Path, without: Path | None) -> tuple[list[Entry], int]:
    entries, others, seen, waiting = [], 0, set(), deque([""])
    while waiting:
        folder, names, reason = waiting.popleft(), [], ""
        try:
            status = os.stat(root / folder)
            if (status.st_dev, status.st_ino) in seen:
                reason = "a link to a folder that is already listed"
            else:
                seen.add((status.st_dev, status.st_ino))
                names = os.listdir(root / folder)
        except OSError as error:
            reason = f"unreadable folder: {error.strerror}"
        if reason:
            entries.append(Entry(folder or ".", reason=reason))
        for name in names:
            path = f"{folder}/{name}" if folder else name
            entry = _look(root, path)
            if isinstance(entry, Entry):
                entries.append(entry)
            elif entry == "other":
                others += 1
            elif (root / path).resolve() != without:  # links last: what is listed twice is listed where it lies
                (waiting.append if os.path.islink(root / path) else waiting.appendleft)(path)
    return entries, others


def _look(root: Path, path: str) -> Entry | str:
    """What lies there: a picture, a "folder" or something "other"."""
    name, picture = PurePosixPath(path).name, path.lower().endswith(SUFFIXES)
    if name.startswith("."):
        return "other"
    try:
        status = os.stat(root / path)
    except OSError as error:  # a link without a suffix may have been a folder of pictures
        return Entry(path, reason=f"unreadable: {error.strerror}") if picture or "." not in name else "other"
    if stat.S_ISDIR(status.st_mode):
        return "folder"
    if not picture:
        return "other"
    return Entry(path, status.st_size, "" if stat.S_ISREG(status.st_mode) else "not a regular file")


def _list_zip(path: Path, inside: str = "") -> tuple[list[Entry], int]:
    entries: dict[str, Entry] = {}
    others = 0
    for info in _open_zip(path, inside).infolist():
        parts, packed = PurePosixPath(info.filename).parts, info.filename.lower().endswith(".zip")
        hidden = any(part.startswith(".") and part != ".." for part in parts)
        if info.is_dir():
            continue
        if hidden or not (packed or info.filename.lower().endswith(SUFFIXES)):
            others += 1
            continue
        name, reason = f"{inside}/{info.filename}" if inside else info.filename, ""
        if ".." in parts or info.filename.startswith("/"):
            reason = "a name that leads out of the zip"
        elif info.flag_bits & 1:
            reason = "encrypted"
        elif name in entries:
            reason = "a name that occurs twice in the zip"
        elif packed and inside:
            reason = "a zip in a zip in a zip"
        elif packed and info.file_size > MAX_UNPACKED * info.compress_size:
            reason = f"a zip that claims to unpack to more than {MAX_UNPACKED} times its size"
        elif packed:
            try:
                more, passed_over = _list_zip(path, name)
                entries |= {entry.name: entry for entry in more}
                others += passed_over
                continue
            except Exception as error:  # zlib, CRC, an unknown method of compression
                reason = f"a damaged zip: {error}"
        entries[name] = Entry(name, info.file_size, reason, inside)
    return [*entries.values()], others


def read(source: Path, entry: Entry) -> bytes:
    """The bytes of an entry. Raises `Unfit` where they can't be had."""
    if entry.reason:
        raise Unfit(entry.reason)
    try:
        if source.is_dir():
            return (source / entry.name).read_bytes()
        member = entry.name.removeprefix(f"{entry.inside}/") if entry.inside else entry.name
        return _open_zip(source, entry.inside).read(member)
    except OSError as error:
        raise Unfit(f"unreadable: {error.strerror or error}") from error
    except Exception as error:  # zlib, CRC, an unknown method of compression
        raise Unfit(f"damaged in the zip: {error}") from error


def _open_zip(path: Path, inside: str = "") -> zipfile.ZipFile:
    return _opened_zip(path, path.stat().st_mtime_ns, inside)


@lru_cache(maxsize=8)
def _opened_zip(path: Path, changed: int, inside: str) -> zipfile.ZipFile:
    if not inside:
        return zipfile.ZipFile(path)
    copy = tempfile.TemporaryFile()  # to seek in a compressed zip would unpack it anew; without a name, so never left
    with _opened_zip(path, changed, "").open(inside) as file:
        shutil.copyfileobj(file, copy)
    return zipfile.ZipFile(copy)


def assign(name: str, entries: list[Entry]) -> tuple[list[Entry], bool]:
    """The entries of a set, each with the split that the source gives it, and whether its val became the test set.

    Folders named train, val and test are obeyed; without a test, val is the test set, as in the paper's. faces: trainB
    and testB on Kaggle (A are photographs of people and left out), and of what is not in testB the last fifth of the
    names is for testing. Pairs in two folders: the files of one name belong together.
    """
    if name == "faces":
        return _faces(entries), False
    if name in PAIRED and {_role(entry)[0] for entry in entries} >= {"color", "sketch"}:
        entries = _join(entries)
    entries = [replace(entry, split=_split(entry, "train", "val", "test")) for entry in entries]
    val_is_test = {"val"} <= {entry.split for entry in entries} <= {"train", "val", ""}
    if val_is_test:
        entries = [replace(entry, split="test") if entry.split == "val" else entry for entry in entries]
    return entries, val_is_test


def _split(entry: Entry, *names: str) -> str:
    return next((part for part in PurePosixPath(entry.name).parts[:-1] if part in names), "")


def _faces(entries: list[Entry]) -> list[Entry]:
    split = {entry.name: _split(entry, "trainB", "testB").removesuffix("B") for entry in entries}
    if any(split.values()):
        entries = [entry for entry in entries if split[entry.name]]
    rest = [entry.name for entry in entries if split[entry.name] != "test"]
    for i, name in enumerate(rest):
        split[name] = "train" if i < len(rest) - len(rest) // 5 else "test"
    return [replace(entry, split=split[entry.name]) for entry in entries]


def _role(entry: Entry) -> tuple[str, str]:
    """Whether a file is "color", "sketch" or neither, by its folders, and the name that it shares with its partner."""
    parts = [*PurePosixPath(entry.name).parts]
    for place in range(len(parts) - 2, -1, -1):
        word = parts[place].lower()
        if word in COLOR + SKETCH:
            del parts[place]
            return "color" if word in COLOR else "sketch", str(PurePosixPath(*parts).with_suffix(""))
    return "", ""


def _join(entries: list[Entry]) -> list[Entry]:
    """Colours with their sketches, of two folders; what has no partner gets a reason."""
    joined: list[Entry] = []
    partners: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        role = _role(entry)
        if entry.reason or not role[0] or role in partners:
            reason = "another file of that name" if role in partners else "in neither of the two folders"
            joined.append(replace(entry, reason=entry.reason or reason))
        else:
            partners[role] = entry
    for (role, key), entry in partners.items():
        partner = partners.get(("sketch" if role == "color" else "color", key))
        if partner is None:
            joined.append(replace(entry, reason="no file of that name in the other folder"))
        elif role == "color":
            joined.append(replace(entry, sketch=partner))
    return sorted(joined, key=lambda entry: entry.name)

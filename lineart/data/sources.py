"""Where pictures come from: a folder, a zip that is never unpacked, or Kaggle; and which of its files make a set."""

import os
import shutil
import tempfile
import zipfile
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath

from lineart.config import DATA, InputError, MissingFile
from lineart.files import home
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
    """A picture of a source: name there ("/" between folders), bytes, and why it can't be used, if that is known.

    inside: name of the zip that holds it, where that lies in a zip itself; split: as the source gives it, or "";
    sketch: its drawing, where that is a file of its own.
    """

    name: str
    size: int = 0
    reason: str = ""
    inside: str = ""
    split: str = ""
    sketch: "Entry | None" = None


def locate(name: str, source: str | Path | None) -> Path:
    """The folder or zip of a source; without one, downloaded from Kaggle where Kaggle has it. Raises InputError."""
    if name not in DATA or name == "toon":
        raise InputError(f"the set must be one of {', '.join(DATA[1:])}, got {name!r}")
    if source is None and name not in KAGGLE:
        raise InputError(f"{name} needs --source, the folder or zip with your pictures")
    path = home(source) if source else _download(KAGGLE[name])
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
            f"kagglehub could not download {dataset} ({type(error).__name__}: {text}): pip install 'lineart[kaggle]' "
            f"and kagglehub.login(), or download kaggle.com/datasets/{dataset} and give the zip as --source"
        ) from error


def list_entries(source: Path, without: Path | None = None) -> tuple[list[Entry], int]:
    """Picture files of a folder or zip, sorted by name, and how many other files were passed over.

    By suffix; hidden files count as other. Links are followed, each folder once. without: a folder below `source` that
    is no part of it. Raises InputError for a damaged zip.
    """
    if source.is_dir():
        entries, others = _list_folder(source, without)
    else:
        try:
            entries, others = _list_zip(source)
        except Exception as error:  # a damaged directory raises BadZipFile, ValueError, struct.error and others
            raise InputError(f"source must be a folder or a whole zip, {source} is damaged: {error}") from error
    return sorted(entries, key=lambda entry: entry.name), others


def _list_folder(root: Path, without: Path | None) -> tuple[list[Entry], int]:
    entries, others, seen = [], 0, {os.path.realpath(without)} if without else set()

    def unreadable(error: OSError) -> None:
        name = Path(error.filename).relative_to(root).as_posix()
        entries.append(Entry(name, reason=f"unreadable folder: {error.strerror}"))

    for folder, folders, files in os.walk(root, onerror=unreadable, followlinks=True):
        if (place := os.path.realpath(folder)) in seen:  # by another link, or in a circle
            folders.clear()
            continue
        seen.add(place)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in files:
            path = Path(folder, name)
            if name.startswith(".") or not name.lower().endswith(SUFFIXES):
                others += 1
            else:
                size = os.path.getsize(path) if os.path.isfile(path) else 0  # a link may lead nowhere
                entries.append(Entry(path.relative_to(root).as_posix(), size))
    return entries, others


def _list_zip(path: Path, inside: str = "") -> tuple[list[Entry], int]:
    entries, others = [], 0
    unique = {info.filename: info for info in _open_zip(path, inside).infolist()}  # of equal names the last one counts
    for name, info in unique.items():
        parts, packed = PurePosixPath(name).parts, name.lower().endswith(".zip")
        entry = Entry(f"{inside}/{name}" if inside else name, info.file_size, inside=inside)
        if info.is_dir():
            continue
        if ".." in parts or name.startswith("/"):
            entries.append(replace(entry, reason="a name that leads out of the zip"))
        elif any(part.startswith(".") for part in parts) or not (packed or name.lower().endswith(SUFFIXES)):
            others += 1
        elif not packed:
            entries.append(entry)
        elif inside or info.file_size > MAX_UNPACKED * info.compress_size:
            entries.append(replace(entry, reason="a zip in a zip in a zip" if inside else "a bomb of a zip"))
        else:
            try:
                more, passed_over = _list_zip(path, name)
                entries, others = entries + more, others + passed_over
            except Exception as error:  # zlib, CRC, an unknown method of compression, encrypted
                entries.append(replace(entry, reason=f"a damaged zip: {error}"))
    return entries, others


def read(source: Path, entry: Entry) -> bytes:
    """The bytes of an entry. Raises `Unfit` where they can't be had."""
    if entry.reason:
        raise Unfit(entry.reason)
    if entry.size > MAX_BYTES:
        raise Unfit(f"larger than {MAX_BYTES // 2**20} MiB")
    try:
        if not source.is_dir():
            return _open_zip(source, entry.inside).read(entry.name.removeprefix(f"{entry.inside}/"))
        path = source / entry.name
        if path.is_file() or not path.exists():
            return path.read_bytes()
    except OSError as error:
        raise Unfit(f"unreadable: {error.strerror or error}") from error
    except Exception as error:  # zlib, CRC, an unknown method of compression, encrypted
        raise Unfit(f"damaged in the zip: {error}") from error
    raise Unfit("not a regular file")  # to read a pipe would wait


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
    splits = {entry.split for entry in entries}
    if "val" in splits and "test" not in splits:
        return [replace(entry, split=entry.split.replace("val", "test")) for entry in entries], True
    return entries, False


def _split(entry: Entry, *names: str) -> str:
    return next((part for part in PurePosixPath(entry.name).parts[:-1] if part in names), "")


def _faces(entries: list[Entry]) -> list[Entry]:
    faces = [entry for entry in entries if _split(entry, "trainB", "testB")] or entries
    rest = [entry for entry in faces if _split(entry, "trainB", "testB") != "testB"]
    train = {entry.name for entry in rest[: len(rest) - len(rest) // 5]}
    return [replace(entry, split="train" if entry.name in train else "test") for entry in faces]


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
    partners = {_role(entry): entry for entry in reversed(entries)}  # of equal names the first
    joined = {entry.name: entry for entry in entries}
    for entry in entries:
        role, key = _role(entry)
        sketch = partners.pop(("sketch", key), None) if role == "color" else None
        if sketch:
            joined[entry.name] = replace(entry, sketch=sketch)
            del joined[sketch.name]
    lonely = "no file of that name in the other folder"
    return [e if e.sketch or e.reason else replace(e, reason=lonely) for e in joined.values()]

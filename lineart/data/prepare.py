"""Pictures to arrays, once: decode, resize, lines, palette, in several processes; killed, it goes on where it was.

The pictures are worked on in parts of 32. A finished part lies under `parts/` with a name made of its files and the
settings, so a second run finds it; from all parts the arrays of `store` are written at the end. Neither the number of
processes nor an interruption changes a byte.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock
from joblib import Parallel, delayed
from tqdm import tqdm

from lineart.config import ROOT
from lineart.data import sources
from lineart.data.lines import extract_lines
from lineart.data.palette import extract_palette
from lineart.data.sources import Entry
from lineart.data.store import ARRAYS, COLUMNS, RECORD, SPLITS, Store, is_store, open_store, paper_counts, write_table
from lineart.files import sha256, whole
from lineart.images import SUFFIXES, Unfit, colorness, decode, split_pair, square

PREPARED = ROOT / "runs" / "data"
PICTURES = 32  # a part
FORMAT = 1  # of the parts and the store; another number, another set
VAL_PICTURES = 64  # held out of the training pictures to watch a training, at most a twentieth of them


def default_folder(name: str, size: int) -> Path:
    return PREPARED / f"{name}-{size}px"


def prepare(name: str, source: str | Path | None = None, size: int = 256, out: str | Path | None = None, k: int = 9,
            processes: int | None = None, max_rejected: float = 0.01) -> Store:
    """Prepare a set and return it, opened; a set that is there already is only opened.

    name: "kaggle", "faces", "folder" or "pairs"; source: folder or zip, by default the set that is there, and where none
    is, Kaggle's; size: pixels a side; k: colours of the palette; out: folder, by default `runs/data/NAME-SIZEpx`;
    processes: by default one a core. Files that can't be used are listed in `rejected.csv`.
    Raises ValueError where more than `max_rejected` of the pictures (a share) are rejected (the set is there all the
    same), where fewer than three different ones are left, or where `out` holds something else; OSError where the disk
    is full.
    """
    for setting, value in (("size", size), ("k", k), ("processes", processes)):
        if value is not None and value < 1:
            raise ValueError(f"{setting} must be at least 1, got {value}")
    if not 0 <= max_rejected <= 1:
        raise ValueError(f"max_rejected must be a share between 0 and 1, got {max_rejected}")
    out = Path(out) if out else default_folder(name, size)
    settings = {"format": FORMAT, "name": name, "source": None, "size": size, "k": k}
    if source is None and is_store(out):
        store = open_store(out)
        settings["source"] = store.record["source"]  # wherever it came from
        if not _agrees(store, settings):
            raise _never_overwritten(store, settings)
        return _finished(store, max_rejected)
    path = sources.locate(name, source).resolve()
    entries, others = sources.list_entries(path, without=out)  # which may lie in the source, with a contact sheet
    found = sources.assign(name, entries)
    if not found:
        raise ValueError(f"the source must hold pictures ({', '.join(SUFFIXES)}), {path} holds none")
    source_name = os.fsencode(path.name).decode(errors="backslashreplace")  # JSON is UTF-8, a folder's name may not be
    settings["source"] = source_name
    parts = _plan(settings, found)
    if not is_store(out):
        _refuse_foreign(out)
        out.mkdir(parents=True, exist_ok=True)
        with FileLock(out / ".lock"):  # a second process waits, and finds the set ready
            if not is_store(out):
                _refuse_remains(out)
                _need_space(out, len(found), size)
                _make_parts(out / "parts", path, parts, settings, processes or os.cpu_count() or 1)
                _assemble(out, settings, parts, others)
    store = open_store(out)
    same = _agrees(store, settings)
    unchanged = same and (store.record["plan"] == _digest([part.digest for part in parts])
                          or _holds(store, path, [entry for entry, _ in found], settings))
    if not unchanged:
        raise _never_overwritten(store, settings, "pictures that have changed since" if same else None)
    return _finished(store, max_rejected)


def _finished(store: Store, max_rejected: float) -> Store:
    shutil.rmtree(store.path / "parts", ignore_errors=True)  # still there where a run was killed as the last thing it did
    refuse_too_many(store, max_rejected)
    return store


def _agrees(store: Store, settings: dict) -> bool:
    return {key: store.record[key] for key in settings} == settings


def _never_overwritten(store: Store, settings: dict, held: str | None = None) -> ValueError:
    held = held or ", ".join(f"{key} {store.record[key]}" for key in settings)
    return ValueError(f"a set is never overwritten: {store.path} holds {held}; remove it or name another folder")


def refuse_too_many(store: Store, max_rejected: float) -> None:
    """Raises ValueError where more than this share of the pictures was rejected."""
    rejected, total = store.record["rejected"], store.record["rejected"] + len(store.line)
    if rejected / total > max_rejected:
        raise ValueError(f"at most {max_rejected:.1%} of the pictures may be rejected, {rejected} of {total} were; "
                         f"{store.path / 'rejected.csv'} says why. The others are ready in {store.path}")


def summary(store: Store) -> list[str]:
    """What a person wants to know after `prepare`, as lines to print."""
    record = store.record
    lines = [f"{store.path}: {len(store.line):,} pictures, "
             + ", ".join(f"{n:,} {split}" for split, n in record["counts"].items())]
    lines += paper_counts(record)
    lines += [f"{n:,} noted: {note}" for note, n in record["notes"].items()]
    lines.append(f"{record['rejected']:,} rejected" + (", see rejected.csv" if record["rejected"] else "")
                 + (f"; {record['others']:,} files are no pictures and were passed over" if record["others"] else ""))
    return lines


@dataclass(frozen=True)
class Part:
    """Some files of a source, each with its split, and a digest of them and of the settings."""

    digest: str
    files: list[tuple[Entry, str]]

    def path(self, folder: Path) -> Path:
        return folder / f"{self.digest}.npz"


def _plan(settings: dict, found: list[tuple[Entry, str]]) -> list[Part]:
    chunks = [found[i : i + PICTURES] for i in range(0, len(found), PICTURES)]
    return [Part(_digest([settings, [(*astuple(entry), split) for entry, split in chunk]]), chunk) for chunk in chunks]


def _digest(value) -> str:
    text = json.dumps(value)  # escapes what is not ASCII, the bytes of odd file names included
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _refuse_foreign(out: Path) -> None:
    """Before anything is written, the lock included."""
    ours = {".lock", "parts", "index.csv", "rejected.csv", RECORD, *(f"{name}.npy" for name in ARRAYS)}
    foreign = sorted({path.name.removesuffix(".tmp") for path in out.iterdir()} - ours) if out.exists() else []
    if foreign:
        raise ValueError(f"the folder for a set must be empty or hold a set that was begun, {out} holds {foreign[:3]}")


def _holds(store: Store, source: Path, entries: list[Entry], settings: dict) -> bool:
    """Whether the set was made of these pictures, byte for byte: a copied or unpacked source has new times, no more."""
    digests = {row["file"]: row["sha256"] for row in store.index()}
    rejected = {row["file"] for row in store.rejected()}
    if {entry.name for entry in entries} != {*digests} | rejected:
        return False
    for entry in entries:
        try:
            data = _read(source, entry)
            if entry.name in rejected:
                _picture(data, settings)  # of its bytes nothing is noted; it must still be unfit
                return False
            if hashlib.sha256(data).hexdigest() != digests[entry.name]:
                return False
        except Unfit:
            if entry.name not in rejected:
                return False
    return True


def _refuse_remains(out: Path) -> None:
    """Of a set whose record was removed; a set that was begun has parts, and no index until all of them are there."""
    if (out / "index.csv").exists() and not (out / "parts").exists():
        raise ValueError(f"a set must have its {RECORD}, {out} holds only the rest; remove it or name another folder")


def _need_space(out: Path, n: int, size: int) -> None:
    need, free = 2 * n * size * size * 4, shutil.disk_usage(out).free  # the parts, then the arrays made of them
    need -= sum(path.stat().st_size for path in (out / "parts").glob("*.npz"))
    if need > free:
        raise OSError(f"{n:,} pictures at {size} px need {need / 1e9:.2f} GB more in {out}, "
                      f"free are {free / 1e9:.2f} GB")


def _make_parts(folder: Path, source: Path, parts: list[Part], settings: dict, processes: int) -> None:
    """All parts that are not there yet. An interruption leaves whole parts and at most some `.tmp`."""
    folder.mkdir(exist_ok=True)
    for leftover in folder.glob("*.tmp"):
        leftover.unlink(missing_ok=True)
    total = sum(len(part.files) for part in parts)
    missing = [part for part in parts if not part.path(folder).exists()]
    done = total - sum(len(part.files) for part in missing)
    jobs = (delayed(_make_part)(part, part.path(folder), source, settings) for part in missing)
    try:
        _show_progress(Parallel(n_jobs=min(processes, len(missing) or 1), return_as="generator_unordered")(jobs),
                       done, total)
    except (KeyboardInterrupt, OSError, BrokenExecutor) as error:
        kept = _kept(folder, parts)
        if isinstance(error, KeyboardInterrupt):
            print(f"\nstopped: {kept}", file=sys.stderr)
            raise
        if isinstance(error, BrokenExecutor):
            raise OSError(f"a process was killed, perhaps for want of memory (try fewer processes): {kept}") from error
        raise OSError(f"{folder} could not be written ({error.strerror or error}): {kept}") from error


def _kept(folder: Path, parts: list[Part]) -> str:
    total, done = (sum(len(part.files) for part in some)
                   for some in (parts, [part for part in parts if part.path(folder).exists()]))
    return f"{done:,} of {total:,} pictures are finished and kept in {folder.parent}; the same command goes on"


def _make_part(part: Part, path: Path, source: Path, settings: dict) -> int:
    """Decode the files of a part and write it; returns how many files it had. Runs in a process of its own."""
    pictures, rows, rejected = [], [], []
    for entry, split in part.files:
        try:
            data = _read(source, entry)
            *picture, width, height, note = _picture(data, settings)
            pictures.append(picture)
            rows.append([split, entry.name, hashlib.sha256(data).hexdigest(), width, height, note])
        except Unfit as error:
            rejected.append([entry.name, str(error)])
    empty = _empty(settings)
    arrays = {name: np.stack([picture[i] for picture in pictures]) if pictures else empty[name]
              for i, name in enumerate(ARRAYS)}
    with whole(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **arrays, rows=json.dumps(rows), rejected=json.dumps(rejected))
    return len(part.files)


def _read(source: Path, entry: Entry) -> bytes:
    """The bytes of an entry. Raises `Unfit` where they can't be had."""
    if entry.reason:
        raise Unfit(entry.reason)
    return sources.read(source, entry.name)


def _picture(data: bytes, settings: dict) -> tuple[np.ndarray, np.ndarray, np.ndarray, int, int, str]:
    """Line, colour, palette, and of the file its width, height and a note."""
    image, note, size = decode(data), "", settings["size"]
    if settings["name"] in sources.PAIRED:
        color, sketch, swapped = split_pair(image)
        color, line = square(color, size), square(sketch, size).convert("L")
        note = "sketch left of the colours" if swapped else ""
    else:
        color = square(image, size)
        line = extract_lines(color)
    if colorness(color) < 2:
        note = "no colours, only grey"
    pixels = np.asarray(color)
    return np.asarray(line), pixels, extract_palette(pixels, settings["k"]), *image.size, note


def _empty(settings: dict) -> dict[str, np.ndarray]:
    size = settings["size"]
    return {"line": np.empty((0, size, size), np.uint8), "color": np.empty((0, size, size, 3), np.uint8),
            "palette": np.empty((0, settings["k"], 3), np.float32)}


def _show_progress(work: Iterator[int], done: int, total: int) -> None:
    """A bar for a person, a line every ten seconds for a log: pictures a second and the time left."""
    if sys.stderr.isatty():
        with tqdm(total=total, initial=done, unit=" pictures") as bar:
            for n in work:
                bar.update(n)
        return
    before, started = done, time.perf_counter()
    last = started
    for n in work:
        done, now = done + n, time.perf_counter()
        if now - last > 10 or done == total:
            rate, last = (done - before) / (now - started), now
            left = (total - done) / rate
            print(f"{done:,} of {total:,} pictures, {rate:.0f} a second, {left:.0f} s left", flush=True)


def _assemble(out: Path, settings: dict, parts: list[Part], others: int) -> None:
    """The files of `store` from all parts: under temporary names, `set.json` last, then the parts are removed."""
    try:
        _write_store(out, settings, parts, others)
    except OSError as error:
        for leftover in out.glob("*.tmp"):
            leftover.unlink(missing_ok=True)
        kept = _kept(out / "parts", parts)
        raise OSError(f"{out} could not be written ({error.strerror or error}): {kept}") from error
    shutil.rmtree(out / "parts")


def _write_store(out: Path, settings: dict, parts: list[Part], others: int) -> None:
    files = [part.path(out / "parts") for part in parts]
    rows, rejected = [], []  # rows: split, file, sha256, width, height, note, number of its part, place in it
    for number, file in enumerate(files):
        done, refused = (json.loads(str(text)) for text in _read_part(file, "rows", "rejected"))
        rows += [[*row, number, place] for place, row in enumerate(done)]
        rejected += refused
    different = len({row[2] for row in rows})  # by sha256: equal pictures shall not fill a split each
    if different < len(SPLITS):
        why = ""
        if rejected:
            write_table(out / "rejected.csv", ("file", "reason"), rejected)
            why = f"; {out / 'rejected.csv'} says why"
        raise ValueError(f"a set must have at least {len(SPLITS)} different pictures, {different} of "
                         f"{len(rows) + len(rejected)} could be used{why}")
    _fill_splits(rows)
    rows.sort(key=lambda row: (SPLITS.index(row[0]), row[1]))
    temporaries = {}
    for name, empty in _empty(settings).items():
        temporaries[f"{name}.npy"] = temporary = out / f"{name}.npy.tmp"
        _write_array(temporary, name, (len(rows), *empty.shape[1:]), empty.dtype, rows, files)
    palettes = np.load(out / "palette.npy.tmp", mmap_mode="r")
    temporaries["index.csv"], temporaries["rejected.csv"] = out / "index.csv.tmp", out / "rejected.csv.tmp"
    write_table(temporaries["index.csv"], COLUMNS, [
        (i, *row[:6], " ".join("#{:02x}{:02x}{:02x}".format(*color) for color in palettes[i].round().astype(int)))
        for i, row in enumerate(rows)])
    write_table(temporaries["rejected.csv"], ("file", "reason"), rejected)
    record = {
        **settings,
        "plan": _digest([part.digest for part in parts]),
        "counts": {split: sum(row[0] == split for row in rows) for split in SPLITS},
        "paper_counts": sources.PAPER_COUNTS if settings["name"] == "kaggle" else None,
        "notes": dict(sorted(Counter(row[5] for row in rows if row[5]).items())),
        "rejected": len(rejected),
        "others": others,
        "sha256": {name: sha256(temporary) for name, temporary in temporaries.items()},
    }
    temporaries[RECORD] = out / f"{RECORD}.tmp"
    temporaries[RECORD].write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    for name, temporary in temporaries.items():
        os.replace(temporary, out / name)


def _read_part(file: Path, *names: str) -> list[np.ndarray]:
    """Arrays of a part. Raises ValueError for one that is damaged, as after a power cut, and removes it."""
    try:
        with np.load(file) as part:
            return [part[name] for name in names]
    except (EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        file.unlink()
        raise ValueError(f"{file} was damaged and is removed; the same command makes it again") from error


def _fill_splits(rows: list[list]) -> None:
    """Give every row a split.

    Where the source names none: a tenth of the pictures for test, a twentieth (at most 64) for val, chosen by their
    sha256, so that equal pictures share a split and a new picture moves few others. Where it names some, what has
    none is for training. Where none is val, the last of the training pictures are: a twentieth, at most 64.
    """
    if not any(row[0] for row in rows):
        ranked = sorted({row[2] for row in rows})
        test, val = max(1, round(len(ranked) / 10)), max(1, min(VAL_PICTURES, round(len(ranked) / 20)))
        split = dict.fromkeys(ranked, "train") | dict.fromkeys(ranked[:test], "test")
        split |= dict.fromkeys(ranked[test : test + val], "val")
        for row in rows:
            row[0] = split[row[2]]
        return
    for row in rows:
        row[0] = row[0] or "train"
    if not any(row[0] == "val" for row in rows):
        train = sorted((row for row in rows if row[0] == "train"), key=lambda row: row[1])
        for row in train[len(train) - min(VAL_PICTURES, max(1, len(train) // 20)) :]:
            row[0] = "val"


def _write_array(path: Path, name: str, shape: tuple[int, ...], dtype: np.dtype, rows: list[list],
                 files: list[Path]) -> None:
    """The rows' pictures, one part in memory at a time. Written as a stream: a full disk is an error, not a crash."""
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape})
        opened, pictures = None, None
        for *_, number, place in rows:
            if number != opened:
                opened, (pictures,) = number, _read_part(files[number], name)
            file.write(pictures[place].tobytes())

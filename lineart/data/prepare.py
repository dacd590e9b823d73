"""Pictures to arrays, once: decode, square, lines, palette, in several processes; whole at the end or not there."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from dataclasses import astuple
from pathlib import Path

import numpy as np
from filelock import FileLock
from joblib import Parallel, delayed
from PIL import Image
from threadpoolctl import threadpool_limits

from lineart.config import InputError
from lineart.data import sources
from lineart.data.lines import extract_lines
from lineart.data.palette import extract_palette
from lineart.data.sources import Entry
from lineart.data.store import (
    ARRAYS,
    RECORD,
    SPLITS,
    Store,
    counts,
    default_folder,
    is_store,
    open_store,
    remarks,
    write_table,
)
from lineart.files import sha256
from lineart.images import GREY, SUFFIXES, Unfit, colorness, decode, split_pair, squares
from lineart.progress import progress

BATCH = 16  # pictures that a process works on at a time
FORMAT = 2  # of the store; another number, another set
UNFINISHED = "unfinished"  # folder of a set in the making
TABLES = {
    "index.csv": ("row", "split", "file", "piece", "sketch", "sha256", "width", "height", "note", "palette"),
    "rejected.csv": ("file", "reason"),
}
FILES = (*(f"{name}.npy" for name in ARRAYS), *TABLES, RECORD)  # the record last: a folder that has it is whole
VAL_PICTURES = 64  # held out of the training pictures to watch a training, at most a twentieth of them
MAX_GREY = 0.1  # share of grey pictures beyond which a folder looks like drawings


def prepare(
    name: str,
    source: str | Path | None = None,
    size: int = 256,
    out: str | Path | None = None,
    k: int = 9,
    processes: int | None = None,
    max_rejected: float = 0.01,
    allow_grey: bool = False,
) -> Store:
    """Prepare a set and return it, opened; a set that is there already is only opened.

    name: "kaggle", "faces", "folder" or "pairs"; source: folder or zip, by default the set that is there, and where
    none is, Kaggle's; size: pixels a side; k: colours of the palette; out: folder, by default `runs/data/NAME-SIZEpx`;
    processes: by default one a core; allow_grey: colours are not asked of the pictures. Files that can't be used are
    listed in `rejected.csv`. Interrupted, nothing is left, and the same command starts again.
    Raises InputError where more than `max_rejected` of the pictures (a share) are rejected (the set is there all the
    same), where fewer than three different ones are left or more than a tenth are grey, where `out` holds something
    else or a set of other pictures or settings, and where the disk is full.
    """
    for setting, value in (("size", size), ("k", k), ("processes", processes)):
        if value is not None and value < 1:
            raise InputError(f"{setting} must be at least 1, got {value}")
    if not 0 <= max_rejected <= 1:
        raise InputError(f"max_rejected must be a share between 0 and 1, got {max_rejected}")
    out = Path(out) if out else default_folder(name, size)
    settings = {"format": FORMAT, "name": name, "size": size, "k": k}
    if source is not None or not is_store(out):
        path = sources.locate(name, source).resolve()
        entries, others = sources.list_entries(path, without=out)  # which may lie in the source, with a contact sheet
        entries, val_is_test = sources.assign(name, entries)
        if not entries:
            raise InputError(f"the source must hold pictures ({', '.join(SUFFIXES)}), {path} holds none")
        settings["content"] = _digest(entries)
        if not is_store(out):
            text = os.fsencode(path.name).decode(errors="backslashreplace")  # maybe no UTF-8
            more = {
                "source": text,
                "others": others,
                "val_is_test": val_is_test,
                "paper_counts": sources.PAPER_COUNTS if name == "kaggle" else None,
            }
            _make(out, path, entries, settings | more, processes or os.cpu_count() or 1, allow_grey)
    store = open_store(out)
    if different := [key for key in settings if store.record.get(key) != settings[key]]:
        held = ", ".join(
            "other pictures, or pictures that have changed" if key == "content" else f"{key} {store.record.get(key)}"
            for key in different
        )
        raise InputError(f"a set is never overwritten: {out} holds {held}; remove it or name another folder")
    refuse_too_many(store, max_rejected)
    return store


def refuse_too_many(store: Store, max_rejected: float) -> None:
    """Raises InputError where more than this share of the pictures was rejected."""
    rejected, total = store.record["rejected"], store.record["rejected"] + len(store.line)
    if rejected / total > max_rejected:
        raise InputError(
            f"at most {max_rejected:.1%} of the pictures may be rejected, {rejected} of {total} were; "
            f"{store.path / 'rejected.csv'} says why. The others are ready in {store.path}"
        )


def summary(store: Store) -> list[str]:
    """What a person wants to know after `prepare`, as lines to print."""
    record = store.record
    return [
        f"{store.path}: {len(store.line):,} pictures, {counts(record)}",
        *remarks(record),
        f"{record['rejected']:,} rejected"
        + (", see rejected.csv" if record["rejected"] else "")
        + (f"; {record['others']:,} files are no pictures and were passed over" if record["others"] else ""),
    ]


def _digest(entries: list[Entry]) -> str:
    """Of names and sizes: the same for a copy, most likely another one for other pictures."""
    text = json.dumps([astuple(entry) for entry in entries])  # ASCII, the bytes of odd file names escaped
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _make(out: Path, source: Path, entries: list[Entry], record: dict, processes: int, allow_grey: bool) -> None:
    """Write the set to a folder in `out`, then give its files their places; an interruption removes that folder."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        foreign = {path.name for path in out.iterdir()} - {*FILES, ".lock", UNFINISHED}
    except OSError as error:
        raise InputError(f"{out} can't be the folder for a set: {error.strerror}") from error
    if foreign:  # before anything is written, the lock included
        raise InputError(f"the folder for a set must be empty, {out} holds {sorted(foreign)[:3]}")
    work = out / UNFINISHED
    with FileLock(out / ".lock"):  # a second process waits, and finds the set ready
        if is_store(out):
            return
        shutil.rmtree(work, ignore_errors=True)  # of a process that was killed
        try:
            work.mkdir()
            _write(work, _results(source, entries, record, processes), record, len(entries), allow_grey)
            for name in FILES:
                os.replace(work / name, out / name)
        except BrokenExecutor as error:
            raise InputError("a process was killed, perhaps for want of memory: try fewer --processes") from error
        except OSError as error:
            raise InputError(f"{out} could not be written: {error.strerror or error}") from error
        finally:
            shutil.rmtree(work, ignore_errors=True)


def _results(source: Path, entries: list[Entry], record: dict, processes: int) -> Iterator[tuple[list, list]]:
    batches = [entries[i : i + BATCH] for i in range(0, len(entries), BATCH)]
    jobs = (delayed(_work)(source, batch, record["name"], record["size"], record["k"]) for batch in batches)
    for batch in Parallel(n_jobs=min(processes, len(batches)), return_as="generator")(jobs):
        yield from batch


def _work(source: Path, entries: list[Entry], name: str, size: int, k: int) -> list[tuple[list, list]]:
    """Of each entry its pictures, (line, color, palette, row of the index) each, or its row of `rejected.csv`."""
    done = []
    with threadpool_limits(1):  # threads that wait for each other at every small picture take nine times as long
        for entry in entries:
            try:
                done.append((_pictures(source, entry, name, size, k), []))
            except Unfit as error:
                done.append(([], [{"file": entry.name, "reason": str(error)}]))
    return done


def _pictures(source: Path, entry: Entry, name: str, size: int, k: int) -> list[tuple]:
    data = sources.read(source, entry)
    image = decode(data)
    row = {
        "split": entry.split,
        "file": entry.name,
        "piece": "",
        "sketch": "",
        "note": "",
        "sha256": hashlib.sha256(data).hexdigest(),
        "width": image.width,
        "height": image.height,
    }
    color, sketch = image, None
    if entry.sketch:
        sketch, row["sketch"] = _own_sketch(source, entry.sketch, image), entry.sketch.name
    elif name in sources.PAIRED:
        color, sketch, swapped = split_pair(image)
        row["note"] = f"sketch {'left of' if image.width > image.height else 'above'} the colours" if swapped else ""
    colors = squares(color, size)
    lines = map(extract_lines, colors) if sketch is None else [s.convert("L") for s in squares(sketch, size)]
    pictures = []
    for piece, (color, line) in enumerate(zip(colors, lines, strict=True), start=1):
        own = {
            "piece": piece if len(colors) > 1 else "",
            "note": "no colours, only grey" if colorness(color) < GREY else row["note"],
        }
        pixels = np.asarray(color)
        pictures.append((np.asarray(line), pixels, extract_palette(pixels, k), row | own))
    return pictures


def _own_sketch(source: Path, entry: Entry, color: Image.Image) -> Image.Image:
    """The sketch of another file. Raises `Unfit` where it does not fit to the colours."""
    try:
        sketch = decode(sources.read(source, entry))
    except Unfit as error:
        raise Unfit(f"its sketch {entry.name} can't be used: {error}") from error
    if abs(sketch.width / sketch.height * color.height / color.width - 1) > 0.01:
        raise Unfit(
            f"its sketch {entry.name} has another shape: {sketch.width}x{sketch.height}, the colours "
            f"{color.width}x{color.height}"
        )
    return sketch if sketch.size == color.size else sketch.resize(color.size, Image.Resampling.LANCZOS)


def _write(work: Path, results: Iterator[tuple[list, list]], record: dict, total: int, allow_grey: bool) -> None:
    """The files of `store`. The arrays come as the source is sorted, and are then sorted by split."""
    rows, rejected, raw = [], [], {name: open(work / f"{name}.raw", "wb") for name in ARRAYS}
    try:
        for pictures, lost in progress(results, total, "pictures"):
            rejected += lost
            for *arrays, row in pictures:
                rows.append(row | {"place": len(rows), "palette": _hex(arrays[-1])})
                for file, array in zip(raw.values(), arrays, strict=True):
                    file.write(array.tobytes())
    finally:
        for file in raw.values():
            file.close()
    _refuse(rows, rejected, record["name"], allow_grey)
    _fill_splits(rows)
    rows.sort(key=lambda row: (SPLITS.index(row["split"]), row["file"], row["piece"]))
    size, k = record["size"], record["k"]
    for name, shape, dtype in (
        ("line", (size, size), np.uint8),
        ("color", (size, size, 3), np.uint8),
        ("palette", (k, 3), np.float32),
    ):
        _sort(work / f"{name}.raw", work / f"{name}.npy", shape, np.dtype(dtype), [row["place"] for row in rows])
    write_table(work / "index.csv", [row | {"row": i} for i, row in enumerate(rows)], TABLES["index.csv"])
    write_table(work / "rejected.csv", rejected, TABLES["rejected.csv"])
    record = record | {
        "counts": {split: sum(row["split"] == split for row in rows) for split in SPLITS},
        "notes": dict(sorted(Counter(row["note"] for row in rows if row["note"]).items())),
        "rejected": len(rejected),
        "sha256": {name: sha256(work / name) for name in FILES[:-1]},
    }
    (work / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def _hex(palette: np.ndarray) -> str:
    return " ".join("#{:02x}{:02x}{:02x}".format(*color) for color in palette.round().astype(int))


def _refuse(rows: list[dict], rejected: list[dict], name: str, allow_grey: bool) -> None:
    """Raises InputError where the pictures do not make a set."""
    different = len({row["sha256"] for row in rows})  # equal pictures shall not fill a split each
    if different < len(SPLITS):
        reasons = "; ".join(f"{row['file']}: {row['reason']}" for row in rejected[:3])
        raise InputError(
            f"a set must have at least {len(SPLITS)} different pictures, {different} of "
            f"{len(rows) + len(rejected)} could be used" + (f" ({reasons})" if reasons else "")
        )
    grey = sum(row["note"] == "no colours, only grey" for row in rows)
    if name not in sources.PAIRED and not allow_grey and grey > MAX_GREY * len(rows):
        raise InputError(
            f"at most a tenth of the pictures may be grey, {grey} of {len(rows)} are and look like "
            "drawings; drawings with their colours are prepared as `pairs`, from two folders `color` and "
            "`sketch` that hold files of the same names; --allow-grey takes the pictures as they are"
        )


def _sort(raw: Path, path: Path, shape: tuple[int, ...], dtype: np.dtype, order: list[int]) -> None:
    """The pictures of a file in another order. Written as a stream: a full disk is an error, not a crash."""
    pictures = np.memmap(raw, dtype, "r", shape=(len(order), *shape))
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": pictures.shape}
        )
        for place in order:
            file.write(pictures[place].tobytes())
    raw.unlink()


def _fill_splits(rows: list[dict]) -> None:
    """Give every row a split.

    Where the source names none: a tenth of the pictures for test, a twentieth (at most 64) for val, chosen by their
    sha256, so that equal pictures share a split and a new picture moves few others. Where it names some, what has
    none is for training. Where none is val, the last of the training pictures are: a twentieth, at most 64.
    """
    if not any(row["split"] for row in rows):
        ranked = sorted({row["sha256"] for row in rows})
        test, val = max(1, round(len(ranked) / 10)), max(1, min(VAL_PICTURES, round(len(ranked) / 20)))
        split = dict.fromkeys(ranked, "train") | dict.fromkeys(ranked[:test], "test")
        split |= dict.fromkeys(ranked[test : test + val], "val")
        for row in rows:
            row["split"] = split[row["sha256"]]
        return
    for row in rows:
        row["split"] = row["split"] or "train"
    if not any(row["split"] == "val" for row in rows):
        train = sorted({row["file"] for row in rows if row["split"] == "train"})  # the pieces of a strip stay together
        val = {*train[len(train) - min(VAL_PICTURES, max(1, len(train) // 20)) :]}
        for row in rows:
            row["split"] = "val" if row["file"] in val else row["split"]

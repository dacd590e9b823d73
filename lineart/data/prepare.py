"""Pictures to arrays, once: decode, square, lines, palette, in several processes; whole at the end or not there."""

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from contextlib import ExitStack
from dataclasses import astuple
from pathlib import Path

import numpy as np
from filelock import FileLock
from joblib import Parallel, cpu_count, delayed
from PIL import Image

from lineart.config import InputError
from lineart.data import sources, store
from lineart.data.lines import extract_lines
from lineart.data.palette import extract_palette
from lineart.data.sources import Entry
from lineart.data.store import ARRAYS, RECORD, SPLITS, Store, default_folder, is_store, open_store
from lineart.files import sha256
from lineart.images import GREY, SUFFIXES, Unfit, colorness, decode, split_pair, squares
from lineart.progress import progress

FORMAT = 2  # of the store; another number, another set
INDEX = ("row", "split", "file", "piece", "sketch", "sha256", "width", "height", "note", "palette")
FILES = (*(f"{name}.npy" for name in ARRAYS), "index.csv", "rejected.csv", RECORD)
VAL_PICTURES = 64  # held out of the training pictures to watch a training, at most a twentieth of them
MAX_GREY = 0.1  # share of grey pictures beyond which a folder looks like drawings
NO_COLORS = "no colours, only grey"


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

    source: folder or zip, by default the set that is there, and where none is, Kaggle's; out: by default
    `runs/data/NAME-SIZEpx`; processes: by default one a core; allow_grey: colours are not asked of the pictures. What
    can't be used is listed in `rejected.csv`. Interrupted, no set is left, and the same command starts again.
    Raises InputError where more than `max_rejected` of the pictures (a share) are rejected (the set is there all the
    same), where fewer than three different ones are left or more than a tenth are grey, where `out` holds something
    else or a set of other pictures or settings, and where the disk is full.
    """
    _check(size, k, processes)
    check_share(max_rejected)
    out = Path(out or default_folder(name, size)).resolve()
    settings = {"format": FORMAT, "name": name, "size": size, "k": k}
    if source is not None or not is_store(out):
        path = sources.locate(name, source).resolve()
        if path == out:
            raise InputError(f"a set must go to another folder than its source, got {out} for both")
        entries, others = sources.list_entries(path, without=out)  # which may lie in the source, with a contact sheet
        entries, val_is_test = sources.assign(name, entries)
        if not entries:
            raise InputError(f"the source must hold pictures ({', '.join(SUFFIXES)}), {path} holds none")
        settings["content"] = _digest(entries)
        readable = os.fsencode(path.name).decode(errors="backslashreplace")  # maybe no UTF-8
        record = settings | {"source": readable, "others": others, "val_is_test": val_is_test}
        _make(out, path, entries, record, processes or cpu_count(), allow_grey)
    made = open_store(out)
    _refuse_another(made, settings)
    refuse_too_many(made, max_rejected)
    return made


def check_share(max_rejected: float) -> None:
    """Raises InputError unless it is a share of the pictures."""
    if not 0 <= max_rejected <= 1:
        raise InputError(f"max_rejected must be a share between 0 and 1, got {max_rejected}")


def _check(size: int, k: int, processes: int | None) -> None:
    for setting, value in (("size", size), ("k", k), ("processes", processes)):
        if value is not None and value < 1:
            raise InputError(f"{setting} must be at least 1, got {value}")


def _refuse_another(made: Store, settings: dict) -> None:
    """Raises InputError where the set that is there was made of something else."""
    for key, value in settings.items():
        if (held := made.record.get(key)) != value:
            what = "other pictures, or pictures that have changed" if key == "content" else f"{key} {held}"
            raise InputError(f"a set is never overwritten: {made.path} holds {what}; remove it or name another folder")


def refuse_too_many(made: Store, max_rejected: float) -> None:
    """Raises InputError where more than this share of the pictures was rejected."""
    rejected, total = made.record["rejected"], made.record["rejected"] + len(made.line)
    if rejected / total > max_rejected:
        raise InputError(
            f"at most {max_rejected:.1%} of the pictures may be rejected, {rejected} of {total} were; "
            f"{made.path / 'rejected.csv'} says why. The others are ready in {made.path}"
        )


def _digest(entries: list[Entry]) -> str:
    """Of names and sizes: the same for a copy, most likely another one for other pictures."""
    text = json.dumps([astuple(entry) for entry in entries])  # ASCII, the bytes of odd file names escaped
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _make(out: Path, source: Path, entries: list[Entry], record: dict, processes: int, allow_grey: bool) -> None:
    """Write the set to a hidden folder beside `out` that becomes `out` when it is whole."""
    if not is_store(out) and (out.is_file() or (out.is_dir() and os.listdir(out))):
        raise InputError(f"the folder for a set must be empty, {out} holds something else")
    work = out.with_name(f".{out.name}.unfinished")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(out.with_name(f".{out.name}.lock")):  # a second process waits, and finds the set ready
            if is_store(out):
                return
            try:
                shutil.rmtree(work, ignore_errors=True)  # of a process that was killed
                work.mkdir()
                jobs = (delayed(_work)(source, entry, record) for entry in entries)
                results = Parallel(n_jobs=min(processes, len(entries)), batch_size=16, return_as="generator")(jobs)
                _write(work, results, record, len(entries), allow_grey)
                if out.exists():
                    out.rmdir()
                os.rename(work, out)
            finally:  # while the lock keeps every other process out of it
                shutil.rmtree(work, ignore_errors=True)
    except BrokenExecutor as error:
        raise InputError("a process was killed, perhaps for want of memory: try fewer --processes") from error
    except OSError as error:
        raise InputError(f"{out} could not be written: {error.strerror or error}") from error


def _work(source: Path, entry: Entry, record: dict) -> tuple[list, list]:
    """The pictures of an entry, (line, color, palette, row of the index) each, or its row of `rejected.csv`."""
    try:
        return _pictures(source, entry, record), []
    except Unfit as error:
        return [], [{"file": entry.name, "reason": str(error)}]


def _pictures(source: Path, entry: Entry, record: dict) -> list[tuple]:
    data = sources.read(source, entry)
    color, sketch, note = decode(data), None, ""
    row = {
        "split": entry.split,
        "file": entry.name,
        "sketch": entry.sketch.name if entry.sketch else "",
        "sha256": hashlib.sha256(data).hexdigest(),
        "width": color.width,
        "height": color.height,
    }
    if entry.sketch:
        sketch = _own_sketch(source, entry.sketch, color)
    elif record["name"] in sources.PAIRED:
        color, sketch, swapped = split_pair(color)
        wide = row["width"] > row["height"]
        note = f"sketch {'left of' if wide else 'above'} the colours" if swapped else ""
    size, k = record["size"], record["k"]
    colors = squares(color, size)
    lines = map(extract_lines, colors) if sketch is None else [s.convert("L") for s in squares(sketch, size)]
    pictures = []
    for piece, (color, line) in enumerate(zip(colors, lines, strict=True), start=1):
        pixels, grey = np.asarray(color), colorness(color) < GREY
        palette = extract_palette(pixels, k)
        own = {
            "piece": piece if len(colors) > 1 else "",
            "note": NO_COLORS if grey else note,
            "palette": " ".join("#{:02x}{:02x}{:02x}".format(*color) for color in palette.round().astype(int)),
        }
        pictures.append((np.asarray(line), pixels, palette, row | own))
    return pictures


def _own_sketch(source: Path, entry: Entry, color: Image.Image) -> Image.Image:
    """The sketch of another file. Raises `Unfit` where it does not fit to the colours."""
    try:
        sketch = decode(sources.read(source, entry))
    except Unfit as error:
        raise Unfit(f"its sketch {entry.name} can't be used: {error}") from error
    if abs(sketch.width / sketch.height * color.height / color.width - 1) > 0.01:
        sizes = f"{sketch.width}x{sketch.height}, the colours {color.width}x{color.height}"
        raise Unfit(f"its sketch {entry.name} has another shape: {sizes}")
    return sketch if sketch.size == color.size else sketch.resize(color.size, Image.Resampling.LANCZOS)


def _write(work: Path, results: Iterator[tuple[list, list]], record: dict, total: int, allow_grey: bool) -> None:
    """The files of `store`. The arrays come as the source is sorted, and are then sorted by split."""
    rows, rejected, samples = [], [], []
    with ExitStack() as stack:
        raw = [stack.enter_context(open(work / f"{name}.raw", "wb")) for name in ARRAYS]
        for pictures, lost in progress(results, total, "pictures"):
            rejected += lost
            for *samples, row in pictures:
                rows.append(row | {"place": len(rows)})
                for file, array in zip(raw, samples, strict=True):
                    file.write(array.tobytes())
    _refuse(rows, rejected, record["name"], allow_grey)
    _fill_splits(rows)
    rows.sort(key=lambda row: (SPLITS.index(row["split"]), row["file"], row["piece"]))
    for name, sample in zip(ARRAYS, samples, strict=True):
        _sort(work / f"{name}.raw", work / f"{name}.npy", sample, [row["place"] for row in rows])
    store.write_table(work / "index.csv", [row | {"row": i} for i, row in enumerate(rows)], INDEX)
    store.write_table(work / "rejected.csv", rejected, ("file", "reason"))
    record = record | {
        "counts": {split: sum(row["split"] == split for row in rows) for split in SPLITS},
        "notes": dict(sorted(Counter(row["note"] for row in rows if row["note"]).items())),
        "rejected": len(rejected),
        "sha256": {name: sha256(work / name) for name in FILES[:-1]},
    }
    (work / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def _refuse(rows: list[dict], rejected: list[dict], name: str, allow_grey: bool) -> None:
    """Raises InputError where the pictures do not make a set."""
    different = len({row["sha256"] for row in rows})  # equal pictures shall not fill a split each
    if different < len(SPLITS):
        reasons = "; ".join(f"{row['file']}: {row['reason']}" for row in rejected[:3])
        raise InputError(f"a set must have at least {len(SPLITS)} different pictures, got {different} ({reasons})")
    grey = sum(row["note"] == NO_COLORS for row in rows)
    if name not in sources.PAIRED and not allow_grey and grey > MAX_GREY * len(rows):
        raise InputError(
            f"at most a tenth of the pictures may be grey, {grey} of {len(rows)} are and look like "
            "drawings; drawings with their colours are prepared as `pairs`, from two folders `color` and "
            "`sketch` that hold files of the same names; --allow-grey takes the pictures as they are"
        )


def _sort(raw: Path, path: Path, sample: np.ndarray, order: list[int]) -> None:
    """The pictures of a file in another order. Written as a stream: a full disk is an error, not a crash."""
    pictures = np.memmap(raw, sample.dtype, "r", shape=(len(order), *sample.shape))
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(pictures))
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
        test = max(1, round(len(ranked) / 10))
        val = test + max(1, min(VAL_PICTURES, round(len(ranked) / 20)))
        split = dict.fromkeys(ranked[:test], "test") | dict.fromkeys(ranked[test:val], "val")
        for row in rows:
            row["split"] = split.get(row["sha256"], "train")
        return
    train = sorted({row["file"] for row in rows if row["split"] in ("", "train")})  # pieces of a strip stay together
    n_val = min(VAL_PICTURES, max(1, len(train) // 20))
    val = set() if any(row["split"] == "val" for row in rows) else {*train[-n_val:]}
    for row in rows:
        row["split"] = "val" if row["file"] in val else row["split"] or "train"

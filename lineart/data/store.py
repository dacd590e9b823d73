"""A prepared set on disk: arrays that are mapped into memory, and an index that leads back to every file.

    line.npy     (n, size, size) uint8, dark lines on white
    color.npy    (n, size, size, 3) uint8
    palette.npy  (n, k, 3) float32, 0..255
    index.csv    row, split, file, sha256 of the file, its width and height, note, palette as #rrggbb
    rejected.csv file and reason
    set.json     settings, counts, sha256 of each file above; written last, so a folder that has it is whole

Rows are sorted by split, then by name; so a split is one slice of the arrays.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from lineart.files import sha256

SPLITS = ("train", "val", "test")
ARRAYS = ("line", "color", "palette")
RECORD = "set.json"
COLUMNS = ("row", "split", "file", "sha256", "width", "height", "note", "palette")
SHEET = "contact_sheet.png"
KEYS = ("format", "name", "source", "size", "k", "plan", "counts", "paper_counts", "notes", "rejected", "others",
        "sha256")  # of the record


@dataclass(frozen=True)
class Store:
    """A whole prepared set, opened for reading; the arrays stay on disk until rows of them are read."""

    path: Path
    record: dict
    line: np.ndarray
    color: np.ndarray
    palette: np.ndarray

    def rows(self, split: str) -> slice:
        """Where the split lies in the arrays."""
        counts = [self.record["counts"][name] for name in SPLITS]
        start = sum(counts[: SPLITS.index(split)])
        return slice(start, start + counts[SPLITS.index(split)])

    def index(self) -> list[dict[str, str]]:
        return read_table(self.path / "index.csv")

    def rejected(self) -> list[dict[str, str]]:
        return read_table(self.path / "rejected.csv")


def is_store(path: Path) -> bool:
    return (path / RECORD).is_file()


def open_store(path: str | Path) -> Store:
    """Raises FileNotFoundError for a folder that is no whole prepared set, ValueError for a damaged one."""
    path = Path(path)
    if not is_store(path):
        raise FileNotFoundError(f"a prepared set must hold {RECORD}, {path} does not; lineart data prepare makes one")
    try:
        record = json.loads((path / RECORD).read_text(encoding="utf-8"))
        arrays = {name: np.load(path / f"{name}.npy", mmap_mode="r") for name in ARRAYS}
        if lost := sorted({*KEYS} - {*record}):
            raise ValueError(f"{RECORD} lacks {', '.join(lost)}")
        n, size, k = sum(record["counts"][split] for split in SPLITS), record["size"], record["k"]
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged ({error}); remove it and prepare it again") from error
    shapes = {"line": (n, size, size), "color": (n, size, size, 3), "palette": (n, k, 3)}
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise ValueError(f"{path / name}.npy must be {shape} as {RECORD} says, got {arrays[name].shape}")
    return Store(path, record, **arrays)


def check(path: str | Path) -> list[str]:
    """What is in a prepared set, as lines to print. Raises ValueError where a file is not as it was written."""
    store = open_store(path)
    for name, digest in store.record["sha256"].items():
        if sha256(store.path / name) != digest:
            raise ValueError(f"{store.path / name} has changed since it was written; remove the set and prepare it again")
    record, index, rejected = store.record, store.index(), store.rejected()
    sizes = Counter(f"{row['width']}x{row['height']}" for row in index)
    digests = Counter(row["sha256"] for row in index)
    found = Counter(row["split"] for row in index)
    if found != Counter(record["counts"]):
        raise ValueError(f"{store.path / RECORD} must count what index.csv lists, {dict(found)}, "
                         f"got {record['counts']}")
    split_of = {}
    for row in index:
        split_of.setdefault(row["sha256"], set()).add(row["split"])
    notes = Counter(row["note"] for row in index if row["note"])
    lines = [f"{record['name']} from {record['source']}: {len(index):,} pictures at {record['size']} px, "
             + ", ".join(f"{n:,} {split}" for split, n in record["counts"].items())]
    lines += paper_counts(record)
    lines.append("original sizes: " + ", ".join(f"{n:,} of {size}" for size, n in sizes.most_common(3))
                 + (f" and {len(sizes) - 3} other sizes" if len(sizes) > 3 else ""))
    lines += [f"{n:,} noted: {note}" for note, n in sorted(notes.items())]
    twice = sum(n - 1 for n in digests.values())
    if twice:
        across = sum(len(splits) > 1 for splits in split_of.values())
        lines.append(f"{twice:,} the same as another picture, {across:,} of them in two splits")
    reasons = Counter(row["reason"].split(":")[0] for row in rejected)
    lines.append(f"{len(rejected):,} rejected" + "".join(f"; {n:,} {reason}" for reason, n in reasons.most_common()))
    return [*lines, "every file is as it was written"]


def paper_counts(record: dict) -> list[str]:
    """One line where a set has counts in the paper: as there, or how many instead."""
    if not record["paper_counts"]:
        return []
    counts = {"train": record["counts"]["train"] + record["counts"]["val"], "test": record["counts"]["test"]}
    found = f"{counts['train']:,} for training (val among them) and {counts['test']:,} for test"
    if counts == record["paper_counts"]:
        return [f"as many as in the paper: {found}"]
    return [f"not as in the paper: {found}; the paper has {record['paper_counts']['train']:,} and "
            f"{record['paper_counts']['test']:,}"]


def contact_sheet(store: Store, columns: int = 12, rows: int = 4, side: int = 112) -> Image.Image:
    """Pictures from all over the set: each as line, colour and palette, from top to bottom."""
    n = len(store.line)
    chosen = np.unique(np.linspace(0, n - 1, min(n, columns * rows)).round().astype(int))
    strip = side // 6
    sheet = Image.new("RGB", (columns * side, -(-len(chosen) // columns) * (2 * side + strip)), "white")
    for i, row in enumerate(chosen):
        x, y = i % columns * side, i // columns * (2 * side + strip)
        for j, array in enumerate((store.line[row], store.color[row])):
            sheet.paste(Image.fromarray(array).resize((side, side), Image.Resampling.LANCZOS), (x, y + j * side))
        swatches = Image.fromarray(store.palette[row].round().astype(np.uint8)[None])
        sheet.paste(swatches.resize((side, strip), Image.Resampling.NEAREST), (x, y + 2 * side))
    return sheet


def read_table(path: Path) -> list[dict[str, str]]:
    # File names are bytes: those that are no UTF-8 go through unchanged
    with open(path, newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.DictReader(file))


def write_table(path: Path, columns: tuple[str, ...], rows: list[tuple]) -> None:
    with open(path, "w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        # Texts quoted: a file name may hold a carriage return, which Python 3.11 writes bare and reads as a row's end
        writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
        writer.writerow(columns)
        writer.writerows(rows)

"""A prepared set on disk: arrays that are mapped into memory, and an index that leads back to every file.

    line.npy     (n, size, size) uint8, dark lines on white
    color.npy    (n, size, size, 3) uint8
    palette.npy  (n, k, 3) float32, 0..255
    index.csv    row; split; file; of a strip the number of the piece; the sketch where it is a file of its own; sha256
                 of the file, its width and height; note; palette as #rrggbb
    rejected.csv file and reason
    set.json     settings, counts, sha256 of each file above

Rows are sorted by split, then by name; so a split is one slice of the arrays.
"""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from lineart.config import ROOT, InputError, MissingFile
from lineart.files import sha256, whole

PREPARED = ROOT / "runs" / "data"
SPLITS = ("train", "val", "test")
ARRAYS = ("line", "color", "palette")
RECORD = "set.json"
SHEET = "contact_sheet.png"


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

    def names(self, split: str) -> list[str]:
        """One a picture: its file; of a piece of a strip, and its number."""
        index = self.index()[self.rows(split)]
        pieces = index.get("piece", [""] * len(index))  # sets of an older version have none
        return [f"{file}#{piece}" if piece else file for file, piece in zip(index["file"], pieces, strict=True)]

    def index(self):
        """A DataFrame of texts, a row a picture."""
        return read_table(self.path / "index.csv")

    def rejected(self):
        """A DataFrame of texts: file, reason."""
        return read_table(self.path / "rejected.csv")

    def describe(self) -> list[str]:
        """What a person wants to know of the set, as lines to print."""
        record, n = self.record, len(self.line)
        counts = ", ".join(f"{count:,} {split}" for split, count in record["counts"].items())
        lines = [f"{self.path}: {n:,} pictures of {record['name']} at {record['size']} px, {counts}"]
        if record.get("val_is_test"):
            lines.append("no test pictures in the source: its val is the test set, and val is held out of train")
        lines += [f"{count:,} noted: {note}" for note, count in record["notes"].items()]
        lines.append(f"{record['rejected']:,} rejected, see rejected.csv; skipped as no pictures: {record['others']:,}")
        return lines


def default_folder(name: str, size: int) -> Path:
    return PREPARED / f"{name}-{size}px"


def is_store(path: str | Path) -> bool:
    return (Path(path) / RECORD).is_file()


def open_store(path: str | Path) -> Store:
    """Raises MissingFile for a folder that is no prepared set, InputError for a damaged one."""
    path = Path(path)
    if not is_store(path):
        raise MissingFile(f"a prepared set must hold {RECORD}, {path} does not; lineart data prepare makes one")
    try:
        record = json.loads((path / RECORD).read_text(encoding="utf-8"))
        arrays = {name: np.load(path / f"{name}.npy", mmap_mode="r") for name in ARRAYS}
        n, size = sum(record["counts"][split] for split in SPLITS), record["size"]
        shapes = [(n, size, size), (n, size, size, 3), (n, record["k"], 3)]
        if (held := [array.shape for array in arrays.values()]) != shapes:
            raise ValueError(f"arrays of {held} where {RECORD} says {shapes}")
    except PermissionError as error:
        raise InputError(f"the set {path} may not be read: {error}") from error
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:  # whatever NumPy and JSON find wrong
        raise InputError(f"{path} is damaged ({error}); remove it and prepare it again") from error
    return Store(path, record, **arrays)


def check(path: str | Path) -> list[str]:
    """What is in a prepared set, as lines to print. Raises InputError where a file is not as it was written."""
    store = open_store(path)
    for name, digest in store.record["sha256"].items():
        if not (store.path / name).is_file() or sha256(store.path / name) != digest:
            raise InputError(f"{store.path / name} is not as it was written; remove the set and prepare it again")
    index = store.index()
    twice = index.drop_duplicates("file")["sha256"].duplicated().sum()
    across = (index.groupby("sha256")["split"].nunique() > 1).sum()
    leak = [f"same as another picture: {twice:,}, in two splits: {across:,}"] if twice else []
    return [*store.describe(), *leak, "every file is as it was written"]


def contact_sheet(store: Store, columns: int = 12, rows: int = 4, side: int = 112) -> Image.Image:
    """Pictures from all over the set: each as line, colour and palette, from top to bottom."""
    n = len(store.line)
    chosen = np.unique(np.linspace(0, n - 1, min(n, columns * rows)).round().astype(int))
    height = 2 * side + side // 6
    sheet = Image.new("RGB", (columns * side, -(-len(chosen) // columns) * height), "white")
    for i, row in enumerate(chosen):
        x, y = i % columns * side, i // columns * height
        for j, array in enumerate((store.line[row], store.color[row])):
            sheet.paste(Image.fromarray(array).resize((side, side), Image.Resampling.LANCZOS), (x, y + j * side))
        swatches = Image.fromarray(store.palette[row].round().astype(np.uint8)[None])
        sheet.paste(swatches.resize((side, side // 6), Image.Resampling.NEAREST), (x, y + 2 * side))
    return sheet


def write_sheet(store: Store, path: Path) -> None:
    """The contact sheet in the format of its file's name. Raises InputError where it can't be written."""
    try:
        with whole(path) as temporary:
            contact_sheet(store).save(temporary, Image.registered_extensions()[path.suffix.lower()])
    except OSError as error:
        raise InputError(f"the contact sheet can't be written ({error}); --sheet names another file") from error


def read_table(path: Path):
    """A DataFrame of texts. File names are bytes: those that are no UTF-8 go through unchanged."""
    import pandas  # which neither a worker of `prepare` nor a training on `toon` needs

    return pandas.read_csv(path, dtype=str, keep_default_na=False, encoding_errors="surrogateescape")


def write_table(path: Path, rows: list[dict], columns: Sequence[str] | None = None) -> None:
    """Texts are quoted: a file name may hold a line's end."""
    import pandas

    table = pandas.DataFrame(rows, columns=columns)
    table.to_csv(path, index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC, errors="surrogateescape")

"""Measured numbers as rows of a DataFrame, and how they are read and written.

A row holds one number and what is needed to get it again. `value` is the mean; `spread` the standard deviation, over
the n drawings, in P3 over the derangements. `train_seed` is that of the training, and empty for a method without a
network, as are `finish` (what was done to the network's picture; "smooth": nothing) and `checkpoint` (sha256 of the
weights). `reference_seed`: of the lists of references or the warps, empty where nothing is drawn by lot. `backbone`:
"imagenet" or "bundled".
"""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from lineart.config import InputError
from lineart.files import write_text

COLUMNS = {
    "data": "str",
    "size": "int64",
    "method": "str",
    "train_seed": "Int64",
    "finish": "str",
    "protocol": "str",
    "reference_seed": "str",
    "metric": "str",
    "value": "float64",
    "spread": "float64",
    "n": "int64",
    "backbone": "str",
    "checkpoint": "str",
}


def as_rows(records: Iterable[dict]) -> pd.DataFrame:
    """Rows of dictionaries with the keys of `COLUMNS`."""
    return pd.DataFrame(records, columns=[*COLUMNS]).astype(COLUMNS)


def write_csv(path: str | Path, frame: pd.DataFrame) -> Path:
    """Any table as CSV, whole or not at all; floats with the fewest digits that give them again."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    return write_text(path, frame.to_csv(index=False, lineterminator="\n"))


def read_csv(path: str | Path, **options) -> pd.DataFrame:
    """Inverse of `write_csv`; an empty cell of a column of numbers is NaN."""
    return pd.read_csv(path, **options)


def read_rows(path: str | Path) -> pd.DataFrame:
    """Measured rows. Raises InputError for a file that holds something else."""
    try:
        rows = read_csv(path, dtype=COLUMNS, keep_default_na=False, na_values={"train_seed": [""]})
        if lost := [name for name in COLUMNS if name not in rows]:
            raise ValueError(f"it has no column {', '.join(lost)}")
        if not rows["backbone"].isin(["imagenet", "bundled"]).all():
            raise ValueError("a line of it is cut off")
    except ValueError as error:  # which pandas' own, and those of a file that is no UTF-8, are as well
        raise InputError(f"a table must be a CSV of rows of lineart evaluate, {path} is not: {error}") from error
    return rows[[*COLUMNS]]

"""The paper's Table 1, the row that stands for each of its numbers here, and what counts as reproduced."""

import pandas as pd

from lineart.config import DATA_FOLDER, InputError
from lineart.data.sources import PAPER_COUNTS
from lineart.evaluation.features import metric_names
from lineart.evaluation.rows import read_csv

PAPER_TABLE = DATA_FOLDER / "paper_table_1.csv"
TOLERANCE = PAPER_TABLE.with_name("table_1_tolerance.csv")  # stated before any run
COLUMNS = {"FID": ("P3", "frechet"), "PSNR": ("P1", None), "MS-SSIM": ("P1", None), "LPIPS": ("P1", "perceptual")}


def paper_table() -> dict[tuple[str, str], float]:
    """The paper's Table 1: (method, metric) -> value, methods "none" and "image"."""
    return read_csv(PAPER_TABLE).set_index(["method", "metric"])["value"].to_dict()


def headline(rows: pd.DataFrame, method: str) -> dict[str, tuple]:
    """Column of the paper -> the row that stands for it here, as a named tuple.

    Its own `metric` is another where the backbone is. Raises InputError where there is no such row.
    """
    names = metric_names(rows["backbone"].iloc[0]) if len(rows) else {}
    own = {(row.protocol, row.metric): row for row in rows[rows["method"] == method].itertuples(index=False)}
    wanted = {column: (protocol, names.get(kind, column)) for column, (protocol, kind) in COLUMNS.items()}
    if lost := [" ".join(key) for key in wanted.values() if key not in own]:
        raise InputError(f"the table must hold the paper's two methods, of {method} it lacks {', '.join(lost)}")
    return {column: own[key] for column, key in wanted.items()}


def verdict(column: str, row: tuple) -> str:
    """Whether a row is within the tolerance of the paper's number, or why the two do not compare."""
    other = ["backbone"] * (row.metric != column)
    if (row.data, row.size) != ("kaggle", 256):
        other = ["data set", *other]
    elif row.n != PAPER_COUNTS["test"]:
        other = ["number of drawings", *other]
    if other:
        return f"another {' and '.join(other)}: order only"
    stated = read_csv(TOLERANCE).set_index(["method", "metric"]).loc[(row.method, column)]
    paper = paper_table()[row.method, column]
    limit = stated["tolerance"] * (paper if stated["kind"] == "relative" else 1)
    reached = abs(row.value - paper) <= limit + 1e-9  # 0.97 - 0.96 is a little more than 0.01
    return f"comparable: {'' if reached else 'not '}reproduced ({row.value - paper:+.3f}, allowed ±{limit:.3f})"

"""Table 1 as Markdown and LaTeX: the paper's numbers, a run's beside them, and what counts as reproduced."""

from __future__ import annotations

import csv
import os
from pathlib import Path

from lineart.config import ROOT
from lineart.evaluation import Row, paper_table
from lineart.features import metric_names
from lineart.plotting import METHOD_NAMES

TOLERANCE = ROOT / "data" / "table_1_tolerance.csv"  # stated before any run
COLUMNS = {"FID": ("P3", "frechet"), "PSNR": ("P1", None), "MS-SSIM": ("P1", None), "LPIPS": ("P1", "perceptual")}
HIGHER_IS_BETTER = ("PSNR", "MS-SSIM", "line consistency")
DIGITS = {"MS-SSIM": 3, "LPIPS": 3, "ST-LPIPS": 3, "line consistency": 3, "KID": 4}  # behind the point; else 2
LATEX = {"±": r"$\pm$", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "%": r"\%", "&": r"\&", "_": r"\_", "–": "--"}


def headline(rows: list[Row], method: str) -> dict[str, Row]:
    """Column of the paper -> the row that stands for it here, whose own `metric` is another where the backbone is."""
    found = {}
    for column, (protocol, kind) in COLUMNS.items():
        fitting = [row for row in rows if (row.method, row.protocol) == (method, protocol)
                   and row.metric == (metric_names(row.backbone)[kind] if kind else column)]
        if len(fitting) != 1:
            raise ValueError(f"rows must hold {column} of {method!r} once, got {len(fitting)}")
        found[column] = fitting[0]
    return found


def better(metric: str, value: float, other: float) -> bool:
    """Whether `value` is better than `other`, in the direction of the metric."""
    return value > other if metric in HIGHER_IS_BETTER else value < other


def verdict(column: str, row: Row) -> str:
    """Whether a row is within the tolerance of the paper's number, or why the two do not compare."""
    other = ["data set"] * ((row.data, row.size) != ("kaggle", 256)) + ["backbone"] * (row.metric != column)
    if other:
        return f"another {' and '.join(other)}: order only"
    with open(TOLERANCE, newline="") as file:
        stated = {(line["method"], line["metric"]): line for line in csv.DictReader(file)}[row.method, column]
    paper = paper_table()[row.method, column]
    limit = float(stated["tolerance"]) * (paper if stated["kind"] == "relative" else 1)
    reached = abs(row.value - paper) <= limit + 1e-9  # 0.97 - 0.96 is a little more than 0.01
    return f"comparable: {'reproduced' if reached else 'not reached'} ({row.value - paper:+.3f}, allowed ±{limit:.3f})"


def table_1_markdown(rows: list[Row]) -> str:
    """The paper's layout with this run's "none" and "image" beside it, then every number of the run."""
    def table(grid: list[list[str]]) -> str:
        return "\n".join(f"| {' | '.join(line)} |" for line in (grid[0], ["---", *["---:"] * len(grid[0][1:])], *grid[1:]))
    return "\n\n".join((table(_paper_layout(rows)), _caption(rows), table(_all_numbers(rows)))) + "\n"


def table_1_latex(rows: list[Row]) -> str:
    """The same as two `tabular`s (package booktabs)."""
    def table(grid: list[list[str]]) -> str:
        head, *body = (" & ".join(line) + r" \\" for line in grid)
        return "\n".join([rf"\begin{{tabular}}{{l{'r' * len(grid[0][1:])}}}", r"\toprule", head, r"\midrule", *body,
                          r"\bottomrule", r"\end{tabular}"])
    grids = ([["".join(LATEX.get(c, c) for c in cell) for cell in line] for line in grid]
             for grid in (_paper_layout(rows), [[_caption(rows)]], _all_numbers(rows)))
    first, [[caption]], second = grids
    return f"{table(first)}\n\n{caption}\n\n{table(second)}\n"


def write_text(path: str | Path, text: str) -> Path:
    """UTF-8, written to a temporary name and renamed."""
    path = Path(path)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text, encoding="utf-8", newline="\n")
    os.replace(temporary, path)
    return path


def _paper_layout(rows: list[Row]) -> list[list[str]]:
    """Head and lines. A metric with a name of its own has a column of its own, and no difference."""
    runs = {method: {row.metric: row.value for row in headline(rows, method).values()} for method in ("none", "image")}
    names = list(dict.fromkeys([*COLUMNS, *runs["image"]]))
    grid = [["Method", *map(_with_arrow, names)]]
    for method, title in (("none", "Traditional GAN without Attention"), ("image", "Ours, with cross-attention")):
        run, paper = runs[method], {name: paper_table()[method, name] for name in COLUMNS}
        grid.append([f"{title}: the paper", *(f"{paper[n]:.2f}" if n in paper else "–" for n in names)])
        grid.append([f"{METHOD_NAMES[method]}: this run", *(_number(n, run[n]) if n in run else "–" for n in names)])
        grid.append(["difference", *(_number(n, run[n] - paper[n], "+") if n in run and n in paper else "–" for n in names)])
    return grid


def _all_numbers(rows: list[Row]) -> list[list[str]]:
    """Head and lines: one line a metric, one column a method; "–" where a method has no such row."""
    methods = list(dict.fromkeys(row.method for row in rows))
    cells = {(row.protocol, row.metric, row.method):
             f"{_number(row.metric, row.value)} ± {_number(row.metric, row.spread)}" for row in rows}
    return [["Protocol, metric", *(METHOD_NAMES.get(m, m) for m in methods)],
            *([f"{protocol}, {_with_arrow(metric)}", *(cells.get((protocol, metric, m), "–") for m in methods)]
              for protocol, metric in dict.fromkeys(key[:2] for key in cells))]


def _caption(rows: list[Row]) -> str:
    r = rows[0]
    return (f"This run: data {r.data}, {r.size} px, n = {r.n}, backbone {r.backbone}. P1, P3: the protocols; ±: standard "
            "deviation over the drawings (P1) or the three lists of references (P3).")


def _number(metric: str, value: float, sign: str = "") -> str:
    return f"{value:{sign}.{DIGITS.get(metric, 2)}f}"


def _with_arrow(metric: str) -> str:
    return f"{metric} {'↑' if metric in HIGHER_IS_BETTER else '↓'}"

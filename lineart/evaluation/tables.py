"""Table 1 as Markdown and LaTeX: the paper's numbers, a run's beside them, and what counts as reproduced."""

from __future__ import annotations

import csv
from itertools import pairwise
from pathlib import Path

import numpy as np

from lineart.data.sources import PAPER_COUNTS
from lineart.evaluation.features import metric_names
from lineart.evaluation.measure import PAPER_TABLE, Row, paper_table
from lineart.files import whole
from lineart.methods import METHOD_NAMES, method_title

TOLERANCE = PAPER_TABLE.with_name("table_1_tolerance.csv")  # stated before any run
COLUMNS = {"FID": ("P3", "frechet"), "PSNR": ("P1", None), "MS-SSIM": ("P1", None), "LPIPS": ("P1", "perceptual")}
SUMMARY = (("P1", "PSNR"), ("P2", "PSNR"), ("P4", "PSNR"), ("P4", "CIEDE2000"), ("P4", "bleeding"), ("P3", "frechet"),
           ("P3", "palette distance"), ("P3", "line consistency"))
ARROWS = {"PSNR": "↑", "MS-SSIM": "↑", "line consistency": "↑"}  # of the rest less is better
DIGITS = {"MS-SSIM": 3, "LPIPS": 3, "ST-LPIPS": 3, "line consistency": 3, "KID": 4,
          "bleeding": 4}  # behind the point; else 2
CAPTION = ("This run: {row.data}, {row.size} px, n = {row.n}, backbone {row.backbone}; where that is not the paper's "
           f"kaggle, 256 px, n = {PAPER_COUNTS['test']:,} and imagenet, only the order of the methods compares. "
           "±: standard deviation, in P1 over the drawings, in P3 over the three lists of references.")
SPREADS = ("±: standard deviation, in P1, P2 and P4 over the drawings, in P3 over the three lists of references; of other "
           "real pictures there is one list. How far trainings with other seeds lie apart is not in it.")
LATEX = str.maketrans({"±": r"$\pm$", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "–": "--", "_": r"\_", "“": "``",
                       "”": "''"})


def headline(rows: list[Row], method: str) -> dict[str, Row]:
    """Column of the paper -> the row that stands for it here, whose own `metric` is another where the backbone is."""
    own, names = {(row.method, row.protocol, row.metric): row for row in rows}, metric_names(rows[0].backbone)
    return {column: own[method, protocol, names.get(kind, column)] for column, (protocol, kind) in COLUMNS.items()}


def verdict(column: str, row: Row) -> str:
    """Whether a row is within the tolerance of the paper's number, or why the two do not compare."""
    other = ["backbone"] * (row.metric != column)
    if (row.data, row.size) != ("kaggle", 256):
        other = ["data set", *other]
    elif row.n != PAPER_COUNTS["test"]:
        other = ["number of drawings", *other]
    if other:
        return f"another {' and '.join(other)}: order only"
    stated = next(line for line in csv.DictReader(TOLERANCE.read_text().splitlines())
                  if (line["method"], line["metric"]) == (row.method, column))
    paper = paper_table()[row.method, column]
    limit = float(stated["tolerance"]) * (paper if stated["kind"] == "relative" else 1)
    reached = abs(row.value - paper) <= limit + 1e-9  # 0.97 - 0.96 is a little more than 0.01
    return f"comparable: {'' if reached else 'not '}reproduced ({row.value - paper:+.3f}, allowed ±{limit:.3f})"


def comparison(rows: list[Row]) -> tuple[list[str], int]:
    """Every value of the paper's table beside the run's, with the verdict; and how many were reproduced."""
    lines, reproduced = [], 0
    for method in ("none", "image"):
        for column, row in headline(rows, method).items():
            judged = verdict(column, row)
            reproduced += judged.startswith("comparable: reproduced")
            own = column if row.metric == column else row.metric
            lines.append(f"{METHOD_NAMES[method]:26s} {column:8s} paper {paper_table()[method, column]:6.2f}   "
                         f"{own} {_number(row.metric, row.value)}   {judged}")
    return lines, reproduced


def table_1_markdown(rows: list[Row]) -> str:
    """The paper's layout with this run's "none" and "image" beside it and our methods below, then every number."""
    return f"{_grid(*_paper_layout(rows))}\n\n{CAPTION.format(row=rows[0])}\n\n{_grid(*_all_numbers(rows))}\n"


def summary_markdown(rows: list[Row]) -> str:
    """A line a method, and a column for each question that the four protocols ask; "–" where a method has no such row.

    Below the trained methods stand those without a network, which give the numbers a scale.
    """
    values, asked = {(row.method, row.protocol, row.metric): row for row in rows}, _asked(rows)
    methods = sorted(dict.fromkeys(row.method for row in rows), key=lambda name: name.split(" (")[0] not in METHOD_NAMES)
    lines = [[method_title(method, methods), *(_number(row.metric, row.value) if (row := values.get((method, *key))) else "–"
                                for key in asked)] for method in methods]
    return _grid(_summary_head(asked), *lines) + "\n"


def seeds_markdown(rows: list[Row]) -> str:
    """The summary of trainings "none (seed 0)", "image (seed 0)" and so on, with the same seeds of all methods.

    Below, each method's mean over the seeds and, from each method to the next, the mean difference of two trainings of
    one seed, ± the standard deviation over the seeds; "–" where a training has no such row.
    """
    values, asked = {(row.method, row.protocol, row.metric): row.value for row in rows}, _asked(rows)
    names = list(dict.fromkeys(row.method for row in rows))
    runs = {name: np.array([values.get((name, *key), np.nan) for key in asked]) for name in names}
    lines = [[method_title(name, names), *(_number(metric, value) for (_, metric), value in zip(asked, run))]
             for name, run in runs.items()]
    methods = dict.fromkeys(name.partition(" (seed")[0] for name in names)
    samples = {method: np.stack([run for name, run in runs.items() if name.startswith(f"{method} (")]) for method in methods}
    below = [(METHOD_NAMES[method], sample, "") for method, sample in samples.items()]
    below += [(f"{b} − {a}, seed by seed", samples[b] - samples[a], "+") for a, b in pairwise(methods)]
    for title, sample, sign in below:
        lines.append([title, *("–" if np.isnan(mean) else f"{_number(metric, mean, sign)} ± {_number(metric, spread)}"
                               for (_, metric), mean, spread in zip(asked, sample.mean(0), sample.std(0, ddof=1)))])
    return _grid(_summary_head(asked), *lines) + "\n"


def extended_markdown(rows: list[Row]) -> str:
    """The summary, then one table a protocol: a line a method, a column a metric, with its n where it has its own."""
    texts = [summary_markdown(rows).strip(), SPREADS]
    for protocol in dict.fromkeys(row.protocol for row in rows):
        own = [row for row in rows if row.protocol == protocol]
        counts = {row.metric: row.n for row in own}
        names, n = [*counts], max(counts.values())
        head = ["Method", *(f"{name} {ARROWS.get(name, '↓')}" + (f" (n = {counts[name]})" if counts[name] < n else "")
                            for name in names)]
        lines = []
        methods = list(dict.fromkeys(row.method for row in own))
        for method in methods:
            cells = {row.metric: f"{_number(row.metric, row.value)} ± {_number(row.metric, row.spread)}"
                     for row in own if row.method == method}
            lines.append([method_title(method, methods), *(cells.get(name, "–") for name in names)])
        texts.append(f"**{protocol}**, n = {n}, {own[0].data} at {own[0].size} px, backbone {own[0].backbone}\n\n"
                     + _grid(head, *lines))
    return "\n\n".join(texts) + "\n"


def table_1_latex(rows: list[Row]) -> str:
    """The same as two `tabular`s (package booktabs)."""
    def table(*grid: list[str]) -> str:
        head, *body = (" & ".join(line) + r" \\" for line in grid)
        return "\n".join([rf"\begin{{tabular}}{{l{'r' * len(grid[0][1:])}}}", r"\toprule", head, r"\midrule", *body,
                          r"\bottomrule", r"\end{tabular}"])
    text = f"{table(*_paper_layout(rows))}\n\n{CAPTION.format(row=rows[0])}\n\n{table(*_all_numbers(rows))}\n"
    return text.translate(LATEX)


def write_csv(path: str | Path, head: tuple[str, ...], lines: list[tuple]) -> Path:
    """`head` and `lines` as CSV, whole or not at all."""
    with whole(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([head, *lines])
    return Path(path)


def _paper_layout(rows: list[Row]) -> list[list[str]]:
    """Head and lines. A metric with a name of its own has a column of its own, and no difference."""
    runs = {method: {row.metric: row.value for row in headline(rows, method).values()} for method in ("none", "image")}
    names = list(dict.fromkeys([*COLUMNS, *runs["image"]]))
    grid = [["Method", *(f"{name} {ARROWS.get(name, '↓')}" for name in names)]]
    for method, title in (("none", "Traditional GAN without Attention"), ("image", "“Ours”, with cross-attention")):
        run, paper = runs[method], {name: paper_table()[method, name] for name in COLUMNS}
        lines = {f"Paper: {title}": {name: f"{value:.2f}" for name, value in paper.items()},
                 f"This run: {METHOD_NAMES[method]}": {name: _number(name, value) for name, value in run.items()},
                 "difference": {name: _number(name, run[name] - paper[name], "+") for name in run if name in paper}}
        grid += [[first, *(texts.get(name, "–") for name in names)] for first, texts in lines.items()]
    for method in dict.fromkeys(row.method for row in rows if row.method in METHOD_NAMES and row.method not in runs):
        run = {row.metric: _number(row.metric, row.value) for row in headline(rows, method).values()}
        grid.append([f"This run: {METHOD_NAMES[method]}", *(run.get(name, "–") for name in names)])
    return grid


def _all_numbers(rows: list[Row]) -> list[list[str]]:
    """Head and lines: one line a metric, one column a method; "–" where a method has no such row."""
    methods, lines = dict.fromkeys((row.method for row in rows), "–"), {}
    for row in rows:
        texts = lines.setdefault(f"{row.protocol}, {row.metric} {ARROWS.get(row.metric, '↓')}", dict(methods))
        texts[row.method] = f"{_number(row.metric, row.value)} ± {_number(row.metric, row.spread)}"
    return [["Protocol, metric", *(METHOD_NAMES.get(method, method) for method in methods)],
            *([first, *texts.values()] for first, texts in lines.items())]


def _asked(rows: list[Row]) -> list[tuple[str, str]]:
    """The protocols and metrics of `SUMMARY` that there are rows of, under the backbone's names."""
    frechet, there = metric_names(rows[0].backbone)["frechet"], {(row.protocol, row.metric) for row in rows}
    asked = [(protocol, frechet if metric == "frechet" else metric) for protocol, metric in SUMMARY]
    return [key for key in asked if key in there]


def _summary_head(asked: list[tuple[str, str]]) -> list[str]:
    return ["Method", *(f"{protocol} {metric} {ARROWS.get(metric, '↓')}" for protocol, metric in asked)]


def _grid(head: list[str], *body: list[str]) -> str:
    """A table in Markdown."""
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---", *["---:"] * len(head[1:])], *body))


def _number(metric: str, value: float, sign: str = "") -> str:
    return "–" if np.isnan(value) else f"{value:{sign}.{DIGITS.get(metric, 2)}f}"

"""Rows as tables for people, in Markdown and LaTeX: Table 1 beside the paper's, summaries, seeds."""

from itertools import pairwise

import numpy as np
import pandas as pd

from lineart.data.sources import PAPER_COUNTS
from lineart.evaluation.features import metric_names
from lineart.evaluation.paper import COLUMNS, headline, paper_table, verdict
from lineart.methods import METHODS, method_title

SUMMARY = [("P1", "PSNR"), ("P2", "PSNR"), ("P4", "PSNR"), ("P4", "CIEDE2000"), ("P4", "bleeding")]
SUMMARY += [("P3", metric) for metric in ("frechet", "palette distance", "line consistency")]
ARROWS = {"PSNR": "↑", "MS-SSIM": "↑", "line consistency": "↑"}  # of the rest less is better
# Behind the point, where not two
DIGITS = {"MS-SSIM": 3, "LPIPS": 3, "ST-LPIPS": 3, "line consistency": 3, "KID": 4, "bleeding": 4}
SPREADS = (
    "±: standard deviation, in P1, P2 and P4 over the drawings, in P3 over the three lists of references; of "
    "other real pictures there is one list. How far trainings with other seeds lie apart is not in it."
)
LATEX = str.maketrans(
    {"±": r"$\pm$", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "–": "--", "_": r"\_", "“": "``", "”": "''"}
)


def comparison(rows: pd.DataFrame) -> tuple[list[str], int]:
    """Every value of the paper's table beside the run's, with the verdict; and how many were reproduced."""
    lines, reproduced = [], 0
    for method in ("none", "image"):
        for column, row in headline(rows, method).items():
            judged = verdict(column, row)
            reproduced += judged.startswith("comparable: reproduced")
            lines.append(
                f"{method_title(method):28s} {column:8s} paper {paper_table()[method, column]:6.2f}   "
                f"{row.metric} {number(row.metric, row.value)}   {judged}"
            )
    return lines, reproduced


# --- tables: frames of texts, whose index is the first column and whose index's name heads it ---


def paper_layout(rows: pd.DataFrame) -> pd.DataFrame:
    """The paper's layout with this run's "none" and "image" beside it and our methods below.

    A metric with a name of its own has a column of its own, and no difference.
    """
    lines, paper = [], paper_table()
    for method, title in (("none", "Traditional GAN without Attention"), ("image", "“Ours”, with cross-attention")):
        run = {row.metric: row.value for row in headline(rows, method).values()}
        less = {name: value - paper[method, name] for name, value in run.items() if name in COLUMNS}
        lines += [
            (f"Paper: {title}", {name: f"{paper[method, name]:.2f}" for name in COLUMNS}),
            (f"This run: {method_title(method)}", {name: number(name, value) for name, value in run.items()}),
            ("difference", {name: number(name, value, "+") for name, value in less.items()}),
        ]
    for method in [key for key in rows["method"].unique() if key in METHODS and key not in ("none", "image")]:
        run = {row.metric: number(row.metric, row.value) for row in headline(rows, method).values()}
        lines.append((f"This run: {method_title(method)}", run))
    frame = pd.DataFrame([texts for _, texts in lines], pd.Index([title for title, _ in lines], name="Method"))
    return frame.fillna("–").rename(columns=heading)


def all_numbers(rows: pd.DataFrame) -> pd.DataFrame:
    """A line a metric, a column a method; "–" where a method has no such row."""
    metric = rows["protocol"] + ", " + rows["metric"].map(heading)
    return _grid(metric.rename("Protocol, metric"), _titles(rows), _texts(rows, "spread"))


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """A line a method, and a column for each question that the four protocols ask; "–" where there is no such row.

    Below the trained methods stand those without a network, which give the numbers a scale.
    """
    rows = _asked(rows)
    titles, trained = _titles(rows), rows["method"].isin(METHODS)
    frame = _grid(titles, rows["protocol"] + " " + rows["metric"].map(heading), _texts(rows))
    return frame.loc[[*titles[trained].unique(), *titles[~trained].unique()]]


def of_protocol(rows: pd.DataFrame) -> pd.DataFrame:
    """Of the rows of one protocol: a line a method, a column a metric, with its n where it has its own."""
    own = (" (n = " + rows["n"].astype(str) + ")").where(rows["n"] < rows["n"].max(), "")
    return _grid(_titles(rows), rows["metric"].map(heading) + own, _texts(rows, "spread"))


def seeds(rows: pd.DataFrame) -> pd.DataFrame:
    """A line a training, with the same seeds of all methods; below, what a seed changes.

    That is each method's mean over the seeds and, from each method to the next, the mean difference of two trainings of
    one seed, ± the standard deviation over the seeds; "–" where a training has no such row.
    """
    rows = _asked(rows)
    keys = rows["protocol"] + " " + rows["metric"]
    metrics = dict(zip(keys, rows["metric"]))
    values = rows.assign(key=keys).pivot(index=["method", "train_seed"], columns="key", values="value")[[*metrics]]
    methods, lines = {method: values.loc[method] for method in rows["method"].unique()}, {}
    for method, runs in methods.items():
        for seed, run in runs.iterrows():
            lines[f"{method_title(method)} (seed {seed})"] = [number(metrics[key], run[key]) for key in metrics]
    for method, runs in methods.items():
        lines[method_title(method)] = _means(runs, metrics)
    for a, b in pairwise(methods):
        lines[f"{b} − {a}, seed by seed"] = _means(methods[b] - methods[a], metrics, "+")
    head = [heading(metric, key) for key, metric in metrics.items()]
    return pd.DataFrame.from_dict(lines, orient="index", columns=head).rename_axis("Method")


def over_seeds(rows: pd.DataFrame, by: str) -> pd.DataFrame:
    """A line a value of column `by`, and in every other column the mean ± the standard deviation over the trainings."""
    groups = rows.groupby(by, sort=False)
    return groups.mean().map("{:.2f}".format) + " ± " + groups.std().map("{:.2f}".format)


def _means(runs: pd.DataFrame, metrics: dict[str, str], sign: str = "") -> list[str]:
    mean, spread = runs.mean(skipna=False), runs.std(skipna=False)
    return [number(metric, mean[key], sign, spread[key]) for key, metric in metrics.items()]


def _grid(line: pd.Series, column: pd.Series, text: pd.Series) -> pd.DataFrame:
    """Texts by line and column, both in the order in which they come; "–" where there is none."""
    frame = pd.DataFrame({"line": line, "column": column, "text": text})
    grid = frame.pivot(index="line", columns="column", values="text")
    return grid.reindex(index=line.unique(), columns=column.unique()).rename_axis(line.name).fillna("–")


def _titles(rows: pd.DataFrame) -> pd.Series:
    """What a line is called: the method's title, and the finish where it is not the network's own picture."""
    finish = rows["finish"].where(~rows["finish"].isin(["", "smooth"]))
    return (rows["method"].map(method_title) + (", " + finish).fillna("")).rename("Method")


def _texts(rows: pd.DataFrame, spread: str | None = None) -> pd.Series:
    texts = [number(row.metric, row.value, spread=spread and row.spread) for row in rows.itertuples()]
    return pd.Series(texts, rows.index)


def _asked(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that `SUMMARY` asks for, under the backbone's names, in its order."""
    frechet = metric_names(rows["backbone"].iloc[0])["frechet"]
    order = {(protocol, frechet if metric == "frechet" else metric): i for i, (protocol, metric) in enumerate(SUMMARY)}
    rows = rows.assign(order=[order.get(key, np.nan) for key in zip(rows["protocol"], rows["metric"])])
    return rows.dropna(subset="order").sort_values("order", kind="stable", ignore_index=True)


def heading(metric: str, name: str | None = None) -> str:
    return f"{name or metric} {ARROWS.get(metric, '↓')}"


def number(metric: str, value: float, sign: str = "", spread: float | None = None) -> str:
    if np.isnan(value):
        return "–"
    digits = DIGITS.get(metric, 2)
    return f"{value:{sign}.{digits}f}" + ("" if spread is None else f" ± {spread:.{digits}f}")


# --- texts ---


def markdown(frame: pd.DataFrame, align: str = "---:") -> str:
    """A table in Markdown, numbers on the right; pandas' own would need the package tabulate, and pads every cell."""
    head, rule = [frame.index.name or "", *frame.columns], ["---", *[align] * frame.shape[1]]
    lines = [head, rule, *([title, *cells] for title, cells in zip(frame.index, frame.to_numpy().tolist()))]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def latex(frame: pd.DataFrame) -> str:
    """The same as a `tabular` (package booktabs)."""
    text = frame.reset_index().to_latex(index=False, column_format="l" + "r" * frame.shape[1], escape=False)
    return text.translate(LATEX)


def caption(rows: pd.DataFrame) -> str:
    row = rows.iloc[0]
    return (
        f"This run: {row['data']}, {row['size']} px, n = {row['n']}, backbone {row['backbone']}; where that is not the "
        f"paper's kaggle, 256 px, n = {PAPER_COUNTS['test']:,} and imagenet, only the order of the methods compares. "
        "±: standard deviation, in P1 over the drawings, in P3 over the three lists of references."
    )


def table_1_markdown(rows: pd.DataFrame) -> str:
    """The paper's layout, then every number."""
    return f"{markdown(paper_layout(rows))}\n\n{caption(rows)}\n\n{markdown(all_numbers(rows))}\n"


def table_1_latex(rows: pd.DataFrame) -> str:
    """The same as two `tabular`s."""
    return f"{latex(paper_layout(rows))}\n{caption(rows).translate(LATEX)}\n\n{latex(all_numbers(rows))}"


def extended_markdown(rows: pd.DataFrame) -> str:
    """The summary, then one table a protocol."""
    texts = [markdown(summary(rows)), SPREADS]
    for protocol, own in rows.groupby("protocol", sort=False):
        row = own.iloc[0]
        about = f"n = {own['n'].max()}, {row['data']} at {row['size']} px, backbone {row['backbone']}"
        texts += [f"**{protocol}**, {about}", markdown(of_protocol(own))]
    return "\n\n".join(texts) + "\n"

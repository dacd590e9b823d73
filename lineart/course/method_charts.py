"""The course's charts of results: errors slot by slot, methods side by side, attention against its two yardsticks."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse
from matplotlib.patheffects import withStroke

from lineart.data.toon import SLOTS
from lineart.methods import METHODS, method_title

OTHER = "#b03a3a"  # of what is no trained method


def _color(method: str) -> str:
    return METHODS[method].color if method in METHODS else OTHER


def _finish(axis: Axes, **legend) -> Figure:
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, fontsize=8, **legend)
    axis.figure.set_layout_engine("constrained")
    return axis.figure


def gaussians(clouds: Sequence[np.ndarray]) -> Figure:
    """Clouds of points (n, 2) with the ellipse at one standard deviation, for covariances that are diagonal."""
    figure, axis = plt.subplots(figsize=(3.6, 3.2))
    for points, marker, color in zip(clouds, "os^", ("#005cc1", "#b98a39", "#581a00")):
        axis.plot(*points.T, marker, color=color)
        widths = 2 * points.std(0, ddof=1)
        axis.add_patch(Ellipse(points.mean(0), *widths, fill=False, edgecolor=color))
    axis.set(aspect="equal", xlabel="feature 1", ylabel="feature 2")
    return figure


def method_points(points: dict[str, tuple[float, float]], x: str, y: str) -> Figure:
    """Each method as a point (value of x, value of y), with its title."""
    figure, axis = plt.subplots(figsize=(5, 3))
    for (method, place), marker in zip(points.items(), "osDXv^"):
        axis.plot(*place, marker, markersize=9, color=_color(method), label=method_title(method))
    axis.set(xlabel=x, ylabel=y, ylim=(-0.05, 1.1))
    return _finish(axis, loc="center right")


def against_number_of_pictures(floor: dict[int, float], methods: dict[str, float], n: int, name: str) -> Figure:
    """A distance of real pictures from real ones for so many a set, and as lines what methods have with n pictures."""
    figure, axis = plt.subplots(figsize=(5, 3))
    axis.loglog([*floor], [*floor.values()], "o-", color="#333", label="real against real")
    for (method, value), style in zip(methods.items(), ("--", "-.", ":")):
        axis.axhline(value, color=_color(method), linestyle=style, label=f"{method_title(method)}, n = {n}")
    axis.set(xlabel="pictures in each set", ylabel=name)
    return _finish(axis)


def slot_bars(errors: dict[str, np.ndarray], counts: np.ndarray | None = None, pale: Sequence[str] = ()) -> Figure:
    """Mean CIEDE2000 (6,) of each slot, one group of bars a slot; NaN where no drawing has it.

    errors: a method's key, or that and a word ("image, self"), -> the means. counts (6,): how many drawings have a
    slot, written below. pale: names whose bars are drawn pale.
    """
    figure, axis = plt.subplots(figsize=(8, 2.8))
    wide = 0.8 / len(errors)
    for k, (name, means) in enumerate(errors.items()):
        method, _, word = name.partition(", ")
        label = ", ".join(filter(None, [method_title(method), word]))
        places = np.arange(len(SLOTS)) + wide * (k - (len(errors) - 1) / 2)
        axis.bar(places, means, 0.9 * wide, label=label, color=_color(method), alpha=0.5 if name in pale else 1)
    names = SLOTS if counts is None else [f"{slot}\nin {count}" for slot, count in zip(SLOTS, counts)]
    axis.set(ylabel="mean CIEDE2000", xticks=range(len(SLOTS)), xticklabels=names)
    axis.margins(y=0.4)
    return _finish(axis, loc="upper left", ncols=2)


def attention_bars(table: pd.DataFrame) -> Figure:
    """Attention on the right slot, layer by layer: bars of methods, a dotted line of chance, marks of own place.

    table: the columns of `figures/attention_toon.csv`; a chart for each kind of reference.
    """
    layers, parts = table["layer"].unique(), [*table.groupby("reference", sort=False)]
    figure, axes = plt.subplots(1, len(parts), figsize=(8.5, 3), sharey=True, squeeze=False, layout="constrained")
    for axis, (reference, part) in zip(axes[0], parts):
        methods = [*part.groupby("method", sort=False)]
        for k, (method, own) in enumerate(methods):
            places = np.arange(len(layers)) + 0.2 * (k - (len(methods) - 1) / 2)
            axis.bar(places, own["right_slot"], 0.18, color=_color(method), label=method_title(method))
        axis.axhline(part["chance"].iloc[0], color="#333", linewidth=1, linestyle=":", label="chance")
        own_place = methods[0][1]["own_place"].to_list()
        rim = [withStroke(linewidth=4, foreground="white")]  # or a black bar would hide the mark
        axis.plot(own_place, "_", color="black", markersize=22, label="own place", path_effects=rim)
        axis.set_xticks(range(len(layers)), [name[:3] + name[-2:] for name in layers])
        axis.set_title(f"reference: {reference}", fontsize=9)
    axes[0, 0].set_ylabel("attention on the right slot")
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False, fontsize=8
    )
    return figure


def mean_curves(curves: dict[str, tuple[Sequence[int], np.ndarray]], y: str) -> Figure:
    """Method -> steps and values (seeds, steps): the mean over the seeds, in a band from the lowest to the highest."""
    figure, axis = plt.subplots(figsize=(5.5, 2.8))
    for (method, (steps, values)), style in zip(curves.items(), ("--", "-")):
        axis.plot(steps, values.mean(0), style, color=_color(method), label=method_title(method))
        axis.fill_between(steps, values.min(0), values.max(0), color=_color(method), alpha=0.2)
    axis.set(xlabel="step", ylabel=y)
    return _finish(axis)

"""The course's diagrams: ideas that are pictures, drawn from the very numbers that they explain."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

SHARED, OTHERS = "#3b62b8", "#e4e4e4"
GROUPS = (("#f2d4a9", "o"), ("#bcd0ee", "s"), ("#d9bfe0", "^"))  # light colours, told apart by their marks, too


def nearest_centre(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """(n,) int: the index of each point's nearest centre. points (n, d), centres (k, d)."""
    return ((points[:, None] - centres) ** 2).sum(-1).argmin(1)


def draw_lloyd(points: np.ndarray, centres: np.ndarray, steps: int = 3) -> Figure:
    """Steps of Lloyd's method, a panel a step: each point with its nearest centre, and where the centre goes.

    points (n, 2); centres (k, 2), at most three of them, each with at least one point in every step.
    """
    figure, axes = plt.subplots(1, steps, figsize=(2.6 * steps, 2.7), sharex=True, sharey=True)
    for number, axis in enumerate(axes, start=1):
        nearest = nearest_centre(points, centres)
        moved = np.stack([points[nearest == j].mean(0) for j in range(len(centres))])
        _draw_step(axis, points, nearest, centres, moved)
        error = ((points - centres[nearest]) ** 2).sum()
        axis.set_title(f"step {number}: J = {error:,.0f}", fontsize=9)
        centres = moved
    figure.tight_layout(pad=0.4)
    return figure


def _draw_step(axis: Axes, points: np.ndarray, nearest: np.ndarray, centres: np.ndarray, moved: np.ndarray) -> None:
    for j, (start, end) in enumerate(zip(centres, moved)):
        color, mark = GROUPS[j]
        own = points[nearest == j]
        axis.plot(*np.stack([own, np.broadcast_to(start, own.shape)]).transpose(2, 0, 1), color=color, linewidth=0.8)
        axis.plot(*own.T, mark, color=color, markeredgecolor="#777777", markersize=6)
        axis.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": "black", "shrinkA": 0, "shrinkB": 0})
        axis.plot(*start, "x", color="black", markersize=8, markeredgewidth=2)
    axis.set(xticks=[], yticks=[], aspect="equal")


def shares_statistics(norm: str, pictures: int, channels: int, groups: int = 2) -> np.ndarray:
    """(pictures, channels) bool: whose values share mean and variance with those of picture 0, channel 0.

    norm: "batch" or "group".
    """
    picture, channel = np.ogrid[:pictures, :channels]
    if norm == "batch":
        return np.broadcast_to(channel == 0, (pictures, channels))
    return (picture == 0) & (channel < channels // groups)


def draw_norms(pictures: int = 4, channels: int = 8, groups: int = 2, side: int = 5) -> Figure:
    """BatchNorm beside GroupNorm: in the cube of pictures, channels and positions, what one mean is taken over."""
    figure = plt.figure(figsize=(7.2, 3.1))
    for place, (norm, title) in enumerate({"batch": "BatchNorm", "group": "GroupNorm"}.items(), start=1):
        axis = figure.add_subplot(1, 2, place, projection="3d")
        shared = shares_statistics(norm, pictures, channels, groups)
        colors = np.where(np.broadcast_to(shared[..., None], (pictures, channels, side)), SHARED, OTHERS)
        axis.voxels(np.ones(colors.shape, bool), facecolors=colors, edgecolor="white", linewidth=0.5, shade=False)
        axis.set(xlabel="pictures N", ylabel="channels C", zlabel="positions H × W", xticks=[], yticks=[], zticks=[])
        axis.set(ylim=(channels, 0))  # so that picture 0 and channel 0 are in front
        axis.set_box_aspect((pictures, channels, side), zoom=0.85)
        axis.set_title(title, fontsize=10, y=0.93)
        axis.view_init(elev=24, azim=-145)
    figure.tight_layout(pad=0.2)
    return figure

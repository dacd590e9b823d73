"""The paper's Figure 2, from the sizes and channels of our generator at 256 px."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch

from lineart.course.plotting import as_picture
from lineart.networks import level_channels

SIZE, LEVELS, WIDTH = 256, 7, 64
LEFT, MIDDLE, RIGHT = 0, 3, 6  # the columns of encoder, reference and decoder; level i lies at height -i
DRAWING, REFERENCE, DECODED, ATTENDS = "#d6e4f5", "#e4dcf0", "#e3f0dc", "#f7dca6"
DEEP = (5, 6, 7)  # levels of the encoder that attend; the decoder's are one finer


def _box(axis: Axes, x: float, y: float, text: str, color: str, w: float = 1.5, h: float = 0.42) -> None:
    shape = f"round,pad=0,rounding_size={0.25 * h}"
    look = {"boxstyle": shape, "facecolor": color, "edgecolor": "#333333", "lw": 0.8, "zorder": 3}
    axis.add_patch(FancyBboxPatch((x - w / 2, y - h / 2), w, h, **look))
    axis.text(x, y, text, ha="center", va="center", fontsize=6.5, zorder=4)


def _arrow(axis: Axes, start: tuple, end: tuple, color: str = "#555555", style="-") -> None:
    look = {"arrowstyle": "-|>", "color": color, "linestyle": style, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 7}
    axis.annotate("", end, start, arrowprops=look, zorder=2)


def _dot(axis: Axes, x: float, y: float, text: str, color: str) -> None:
    axis.add_patch(Circle((x, y), 0.13, fc=color, ec="#333333", lw=0.8, zorder=3))
    axis.text(x, y - 0.01, text, ha="center", va="center", fontsize=6.5, zorder=4)


def _label(name: str, level: int) -> str:
    channels = level_channels(WIDTH, LEVELS)[max(level, 1) - 1]
    return f"{name} {level}\n{SIZE // 2**level}² × {channels}"


def u_net() -> Figure:
    """The first half: encoder on the left, decoder on the right, skips between them."""
    figure, axis = plt.subplots(figsize=(6.6, 6.1))
    figure.subplots_adjust(0, 0, 1, 1)
    _box(axis, LEFT, 0.1, f"line ⊕ palette\n{SIZE}² × 30", "#f2f2f2")
    _box(axis, RIGHT, 0.1, f"tanh\n{SIZE}² × 3", "#f2f2f2")
    for i in range(1, LEVELS + 1):
        _box(axis, LEFT, -i, _label("encoder", i), DRAWING)
        _arrow(axis, (LEFT, 0.79 - i if i > 1 else -0.11), (LEFT, 0.21 - i))
    for i in range(LEVELS):
        _box(axis, RIGHT, -i - 0.5, _label("decoder", i), DECODED)
        _arrow(axis, (RIGHT, -i - 0.29), (RIGHT, -i - 0.13 if i else -0.11))
    for i in range(1, LEVELS):
        _arrow(axis, (0.75, -i), (5.87, -i), "#3b62b8", (0, (4, 2)))  # the skip
        _dot(axis, RIGHT, -i, "C", "white")
        _arrow(axis, (RIGHT, -i + 0.13), (RIGHT, -i + 0.29))
    axis.plot([0.75, RIGHT], [-LEVELS, -LEVELS], color="#555555", lw=1, zorder=1)
    _arrow(axis, (RIGHT, -LEVELS), (RIGHT, -6.71))
    axis.set(xlim=(-0.9, 6.9), ylim=(-7.4, 0.5), aspect="equal")
    axis.axis("off")
    return figure


def whole(line, reference, result, palette: np.ndarray) -> Figure:
    """All of it: the reference's encoder, its keys and values, the noise, and pictures at the top; palette (9, 3)."""
    figure = u_net()
    (axis,) = figure.axes
    _reference(axis)
    for x, picture in zip((LEFT, MIDDLE, RIGHT), (line, reference, result)):
        axis.imshow(as_picture(picture), cmap="gray", vmin=0, vmax=255, extent=(x - 0.5, x + 0.5, 0.55, 1.55))
        _arrow(axis, *sorted([(x, 0.31), (x, 0.55)], reverse=x < RIGHT))
    axis.imshow(palette.reshape(3, 3, 3) / 255, extent=(1.2, 1.8, 0.75, 1.35))
    _arrow(axis, (2.5, 1.05), (1.8, 1.05))
    _arrow(axis, (1.2, 0.8), (0.75, 0.25))
    axis.text(2.15, 1.12, "k-means", ha="center", fontsize=6.5)
    axis.text(MIDDLE, -7.7, "C concatenate   N noise   dashed: skip", ha="center", fontsize=6.5)
    axis.set(xlim=(-0.9, 6.9), ylim=(-7.85, 1.6))
    return figure


def _reference(axis: Axes) -> None:
    _box(axis, MIDDLE, 0.1, f"reference\n{SIZE}² × 3", "#f2f2f2", 1.3)
    for i in range(1, LEVELS + 1):
        _box(axis, MIDDLE, -i - 0.27, _label("reference", i), REFERENCE, 1.3, 0.36)
        _arrow(axis, (MIDDLE, -0.11 if i == 1 else 0.55 - i), (MIDDLE, -i - 0.09))
    for i in DEEP:
        _box(axis, 1.1, -i, "attend", ATTENDS, 0.66, 0.3)  # encoder i
        _arrow(axis, (2.35, -i - 0.27), (1.43, -i - 0.08), "#b07a1e")
        _box(axis, 4.9, 0.5 - i, "attend", ATTENDS, 0.66, 0.3)  # decoder i - 1
        _arrow(axis, (3.65, 0.73 - i), (4.57, 0.57 - i), "#b07a1e")
        _dot(axis, 4.2, -i, "N", "#f3c6d3")

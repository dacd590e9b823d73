"""Ideas as pictures, where a page would need too many lines to draw them."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lineart.course.plotting import draw_blocks

DATA, OF_G, OF_D, LOSS = "#f2f2f2", "#cfe0f7", "#f7e3c4", "#ffffff"


def alternating_step() -> Figure:
    """One training step as data flow: above the discriminator's half, below the generator's; dashed: who is updated."""
    boxes = [
        ("drawing, palette,\nreference", 0.0, 0.5, DATA),
        ("generator G", 1.2, 0.5, OF_G),
        ("fake", 2.4, 0.5, DATA),
        ("truth", 2.4, 1.5, DATA),
        ("discriminator D\nboth in one call", 3.9, 1.5, OF_D),
        ("loss of D", 5.2, 1.5, LOSS),
        ("D, just improved", 3.9, 0.5, OF_D),
        ("L1, features, TV", 3.9, -0.5, LOSS),
        ("loss of G", 5.2, 0.0, LOSS),
    ]
    arrows = [(0, 1), (1, 2), (3, 4), (2, 4), (4, 5), (2, 6), (2, 7), (6, 8), (7, 8)]
    figure = draw_blocks(boxes, arrows, size=(8.6, 3.6))
    axis = figure.axes[0]
    axis.set_ylim(-1.25, 2.3)
    axis.text(
        3.02, 1.02, "detached", fontsize=8, ha="center", rotation=34, bbox={"fc": "white", "ec": "none", "pad": 1}
    )
    axis.text(
        2.25, -0.1, "L1 and features compare\nit with the truth", fontsize=7, ha="center", va="top", color="#555555"
    )
    _back(axis, (5.2, 1.8), (3.9, 1.8), 0.35, "1. its gradient moves D only")
    _back(axis, (5.2, -0.3), (1.2, 0.2), -0.35, "2. its gradient goes through D and the fake, and moves G only")
    return figure


def _back(axis: Axes, start: tuple[float, float], end: tuple[float, float], bend: float, words: str) -> None:
    """A dashed arrow that goes back, around the boxes."""
    style = {"arrowstyle": "-|>", "ls": "--", "color": "#1f3f8f", "connectionstyle": f"arc3,rad={bend}"}
    axis.annotate("", end, start, arrowprops=style)
    top = max(start[1], end[1]) + 0.42 if bend > 0 else -1.2
    axis.text((start[0] + end[0]) / 2, top, words, fontsize=8, ha="center", color="#1f3f8f")


def two_players(paths: dict[str, np.ndarray]) -> Figure:
    """The games of two players, side by side: title -> path (steps, 2) from the dot at (1, 1) around the cross at 0."""
    figure, axes = plt.subplots(1, len(paths), figsize=(2.3 * len(paths), 2.3), sharex=True, sharey=True)
    for axis, (title, path) in zip(axes, paths.items()):
        axis.plot(*path.T, color="#3b62b8", linewidth=0.8)
        axis.plot(1, 1, "o", 0, 0, "+", color="#333333", markersize=5)
        axis.set_title(title, fontsize=9)
        axis.set(aspect="equal", xlabel="x", ylabel="y")
    return figure


def label_map(labels: np.ndarray) -> np.ndarray:
    """Regions (H, W) in colours of their own, (H, W, 3) uint8; neighbours in number are far apart in hue and light."""
    turns = np.arange(labels.max() + 1) * 0.618  # of the colour circle: the golden ratio repeats no hue
    colors = plt.get_cmap("hsv")(turns % 1)[:, :3] * (0.55 + 0.45 * (np.arange(len(turns)) % 3) / 2)[:, None]
    return (255 * colors).astype(np.uint8)[labels]

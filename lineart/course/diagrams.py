"""The course's diagrams: ideas that are pictures, drawn from the very numbers that they explain."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lineart.course.plotting import draw_blocks

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

"""Ideas as pictures drawn over the drawings: who asks where, what a patch holds, where a loss pushes."""

import math
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch, Rectangle
from scipy.ndimage import distance_transform_edt

from lineart.course.plotting import as_picture, draw_heat, show_attention
from lineart.data.toon import SLOTS

ASKS, OWN, MEANT = "#d8432e", "#3b62b8", "#c77f2e"  # the position that asks, its own place, and the part it asks for


def picture(axis: Axes, image, title: str = "") -> None:
    axis.imshow(as_picture(image), cmap="gray", vmin=0, vmax=255)
    axis.set_title(title, fontsize=9)
    axis.axis("off")


def mark(axis: Axes, point: tuple[float, float], color: str, marker: str = "o", size: float = 11) -> None:
    """A mark at (row, column), in pixels; its white rim shows on any ground."""
    row, column = point
    look = {"markeredgewidth": 2.2, "markerfacecolor": "none", "markersize": size}
    axis.plot(column, row, marker, markeredgecolor="white", **(look | {"markeredgewidth": 4.5}))
    axis.plot(column, row, marker, markeredgecolor=color, **look)


def inside(mask: np.ndarray, part: str, count: int = 1) -> list[tuple[int, int]]:
    """The (row, column) of the pixels deepest inside a part of a mask of `toon`, far from one another."""
    area, found = mask == SLOTS.index(part), []
    for _ in range(count):
        depth = distance_transform_edt(np.pad(area, 1))[1:-1, 1:-1]
        row, column = np.unravel_index(depth.argmax(), depth.shape)
        found.append((int(row), int(column)))
        reach = int(1.5 * depth.max())
        area = area.copy()
        area[max(row - reach, 0) : row + reach, max(column - reach, 0) : column + reach] = False
    return found


def query_keys_values(line, reference, query: tuple[int, int], keys: list[tuple[int, int]], scores) -> Figure:
    """One position of a drawing asks some of a reference: its query meets their keys, and their colours come back.

    query and keys: (row, column) in pixels; scores: one a key. The strength of an arrow is its weight, the softmax of
    the scores; the square between the pictures is the mixture of the colours at the keys.
    """
    colors = as_picture(reference)[tuple(np.transpose(keys))] / 255  # (keys, 3)
    weights = torch.as_tensor(scores, dtype=torch.float32).softmax(0).numpy()
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(8, 3), width_ratios=(1, 0.45, 1))
    picture(left, line, "drawing: one position asks")
    picture(right, reference, "reference: every position has a key and a value")
    middle.set(xlim=(0, 1), ylim=(1, 0))
    middle.axis("off")
    mark(left, query, ASKS)
    for key, color, weight in zip(keys, colors, weights):
        right.plot(key[1], key[0], "s", markersize=13, markerfacecolor=color, markeredgecolor="black")
        look = {"color": ASKS, "linewidth": 0.8 + 4 * weight, "alpha": 0.35 + 0.65 * weight, "arrowstyle": "-|>"}
        ends = {"xyA": query[::-1], "coordsA": left.transData, "xyB": key[::-1], "coordsB": right.transData}
        figure.add_artist(ConnectionPatch(**ends, **look, shrinkA=8, shrinkB=8))
        text = right.annotate(f"{weight:.0%}", key[::-1], (9, 7), textcoords="offset points", fontsize=8)
        text.set_bbox({"facecolor": "white", "alpha": 0.8, "pad": 1, "edgecolor": "none"})
    middle.text(0.5, 0.06, "Q Kᵀ: how well do\nquestion and key fit?", ha="center", va="center", fontsize=8)
    middle.add_patch(Rectangle((0.35, 0.72), 0.3, 0.13, facecolor=weights @ colors, edgecolor="black"))
    middle.text(0.5, 0.93, "softmax · V: the colour\nthat comes back", ha="center", va="center", fontsize=8)
    figure.tight_layout(pad=0.3)
    return figure


def looks_at(line, reference, attention: torch.Tensor, row: float, column: float) -> Figure:
    """Where the position at `row` and `column`, shares of the height and width, looks; attention (H, W, T)."""
    height, width, tokens = attention.shape
    side, drawing = math.isqrt(tokens), as_picture(line)
    heat = attention[int(row * height), int(column * width)].reshape(side, side)
    figure, (left, right) = plt.subplots(1, 2, figsize=(5.2, 2.8))
    picture(left, drawing, "this position asks")
    mark(left, (row * drawing.shape[0], column * drawing.shape[1]), ASKS)
    picture(right, reference, f"bright: it looks here, at most {heat.max():.0%}")
    draw_heat(right, heat, drawing.shape[:2])
    figure.tight_layout(pad=0.3)
    return figure


def mirror_test(line, mirrored, point: tuple[int, int], attentions: dict[str, torch.Tensor]) -> Figure:
    """A drawing's cell, its two possible answers in the mirrored reference, and where each network looks.

    point: (row, column) of the attention's H x W; attentions: a network's name -> (H, W, H W) of this drawing.
    """
    figure, axes = plt.subplots(1, 2 + len(attentions), figsize=(2.4 * (2 + len(attentions)), 3))
    height, width, _ = next(iter(attentions.values())).shape
    pixels = as_picture(line).shape[0] / height
    other = (point[0], width - 1 - point[1])
    place, meant = ([(coordinate + 0.5) * pixels for coordinate in cell] for cell in (point, other))
    picture(axes[0], line, "this position asks")
    mark(axes[0], place, ASKS)
    picture(axes[1], mirrored, "○ own place, □ same part")
    for axis, (name, attention) in zip(axes[2:], attentions.items()):
        heat = attention[point].reshape(height, width)
        picture(axis, mirrored, f"{name}\n○ {heat[point]:.0%}, □ {heat[other]:.0%}")
        draw_heat(axis, heat, as_picture(line).shape[:2])
    for axis in axes[1:]:
        mark(axis, place, OWN, "o", 20)
        mark(axis, meant, MEANT, "s", 20)
    figure.tight_layout(pad=0.3)
    return figure


def surest_points(masks: np.ndarray, references: np.ndarray, side: int) -> tuple[int, list[tuple[int, int]]]:
    """A drawing that, like its reference, shows much of hair, skin and clothes; and of each the cell that is surest.

    masks, references (n, H, W): `Pairs.mask`; the cells are side x side, returned as (row, column).
    """
    kinds = [SLOTS.index(part) for part in ("hair", "skin", "clothes")]
    areas = [[(both == kind).mean((1, 2)) for kind in kinds] for both in (masks, references)]
    shown = int(np.min(areas, axis=(0, 1)).argmax())
    share = torch.stack([torch.from_numpy(masks[shown] == kind).float() for kind in kinds])[None]
    share = F.adaptive_avg_pool2d(share, side)
    share = share + F.avg_pool2d(share, 3, 1, 1, count_include_pad=False)  # a sure cell among sure cells
    return shown, [divmod(int(cell), side) for cell in share[0].flatten(1).argmax(1)]


def points_look(line, looks: list[tuple[str, Any, torch.Tensor]], points: list[tuple[int, int]]) -> Figure:
    """A row a reference (its name, the picture, the attention (H, W, T)): where the points of a drawing look in it."""
    figure, axes = plt.subplots(len(looks), 1 + len(points), figsize=(7.4, 2 * len(looks)), squeeze=False)
    for row, (name, reference, attention) in zip(axes, looks):
        show_attention(line, reference, attention, points, row)
        row[0].text(-0.08, 0.5, name, rotation=90, va="center", transform=row[0].transAxes)
    figure.subplots_adjust(hspace=0.16)
    return figure


def patch_sizes(drawings: dict[int, np.ndarray], window: torch.Tensor) -> Figure:
    """Drawings by their size, at one scale, with the patch of a logit near the middle; and the gradient (70, 70)."""
    figure, (pictures, gradient) = plt.subplots(1, 2, figsize=(7, 2.8), width_ratios=(7, 3))
    left = 0
    for size, drawing in drawings.items():
        pictures.imshow(drawing, extent=(left, left + size, size, 0))
        first = 8 * ((size // 8 - 2) // 2) - 23  # of the rows of this logit
        frame = {"fill": False, "edgecolor": ASKS, "linewidth": 2}
        pictures.add_patch(Rectangle((left + first, first), 70, 70, **frame))
        pictures.text(left, -6, f"{size} px", fontsize=9)
        left += size + 30
    pictures.set(xlim=(-2, left - 30 + 2), ylim=(max(drawings) + 1, -20))
    pictures.axis("off")
    quarter = len(window) // 4
    middle = window[quarter:-quarter, quarter:-quarter].sum() / window.sum()
    gradient.imshow(window.numpy(), cmap="magma", interpolation="nearest")
    gradient.set_title(f"{middle:.0%} in the middle quarter", fontsize=9)
    gradient.axis("off")
    return figure


def logit_maps(pictures: dict[str, torch.Tensor], maps: dict[str, torch.Tensor], rows: int) -> Figure:
    """The first pictures (N, 3, H, W) of each kind, each beside its map of logits (N, h, w)."""
    figure, axes = plt.subplots(rows, 2 * len(pictures), figsize=(9, 1.15 * rows))
    for k, (name, images) in enumerate(pictures.items()):
        for row, image, logits in zip(axes, images, maps[name]):
            picture(row[2 * k], image)
            drawn = row[2 * k + 1].imshow(logits.numpy(), cmap="RdBu", vmin=-3, vmax=3, interpolation="nearest")
            row[2 * k + 1].axis("off")
        axes[0, 2 * k].set_title(name, fontsize=9)
    figure.tight_layout(pad=0.3)
    figure.colorbar(drawn, ax=axes, fraction=0.02, label="logit")
    return figure


def pushes(image, where: dict[str, torch.Tensor]) -> Figure:
    """How hard each of two losses pushes a logit, per patch and as one number, and where on the image it does so."""
    figure, axes = plt.subplots(1, 2 + len(where), figsize=(7.5, 1.9), width_ratios=(1.5, *[1] * (1 + len(where))))
    z = torch.linspace(-6, 6, 100)
    axes[0].plot(z, torch.sigmoid(-z), color=OWN, label="per patch")
    axes[0].plot(z, torch.sigmoid(z) * torch.sigmoid(-z), "--", color=MEANT, label="one number")
    axes[0].set_xlabel("logit")
    axes[0].legend(frameon=False, fontsize=7, loc=(0.45, 0.7), handlelength=1.5)
    axes[0].set_title("push (up to a factor)", fontsize=9)
    picture(axes[1], image)
    for axis, (name, push) in zip(axes[2:], where.items()):
        axis.imshow(push.numpy(), cmap="magma", interpolation="nearest")
        axis.set_title(name, fontsize=9)
        axis.axis("off")
    return figure

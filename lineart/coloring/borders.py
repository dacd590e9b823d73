"""Borders without ink: drawn where the network's colours change, and smooth at the drawing's size."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy import ndimage

MOST = 100  # borders redrawn in a drawing, the longest ones
BLUR = 1 / 160  # over how much of the drawing's side colours are averaged


class Border(NamedTuple):
    """Where two regions meet on paper: a box, and for each of its pixels which of them it is, b above 0 and a below."""

    box: tuple[slice, slice]
    a: int
    b: int
    side: np.ndarray  # (h, w)


def contacts(labels: np.ndarray, paper: np.ndarray) -> np.ndarray:
    """(m, 4): where regions meet on paper: the lower label, the higher one, row and column."""
    found = []
    for a, b in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        meet = np.nonzero((labels[a] != labels[b]) & paper[a] & paper[b])
        pairs = np.sort(np.stack([labels[a][meet], labels[b][meet]], axis=1), axis=1)
        found.append(np.column_stack([pairs, *meet]))
    return np.concatenate(found)


def borders(labels: np.ndarray, paper: np.ndarray, lab: np.ndarray, colors: np.ndarray, reach: float) -> list[Border]:
    """The borders on paper of labels (h, w), where lab (h, w, 3) changes from one region's color (n, 3) to the other's.

    A pixel goes to the region whose colour it has more of, unless it lies deep in the other one: a border moves by less
    than `reach` pixels, and by less than a quarter of its length, so that a gap in a line stays closed.
    """
    meet = contacts(labels, paper)
    pairs, which, lengths = np.unique(meet[:, :2], axis=0, return_inverse=True, return_counts=True)
    longest = np.argsort(-lengths, kind="stable")[:MOST]
    return [_border(*pairs[i], meet[which.ravel() == i, 2:], labels, paper, lab, colors, reach) for i in longest]


def settled(labels: np.ndarray, found: Iterable[Border], factor: int) -> np.ndarray:
    """Labels (H, W), `factor` times as large as those of the borders, with these borders."""
    labels = labels.copy()
    for border in found:
        box = tuple(slice(factor * s.start, factor * s.stop) for s in border.box)
        size = [factor * n for n in reversed(border.side.shape)]
        side = np.asarray(Image.fromarray(border.side).resize(size, Image.Resampling.BILINEAR))
        old = labels[box]
        either = (old == border.a) | (old == border.b)
        old[either] = np.where(side[: old.shape[0], : old.shape[1]] > 0, border.b, border.a)[either]
    return labels


def _border(
    a: int,
    b: int,
    places: np.ndarray,
    labels: np.ndarray,
    paper: np.ndarray,
    lab: np.ndarray,
    colors: np.ndarray,
    reach: float,
) -> Border:
    reach = min(reach, max(len(places) / 4, 1.0))
    start = (places.min(0) - int(reach) - 1).clip(0)
    box = tuple(slice(low, high) for low, high in zip(start, places.max(0) + int(reach) + 2))
    in_a, in_b, met = labels[box] == a, labels[box] == b, np.zeros(labels[box].shape, bool)
    met[tuple((places - start).T)] = True
    depth = ndimage.distance_transform_edt(~met) / reach * (in_b.astype(int) - in_a)
    to_a, to_b = (np.linalg.norm(lab[box] - colors[i], axis=-1) for i in (a, b))
    seen = (to_a - to_b) / max(np.linalg.norm(colors[a] - colors[b]), 1e-9)  # -1 to 1
    weight = ((in_a | in_b) & paper[box]).astype(np.float32)
    depth, seen, weight = (
        ndimage.gaussian_filter(plane, BLUR * np.sqrt(labels.size)) for plane in (depth, weight * seen, weight)
    )
    side = depth + seen / weight.clip(1e-6)
    moved = ndimage.label(np.where(side > 0, in_a, in_b))[0]
    alone = (moved > 0) & ~np.isin(moved, moved[ndimage.binary_dilation(met)])  # parted from the border by ink
    return Border(box, a, b, np.where(alone, depth, side).astype(np.float32))

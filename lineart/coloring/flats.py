"""Colours inside the lines: each region of a drawing finished in one colour, or in soft shading.

The network colours a small picture; the drawing has its own size. So the drawing is cut into regions, each takes its
colour from the network's picture, ink takes the region beneath it, and the drawing's own lines are laid over.
"""

import typing
import warnings

import numpy as np
from PIL import Image
from scipy import ndimage
from scipy.cluster.hierarchy import DisjointSet
from skimage.color import lab2rgb, rgb2lab

from lineart.coloring import Finish, Swaps
from lineart.coloring.borders import borders, contacts, settled
from lineart.coloring.regions import darkest, full_size, regions
from lineart.config import InputError

CUT_AT = 512  # pixels of a square's side, at most, at which regions are cut; a strip has as many in all
SHADE_AT = 128  # and at which shading is blurred
# Differences in CIELAB, told on validation drawings of `toon`
ALIKE = 12.0  # neighbours without ink between them that differ less are one region
NEAR = 20.0  # how far a region may move to a colour of the palette
APART = 40.0  # what is farther from its region's colour belongs to another thing
# Shares of a region that belong to another thing
OPEN = 0.1  # its outline is open, and is closed where that gives two things of one colour each
MIXED = 0.25  # where it can't be closed, the region stays soft


def finish(
    line: np.ndarray,
    color: np.ndarray,
    palette: np.ndarray | None = None,
    name: Finish = "flat",
    gap: float | None = None,
    swap: Swaps = (),
) -> np.ndarray:
    """A coloured drawing, finished: as `underpaint`, and the drawing's lines over it, but for "smooth"."""
    under = underpaint(line, color, palette, name, gap, swap)
    return under if name == "smooth" else lay(line, under)


def lay(line: np.ndarray, under: np.ndarray) -> np.ndarray:
    """The lines (H, W) over colours (H, W, 3), as ink: by multiplication."""
    return (under * (line[..., None] / np.float32(255))).round().astype(np.uint8)


def underpaint(
    line: np.ndarray,
    color: np.ndarray,
    palette: np.ndarray | None = None,
    name: Finish = "flat",
    gap: float | None = None,
    swap: Swaps = (),
) -> np.ndarray:
    """What lies beneath the ink: line (H, W), color (H, W, 3) -> (H, W, 3), all uint8.

    color: the network's picture at the drawing's size. name: "smooth", the network's own; "soft", its shading blurred
    within each region; "flat", one colour a region; "exact", that colour exchanged for the nearest of palette (k, 3),
    0..255, if one is near. A region in which the network sees two colours stays soft: flat, one of them would be lost.
    gap: an opening in a line up to so many pixels wide lets no colour through; by default a 20th of the shorter side.
    Where the network sees two colours in a region, openings up to eight times as wide are closed, too. A border without
    a line runs where the network's colours change.
    swap: pairs of an old and a new colour, 0..255. The palette's colour nearest to the old one is meant, and every
    region (in "smooth" every pixel) that is nearer to it than to the palette's others moves in CIELAB as far as from it
    to the new one; of two swaps of one colour the last counts. Raises InputError for another name, for "exact" or a
    swap without a palette, and for a swap whose old colour is not near any of it.
    """
    if name not in typing.get_args(Finish):
        raise InputError(f"finish must be one of {', '.join(typing.get_args(Finish))}, got {name!r}")
    if palette is None and (name == "exact" or len(swap)):
        raise InputError("exact colours and swaps need a palette, got none")
    if name == "smooth":
        return _rgb(exchange(rgb2lab(color), palette, swap)) if len(swap) else color
    factor = _reduction(line, CUT_AT)
    small = darkest(line, factor)
    shades = np.asarray(Image.fromarray(color).resize(small.shape[::-1], Image.Resampling.BOX))
    lab = rgb2lab(shades)
    gap = (min(line.shape) / 20 if gap is None else gap) / factor
    labels, distance, colors = _parts(small, gap, lab)
    unlined = borders(labels, distance > 0, lab, colors, max(gap, 4.0))
    large = settled(full_size(labels, small, line, factor), unlined, factor)
    labels = settled(labels, unlined, 1)
    shaded = np.full(len(colors), name == "soft") | (_far(labels, distance > 0, lab, colors) > MIXED)
    final = np.where(shaded[:, None], colors, nearest_of(palette, colors)) if name == "exact" else colors
    under = _rgb(exchange(final, palette, swap) if len(swap) else final)[large]
    return _shaded(under, large, labels, distance > 0, shades - _rgb(colors)[labels].astype(int), shaded)


def _parts(line: np.ndarray, gap: float, lab: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, distance from ink and colours of the regions, alike ones joined, and those of two things cut."""
    labels, distance = regions(line, gap)
    labels, colors = joined(labels, distance, lab)
    for wider in (2, 4, 8):  # what holds two things is cut at a wider opening
        if (two := _far(labels, distance > 0, lab, colors) > OPEN).any():
            finer = len(colors) + regions(line, wider * gap)[0]
            pieces = np.unique(np.where(two[labels], finer, labels), return_inverse=True)[1]
            labels, colors = joined(_cut(pieces, labels, distance, lab), distance, lab)
    return labels, distance, colors


def _reduction(plane: np.ndarray, side: int) -> int:
    return int(np.ceil(np.sqrt(plane.size) / side))


def exchange(colors: np.ndarray, palette: np.ndarray, swap: Swaps) -> np.ndarray:
    """CIELAB colours (..., 3) after the swaps, see `underpaint`."""
    known = rgb2lab(np.asarray(palette, np.float64) / 255)  # (k, 3)
    nearest, moved = _nearest(colors, known), colors.copy()
    swap = np.asarray(swap, np.float64)
    if swap.shape[1:] != (2, 3) or not ((swap >= 0) & (swap <= 255)).all():
        raise InputError(f"a swap must be an old and a new colour, between 0 and 255, got {swap.tolist()}")
    for old, new in rgb2lab(swap / 255):
        i = _nearest(old, known)
        if np.linalg.norm(old - known[i]) > NEAR:
            there = " ".join(dict.fromkeys(map(_css, known)))
            raise InputError(f"the old colour of a swap must be near one of the palette, {there}, got {_css(old)}")
        moved[nearest == i] = colors[nearest == i] + new - known[i]  # of two swaps of one colour the last
    return moved


def _css(lab: np.ndarray) -> str:
    return "#" + bytes(_rgb(lab)).hex()


def nearest_of(palette: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """CIELAB colours (n, 3), those that have a colour of the palette near as that colour."""
    known = rgb2lab(np.asarray(palette, np.float64) / 255)
    nearest = known[_nearest(colors, known)]
    return np.where(np.linalg.norm(colors - nearest, axis=1, keepdims=True) < NEAR, nearest, colors)


def _nearest(colors: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(...,) which of `known` (k, 3) is the nearest to each of colors (..., 3)."""
    return np.stack([np.square(colors - color).sum(-1) for color in known]).argmin(0)


def _rgb(lab: np.ndarray) -> np.ndarray:
    """CIELAB (..., 3) -> uint8, what sRGB does not have at its border."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # which it says of every such colour
        return (lab2rgb(lab) * 255).round().astype(np.uint8)


def joined(labels: np.ndarray, distance: np.ndarray, lab: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Regions joined that touch on paper and are alike or tiny: new labels, and the colours (n, 3) in CIELAB."""
    colors, area = _medians(labels, distance, lab), np.bincount(labels.ravel()).astype(float)
    sets, pairs = DisjointSet(range(len(area))), _pairs(labels, distance > 0)
    for a, b in pairs[np.argsort(np.linalg.norm(colors[pairs[:, 0]] - colors[pairs[:, 1]], axis=1))]:
        a, b = sets[a], sets[b]
        if a != b and (np.linalg.norm(colors[a] - colors[b]) < ALIKE or min(area[a], area[b]) < 6):
            sets.merge(a, b)
            both = sets[a]
            colors[both] = (area[a] * colors[a] + area[b] * colors[b]) / (area[a] + area[b])
            area[both] = area[a] + area[b]
    merged = _merged(labels, sets)
    return merged, colors if merged.max() + 1 == len(area) else _medians(merged, distance, lab)


def _merged(labels: np.ndarray, sets: DisjointSet) -> np.ndarray:
    names = np.unique([sets[i] for i in range(len(sets))], return_inverse=True)[1]
    return names.astype(np.int16)[labels]  # at the drawing's size they are many


def _cut(pieces: np.ndarray, whole: np.ndarray, distance: np.ndarray, lab: np.ndarray) -> np.ndarray:
    """Pieces of regions `whole`; those that meet on paper are put together again unless they are clearly two things."""
    n = pieces.max() + 1
    colors, of = _medians(pieces, distance, lab), np.zeros(n, int)
    of[pieces] = whole
    mixed, sets = _far(pieces, distance > 0, lab, colors) > OPEN, DisjointSet(range(n))
    for a, b in _pairs(pieces, distance > 0):
        if of[a] == of[b] and (mixed[a] or mixed[b] or np.linalg.norm(colors[a] - colors[b]) < APART):
            sets.merge(a, b)
    merged = _merged(pieces, sets)  # whose colours are others
    return merged if merged.max() + 1 == n else _cut(merged, whole, distance, lab)


def _medians(labels: np.ndarray, distance: np.ndarray, lab: np.ndarray) -> np.ndarray:
    """(n, 3): the median colour of each region, away from its ink, where the network paints its own lines."""
    index = np.arange(labels.max() + 1)
    widest = np.asarray(ndimage.maximum(distance, labels, index))
    inner = np.where(distance >= 0.3 * widest[labels], labels, -1)
    return np.stack([ndimage.median(plane, inner, index) for plane in np.moveaxis(lab, -1, 0)], axis=1)


def _pairs(labels: np.ndarray, paper: np.ndarray) -> np.ndarray:
    """(m, 2): which regions meet on paper."""
    return np.unique(contacts(labels, paper)[:, :2], axis=0)


def _far(labels: np.ndarray, paper: np.ndarray, lab: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """(n,): the share of each region where the network sees another colour than the region's."""
    far = np.linalg.norm(lab - colors[labels], axis=-1) > APART
    n = len(colors)
    return np.bincount(labels[paper & far], minlength=n) / np.bincount(labels[paper], minlength=n).clip(1)


def _shaded(
    under: np.ndarray, large: np.ndarray, labels: np.ndarray, paper: np.ndarray, shading: np.ndarray, which: np.ndarray
) -> np.ndarray:
    """Flat colours; in the regions `which` (n,) with the network's shading, (h, w, 3) around 0, blurred within each.

    large (H, W): the regions at the size of `under`, so that nothing of one's shading reaches another.
    """
    if not which.any():
        return under
    result, step = under.astype(np.float32), _reduction(labels, SHADE_AT)
    grid = [-(-side // step) for side in labels.shape]
    rows, columns = ((np.arange(n) + 0.5) * side / n for n, side in zip(grid, labels.shape))  # the middles of its cells
    labels, paper, shading = (x[rows.astype(int)[:, None], columns.astype(int)] for x in (labels, paper, shading))
    places, scale = ndimage.find_objects(large + 1, len(which)), np.array(grid) / large.shape
    for i in np.flatnonzero(which):
        if places[i] is None or not (mask := labels == i).any():  # too thin for this grid
            continue
        start, stop = np.array([(part.start, part.stop) for part in places[i]]).T
        low, high = np.floor(start * scale).astype(int), np.ceil(stop * scale).astype(int)
        near, inside = tuple(map(slice, low, high)), large[places[i]] == i
        weight = mask[near] * np.where(paper[near], 1, 1e-3)
        amount = ndimage.gaussian_filter(weight, SHADE_AT / 24)
        box = tuple(np.concatenate([start * scale - low, stop * scale - low])[[1, 0, 3, 2]])
        for channel in range(3):
            sums = ndimage.gaussian_filter(weight * shading[near][..., channel], SHADE_AT / 24)
            blurred = Image.fromarray((sums / amount.clip(1e-9)).astype(np.float32))
            spread = np.asarray(blurred.resize(tuple(stop - start)[::-1], Image.Resampling.BILINEAR, box=box))
            result[(*places[i], channel)] += spread * inside
    return result.clip(0, 255).round().astype(np.uint8)

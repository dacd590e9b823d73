"""Colours inside the lines: each region of a drawing finished in one colour, or in soft shading.

The network colours a small picture; the drawing has its own size. So the drawing is cut into regions, each takes its
colour from the network's picture, ink takes the region beneath it, and the drawing's own lines are laid over.
"""

import typing
import warnings

import numpy as np
from PIL import Image
from scipy import ndimage
from skimage.color import lab2rgb, rgb2lab
from skimage.segmentation import watershed

from lineart.coloring import Finish, Swaps
from lineart.config import InputError

INK = 200  # a pixel of the drawing below it parts regions
MAX_REGIONS = 1000  # of more, as in dense hatching, the smallest join their neighbours
CUT_AT = 512  # pixels of a square's side, at most, at which regions are cut; a strip has as many in all
SHADE_AT = 128  # and at which shading is blurred
# Differences in CIELAB, told on validation drawings of `toon`
ALIKE = 12.0  # neighbours without ink between them that differ less are one region
NEAR = 20.0  # how far a region may move to a colour of the palette
APART = 40.0  # where a quarter of a region is farther from its colour, its outline is open, and it holds two things


def finish(line: np.ndarray, color: np.ndarray, palette: np.ndarray | None = None, name: Finish = "flat", **how):
    """A coloured drawing, finished: as `underpaint`, and the drawing's lines over it, but for "smooth"."""
    under = underpaint(line, color, palette, name, **how)
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
    0..255, if one is near. A region in which the network sees two colours stays soft in both: flat, one of them would
    swallow the other.
    gap: an opening in a line up to so many pixels wide lets no colour through; by default a 32nd of the longer side.
    swap: pairs of an old and a new colour, 0..255. The palette's colour nearest to the old one is meant, and every
    region (in "smooth" every pixel) that is nearer to it than to the palette's others moves in CIELAB as far as from it
    to the new one. Raises InputError for another name, and for "exact" or a swap without a palette.
    """
    if name not in typing.get_args(Finish):
        raise InputError(f"finish must be one of {', '.join(typing.get_args(Finish))}, got {name!r}")
    if palette is None and (name == "exact" or swap):
        raise InputError("exact colours and swaps need a palette, got none")
    if name == "smooth":
        return _rgb(exchange(rgb2lab(color), palette, swap)) if swap else color
    factor = _reduction(line, CUT_AT)
    small = darkest(line, factor)
    shades = np.asarray(Image.fromarray(color).resize(small.shape[::-1], Image.Resampling.BOX))
    lab = rgb2lab(shades)
    labels, distance = regions(small, (min(line.shape) / 20 if gap is None else gap) / factor)
    labels, colors = _joined(labels, distance, lab)
    shaded = np.full(len(colors), name == "soft") | _mixed(labels, distance > 0, lab, colors)
    final = np.where(shaded[:, None], colors, nearest_of(palette, colors)) if name == "exact" else colors
    under = _rgb(exchange(final, palette, swap) if swap else final)[full_size(labels, small, line, factor)]
    return _shaded(under, labels, distance > 0, shades - _rgb(colors)[labels].astype(int), shaded)


def _reduction(plane: np.ndarray, side: int) -> int:
    return int(np.ceil(np.sqrt(plane.size) / side))


def exchange(colors: np.ndarray, palette: np.ndarray, swap: Swaps) -> np.ndarray:
    """CIELAB colours (..., 3) after the swaps, see `underpaint`."""
    known = rgb2lab(np.asarray(palette, np.float64) / 255)  # (k, 3)
    nearest, moved = _nearest(colors, known), colors.copy()
    for old, new in rgb2lab(np.asarray(swap, np.float64) / 255):
        i = _nearest(old, known)
        moved[nearest == i] += new - known[i]
    return moved


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


def _joined(labels: np.ndarray, distance: np.ndarray, lab: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Regions joined that touch on paper and are alike or tiny: new labels, and the colours (n, 3) in CIELAB."""
    colors, area = _medians(labels, distance, lab), np.bincount(labels.ravel()).astype(float)
    parent = np.arange(len(area))

    def root(i: int) -> int:
        while parent[i] != i:
            i = parent[i]
        return i

    pairs = _contacts(labels, distance > 0)
    for a, b in pairs[np.argsort(np.linalg.norm(colors[pairs[:, 0]] - colors[pairs[:, 1]], axis=1))]:
        a, b = sorted((root(a), root(b)), key=lambda i: -area[i])
        if a != b and (np.linalg.norm(colors[a] - colors[b]) < ALIKE or area[b] < 6):
            colors[a] = (area[a] * colors[a] + area[b] * colors[b]) / (area[a] + area[b])
            area[a] += area[b]
            parent[b] = a
    names = np.unique([root(i) for i in range(len(parent))], return_inverse=True)[1]
    labels = names.astype(np.int16)[labels]  # at the drawing's size they are many
    return labels, _medians(labels, distance, lab)


def _medians(labels: np.ndarray, distance: np.ndarray, lab: np.ndarray) -> np.ndarray:
    """(n, 3): the median colour of each region, away from its ink, where the network paints its own lines."""
    index = np.arange(labels.max() + 1)
    widest = np.asarray(ndimage.maximum(distance, labels, index))
    inner = np.where(distance >= 0.3 * widest[labels], labels, -1)
    return np.stack([ndimage.median(plane, inner, index) for plane in np.moveaxis(lab, -1, 0)], axis=1)


def _contacts(labels: np.ndarray, paper: np.ndarray) -> np.ndarray:
    """(m, 2): which regions meet on paper."""
    found = []
    for a, b in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        meet = (labels[a] != labels[b]) & paper[a] & paper[b]
        found.append(np.stack([labels[a][meet], labels[b][meet]], axis=1))
    return np.unique(np.sort(np.concatenate(found), axis=1), axis=0)


def _mixed(labels: np.ndarray, paper: np.ndarray, lab: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """(n,) bool: regions in which the network sees more than one colour."""
    far = np.linalg.norm(lab - colors[labels], axis=-1) > APART
    n = len(colors)
    return np.bincount(labels[paper & far], minlength=n) > 0.25 * np.bincount(labels[paper], minlength=n)


def _shaded(
    under: np.ndarray, labels: np.ndarray, paper: np.ndarray, shading: np.ndarray, which: np.ndarray
) -> np.ndarray:
    """Flat colours; in the regions `which` (n,) with the network's shading, (h, w, 3) around 0, blurred within each."""
    if not which.any():
        return under
    step = _reduction(labels, SHADE_AT)
    labels, paper, shading = (x[::step, ::step] for x in (labels, paper, shading))
    sigma, blurred = SHADE_AT / 24, np.zeros(shading.shape, np.float32)
    for i, box in enumerate(ndimage.find_objects(labels + 1)):
        if box is None or not which[i]:  # none: too thin for this grid
            continue
        mask = labels[box] == i
        weight = mask * np.where(paper[box], 1, 1e-3)
        amount = ndimage.gaussian_filter(weight, sigma)[..., None]
        sums = ndimage.gaussian_filter(weight[..., None] * shading[box], (sigma, sigma, 0))
        blurred[box][mask] = (sums / amount.clip(1e-9))[mask]
    size = under.shape[1::-1]
    large = [
        np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.BILINEAR))
        for plane in np.ascontiguousarray(blurred.transpose(2, 0, 1))
    ]
    return (under + np.stack(large, axis=-1)).clip(0, 255).round().astype(np.uint8)


# --- regions: paper parted by ink, where gaps in a line do not count ---


def regions(line: np.ndarray, gap: float) -> tuple[np.ndarray, np.ndarray]:
    """Labels 0 to n - 1 of every pixel of a drawing (H, W), ink too; and each pixel's distance from ink, 0 on it.

    The paper that is further from ink than half a gap falls into pieces, which no gap joins: the first regions. Halving
    the distance finds the pieces that are too narrow for that, and so on down to single pixels. From there a watershed
    grows them until they meet, at the narrowest place of a gap.
    """
    paper = line >= INK
    # Paper goes on outside of the picture, but for a drawing that is all paper there must be ink somewhere
    distance = ndimage.distance_transform_edt(paper).astype(np.float32) if not paper.all() else np.ones(line.shape)
    markers, count, radius = np.zeros(line.shape, np.int32), 0, gap / 2
    while radius >= 0:
        pieces, n = ndimage.label(distance > radius)
        new = np.ones(n + 1, bool)
        new[0] = new[pieces[markers > 0]] = False  # a wider one lies inside
        markers += (np.where(new, count + np.cumsum(new), 0)[pieces]).astype(np.int32)
        count += new.sum()
        radius = radius / 2 if radius > 1 else radius - 1
    markers = _largest(markers, MAX_REGIONS)
    if not markers.any():
        return np.zeros(line.shape, np.int32), distance
    return _filled(watershed(-distance, markers, mask=paper)) - 1, distance


def darkest(line: np.ndarray, factor: int) -> np.ndarray:
    """The darkest pixel of each block, so that no line opens."""
    rows, columns = (np.arange(0, side, factor) for side in line.shape)
    return np.minimum.reduceat(np.minimum.reduceat(line, rows, axis=0), columns, axis=1)


def full_size(labels: np.ndarray, small: np.ndarray, line: np.ndarray, factor: int) -> np.ndarray:
    """Labels at the drawing's size. Blocks with ink are filled anew: paper from paper, then ink from both sides."""
    if factor == 1:
        return labels
    rough, sure = (_enlarged(x, factor, line.shape) for x in (labels + 1, np.where(small >= INK, labels + 1, 0)))
    sure = _grown(_grown(sure, line >= INK, 2 * factor), np.ones(line.shape, bool), factor)
    return np.where(sure > 0, sure, rough) - 1


def _enlarged(blocks: np.ndarray, factor: int, shape: tuple[int, int]) -> np.ndarray:
    return blocks.repeat(factor, 0).repeat(factor, 1)[: shape[0], : shape[1]]


def _grown(labels: np.ndarray, where: np.ndarray, steps: int) -> np.ndarray:
    """Pixels of `where` without a label (0) take a neighbour's, `steps` times."""
    padded = np.pad(labels, 1)
    flat, width = padded.reshape(-1), padded.shape[1]
    todo = np.flatnonzero(np.pad(where, 1) & (padded == 0))
    for _ in range(steps):
        found = np.maximum.reduce([flat[todo + offset] for offset in (-1, 1, -width, width)])
        flat[todo] = found
        todo = todo[found == 0]
    return padded[1:-1, 1:-1]


def _filled(labels: np.ndarray) -> np.ndarray:
    """Pixels without a label (0) take the nearest one."""
    nearest = ndimage.distance_transform_edt(labels == 0, return_distances=False, return_indices=True)
    return labels[tuple(nearest)]


def _largest(markers: np.ndarray, most: int) -> np.ndarray:
    """The `most` largest of the labels 1 to n, numbered anew; of equals the first."""
    sizes = np.bincount(markers.ravel())[1:]
    kept = np.sort(np.argsort(-sizes, kind="stable")[:most])
    names = np.zeros(len(sizes) + 1, np.int32)
    names[kept + 1] = np.arange(1, len(kept) + 1)
    return names[markers]

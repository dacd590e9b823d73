"""A drawing cut into regions: paper parted by ink, where gaps in a line do not count."""

import numpy as np
from scipy import ndimage
from skimage.segmentation import expand_labels, watershed

INK = 200  # a pixel of the drawing below it parts regions
MAX_REGIONS = 1000  # of more, as in dense hatching, the smallest join their neighbours


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
    return expand_labels(watershed(-distance, markers, mask=paper), np.inf) - 1, distance


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


def _largest(markers: np.ndarray, most: int) -> np.ndarray:
    """The `most` largest of the labels 1 to n, numbered anew; of equals the first."""
    sizes = np.bincount(markers.ravel())[1:]
    kept = np.sort(np.argsort(-sizes, kind="stable")[:most])
    names = np.zeros(len(sizes) + 1, np.int32)
    names[kept + 1] = np.arange(1, len(kept) + 1)
    return names[markers]

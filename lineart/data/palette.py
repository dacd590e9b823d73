"""The nine dominant colours of a picture."""

from functools import cache

import numpy as np
from PIL import Image

from lineart.config import InputError
from lineart.images import rgb

GRID = 64 * 64  # k-means sees a grid of about this many pixels, and never twice as many


def extract_palette(image: Image.Image | np.ndarray, k: int = 9, seed: int = 0) -> np.ndarray:
    """Dominant colours by k-means in RGB (section 3.1 of the paper, k = 9).

    image: PIL picture of any mode, transparent parts on white, or (H, W, 3) uint8 array, 0..255.
    Returns (k, 3) float32, 0..255, largest cluster first; equal sizes by colour, so that the order is fixed. A picture
    of fewer than k colours repeats its colours, largest first, until there are k. The same picture and seed give the
    same palette: k-means runs in one thread, because the order of a parallel sum changes the last digits.
    Raises ValueError for k < 1, an array of another shape or type, and a picture with pixels of 32 bits.
    """
    if k < 1:
        raise InputError(f"k must be at least 1, got {k}")
    if isinstance(image, Image.Image):
        image = rgb(image)
    pixels = np.asarray(image)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or not pixels.size:
        raise ValueError(f"image must be (H, W, 3) of uint8, with pixels, got {pixels.shape} of {pixels.dtype}")
    # Every n-th pixel rather than an average of neighbours: averages invent colours at the borders.
    stride = max(1, int(np.ceil(np.sqrt(pixels.shape[0] * pixels.shape[1] / GRID))))
    pixels = pixels[::stride, ::stride].reshape(-1, 3)
    pixels = pixels[:: max(1, len(pixels) // GRID)]  # of a picture thinner than the grid is wide
    colors, counts = distinct_colors(pixels)  # equal pixels as one, with their number as weight
    if len(colors) > k:
        colors, counts = _cluster(colors, counts, k, seed)
    order = np.lexsort((*colors.T[::-1], -counts))
    return np.resize(colors[order], (k, 3)).astype(np.float32)


def distinct_colors(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct colours of pixels (n, 3) uint8, in order: (m, 3) uint8, and how many pixels each has, (m,).

    What np.unique does with axis=0, in a tenth of its time: here a colour is one number.
    """
    codes, counts = np.unique(pixels.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32), return_counts=True)
    return np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=1).astype(np.uint8), counts


def _cluster(colors: np.ndarray, counts: np.ndarray, k: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """k cluster centres (k, 3) and their sizes in pixels (k,)."""
    from sklearn.cluster import KMeans  # a second that colouring with a given palette need not wait

    with _threads().limit(limits=1):
        means = KMeans(k, n_init=1, random_state=seed).fit(colors.astype(np.float64), sample_weight=counts)
    return means.cluster_centers_.round(2), np.bincount(means.labels_, weights=counts, minlength=k)


@cache
def _threads():
    """The thread pools of this process; to find them takes as long as half a palette, so once."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()

"""Which drawing takes its colours from which picture: seeded lists, kept as CSV under `data/pairs`."""

from pathlib import Path

import numpy as np
from scipy.ndimage import binary_erosion

from lineart.config import DATA_FOLDER, InputError
from lineart.data.toon import SLOTS

FOLDER = DATA_FOLDER / "pairs"
MIN_PIXELS = 20  # a region with fewer pixels has no colour that a person would judge


def derangement(n: int, seed: int) -> np.ndarray:
    """(n,) int: reference of drawing i; a permutation without fixed points, so that no drawing is its own reference.

    One cycle through all n (Sattolo 1986): drawing order[j] takes order[j + 1]. Raises InputError for n < 2.
    """
    if n < 2:
        raise InputError(f"a derangement needs at least 2 drawings, got {n}")
    order = np.random.default_rng(seed).permutation(n)
    reference = np.empty(n, int)
    reference[order] = np.roll(order, -1)
    return reference


def showing_references(shown: np.ndarray, seed: int) -> np.ndarray:
    """(n,) int: for each drawing another one that shows every slot that it has, drawn by lot among all that do.

    shown (n, slots) bool: which slots a drawing shows (`region_shown`). In the same colours such a reference leaves no
    colour to guess. Where no other drawing shows all of them, it is one of those that show most. No drawing is its own
    reference; one may serve several. Raises InputError for n < 2.
    """
    if len(shown) < 2:
        raise InputError(f"references need at least 2 drawings, got {len(shown)}")
    rng, has = np.random.default_rng(seed), shown.astype(np.float32)
    common = has @ has.T  # (n, n): slots of the row's drawing that the column's shows
    np.fill_diagonal(common, -1)
    return np.array([rng.choice(np.flatnonzero(row == row.max())) for row in common])


def list_path(data: str, n: int, seed: int, kind: str = "random") -> Path:
    return FOLDER / f"{data}-test-{n}-{kind}-{seed}.csv"


def random_references(data: str, n: int, seed: int) -> np.ndarray:
    """(n,) int: the committed list of a data set, size and seed, or where there is none the derangement itself."""
    known = read_list(list_path(data, n, seed))
    return derangement(n, seed) if known is None else known


def read_list(path: Path) -> np.ndarray | None:
    """(n,) int: reference of every drawing, or None where there is no such file."""
    if not path.exists():
        return None
    import pandas  # which a training need not load

    return pandas.read_csv(path)["reference"].to_numpy(int)


def region(mask: np.ndarray, slot: int) -> np.ndarray:
    """(H, W) bool: the pixels of a slot without its rim; none where fewer than 20 are left."""
    inside = binary_erosion(mask == slot)
    return inside if inside.sum() >= MIN_PIXELS else np.zeros_like(inside)


def region_shown(masks: np.ndarray) -> np.ndarray:
    """(n, 6) bool: whether a picture shows a slot as a region."""
    shown = [region(mask, slot).any() for mask in masks for slot in range(len(SLOTS))]
    return np.reshape(shown, (len(masks), len(SLOTS)))

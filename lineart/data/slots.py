"""Where a slot is a region: masks (n, H, W) uint8 hold the index of a slot at every pixel (`toon.SLOTS`).

A region is counted without its rim of one pixel, which antialiasing mixes with the ink.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import binary_erosion

from lineart.data.toon import SLOTS

MIN_PIXELS = 20  # a region with fewer pixels has no colour that a person would judge


def region(mask: np.ndarray, slot: int) -> np.ndarray:
    """(H, W) bool: the pixels of a slot without its rim; none where fewer than 20 are left."""
    inside = binary_erosion(mask == slot)
    return inside if inside.sum() >= MIN_PIXELS else np.zeros_like(inside)


def region_shown(masks: np.ndarray) -> np.ndarray:
    """(n, 6) bool: whether a picture shows a slot as a region."""
    return np.array([[region(mask, slot).any() for slot in range(len(SLOTS))] for mask in masks])

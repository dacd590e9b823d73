"""A drawing to the network's size and back: thin lines stay dark, a strip goes through in squares."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter, ImageOps


def shrink(full: np.ndarray, size: int) -> np.ndarray:
    """A drawing (H, W) uint8 -> (h, w) uint8, its longer side `size`, in which thin lines stay dark.

    A line thinner than a pixel of the small picture fades in an antialiased resize. So its darkness is multiplied until
    the darkest place of a neighbourhood has three quarters of the darkness there in the large one: at most by the
    reduction, which brings back a line and not a speck, and less where many lines would close over the paper between.
    """
    height, width = (max(1, round(side * size / max(full.shape))) for side in full.shape)
    small = Image.fromarray(full).resize((width, height), Image.Resampling.LANCZOS)
    if (reduction := max(full.shape) / size) <= 1:
        return np.asarray(small)
    ink = ImageOps.invert(small)
    rows, columns = (np.arange(n) * side // n for n, side in zip((height, width), full.shape))
    darkest = Image.fromarray(255 - np.minimum.reduceat(np.minimum.reduceat(full, rows, axis=0), columns, axis=1))
    wanted, there = (np.asarray(x.filter(ImageFilter.MaxFilter(3)), np.float32).clip(1) for x in (darkest, ink))
    around = np.asarray(ink.filter(ImageFilter.BoxBlur(2)), np.float32).clip(1)
    gain = np.minimum(0.75 * wanted / there, 0.4 * wanted / around).clip(1, reduction)
    return (255 - np.asarray(ink) * gain).clip(0, 255).round().astype(np.uint8)


def squares(height: int, width: int) -> list[tuple[slice, slice]]:
    """Rows and columns of the parts to be coloured one by one: all of it, or the overlapping squares of a strip.

    A strip is more than twice as long as wide; its squares overlap by at least a quarter.
    """
    side, length = sorted((height, width))
    if length <= 2 * side:
        return [(slice(0, height), slice(0, width))]
    starts = np.linspace(0, length - side, 1 + int(np.ceil((length - side) / (0.75 * side)))).round().astype(int)
    along, across = [slice(start, start + side) for start in starts], slice(0, side)
    return [(part, across) if height > width else (across, part) for part in along]


def join(parts: list[np.ndarray], places: list[tuple[slice, slice]]) -> np.ndarray:
    """The coloured squares (h, w, 3) as one picture (H, W, 3) uint8; each counts most in its middle."""
    if len(parts) == 1:
        return parts[0]
    height, width = (max(place[axis].stop for place in places) for axis in (0, 1))
    total, weights = np.zeros((height, width, 3), np.float32), np.zeros((height, width, 1), np.float32)
    for part, place in zip(parts, places):
        h, w = part.shape[:2]
        ramp = 1 - np.abs((np.arange(h) + 0.5) / h * 2 - 1)
        weight = ramp[:, None, None] if height > width else ramp[:w, None]
        total[place] += weight * part
        weights[place] += weight
    return (total / weights).round().astype(np.uint8)


def padded(small: np.ndarray, size: int) -> tuple[np.ndarray, tuple[slice, slice]]:
    """The drawing in a white square of `size`, and the place that it takes there."""
    height, width = small.shape
    top, left = (size - height) // 2, (size - width) // 2
    square, box = np.full((size, size), 255, np.uint8), np.s_[top : top + height, left : left + width]
    square[box] = small
    return square, box


def enlarge(picture: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(h, w, 3) -> (H, W, 3)."""
    if picture.shape[:2] == shape:
        return picture
    return np.asarray(Image.fromarray(picture).resize(shape[::-1], Image.Resampling.LANCZOS))

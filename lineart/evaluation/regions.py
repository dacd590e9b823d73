"""Colour by region, where the regions and their colours are known (`toon`): error of a region, and bleeding.

Pictures are uint8 (n, H, W, 3), masks uint8 (n, H, W) with the index of a slot, slot colours uint8 (n, 6, 3).
"""

import numpy as np

from lineart.data.references import region
from lineart.data.toon import SLOTS
from lineart.evaluation.metrics import ciede2000, srgb_to_lab


def region_error(images: np.ndarray, masks: np.ndarray, slots: np.ndarray) -> np.ndarray:
    """(n, 6) mean CIEDE2000 between the pixels of each region and the colour it should have; NaN where it is absent."""
    errors = np.full(slots.shape[:2], np.nan)
    for i, (image, mask, colors) in enumerate(zip(images, masks, slots)):
        target = srgb_to_lab(colors)
        for slot in range(len(SLOTS)):
            inside = region(mask, slot)
            if inside.any():
                errors[i, slot] = ciede2000(srgb_to_lab(image[inside]), target[slot : slot + 1]).mean()
    return errors


def bleeding(images: np.ndarray, masks: np.ndarray, slots: np.ndarray) -> np.ndarray:
    """(n,) share of the pixels in regions that are nearer to another region's colour than to their own, 0 to 1.

    Near is Euclidean distance in CIELAB; the other regions are those that the same drawing has. A flat fill of the
    wrong but evenly mixed colour does not bleed; a neighbour's colour that crosses a line does, and so does a region
    painted in a neighbour's colour as a whole.
    """
    shares = np.zeros(len(images))
    for i, (image, mask, colors) in enumerate(zip(images, masks, slots)):
        insides = {slot: inside for slot in range(len(SLOTS)) if (inside := region(mask, slot)).any()}
        target = srgb_to_lab(colors[list(insides)])  # (regions, 3)
        bled = total = 0
        for own, inside in enumerate(insides.values()):
            distance = np.linalg.norm(srgb_to_lab(image[inside])[:, None] - target, axis=-1)  # (pixels, regions)
            bled += (distance.argmin(1) != own).sum()
            total += inside.sum()
        shares[i] = bled / max(total, 1)
    return shares


def attention_sums(attention: np.ndarray, masks: np.ndarray, reference_masks: np.ndarray) -> np.ndarray:
    """(4,) of the places that ask: attention on their own slot, two yardsticks, and how many they are; batches add up.

    attention (n, H', W', T), rows of T = H' W' that sum to 1; masks, reference_masks (n, H, W).
    A place of the layer has a share of each slot, the mean over its pixels. Only slots count that the reference shows,
    and of those not the background, which is most of both pictures. The first yardstick is chance, attention spread
    evenly over the reference; the second an attention which knows addresses only and stays at its own place.
    """
    n, height, width, _ = attention.shape
    asked, shown = (_shares(m, height, width) for m in (masks, reference_masks))  # (n, T, 6)
    asked = asked * (shown.sum(1, keepdims=True) > 0) * (np.arange(len(SLOTS)) > 0)
    weights = attention.reshape(n, height * width, -1)
    on_slot = (asked * (weights @ shown)).sum()
    chance = (asked * shown.mean(1, keepdims=True)).sum()
    return np.array([on_slot, chance, (asked * shown).sum(), asked.sum()])


def _shares(masks: np.ndarray, height: int, width: int) -> np.ndarray:
    """(n, height * width, 6): the share of each slot in the pixels of a place."""
    n, h, w = masks.shape
    blocks = masks.reshape(n, height, h // height, width, w // width)
    return np.stack([(blocks == slot).mean((2, 4)).reshape(n, -1) for slot in range(len(SLOTS))], axis=-1)

"""Methods without a network, which give the numbers a scale: (pairs, trial) -> (n, 3, H, W) uint8."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt

from lineart.data.sets import Pairs
from lineart.data.toon import INK
from lineart.evaluation.protocols import Trial
from lineart.images import as_images


def line_alone(pairs: Pairs, trial: Trial) -> torch.Tensor:
    """The drawing as it came, uncoloured."""
    return as_images(np.repeat(pairs.line[..., None], 3, axis=3))


def reference_alone(pairs: Pairs, trial: Trial) -> torch.Tensor:
    """The reference, whatever the drawing is."""
    return as_images(trial.color)


def nearest_color(pairs: Pairs, trial: Trial) -> torch.Tensor:
    """Every pixel of the truth in the nearest of the trial's nine colours: the most that a palette alone can give."""
    painted = np.empty_like(pairs.color)
    for i, (color, palette) in enumerate(zip(pairs.color, trial.palette)):
        distance = ((color[:, :, None].astype(np.float32) - palette) ** 2).sum(-1)  # (H, W, k)
        painted[i] = palette.round().astype(np.uint8)[distance.argmin(-1)]
    return as_images(painted)


def oracle(pairs: Pairs, trial: Trial) -> torch.Tensor:
    """Every region in the true colour of its slot, as far as the middle of the ink, and the ink over it (`toon`)."""
    white = np.full((len(pairs), 1, 3), 255)
    table = np.concatenate([pairs.slots, white], axis=1)  # (n, 7, 3)
    painted = np.empty_like(pairs.color)
    for i, (mask, line) in enumerate(zip(pairs.mask, pairs.line)):
        nearest = distance_transform_edt(mask == INK, return_distances=False, return_indices=True)
        painted[i] = (table[i][mask[tuple(nearest)]] * (line[..., None] / 255)).round()  # black ink over a colour
    return as_images(painted)


SCALE = {  # and the protocols under which they say something
    "line drawing": (line_alone, ("P1", "P2", "P3", "P4")),
    "copy the reference": (reference_alone, ("P1", "P2", "P3", "P4")),
    "nearest palette colour": (nearest_color, ("P1", "P2", "P3", "P4")),
    "oracle": (oracle, ("P1", "P4")),
}

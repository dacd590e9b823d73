"""What the course's exercises ask for, kept off the page so that no answer stands beside its question.

The names begin with the notebook; the folded solutions there say how to get the values.
"""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import nn

from lineart.coloring.colorizer import Colorizer
from lineart.evaluation.metrics import ciede2000, colorfulness, srgb_to_lab
from lineart.images import as_images
from lineart.layers import WSConv2d
from lineart.networks import Generator, count_parameters


def e03_gradient_along_filters(x: torch.Tensor, weight: torch.Tensor, standardized: bool = False) -> torch.Tensor:
    """(C_out,): each filter times its gradient, over its channel's part of the loss, the sum of squares of the output.

    x (N, C_in, H, W); weight (C_out, C_in, k, k), taken as it is or standardised.
    """
    out, channels, side, _ = weight.shape
    conv = (WSConv2d if standardized else nn.Conv2d)(channels, out, side, padding=side // 2, bias=False)
    conv.weight.data = weight.detach().clone()
    parts = conv(x.detach()).square().sum((0, 2, 3))
    parts.sum().backward()
    return ((conv.weight * conv.weight.grad).flatten(1).sum(1) / parts).detach()


def e04_mebibytes_of_scores() -> float:
    """Of one layer at level 1, batch 4, in 32-bit floats."""
    return 4 * 128**4 * 4 / 2**20


def e04_own_and_mirrored(attention: torch.Tensor) -> tuple[float, float]:
    """Mean share that a position gives to its own place, and to the one mirrored left to right; (n, H, W, H W)."""
    n, height, width, _ = attention.shape
    maps = attention.reshape(n, height * width, height, width)
    own, mirrored = (m.flatten(2).diagonal(dim1=1, dim2=2).mean().item() for m in (maps, maps.flip(-1)))
    return own, mirrored


def e04_mirror_test(generator: Generator, line, palette, reference) -> list[tuple[float, float]]:
    """`e04_own_and_mirrored` of the decoder's two finest layers; the reference is mirrored already."""
    layers = generator.record_attention()
    with torch.no_grad():
        generator(line, palette, reference)
    return [e04_own_and_mirrored(layers[name].attention) for name in list(layers)[-2:]]


def e05_channels_into_decoder_3() -> int:
    """At width 64 and seven levels."""
    with torch.device("meta"):
        return Generator(64, 7).decoder["3"].conv1.in_channels


def e05_share_of_the_decoder(generator: Generator) -> float:
    """Of all parameters."""
    return count_parameters(generator.decoder) / count_parameters(generator)


def e06_patches_inside() -> int:
    """Of the 900 at 256 px."""
    starts = np.array([8 * i - 23 for i in range(30)])
    return int(((starts >= 0) & (starts + 69 <= 255)).sum()) ** 2


def e07_color_of_l1(paintings: np.ndarray) -> np.ndarray:
    """(3,), of equally likely paintings (n, 3)."""
    return np.median(paintings, axis=0)


def e07_side_of_the_pupil() -> int:
    """In pixels."""
    sides = np.arange(1, 30)
    return int(sides[sides**2 * 50 / (3 * 256**2) > 4 * sides * 5e-4][0])


def e07_best_logit() -> float:
    """Where real patches are three times as frequent as fake ones."""
    return float(np.log(3))


def e08_steps_of_the_wrong_way(beta: float = 0.9) -> int:
    """Gradients of -1 until a mean that stood at 1 is below zero."""
    return next(k for k in range(1, 100) if 2 * beta**k - 1 < 0)


def e08_drawings_of_step_six(seed: int) -> np.ndarray:
    """(4,) sorted indices."""
    return np.sort(np.random.default_rng([seed, 1]).permutation(16)[8:12])


def e09_place_of_distance_0() -> int:
    """Counted from 1, of the ways to spoil a set in 09a the one that leaves the set what it was."""
    return 6


def e09_wins_of_copying() -> list[int]:
    """FID, PSNR, MS-SSIM, LPIPS: 1 where returning the reference wins."""
    return [1, 1, 1, 1]


def e09_improvement(paper: dict[tuple[str, str], float]) -> float:
    """Percent, of the paper's FID; paper: as `paper.paper_table` returns it."""
    return 100 * (1 - paper["image", "FID"] / paper["none", "FID"])


def e09_standard_errors(a: tuple, b: tuple) -> float:
    """By how many standard errors row b lies above row a, as of two independent samples."""
    return (b.value - a.value) / np.sqrt((a.spread**2 + b.spread**2) / a.n)


def e10_colorfulness_under_grey(colorizer: Colorizer, line: np.ndarray, reference: np.ndarray) -> float:
    """Of a result whose palette is grey all over, 0 for grey. line (H, W), reference (H, W, 3), 8-bit."""
    pictures = (Image.fromarray(array) for array in (line, reference))
    result = np.array(colorizer.colorize(*pictures, palette=np.full((9, 3), 128)))
    return colorfulness(as_images(result[None])).item()


def e11_step_of_grey() -> float:
    """CIEDE2000 between the greys 128 and 129."""
    one, other = srgb_to_lab(np.array([[128, 128, 128], [129, 129, 129]]))
    return float(ciede2000(one, other))


def e11_three_coins() -> float:
    """A probability."""
    return 0.5**3

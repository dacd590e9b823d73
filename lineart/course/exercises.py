"""Answers that take more than a line, kept off the page so that none stands beside its question.

The names begin with the notebook; the folded solutions there say how to get the values.
"""

import numpy as np
import torch
from PIL import Image
from torch import nn

from lineart.coloring.colorizer import Colorizer
from lineart.evaluation.metrics import colorfulness
from lineart.images import as_images
from lineart.layers import WSConv2d
from lineart.networks import Generator


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


def e08_drawings_of_step_six(seed: int) -> np.ndarray:
    """(4,) sorted indices."""
    return np.sort(np.random.default_rng([seed, 1]).permutation(16)[8:12])


def e10_colorfulness_under_grey(colorizer: Colorizer, line: np.ndarray, reference: np.ndarray) -> float:
    """Of a result whose palette is grey all over, 0 for grey. line (H, W), reference (H, W, 3), 8-bit."""
    pictures = (Image.fromarray(array) for array in (line, reference))
    result = np.array(colorizer.colorize(*pictures, palette=np.full((9, 3), 128)))
    return colorfulness(as_images(result[None])).item()

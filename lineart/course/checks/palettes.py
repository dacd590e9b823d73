"""Notebook 02: palettes."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch

from lineart.course.checks.pictures import a_tensor
from lineart.course.checks.verdict import Mistake, has_numbers, judge, predict
from lineart.data import toon
from lineart.data.palette import distinct_colors, extract_palette
from lineart.data.sets import Pairs
from lineart.layers import palette_planes as package_palette_planes

GREY_LEVELS, EYES_FOUND, MOST = 8, 0.75, 96  # what notebook 02 asks of a palette; so many colours are tried


def _lloyd(pixels, centres, assign=torch.Tensor.argmin, center=lambda own, n: own.mean(0)):
    nearest = assign(torch.cdist(pixels, centres), 1)
    return torch.stack([center(pixels[nearest == j], len(pixels)) for j in range(len(centres))])


def _to_the_end(pixels: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
    for _ in range(100):
        before, centres = centres, _lloyd(pixels, centres)
        if torch.allclose(before, centres):
            return centres
    return centres


LLOYD_MISTAKES = (
    Mistake(
        "Each pixel went to its farthest centre: argmax, where argmin belongs.",
        lambda p, c: _lloyd(p, c, assign=torch.Tensor.argmax),
    ),
    Mistake(
        "You divided each sum by the number of all pixels, not of the centre's own: centres shrink towards black.",
        lambda p, c: _lloyd(p, c, center=lambda own, n: own.sum(0) / n),
    ),
    Mistake(
        "You added up each centre's pixels. The mean is that sum divided by their number.",
        lambda p, c: _lloyd(p, c, center=lambda own, n: own.sum(0)),
    ),
    Mistake(
        "You took the median of each cluster. The mean is what makes the sum of squares smallest.",
        lambda p, c: _lloyd(p, c, center=lambda own, n: own.median(0).values),
    ),
    Mistake(
        "You moved each centre to the pixel that is nearest to it, not to the mean of its pixels.",
        lambda p, c: p[torch.cdist(p, c).argmin(0)],
    ),
    Mistake("You went on until the centres rest. Asked for is one step.", _to_the_end),
    Mistake(
        "A mask needs an entry for each pixel; `argmin(0)` gives one for each centre. Along which axis do you look?",
        raises="The shape of the mask",
    ),
)


def lloyd_step(student: Callable | None) -> None:
    """lloyd_step(pixels, centres): (n, 3), (k, 3) tensors -> (k, 3), the centres after one step."""
    random = torch.Generator().manual_seed(4)
    pixels = torch.rand(60, 3, generator=random)
    centres = pixels[[3, 17, 41, 55]].clone()
    judge(
        "lloyd_step",
        student,
        _lloyd,
        [(pixels, centres)],
        LLOYD_MISTAKES,
        means="Repeat it until nothing moves, and you have k-means. Neither half of the step can make J larger.",
    )


def palette_planes(student: Callable | None) -> None:
    """palette_planes(palette, height, width): (N, 9, 3) -> (N, 27, H, W), constant planes, colour after colour."""
    palette = torch.rand(2, 9, 3, generator=torch.Generator().manual_seed(5))

    def planes(values, height, width):
        return values[:, :, None, None].expand(-1, -1, height, width)

    judge(
        "palette_planes",
        student,
        package_palette_planes,
        [(palette, 4, 5)],
        [
            Mistake(
                "All reds come first, then all greens, then all blues. The network reads colour after colour: red, "
                "green and blue of the first, then of the second.",
                lambda p, h, w: planes(p.transpose(1, 2).flatten(1), h, w),
            ),
            Mistake(
                "Your planes are not constant: the 27 numbers run along the rows of the picture. Each fills a plane of "
                "its own.",
                lambda p, h, w: p.flatten(1).repeat(1, h * w).view(len(p), 27, h, w),
            ),
            Mistake(
                "The first picture's palette went to all pictures of the batch.",
                lambda p, h, w: planes(p[:1].flatten(1).expand(len(p), -1), h, w),
            ),
            Mistake(
                "Red and blue are exchanged in every colour (BGR, as OpenCV has it).",
                lambda p, h, w: planes(p.flip(2).flatten(1), h, w),
            ),
        ],
        means="Twenty-seven planes that say which colours, and nothing about where.",
        run=a_tensor,
    )


def colors_needed(answer: Any, pairs: Pairs) -> None:
    """Two numbers of colours: enough for a mean error below 8 grey levels, and for three eyes in four."""
    right, guesses = [0, 0], []
    if has_numbers(answer, 2):  # nothing is measured for less
        kept = cache(lambda i, k: extract_palette(pairs.color[i], k))
        by_error, by_eyes = _by_error(pairs.color[:8], kept), _by_eyes(pairs, kept)
        right = [by_error, by_eyes]
        guesses = [
            (right[::-1], "Both numbers are there, in the other order: first by the error, then by the eyes."),
            (
                [_by_error(pairs.color[:8], kept, np.max), by_eyes],
                "So many bring even the worst drawing below 8. Ask for the mean.",
            ),
            ([9, 9], "Nine is the paper's number. Measure."),
            (
                [by_error, _by_eyes(pairs, kept, lambda gap: np.abs(gap).max(1))],
                "The second number is that for at most 8 levels in each channel. Take the straight-line distance.",
            ),
            (
                [by_error, _by_eyes(pairs, kept, lambda gap: (gap.round() ** 2 % 256).sum(1) ** 0.5)],
                "The second number comes of squares in uint8, which wrap round at 256. Make floats first.",
            ),
        ]
    predict(
        "colors_needed",
        answer,
        right,
        tolerance=1e-6,
        guesses=guesses,
        parts=("The number by the error", "The number by the eyes"),
        means="A colour of few pixels is bought last, however much it matters to a person.",
    )


def _by_error(pictures: np.ndarray, palette_of: Callable, over=np.mean) -> int:
    """The smallest number of colours of their own in which the pictures' errors, all together, are below 8 levels."""
    seen = [distinct_colors(picture.reshape(-1, 3)) for picture in pictures]
    for k in range(1, MOST):
        squares = [((colors[:, None] - palette_of(i, k)) ** 2).sum(-1).min(1) for i, (colors, _) in enumerate(seen)]
        errors = [np.sqrt(least @ counts / counts.sum() / 3) for least, (_, counts) in zip(squares, seen)]
        if over(errors) < GREY_LEVELS:
            return k
    return MOST


def _straight(gap: np.ndarray) -> np.ndarray:
    return np.linalg.norm(gap, axis=1)


def _by_eyes(pairs: Pairs, palette_of: Callable, size: Callable = _straight) -> int:
    """The smallest number of colours with which, of the first eight drawings with eyes, three in four keep theirs."""
    slot = toon.SLOTS.index("eyes")
    left = [*np.flatnonzero((pairs.mask == slot).mean((1, 2)) > 0.0005)[:8]]
    allowed = len(left) * (1 - EYES_FOUND)
    for k in range(1, MOST):
        missed = []
        for i in left:
            if size(palette_of(i, k) - pairs.slots[i, slot].astype(float)).min() > GREY_LEVELS:
                missed.append(i)
            if len(missed) > allowed:  # the others cannot help; the next k begins with the hard ones
                left = missed + [i for i in left if i not in missed]
                break
        else:
            return k
    return MOST

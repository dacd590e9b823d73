"""Notebooks 00 to 02: pictures as numbers, pairs, lines and palettes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from lineart.course.checks.verdict import Mistake, Unusable, judge
from lineart.images import to_uint8 as package_to_uint8
from lineart.layers import palette_planes as package_palette_planes

SLOTS = 6  # mask values from here on are white and ink


def to_uint8(student: Callable | None) -> None:
    """to_uint8(x): floats, [-1, 1] and a little beyond -> uint8 of the same shape, rounded to nearest."""
    x = 2.4 * torch.rand(2, 3, 5, 5, generator=torch.Generator().manual_seed(0)) - 1.2

    def with_type(function, x):
        result = function(x)
        if result is not None and not torch.is_tensor(result):
            raise Unusable(f"What you return must be a tensor, it is {type(result).__name__}.")
        return None if result is None else (result, float(result.dtype == torch.uint8))

    judge(
        "to_uint8",
        student,
        package_to_uint8,
        [(x,)],
        [
            Mistake(
                "The numbers are right and the type is not: make it torch.uint8.", lambda x: package_to_uint8(x).float()
            ),
            Mistake(
                "You cut the decimals off instead of rounding: every picture gets darker by half a level.",
                lambda x: ((x + 1) * 127.5).clamp(0, 255).to(torch.uint8),
            ),
            Mistake(
                "You did not clamp: what lies a little beyond white comes out nearly black.",
                lambda x: ((x + 1) * 127.5).round().to(torch.uint8),
            ),
            Mistake(
                "You multiplied by 255 without moving -1 to 0 first: half of the range became black.",
                lambda x: (x * 255).round().clamp(0, 255).to(torch.uint8),
            ),
        ],
        means="A picture survives the way to floats and back without losing a level.",
        run=with_type,
    )


def nearest_color(student: Callable | None) -> None:
    """nearest_color(picture, palette): (H, W, 3) uint8, (k, 3) float -> (H, W) indices of the nearest colour."""
    rng = np.random.default_rng(0)
    picture, palette = rng.integers(0, 256, (9, 7, 3), dtype=np.uint8), rng.uniform(0, 255, (6, 3))

    def differences(picture, palette):
        return picture[:, :, None].astype(float) - palette  # (H, W, k, 3)

    judge(
        "nearest_color",
        student,
        lambda *a: (differences(*a) ** 2).sum(-1).argmin(-1),
        [(picture, palette)],
        [
            Mistake(
                "You took the farthest colour, argmax, not the nearest.",
                lambda *a: (differences(*a) ** 2).sum(-1).argmax(-1),
            ),
            Mistake(
                "You added the differences with their signs: one that is too red and too little green looks like no "
                "difference. Square them first.",
                lambda *a: differences(*a).sum(-1).argmin(-1),
            ),
            Mistake(
                "You compared brightness alone: the channels were added before the distance was taken.",
                lambda *a: np.abs(differences(*a).sum(-1)).argmin(-1),
            ),
        ],
        means="This is the first half of a step of k-means, and all that a palette can do for a pixel.",
    )


def area_answered(student: Callable | None) -> None:
    """area_answered(mask, reference_mask): (H, W) slots twice -> share of the drawing's slot area that is shown."""
    rng = np.random.default_rng(1)
    mask, reference = rng.choice(8, (12, 12), p=[0.4, 0.2, 0.1, 0.1, 0.02, 0.03, 0.05, 0.1]), rng.choice(4, (12, 12))
    reference[reference == 2] = 0  # a bald reference

    def shares(mask, reference):
        colored = mask < SLOTS
        return colored, np.isin(mask, np.unique(reference))

    def right(mask, reference):
        colored, shown = shares(mask, reference)
        return (colored & shown).sum() / colored.sum()

    judge(
        "area_answered",
        student,
        right,
        [(mask, reference)],
        [
            Mistake(
                "You divided by all pixels: white and ink have no colour to ask for, so they do not count.",
                lambda m, r: (shares(m, r)[0] & shares(m, r)[1]).mean(),
            ),
            Mistake(
                "You counted slots, each as one: a background counts as much as an eye then. Count pixels.",
                lambda m, r: np.isin(np.unique(m[m < SLOTS]), np.unique(r)).mean(),
            ),
            Mistake(
                "You went the other way: the share of the reference that the drawing has, not of the drawing that the "
                "reference shows.",
                lambda m, r: right(r, m),
            ),
        ],
        means="What is left is area whose colour nobody could know: no network can be blamed for it.",
    )


def crop_and_flip(student: Callable | None) -> None:
    """crop_and_flip(line, color, dy, dx, flip): (H, W), (H, W, 3) -> both, moved and perhaps flipped alike."""
    rng = np.random.default_rng(2)
    line, color = rng.integers(0, 256, (8, 10)), rng.integers(0, 256, (8, 10, 3))
    cases = [(line, color, 2, -3, True), (line, color, -1, 2, False)]

    def moved(picture, dy, dx, flip):
        rows, columns = (np.clip(np.arange(n) + d, 0, n - 1) for n, d in zip(picture.shape, (dy, dx)))
        window = picture[rows][:, columns]
        return window[:, ::-1] if flip else window

    def both(one, other=None):
        return lambda line, color, *how: (one(line, *how), (other or one)(color, *how))

    judge(
        "crop_and_flip",
        student,
        both(moved),
        cases,
        [
            Mistake(
                "Only the line drawing was flipped: its colours now lie on the wrong side.",
                both(moved, lambda picture, dy, dx, flip: moved(picture, dy, dx, False)),
            ),
            Mistake(
                "Line and colours were moved by different amounts: they must take the same dy, dx and flip.",
                both(moved, lambda picture, dy, dx, flip: moved(picture, 0, 0, flip)),
            ),
            Mistake(
                "What leaves on one side comes in on the other (np.roll). The edge has to be repeated.",
                both(lambda p, dy, dx, flip: np.roll(p, (-dy, -dx), (0, 1))[:, :: -1 if flip else 1]),
            ),
            Mistake(
                "You moved it the other way: row i of the result is row i + dy of the picture.",
                both(lambda p, dy, dx, flip: moved(p, -dy, -dx, flip)),
            ),
            Mistake(
                "You flipped before you moved it, so that dx points the other way. Move first.",
                both(lambda p, dy, dx, flip: moved(p[:, :: -1 if flip else 1], dy, dx, False)),
            ),
        ],
        means="Line and colours are still one pair, and the network sees a new pair in every epoch.",
    )


def xdog(student: Callable | None) -> None:
    """xdog(grey, sigma, k, p, epsilon, phi): (H, W) in 0..1 -> (H, W) in 0..1, lines dark."""
    rng = np.random.default_rng(3)
    grey = gaussian_filter(rng.random((24, 20)), 1.0)
    grey[:, 9:11] = 0.1  # a line

    def ink(u, epsilon, phi):
        return np.clip(np.where(u >= epsilon, 1, 1 + np.tanh(phi * (u - epsilon))), 0, 1)

    def right(grey, sigma, k, p, epsilon, phi, sign=1, base=1.0):
        d = gaussian_filter(grey, sigma) - gaussian_filter(grey, k * sigma)
        return ink(base + sign * p * d, epsilon, phi)

    def blurred_twice(grey, sigma, k, p, epsilon, phi):
        narrow = gaussian_filter(grey, sigma)
        return ink(1 + p * (narrow - gaussian_filter(narrow, k * sigma)), epsilon, phi)

    judge(
        "xdog",
        student,
        right,
        [(grey, 0.6, 1.6, 20.0, 0.75, 12.0)],
        [
            Mistake(
                "The two blurs are subtracted the wrong way round: ink now lies where the picture is brighter than its "
                "surroundings.",
                lambda *a: right(*a, sign=-1),
            ),
            Mistake(
                "You left out the 1 in u = 1 + p D: a flat area has u = 0 then, and all of it becomes ink.",
                lambda *a: right(*a, base=0.0),
            ),
            Mistake("The wide blur was taken of the narrow one. Both are blurs of the picture itself.", blurred_twice),
        ],
        means="You can draw the lines of any picture. It finds edges, and in line art most edges are lines.",
        tolerance=1e-3,
    )


def lloyd_step(student: Callable | None) -> None:
    """lloyd_step(pixels, centres): (n, 3), (k, 3) tensors -> (k, 3), the centres after one step."""
    random = torch.Generator().manual_seed(4)
    pixels = torch.rand(60, 3, generator=random, dtype=torch.float64)
    centres = pixels[[3, 17, 41, 55]].clone()

    def step(pixels, centres, assign=torch.Tensor.argmin, center=lambda own, n: own.mean(0)):
        nearest = assign(torch.cdist(pixels, centres), 1)
        return torch.stack([center(pixels[nearest == j], len(pixels)) for j in range(len(centres))])

    judge(
        "lloyd_step",
        student,
        step,
        [(pixels, centres)],
        [
            Mistake(
                "Each pixel went to its farthest centre: argmax, where argmin belongs.",
                lambda p, c: step(p, c, assign=torch.Tensor.argmax),
            ),
            Mistake(
                "You divided each sum by the number of all pixels, not of the centre's own: centres shrink towards "
                "black.",
                lambda p, c: step(p, c, center=lambda own, n: own.sum(0) / n),
            ),
            Mistake(
                "You took the median of each cluster. The mean is what makes the sum of squares smallest.",
                lambda p, c: step(p, c, center=lambda own, n: own.median(0).values),
            ),
            Mistake(
                "You moved each centre to the pixel that is nearest to it, not to the mean of its pixels.",
                lambda p, c: p[torch.cdist(p, c).argmin(0)],
            ),
        ],
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
        ],
        means="Twenty-seven planes that say which colours, and nothing about where.",
    )

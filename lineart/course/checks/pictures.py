"""Notebooks 00 and 01a: pictures as numbers, and what a reference answers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from lineart.course.checks.verdict import Mistake, Unusable, judge, one_instead_of
from lineart.images import to_uint8 as package_to_uint8

SLOTS = 6  # mask values from here on are white and ink


def a_tensor(function: Callable, *arguments: Any) -> torch.Tensor | None:
    """The result, where it has to be a tensor and an array will not do."""
    result = function(*arguments)
    if isinstance(result, (list, tuple)):
        raise Unusable(one_instead_of(result, "tensor"))
    if result is not None and not torch.is_tensor(result):
        raise Unusable(f"What you return must be a tensor, it is {type(result).__name__}.")
    return result


def to_uint8(student: Callable | None) -> None:
    """to_uint8(x): floats, [-1, 1] and a little beyond -> uint8 of the same shape, rounded to nearest."""
    x = 2.4 * torch.rand(2, 3, 5, 5, generator=torch.Generator().manual_seed(0)) - 1.2
    factor = "You multiplied by 128. From 0 to 255 there are 255 steps, and from -1 to 1 it is 2: what is the factor?"

    def with_type(function, x):
        result = a_tensor(function, x)
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
                "Two things are missing: round, and clamp to 0 and 255, both before the type.",
                lambda x: ((x + 1) * 127.5).to(torch.uint8),
            ),
            Mistake(
                "You multiplied by 255 without moving -1 to 0 first: half of the range became black.",
                lambda x: (x * 255).round().clamp(0, 255).to(torch.uint8),
            ),
            Mistake(factor, lambda x: ((x + 1) * 128).round().clamp(0, 255).to(torch.uint8)),
            Mistake(factor, lambda x: ((x + 1) * 128).clamp(0, 255).to(torch.uint8)),
        ],
        means="A picture survives the way to floats and back without losing a level.",
        run=with_type,
    )


def _differences(picture: np.ndarray, palette: np.ndarray) -> np.ndarray:
    return picture[:, :, None].astype(float) - palette  # (H, W, k, 3)


def _nearest(picture: np.ndarray, palette: np.ndarray) -> np.ndarray:
    return (_differences(picture, palette) ** 2).sum(-1).argmin(-1)


def _wrapped(picture: np.ndarray, palette: np.ndarray) -> np.ndarray:
    return picture[:, :, None] - palette.astype(np.uint8)  # uint8


NEAREST_MISTAKES = (
    Mistake("The indices are right, but they are not whole numbers.", lambda *a: _nearest(*a).astype(float)),
    Mistake(
        "You took the farthest colour, argmax, not the nearest.", lambda *a: (_differences(*a) ** 2).sum(-1).argmax(-1)
    ),
    Mistake(
        "You added the differences with their signs: one that is too red and too little green looks like no "
        "difference. Square them first.",
        lambda *a: _differences(*a).sum(-1).argmin(-1),
    ),
    Mistake(
        "You compared brightness alone: the channels were added before the distance was taken.",
        lambda *a: np.abs(_differences(*a).sum(-1)).argmin(-1),
    ),
    Mistake(
        "You added the sizes of the three differences. The straight-line distance adds their squares.",
        lambda *a: np.abs(_differences(*a)).sum(-1).argmin(-1),
    ),
    *(
        Mistake(
            "You return how far the nearest colour is. Asked for is which one it is: `argmin` in place of `min`.",
            lambda *a, root=root: (_differences(*a) ** 2).sum(-1).min(-1) ** root,
        )
        for root in (0.5, 1)
    ),
    *(
        Mistake(
            "You cut the palette to whole numbers: two colours less than a level apart become one.",
            lambda picture, palette, whole=whole: _nearest(picture, whole(palette)),
        )
        for whole in (np.trunc, np.round)
    ),
    *(
        Mistake(
            "The arithmetic stayed in uint8, where 3 - 5 wraps round to 254. Make floats of the picture first.",
            lambda *a, kind=kind: (_wrapped(*a).astype(kind) ** 2).sum(-1).argmin(-1),
        )
        for kind in (np.uint8, float)
    ),
)


def nearest_color(student: Callable | None) -> None:
    """nearest_color(picture, palette): (H, W, 3) uint8, (k, 3) float -> (H, W) indices of the nearest colour."""
    rng = np.random.default_rng(0)
    picture, palette = rng.integers(0, 256, (12, 11, 3), dtype=np.uint8), rng.uniform(0, 255, (6, 3))
    palette[5] = np.floor(palette[0]) + (0.4, 0.3, 0.4)  # the two differ by less than a level
    palette[0] = np.floor(palette[0]) + 0.1

    def with_type(function, *arguments):
        result = function(*arguments)
        if isinstance(result, (list, tuple)):
            raise Unusable(one_instead_of(result, "array"))
        return None if result is None else (result, float(np.asarray(result).dtype.kind in "iu"))

    judge(
        "nearest_color",
        student,
        _nearest,
        [(picture, palette)],
        NEAREST_MISTAKES,
        means="This is the first half of a step of k-means, and all that a palette can do for a pixel.",
        run=with_type,
    )


def _shares(mask: np.ndarray, reference: np.ndarray, fewest: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """(H, W) bool twice: where the drawing has a slot, and where the reference has the mask's value, too."""
    values, counts = np.unique(reference, return_counts=True)
    return mask < SLOTS, np.isin(mask, values[counts >= fewest])


def _area(mask: np.ndarray, reference: np.ndarray, fewest: int = 1) -> float:
    colored, shown = _shares(mask, reference, fewest)
    return (colored & shown).sum() / colored.sum()


def _smaller_areas(mask: np.ndarray, reference: np.ndarray) -> float:
    return sum(min((mask == slot).sum(), (reference == slot).sum()) for slot in range(SLOTS)) / (mask < SLOTS).sum()


def area_answered(student: Callable | None) -> None:
    """area_answered(mask, reference_mask): (H, W) slots twice -> share of the drawing's slot area that is shown."""
    rng = np.random.default_rng(1)
    mask = rng.choice(8, (12, 12), p=[0.4, 0.2, 0.1, 0.1, 0.02, 0.03, 0.05, 0.1])
    reference = rng.choice([0, 1, 3, 6, 7], mask.shape, p=[0.4, 0.3, 0.2, 0.05, 0.05])  # bald
    reference[5, 5], mask[:2, 7:10] = 4, 4  # a slot of six pixels, of which the reference has one
    left_in = "White or ink is left in: they have no colour to ask for. Leave them out above and below the line."
    judge(
        "area_answered",
        student,
        _area,
        [(mask, reference)],
        [
            Mistake(
                "You divided by all pixels: white and ink have no colour to ask for, so they do not count.",
                lambda m, r: (_shares(m, r)[0] & _shares(m, r)[1]).mean(),
            ),
            Mistake(
                "You counted slots, each as one: a background counts as much as an eye then. Count pixels.",
                lambda m, r: np.isin(np.unique(m[m < SLOTS]), np.unique(r)).mean(),
            ),
            Mistake(
                "You went the other way: the share of the reference that the drawing has, not of the drawing that the "
                "reference shows.",
                lambda m, r: _area(r, m),
            ),
            Mistake("That is the rest, whose colour nobody could know.", lambda *a: 1 - _area(*a)),
            Mistake(left_in, lambda m, r: _shares(m, r)[1].mean()),
            Mistake(left_in, lambda m, r: _shares(m, r)[1].sum() / (m < SLOTS).sum()),
            Mistake(left_in, lambda m, r: (_shares(m, r)[1] & (m <= SLOTS)).sum() / (m <= SLOTS).sum()),
            Mistake(
                "You took the smaller of the two areas of each slot. One pixel in the reference answers all of it.",
                _smaller_areas,
            ),
            Mistake(
                "A slot with a single pixel in the reference counts as not shown. One pixel is enough.",
                lambda *a: _area(*a, fewest=2),
            ),
        ],
        means="What is left is area whose colour nobody could know: no network can be blamed for it.",
    )

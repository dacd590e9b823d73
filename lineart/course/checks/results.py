"""Notebooks 10 to 12: where the errors are, what a difference is worth, where attention goes, and flat colours."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lineart.course.checks.verdict import Mistake, judge
from lineart.evaluation.metrics import srgb_to_lab
from lineart.evaluation.regions import bleeding as package_bleeding
from lineart.evaluation.regions import region

SLOTS = 6


def squares(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A mask with three regions and a stripe of ink, slot colours of all six, and a noisy picture of it."""
    mask = np.zeros((32, 32), np.uint8)
    mask[:, 16:], mask[18:] = 2, 3
    mask[:, 15:17] = 7
    slots = rng.integers(60, 255, (SLOTS, 3), dtype=np.uint8)
    slots[4] = slots[0] // 2 + slots[2] // 2  # a colour between two others, which this drawing does not have
    painted = slots[np.minimum(mask, SLOTS - 1)] * np.where(mask == 7, 0, 1)[..., None]
    noisy = painted + rng.normal(0, 60, painted.shape)
    return noisy.clip(0, 255).astype(np.uint8), mask, slots


def bled(space=srgb_to_lab, absent=False, rim=False, everywhere=False):
    def wrong(image, mask, slots):
        inside = [(mask == i) if rim else region(mask, i) for i in range(SLOTS)]
        there = [i for i in range(SLOTS) if inside[i].any()]
        colors = list(range(SLOTS)) if absent else there
        strayed, total = 0, 0
        for i in there:
            gap = space(image[inside[i]])[:, None] - space(slots[colors])
            nearest = np.array(colors)[np.linalg.norm(gap, axis=-1).argmin(1)]
            strayed, total = strayed + (nearest != i).sum(), total + inside[i].sum()
        return strayed / (mask.size if everywhere else total)

    return wrong


def bleeding(student: Callable | None) -> None:
    """bleeding(image, mask, slots): (H, W, 3) uint8, (H, W), (6, 3) -> share of the pixels in regions that stray."""

    def right(*one):
        return package_bleeding(*(array[None] for array in one))[0]

    judge(
        "bleeding",
        student,
        right,
        [squares(np.random.default_rng(0))],
        [
            Mistake(
                "You compared distances in RGB. In CIELAB a distance is what an eye sees.",
                bled(space=lambda x: x.astype(float)),
            ),
            Mistake(
                "You compared with colours that this drawing does not have. Only its own regions can bleed into each "
                "other.",
                bled(absent=True),
            ),
            Mistake(
                "The rim of the regions counts as well, where colours mix with the ink. Use `region(mask, slot)`.",
                bled(rim=True),
            ),
            Mistake("You divided by all pixels of the picture, not by those in regions.", bled(everywhere=True)),
            Mistake(
                "This is the share that stays at home: count those that are nearer to another colour.",
                lambda *a: 1 - bled()(*a),
            ),
        ],
        means="It counts a fringe and a region in the wrong colour alike; the picture tells them apart.",
    )


def error_near_ink(student: Callable | None) -> None:
    """error_near_ink(result, truth, near): (H, W, 3) uint8 twice, (H, W) bool -> its share of the squared error."""
    rng = np.random.default_rng(1)
    result, truth = (rng.integers(0, 256, (12, 14, 3), dtype=np.uint8) for _ in range(2))
    near = rng.random((12, 14)) < 0.3
    result[~near] = truth[~near] // 2 + result[~near] // 2

    def version(kind=float, power=2, mean=False):
        def wrong(result, truth, near):
            error = np.abs(result.astype(kind) - truth.astype(kind)).astype(float) ** power
            return error[near].mean() / error.mean() if mean else error[near].sum() / error.sum()

        return wrong

    judge(
        "error_near_ink",
        student,
        version(),
        [(result, truth, near)],
        [
            Mistake(
                "uint8 minus uint8 wraps around: 3 - 5 is 254 there. Make floats of them first.", version(np.uint8)
            ),
            Mistake("You added absolute errors. Squares weigh a large error more, as PSNR does.", version(power=1)),
            Mistake(
                "You divided two means: how much worse it is near the ink, not which share of the error lies there.",
                version(mean=True),
            ),
            Mistake("This is the share of the pixels, not of the error.", lambda result, truth, near: near.mean()),
        ],
        means="It says where to look: at lines, or at whole regions. The map says what it is.",
    )


def paired_gap(student: Callable | None) -> None:
    """paired_gap(a, b): two scores (n,) of the same drawings -> mean of b - a, and its standard error."""
    rng = np.random.default_rng(2)
    a = rng.normal(20, 3, 12)
    b = a + rng.normal(0.5, 0.4, 12)

    def version(error):
        return lambda a, b: ((b - a).mean(), error(a, b))

    judge(
        "paired_gap",
        student,
        version(lambda a, b: (b - a).std(ddof=1) / len(a) ** 0.5),
        [(a, b)],
        [
            Mistake(
                "This is the error for two samples of different drawings. Both methods coloured the same ones: take "
                "the spread of the differences.",
                version(lambda a, b: ((a.var(ddof=1) + b.var(ddof=1)) / len(a)) ** 0.5),
            ),
            Mistake(
                "This is the spread of the differences. The error of their mean is smaller by the root of n.",
                version(lambda a, b: (b - a).std(ddof=1)),
            ),
            Mistake(
                "numpy's `std` divides by n. The spread of a sample divides by n - 1: `ddof=1`.",
                version(lambda a, b: (b - a).std() / len(a) ** 0.5),
            ),
            Mistake("You divided by n, not by its root.", version(lambda a, b: (b - a).std(ddof=1) / len(a))),
            Mistake(
                "The sign is turned: b - a is what b has more.",
                lambda a, b: ((a - b).mean(), (b - a).std(ddof=1) / len(a) ** 0.5),
            ),
        ],
        means="What drawings have in common cancels, so a small difference can be seen among large ones.",
    )


def right_slot(student: Callable | None) -> None:
    """right_slot(attention, asked, shown): (n, n), (n,) slots, (n, 6) shares -> (found, own place, chance)."""
    rng = np.random.default_rng(3)
    attention = rng.dirichlet(np.full(16, 0.3), 16)
    asked, shown = rng.integers(0, SLOTS, 16), rng.dirichlet(np.full(SLOTS, 0.4), 16)

    def shares(attention, asked, shown):
        match = shown[:, asked].T  # (n, n): share of the slot that row asks for, at each place of the reference
        return (attention * match).sum(1).mean(), match.diagonal().mean(), match.mean()

    def loudest(attention, asked, shown):
        match = shown[:, asked].T
        return match[np.arange(len(asked)), attention.argmax(1)].mean(), match.diagonal().mean(), match.mean()

    def exchanged(attention, asked, shown):
        found, own, chance = shares(attention, asked, shown)
        return found, chance, own

    judge(
        "right_slot",
        student,
        shares,
        [(attention, asked, shown)],
        [
            Mistake(
                "You looked at the largest weight of each place alone. Add up all attention that falls on the slot.",
                loudest,
            ),
            Mistake(
                "Rows and columns are exchanged: row i is what place i of the drawing gives to the places of the "
                "reference.",
                lambda attention, asked, shown: shares(attention.T, asked, shown),
            ),
            Mistake(
                "The two yardsticks are exchanged: own place is the slot's share at the very place that asks, chance "
                "the mean over all places.",
                exchanged,
            ),
            Mistake(
                "Chance is not one sixth: a large slot is hit more often than a small one.",
                lambda *a: (*shares(*a)[:2], 1 / SLOTS),
            ),
        ],
        means="Only attention above both yardsticks has found a part by what it is.",
    )


def region_medians(student: Callable | None) -> None:
    """region_medians(color, labels): (H, W, 3) uint8, (H, W) 0 for ink, 1.. for regions -> (H, W, 3), flat."""
    rng = np.random.default_rng(4)
    labels = np.repeat(np.repeat(rng.permutation(9).reshape(3, 3) % 5, 5, 0), 5, 1)
    color = rng.integers(0, 256, (15, 15, 3), dtype=np.uint8)

    def version(middle=lambda pixels: np.median(pixels, axis=0), first=1):
        def wrong(color, labels):
            flat = color.astype(float)
            for label in range(first, labels.max() + 1):
                flat[labels == label] = middle(color[labels == label])
            return flat

        return wrong

    def whole_picture(color, labels):
        return np.where(labels[..., None] > 0, np.median(color.reshape(-1, 3), axis=0), color)

    judge(
        "region_medians",
        student,
        version(),
        [(color, labels)],
        [
            Mistake(
                "You took the mean. A few pixels that ran over a line move it; the median stays where most are.",
                version(lambda pixels: pixels.mean(0)),
            ),
            Mistake(
                "You took one median of all three channels together, and every region is grey.", version(np.median)
            ),
            Mistake("The ink was filled as well. Label 0 is no region and keeps its colours.", version(first=0)),
            Mistake("Every region got the median of the whole picture.", whole_picture),
        ],
        means="What bled over a line is outvoted by the rest of its region.",
        tolerance=6e-3,
    )

"""Notebook 11: what a difference is worth, and where attention goes."""

from collections.abc import Callable
from typing import Any

import numpy as np

from lineart.course.checks.verdict import Mistake, judge
from lineart.data.toon import SLOTS


def listed(function: Callable, *arguments: Any) -> Any:
    """Several numbers in one array count as well as in a list."""
    result = function(*arguments)
    return list(result) if getattr(result, "ndim", 0) == 1 else result


def gap_and(error, gap=lambda a, b: b - a):
    return lambda a, b: (gap(a, b).mean(), error(a, b))


def standard(a, b, gap=lambda a, b: b - a):
    return gap(a, b).std(ddof=1) / len(a) ** 0.5


def absolute(a, b):
    return abs(b - a)


GAPS = [
    Mistake(
        "This is the error for two samples of different drawings. Both methods coloured the same ones: take "
        "the spread of the differences.",
        gap_and(lambda a, b: ((a.var(ddof=1) + b.var(ddof=1)) / len(a)) ** 0.5),
    ),
    Mistake(
        "This is the spread of the differences. The error of their mean is smaller by the root of n.",
        gap_and(lambda a, b: (b - a).std(ddof=1)),
    ),
    Mistake(
        "numpy's `std` divides by n. The spread of a sample divides by n - 1: `ddof=1`.",
        gap_and(lambda a, b: (b - a).std() / len(a) ** 0.5),
    ),
    Mistake("You divided by n, not by its root.", gap_and(lambda a, b: (b - a).std(ddof=1) / len(a))),
    Mistake("The sign is turned: b - a is what b has more.", gap_and(standard, gap=lambda a, b: a - b)),
    *(
        Mistake("You took the differences without their signs: where b is worse, it must count against b.", one)
        for one in (gap_and(standard, absolute), gap_and(lambda a, b: standard(a, b, absolute), absolute))
    ),
    Mistake("The two are exchanged: first the mean, then its error.", lambda *x: gap_and(standard)(*x)[::-1]),
    Mistake(
        "Your error is a variance. Its root has the unit of the scores: take `std`, or the root of `var` / n.",
        gap_and(lambda a, b: standard(a, b) ** 2),
    ),
    Mistake(
        "You divided the variance by the root of n. The deviation is divided by it: `std`, not `var`.",
        gap_and(lambda a, b: (b - a).var(ddof=1) / len(a) ** 0.5),
    ),
]


def paired_gap(student: Callable | None) -> None:
    """paired_gap(a, b): two scores (n,) of the same drawings -> mean of b - a, and its standard error."""
    rng = np.random.default_rng(2)
    a = rng.normal(20, 3, 12)
    b = a + rng.normal(0.2, 0.4, 12)  # of both signs

    judge(
        "paired_gap",
        student,
        gap_and(standard),
        [(a, b)],
        GAPS,
        means="What drawings have in common cancels, so a small difference can be seen among large ones.",
        run=listed,
        parts=("the mean", "its standard error"),
    )


def shares(attention, asked, shown):
    match = shown[:, asked].T  # (n, n): share of the slot that row asks for, at each place of the reference
    return (attention * match).sum(1).mean(), match.diagonal().mean(), match.mean()


def loudest(attention, asked, shown):
    match = shown[:, asked].T
    return match[np.arange(len(asked)), attention.argmax(1)].mean(), match.diagonal().mean(), match.mean()


def exchanged(attention, asked, shown):
    found, own, chance = shares(attention, asked, shown)
    return found, chance, own


def scaled(power):
    def wrong(attention, asked, shown):
        found, *yardsticks = shares(attention, asked, shown)
        return found * len(asked) ** power, *yardsticks

    return wrong


PLACES = [
    Mistake(
        "You looked at the largest weight of each place alone. Add up all attention that falls on the slot.", loudest
    ),
    Mistake(
        "Rows and columns are exchanged: row i is what place i of the drawing gives to the places of the reference.",
        lambda attention, asked, shown: shares(attention.T, asked, shown),
    ),
    Mistake(
        "The two yardsticks are exchanged: own place is the slot's share at the very place that asks, chance "
        "the mean over all places.",
        exchanged,
    ),
    Mistake(
        "Chance is not one sixth: a large slot is hit more often than a small one.",
        lambda *a: (*shares(*a)[:2], 1 / len(SLOTS)),
    ),
    Mistake(
        "You took the mean over all n x n products. Add up each row first, which is all that one place finds; "
        "then take the mean of the n sums.",
        scaled(-1),
    ),
    Mistake("You added up over all places that ask. Their sum is n times the mean that is asked for.", scaled(1)),
]


def right_slot(student: Callable | None) -> None:
    """right_slot(attention, asked, shown): (n, n), (n,) slots, (n, 6) shares -> (found, own place, chance)."""
    rng = np.random.default_rng(3)
    attention = rng.dirichlet(np.full(16, 0.3), 16)
    asked, shown = rng.integers(0, len(SLOTS), 16), rng.dirichlet(np.full(len(SLOTS), 0.4), 16)

    judge(
        "right_slot",
        student,
        shares,
        [(attention, asked, shown)],
        PLACES,
        means="Only attention above both yardsticks has found a part by what it is.",
        run=listed,
        parts=("found", "own place", "chance"),
    )

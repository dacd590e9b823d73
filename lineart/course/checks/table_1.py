"""Notebook 09b: the list of references, and the kernel distance without bias."""

import sys
import time
from collections.abc import Callable

import numpy as np

from lineart.course.checks.verdict import Mistake, Unusable, judge
from lineart.evaluation.metrics import kernel_distance


def kernels(diagonal=False, scale=True, twice=2, all_pairs=False):
    def wrong(a, b):
        def kernel(x, y):
            return (x @ y.T / (x.shape[1] if scale else 1) + 1) ** 3

        def within(x):
            k = kernel(x, x)
            return k.mean() if diagonal else (k.sum() - np.trace(k)) / (len(x) * (len(x) - 1 + all_pairs))

        return within(a) + within(b) - twice * kernel(a, b).mean()

    return wrong


def root_of_kid(*sets):
    value = kernel_distance(*sets)
    return value**0.5 if value > 0 else np.nan


def kid(student: Callable | None) -> None:
    """kid(a, b): features (n, d), (m, d) -> the kernel distance without bias."""
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(12, 5)), rng.normal(size=(10, 5)) + 0.7
    alike = rng.normal(size=(10, 5))  # as a is, and nearer to it than 0

    judge(
        "kid",
        student,
        kernel_distance,
        [(a, b), (a, alike)],
        [
            Mistake(
                "Each feature was also compared with itself, which is what makes the distance of few pictures too "
                "large. Leave the diagonal out, and divide by n (n - 1).",
                kernels(diagonal=True),
            ),
            Mistake(
                "You took the diagonal away, but divided by n * n. Without it n (n - 1) pairs are left.",
                kernels(all_pairs=True),
            ),
            Mistake("The product is not divided by d inside the kernel.", kernels(scale=False)),
            Mistake("The factor 2 before the mean over both sets is missing.", kernels(twice=1)),
            Mistake("You returned its root. KID is the square, and may fall below 0.", root_of_kid),
            Mistake(
                "You returned its root. KID is the square, and may fall below 0.",
                lambda *x: np.nan_to_num(root_of_kid(*x)),
            ),
            Mistake(
                "You cut it off at 0. Then its mean over equal sets lies above 0: the bias is back.",
                lambda *x: max(kernel_distance(*x), 0),
            ),
        ],
        means="Unlike the Fréchet distance it scatters around 0 for equal sets, however few pictures there are.",
    )


def in_time(function, *arguments, seconds=1.0):
    """The function's result, unless it is still busy after so long: a loop without end would hold the page up."""
    end, before = time.monotonic() + seconds, sys.gettrace()

    def watch(frame, event, argument):
        if time.monotonic() > end:
            raise Unusable(
                "Your loop does not end. A generator that is made anew inside it, with the same seed, shuffles the "
                "same way for ever: make it once, before the loop. (`permutation` returns a new array and leaves the "
                "old one as it is.)"
            )
        return watch

    sys.settrace(watch)
    try:
        return function(*arguments)
    finally:
        sys.settrace(before)


def of_twenty_seeds(function, n):
    lists = []
    for seed in range(20):
        reference = in_time(function, n, seed)
        if reference is None:
            return None
        lists.append(np.asarray(reference))
        if lists[-1].shape != (n,):
            raise Unusable(f"What you return must be {n} whole numbers, in a list or an array.")
        if lists[-1].dtype.kind not in "iu":
            raise Unusable(
                f"What you return must be whole numbers, to be used as indices; yours are {lists[-1].dtype}."
            )
        lowest, highest = lists[-1].min(), lists[-1].max()
        if lowest < 0 or highest >= n:
            raise Unusable(f"Drawings are numbered from 0 to n - 1: {n - 1} here. Yours go from {lowest} to {highest}.")
    whole = all(sorted(reference.tolist()) == list(range(n)) for reference in lists)
    fixed = any((reference == np.arange(len(reference))).any() for reference in lists)
    different = len({tuple(reference.tolist()) for reference in lists})
    alike = 1.0 if different < 2 else 0.5 if different < 15 else 0.0
    again = np.array_equal(lists[0], np.asarray(in_time(function, n, 0)))
    return float(whole), float(fixed), alike, float(again)


def circle(n, seed):
    order = np.random.default_rng(seed).permutation(n)
    reference = np.empty(n, int)
    reference[order] = np.roll(order, -1)
    return reference


def derangement(student: Callable | None) -> None:
    """derangement(n, seed) -> (n,) ints: a permutation without fixed points, another one for another seed."""

    def others(n, seed):
        rng = np.random.default_rng(seed)
        return (np.arange(n) + rng.integers(1, n, n)) % n

    fresh = np.random.default_rng(0)
    judge(
        "derangement",
        student,
        circle,
        [(9,)],
        [
            Mistake(
                "Some drawings got themselves as reference: a permutation alone has about one fixed point.",
                lambda n, seed: np.random.default_rng(seed).permutation(n),
            ),
            Mistake("No drawing has itself, but some references serve twice and others never.", others),
            Mistake(
                "Every seed gives the same list. Shuffle first, then let each take the next one's colours.",
                lambda n, seed: np.roll(np.arange(n), -1),
            ),
            Mistake(
                "Twenty seeds give only a few lists. Shuffle with `default_rng(seed)`: a shift is not enough.",
                lambda n, seed: np.roll(np.arange(n), 1 + seed % 2),
            ),
            Mistake(
                "The same seed must give the same list again. Draw from `np.random.default_rng(seed)`.",
                lambda n, seed: circle(n, fresh.integers(2**31)),
            ),
        ],
        means="No drawing has its own picture, and every picture serves exactly once.",
        run=of_twenty_seeds,
    )

"""Notebooks 09a and 09b: the four numbers of Table 1, and the list of references."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F

from lineart import losses
from lineart.course.checks.blocks import seeded
from lineart.course.checks.verdict import Mistake, Unusable, judge
from lineart.evaluation.metrics import frechet_distance, kernel_distance

C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2  # of SSIM


def psnr(student: Callable | None) -> None:
    """psnr(a, b): uint8 (N, 3, H, W) twice -> (N,) decibels."""
    a, b = (torch.randint(0, 256, (3, 3, 6, 6), generator=torch.Generator().manual_seed(s)) for s in (0, 1))
    b[1] = (a[1] + 9).clamp(max=255)

    def mse(a, b):
        return (a.double() - b.double()).square().mean((1, 2, 3))

    judge(
        "psnr",
        student,
        losses.psnr,
        [(a.to(torch.uint8), b.to(torch.uint8))],
        [
            Mistake(
                "uint8 minus uint8 wraps around: 3 - 5 is 254 there. Make floats of them first.",
                lambda a, b: 10 * torch.log10(255**2 / (a - b).double().square().mean((1, 2, 3))),
            ),
            Mistake("MAX is 255 for 8-bit pictures; you took 1.", lambda a, b: -10 * torch.log10(mse(a, b))),
            Mistake("MAX is squared in Eq. 7: 255**2.", lambda a, b: 10 * torch.log10(255 / mse(a, b))),
            Mistake(
                "The factor is 10 of a ratio of squares. 20 belongs to a ratio of roots.",
                lambda a, b: 20 * torch.log10(255**2 / mse(a, b)),
            ),
            Mistake(
                "Decibels take the logarithm to the base 10; yours is the natural one.",
                lambda a, b: 10 * torch.log(255**2 / mse(a, b)),
            ),
            Mistake(
                "You averaged over the whole batch before the logarithm. Each picture has its own number.",
                lambda a, b: 10 * torch.log10(255**2 / mse(a, b).mean()),
            ),
        ],
        means="Twenty decibels more mean a tenth of the error.",
    )


def ssim(student: Callable | None) -> None:
    """ssim(a, b, blur): double (N, 3, H, W) twice, 0..255, and a blur of such pictures -> (N,), one scale of Eq. 10."""
    a = 255 * torch.rand(2, 3, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    b = (a + 40 * seeded(2, 3, 16, 16, seed=1).double() + 15).clamp(0, 255)

    def blur(x):
        return F.avg_pool2d(F.pad(x, (2, 2, 2, 2), mode="reflect"), 5, stride=1)

    def version(c1=C1, c2=C2, centred=True, brightness=True, structure=True):
        def wrong(a, b, blur):
            mean_a, mean_b = blur(a), blur(b)
            out = centred * mean_a**2, centred * mean_b**2, centred * mean_a * mean_b
            var_a, var_b, cov = (blur(x) - m for x, m in zip((a * a, b * b, a * b), out))
            cov = cov if structure else (var_a * var_b).clamp_min(0).sqrt()
            value = (2 * cov + c2) / (var_a + var_b + c2)
            light = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
            return (value * light if brightness else value).mean((1, 2, 3))

        return wrong

    judge(
        "ssim",
        student,
        version(),
        [(a, b, blur)],
        [
            Mistake(
                "Your variances are means of squares only: subtract the square of the mean (and for the covariance the "
                "product of the means).",
                version(centred=False),
            ),
            Mistake(
                "C1 and C2 are those of pictures from 0 to 1. Here they are (0.01 * 255)**2 and (0.03 * 255)**2.",
                version(1e-4, 9e-4),
            ),
            Mistake("The brightness factor is missing.", version(brightness=False)),
            Mistake(
                "You took the product of the two deviations where the covariance belongs: contrast is compared then, "
                "structure is not.",
                version(structure=False),
            ),
            Mistake("You averaged over the batch. Each picture has its own number.", lambda *x: version()(*x).mean()),
        ],
        means="Do it at five scales, multiply, and you have MS-SSIM. Flat colours hardly count in it.",
    )


def frechet(student: Callable | None) -> None:
    """frechet(a, b): features (n, d), (m, d) -> the Fréchet distance of Eq. 12."""
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(4, 4))
    a, b = rng.normal(size=(30, 4)) @ mix, 1.5 * rng.normal(size=(25, 4)) + 1

    def version(ddof=1, square=True, twice=2, elementwise=False):
        def wrong(a, b):
            cov_a, cov_b = (np.cov(x.T, ddof=ddof) for x in (a, b))
            eigenvalues = np.linalg.eigvals(cov_a @ cov_b).real.clip(0)
            overlap = np.sqrt(np.diag(cov_a) * np.diag(cov_b)).sum() if elementwise else np.sqrt(eigenvalues).sum()
            gap = np.square(a.mean(0) - b.mean(0)).sum()
            return (gap if square else np.sqrt(gap)) + np.trace(cov_a) + np.trace(cov_b) - twice * overlap

        return wrong

    judge(
        "frechet",
        student,
        frechet_distance,
        [(a, b)],
        [
            Mistake("Your covariances divide by n. The estimate divides by n - 1.", version(ddof=0)),
            Mistake("The distance of the means must be squared, as everything else in Eq. 12.", version(square=False)),
            Mistake("The factor 2 before the root is missing: equal sets would not have distance 0.", version(twice=1)),
            Mistake(
                "The root must be that of the matrix. You took it entry by entry, which is right for diagonal matrices "
                "only.",
                version(elementwise=True),
            ),
            Mistake(
                "You returned its root. The distance that papers print is the square.",
                lambda *x: np.sqrt(frechet_distance(*x)),
            ),
        ],
        means="It compares two clouds, and does not know which result belongs to which drawing.",
        tolerance=1e-4,
    )


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
    alike = len({tuple(reference.tolist()) for reference in lists}) < 2
    again = np.array_equal(lists[0], np.asarray(in_time(function, n, 0)))
    return float(whole), float(fixed), float(alike), float(again)


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
                "The same seed must give the same list again. Draw from `np.random.default_rng(seed)`.",
                lambda n, seed: circle(n, fresh.integers(2**31)),
            ),
        ],
        means="No drawing has its own picture, and every picture serves exactly once.",
        run=of_twenty_seeds,
    )

"""Notebook 09a: the four numbers of Table 1."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F

from lineart import losses
from lineart.course.checks.blocks import seeded
from lineart.course.checks.verdict import Mistake, judge
from lineart.evaluation.metrics import frechet_distance

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

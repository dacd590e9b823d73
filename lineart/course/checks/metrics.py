"""Notebook 09a: the four numbers of Table 1."""

import itertools
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F

from lineart import losses
from lineart.course.checks.blocks import seeded
from lineart.course.checks.verdict import Mistake, Unusable, judge
from lineart.evaluation.metrics import frechet_distance

C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2  # of SSIM


def mse(a, b):
    return (a.double() - b.double()).square().mean((1, 2, 3))


def decibels(error):
    return 10 * torch.log10(255**2 / error)


MISTAKES_OF_PSNR = [
    Mistake(
        "uint8 minus uint8 wraps around: 3 - 5 is 254 there. Make floats of them first.",
        lambda a, b: decibels((a - b).double().square().mean((1, 2, 3))),
    ),
    Mistake(
        "Differences and squares of uint8 wrap around: 3 - 5 is 254 there. Make floats of both pictures first.",
        lambda a, b: decibels((a - b).square().double().mean((1, 2, 3))),
    ),
    Mistake(
        "int16 ends at 32767, and 255 squared is more. Make floats of both pictures first.",
        lambda a, b: decibels((a.short() - b.short()).square().double().mean((1, 2, 3))),
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
        lambda a, b: decibels(mse(a, b).mean()),
    ),
    Mistake(
        "You averaged over the batch and left the channels apart. It is the other way round: a number for each "
        "picture, the mean over axes 1, 2 and 3.",
        lambda a, b: decibels((a.double() - b.double()).square().mean((0, 2, 3))),
    ),
    Mistake("MSE is a mean. You took the sum of the squares.", lambda a, b: decibels(mse(a, b) * a[0].numel())),
    Mistake(
        "MSE is the mean of the squares. You took absolute differences.",
        lambda a, b: decibels((a.double() - b.double()).abs().mean((1, 2, 3))),
    ),
]


def psnr(student: Callable | None) -> None:
    """psnr(a, b): uint8 (N, 3, H, W) twice -> (N,) decibels."""
    a, b = (torch.randint(0, 256, (2, 3, 6, 6), generator=torch.Generator().manual_seed(s)) for s in (0, 1))
    b[1] = (a[1] + 9).clamp(max=255)

    judge(
        "psnr",
        student,
        losses.psnr,
        [(a.to(torch.uint8), b.to(torch.uint8))],
        MISTAKES_OF_PSNR,
        means="Twenty decibels more mean a hundredth of the squared error, a tenth of the error's root mean square.",
    )


def ssim_by(c1=C1, c2=C2, centred=True, brightness=True, sign=lambda cov, *_: cov, apart=False):
    def wrong(a, b, blur):
        mean_a, mean_b = blur(a), blur(b)
        out = centred * mean_a**2, centred * mean_b**2, centred * mean_a * mean_b
        var_a, var_b, cov = (blur(x) - m for x, m in zip((a * a, b * b, a * b), out))
        value = (2 * sign(cov, var_a, var_b) + c2) / (var_a + var_b + c2)
        light = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
        if apart:
            return value.mean((1, 2, 3)) * light.mean((1, 2, 3))
        return (value * light if brightness else value).mean((1, 2, 3))

    return wrong


MISTAKES_OF_SSIM = [
    Mistake(
        "Your variances are means of squares only: subtract the square of the mean (and for the covariance the "
        "product of the means).",
        ssim_by(centred=False),
    ),
    Mistake(
        "C1 and C2 are those of pictures from 0 to 1. Here they are (0.01 * 255)**2 and (0.03 * 255)**2.",
        ssim_by(1e-4, 9e-4),
    ),
    Mistake("The brightness factor is missing.", ssim_by(brightness=False)),
    Mistake(
        "You took the product of the two deviations where the covariance belongs: contrast is compared then, "
        "structure is not.",
        ssim_by(sign=lambda cov, var_a, var_b: (var_a * var_b).clamp_min(0).sqrt()),
    ),
    Mistake(
        "You took the size of the covariance without its sign. Where one picture rises and the other falls it "
        "is negative, and so is SSIM.",
        ssim_by(sign=lambda cov, *_: cov.abs()),
    ),
    Mistake(
        "You cut the covariance off at 0. A variance cannot be negative; a covariance can.",
        ssim_by(sign=lambda cov, *_: cov.clamp(0)),
    ),
    Mistake(
        "You multiplied two means. Eq. 10 is a product at each pixel, of which the mean is taken.", ssim_by(apart=True)
    ),
    Mistake("The squares of C1 and C2 are missing.", ssim_by(C1**0.5, C2**0.5)),
    Mistake("C1 and C2 are exchanged: C1 belongs to the brightness.", ssim_by(C2, C1)),
    Mistake("You averaged over the batch. Each picture has its own number.", lambda *x: ssim_by()(*x).mean()),
]


def ssim(student: Callable | None) -> None:
    """ssim(a, b, blur): double (N, 3, H, W) twice, 0..255, and a blur of such pictures -> (N,), one scale of Eq. 10."""
    a = 255 * torch.rand(2, 3, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    b = (a + 40 * seeded(2, 3, 16, 16, seed=1).double() + 15).clamp(0, 255)
    b[..., :6] = 255 - a[..., :6]  # where a rises b falls: the covariance is negative there
    a[..., 6:10], b[..., 6:10] = a[..., 6:10] / 8, 170 + b[..., 6:10] / 3  # and here brightness is far apart

    def blur(x):
        return F.avg_pool2d(F.pad(x, (2, 2, 2, 2), mode="reflect"), 5, stride=1)

    judge(
        "ssim",
        student,
        ssim_by(),
        [(a, b, blur)],
        MISTAKES_OF_SSIM,
        means="Do it at five scales, multiply, and you have MS-SSIM. Flat colours hardly count in it.",
    )


def real_distance(function, a, b):
    distance = function(a, b)
    if np.iscomplexobj(distance) or isinstance(distance, float) and np.isnan(distance):
        raise Unusable(
            "What you return must be a real number, it is NaN or complex. With fewer pictures than features some "
            "eigenvalues are 0, and rounding makes them complex or a little less than 0: take their real part, and cut "
            "it off at 0 before the root."
        )
    return distance


def overlap(cov_a, cov_b):
    return np.sqrt(np.linalg.eigvals(cov_a @ cov_b).real.clip(0)).sum()


def frechet_by(ddof=1, square=True, twice=2, root=overlap):
    def wrong(a, b):
        cov_a, cov_b = (np.cov(x.T, ddof=ddof) for x in (a, b))
        gap = np.square(a.mean(0) - b.mean(0)).sum()
        return (gap if square else np.sqrt(gap)) + np.trace(cov_a + cov_b) - twice * root(cov_a, cov_b)

    return wrong


MISTAKES_OF_FRECHET = [
    Mistake("Your covariances divide by n. The estimate divides by n - 1.", frechet_by(ddof=0)),
    Mistake("The distance of the means must be squared, as everything else in Eq. 12.", frechet_by(square=False)),
    Mistake("The factor 2 before the root is missing: equal sets would not have distance 0.", frechet_by(twice=1)),
    Mistake(
        "The root must be that of the matrix. You took it entry by entry, which is right for diagonal matrices only.",
        frechet_by(root=lambda cov_a, cov_b: np.sqrt(np.diag(cov_a @ cov_b)).sum()),
    ),
    Mistake(
        "Only the variances are in it, the covariances are missing. A root entry by entry is right for "
        "diagonal matrices only.",
        frechet_by(root=lambda cov_a, cov_b: np.sqrt(np.diag(cov_a) * np.diag(cov_b)).sum()),
    ),
    Mistake(
        "You returned its root. The distance that papers print is the square.", lambda *x: np.sqrt(frechet_distance(*x))
    ),
]


def few_pictures(with_complex: bool) -> tuple[np.ndarray, np.ndarray]:
    """Fewer pictures than features: four eigenvalues are 0 but for rounding, which makes some negative, or complex.

    Which of the two it makes depends on the processor, so such pictures are looked for.
    """
    for seed in itertools.count():
        rng = np.random.default_rng(seed)
        a, b = rng.normal(size=(5, 8)), rng.normal(size=(6, 8)) + 0.5
        product = np.cov(a.T) @ np.cov(b.T)
        values = np.linalg.eigvals(product)
        if np.iscomplexobj(values) == with_complex and values.real.min() < 0 < product.diagonal().min():
            return a, b


def frechet(student: Callable | None) -> None:
    """frechet(a, b): features (n, d), (m, d) -> the Fréchet distance of Eq. 12."""
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(4, 4))
    cases = [(rng.normal(size=(30, 4)) @ mix, 1.5 * rng.normal(size=(25, 4)) + 1)]
    cases += [few_pictures(with_complex) for with_complex in (False, True)]
    judge(
        "frechet",
        student,
        frechet_distance,
        cases,
        MISTAKES_OF_FRECHET,
        means="It compares two clouds, and does not know which result belongs to which drawing.",
        run=real_distance,
    )

"""Notebook 07: the losses."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

from lineart import losses
from lineart.course.checks.blocks import seeded
from lineart.course.checks.verdict import Mistake, judge


def l1_loss(student: Callable | None) -> None:
    """l1_loss(fake, color): (N, 3, H, W) twice -> one number, Eq. 2 as a mean."""
    judge(
        "l1_loss",
        student,
        losses.l1_loss,
        [(seeded(2, 3, 5, 6), seeded(2, 3, 5, 6, seed=1))],
        [
            Mistake(
                "You took the sum, as Eq. 2 is printed. A weight of 50 is made for the mean.",
                lambda a, b: (a - b).abs().sum(),
            ),
            Mistake("You squared the differences: that is L2, which dulls colours.", F.mse_loss),
            Mistake("The signs are still there, so that too bright and too dark cancel.", lambda a, b: (a - b).mean()),
            Mistake(
                "You averaged over the batch only. The mean runs over all values, pixels and channels too.",
                lambda a, b: (a - b).abs().sum() / len(a),
            ),
        ],
        means="One value of a picture now has a price that does not depend on the picture's size.",
    )


def total_variation(student: Callable | None) -> None:
    """total_variation(image): (N, 3, H, W) -> one number, Eq. 4 over the number of values."""

    def version(size=torch.abs, vertical=1, horizontal=1):
        def wrong(x):
            down, right = x[:, :, 1:] - x[:, :, :-1], x[..., 1:] - x[..., :-1]
            return (vertical * size(down).sum() + horizontal * size(right).sum()) / x.numel()

        return wrong

    judge(
        "total_variation",
        student,
        losses.total_variation,
        [(seeded(2, 3, 5, 7),)],
        [
            Mistake(
                "You took the sum. Divide by the number of values, or the eraser beats the pencil.",
                lambda x: version()(x) * x.numel(),
            ),
            Mistake(
                "You squared the differences, as the paper's text says. Eq. 4, and the package, take absolute ones.",
                version(torch.square),
            ),
            Mistake("Only neighbours in a row are compared; those in a column are missing.", version(vertical=0)),
            Mistake("Only neighbours in a column are compared; those in a row are missing.", version(horizontal=0)),
            Mistake(
                "Without `abs`, ups and downs cancel: what is left are the two edges of the picture.",
                version(lambda x: x),
            ),
            Mistake(
                "You took two means, each over its own differences. Add two sums, then divide by the picture's values.",
                lambda x: x.diff(dim=2).abs().mean() + x.diff(dim=3).abs().mean(),
            ),
        ],
        means="A flat picture costs nothing, and so does a blank one.",
    )


def feature_matching(student: Callable | None) -> None:
    """feature_matching(fake, color): dictionaries layer -> (N, C, H, W) -> one number, Eq. 3."""
    fake, color = ({"relu1_2": seeded(2, 4, 6, 6, seed=s), "relu3_3": seeded(2, 8, 3, 3, seed=s + 1)} for s in (0, 2))

    def version(distance):
        return lambda fake, color: sum(distance(fake[layer], color[layer]) for layer in color)

    judge(
        "feature_matching",
        student,
        losses.feature_matching,
        [(fake, color)],
        [
            Mistake(
                "The 1/N of each layer is missing: the finest layer, which has the most values, drowns the others.",
                version(lambda a, b: (a - b).square().sum()),
            ),
            Mistake(
                "You divided by the number of layers as well. Eq. 3 adds them up.",
                lambda *a: losses.feature_matching(*a) / 2,
            ),
            Mistake("You took absolute differences. Eq. 3 squares them.", version(F.l1_loss)),
            Mistake(
                "You took the root of each layer's term. Eq. 3 has the norm squared.",
                version(lambda a, b: F.mse_loss(a, b).sqrt()),
            ),
        ],
        means="A pretrained network gives a second opinion where L1 is lenient: about edges, hardly about hue.",
    )


def adversarial_loss(student: Callable | None) -> None:
    """adversarial_loss(fake_logits): (N, 1, h, w) -> one number, Eq. 5 on logits."""
    logits = 4 * seeded(2, 1, 5, 5)
    logits[0, 0, 0, 0] = -200.0
    mild = seeded(2, 1, 5, 5, seed=1)
    judge(
        "adversarial_loss",
        student,
        losses.adversarial_loss,
        [(mild,), (logits,)],
        [
            Mistake(
                "log(sigmoid(z)) breaks at z = -200: the sigmoid is 0 there. Take the loss of the logits, in one step.",
                lambda z: -torch.sigmoid(z).log().mean(),
            ),
            Mistake(
                "`binary_cross_entropy` after a sigmoid is cut off at 100 where the sigmoid is 0. Use the version for "
                "logits.",
                lambda z: F.binary_cross_entropy(torch.sigmoid(z), torch.ones_like(z)),
            ),
            Mistake(
                "The generator wants its pictures to count as real: the targets are ones, not zeros.",
                lambda z: F.softplus(z).mean(),
            ),
            Mistake(
                "This is the generator minimising log(1 - D), the saturating game: no push where the discriminator is "
                "sure. Eq. 5 is -log D.",
                lambda z: -F.softplus(z).mean(),
            ),
            Mistake("You took the sum over the patches. Eq. 5 is a mean.", lambda z: F.softplus(-z).sum()),
            Mistake("Nothing of the sigmoid is left: this is the mean logit.", lambda z: -z.mean()),
        ],
        means="It pushes hardest where the discriminator is surest, and no logit is too large for it.",
    )


def discriminator_loss(student: Callable | None) -> None:
    """discriminator_loss(real_logits, fake_logits): (N, 1, h, w) twice -> one number, Eq. 6 on logits."""
    real, fake = seeded(2, 1, 5, 5), seeded(2, 1, 5, 5, seed=1)
    loud_real, loud_fake = real.clone(), fake.clone()
    loud_real[0, 0, 0, 0], loud_fake[0, 0, 0, 0] = -200.0, 30.0

    def naive(real, fake):
        return -(torch.sigmoid(real).log() + (1 - torch.sigmoid(fake)).log()).mean()

    judge(
        "discriminator_loss",
        student,
        losses.discriminator_loss,
        [(real, fake), (loud_real, loud_fake)],
        [
            Mistake("The logarithms come after the sigmoid, and break where it is 0 or 1. Use the logits.", naive),
            Mistake(
                "You averaged the two halves. Eq. 6 adds them: a guess costs 2 log 2.",
                lambda *a: losses.discriminator_loss(*a) / 2,
            ),
            Mistake(
                "Real and fake are exchanged: the true picture is the one that should get ones.",
                lambda real, fake: losses.discriminator_loss(fake, real),
            ),
            Mistake(
                "Both halves have ones as targets: the discriminator learns to call everything real.",
                lambda real, fake: F.softplus(-real).mean() + F.softplus(-fake).mean(),
            ),
            Mistake(
                "Only the real half is there. The discriminator learns from both.",
                lambda real, fake: F.softplus(-real).mean(),
            ),
        ],
        means="For a discriminator that guesses it is 2 log 2: the line to keep in sight in every curve.",
    )

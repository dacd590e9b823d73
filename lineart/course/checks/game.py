"""Notebook 07: the two losses of the game, on logits."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F

from lineart import losses
from lineart.course.checks.blocks import seeded
from lineart.course.checks.losses import CUT_OFF, that_can_train
from lineart.course.checks.verdict import Mistake, judge

# What people add to a logarithm's argument, so that it is not log(0)
SMALL = (1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12)
MILD_AND_LOUD = ("of mild logits", "with a logit of 2000 or -2000")
MINUS_IS_MISSING = "The minus sign is missing: log D is below 0, and this would be made as bad as it can be."


MISTAKES_OF_THE_GENERATOR = [
    Mistake(
        "It breaks at z = -2000: on the way there exp(2000) is infinite, or the sigmoid 0. Take a function that "
        "goes from the logit to the loss in one step, and safely.",
        lambda z: -torch.sigmoid(z).log().mean(),
    ),
    Mistake(
        "`binary_cross_entropy` after a sigmoid is cut off at 100 where the sigmoid is 0. Use the version for logits.",
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
    Mistake(MINUS_IS_MISSING, lambda z: -F.softplus(-z).mean()),
    *(
        Mistake(
            f"You keep the sigmoid {small:g} away from 0. That ends the infinity, but the loss stays at "
            f"{-np.log(small):.1f} then, without a slope. Go from the logit to the loss in one step.",
            lambda z, small=small: -(torch.sigmoid(z) + small).log().mean(),
        )
        for small in SMALL
    ),
    CUT_OFF,
]


def adversarial_loss(student: Callable | None) -> None:
    """adversarial_loss(fake_logits): (N, 1, h, w) -> one number, Eq. 5 on logits."""
    logits = 4 * seeded(2, 1, 5, 5)
    logits[0, 0, 0, 0] = -2000.0  # too large in 64 bits, too
    mild = seeded(2, 1, 5, 5, seed=1)
    judge(
        "adversarial_loss",
        student,
        losses.adversarial_loss,
        [(mild,), (logits,)],
        MISTAKES_OF_THE_GENERATOR,
        run=that_can_train,
        means="It pushes hardest where the discriminator is surest, and no logit is too large for it.",
        parts=MILD_AND_LOUD,
    )


def naive(real, fake, small=0):
    return -((torch.sigmoid(real) + small).log() + (1 - torch.sigmoid(fake) + small).log()).mean()


MISTAKES_OF_THE_DISCRIMINATOR = [
    Mistake(
        "It breaks where a logit is large: after the sigmoid, which is 0 or 1 there, or in an exp. Take a "
        "function that goes from the logit to the loss in one step, and safely.",
        naive,
    ),
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
        "Only the real half is there. The discriminator learns from both.", lambda real, fake: F.softplus(-real).mean()
    ),
    Mistake(MINUS_IS_MISSING, lambda *a: -losses.discriminator_loss(*a)),
    Mistake(
        "Only one of the two logarithms has its minus sign.",
        lambda real, fake: F.softplus(-real).mean() - F.softplus(fake).mean(),
    ),
    Mistake(
        "You took the sum over the patches. Eq. 6 has means.",
        lambda real, fake: F.softplus(-real).sum() + F.softplus(fake).sum(),
    ),
    *(
        Mistake(
            f"You keep the logarithms' arguments {small:g} away from 0. That ends the infinity, but the loss "
            "has no slope left there. Go from the logit to the loss in one step.",
            lambda real, fake, small=small: naive(real, fake, small),
        )
        for small in SMALL
    ),
    CUT_OFF,
]


def discriminator_loss(student: Callable | None) -> None:
    """discriminator_loss(real_logits, fake_logits): (N, 1, h, w) twice -> one number, Eq. 6 on logits."""
    real, fake = seeded(2, 1, 5, 5), seeded(2, 1, 5, 5, seed=1)
    loud_real, loud_fake = real.clone(), fake.clone()
    loud_real[0, 0, 0, 0], loud_fake[0, 0, 0, 0] = -2000.0, 2000.0

    judge(
        "discriminator_loss",
        student,
        losses.discriminator_loss,
        [(real, fake), (loud_real, loud_fake)],
        MISTAKES_OF_THE_DISCRIMINATOR,
        run=that_can_train,
        means="For a discriminator that guesses it is 2 log 2: the line to keep in sight in every curve.",
        parts=MILD_AND_LOUD,
    )

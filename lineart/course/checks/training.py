"""Notebooks 08a and 08b: the schedule of the learning rate, and how far colours spread."""

from collections.abc import Callable

import torch

from lineart.course.checks.blocks import seeded
from lineart.course.checks.verdict import Mistake, judge


def learning_rate(student: Callable | None) -> None:
    """learning_rate(step, steps_per_epoch, base, every, gamma): ints and floats -> the rate of StepLR."""

    def right(step, steps_per_epoch, base, every, gamma):
        return base * gamma ** (step // steps_per_epoch // every)

    cases = [(step, 50, 2e-4, 20, 0.5) for step in (0, 10, 30, 999, 1000, 1500, 2100)]
    cases += [(step, 8, 0.3, 3, 0.1) for step in (7, 23, 24, 50)]  # nothing that one run has may stand in the function
    judge(
        "learning_rate",
        student,
        right,
        cases,
        [
            Mistake(
                "You counted steps where epochs are meant: the rate is gone after a few of them.",
                lambda step, n, base, every, gamma: base * gamma ** (step // every),
            ),
            Mistake(
                "The rate falls in every step. StepLR keeps it, and then halves it at once: whole divisions, //.",
                lambda step, n, base, every, gamma: base * gamma ** (step / n / every),
            ),
            Mistake(
                "The rate falls once an epoch. `every` says how many epochs it stays.",
                lambda step, n, base, every, gamma: base * gamma ** (step // n),
            ),
            Mistake(
                "You multiplied by gamma once and no more: after twice as many epochs it applies twice.",
                lambda step, n, base, every, gamma: base * (gamma if step // n >= every else 1),
            ),
        ],
        means="The step's number is all the state it has: a run that resumes needs no scheduler.",
        parts=["the rate for step={}, steps_per_epoch={}, base={}, every={}, gamma={}".format(*case) for case in cases],
    )


def color_spread(student: Callable | None) -> None:
    """color_spread(image): (N, 3, H, W) -> (N,), how far colours lie apart, brightness aside."""
    image = (seeded(2, 3, 5, 7) * torch.tensor([1.0, 0.4, 0.7])[:, None, None]).tanh()

    def version(image, grey=lambda x: x.mean(1, keepdim=True), dims=(2, 3), correction=0, end=torch.sqrt):
        return end((image - grey(image)).var(dim=dims, correction=correction).mean(1))

    judge(
        "color_spread",
        student,
        version,
        [(image,)],
        [
            Mistake(
                "The grey is still in it: a black and white drawing would count as the most colourful of all.",
                lambda image: version(image, grey=torch.zeros_like),
            ),
            Mistake(
                "The grey lost its axis of channels: `mean(1, keepdim=True)` is (N, 1, H, W), and can be subtracted.",
                raises="must match the size of tensor",
            ),
            Mistake("The root is missing.", lambda image: version(image, end=lambda x: x)),
            Mistake(
                "torch divides by one less than the number of pixels unless you say `correction=0`.",
                lambda image: version(image, correction=1),
            ),
            Mistake(
                "You took the root of each channel's variance before the mean over the channels.",
                lambda image: (image - image.mean(1, keepdim=True)).std(dim=(2, 3), correction=0).mean(1),
            ),
            Mistake(
                "You took one variance over channels and pixels together. Each channel has a mean of its own, so that "
                "a flat tint spreads 0.",
                lambda image: (image - image.mean(1, keepdim=True)).var(dim=(1, 2, 3), correction=0).sqrt(),
            ),
        ],
        means="Zero for any single tint, however light and dark it is: the face of a collapse as a number.",
    )

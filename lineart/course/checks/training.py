"""Notebooks 08a and 08b: the alternating step, the schedule of the learning rate, and how far colours spread."""

from __future__ import annotations

from collections.abc import Callable

import torch

from lineart.course.checks.blocks import built, seeded
from lineart.course.checks.verdict import Mistake, Unusable, judge
from lineart.losses import adversarial_loss, discriminator_loss, l1_loss
from lineart.networks import Generator, PatchDiscriminator


def two_steps(step: Callable, line, palette, color):
    """The losses of two steps on the same batch, and how far each network has gone, in units of its gradient."""
    rate = 0.01  # plain gradient descent: Adam would turn rounding errors into whole steps
    networks = built(lambda: (Generator(4, 2, attention="none", noise=False), PatchDiscriminator(33, 4)))
    optimizers = [torch.optim.SGD(network.parameters(), rate) for network in networks]
    start = [vector(network) for network in networks]
    told = []
    for _ in range(2):
        losses = step(*networks, *optimizers, line, palette, color)
        if losses is None:
            return None
        if not isinstance(losses, (tuple, list)) or not all(torch.is_tensor(loss) for loss in losses):
            raise Unusable("What you return must be the two losses: loss_d, loss_g.")
        told.append(torch.stack([loss.detach() for loss in losses]))
    return *told, *((vector(network) - before) / rate for network, before in zip(networks, start))


def vector(network: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def step_with(detach=True, wiped="gd", together=True, fresh=True, wish=adversarial_loss, hidden=False):
    """The training step; each setting away from its default is a usual mistake."""

    def step(generator, discriminator, optimizer_g, optimizer_d, line, palette, color):
        def judged(*pictures):
            pairs = torch.cat([torch.cat([line, picture], 1) for picture in pictures])
            return discriminator(pairs, palette.repeat(len(pictures), 1, 1)).chunk(len(pictures))

        for name, optimizer in (("g", optimizer_g), ("d", optimizer_d)):
            if name in wiped:
                optimizer.zero_grad()
        fake = generator(line, palette, color)
        shown = fake.detach() if detach else fake
        real_logits, fake_logits = judged(color, shown) if together else (judged(color)[0], judged(shown)[0])
        loss_d = discriminator_loss(real_logits, fake_logits)
        discriminator.requires_grad_(False)  # what it is asked for the generator is no lesson for itself
        early = None if fresh else wish(judged(fake)[0])
        discriminator.requires_grad_(True)
        loss_d.backward(retain_graph=True)
        optimizer_d.step()
        discriminator.requires_grad_("d" not in wiped)  # or this loss would leave its gradient there, too
        wanted = wish(judged(fake.detach() if hidden else fake)[0]) if fresh else early
        discriminator.requires_grad_(True)
        loss_g = 50 * l1_loss(fake, color) + wanted
        loss_g.backward()
        optimizer_g.step()
        return loss_d, loss_g

    return step


MISTAKES_OF_A_STEP = [
    Mistake(
        "The fake was not detached: the generator got the discriminator's gradient, and learns to be caught.",
        step_with(detach=False),
    ),
    Mistake(
        "The fake was not detached: the discriminator's backward pass went through the generator and used its "
        "graph up.",
        raises="backward through the graph a second time",
    ),
    Mistake("The gradients of the step before are still there: `zero_grad` is missing.", step_with(wiped="")),
    Mistake(
        "The discriminator still holds the gradient that the generator's loss has left in it: wipe it out with "
        "`optimizer_d.zero_grad()` before its own loss.",
        step_with(wiped="g"),
    ),
    Mistake(
        "The generator still holds the gradient of the step before: `optimizer_g.zero_grad()` is missing.",
        step_with(wiped="d"),
    ),
    Mistake(
        "Real and fake went through the discriminator in two calls. Spectral normalisation moves on with each: "
        "two rulers for two halves.",
        step_with(together=False),
    ),
    Mistake(
        "The generator learned that its pictures should count as fake: its targets are ones.",
        step_with(wish=lambda z: discriminator_loss(z, z) - adversarial_loss(z)),
    ),
    Mistake(
        "The generator was judged by a detached picture: no gradient of the adversarial loss reached it.",
        step_with(hidden=True),
    ),
    Mistake("The generator was judged by the discriminator as it was before its update.", step_with(fresh=False)),
    Mistake(
        "The discriminator changed between the generator's forward and backward pass. Ask it for the "
        "generator's loss after its own step.",
        raises="modified by an inplace operation",
    ),
]


def training_step(student: Callable | None) -> None:
    """training_step(generator, discriminator, optimizer_g, optimizer_d, line, palette, color) -> loss_d, loss_g."""
    line, palette, color = seeded(2, 3, 32, 32), seeded(2, 9, 3, seed=1), seeded(2, 3, 32, 32, seed=2)
    judge(
        "training_step",
        student,
        step_with(),
        [(line.tanh(), palette.tanh(), color.tanh())],
        MISTAKES_OF_A_STEP,
        means="The discriminator learns from data, the generator from the discriminator: that is the whole game.",
        run=two_steps,
        tolerance=2e-3,
    )


def learning_rate(student: Callable | None) -> None:
    """learning_rate(step, steps_per_epoch, base, every, gamma): ints and floats -> the rate of StepLR."""

    def right(step, steps_per_epoch, base, every, gamma):
        return base * gamma ** (step // steps_per_epoch // every)

    cases = [(step, 50, 2e-4, 20, 0.5) for step in (0, 10, 30, 999, 1000, 1500, 2100)]
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
    )


def color_spread(student: Callable | None) -> None:
    """color_spread(image): (N, 3, H, W) -> (N,), how far colours lie apart, brightness aside."""
    image = (seeded(3, 3, 5, 7) * torch.tensor([1.0, 0.4, 0.7])[:, None, None]).tanh()

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

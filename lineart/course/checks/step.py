"""Notebook 08a: one step of both networks, told by its result and by the order of what it calls."""

import inspect
from collections.abc import Callable

import torch

from lineart.course.checks.blocks import built, seeded
from lineart.course.checks.verdict import Mistake, Unusable, judge
from lineart.losses import adversarial_loss, discriminator_loss, l1_loss
from lineart.networks import Generator, PatchDiscriminator


class Rules:
    """What a step may do with its two networks and optimisers. A broken rule is told where it is broken."""

    def __init__(self, networks: dict[str, torch.nn.Module], optimizers: dict, *given: torch.Tensor) -> None:
        self.networks, self.given = networks, given
        self.events, self.begun = [], False  # begun: gradients of a step before may be there
        networks["g"].register_forward_pre_hook(self.paints, with_kwargs=True)
        networks["d"].register_forward_pre_hook(self.judges, with_kwargs=True)
        for name, optimizer in optimizers.items():
            optimizer.register_step_pre_hook(lambda *_, name=name: self.learns(name))

    def paints(self, module, args, kwargs) -> None:
        if "paints" in self.events:
            raise Unusable(
                "The generator painted twice in one step. Let it paint once; the discriminator gets a detached copy of "
                "that very painting."
            )
        self.events.append("paints")
        names = ("drawing", "palette", "reference (here it is the truth)")
        for got, given, name in zip(of_call(module, args, kwargs), self.given, names):
            if not torch.is_tensor(got) or not torch.equal(got, given):
                raise Unusable(f"The generator got a wrong {name}: call it as `generator(line, palette, color)`.")

    def judges(self, module, args, kwargs) -> None:
        self.events.append("judges")
        (pairs, palettes), (line, palette, _) = of_call(module, args, kwargs), self.given
        times = len(pairs) // len(line)
        same = torch.equal(pairs[:, :3], line.repeat(times, 1, 1, 1))
        if not same or palettes is not None and not torch.equal(palettes, palette.repeat(times, 1, 1)):
            raise Unusable(
                "The discriminator got wrong pairs. Each is the line drawing and then a picture, and beside it stands "
                "that drawing's palette."
            )

    def learns(self, name: str) -> None:
        if name in self.events:
            raise Unusable(f"`optimizer_{name}` made two steps. Each of the two optimisers makes one.")
        if name == "g" and "d" not in self.events:
            raise Unusable(
                "`optimizer_g.step()` was called, and `optimizer_d.step()` had not been. The latter is missing or "
                "comes too late, or you have exchanged the two optimisers."
            )
        self.events.append(name)
        if not has_gradient(self.networks[name]):
            why = "the picture was painted under `no_grad`" if name == "g" else "the two optimisers are exchanged"
            raise Unusable(
                f"When `optimizer_{name}.step()` was called, its network had no gradient: `loss_{name}.backward()` is "
                f"missing, or a `zero_grad()` stands between the two, or {why}."
            )
        if name == "d" and not self.begun and has_gradient(self.networks["g"]):
            raise Unusable(NOT_DETACHED if self.events.count("judges") == 1 else TOO_EARLY)

    def end(self) -> None:
        """Of a step that has returned."""
        for name in "dg":
            if name not in self.events:
                raise Unusable(f"`optimizer_{name}` made no step.")
            if not self.networks[name].training:
                raise Unusable("You left a network in `eval()`. While it trains it must stay in `train()`.")
        self.events, self.begun = [], True


NOT_DETACHED = (
    "The fake was not detached: the generator got a gradient from the discriminator's loss, and would learn to be "
    "caught. (Unless you keep it, that backward pass has also used its graph up.)"
)
TOO_EARLY = (
    "When `optimizer_d.step()` was called, the generator already had a gradient: the fake was not detached, or "
    "`loss_g.backward()` comes too early. The generator is judged by the discriminator as it is after its step."
)


def of_call(module: torch.nn.Module, args: tuple, kwargs: dict) -> list:
    """What a module was called with, in the order of its parameters."""
    bound = inspect.signature(module.forward).bind(*args, **kwargs)
    bound.apply_defaults()
    return [*bound.arguments.values()]


def has_gradient(network: torch.nn.Module) -> bool:
    return any(p.grad is not None and bool(p.grad.any()) for p in network.parameters())


def two_steps(step: Callable, line, palette, color):
    """Two steps on the same batch: of each the losses, and how far each network went, in units of its gradient."""
    rate = 0.01  # plain gradient descent: Adam would turn rounding errors into whole steps
    generator, discriminator = (
        network.double()
        for network in built(lambda: (Generator(4, 2, attention="none", noise=False), PatchDiscriminator(33, 4)))
    )
    optimizer_g, optimizer_d = (torch.optim.SGD(network.parameters(), rate) for network in (generator, discriminator))
    networks, optimizers = {"g": generator, "d": discriminator}, {"g": optimizer_g, "d": optimizer_d}
    rules, told = Rules(networks, optimizers, line, palette, color), []
    for _ in range(2):
        before = [vector(network) for network in networks.values()]
        losses = step(generator, discriminator, optimizer_g, optimizer_d, line, palette, color)
        if losses is None:
            return None
        loss_d, loss_g = two_numbers(losses)
        rules.end()
        for parameter in [*generator.parameters(), *discriminator.parameters()]:
            parameter.grad = torch.ones_like(parameter)  # what may be there when the next step begins
        gone_g, gone_d = ((vector(network) - old) / rate for network, old in zip(networks.values(), before))
        told += [loss_d, gone_d, loss_g, gone_g]
    return told


PARTS_OF_A_STEP = [
    f"{part} of the {step} step"
    for step in ("first", "second")
    for part in ("loss_d", "the discriminator's move", "loss_g", "the generator's move")
]


def two_numbers(losses) -> list[float]:
    try:
        loss_d, loss_g = (float(loss.detach() if torch.is_tensor(loss) else loss) for loss in losses)
    except (TypeError, ValueError, RuntimeError):
        raise Unusable("What you return must be the two losses, one number each: loss_d, loss_g.") from None
    return [loss_d, loss_g]


def vector(network: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def wanted(fake, line, color, adversarial):
    return 50 * l1_loss(fake, color) + adversarial


def step_with(wiped="gd", together=True, fresh=True, wish=adversarial_loss, asked="fake", loss=wanted, order=(0, 1)):
    """The training step; each setting away from its default is a usual mistake."""

    def step(generator, discriminator, optimizer_g, optimizer_d, line, palette, color):
        def judged(*pictures):
            pairs = torch.cat([torch.cat([line, picture], 1) for picture in pictures])
            return discriminator(pairs, palette.repeat(len(pictures), 1, 1)).chunk(len(pictures))

        for name, optimizer in (("g", optimizer_g), ("d", optimizer_d)):
            if name in wiped:
                optimizer.zero_grad()
        fake = generator(line, palette, color)
        shown = fake.detach()
        real_logits, fake_logits = judged(color, shown) if together else (judged(color)[0], judged(shown)[0])
        loss_d = discriminator_loss(real_logits, fake_logits)
        discriminator.requires_grad_(False)  # what it is asked for the generator is no lesson for itself
        early = None if fresh else wish(judged(fake)[0])
        discriminator.requires_grad_(True)
        loss_d.backward()
        optimizer_d.step()
        discriminator.requires_grad_("d" not in wiped)  # or this loss would leave its gradient there, too
        picture = {"fake": fake, "detached": shown, "truth": color}[asked]
        loss_g = loss(fake, line, color, wish(judged(picture)[0]) if fresh else early)
        discriminator.requires_grad_(True)
        loss_g.backward()
        optimizer_g.step()
        return [(loss_d, loss_g)[i] for i in order]

    return step


MISTAKES_OF_A_STEP = [
    Mistake(
        "A graph was used twice. What `loss_d.backward()` went through is used up: for the generator's loss ask the "
        "discriminator again, about the fake that is not detached.",
        raises="backward through the graph a second time",
    ),
    Mistake(
        "The discriminator changed between the generator's forward and backward pass. Ask it for the "
        "generator's loss after its own step.",
        raises="modified by an inplace operation",
    ),
    Mistake(
        "The gradients of the step before are still there: `zero_grad` is missing, or comes too late, after the step.",
        step_with(wiped=""),
    ),
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
    Mistake("The sign of the adversarial loss is wrong: it is added.", step_with(wish=lambda z: -adversarial_loss(z))),
    Mistake(
        "The generator was judged by a detached picture: no gradient of the adversarial loss reached it.",
        step_with(asked="detached"),
    ),
    Mistake("For the generator's loss the discriminator judged the truth. Show it the fake.", step_with(asked="truth")),
    Mistake("The generator was judged by the discriminator as it was before its update.", step_with(fresh=False)),
    Mistake(
        "The adversarial loss is missing from the generator's loss.",
        step_with(loss=lambda fake, line, color, adversarial: 50 * l1_loss(fake, color)),
    ),
    Mistake(
        "The factor 50 before the L1 loss is missing.",
        step_with(loss=lambda fake, line, color, adversarial: l1_loss(fake, color) + adversarial),
    ),
    Mistake(
        "L1 compares the fake with the drawing. Compare it with the truth.",
        step_with(loss=lambda fake, line, color, adversarial: wanted(fake, line, line, adversarial)),
    ),
    Mistake(
        "The L1 loss took the detached fake: its gradient, the strongest of all, does not reach the generator.",
        step_with(loss=lambda fake, line, color, adversarial: wanted(fake.detach(), line, color, adversarial)),
    ),
    Mistake("The two losses are exchanged: loss_d comes first.", step_with(order=(1, 0))),
]


def training_step(student: Callable | None) -> None:
    """training_step(generator, discriminator, optimizer_g, optimizer_d, line, palette, color) -> loss_d, loss_g."""
    line, palette, color = seeded(2, 3, 32, 32), seeded(2, 9, 3, seed=1), seeded(2, 3, 32, 32, seed=2)
    judge(
        "training_step",
        student,
        step_with(),
        [tuple(x.double().tanh() for x in (line, palette, color))],  # in 64 bits even a term of total variation shows
        MISTAKES_OF_A_STEP,
        means="The discriminator learns from data, the generator from the discriminator: that is the whole game.",
        run=two_steps,
        tolerance=1e-6,
        parts=PARTS_OF_A_STEP,
    )

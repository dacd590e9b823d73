"""Notebook 06: the discriminator's stack, and the largest singular value of a filter matrix."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from lineart.course.checks.blocks import seeded
from lineart.course.checks.verdict import Mistake, Unusable, judge

PARTS = (
    "number of convolutions",
    "output channels",
    "input channels",
    "kernel sizes",
    "strides",
    "paddings",
    "convolutions with a bias",
    "convolutions with a spectral norm",
    "leaky ReLUs before the first convolution and after each",
    "slopes of the leaky ReLUs",
    "norm layers",
    "layers of other kinds",
    "shape of the map of a 64 px picture",
)
NORMS = nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm


def described_stack(function, in_channels, width):
    """PARTS of a stack, whose layers count as often as they are used; or None."""
    stack = function(in_channels, width)
    if stack is None:
        return None
    if not isinstance(stack, nn.Sequential):
        raise Unusable(f"What you return must be an nn.Sequential, it is {type(stack).__name__}.")
    with torch.no_grad():
        side = stack(torch.zeros(1, in_channels, 64, 64)).shape[1:]
    named = stack.named_modules(remove_duplicate=False)
    layers = [m for name, m in named if "parametrizations" not in name]
    layers = [m for m in layers if isinstance(m, nn.Conv2d) or not [*m.children()]]
    convs = [m for m in layers if isinstance(m, nn.Conv2d)]
    places, slopes = torch.zeros(len(convs) + 1), []
    place = norms = others = 0
    for layer in layers:
        place += isinstance(layer, nn.Conv2d)
        if isinstance(layer, nn.LeakyReLU):
            places[place] += 1
            slopes.append(layer.negative_slope)
        norms += isinstance(layer, NORMS)
        others += not isinstance(layer, (nn.Conv2d, nn.LeakyReLU, nn.Identity, *NORMS))
    columns = [
        [c.out_channels for c in convs],
        [c.in_channels for c in convs],
        [c.kernel_size for c in convs],
        [c.stride for c in convs],
        [c.padding for c in convs],
        [c.bias is not None for c in convs],
        [hasattr(c, "parametrizations") or hasattr(c, "weight_orig") for c in convs],  # torch has a newer and an older
    ]
    return [len(convs), *map(np.array, columns), places, np.array(slopes), norms, others, np.array(side)]


def leaky():
    return nn.LeakyReLU(0.2)


def stacked(wrap=spectral_norm, strides=(2, 2, 2, 1, 1), act=leaky, before=(), end=(), norms=(), bias=True):
    """The stack, or what comes of one of the usual mistakes. norms: behind which convolutions stands one."""

    def version(in_channels, width):
        widths, layers = [in_channels, width, 2 * width, 4 * width, 8 * width, 1], []
        for i, stride in enumerate(strides):
            layers.append(wrap(nn.Conv2d(widths[i], widths[i + 1], 4, stride, 1, bias=bias)))
            layers += [nn.BatchNorm2d(widths[i + 1])] if i in norms else []
            layers += [act()] if i < 4 else []
        return nn.Sequential(*(make() for make in before), *layers, *(make() for make in end))

    return version


NORM_LAYER = "Norm layers stand between your convolutions. Here the spectral norm of the weights is all there is."
OF_THE_STACK = [
    Mistake("The convolutions are not wrapped in `spectral_norm`.", stacked(lambda conv: conv)),
    Mistake(
        "There is a layer too many, such as a sigmoid at the end. Leave the logits as they are; the loss takes "
        "the sigmoid, safely.",
        stacked(end=[nn.Sigmoid]),
    ),
    Mistake("A leaky ReLU follows the last convolution: it would squeeze every logit below 0.", stacked(end=[leaky])),
    Mistake(
        "Your leaky ReLUs stand before the convolutions. The first one would already bend the picture: put "
        "them after each convolution but the last.",
        stacked(before=[leaky]),
    ),
    Mistake("Your leaky ReLU has torch's slope of 0.01; here it is 0.2.", stacked(act=nn.LeakyReLU)),
    Mistake(
        "Between the convolutions stand four leaky ReLUs; yours are of another kind. A plain ReLU passes on "
        "nothing, and no gradient, below 0.",
        stacked(act=nn.ReLU),
    ),
    Mistake(
        "Between the convolutions stand four leaky ReLUs; yours has none. Without them the five convolutions "
        "are one linear map.",
        stacked(act=nn.Identity),
    ),
    Mistake(
        "All five layers halve the picture. Only the first three do; the last two have stride 1.",
        stacked(strides=(2, 2, 2, 2, 2)),
    ),
    Mistake("Your convolutions have no bias. Here each has one.", stacked(bias=False)),
    Mistake(NORM_LAYER, stacked(norms=(0, 1, 2, 3))),
    Mistake(NORM_LAYER, stacked(norms=(1, 2, 3))),
    Mistake(
        "`spectral_norm` takes one layer that has a weight: wrap each convolution, and nothing else.", raises="weight'"
    ),
    Mistake(
        "Two neighbours do not fit: a convolution reads as many channels as the one before it gives.",
        raises="channels, but got",
    ),
]


def patch_stack(student: Callable | None) -> None:
    """patch_stack(in_channels, width) -> nn.Sequential: five normalised 4x4 convolutions, leaky ReLUs between."""
    judge(
        "patch_stack",
        student,
        stacked(),
        [(5, 4)],
        OF_THE_STACK,
        means="At 256 px it gives the paper's map of 30 x 30: one opinion about each patch.",
        run=described_stack,
        parts=PARTS,
    )


def iterated(u=1, v=1, more=0, start=lambda v: v, end=lambda W, u, v: u @ W @ v):
    """Power iteration, or what comes of one of the usual mistakes. u, v: 0 leaves the vector as long as it is."""

    def brought(x, to_one):
        return F.normalize(x, dim=0) if to_one else x

    def version(W, given, steps):
        vector = start(given)
        for _ in range(steps + more):
            left = brought(W @ vector, u)
            vector = brought(W.T @ left, v)
        return end(W, left, vector)

    return version


OTHER_START = "You did not start from the given v: after few rounds the estimate still depends on it."
OF_POWER_ITERATION = [
    Mistake(
        "You returned its square. Either v is not brought back to length 1 in each round, or you squared at "
        "the end: multiplying by W and by its transpose stretches twice.",
        iterated(v=0),
    ),
    Mistake(
        "After many rounds yours is its square. Either u is not brought back to length 1 in each round, or you took "
        "the length of W^T W v: multiplying by W and by its transpose stretches twice.",
        iterated(u=0),
    ),
    Mistake("u and v are never brought back to length 1: after some steps they are infinite.", iterated(u=0, v=0)),
    Mistake(
        "You returned the Frobenius norm: all singular values together, not the largest.", lambda W, v, steps: W.norm()
    ),
    Mistake(
        "After 1 or 2 rounds the estimate has not arrived yet; yours has. Did you take a decomposition, or "
        "more rounds than `steps`? Return what the rounds give.",
        lambda W, v, steps: torch.linalg.svdvals(W)[0],
    ),
    Mistake("You made one round too many: `steps` is the number of rounds.", iterated(more=1)),
    Mistake(
        "The last v has gone through W once more: that is half a round too many. Take the last u, and return u^T W v.",
        iterated(end=lambda W, u, v: (W @ v).norm()),
    ),
    Mistake(OTHER_START, iterated(start=torch.randn_like)),
    Mistake(OTHER_START, iterated(start=torch.rand_like)),
    Mistake(OTHER_START, iterated(start=torch.ones_like)),
    Mistake(
        "A name has no value yet. With steps = 1, does your loop run once? `steps` is the number of rounds.",
        raises="cannot access local variable",
    ),
]


def power_iteration(student: Callable | None) -> None:
    """power_iteration(W, v, steps): (rows, columns), (columns,), int -> estimate of the largest singular value."""
    rows, columns = torch.linalg.qr(seeded(6, 6))[0], torch.linalg.qr(seeded(9, 9, seed=1))[0]
    W = rows @ torch.diag(torch.tensor([3.0, 2.0, 1.0, 0.5, 0.4, 0.3])) @ columns[:6]

    judge(
        "power_iteration",
        student,
        iterated(),
        [(W, seeded(9, seed=2), steps) for steps in (1, 2, 200)],  # of 200 only the largest is left
        OF_POWER_ITERATION,
        means="No decomposition was needed; torch takes one such step in every forward pass of a training.",
        tolerance=1e-3,
        parts=("after 1 round", "after 2 rounds", "after 200 rounds"),
    )

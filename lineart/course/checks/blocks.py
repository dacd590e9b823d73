"""Notebook 03: filters, groups, and the residual block."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from lineart.course.checks.verdict import Mistake, judge
from lineart.layers import ResidualBlock, WSConv2d


def seeded(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def built(make: Callable):
    """Layers with the same random weights every time; the page's random numbers stay as they were."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make()


def standardize(student: Callable | None) -> None:
    """standardize(weight): (C_out, C_in, k, k) -> the same shape; filters of I weights have mean 0, variance 1/I."""
    weight = 0.3 * seeded(6, 4, 3, 3) + 0.5

    def right(weight):
        conv = WSConv2d(4, 6, 3, bias=False)
        conv.weight.data = weight
        return conv.standardized_weight()

    def version(dims=(1, 2, 3), size=36**0.5, correction=0, power=0.5, centre=1):
        def wrong(w):
            centred = w - centre * w.mean(dims, keepdim=True)
            return centred / w.var(dims, keepdim=True, correction=correction) ** power / size

        return wrong

    judge(
        "standardize",
        student,
        right,
        [(weight,)],
        [
            Mistake(
                "Your filters have mean 0 but variance 1, not 1/I: activations grow with the width of the layer.",
                version(size=1),
            ),
            Mistake("The size is right, but the mean is still there: subtract it first.", version(centre=0)),
            Mistake(
                "Your filters have mean 0 but their own variance still: divide by the standard deviation, too.",
                lambda w: w - w.mean((1, 2, 3), keepdim=True),
            ),
            Mistake("Mean and deviation are those of the whole layer. Each filter has its own.", version((0, 1, 2, 3))),
            Mistake(
                "You took mean and deviation of each 3x3 slice. A filter is all its input channels together.",
                version((2, 3)),
            ),
            Mistake("You divided by the variance, not by its root.", version(power=1)),
            Mistake(
                "torch's `std` divides by n - 1. Here all n weights are known: `correction=0` (or `unbiased=False`).",
                version(correction=1),
            ),
        ],
        means="A filter no longer answers to a brightness that all its inputs share.",
    )


def scaled(y, gamma, beta):
    return y * gamma[:, None, None] + beta[:, None, None]


def grouped(dims=-1, correction=0, power=0.5, inside=1, outside=0):
    def wrong(x, groups, gamma, beta, eps):
        g = x.reshape(len(x), groups, -1)
        var = g.var(dims, keepdim=True, correction=correction)
        size = (var + inside * eps) ** power + outside * eps
        return scaled(((g - g.mean(dims, keepdim=True)) / size).reshape(x.shape), gamma, beta)

    return wrong


OF_GROUP_NORM = [
    Mistake("The `eps` that is given has no effect. Add it to the variance, under the root.", grouped(inside=0)),
    Mistake("Epsilon stands outside the root. Add it to the variance.", grouped(inside=0, outside=1)),
    Mistake(
        "Two things: epsilon belongs under the root, to the variance; and torch's `std` and `var` divide by "
        "n - 1 unless you say `correction=0`.",
        grouped(inside=0, outside=1, correction=1),
    ),
    Mistake(
        "Two things: the `eps` that is given has no effect (add it to the variance, under the root); and torch's `std` "
        "and `var` divide by n - 1 unless you say `correction=0`.",
        grouped(inside=0, correction=1),
    ),
    Mistake("Your mean and variance run over the pictures as well. Each picture has its own.", grouped((0, -1))),
    Mistake(
        "You took `groups` for the number of channels in a group. It is the number of groups.",
        lambda x, g, gamma, beta, eps: F.group_norm(x, x.shape[1] // g, gamma, beta, eps),
    ),
    Mistake(
        "You normalised over the batch as well, as BatchNorm does: the other pictures came into it again.",
        lambda x, g, gamma, beta, eps: F.batch_norm(x, None, None, gamma, beta, True, eps=eps),
    ),
    Mistake(
        "You normalised each channel by itself. A group's channels share one mean and one variance.",
        lambda x, g, gamma, beta, eps: F.group_norm(x, x.shape[1], gamma, beta, eps),
    ),
    Mistake(
        "You normalised over all channels together, as with one group.",
        lambda x, g, gamma, beta, eps: F.group_norm(x, 1, gamma, beta, eps),
    ),
    Mistake("You divided by the variance, not by its root.", grouped(power=1)),
    Mistake(
        "torch's `var` divides by n - 1. The norm divides by n: `correction=0` (or `unbiased=False`).",
        grouped(correction=1),
    ),
    Mistake(
        "Gamma and beta are missing: after the division each channel gets its own scale and shift.",
        lambda x, g, gamma, beta, eps: F.group_norm(x, g, eps=eps),
    ),
]


def group_norm(student: Callable | None) -> None:
    """group_norm(x, groups, gamma, beta, eps): (N, C, H, W), int, (C,), (C,), float -> (N, C, H, W)."""
    x = 2 * seeded(3, 8, 4, 5) + seeded(3, 8, 1, 1, seed=1)
    gamma, beta = seeded(8, seed=2), seeded(8, seed=3)

    judge(
        "group_norm",
        student,
        lambda x, g, gamma, beta, eps: F.group_norm(x, g, gamma, beta, eps),
        [(x, 2, gamma, beta, 1e-5), (x, 2, gamma, beta, 0.1)],
        OF_GROUP_NORM,
        means="No number of another picture enters: the companions in a batch no longer matter.",
    )


def down_block() -> ResidualBlock:
    block = ResidualBlock(8, 16, "down")
    for norm in (block.norm1, block.norm2):  # as new they are alike, and could be exchanged unseen
        nn.init.normal_(norm.weight), nn.init.normal_(norm.bias)
    return block


def down(
    x, block, slope=0.2, middle=True, skip=True, end=True, early=False, first="norm1", second="norm2", pool=F.avg_pool2d
):
    """The block's answer, or what comes of one of the usual mistakes. first, second: names of norms; "" is none."""
    norm1, norm2 = (getattr(block, name) if name else nn.Identity() for name in (first, second))
    h = norm1(block.conv1(x))
    h = norm2(block.conv2(F.leaky_relu(h, slope) if middle else h))
    s = block.skip(pool(x, 2)) if skip else 0
    if early:
        return F.leaky_relu(h, slope) + s
    return F.leaky_relu(h + s, slope) if end else h + s


def activated_before_norm(x, block):
    h = block.norm1(F.leaky_relu(block.conv1(x), 0.2))
    return F.leaky_relu(block.norm2(block.conv2(h)) + block.skip(F.avg_pool2d(x, 2)), 0.2)


def residual_block(student: Callable | None) -> None:
    """residual_block(x, block): (N, 8, H, W), the parts of a "down" block -> (N, 16, H/2, W/2)."""

    def version(**how):
        return lambda x, block: down(x, block, **how)

    judge(
        "residual_block",
        student,
        lambda x, block: block(x),
        [(seeded(2, 8, 6, 8), built(down_block))],
        [
            Mistake("The skip is missing: add what came in to what the convolutions made.", version(skip=False)),
            Mistake("The last activation stands before the sum. Figure 3 adds first.", version(early=True)),
            Mistake("The activation after the sum is missing.", version(end=False)),
            Mistake(
                "The activation between the two convolutions is missing: without it both are one linear map.",
                version(middle=False),
            ),
            Mistake("Your leaky ReLU has torch's slope of 0.01; here it is 0.2.", version(slope=0.01)),
            Mistake("You took a plain ReLU. Here it is leaky, with a slope of 0.2.", version(slope=0)),
            Mistake("The first activation stands before its norm. Figure 3 normalises first.", activated_before_norm),
            Mistake("The two norms are exchanged.", version(first="norm2", second="norm1")),
            Mistake("You used `norm1` twice. The second convolution has a norm of its own.", version(second="norm1")),
            Mistake("The norm after the first convolution is missing.", version(first="")),
            Mistake("The norm after the second convolution is missing.", version(second="")),
            Mistake("Both norms are missing.", version(first="", second="")),
            Mistake("The skip takes the largest of each 2x2. It takes the average.", version(pool=F.max_pool2d)),
            Mistake(
                "Main path and skip have different numbers of channels. Has x gone through `block.skip`?",
                raises="at non-singleton dimension 1",
            ),
            Mistake(
                "Main path and skip have different sizes: conv1 halves its input, so the skip must be halved, by a 2x2 "
                "average.",
                raises="must match the size of tensor",
            ),
        ],
        means="The whole network is made of this. The block learns only the difference from what came in.",
    )

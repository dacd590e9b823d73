"""Notebooks 03 and 05: the residual block, the noise, the way up with its skips."""

from __future__ import annotations

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
    """standardize(weight): (C_out, C_in, k, k) -> the same shape, each filter with mean 0 and variance 1/fan_in."""
    weight = 0.3 * seeded(6, 4, 3, 3) + 0.5

    def right(weight):
        conv = WSConv2d(4, 6, 3, bias=False)
        conv.weight.data = weight
        return conv.standardized_weight()

    def version(dims=(1, 2, 3), size=36**0.5, correction=0, power=0.5):
        def wrong(w):
            centred = w - w.mean(dims, keepdim=True)
            return centred / w.var(dims, keepdim=True, correction=correction) ** power / size

        return wrong

    judge(
        "standardize",
        student,
        right,
        [(weight,)],
        [
            Mistake(
                "Your filters have mean 0 but variance 1, not 1/fan_in: activations grow with the width of the layer.",
                version(size=1),
            ),
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


def grouped(power=0.5, correction=0):
    def wrong(x, groups, gamma, beta, eps):
        g = x.reshape(len(x), groups, -1)
        var = g.var(-1, keepdim=True, correction=correction)
        return scaled(((g - g.mean(-1, keepdim=True)) / (var + eps) ** power).reshape(x.shape), gamma, beta)

    return wrong


def group_norm(student: Callable | None) -> None:
    """group_norm(x, groups, gamma, beta, eps): (N, C, H, W), int, (C,), (C,), float -> (N, C, H, W)."""
    x = 2 * seeded(3, 8, 4, 5) + seeded(3, 8, 1, 1, seed=1)
    gamma, beta = seeded(8, seed=2), seeded(8, seed=3)

    judge(
        "group_norm",
        student,
        lambda x, g, gamma, beta, eps: F.group_norm(x, g, gamma, beta, eps),
        [(x, 2, gamma, beta, 1e-5)],
        [
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
        ],
        means="No number of another picture enters: the companions in a batch no longer matter.",
    )


def residual_block(student: Callable | None) -> None:
    """residual_block(x, block): (N, 8, H, W), the parts of a "down" block -> (N, 16, H/2, W/2)."""
    block = built(lambda: ResidualBlock(8, 16, "down"))

    def version(x, block, slope=0.2, middle=True, skip=True, end=True, early=False):
        h = block.norm1(block.conv1(x))
        h = block.norm2(block.conv2(F.leaky_relu(h, slope) if middle else h))
        s = block.skip(F.avg_pool2d(x, 2)) if skip else 0
        if early:
            return F.leaky_relu(h, slope) + s
        return F.leaky_relu(h + s, slope) if end else h + s

    judge(
        "residual_block",
        student,
        lambda x, block: block(x),
        [(seeded(2, 8, 6, 8), block)],
        [
            Mistake(
                "The skip is missing: add what came in to what the convolutions made.",
                lambda *a: version(*a, skip=False),
            ),
            Mistake(
                "The last activation stands before the sum. Figure 3 adds first.", lambda *a: version(*a, early=True)
            ),
            Mistake("The activation after the sum is missing.", lambda *a: version(*a, end=False)),
            Mistake(
                "The activation between the two convolutions is missing: without it both are one linear map.",
                lambda *a: version(*a, middle=False),
            ),
            Mistake("Your leaky ReLU has torch's slope of 0.01; here it is 0.2.", lambda *a: version(*a, slope=0.01)),
            Mistake(
                "Main path and skip have different sizes: conv1 halves its input, so the skip must be halved, by a 2x2 "
                "average.",
                raises="must match the size of tensor",
            ),
        ],
        means="The whole network is made of this. The block learns only the difference from what came in.",
    )


def add_noise(student: Callable | None) -> None:
    """add_noise(x, scale, generator): (N, C, H, W), (C, 1, 1), torch.Generator -> (N, C, H, W)."""

    def run(function, x, scale):
        return function(x, scale, torch.Generator().manual_seed(3))

    def drawn(draw, *shape):
        def wrong(x, scale, generator):
            size = [x.shape[i] if n is None else n for i, n in enumerate(shape)]
            return x + scale * draw(size, generator=generator)

        return wrong

    judge(
        "add_noise",
        student,
        drawn(torch.randn, None, 1, None, None),
        [(seeded(2, 4, 3, 5), torch.tensor([1.0, -0.5, 0.0, 2.0]).view(4, 1, 1))],
        [
            Mistake(
                "Every channel got noise of its own. There is one plane a picture, which all channels share.",
                drawn(torch.randn, None, None, None, None),
            ),
            Mistake("All pictures of the batch got the same plane.", drawn(torch.randn, 1, 1, None, None)),
            Mistake(
                "`rand` is uniform and has mean 0.5: it makes every feature brighter. The noise is normal: `randn`.",
                drawn(torch.rand, None, 1, None, None),
            ),
            Mistake(
                "The plane is not scaled: every channel gets the same noise, and training could not turn it down.",
                lambda x, scale, generator: drawn(torch.randn, None, 1, None, None)(x, 1.0, generator),
            ),
            Mistake(
                "You drew without `generator`: a seed could not give the same picture again.",
                lambda x, scale, generator: drawn(torch.randn, None, 1, None, None)(x, scale, None),
            ),
        ],
        means="With scales of 0 it is the identity: a young network is left in peace.",
        run=run,
    )


def decode(student: Callable | None) -> None:
    """decode(maps, blocks, to_rgb): levels 1 to L, decoder blocks 0 to L - 1, last convolution -> (N, 3, H, W)."""
    widths = [4, 6, 8]  # of levels 1 to 3
    blocks = built(lambda: [ResidualBlock(8, 4, "up"), ResidualBlock(12, 4, "up"), ResidualBlock(8, 6, "up")])
    to_rgb = built(lambda: nn.Conv2d(4, 3, 3, padding=1))
    maps = [seeded(2, c, 16 >> i, 16 >> i, seed=i) for i, c in enumerate(widths, start=1)]

    def version(end=torch.tanh, join=lambda x, skip: torch.cat([x, skip], 1)):
        def wrong(maps, blocks, to_rgb):
            x = maps[-1]
            for i in reversed(range(len(blocks))):
                x = blocks[i](x)
                x = join(x, maps[i - 1]) if i else x
            return end(to_rgb(x))

        return wrong

    judge(
        "decode",
        student,
        version(),
        [(maps, blocks, to_rgb)],
        [
            Mistake("tanh is missing: the result must lie in [-1, 1].", version(lambda x: x)),
            Mistake("A sigmoid gives 0 to 1. Pictures lie in [-1, 1] here: tanh.", version(torch.sigmoid)),
            Mistake(
                "The skip stands before the decoder's map. The blocks were trained on the other order: decoder, skip.",
                version(join=lambda x, skip: torch.cat([skip, x], 1)),
            ),
            Mistake(
                "A block got a map of the wrong width. Concatenate the skip of the block's own level, along the "
                "channels; adding it keeps too few of them, and the bottleneck is its own start and no skip.",
                raises="channels, but got",
            ),
            Mistake(
                "A skip has another size than the map beside it: block i gives level i, and so must its skip, "
                "`maps[i - 1]`.",
                raises="Sizes of tensors must match",
            ),
        ],
        means="Down for meaning, up for place: the finest skip carries the lines.",
    )

"""Notebook 05: the noise, the way up with its skips."""

from collections.abc import Callable

import torch
from torch import nn

from lineart.course.checks.blocks import built, seeded
from lineart.course.checks.verdict import Mistake, judge
from lineart.layers import ResidualBlock


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
        # planes of a multiple of 16 numbers: of those torch draws the same one by one as all at once
        [(seeded(2, 4, 4, 8), torch.tensor([1.0, -0.5, 0.0, 2.0]).view(4, 1, 1))],
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
                "You drew without `generator`, or seeded it yourself: the seed that it came with decides nothing then.",
                lambda x, scale, generator: drawn(torch.randn, None, 1, None, None)(x, scale, None),
            ),
            Mistake(
                "`randn_like(x)` gives every channel noise of its own, drawn without `generator`.",
                lambda x, scale, generator: drawn(torch.randn, None, None, None, None)(x, scale, None),
            ),
        ],
        means="With scales of 0 it is the identity: a young network is left in peace.",
        run=run,
    )


WRONG_MAPS = [
    Mistake(
        "A block, or `to_rgb`, got a map of the wrong width. Start from the deepest map, `maps[-1]`. Take the "
        "last block first, and each block once, block 0 too. Behind each but block 0 concatenate the skip, "
        "along the channels: adding it keeps too few of them.",
        raises="channels, but got",
    ),
    Mistake(
        "There may be two levels, too: begin at `maps[-1]`, and count the blocks down from `len(blocks) - 1`.",
        raises="out of range",
    ),
    Mistake(
        "A skip has another size than the map beside it: block i gives level i, and so must its skip, "
        "`maps[i - 1]`. Block 0 has no skip.",
        raises="Sizes of tensors must match",
    ),
]


def decode(student: Callable | None) -> None:
    """decode(maps, blocks, to_rgb): levels 1 to L, decoder blocks 0 to L - 1, last convolution -> (N, 3, H, W)."""
    widths = [4, 6, 8]  # of levels 1 to 3
    blocks = built(lambda: [ResidualBlock(8, 4, "up"), ResidualBlock(12, 4, "up"), ResidualBlock(8, 6, "up")])
    two_blocks = built(lambda: [ResidualBlock(8, 4, "up"), ResidualBlock(6, 4, "up")])
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
        [(maps, blocks, to_rgb), (maps[:2], two_blocks, to_rgb)],
        [
            Mistake("tanh is missing: the result must lie in [-1, 1].", version(lambda x: x)),
            Mistake("A sigmoid gives 0 to 1. Pictures lie in [-1, 1] here: tanh.", version(torch.sigmoid)),
            Mistake(
                "The skip stands before the decoder's map. The blocks were trained on the other order: decoder, skip.",
                version(join=lambda x, skip: torch.cat([skip, x], 1)),
            ),
            *WRONG_MAPS,
        ],
        means="Down for meaning, up for place: the finest skip carries the lines.",
    )

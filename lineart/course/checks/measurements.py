"""Numbers to find with what a page has at hand: its tensors, networks and rows come as arguments."""

from typing import Any

import numpy as np

from lineart.coloring.regions import regions
from lineart.course import exercises
from lineart.course.checks.verdict import predict
from lineart.layers import ResidualBlock
from lineart.networks import Generator, PatchDiscriminator, count_parameters


def parameters_of_a_block(answer: Any) -> None:
    right = count_parameters(ResidualBlock(8, 16))
    predict(
        "parameters_of_a_block",
        answer,
        right,
        tolerance=1e-6,
        guesses=[
            (right + 32, "The two 3x3 convolutions have no bias: the norm behind each adds a constant of its own."),
            (right - 144, "The skip is missing: its widths differ, so it has a 1x1 convolution, with a bias."),
            (right - 16, "The skip's convolution has a bias."),
            (right - 32, "Each norm has a scale and a shift for every channel."),
            (right - 64, "The norms have parameters, too: a scale and a shift for every channel."),
        ],
        means="Nearly all of them sit in the two 3x3 convolutions.",
    )


def share_of_the_decoder(answer: Any, generator: Generator) -> None:
    decoder = count_parameters(generator.decoder)
    right = decoder / count_parameters(generator)
    predict(
        "share_of_the_decoder",
        answer,
        right,
        tolerance=0.005 / right,  # two decimals are enough
        guesses=[
            (100 * right, "Give a share between 0 and 1."),
            (right / (1 - right), "You divided by all the others. Divide by all of them."),
            (
                decoder / (decoder + count_parameters(generator.encoder)),
                "You divided by encoder and decoder. All parameters: the reference's encoder and the attention, too.",
            ),
            (
                decoder / (decoder / right - count_parameters(generator.reference_encoder)),
                "The reference's encoder is missing in the whole.",
            ),
        ],
        means="All its blocks but the deepest read two maps, their own and the skip.",
    )


def parameters_of_the_discriminator(answer: Any) -> None:
    right = count_parameters(PatchDiscriminator(33, 64))
    predict(
        "parameters_of_the_discriminator",
        answer,
        right,
        tolerance=1e-7,
        guesses=[
            (
                right - 64 - 128 - 256 - 512 - 1,
                "Each convolution has a bias, one number for each channel that comes out.",
            ),
            (right - 27 * 64 * 16, "The first convolution reads 33 planes: line, palette and picture."),
        ],
        means="Three quarters of them sit in the fourth layer alone.",
    )


def color_of_l1(answer: Any, paintings: np.ndarray) -> None:
    predict(
        "color_of_l1",
        answer,
        np.median(paintings, axis=0),
        guesses=[
            (paintings.mean(0), "That is the mean, what L2 would choose."),
            ([1, 1, 1], "That is the most frequent colour. L1 looks at each channel alone."),
        ],
        means="The median of each channel, which need not be the most frequent colour.",
    )


def drawings_of_step_six(answer: Any, seed: int) -> None:
    first = np.random.default_rng([seed, 0]).permutation(16)
    order = np.random.default_rng([seed, 1]).permutation(16)
    predict(
        "drawings_of_step_six",
        answer,
        exercises.e08_drawings_of_step_six(seed),
        guesses=[
            (np.sort(first[8:12]), "Four steps are an epoch, and every epoch has an order of its own."),
            (np.sort(order[4:8]), "Steps count from 0: step 6 is the third of its epoch."),
            (order[8:12], "These are the right four. Sort them."),
        ],
        means="The step's number says everything: no order has to be saved.",
    )


def smallest_gap(answer: Any, drawing: np.ndarray) -> None:
    """The smallest whole `gap` at which middle and corner of a drawing (H, W) are two regions."""

    def held(gap: int) -> bool:
        labels, _ = regions(drawing, gap)
        return labels[len(labels) // 2, labels.shape[1] // 2] != labels[0, 0]

    right = next(gap for gap in range(max(drawing.shape)) if held(gap))
    predict(
        "smallest_gap",
        answer,
        right,
        guesses=[
            (right - 1, "So wide is the opening, and a ball of half that radius can just pass. One more."),
            (right / 2, "That is the radius. A gap is as wide as a ball, so twice that."),
            (1, "Any gap above it would do as well. Does this one part the two?"),
        ],
        means="The first balls must be wider than the opening, or two regions are one from the start.",
    )


def improvement(answer: Any, paper: dict[tuple[str, str], float]) -> None:
    none, image = paper["none", "FID"], paper["image", "FID"]
    predict(
        "improvement",
        answer,
        100 * (1 - image / none),
        guesses=[
            (
                100 * (none / image - 1),
                "You divided by the smaller number. An improvement is relative to where one began.",
            ),
            (1 - image / none, "That is a share. Give per cent."),
            (none - image, "That is the difference. The paper gives it relative to the method without attention."),
        ],
        means="A decrease, relative to the network without attention.",
    )


def standard_errors(answer: Any, a: Any, b: Any) -> None:
    """a, b: rows with `value`, `spread` and `n`."""
    right = (b.value - a.value) / np.sqrt((a.spread**2 + b.spread**2) / a.n)
    predict(
        "standard_errors",
        answer,
        right,
        guesses=[
            (-right, "The sign is turned: how far does b lie above a?"),
            (right / a.n**0.5, "You divided by the spread of single drawings. A mean of n is surer by the root of n."),
        ],
        means="Beyond about 2 the choice of drawings is an unlikely explanation. Of training it says nothing.",
    )

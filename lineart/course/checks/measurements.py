"""Numbers to find with what a page has at hand: its tensors, networks and rows come as arguments."""

from __future__ import annotations

from typing import Any

import numpy as np

from lineart.coloring.regions import regions
from lineart.course import exercises
from lineart.course.checks.verdict import predict
from lineart.data import toon
from lineart.data.palette import extract_palette
from lineart.data.sets import Pairs
from lineart.layers import ResidualBlock
from lineart.networks import Generator, PatchDiscriminator, count_parameters

GREY_LEVELS, EYES_FOUND = 8, 0.75  # what notebook 02 asks of a palette


def colors_needed(answer: Any, pairs: Pairs) -> None:
    """Two numbers of colours: enough for a mean error below 8 grey levels, and for three eyes in four."""
    if answer is None:
        return predict("colors_needed", answer, 0, "")  # no need to measure yet
    error = _error_by_colors(pairs.color[:8])  # (k, 8)
    eyes = _eyes_by_colors(pairs)
    right = [_first(error.mean(1) < GREY_LEVELS), _first(eyes >= EYES_FOUND)]
    predict(
        "colors_needed",
        answer,
        right,
        tolerance=0.038,  # one colour more or less of about 27, as k-means may need on another machine
        guesses=[
            (right[::-1], "Both numbers are there, in the other order: first by the error, then by the eyes."),
            (
                [_first(error.max(1) < GREY_LEVELS), right[1]],
                "So many bring even the worst drawing below 8. Ask for the mean.",
            ),
            ([9, 9], "Nine is the paper's number. Measure."),
        ],
        means="A colour of few pixels is bought last, however much it matters to a person.",
    )


def _first(enough: np.ndarray) -> int:
    """The smallest number of colours that is enough; the entries belong to 1, 2, ... colours."""
    return int(enough.argmax()) + 1


def _error_by_colors(pictures: np.ndarray, most: int = 20) -> np.ndarray:
    """(most, n): root mean square error in grey levels of each picture in k colours of its own, for k = 1, 2, ..."""
    errors = np.empty((most, len(pictures)))
    for i, picture in enumerate(pictures):
        colors, counts = np.unique(picture.reshape(-1, 3), axis=0, return_counts=True)
        for k in range(1, most + 1):
            palette = extract_palette(picture, k)
            squares = (colors[:, None] - palette) ** 2  # (colours, k, 3)
            nearest = squares.sum(-1).argmin(1)
            least = squares[np.arange(len(colors)), nearest].mean(-1)
            errors[k - 1, i] = np.sqrt((least * counts).sum() / counts.sum())
    return errors


def _eyes_by_colors(pairs: Pairs, most: int = 96) -> np.ndarray:
    """(most,): of the first eight drawings with eyes, in how many one of k colours is the eyes', up to 8 levels."""
    slot = toon.SLOTS.index("eyes")
    with_eyes = np.flatnonzero((pairs.mask == slot).mean((1, 2)) > 0.0005)[:8]
    found = np.zeros(most)
    for k in range(1, most + 1):
        for i in with_eyes:
            gap = np.linalg.norm(extract_palette(pairs.color[i], k) - pairs.slots[i, slot].astype(float), axis=1)
            found[k - 1] += (gap <= 8).any() / len(with_eyes)
        if found[k - 1] >= EYES_FOUND:
            break  # what comes after is not asked for
    return found


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
    right, decoder = exercises.e05_share_of_the_decoder(generator), count_parameters(generator.decoder)
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
        exercises.e07_color_of_l1(paintings),
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
        exercises.e09_improvement(paper),
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
    right = exercises.e09_standard_errors(a, b)
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

"""Numbers to predict before the page computes them. What is right is computed here, on no page."""

from typing import Any

import numpy as np
import torch

from lineart.course.checks.verdict import predict
from lineart.evaluation.metrics import ciede2000, srgb_to_lab
from lineart.log import complaints
from lineart.losses import psnr
from lineart.networks import Generator, count_parameters


def times_larger(answer: Any) -> None:
    with torch.device("meta"):  # counts, without memory for the numbers
        right = count_parameters(Generator(64, 7)) / count_parameters(Generator(16, 6))
    predict(
        "times_larger",
        answer,
        right,
        tolerance=0.03,
        guesses=[
            (
                4,
                "Four times the width is not four times the parameters: a convolution has C_in x C_out of its filters.",
            ),
            (16, "Sixteen is what the width alone does. The paper's network also has one more level."),
        ],
        means="The square of the width, and one more level.",
    )


def rows_of_ink(answer: Any) -> None:
    predict(
        "rows_of_ink",
        answer,
        8,  # and two more that count as inked: ten of twelve are at least 0.8
        guesses=[
            (10, "So many border pixels must count as inked. But ink reaches further than it is drawn."),
            (9, "Ink reaches two rows further, not one."),
        ],
        means="A line has a thickness and a smoothed edge, so a border counts as inked two pixels beyond it.",
    )


def ink_threshold(answer: Any) -> None:
    p, epsilon, phi = 20.0, 0.75, 12.0
    right = float((epsilon - 1 - np.arctanh(0.5) / phi) / p)
    predict(
        "ink_threshold",
        answer,
        right,
        tolerance=0.02,  # -0.015 is right: two digits
        guesses=[
            (-right, "The size is right, the sign is not: ink is darker than its surroundings."),
            ((epsilon - 1) / p, "There u is epsilon, where ink only begins. Middle grey lies a little further."),
        ],
        means="Three settings come down to one threshold, and a low one: dust reaches it.",
    )


def two_steps_of_kmeans(answer: Any) -> None:
    predict(
        "two_steps_of_kmeans",
        answer,
        [[0, 140], [5, 205]],
        guesses=[
            ([[5, 205], [5, 205]], "There it comes to rest. In the first step 10 still belongs to the centre at 10.")
        ],
        means="A bad start costs steps; it can cost the result, too.",
    )


def fourth_green(answer: Any) -> None:
    right = 3 + 3 * 3 + 1
    predict(
        "fourth_green",
        answer,
        right,
        guesses=[
            (right + 1, "Channels are counted from 0."),
            (right - 3, "The three planes of the line drawing come first."),
            (3 + 9 + 3, "The planes go colour after colour, not all reds, then all greens."),
        ],
        means="Line first, then three planes a colour.",
    )


def pull_along_a_filter(answer: Any) -> None:
    predict(
        "pull_along_a_filter",
        answer,
        [2, 0],
        guesses=[
            ([1, 0], "The loss is a square: doubling a filter makes its part four times as large. Differentiate that."),
            (
                [4, 0],
                "So much larger is the loss for a doubled filter. The dot product is a slope, for a small change.",
            ),
            ([2, 2], "A standardised filter keeps its size. What does moving along it change?"),
        ],
        means="The first thing a step does to a plain filter is to shrink it; a standardised one is left alone.",
    )


def mebibytes_of_scores(answer: Any) -> None:
    right = 4 * 128**4 * 4 / 2**20  # one layer at level 1, batch 4, 32-bit floats
    predict(
        "mebibytes_of_scores",
        answer,
        right,
        guesses=[
            (right / 4, "A factor of four is missing: four pictures in the batch, and four bytes a number."),
            (right / 16, "Two factors of four are missing: the pictures of a batch, and the bytes of a number."),
            (right * 2**20 / 1e6, "Those are megabytes, of a million bytes. A MiB has 2^20."),
            (right * 16, "Level 1 of a 256 px picture has 128 positions a side, not 256."),
        ],
        means="A third of the memory of the paper's graphics card (12 GB), for one matrix of one layer: attention "
        "stays deep.",
    )


def channels_into_decoder_3(answer: Any) -> None:
    with torch.device("meta"):
        right = Generator(64, 7).decoder["3"].conv1.in_channels
    predict(
        "channels_into_decoder_3",
        answer,
        right,
        guesses=[
            (right / 2, "That is one of the two maps. The skip comes with as many channels."),
            (right * 3 / 4, "Both maps are of level 4: the block gives level 3, it does not get it."),
        ],
        means="A skip doubles what the next block has to read.",
    )


def patches_inside(answer: Any) -> None:
    right = sum(8 * i - 23 >= 0 and 8 * i + 46 <= 255 for i in range(30)) ** 2  # of the 900 at 256 px
    predict(
        "patches_inside",
        answer,
        right,
        guesses=[
            (right**0.5, "So many rows. The map has columns, too."),
            (25**2, "One too many a side: logit i sees the rows 8i - 23 to 8i + 46."),
        ],
        means="The others see the page's edge, and can tell from it where they are.",
    )


def side_of_the_pupil(answer: Any) -> None:
    predict(
        "side_of_the_pupil",
        answer,
        next(side for side in range(30) if side**2 * 50 / (3 * 256**2) > 4 * side * 5e-4),  # pixels
        guesses=[
            (4, "A line has two borders; a square has four."),
            (7, "There it still goes, if only just."),
            (7.8643, "That is the limit, and a side is a whole number of pixels."),
        ],
        means="The eraser pays by the border, the pencil by the area.",
    )


def best_logit(answer: Any) -> None:
    predict(
        "best_logit",
        answer,
        np.log(3),  # real patches are three times as frequent
        tolerance=0.01,
        guesses=[
            (0.75, "That is D, the probability. Which logit has this sigmoid?"),
            (np.log(0.75), "That is log D. The logit is the logarithm of D over 1 - D."),
            (-np.log(3), "The sides are exchanged: a logit above 0 says that real is the likelier."),
            (np.log(4), "Three to one is not four: compare real with fake, not with all."),
        ],
        means="A perfect generator makes every patch half real, half fake, and its logit 0.",
    )


def steps_of_the_wrong_way(answer: Any) -> None:
    right = next(k for k in range(1, 100) if 2 * 0.9**k - 1 < 0)  # until a mean that stood at 1 is below zero
    predict(
        "steps_of_the_wrong_way",
        answer,
        right,
        guesses=[
            (right - 1, "After so many it is still above zero, if only just."),
            (np.log(0.5) / np.log(0.9), "That is the limit. Steps are whole: the first after it counts."),
            (10, "That is the length of its memory, 1/(1 - beta). The mean crosses zero before."),
        ],
        means="For all that time the weight walks the wrong way; with 0.5 it takes two.",
    )


def complaints_of_a_row(answer: Any) -> None:
    row = {"spread": 0.1, "loss_d": 0.02, "psnr_val": 14.1, "psnr_swapped": 14.3}
    predict(
        "complaints_of_a_row",
        answer,
        len(complaints(400, row)),
        guesses=[
            (3, "By how much must the exchanged result be better to count?"),
            (1, "It names signs, not causes: each sign that shows is said."),
            (0, "At step 400 the grey time is over."),
        ],
        means="Each sign is said once; which of them is the cause, only the order in the curves can tell.",
    )


def ten_levels_off(answer: Any) -> None:
    picture = torch.full((1, 3, 8, 8), 100, dtype=torch.uint8)
    right = psnr(picture, picture + 10).item()
    predict(
        "ten_levels_off",
        answer,
        right,
        tolerance=0.01,
        guesses=[
            (10 * np.log10(255 / 100), "MAX is squared in Eq. 7."),
            (10 * np.log10(255**2 / 10), "10 is the error; MSE is its square."),
            (2 * right, "The factor is 10 of a ratio of squares, 20 of a ratio of roots. Not both."),
        ],
        means="A number to hold on to, for every PSNR that you will read.",
    )


def no_distance(answer: Any) -> None:
    predict(
        "no_distance",
        answer,
        6,  # the last way to spoil the set leaves it what it was
        guesses=[
            (1, "A shift moves every picture's edges a little, and the mean with them: a small distance, but not 0."),
            (2, "All pictures are darker, so the mean of the features moves. What leaves mean *and* covariance alone?"),
            (4, "The hues are only exchanged, but no picture is one of the true set any more. For which is each?"),
        ],
        means="The same set in another order: no mean and no covariance changes, and yet no answer is right.",
    )


def wins_of_copying(answer: Any) -> None:
    predict(
        "wins_of_copying",
        answer,
        [1, 1, 1, 1],
        guesses=[([0, 1, 1, 1], "FID compares two sets, here results and references. How far is a set from itself?")],
        means="So each column needs a companion: are the lines kept, and may the reference be somebody else?",
    )


def step_of_grey(answer: Any) -> None:
    predict(
        "step_of_grey",
        answer,
        float(ciede2000(*srgb_to_lab(np.array([[128] * 3, [129] * 3])))),
        tolerance=0.1,  # so that lightness alone is a good prediction
        guesses=[(1, "About 1 is what a person just sees. This is less.")],
        means="Nobody sees one level of 255: a claim that fails at this line fails clearly.",
    )


def three_coins(answer: Any) -> None:
    right = 0.5**3
    predict(
        "three_coins",
        answer,
        right,
        guesses=[
            (3 * right, "That is one of three, in any place. All three must fall the same way."),
            (2 * right, "All alike, either way. Only one of the two ways counts as nearer."),
        ],
        means="A verdict by sides alone is right that often with no gain at all.",
    )

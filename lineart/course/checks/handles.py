"""Notebook 10: what a colouring follows, its palette or its reference picture. The page's networks are measured."""

from typing import Any

import numpy as np
from PIL import Image

from lineart.coloring.colorizer import Colorizer
from lineart.course import exercises
from lineart.course.checks.verdict import predict
from lineart.data.palette import extract_palette
from lineart.data.toon import SLOTS, Drawing
from lineart.evaluation.metrics import colorfulness
from lineart.evaluation.regions import region
from lineart.images import as_images

SKIN = SLOTS.index("skin")


def colorfulness_under_grey(answer: Any, colorizer: Colorizer, line: np.ndarray, reference: np.ndarray) -> None:
    """Only an answer is compared: the network does not run for a page that has none. A whole number is enough."""
    if answer is None:
        return predict("colorfulness_under_grey", answer, 0, "")
    if getattr(answer, "shape", None) == (1,):  # one picture's number, as `metrics.colorfulness` returns it
        answer = answer[0]
    right = exercises.e10_colorfulness_under_grey(colorizer, line, reference)
    colored = np.array(colorizer.colorize(Image.fromarray(line), Image.fromarray(reference)))
    own = colorfulness(as_images(colored[None])).item()
    predict(
        "colorfulness_under_grey",
        answer,
        right,
        tolerance=0.5 / right,
        guesses=[
            (own, "This is with the reference's own palette. Hand over the grey one: `palette=...`."),
            (0, "Guess again: does this network know no colour but the palette's?"),
        ],
        means=f"With the reference's own palette it is {own:.1f}. How much of it would `none` have under grey?",
    )


def two_handles(
    answer: Any, colorizer: Colorizer, drawing: Drawing, lender: Drawing, edited: np.ndarray, wish: np.ndarray
) -> None:
    """Shares of another skin (`wish`) that arrive: by the `edited` palette alone, by the painted picture alone.

    Two decimals are enough. Only an answer is compared: the networks do not run for a page that has none.
    """
    if answer is None:
        return predict("two_handles", answer, [0.0, 0.0], "")
    given = colorizer, drawing, lender, edited, wish
    right = shares_that_arrive(*given)
    guesses = [
        (right[::-1], "The two are exchanged: first the palette, then the picture."),
        (
            shares_that_arrive(*given, renewed=True),
            "With the painted picture you let the palette change, too: `color` takes a new one from the picture "
            "unless you hand it the old one.",
        ),
        (
            shares_that_arrive(*given, where="everywhere"),
            "You took the mean colour of the whole picture. Only the skin was to change.",
        ),
        (
            shares_that_arrive(*given, where="rim"),
            "You counted the skin's rim as well, where it mixes with the lines: `region(d.mask, SKIN)`.",
        ),
        (
            shares_that_arrive(*given, along=False),
            "You compared lengths alone. A change that leads elsewhere does not arrive: project b - a onto w - a.",
        ),
        ([100 * share for share in right], "Give shares between 0 and 1, not per cent."),
        ([1 - share for share in right], "That is what is missing of the change. Give what arrives."),
    ]
    means = "One of the two handles hardly moves anything. Is it so on other drawings, and without attention?"
    predict("two_handles", answer, right, tolerance=0.01 / max(right), guesses=guesses, means=means)


def shares_that_arrive(
    colorizer, drawing, lender, edited, wish, renewed=False, where="region", along=True
) -> list[float]:
    """What `two_handles` asks for. `renewed`, `where` and `along`: as three mistakes would have it."""
    painted = np.where(lender.mask[..., None] == SKIN, wish, lender.color).astype(np.uint8)
    kept = extract_palette(lender.color)
    whole = np.ones_like(drawing.mask, bool)
    inside = {"region": region(drawing.mask, SKIN), "rim": drawing.mask == SKIN, "everywhere": whole}[where]

    def mean_color(reference: np.ndarray, palette: np.ndarray | None) -> np.ndarray:
        pictures = Image.fromarray(drawing.line), Image.fromarray(reference)
        return np.array(colorizer.colorize(*pictures, palette=palette))[inside].mean(0)

    before = mean_color(lender.color, kept)
    after = mean_color(lender.color, edited), mean_color(painted, None if renewed else kept)
    asked = np.asarray(wish) - before
    if not along:
        return [float(np.linalg.norm(color - before) / np.linalg.norm(asked)) for color in after]
    return [float((color - before) @ asked / (asked @ asked)) for color in after]

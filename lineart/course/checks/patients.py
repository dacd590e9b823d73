"""Notebook 08b: what each of six broken trainings has."""

from typing import Any

from lineart.course.checks import verdict
from lineart.course.patients import HAS

# Key of a cause: what speaks for it where it is the right one, and against it where it is not
REASONS = {
    "rate": (
        "One step was too long, the tanh was far out, and there its slope is zero: nothing has been learned since.",
        "With such a rate the generator's gradient is gone almost at once. Is it? And are there lines on the sheet?",
    ),
    "bgr": (
        "Nothing is wrong inside the training, so only what is compared with true pictures can show it.",
        "Then red and blue would be exchanged and all else in order. Exchange them in your mind: does the sheet fit?",
    ),
    "half bgr": (
        "For every red there was another that counts as blue; the best guess makes the two equal.",
        "Then two tints would be left, green and purple. How many do you see?",
    ),
    "shuffled": (
        "The palette says nothing about this picture, so colour can't be learned, and brightness can.",
        "Then the palette would be worth nothing: lines on one greyish tint, and a spread near 0.2. Is it so?",
    ),
    "zero to one": (
        "All palettes are nearly black, and so they say nothing.",
        "Then the palette would be worth nothing: lines on one greyish tint, and a spread near 0.2. Is it so?",
    ),
    "few": (
        "It knows its few drawings by heart and no others: look at the two first curves side by side.",
        "Then its L1 would lie far below the healthy one's, and its PSNR would lie far below, too. Do they?",
    ),
    "discriminator": (
        "",
        "Then its loss would fall to 0 before anything else changed. If it did fall, ask what had stopped earlier.",
    ),
    "too short": ("", "The healthy one had no more steps."),
}
ALIKE = {"shuffled", "zero to one"}


def six_patients(named: dict[str, str] | None) -> None:
    """Print a line a patient: right, and why; or what speaks against the cause that was named. Never the right one.

    named: letter -> key of a cause, as the page lists them; those left out are counted as not named yet.
    """
    if named is None:
        verdict.say("six_patients", "not named yet. Name one or more of them before you read on.")
        return
    if not isinstance(named, dict):
        verdict.say("six_patients", 'not right yet. Give a dictionary, such as {"A": "rate"}.')
        return
    for letter in sorted({*HAS} | {*map(str, named)}):
        verdict.say(letter, _verdict(letter, named.get(letter)))


def _verdict(letter: str, cause: Any) -> str:
    if letter not in HAS:
        return f"no such patient; they are {', '.join(HAS)}."
    if cause is None:
        return "not named yet."
    if not isinstance(cause, str) or cause not in REASONS:
        return f"{cause!r} is not on the list; its words are {', '.join(REASONS)}."
    if cause == HAS[letter]:
        return f"right. {REASONS[cause][0]}"
    if {cause, HAS[letter]} == ALIKE:
        return "not right yet, but near: two causes look alike on the sheet. Look at one batch, pictures and palettes."
    return f"not right yet. {REASONS[cause][1]}"

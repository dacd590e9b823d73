"""Notebook 01b: lines from colours, and pairs that are moved."""

from collections.abc import Callable

import numpy as np
from scipy.ndimage import gaussian_filter

from lineart.course.checks.verdict import Mistake, judge


def _moved(picture: np.ndarray, dy: int, dx: int, flip: bool) -> np.ndarray:
    rows, columns = (np.clip(np.arange(n) + d, 0, n - 1) for n, d in zip(picture.shape, (dy, dx)))
    window = picture[rows][:, columns]
    return window[:, ::-1] if flip else window


def _both(one: Callable, other: Callable | None = None) -> Callable:
    return lambda line, color, *how: (one(line, *how), (other or one)(color, *how))


MOVED_MISTAKES = (
    Mistake(
        "Only the line drawing was flipped: its colours now lie on the wrong side.",
        _both(_moved, lambda picture, dy, dx, flip: _moved(picture, dy, dx, False)),
    ),
    Mistake(
        "Neither picture was flipped. `np.fliplr` and `[:, ::-1]` return a new picture and leave the old one as it is.",
        _both(lambda p, dy, dx, flip: _moved(p, dy, dx, False)),
    ),
    Mistake(
        "You flipped upside down. Left and right are exchanged by reversing the columns, the second axis.",
        _both(lambda p, dy, dx, flip: _moved(p, dy, dx, False)[:: -1 if flip else 1]),
    ),
    Mistake(
        "dy and dx are exchanged: dy moves along the rows, the first axis.",
        _both(lambda p, dy, dx, flip: _moved(p, dx, dy, flip)),
    ),
    Mistake(
        "Line and colours were moved by different amounts: they must take the same dy, dx and flip.",
        _both(_moved, lambda picture, dy, dx, flip: _moved(picture, 0, 0, flip)),
    ),
    Mistake(
        "What leaves on one side comes in on the other (np.roll). The edge has to be repeated.",
        _both(lambda p, dy, dx, flip: np.roll(p, (-dy, -dx), (0, 1))[:, :: -1 if flip else 1]),
    ),
    Mistake(
        "You moved it the other way: row i of the result is row i + dy of the picture.",
        _both(lambda p, dy, dx, flip: _moved(p, -dy, -dx, flip)),
    ),
    Mistake(
        "You flipped before you moved it, so that dx points the other way. Move first.",
        _both(lambda p, dy, dx, flip: _moved(p[:, :: -1 if flip else 1], dy, dx, False)),
    ),
)


def crop_and_flip(student: Callable | None) -> None:
    """crop_and_flip(line, color, dy, dx, flip): (H, W), (H, W, 3) -> both, moved and perhaps flipped alike."""
    rng = np.random.default_rng(2)
    line, color = rng.integers(0, 256, (8, 10)), rng.integers(0, 256, (8, 10, 3))
    judge(
        "crop_and_flip",
        student,
        _both(_moved),
        [(line, color, 2, -3, True), (line, color, -1, 2, False)],
        MOVED_MISTAKES,
        means="Line and colours are still one pair, and the network sees a new pair in every epoch.",
        parts=("the line drawing", "the colours"),
    )


def _ink(u: np.ndarray, epsilon: float, phi: float, below: float = 1.0) -> np.ndarray:
    return np.where(u >= epsilon, 1, below + np.tanh(phi * (u - epsilon)))


def _ink_exchanged(u: np.ndarray, epsilon: float, phi: float) -> np.ndarray:
    return np.where(u >= epsilon, 1 + np.tanh(phi * (u - epsilon)), 1)


def _xdog(grey, sigma, k, p, epsilon, phi, sign=1, base=1.0, ink=_ink):
    d = gaussian_filter(grey, sigma) - gaussian_filter(grey, k * sigma)
    return ink(base + sign * p * d, epsilon, phi)


def _blurred_twice(grey, sigma, k, p, epsilon, phi):
    narrow = gaussian_filter(grey, sigma)
    return _ink(1 + p * (narrow - gaussian_filter(narrow, k * sigma)), epsilon, phi)


SETTINGS = {"sigma": 0.6, "k": 1.6, "p": 20.0, "epsilon": 0.75, "phi": 12.0}  # the page's


def _typed_in(*names: str) -> Callable:
    """These settings are the page's numbers, whatever is given."""

    def wrong(grey, *given):
        return _xdog(grey, *(SETTINGS[n] if n in names else value for n, value in zip(SETTINGS, given)))

    return wrong


XDOG_MISTAKES = (
    Mistake(
        "The two blurs are subtracted the wrong way round: ink now lies where the picture is brighter than its "
        "surroundings.",
        lambda *a: _xdog(*a, sign=-1),
    ),
    Mistake(
        "You left out the 1 in u = 1 + p D: a flat area has u = 0 then, and all of it becomes ink.",
        lambda *a: _xdog(*a, base=0.0),
    ),
    Mistake(
        "You left out the 1 in 1 + tanh: below epsilon the tanh runs from 0 to -1, and ink must join the paper at 1.",
        lambda *a: _xdog(*a, ink=lambda *b: _ink(*b, below=0.0)),
    ),
    Mistake(
        "The two cases are exchanged (np.where): paper, 1, belongs where u is at least epsilon.",
        lambda *a: _xdog(*a, ink=_ink_exchanged),
    ),
    Mistake("It is inverted: lines must be dark, 0, on paper, 1.", lambda *a: 1 - _xdog(*a)),
    Mistake("The wide blur was taken of the narrow one. Both are blurs of the picture itself.", _blurred_twice),
    Mistake(
        "The wide blur has the width k. It must be k times as wide as the narrow one: k * sigma.",
        lambda grey, sigma, k, *a: _xdog(grey, sigma, k / sigma, *a),
    ),
    *(
        Mistake(f"{name} = {value:g} is right on this page alone. Take what the function is given.", _typed_in(name))
        for name, value in SETTINGS.items()
    ),
    Mistake(
        "With this page's settings it is right, with others it is not: take what the function is given.",
        _typed_in(*SETTINGS),
    ),
)


def xdog(student: Callable | None) -> None:
    """xdog(grey, sigma, k, p, epsilon, phi): (H, W) in 0..1 -> (H, W) in 0..1, lines dark."""
    grey = gaussian_filter(np.random.default_rng(3).random((24, 20)), 1.0)
    grey[:, 9:11] = 0.1  # a line
    judge(
        "xdog",
        student,
        _xdog,
        [(grey, *SETTINGS.values()), (grey, 1.1, 2.5, 9.0, 0.9, 5.0)],
        XDOG_MISTAKES,
        means="You can draw the lines of any picture. It finds edges, and in line art most edges are lines.",
        tolerance=1e-3,
    )

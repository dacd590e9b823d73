"""Checks of predicted and measured numbers: asked for, right, each usual guess answered in its words, never told."""

import inspect
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lineart.coloring.colorizer import Colorizer
from lineart.course import checks
from lineart.networks import Generator

PREDICTED = [
    name
    for name, check in inspect.getmembers(checks, inspect.isfunction)
    if list(inspect.signature(check).parameters)[:1] == ["answer"]
]


def said(capsys, name, answer, *more):
    assert getattr(checks, name)(answer, *more) is None
    return capsys.readouterr().out


def test_the_course_has_numbers_to_predict():
    assert len(PREDICTED) >= 8


def at_hand(name):
    """What a page hands to a check of a number beside the answer."""
    picture = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    return {
        "own_place": lambda: ([torch.rand(2, 2, 3, 6).softmax(-1), torch.rand(2, 1, 2, 2).softmax(-1)],),
        "share_of_the_decoder": lambda: (Generator(4, 2),),
        "color_of_l1": lambda: (np.repeat([[1, 1, 1], [1, 1, 0], [0, 0, 0]], [40, 35, 25], axis=0),),
        "drawings_of_step_six": lambda: (0,),
        "improvement": lambda: ({("none", "FID"): 40.08, ("image", "FID"): 23.34},),
        "standard_errors": lambda: [SimpleNamespace(value=v, spread=s, n=25) for v, s in ((10, 3), (12, 4))],
        "colorfulness_under_grey": lambda: (Colorizer.from_pretrained("toon-none"), picture[..., 0], picture),
    }.get(name, tuple)()


@pytest.mark.parametrize("name", PREDICTED)
def test_a_prediction_is_asked_for_and_never_told(name, capsys, monkeypatch):
    more, kept = at_hand(name), {}
    with monkeypatch.context() as patch:
        module = sys.modules[getattr(checks, name).__module__]
        patch.setattr(module, "predict", lambda *a, **k: kept.update(args=a, **k))
        getattr(checks, name)(0, *more)
    _, _, right = kept["args"]
    assert "not answered yet" in said(capsys, name, None, *more)
    assert f"{name}: right. " in said(capsys, name, right, *more)
    assert "must be a number" in said(capsys, name, "seven", *more)
    for guess, words in kept["guesses"]:
        assert words in said(capsys, name, guess, *more)
    off = said(capsys, name, (np.asarray(right, float) + 1000).tolist(), *more)
    assert "not right yet" in off and ("too large" in off or "0 of" in off)

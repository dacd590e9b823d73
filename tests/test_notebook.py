"""The page's helpers: shown source, and exercises that never stop a page."""

import numpy as np
import torch

from lineart.course.notebook import solve, source
from lineart.layers import WSConv2d


def test_source_is_the_code_itself():
    text = source(WSConv2d).data
    assert text.startswith("```python\nclass WSConv2d(nn.Conv2d):") and "def forward" in text and text.endswith("```")


def test_an_unsolved_exercise_goes_on(capsys):
    assert solve(None, 5, "Exercise 1") == 5
    assert capsys.readouterr().out == "Exercise 1: not solved yet; going on with the package's own.\n"


def test_right_wrong_and_misshapen_answers(capsys):
    expected = torch.tensor([1.0, 2.0])
    for answer, words in (([1, 2], "solved."), (np.array([1, 2.5]), "off by 0.5"), ([1], "the shape must be (2,), yours is (1,)")):
        assert solve(answer, expected, "Exercise") is expected
        assert words in capsys.readouterr().out


def test_an_answer_that_is_no_number_does_not_stop_the_page(capsys):
    for answer in ("twelve", [torch.tensor(1.0, requires_grad=True)], {"a": 1}, [1, [2, 3]], 1j):
        assert solve(answer, 12, "Exercise") == 12
        assert "must be a number" in capsys.readouterr().out


def test_an_empty_answer_does_not_stop_the_page(capsys):
    assert solve([], 12, "Exercise") == 12 and "the shape must be ()" in capsys.readouterr().out
    assert solve([], [], "Exercise") == [] and "solved." in capsys.readouterr().out


def test_not_a_number_is_not_solved(capsys):
    solve(float("nan"), 1.0, "Exercise")
    assert "solved." not in capsys.readouterr().out

"""The page's helpers: shown source, and exercises that never stop a page."""

import numpy as np
import pytest
import torch

from lineart.course.notebook import solve, source
from lineart.layers import WSConv2d


def test_source_is_the_code_itself():
    text = source(WSConv2d).data
    assert text.startswith("```python\nclass WSConv2d(nn.Conv2d):") and "def forward" in text and text.endswith("```")


@pytest.mark.parametrize(
    ("answer", "expected", "words"),
    [
        (None, 5, "not solved yet"),
        ([1, 2], torch.tensor([1.0, 2.0]), "solved."),
        (np.array([1, 2.5]), torch.tensor([1.0, 2.0]), "off by 0.5"),
        (float("nan"), 1.0, "off by nan"),
        ([1], torch.tensor([1.0, 2.0]), "the shape must be (2,), yours is (1,)"),
        ([], 12, "the shape must be ()"),
        ([], [], "solved."),
        *(
            (answer, 12, "must be a number")
            for answer in ("twelve", {"a": 1}, [1, [2, 3]], 1j, [torch.tensor(1.0, requires_grad=True)])
        ),
    ],
)
def test_whatever_the_answer_the_page_goes_on_with_the_packages_own(capsys, answer, expected, words):
    assert solve(answer, expected, "Exercise 1") is expected
    said = capsys.readouterr().out
    assert said.startswith("Exercise 1: ") and words in said and said.count("\n") == 1

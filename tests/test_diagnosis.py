"""Complaints come when they must, and only then."""

import pytest
import torch
from torch import nn

from lineart.log import WARM_UP, color_spread, complaints, gradient_norm, relative_spread

WELL = {"spread": 0.9, "loss_d": 1.2, "psnr_val": 20.0, "psnr_swapped": 15.0}


def test_spread_of_two_colours_by_hand():
    image = torch.zeros(1, 3, 2, 2)
    image[0, 0, 0], image[0, 2, 1] = 0.9, 0.9  # upper half red, lower half blue: chroma (.6, -.3, -.3), (-.3, -.3, .6)
    assert color_spread(image).item() == pytest.approx(((0.45**2 + 0 + 0.45**2) / 3) ** 0.5)


def test_one_tint_and_grey_have_no_spread_whatever_their_brightness():
    ramp = torch.linspace(-1, 1, 64).view(1, 1, 8, 8)
    assert color_spread(ramp.expand(1, 3, 8, 8)).item() == pytest.approx(0, abs=1e-6)
    tint = ramp.expand(1, 3, 8, 8) + torch.tensor([0.3, 0.0, -0.3]).view(1, 3, 1, 1)
    assert color_spread(tint).item() == pytest.approx(0, abs=1e-6)


def test_relative_spread_is_a_mean_over_pictures_so_that_processes_can_share_a_batch():
    torch.manual_seed(0)
    fake, color = torch.rand(4, 3, 8, 8), torch.rand(4, 3, 8, 8)
    halves = [relative_spread(fake[i : i + 2], color[i : i + 2]) for i in (0, 2)]
    assert relative_spread(fake, color).item() == pytest.approx((halves[0] + halves[1]).item() / 2)
    assert relative_spread(color, color).item() == pytest.approx(1) and relative_spread(color / 2, color).item() == pytest.approx(0.5)


def test_gradient_norm_is_that_of_one_long_vector():
    module = nn.Linear(1, 1)
    (3 * module.weight.sum() + 4 * module.bias.sum()).backward()
    assert gradient_norm(module).item() == pytest.approx(5)


@pytest.mark.parametrize(("change", "words"), [
    ({"spread": 0.1}, "the results have one tint"),
    ({"psnr_swapped": 22.0}, "red and blue are exchanged: with them exchanged back the results are at 22.0 dB and not 20.0"),
    ({"loss_d": 0.01}, "the discriminator wins"),
])
def test_each_illness_has_its_sentence(change, words):
    assert complaints(WARM_UP, WELL) == []
    (sentence,) = complaints(WARM_UP, WELL | change)
    assert sentence.startswith(words)


def test_a_beginning_is_no_illness():
    assert complaints(WARM_UP - 1, WELL | {"spread": 0.0, "loss_d": 0.0}) == []
    assert complaints(WARM_UP, {"loss_d": 1.2}) == []  # a row between two samples has no PSNR

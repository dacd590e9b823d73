"""What stands beside each drawing: the right reference, its own palette, the same every time."""

import numpy as np
import pytest
import torch

from lineart.config import Config
from lineart.data import toon
from lineart.data.palette import extract_palette
from lineart.data.references import random_references, region_shown, showing_references
from lineart.data.sets import Pairs, load
from lineart.evaluation.protocols import DERANGEMENTS, trials, warped_references

CONFIG = Config.from_profile("smoke")


@pytest.fixture(scope="module")
def pairs():
    return load(CONFIG, "test")


def test_p1_is_the_truth_itself(pairs):
    (trial,) = trials("P1", pairs, "toon")
    assert np.array_equal(trial.color, pairs.color) and np.array_equal(trial.palette, pairs.palette)


def test_p2_is_warped_and_has_the_palette_of_what_it_shows(pairs):
    (trial,) = trials("P2", pairs, "toon")
    assert trial.color.shape == pairs.color.shape and trial.color.dtype == np.uint8
    assert all(not np.array_equal(a, b) for a, b in zip(trial.color, pairs.color))
    assert all(np.array_equal(p, extract_palette(c)) for p, c in zip(trial.palette, trial.color))


def test_p2_does_not_depend_on_how_many_there_are_nor_on_random_numbers_elsewhere(pairs):
    first = Pairs(pairs.line[:3], pairs.color[:3], pairs.palette[:3], pairs.name[:3])
    torch.manual_seed(5)
    state = torch.get_rng_state()
    few = warped_references(first)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(6)
    assert np.array_equal(few.color, warped_references(pairs).color[:3])
    assert not np.array_equal(few.color, warped_references(first, seed=1).color)


def test_p3_is_three_lists_without_fixed_points(pairs):
    plan = trials("P3", pairs, "toon")
    assert [trial.seed for trial in plan] == [str(seed) for seed in DERANGEMENTS]
    for trial, seed in zip(plan, DERANGEMENTS):
        assert np.array_equal(trial.index, random_references("toon", len(pairs), seed))
        assert (trial.index != np.arange(len(pairs))).all()
        assert np.array_equal(trial.color, pairs.color[trial.index])
        assert np.array_equal(trial.palette, pairs.palette[trial.index])


def test_p4_is_another_character_in_the_colours_of_the_drawing(pairs):
    (trial,) = trials("P4", pairs, "toon")
    for i, j in enumerate(showing_references(region_shown(pairs.mask), 0)):
        assert np.array_equal(trial.mask[i], pairs.mask[j])  # the other's shape
        for slot in range(len(toon.SLOTS)):
            inside = trial.mask[i] == slot
            if inside.sum() > 60:  # its flat colour, but for the rim
                colors, counts = np.unique(trial.color[i][inside], axis=0, return_counts=True)
                assert np.array_equal(colors[counts.argmax()], pairs.slots[i, slot])


def test_without_slots_there_is_no_p4_and_no_fifth_protocol(pairs):
    bare = Pairs(pairs.line, pairs.color, pairs.palette, pairs.name)
    with pytest.raises(ValueError, match="P4 needs drawings whose slots are known .toon., faces has none"):
        trials("P4", bare, "faces")
    with pytest.raises(ValueError, match="protocol must be one of P1, P2, P3, P4, got 'P5'"):
        trials("P5", pairs, "toon")

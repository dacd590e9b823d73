"""What stands beside each drawing: the right reference, its own palette, the same every time."""

import dataclasses

import numpy as np
import pytest
import torch

from lineart.config import InputError
from lineart.data import references, toon
from lineart.data.palette import extract_palette
from lineart.data.references import random_references, region_shown, showing_references
from lineart.data.sets import Pairs
from lineart.evaluation.protocols import DERANGEMENTS, trials, warped_references


def test_p1_is_the_truth_itself(pairs):
    (trial,) = trials("P1", pairs, "toon")
    assert np.array_equal(trial.color, pairs.color) and np.array_equal(trial.palette, pairs.palette)


def test_p2_is_warped_and_depends_on_nothing_but_seed_and_row(pairs):
    (trial,) = trials("P2", pairs, "toon")
    assert trial.seed == "0" and all(not np.array_equal(a, b) for a, b in zip(trial.color, pairs.color))
    assert all(np.array_equal(p, extract_palette(c)) for p, c in zip(trial.palette, trial.color))
    first = Pairs(pairs.line[:3], pairs.color[:3], pairs.palette[:3], pairs.name[:3])
    torch.manual_seed(5)
    state = torch.get_rng_state()
    assert np.array_equal(warped_references(first).color, trial.color[:3])
    assert torch.equal(torch.get_rng_state(), state)
    assert not np.array_equal(warped_references(first, seed=1).color, trial.color[:3])


def test_p3_is_three_lists_without_fixed_points(pairs):
    plan = trials("P3", pairs, "toon")
    assert [trial.seed for trial in plan] == [str(seed) for seed in DERANGEMENTS]
    for trial, seed in zip(plan, DERANGEMENTS):
        index = random_references("toon", len(pairs), seed)
        assert (index != np.arange(len(pairs))).all()
        assert np.array_equal(trial.color, pairs.color[index]) and np.array_equal(trial.palette, pairs.palette[index])


def test_p4_has_its_lists_for_test_drawings_alone(pairs, monkeypatch):
    listed = np.roll(np.arange(len(pairs)), 1)
    monkeypatch.setattr(references, "read_list", lambda path: listed)
    drawn = showing_references(region_shown(pairs.mask), 0)
    assert not np.array_equal(listed, drawn)
    for split, expected in (("test", listed), ("val", drawn)):
        named = tuple(name.replace("test", split) for name in pairs.name)
        (trial,) = trials("P4", dataclasses.replace(pairs, name=named), "toon")
        own = [toon.draw(named[j], pairs.line.shape[1]).mask for j in expected]
        assert all(np.array_equal(mask, other) for mask, other in zip(trial.mask, own))


def test_p4_is_another_character_in_the_colours_of_the_drawing(pairs):
    (trial,) = trials("P4", pairs, "toon")
    for i, j in enumerate(showing_references(region_shown(pairs.mask), 0)):
        assert np.array_equal(trial.mask[i], pairs.mask[j])  # the other's shape
        for slot in range(len(toon.SLOTS)):
            inside = trial.mask[i] == slot
            if inside.sum() > 60:  # its flat colour, but for the rim
                colors, counts = np.unique(trial.color[i][inside], axis=0, return_counts=True)
                assert np.array_equal(colors[counts.argmax()], pairs.slots[i, slot])


def test_without_slots_there_is_no_p4_and_there_is_no_fifth_protocol(pairs):
    bare = Pairs(pairs.line, pairs.color, pairs.palette, pairs.name)
    for protocol, data in (("P4", "faces"), ("P5", "toon")):
        with pytest.raises(InputError, match=f"{protocol}"):
            trials(protocol, bare, data)

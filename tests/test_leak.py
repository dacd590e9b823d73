"""The leak on stand-ins whose way of cheating is known."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from standin import StandIn

from lineart.checkpoint import make_generator
from lineart.config import Config
from lineart.data import toon
from lineart.evaluation.leak import PALETTES, REFERENCES, attention_by_slot, attention_shares, leak_grid, shares
from lineart.evaluation.metrics import psnr
from lineart.evaluation.protocols import trials
from lineart.evaluation.regions import attention_sums
from lineart.images import as_images, paint

CONFIG = Config.from_profile("smoke")


def grid_of(answer, pairs):
    return leak_grid(
        StandIn(answer), pairs, {name: trials(protocol, pairs, "toon")[0] for name, protocol in REFERENCES.items()}
    )


def test_who_copies_the_reference_has_all_its_decibels_from_position(pairs):
    grid = grid_of(lambda line, palette, reference: reference, pairs)
    assert set(grid) == {(p, r) for p in PALETTES for r in REFERENCES}
    assert all((grid[p, "truth"] == 100).all() for p in PALETTES)  # whatever the palette
    parts = shares(grid)
    assert sum(parts.values()) == pytest.approx(100) and parts["position"] > 80 and abs(parts["colours"]) < 8


def test_who_paints_flat_in_the_palettes_first_colour_has_nothing_from_position(pairs):
    grid = grid_of(lambda line, palette, reference: palette[:, 0, :, None, None].expand_as(reference), pairs)
    assert all(np.array_equal(grid["truth", "truth"], grid["truth", r]) for r in REFERENCES)
    parts = shares(grid)
    assert parts["position"] == pytest.approx(0) and parts["colours"] > 0
    grey = psnr(torch.full((len(pairs), 3, 64, 64), 128, dtype=torch.uint8), as_images(pairs.color))
    for reference in REFERENCES:  # no colour at all is middle grey, and not black
        assert grid["none", reference] == pytest.approx(grey.numpy(), abs=1e-4)


def test_attention_is_judged_by_the_slots_of_the_drawing_and_those_of_its_reference(pairs):
    torch.manual_seed(0)
    generator, trial = make_generator(CONFIG).eval(), trials("P4", pairs, "toon")[0]
    for share, chance, own in attention_shares(generator, pairs, trial).values():
        assert share == pytest.approx(chance, abs=0.1) and 0 <= own <= 1  # of an untrained network
    layers = generator.record_attention()
    for layer in layers.values():
        layer.to_q.weight.data *= 30  # now far from even
    paint(generator, pairs.line, trial.color, trial.palette)
    attention = {name: layer.attention.numpy() for name, layer in layers.items()}
    found = attention_shares(generator, pairs, trial)
    assert len(found) == 6 and not any(layer.record for layer in layers.values())
    for name, values in found.items():
        right = attention_sums(attention[name], pairs.mask, trial.mask)
        wrong = attention_sums(attention[name], trial.mask, pairs.mask)
        assert values == pytest.approx(right[:3] / right[3], abs=1e-6)
        assert values != pytest.approx(wrong[:3] / wrong[3], abs=1e-4)
    masks = trial.mask.copy()
    masks[5] = 0  # shows the background alone: nothing is asked of it
    whole, single = (attention_shares(generator, pairs, replace(trial, mask=masks), size) for size in (8, 1))
    for name, values in single.items():
        assert np.isfinite(values).all() and values == pytest.approx(whole[name], abs=1e-6)


def test_by_slot_each_drawing_is_judged_as_if_it_had_that_slot_alone(pairs):
    torch.manual_seed(0)
    generator, trial = make_generator(CONFIG).eval(), trials("P4", pairs, "toon")[0]
    for layer in generator.record_attention().values():
        layer.to_q.weight.data *= 30
    found = attention_by_slot(generator, pairs, trial, batch_size=4)
    *_, finest = generator.record_attention()
    assert found.shape == (len(pairs), 6, 3) and np.isnan(found[:, 0]).all()
    for slot in (toon.SLOTS.index("skin"), toon.SLOTS.index("hair")):
        alone = np.where(pairs.mask == slot, slot, 0)  # all else is background
        for i in range(3):
            drawing = replace(pairs, line=pairs.line[[i]], name=pairs.name[i : i + 1], mask=alone[[i]])
            one = replace(trial, color=trial.color[[i]], palette=trial.palette[[i]], mask=trial.mask[[i]])
            if (drawing.mask == slot).any() and (one.mask == slot).any():
                expected = attention_shares(generator, drawing, one)[finest]
                assert found[i, slot] == pytest.approx(expected, abs=1e-6)
            else:
                assert np.isnan(found[i, slot]).all()

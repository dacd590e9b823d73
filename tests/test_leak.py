"""The leak on stand-ins whose way of cheating is known."""

import numpy as np
import pytest
import torch
from torch import nn

from lineart.checkpoint import make_generator
from lineart.config import Config
from lineart.data import load
from lineart.leak import PALETTES, REFERENCES, attention_shares, leak_grid, shares
from lineart.protocols import trials

CONFIG = Config.from_profile("smoke")


class StandIn(nn.Module):
    def __init__(self, answer):
        super().__init__()
        self.answer, self.anchor = answer, nn.Parameter(torch.zeros(1))

    def forward(self, line, palette, reference):
        return self.answer(line, palette, reference)


def sources(pairs):
    return {name: trials(protocol, pairs, "toon")[0] for name, protocol in REFERENCES.items()}


@pytest.fixture(scope="module")
def pairs():
    return load(CONFIG, "test")


def test_who_copies_the_reference_has_all_its_decibels_from_position(pairs):
    grid = leak_grid(StandIn(lambda line, palette, reference: reference), pairs, sources(pairs))
    assert set(grid) == {(p, r) for p in PALETTES for r in REFERENCES}
    assert all((grid[p, "truth"] == 100).all() for p in PALETTES)  # whatever the palette
    parts = shares(grid)
    assert sum(parts.values()) == pytest.approx(100) and parts["position"] > 80 and abs(parts["colours"]) < 8


def test_who_paints_flat_in_the_palettes_first_colour_has_nothing_from_position(pairs):
    def flat(line, palette, reference):
        return palette[:, 0, :, None, None].expand_as(line)

    grid = leak_grid(StandIn(flat), pairs, sources(pairs))
    assert all(np.array_equal(grid["truth", "truth"], grid["truth", r]) for r in REFERENCES)
    parts = shares(grid)
    assert parts["position"] == pytest.approx(0) and parts["colours"] > 0
    assert np.allclose(grid["none", "truth"], grid["none", "random"])


def test_attention_of_an_untrained_network_is_near_chance_in_every_layer(pairs):
    torch.manual_seed(0)
    generator = make_generator(CONFIG).eval()
    found = attention_shares(generator, pairs, trials("P4", pairs, "toon")[0])
    assert len(found) == 6 and all(name.split()[0] in ("encoder", "decoder") for name in found)
    for share, chance, own in found.values():
        assert share == pytest.approx(chance, abs=0.1) and 0 <= own <= 1
    assert not any(layer.record for layer in generator.record_attention(False).values())

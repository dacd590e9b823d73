"""Batches: the same crop and flip for line and colour, and 8-bit to [-1, 1] and back."""

import numpy as np
import torch

from lineart.config import Config
from lineart.data import load
from lineart.data.augment import CROP_MARGIN, random_crop_flip, take, to_batch, to_uint8, to_unit


def test_8_bit_survives_the_way_to_floats_and_back():
    values = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_uint8(to_unit(values)), values)
    assert to_unit(values)[0] == -1 and to_unit(values)[-1] == 1


def test_line_and_colour_move_together():
    torch.manual_seed(0)
    line = torch.randint(0, 256, (32, 32, 32), dtype=torch.uint8)
    color = line[..., None].expand(-1, -1, -1, 3)
    moved_line, moved_color = random_crop_flip(line, color)
    assert torch.equal(moved_line[..., None].expand(-1, -1, -1, 3), moved_color)
    assert not torch.equal(moved_line, line)


def test_shift_stays_within_the_margin_and_half_are_flipped():
    torch.manual_seed(0)
    size, n = 64, 400
    line = torch.arange(size, dtype=torch.uint8).expand(n, size, size)  # a ramp along the columns
    moved, _ = random_crop_flip(line, line[..., None].expand(-1, -1, -1, 3))
    centre = moved[:, 32, 31:33].int()
    flipped = centre[:, 0] > centre[:, 1]
    shift = torch.where(flipped, centre[:, 1] - 31, centre[:, 0] - 31)
    margin = int(size * CROP_MARGIN)
    assert shift.min() == -margin and shift.max() == margin
    assert 0.4 < flipped.float().mean() < 0.6


def test_a_crop_keeps_every_value_of_the_picture_in_range():
    line = torch.full((8, 16, 16), 255, dtype=torch.uint8)  # the edge repeats: no black border comes in
    moved, _ = random_crop_flip(line, line[..., None].expand(-1, -1, -1, 3))
    assert (moved == 255).all()


def test_batch_has_three_equal_line_planes_and_the_palette_in_range():
    pairs = load(Config.from_profile("smoke"), "test")
    batch = take(pairs, slice(4))
    assert batch["line"].shape == batch["color"].shape == (4, 3, 64, 64) and batch["palette"].shape == (4, 9, 3)
    assert torch.equal(batch["line"][:, 0], batch["line"][:, 2])
    assert all(-1 <= t.min() and t.max() <= 1 for t in batch.values())
    assert torch.equal(to_uint8(batch["color"]).permute(0, 2, 3, 1), torch.from_numpy(pairs.color[:4]))


def test_take_gives_drawing_i_the_picture_and_palette_of_its_reference():
    pairs = load(Config.from_profile("smoke"), "test")
    batch = take(pairs, [0, 1], [5, 2])
    expected = to_batch(*(torch.from_numpy(a) for a in (pairs.line[:2], pairs.color[[5, 2]], pairs.palette[[5, 2]])))
    assert all(torch.equal(batch[name], expected[name]) for name in expected)
    assert not np.array_equal(pairs.palette[5], pairs.palette[0])

"""Error and bleeding on made-up pictures whose values are known."""

import numpy as np
import pytest

from lineart.data import toon
from lineart.evaluation.metrics import ciede2000, srgb_to_lab
from lineart.evaluation.regions import attention_sums, bleeding, region_error

SLOTS = np.array([[[200, 40, 40], [40, 200, 40], [40, 40, 200], [0, 0, 0], [9, 9, 9], [99, 9, 9]]], np.uint8)


@pytest.fixture
def halves():
    """Left half background, right half skin, each in its colour."""
    mask = np.zeros((1, 20, 40), np.uint8)
    mask[:, :, 20:] = 1
    return SLOTS[0][mask], mask


def test_the_error_of_a_region_is_that_of_its_flat_fill(halves):
    image, mask = halves
    errors = region_error(image, mask, SLOTS)
    assert errors[0, :2] == pytest.approx([0, 0]) and np.isnan(errors[0, 2:]).all()
    grey = np.full((1, 20, 40, 3), 120, np.uint8)
    expected = ciede2000(srgb_to_lab(np.full((2, 3), 120)), srgb_to_lab(SLOTS[0, :2]))
    assert region_error(grey, mask, SLOTS)[0, :2] == pytest.approx(expected)


def test_bleeding_is_the_share_of_pixels_in_a_neighbours_colour(halves):
    image, mask = halves
    assert bleeding(image, mask, SLOTS) == [0]
    assert bleeding(SLOTS[0][1 - mask], mask, SLOTS) == [1]  # swapped
    assert bleeding((image * 0.9).astype(np.uint8), mask, SLOTS) == [0]  # an even mixture
    run = image.copy()
    run[:, :, 20:29] = SLOTS[0, 0]  # the background's colour runs nine columns into the skin
    # Counted without the rim of a pixel, also at the picture's edge: 18 rows of 18 columns a half, 8 of them bled.
    assert bleeding(run, mask, SLOTS)[0] == pytest.approx(8 / 36)
    image[:, :, :20] = SLOTS[0, 2]  # hair's blue, but there is no hair: judged against red and green
    red, green, blue = srgb_to_lab(SLOTS[0, :3])
    nearer_green = np.linalg.norm(blue - green) < np.linalg.norm(blue - red)
    assert bleeding(image, mask, SLOTS)[0] == pytest.approx(0.5 if nearer_green else 0)


def test_true_drawings_hardly_bleed():
    drawings = [toon.draw(toon.seed_of("val", i), 128) for i in range(6)]
    image, mask, slots = (np.stack([getattr(d, name) for d in drawings]) for name in ("color", "mask", "slots"))
    assert bleeding(image, mask, slots).mean() < 0.01 and np.nanmean(region_error(image, mask, slots)) < 1


def shares(*arrays):
    *sums, asked = attention_sums(*arrays)
    return tuple(value / asked for value in sums)


def test_attention_on_the_slot_by_hand():
    mask = np.array([[[1, 1, 2, 2]] * 2], np.uint8)  # two places: skin, hair
    mirrored = mask[:, :, ::-1]
    to_other = np.array([[[[0, 1], [1, 0]]]], float)  # each place looks at the other one
    assert shares(to_other, mask, mirrored) == (1, 0.5, 0)
    assert shares(to_other, mask, mask) == (0, 0.5, 1)
    half = np.full((1, 1, 2, 2), 0.5)
    assert shares(half, mask, mirrored) == (0.5, 0.5, 0)  # evenly spread is chance
    bald = np.ones_like(mask)  # shows skin alone: hair is not asked for
    assert shares(half, mask, bald) == (1, 1, 1)
    mask[:, :, 2:] = 0  # the background is not asked for either
    assert shares(to_other, mask, mask) == (0, 0.5, 1)

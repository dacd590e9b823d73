"""Regions of made-up masks whose pixels can be counted."""

import numpy as np

from lineart.data.references import region, region_shown


def test_a_region_leaves_out_its_rim_and_is_nothing_below_twenty_pixels():
    mask = np.zeros((20, 40), np.uint8)
    mask[5:11, 5:12] = 2
    inside = region(mask, 2)
    assert inside.sum() == 20 and inside[6:10, 6:11].all()
    mask[5:11, 11] = 0
    assert not region(mask, 2).any() and region(mask, 0).any()


def test_a_region_is_shown_from_twenty_pixels_on():
    mask = np.zeros((1, 20, 40), np.uint8)
    mask[:, 5:11, 5:12] = 1  # without its rim 4 x 5 pixels
    assert region_shown(mask).tolist() == [[True, True, False, False, False, False]]
    mask[:, 5:11, 11] = 0
    assert not region_shown(mask)[0, 1]

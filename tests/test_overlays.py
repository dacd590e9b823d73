"""Overlays and charts show what was computed: marks where they belong, weights as they are, sizes from the networks."""

import numpy as np
import pytest
import torch

from lineart.course import charts, figure_2, overlays
from lineart.data import toon
from lineart.networks import level_channels

pytestmark = pytest.mark.usefixtures("figures_closed")


def texts(figure):
    return [text.get_text() for axis in figure.axes for text in axis.texts]


def marked(axis):
    """(row, column) of every mark."""
    return [(float(line.get_ydata()[0]), float(line.get_xdata()[0])) for line in axis.lines]


@pytest.fixture
def pair():
    return toon.draw(toon.seed_of("test", 1), 64)


@pytest.mark.parametrize("part", ["hair", "skin"])
def test_points_inside_a_part_are_inside_and_apart(pair, part):
    found = overlays.inside(pair.mask, part, 2)
    assert [toon.SLOTS[pair.mask[point]] for point in found] == [part, part]
    assert np.linalg.norm(np.subtract(*found)) > 3


def test_keys_have_the_share_of_their_scores_and_give_their_colours(pair):
    keys = [*overlays.inside(pair.mask, "hair"), *overlays.inside(pair.mask, "skin")]
    figure = overlays.query_keys_values(pair.line, pair.color, (5, 9), keys, [np.log(3), 0])
    left, middle, right = figure.axes
    assert texts(figure)[-2:] == ["75%", "25%"]
    assert set(marked(left)) == {(5, 9)} and marked(right) == [tuple(map(float, key)) for key in keys]
    expected = (0.75 * pair.color[keys[0]] + 0.25 * pair.color[keys[1]]) / 255
    assert middle.patches[0].get_facecolor()[:3] == pytest.approx(tuple(expected))


def test_the_surest_points_lie_in_their_parts(pair):
    masks = np.full((3, 64, 64), toon.SLOTS.index("background"))
    for shown in (0, 2):
        for i, part in enumerate(("hair", "skin", "clothes")):
            masks[shown, 16 * i : 16 * i + 16, : 32 * shown or 8] = toon.SLOTS.index(part)
    shown, points = overlays.surest_points(masks, masks, 4)
    assert shown == 2 and [row for row, _ in points] == [0, 1, 2]


def test_a_look_is_that_of_the_asking_cell(pair):
    attention = torch.zeros(2, 2, 4)
    attention[1, 0, 3] = 0.5
    figure = overlays.looks_at(pair.line, pair.color, attention, row=0.75, column=0.25)
    assert set(marked(figure.axes[0])) == {(48, 16)}
    assert np.asarray(figure.axes[1].images[1].get_array()).tolist() == [[0, 0], [0, 0.5]]
    assert "50%" in figure.axes[1].get_title()


def test_the_mirror_test_marks_own_place_and_the_same_part_on_the_other_side(pair):
    attention = torch.eye(16).view(4, 4, 16)
    figure = overlays.mirror_test(pair.line, pair.color, (1, 0), {"one": attention, "two": attention})
    asks, *others = figure.axes
    assert len(others) == 3 and set(marked(asks)) == {(24, 8)}
    assert all(set(marked(axis)) == {(24, 8), (24, 56)} for axis in others)
    assert np.argwhere(np.asarray(others[1].images[1].get_array())).tolist() == [[1, 0]]
    assert others[1].get_title().endswith("○ 100%, □ 0%")


def test_a_patch_frame_lies_where_its_logit_looks():
    drawings = {size: np.zeros((size, size, 3), np.uint8) for size in (64, 128, 256)}
    window = torch.zeros(70, 70)
    window[30:40, 30:40] = 1
    figure = overlays.patch_sizes(drawings, window)
    frames = figure.axes[0].patches
    assert [frame.get_width() for frame in frames] == [70, 70, 70]
    assert frames[2].get_y() == 8 * 15 - 23 and "100%" in figure.axes[1].get_title()


def test_figure_2_has_the_sizes_and_channels_of_the_network(pair):
    figure = figure_2.whole(pair.line, pair.color, pair.color, np.zeros((9, 3)))
    channels = level_channels(64, 7)
    for name in ("encoder", "reference"):
        found = [text for text in texts(figure) if text.startswith(f"{name} ")]
        assert found == [f"{name} {i}\n{256 // 2**i}² × {channels[i - 1]}" for i in range(1, 8)]
    assert texts(figure).count("attend") == 6 and texts(figure).count("N") == 3 and texts(figure).count("C") == 6


def test_the_ground_of_a_soft_lookup_is_the_mixture():
    colors = torch.tensor([[1.0, -1, -1], [-1, -1, 1]])
    figure = charts.soft_lookup(torch.tensor([0.0, 0.0]), colors, (1, 4))
    assert [axis.get_facecolor()[:3] for axis in figure.axes] == [(0.5, 0, 0.5)] * 2


def test_scores_divided_by_their_spread_stay_open_at_every_width():
    torch.manual_seed(0)
    figure = charts.how_decided({d: torch.randn(64, d) @ torch.randn(d, 64) for d in (2, 64, 512)})
    (plain, divided), _ = (axis.lines for axis in figure.axes)
    assert plain.get_ydata()[-1] < 0.2 and min(divided.get_ydata()) > 0.8


def test_what_l2_and_l1_choose_are_mean_and_median():
    colors = np.array([[1.0, 0, 0]] * 2 + [[0, 0, 1]])
    row = charts.chosen_colors([colors, colors]).axes[:3]
    assert [np.asarray(axis.images[0].get_array())[0, 0].tolist() for axis in row[1:]] == [[170, 0, 85], [255, 0, 0]]
    costs = charts.cost_of_a_color((0.5, 0.7)).axes
    lowest = [[line.get_xdata()[line.get_ydata().argmin()] for line in axis.lines] for axis in costs]
    assert lowest[0] == pytest.approx([0.5, 0.3]) and lowest[1][1] == 0


def test_bars_are_as_high_as_their_values():
    figure = charts.bars({"a": (0.1, 0.2), "b": (0.3, 0.4)}, ("one", "two"), "share")
    assert [bar.get_height() for bar in figure.axes[0].patches] == [0.1, 0.3, 0.2, 0.4]

"""Charts and diagrams show the numbers and pictures that they are given, each in its place."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from lineart.course import method_charts as charts
from lineart.course.p1_to_p4 import four_protocols
from lineart.course.plotting import marked, strip
from lineart.data import toon
from lineart.methods import METHODS, method_title

pytestmark = pytest.mark.usefixtures("figures_closed")


def legend(figure):
    return [text.get_text() for axis in figure.axes if axis.get_legend() for text in axis.get_legend().get_texts()]


def test_bars_of_slots_are_the_means_in_the_methods_colours():
    errors = {"none, truth": np.arange(6.0), "image, another": np.array([1, np.nan, 3, 4, 5, 6.0])}
    figure = charts.slot_bars(errors, counts=np.arange(6), pale=["none, truth"])
    pale, full = figure.axes[0].containers
    assert [bar.get_height() for bar in pale] == [*range(6)] and pale[0].get_alpha() == 0.5 and full[0].get_alpha() == 1
    assert np.isnan(full[1].get_height()) and full[2].get_height() == 3
    assert plt.matplotlib.colors.to_hex(full[0].get_facecolor()) == METHODS["image"].color
    titles = method_title("none"), method_title("image")
    assert legend(figure) == [f"{titles[0]}, truth", f"{titles[1]}, another"]
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()][1] == "skin\nin 1"


def test_attention_stands_beside_chance_and_own_place():
    rows = [
        (m, r, layer, share, 0.2, own)
        for m, share in (("image", 0.5), ("image-warped", 0.7))
        for r, own in (("truth", 0.8), ("another drawing", 0.4))
        for layer in ("encoder 6", "decoder 3")
    ]
    columns = ["method", "reference", "layer", "right_slot", "chance", "own_place"]
    left, right = charts.attention_bars(pd.DataFrame(rows, columns=columns)).axes
    assert [len(axis.containers) for axis in (left, right)] == [2, 2]
    assert {bar.get_height() for bar in right.containers[1]} == {0.7}
    chance, own = right.get_lines()
    assert {*chance.get_ydata()} == {0.2} and [*own.get_ydata()] == [0.4, 0.4]
    assert [text.get_text() for text in left.get_xticklabels()] == ["enc 6", "dec 3"]


def test_points_lines_and_bands_are_where_the_numbers_are():
    points = charts.method_points({"none": (80.0, 0.99), "copy the reference": (0.0, 0.3)}, "distance", "lines")
    assert [(*line.get_xdata(), *line.get_ydata()) for line in points.axes[0].get_lines()] == [(80, 0.99), (0, 0.3)]
    falling = charts.against_number_of_pictures({2: 900.0, 4: 400.0}, {"none": 80.0}, 256, "distance")
    curve, level = falling.axes[0].get_lines()
    assert [*curve.get_ydata()] == [900, 400] and {*level.get_ydata()} == {80} and "n = 256" in legend(falling)[1]
    curves = charts.mean_curves({"none": ([100, 200], np.array([[1.0, 2], [3, 4]]))}, "dB")
    assert [*curves.axes[0].get_lines()[0].get_ydata()] == [2, 3]
    clouds = [np.array([(1, 0), (-1, 0), (0, 2), (0, -2.0)]) * 1.5**0.5 + shift for shift in (0, 3)]
    first, second = charts.gaussians(clouds).axes[0].patches
    assert first.get_width() == pytest.approx(2) and second.get_height() == pytest.approx(4)
    assert np.allclose(second.get_center(), (3, 3))


def test_four_protocols_share_the_drawing_and_only_the_third_has_no_truth():
    figure = four_protocols(size=64)
    axes = np.array(figure.axes).reshape(3, 4)
    pictures = [[np.asarray(axis.images[0].get_array()) if axis.images else None for axis in row] for row in axes]
    drawings, references, truths = pictures
    assert all(np.array_equal(drawings[0], other) for other in drawings)
    assert [truth is None for truth in truths] == [False, False, True, False]
    assert np.array_equal(references[0], truths[0]) and not np.array_equal(references[1], truths[1])
    own, lent = (toon.draw(name, 64) for name in ("test-0-000001", "test-0-000120"))
    assert np.array_equal(references[2], lent.color)
    skin = lent.mask == toon.SLOTS.index("skin")  # the lender's skin, in the drawing's colour
    assert (np.median(references[3][skin], axis=0) == own.slots[1]).all()


def test_a_strip_has_the_colours_in_order_and_marks_only_what_is_asked():
    colors = np.array([[0, 128.4, 300], [-5, 10, 20]])
    picture = strip(colors, 4)
    assert picture.shape == (4, 8, 3) and (picture[[0, -1]] == 119).all() and (picture[:, [0, -1]] == 119).all()
    assert picture[1:-1, 1:-1].tolist() == 2 * [3 * [[0, 128, 255]] + 3 * [[0, 10, 20]]]
    picture = np.array([[[90, 60, 0], [255, 255, 255]]], np.uint8)
    assert marked(picture, np.array([[False, True]])).tolist() == [[[152, 152, 152], [190, 0, 90]]]

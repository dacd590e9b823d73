"""The course's pictures: values as they are saved, points where they belong, figures that are the same bytes again."""

import base64
import io
import json

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image

from lineart.course.plotting import (
    as_picture,
    on_page,
    plot_curves,
    plot_health,
    plot_sizes,
    read_curve,
    save_figure,
    show_attention,
    show_grid,
    show_maps,
    swatches,
)
from lineart.methods import METHODS

pytestmark = pytest.mark.usefixtures("figures_closed")


def shown(axis):
    return np.asarray(axis.images[-1].get_array())


def test_a_picture_is_bytes_from_minus_one_to_one_and_bytes_stay_as_they_are():
    values = torch.tensor([-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 7.0], requires_grad=True)
    assert as_picture(values[None]).tolist() == [[0, 0, 64, 128, 191, 255, 255]]
    picture = as_picture(torch.stack([torch.full((2, 4), v) for v in (-1.0, 0.0, 1.0)]))
    assert picture.shape == (2, 4, 3) and picture.dtype == np.uint8 and picture[1, 2].tolist() == [0, 128, 255]
    array = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert as_picture(array) is array
    assert np.array_equal(as_picture(torch.tensor(array).permute(2, 0, 1)), array)


def test_a_grid_has_its_pictures_in_their_places():
    pictures = [np.full((4, 4), 10 * i, np.uint8) for i in range(5)]
    figure = show_grid([pictures[:3], pictures[3:]], titles=["a", "b", "c"], labels=["one", "two"])
    axes = np.array(figure.axes).reshape(2, 3)
    assert [[int(shown(axis)[0, 0]) for axis in row if axis.images] for row in axes] == [[0, 10, 20], [30, 40]]
    assert axes[0, 1].get_title() == "b" and axes[1, 0].get_ylabel() == "two"
    assert axes[0, 1].images[0].get_clim() == (0, 255)  # grey is not stretched
    captions = [["a", "b"], ["c", "d"]]
    below = show_grid([pictures[:2], pictures[2:4]], captions=captions)
    assert [axis.get_title() for axis in below.axes] == ["a", "b", "c", "d"]


def test_swatches_and_maps_come_in_their_order():
    palette = np.array([[0.0, 128.4, 300.0], [-5.0, 10.0, 20.0]])
    assert shown(swatches(palette)).tolist() == [[[0, 128, 255], [0, 10, 20]]]
    maps = torch.arange(3 * 4.0).view(3, 2, 2)
    first = show_maps(maps, 2).axes
    assert len(first) == 2 and np.array_equal(shown(first[1]), maps[1]) and len(show_maps(maps, 8).axes) == 3


def test_attention_is_shown_of_the_point_that_asks_and_over_the_whole_reference():
    drawing, reference = np.zeros((8, 16), np.uint8), np.zeros((8, 16, 3), np.uint8)
    attention = torch.rand(2, 4, 9)  # a place has 4x4 pixels
    attention[1, 2] = torch.eye(9)[5]
    place, first, second = axes = plt.subplots(1, 3)[1]
    show_attention(drawing, reference, attention, [(1, 2), (0, 0)], axes)
    assert [line.get_xydata().tolist() for line in place.lines] == [[[10, 6]], [[2, 2]]]  # x, y of the middle
    assert np.array_equal(shown(first), [[0, 0, 0], [0, 0, 1], [0, 0, 0]])  # the sixth of nine, rows first
    assert np.array_equal(shown(second), attention[0, 0].view(3, 3))
    assert tuple(first.images[-1].get_extent()) == (0, 16, 8, 0) and first.get_title().endswith("max 100%")


def test_curves_skip_empty_cells_and_have_the_methods_colour(tmp_path):
    (tmp_path / "metrics.csv").write_text("step,psnr_val\n1,\n2,20.5\n3,21\n")
    (line,) = plot_curves({"image": read_curve(tmp_path / "metrics.csv")}, "psnr_val", "dB", plt.subplots()[1]).lines
    assert line.get_xydata().tolist() == [[2, 20.5], [3, 21]]
    assert line.get_color() == METHODS["image"].color and line.get_label() == METHODS["image"].title
    (tmp_path / "metrics.csv").write_text("step,psnr_val\n1,20\n")
    assert read_curve(tmp_path / "metrics.csv")["step"].shape == (1,)


def test_health_shows_what_is_logged_and_the_answers_that_are_free():
    columns = ("l1", "loss_d", "psnr_val", "real_logit", "fake_logit", "grad_d", "grad_g", "spread")
    curve = {"step": np.array([1.0, 2, 3])} | {name: np.array([np.nan, i + 1, i + 2]) for i, name in enumerate(columns)}
    axes = plot_health(curve, {"drawing": 6.0, "largest colour": 15.0}).axes
    drawn = {line.get_label(): line.get_xydata().tolist() for axis in axes for line in axis.lines}
    assert drawn["psnr_val"] == [[2, 3], [3, 4]] and {*columns} <= {*drawn}
    assert drawn["drawing"][0][1] == 6 and drawn["2 log 2: a guess"][0][1] == pytest.approx(2 * np.log(2))


def test_long_runs_have_a_row_a_size():
    curve = {name: np.array([1.0, 2.0]) for name in ("step", "l1", "psnr_val")}
    axes = plot_sizes({("none", 64): curve, ("image", 64): curve, ("none", 128): curve}).axes
    assert [axis.get_ylabel() for axis in axes] == ["64 px: L1", "64 px: PSNR, dB", "128 px: L1", "128 px: PSNR, dB"]
    assert [len(axis.lines) for axis in axes] == [2, 2, 1, 1]


def test_a_figure_on_the_page_has_few_colours_and_is_closed():
    figure = show_grid([[np.full((4, 4, 3), (255, 0, 0), np.uint8)]])
    image = Image.open(io.BytesIO(base64.b64decode(on_page(figure, "red")["data"]["image/png"])))
    assert image.mode == "P" and image.getpalette() and not plt.fignum_exists(figure.number)
    assert (255, 0, 0) in {color for _, color in image.convert("RGB").getcolors(1 << 16)}


def a_figure(value=0):
    figure, axis = plt.subplots(figsize=(1, 1))
    axis.plot([0, 1], [value, 1])
    return figure


def test_the_same_figure_is_the_same_bytes_with_its_side_car_beside_it(tmp_path, monkeypatch):
    figures = tmp_path / "figures"
    monkeypatch.setenv("LINEART_FIGURES", str(figures))
    written = []
    for _ in range(2):
        assert save_figure(a_figure(), "smoke", "x", vector=True, n=3) == figures / "x.png"
        written.append({path.name: path.read_bytes() for path in figures.iterdir()})
    assert written[0] == written[1] and set(written[0]) == {"x.png", "x.pdf", "x.json"}
    assert written[0]["x.png"].startswith(b"\x89PNG") and written[0]["x.pdf"].startswith(b"%PDF")
    assert b"CreationDate" not in written[0]["x.pdf"]  # the two were made within a second
    record = json.loads(written[0]["x.json"])
    assert record["profile"] == "smoke" and record["n"] == 3 and "commit" not in record
    save_figure(a_figure(0.5), "smoke", "x")
    assert (figures / "x.png").read_bytes() != written[0]["x.png"]

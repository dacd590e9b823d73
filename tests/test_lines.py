"""Extracted lines: dark where brightness drops, white paper elsewhere, at any size, in other hands too."""

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import maximum_filter

from lineart.data import toon
from lineart.data.lines import VARIANTS, extract_lines


def test_flat_pictures_are_white_paper_whatever_their_brightness():
    for grey in (0, 60, 255):
        assert (np.asarray(extract_lines(np.full((40, 50, 3), grey, np.uint8))) == 255).all()


def test_a_dark_stroke_becomes_a_line_and_mode_and_size_stay():
    picture = np.full((64, 48, 3), 200, np.uint8)
    picture[30:32] = 20
    lines = extract_lines(Image.fromarray(picture))
    assert lines.mode == "L" and lines.size == (48, 64)
    pixels = np.asarray(lines)
    assert (pixels[30:32] < 128).all() and (pixels[:26] == 255).all() and (pixels[36:] == 255).all()


def test_an_edge_is_drawn_on_its_dark_side():
    picture = np.full((40, 40, 3), 220, np.uint8)
    picture[:, 20:] = 60
    columns = (np.asarray(extract_lines(picture)) < 128).all(0).nonzero()[0]
    assert len(columns) and columns.min() >= 20 and columns.max() <= 22


def test_most_extracted_lines_are_ink_and_all_ink_is_found():
    precision, recall = [], []
    for i in range(12):
        drawing = toon.draw(toon.seed_of("val", i), 256)
        lines, ink = np.asarray(extract_lines(drawing.color)) < 128, drawing.line < 128
        precision.append((lines & maximum_filter(ink, 5)).sum() / lines.sum())
        edge = ink & ~(np.roll(ink, 1, 0) & np.roll(ink, -1, 0) & np.roll(ink, 1, 1) & np.roll(ink, -1, 1))
        recall.append((edge & maximum_filter(lines, 7)).sum() / edge.sum())  # filled ink has lines at its edges
    assert np.mean(precision) > 0.85 and np.mean(recall) > 0.75


@pytest.mark.parametrize(("name", "value"), [("sigma", 0), ("k", 1.0), ("p", -1), ("phi", 0)])
def test_parameters_out_of_range_get_a_sentence(name, value):
    with pytest.raises(ValueError, match="must be positive"):
        extract_lines(np.zeros((8, 8, 3), np.uint8), **{name: value})


def test_a_transparent_hole_in_white_is_no_line():
    glass = Image.new("RGBA", (40, 40), "white")
    glass.paste((0, 0, 0, 0), (10, 10, 30, 30))
    assert (np.asarray(extract_lines(glass)) == 255).all()


def test_a_turned_picture_is_drawn_upright_and_16_bits_as_8():
    color = toon.draw("turned", 64).color
    turned = Image.fromarray(color)
    turned.getexif()[0x0112] = 6  # a quarter to the right
    assert np.array_equal(extract_lines(turned), extract_lines(np.rot90(color, -1)))
    grey = np.asarray(Image.fromarray(color).convert("L"))
    assert np.array_equal(extract_lines(Image.fromarray(grey.astype(np.uint16) * 257)), extract_lines(grey))
    for mode in "IF":
        with pytest.raises(ValueError, match=rf"pixels of 32 bits \(mode {mode}\)"):
            extract_lines(Image.new(mode, (9, 9)))


@pytest.fixture(scope="module")
def drawings() -> list[np.ndarray]:
    return [toon.draw(toon.seed_of("val", i), 128).color for i in range(6)]


def ink(drawings, **settings) -> float:
    """Mean darkness, 0 to 255."""
    return float(np.mean([255 - np.asarray(extract_lines(color, **settings), float) for color in drawings]))


def greys(drawings, **settings) -> float:
    """Share of the pixels with any ink that are neither black nor white."""
    pixels = np.stack([np.asarray(extract_lines(color, **settings)) for color in drawings])
    return float(((pixels > 0) & (pixels < 255)).sum() / (pixels < 255).sum())


def test_thin_has_less_ink_than_the_default_and_thick_has_more(drawings):
    thin, default, thick = ink(drawings, **VARIANTS["thin"]), ink(drawings), ink(drawings, **VARIANTS["thick"])
    assert thin < 0.9 * default and default < 0.9 * thick


def test_hard_is_nearly_black_and_white_and_soft_is_grey(drawings):
    hard, soft = (greys(drawings, **VARIANTS[name]) for name in ("hard", "soft"))
    assert hard < 0.5 * greys(drawings) and hard < 0.5 * soft


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_draws_and_leaves_flat_parts_white(name):
    picture = np.full((40, 40, 3), 220, np.uint8)
    picture[:, 20:] = 60
    lines = np.asarray(extract_lines(picture, **VARIANTS[name]))
    assert lines[:, 20].max() < 128 and (lines[:, :14] == 255).all() and (lines[:, 27:] == 255).all()


def test_a_mirrored_picture_has_the_mirrored_lines(drawings):
    for settings in ({}, *VARIANTS.values()):
        once, mirrored = (np.asarray(extract_lines(a, **settings), int) for a in (drawings[0], drawings[0][:, ::-1]))
        assert abs(once - mirrored[:, ::-1]).max() <= 1

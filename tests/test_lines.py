"""Extracted lines: dark where brightness drops, white elsewhere, at any size, in other hands, alone or in a batch."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter, maximum_filter

from lineart.data import toon
from lineart.data.lines import VARIANTS, batch_lines, extract_lines, lines_of, xdog
from lineart.images import to_uint8, to_unit

HANDS = {"default": {}, **VARIANTS}


@pytest.fixture(scope="module")
def drawings() -> list[np.ndarray]:
    return [toon.draw(toon.seed_of("val", i), 128).color for i in range(6)]


def test_flat_pictures_and_holes_in_white_are_paper():
    for grey in (0, 60, 255):
        assert (np.asarray(extract_lines(np.full((40, 50, 3), grey, np.uint8))) == 255).all()
    glass = Image.new("RGBA", (40, 40), "white")
    glass.paste((0, 0, 0, 0), (10, 10, 30, 30))
    assert (np.asarray(extract_lines(glass)) == 255).all()


@pytest.mark.parametrize("name", HANDS)
def test_every_hand_draws_an_edge_on_its_dark_side_and_leaves_flat_parts_white(name):
    picture = np.full((40, 40, 3), 220, np.uint8)
    picture[:, 20:] = 60
    lines = extract_lines(Image.fromarray(picture[:30]), **HANDS[name])
    assert lines.mode == "L" and lines.size == (40, 30)
    lines = np.asarray(lines)
    assert lines[:, 20].max() < 128 and (lines[:, :14] == 255).all() and (lines[:, 27:] == 255).all()
    if name == "default":
        columns = (lines < 128).all(0).nonzero()[0]
        assert columns.min() >= 20 and columns.max() <= 22


def test_most_extracted_lines_are_ink_and_all_ink_is_found():
    precision, recall = [], []
    for i in range(12):
        drawing = toon.draw(toon.seed_of("val", i), 256)
        lines, ink = np.asarray(extract_lines(drawing.color)) < 128, drawing.line < 128
        precision.append((lines & maximum_filter(ink, 5)).sum() / lines.sum())
        edge = ink & ~(np.roll(ink, 1, 0) & np.roll(ink, -1, 0) & np.roll(ink, 1, 1) & np.roll(ink, -1, 1))
        recall.append((edge & maximum_filter(lines, 7)).sum() / edge.sum())  # filled ink has lines at its edges
    assert np.mean(precision) > 0.85 and np.mean(recall) > 0.75


@pytest.mark.parametrize("settings", [dict(sigma=0), dict(k=1.0), dict(p=-1), dict(phi=0)])
def test_parameters_out_of_range_get_a_sentence(settings):
    with pytest.raises(ValueError, match="must be positive"):
        extract_lines(np.zeros((8, 8, 3), np.uint8), **settings)


@pytest.mark.parametrize("name", HANDS)
@pytest.mark.parametrize(("height", "width"), [(64, 64), (33, 47), (5, 3), (1, 9), (300, 310)])
def test_alone_and_in_a_batch_the_lines_are_those_of_scipys_blur(name, height, width, drawings):
    settings = HANDS[name]
    noise = np.random.default_rng(0).integers(0, 256, (1, height, width, 3), np.uint8)
    enlarged = np.kron(drawings[0], np.ones((4, 4, 1), np.uint8))[None, 100 : 100 + height, 80 : 80 + width]
    pictures = np.concatenate([noise, enlarged])
    how = dict(sigma=0.6, k=1.6, p=20.0, epsilon=0.75, phi=12.0) | settings
    expected = []
    for picture in pictures:
        grey = np.asarray(Image.fromarray(picture).convert("L")) / 255
        sigma = how["sigma"] * max(1, min(height, width) / 256)
        u = 1 + how["p"] * (gaussian_filter(grey, sigma) - gaussian_filter(grey, how["k"] * sigma))
        ink = 1 + np.tanh(how["phi"] * (u - how["epsilon"]))
        expected.append(255 * np.where(u >= how["epsilon"], 1, ink).clip(0, 1))
    batch = batch_lines(torch.from_numpy(pictures), **settings)
    assert batch.dtype == torch.uint8
    np.testing.assert_allclose(batch, expected, atol=0.51 if name != "hard" else 1, rtol=0)
    alone = np.stack([np.asarray(extract_lines(picture, **settings)) for picture in pictures])
    np.testing.assert_allclose(alone, expected, atol=0.5 + 1e-6, rtol=0)


def test_lines_of_floats_are_those_of_8_bits_and_xdog_keeps_its_type(drawings):
    color = torch.from_numpy(np.stack(drawings))
    lines = lines_of(to_unit(color).permute(0, 3, 1, 2))
    assert lines.shape == (6, 3, 128, 128) and torch.equal(lines[:, 0], lines[:, 2])
    # Their grey is not rounded to 8 bits
    assert (to_uint8(lines[:, 0]).int() - batch_lines(color).int()).abs().float().mean() < 1
    for kind in (torch.float32, torch.float64):
        assert xdog(torch.rand(1, 9, 9, dtype=kind)).dtype == kind


def test_thin_has_less_ink_than_the_default_and_thick_has_more_hard_is_black_and_soft_is_grey(drawings):
    pixels = {
        name: np.stack([np.asarray(extract_lines(color, **how), float) for color in drawings])
        for name, how in HANDS.items()
    }
    ink = {name: (255 - lines).mean() for name, lines in pixels.items()}
    assert ink["thin"] < 0.9 * ink["default"] and ink["default"] < 0.9 * ink["thick"]
    greys = {name: ((lines > 0) & (lines < 255)).sum() / (lines < 255).sum() for name, lines in pixels.items()}
    assert greys["hard"] < 0.5 * greys["default"] and greys["hard"] < 0.5 * greys["soft"]

"""Nine colours of a picture: exact where the answer is known, ordered, the same every time."""

import numpy as np
import pytest
from PIL import Image

from lineart.config import InputError
from lineart.data import palette as palette_module
from lineart.data.palette import extract_palette


def flat_picture(colors, sizes, seed=0):
    """A picture of flat colours, each on as many pixels as `sizes` says, in random places."""
    pixels = np.repeat(np.asarray(colors, np.uint8), sizes, axis=0)
    np.random.default_rng(seed).shuffle(pixels)
    return pixels.reshape(30, -1, 3)


COLORS = [
    [250, 10, 10],
    [10, 250, 10],
    [10, 10, 250],
    [250, 250, 10],
    [250, 10, 250],
    [10, 250, 250],
    [128, 128, 128],
    [255, 255, 255],
    [0, 0, 0],
]
SIZES = [180, 160, 140, 120, 100, 80, 60, 40, 20]


def test_nine_flat_colours_come_back_exactly_largest_first():
    assert np.array_equal(extract_palette(flat_picture(COLORS, SIZES)), np.array(COLORS, np.float32))


def test_fewer_colours_than_k_repeat():
    palette = extract_palette(flat_picture(COLORS[:2], [600, 300]), k=5)
    assert np.array_equal(palette, np.array([COLORS[0], COLORS[1], COLORS[0], COLORS[1], COLORS[0]], np.float32))


def test_one_pixel_and_equal_sizes_have_a_fixed_order():
    assert np.array_equal(extract_palette(np.full((1, 1, 3), 7, np.uint8)), np.full((9, 3), 7, np.float32))
    first = extract_palette(flat_picture(COLORS[:3], [300, 300, 300], 1), k=3)
    assert np.array_equal(first, extract_palette(flat_picture(COLORS[2::-1], [300, 300, 300], 2), k=3))


def test_many_colours_give_centres_that_are_means_of_their_pixels():
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    palette = extract_palette(image)
    pixels = image.reshape(-1, 3).astype(float)
    label = ((pixels[:, None] - palette) ** 2).sum(-1).argmin(1)
    means = np.stack([pixels[label == i].mean(0) for i in range(9)])
    assert np.abs(means - palette).max() < 3  # Lloyd's fixed point, up to its tolerance
    assert (np.diff(np.bincount(label, minlength=9)) <= 60).all()  # about largest first
    assert np.array_equal(palette, extract_palette(Image.fromarray(image)))
    assert np.array_equal(palette, extract_palette(image))


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((4, 4, 4), np.uint8)]
)
def test_other_arrays_are_refused(image):
    with pytest.raises(ValueError, match=r"image must be \(H, W, 3\) of uint8"):
        extract_palette(image)
    with pytest.raises(InputError, match="k must be at least 1, got 0"):
        extract_palette(np.zeros((4, 4, 3), np.uint8), k=0)


def test_transparent_is_white_and_a_turned_picture_is_upright():
    glass = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    glass.paste((255, 0, 0, 255), (0, 0, 20, 20))
    assert extract_palette(glass, k=2).tolist() == [[255] * 3, [255, 0, 0]]
    turned, pixels = Image.new("RGB", (130, 70)), np.random.default_rng(0).integers(0, 256, (70, 130, 3), np.uint8)
    turned.paste(Image.fromarray(pixels))
    turned.getexif()[0x0112] = 6  # a quarter to the right
    assert np.array_equal(extract_palette(turned), extract_palette(np.rot90(pixels, -1)))


def test_another_seed_starts_elsewhere_and_the_same_one_does_not():
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)  # no clear clusters
    palettes = [extract_palette(image, seed=seed) for seed in (0, 1, 1, 2)]
    assert np.array_equal(palettes[1], palettes[2])
    assert len({palette.tobytes() for palette in palettes}) == 3


@pytest.mark.parametrize("shape", [(1, 100_000), (100_000, 1), (2, 40_000)])
def test_a_thin_picture_is_clustered_as_fast_as_any(shape, monkeypatch):
    seen, cluster = [], palette_module._cluster
    monkeypatch.setattr(
        palette_module,
        "_cluster",
        lambda colors, counts, k, seed: seen.append(counts.sum()) or cluster(colors, counts, k, seed),
    )
    extract_palette(np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8))
    assert 2000 < seen[0] < 2 * palette_module.GRID

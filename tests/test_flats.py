"""Flat colours: nothing leaks through a gap, no ink is lost, and every drawing ends."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from lineart.coloring import flats, regions
from lineart.config import InputError
from lineart.data.toon import INK, draw

RED, BLUE = np.array([200, 40, 60]), np.array([60, 90, 220])


def circle(gap, side=256, width=3):
    """A circle with an opening `gap` px wide on the right, four times oversampled; and its inside."""
    image = Image.new("L", (4 * side, 4 * side), 255)
    box = [side, side, 3 * side, 3 * side]
    half = np.degrees(gap / 2 / (side / 4))
    ImageDraw.Draw(image).arc(box, half, 360 - half, 0, 4 * width)
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    return np.asarray(image.resize((side, side), Image.Resampling.BOX)), np.hypot(x, y) < side / 4


def smeared(inside):
    """Red inside, blue outside, as a network paints: soft at the border, and darker at the line."""
    from scipy.ndimage import gaussian_filter

    share = gaussian_filter(inside.astype(float), 5)[..., None]
    return (share * RED + (1 - share) * BLUE).round().astype(np.uint8)


@pytest.mark.parametrize("gap", [0, 2, 4, 8])
@pytest.mark.parametrize("side", [256, 1100])
def test_a_gap_up_to_the_chosen_width_lets_nothing_through(gap, side):
    line, inside = circle(gap, side)
    result = flats.finish(line, smeared(inside), name="flat", gap=gap + 2)
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    deep, far = np.hypot(x, y) < side / 4 - 4, np.hypot(x, y) > side / 4 + 4
    assert np.abs(result[deep].astype(int) - RED).max() <= 8 and np.abs(result[far].astype(int) - BLUE).max() <= 8


def test_behind_a_wider_opening_it_is_one_region():
    line, _ = circle(60)
    labels, _ = regions.regions(line, 8)
    assert labels[128, 128] == labels[2, 2]
    labels, _ = regions.regions(line, 80)
    assert labels[128, 128] != labels[2, 2]


@pytest.mark.parametrize("gap", [20, 40, 60])
def test_an_opening_wider_than_a_gap_is_closed_where_the_network_sees_two_colours(gap):
    line, inside = circle(gap)
    result = flats.finish(line, smeared(inside), name="flat").astype(int)
    y, x = np.mgrid[:256, :256] - 127.5
    deep, far = np.hypot(x, y) < 50, np.hypot(x, y) > 68
    for place, color in ((deep, RED), (far, BLUE)):
        assert len(np.unique(result[place], axis=0)) == 1 and np.abs(result[place] - color).max() <= 8


@pytest.mark.parametrize("name", ["flat", "exact"])
def test_an_open_outline_swallows_nothing(name):
    """Where two colours are one region, neither is painted over the other."""
    line, inside = circle(60)
    inside[:, :64] |= True  # much of the region, and no ink around it
    result = flats.finish(line, smeared(inside), np.array([RED, BLUE]), name).astype(int)
    for place, color in (((128, 110), RED), ((128, 20), RED), ((30, 200), BLUE)):
        assert np.abs(result[place] - color).max() < np.abs(RED - BLUE).max() / 3


@pytest.mark.parametrize("name", ["soft", "flat", "exact"])
@pytest.mark.parametrize("size", [96, 600])
def test_ink_stays_at_least_as_dark_as_drawn(name, size):
    drawing = draw("val-0-000001", size)
    palette = drawing.slots.astype(np.float32)
    result = flats.finish(drawing.line, drawing.color, palette, name)
    assert result.shape == drawing.color.shape and result.dtype == np.uint8
    assert (result <= drawing.line[..., None]).all()


@pytest.mark.parametrize("side", [256, 1100])
def test_no_halo_beside_an_antialiased_line(side):
    line, inside = circle(0, side)
    under = flats.underpaint(line, smeared(inside), name="flat")
    colors = np.unique(under.reshape(-1, 3), axis=0)
    assert len(colors) == 2  # beneath the ink, too: never paper
    result = flats.lay(line, under)
    light = line > 128  # the soft edge of the line
    assert np.abs(result[light] - under[light] * (line[light][:, None] / 255)).max() <= 0.5


def test_flat_is_one_colour_a_region_and_exact_the_palettes():
    drawing = draw("val-0-000001")
    noise = np.random.default_rng(0).normal(0, 6, drawing.color.shape)
    smeared_colors = (drawing.color + noise).clip(0, 255).astype(np.uint8)
    palette = np.concatenate([drawing.slots, [[255, 255, 255], [0, 0, 0]]]).astype(np.float32)
    region = drawing.mask < INK
    exact = flats.underpaint(drawing.line, smeared_colors, palette, "exact")
    right = (exact[region] == drawing.color[region]).all(1)
    assert right.mean() > 0.93
    assert set(map(tuple, np.unique(exact.reshape(-1, 3), axis=0))) <= set(map(tuple, palette.astype(np.uint8)))
    flat = flats.underpaint(drawing.line, smeared_colors, palette, "flat")
    assert len(np.unique(flat.reshape(-1, 3), axis=0)) < 60


def test_soft_keeps_a_slow_shade_and_no_noise():
    line, inside = circle(0)
    shade = np.linspace(-40, 40, 256)[None, :, None]
    picture = np.where(inside[..., None], RED, BLUE) + shade + np.random.default_rng(0).normal(0, 10, (256, 256, 3))
    soft = flats.underpaint(line, picture.clip(0, 255).astype(np.uint8), name="soft").astype(float)
    clear = np.where(inside[..., None], RED, BLUE) + shade
    assert np.abs(soft - clear.clip(0, 255))[20:-20, 20:-20].mean() < 6
    assert soft[128, 180, 0] - soft[128, 76, 0] > 15  # lighter to the right, as it was
    assert np.abs(np.diff(soft[128, 80:176, 0])).max() < 3


@pytest.mark.parametrize("size", [512, 1200])
def test_soft_shading_stays_inside_its_lines(size):
    """A shade across the circle, whose region is small on the grid on which it is blurred."""
    image = Image.new("L", (size, size), 255)
    ImageDraw.Draw(image).ellipse([size // 8, size // 8, size * 7 // 8, size * 7 // 8], outline=0, width=size // 200)
    radius, across = np.hypot(*(np.mgrid[:size, :size] - (size - 1) / 2)), np.linspace(0, 1, size)[:, None]
    shade = ((1 - across) * RED + across * np.array(BLUE))[None].repeat(size, 0)
    color = np.where((radius < size * 3 / 8)[..., None], shade, 230).round().astype(np.uint8)
    soft = flats.finish(np.asarray(image), color, None, "soft").astype(int)
    outside, inside = radius > size * 3 / 8 + 3, radius < size * 0.35
    assert np.ptp(soft[outside], axis=0).max() <= 5 and np.abs(soft - color)[inside].mean() < 3


@pytest.mark.parametrize("swap", [[(RED, (999, 0, 0))], [(RED, (np.nan, 0, 0))], [(RED,)]])
def test_a_swap_of_what_is_no_colour_is_a_sentence(swap):
    line, inside = circle(0)
    with pytest.raises(InputError, match="an old and a new colour"):
        flats.finish(line, smeared(inside), np.array([RED, BLUE]), "flat", swap=swap)


def test_a_swap_changes_the_regions_of_one_colour_and_nothing_else():
    line, inside = circle(0)
    palette, green = np.array([RED, BLUE, (255, 255, 255)]), (30, 180, 60)
    swap = [((190, 60, 50), green)]  # nearly red
    for name in ("soft", "flat", "exact", "smooth"):
        assert flats.underpaint(line, smeared(inside), palette, name, swap=np.array(swap)).any()
        before, after = (flats.underpaint(line, smeared(inside), palette, name, swap=s) for s in ((), swap))
        deep, far = np.s_[100:156, 100:156], np.s_[:40]
        assert np.abs(after[deep].astype(int) - green).max() <= 3 and np.array_equal(before[far], after[far])
        twice = flats.underpaint(line, smeared(inside), palette, name, swap=[(RED, (0, 0, 0)), *swap])
        assert np.array_equal(twice, after)  # the last one counts
        with pytest.raises(InputError, match=r"#c8283c #3c5adc #ffffff, got #1eb43c$"):  # green is in no palette here
            flats.underpaint(line, smeared(inside), palette, name, swap=[(green, RED)])


def test_a_border_without_ink_follows_the_colours_and_has_no_steps():
    line, inside = circle(240, side=1536, width=8)  # a grid of thirds
    flat = flats.underpaint(line, smeared(inside))
    y = np.arange(768 - 100, 768 + 100)
    border = 768 + (flat[y, 768:, 0] < 130).argmax(1)
    assert np.abs(border - 767.5 - np.sqrt(384**2 - (y - 767.5) ** 2)).max() < 7  # a straight one: 19
    assert np.abs(np.diff(border)).max() <= 1


@pytest.mark.parametrize("what", ["white", "black", "hatched", "noise", "one pixel", "a strip"])
def test_every_drawing_ends_in_few_regions(what):
    line = {
        "white": np.full((300, 300), 255),
        "black": np.zeros((300, 300)),
        "one pixel": np.zeros((1, 1)),
        "hatched": np.where(np.add.outer(np.arange(600), np.arange(600)) % 4 < 2, 0, 255),
        "noise": np.random.default_rng(0).integers(0, 256, (600, 600)),
        "a strip": np.full((2000, 20), 255),
    }[what]
    line = line.astype(np.uint8)
    labels, _ = regions.regions(line, 8)
    assert labels.min() == 0 and labels.max() < regions.MAX_REGIONS and labels.shape == line.shape
    for name in ("soft", "flat"):
        result = flats.finish(line, np.full((*line.shape, 3), 200, np.uint8), name=name)
        assert (np.abs(result[line == 255].astype(int) - 200) <= 1).all() and (result[line == 0] == 0).all()


def test_a_wrong_finish_and_a_missing_palette_are_sentences():
    picture = np.full((9, 9, 3), 9, np.uint8)
    for wrong in ({"name": "matte"}, {"name": "exact"}, {"swap": [(RED, BLUE)]}):
        with pytest.raises(ValueError, match="must be one of|need a palette"):
            flats.finish(picture[..., 0], picture, **wrong)

"""Any scan becomes the drawing that it is of, or one sentence."""

import io
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image, ImageCms

from lineart.coloring.colorizer import Colorizer
from lineart.coloring.drawing import clean, join, shrink, squares, to_srgb
from lineart.config import InputError
from lineart.data.lines import extract_lines
from lineart.data.toon import draw
from lineart.evaluation.metrics import ciede2000, srgb_to_lab

SIDE = 192
LINE = draw("val-0-000000", SIDE).line
SHADE = np.linspace(0.55, 0.95, SIDE)[None] * np.linspace(0.8, 1, SIDE)[:, None]
NOISE = np.random.default_rng(0).normal(0, 7, LINE.shape)


def scan(values):
    return Image.fromarray(np.asarray(values).round().clip(0, 255).astype(np.uint8))


def drawn(color, paper=(255, 255, 255)):
    """The drawing in lines of one colour on paper of another."""
    return scan(np.array(color) + LINE[..., None] / 255 * np.subtract(paper, color))


def file_of(image, **options):
    """Saved, and opened again."""
    file = io.BytesIO()
    image.save(file, **options)
    return Image.open(file)


def turned():
    image = Image.fromarray(LINE).transpose(Image.Transpose.ROTATE_90)
    image.getexif()[0x0112] = 6  # a quarter to the right
    return image


def layer():
    return Image.fromarray(np.dstack([np.zeros((SIDE, SIDE, 3), np.uint8), 255 - LINE]))


SCANS = {  # how it was spoilt; how far, in grey levels on average, it may be from the drawing
    "white on black": (lambda: scan(255 - LINE), 0),
    "blueprint": (lambda: drawn((250, 250, 250), (30, 70, 160)), 2),
    "grey paper": (lambda: scan(60 + LINE * 0.55), 2),
    "shaded paper": (lambda: scan(LINE * SHADE), 2),
    "shaded, noisy paper": (lambda: scan((20 + LINE * 0.85) * SHADE + NOISE), 6),
    "yellow paper": (lambda: drawn((0, 0, 0), (240, 225, 170)), 2),
    "light pencil": (lambda: scan(255 - (255 - LINE) * 0.4), 6),
    "blue pencil": (lambda: drawn((150, 190, 255)), 6),
    "yellow pencil": (lambda: drawn((255, 230, 40)), 3),
    "12 bits in 16": (lambda: Image.fromarray((LINE / 255 * 4095).astype(np.uint16)), 1),
    "16 bits": (lambda: Image.fromarray(LINE.astype(np.uint16) * 257), 0),
    "black on nothing": (layer, 0),
    "faint black on nothing": (lambda: Image.fromarray(np.asarray(layer()) // np.array([1, 1, 1, 4], np.uint8)), 8),
    "grey on nothing": (lambda: Image.fromarray(np.asarray(layer()) | np.array([150, 150, 150, 0], np.uint8)), 8),
    "white made transparent": (lambda: file_of(Image.fromarray(LINE), format="PNG", transparency=255), 1),
    "white on nothing": (lambda: Image.fromarray(np.asarray(layer()) | np.array([255, 255, 255, 0], np.uint8)), 0),
    "palette": (lambda: Image.fromarray(LINE).convert("RGB").quantize(16), 1),
    "1 bit": (lambda: Image.fromarray(LINE).convert("1", dither=Image.Dither.NONE), 5),
    "turned by EXIF": (turned, 0),
    "CMYK": (lambda: Image.fromarray(LINE).convert("CMYK"), 0),
    "JPEG": (lambda: file_of(Image.fromarray(LINE), format="JPEG", quality=40), 3),
    "JPEG with damaged EXIF": (lambda: file_of(Image.fromarray(LINE), format="JPEG", exif=b"Exif\0\0no TIFF"), 3),
    "enlarged": (lambda: Image.fromarray(LINE).resize((6 * SIDE, 6 * SIDE), Image.Resampling.LANCZOS), None),
}


@pytest.mark.parametrize("name", SCANS)
def test_a_bad_scan_becomes_the_drawing(name):
    spoil, tolerance = SCANS[name]
    drawing = clean(spoil())
    assert drawing.alpha is None
    if tolerance is not None:
        assert drawing.full.shape == LINE.shape and drawing.full.dtype == np.uint8
        assert np.abs(drawing.full.astype(int) - LINE).mean() <= tolerance


def test_all_bad_scans_end_in_the_same_colours():
    """Within CIEDE2000 3, on average over the paper."""
    colorizer, reference = Colorizer.from_pretrained("toon"), Image.fromarray(draw("val-0-000001", SIDE).color)

    def colors(image):
        return srgb_to_lab(np.asarray(colorizer.colorize(image, reference).resize((SIDE, SIDE)))[LINE > 200])

    expected = colors(Image.fromarray(LINE))
    differences = {name: ciede2000(colors(spoil()), expected).mean() for name, (spoil, _) in SCANS.items()}
    assert len(differences) >= 12 and max(differences.values()) < 3, differences


@pytest.mark.parametrize("i", range(8))
def test_a_clean_drawing_stays_as_it_is(i):
    drawing = draw(f"val-0-{i:06d}")
    for line in (drawing.line, np.asarray(extract_lines(drawing.color))):
        result = clean(Image.fromarray(line))
        assert np.array_equal(result.full, line) and result.note == "" and result.alpha is None


def test_as_is_does_nothing():
    for image in (scan(255 - LINE), scan(60 + LINE * 0.5), Image.new("L", (9, 9), 255), Image.new("L", (9, 9))):
        drawing = clean(image, as_is=True)
        assert np.array_equal(drawing.full, np.asarray(image)) and drawing.note == ""


def test_what_was_done_is_one_line():
    note = clean(scan(255 - LINE * SHADE)).note
    assert note and "\n" not in note


@pytest.mark.parametrize("what", ["no ink", "no ink on grey", "all ink", "a coloured picture", "a grey picture"])
def test_what_is_no_drawing_is_a_sentence(what):
    picture = draw("val-0-000000", SIDE).color
    image = {
        "no ink": Image.new("L", (60, 60), 255),
        "no ink on grey": Image.new("L", (60, 60), 90),
        "all ink": Image.new("L", (60, 60)),
        "a coloured picture": Image.fromarray(picture),
        "a grey picture": Image.fromarray(picture).convert("L"),
    }[what]
    with pytest.raises(InputError, match=r"^a drawing .*\d%.*--(as-is|extract-lines)") as caught:
        clean(image)
    assert "\n" not in str(caught.value)


def swapped_profile():
    """sRGB with red and blue exchanged, under another name."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile.replace(b"s\0R\0G\0B", b"b\0g\0r\0s")
    return profile.replace(b"rXYZ", b"?XYZ", 1).replace(b"bXYZ", b"rXYZ", 1).replace(b"?XYZ", b"bXYZ", 1)


def test_a_drawing_cut_out_keeps_its_transparency_and_a_thread_is_no_drawing():
    inside = np.hypot(*(np.mgrid[:SIDE, :SIDE] - SIDE / 2)) < SIDE / 2.2
    cut_out = Image.fromarray(np.dstack([LINE, LINE, LINE, np.where(inside, 255, 0).astype(np.uint8)]))
    assert np.array_equal(clean(cut_out).alpha, np.where(inside, 255, 0))
    with pytest.raises(InputError, match="at most 100 times as long as wide, got 1x101"):
        clean(Image.new("L", (1, 101), 255))


def test_a_profile_is_turned_into_srgb():
    image = Image.new("RGB", (4, 4), (255, 0, 0))
    image.putpixel((0, 0), (0, 0, 0))
    image.info["icc_profile"] = swapped_profile()
    assert to_srgb(image).getpixel((1, 1)) == (0, 0, 255)
    image.info["icc_profile"] = b"damaged"
    assert to_srgb(image).getpixel((1, 1)) == (255, 0, 0)


# --- to the network's size and back


def test_a_thin_line_stays_dark_and_a_speck_faint():
    full = np.full((3000, 2000), 255, np.uint8)
    full[1000:1002], full[:, 700:702], full[2000, 1500] = 0, 0, 0  # lines of 2 px
    small = shrink(full, 128)
    assert small.shape == (128, 85)
    assert small[:, 60].min() < 80 and small[100].min() < 80  # 222 and more by an antialiased resize alone
    assert small[83:88, 60:68].min() > 240 and np.median(small) == 255


def test_lines_that_are_wide_enough_and_dense_hatching_are_only_antialiased():
    image = Image.fromarray(LINE).resize((4 * SIDE, 4 * SIDE), Image.Resampling.LANCZOS)
    assert np.array_equal(shrink(LINE, SIDE), LINE)
    plain = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.LANCZOS)).astype(int)
    assert np.abs(shrink(np.asarray(image), SIDE) - plain).mean() < 2
    hatched = np.full((1024, 1024), 255, np.uint8)
    hatched[::8] = hatched[1::8] = 0
    assert shrink(hatched, 128).mean() > 110  # of 191


@pytest.mark.parametrize(("height", "width", "n"), [(90, 90, 1), (90, 180, 1), (80, 1000, 17), (1000, 80, 17)])
def test_a_strip_is_cut_into_overlapping_squares_and_put_together_again(height, width, n):
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    places = squares(height, width)
    assert len(places) == n
    for before, after in pairwise(places):
        overlap = [a.stop - b.start for a, b in zip(before, after)]
        assert min(overlap) >= 20 and picture[after].shape == (80, 80, 3)
    assert np.array_equal(join([picture[place] for place in places], places), picture)

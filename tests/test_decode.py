"""From bytes to 8-bit RGB: each kind of picture as it is meant, each damaged file with its reason."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from lineart import images as decode
from lineart.data import toon
from lineart.images import Unfit, colorness, split_pair, square

RED, LIME, BLUE, WHITE = [255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]


def encoded(image: Image.Image, kind: str = "PNG", **settings) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **settings)
    return buffer.getvalue()


def png(rows: np.ndarray, color_type: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG by hand, 8 or 16 bits a value: rows (H, W) or (H, W, channels), colour type as in the PNG standard."""
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    height, width = rows.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 8 * rows.itemsize, color_type, 0, 0, 0)
    big_endian = rows.astype(rows.dtype.newbyteorder(">"))
    pixels = zlib.compress(b"".join(b"\0" + row.tobytes() for row in big_endian))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        chunk(*c) for c in ((b"IHDR", header), *chunks, (b"IDAT", pixels), (b"IEND", b"")))


def pixels(data: bytes) -> list:
    image = decode.decode(data)
    assert image.mode == "RGB"
    return np.asarray(image).tolist()


@pytest.fixture(scope="module")
def drawing() -> Image.Image:
    return Image.fromarray(toon.draw("decode", 64).color)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "WEBP"])
def test_a_colour_picture_comes_back_as_it_was_saved(kind, drawing):
    data = encoded(drawing, kind, **({"lossless": True} if kind == "WEBP" else {}))
    assert np.array_equal(decode.decode(data), drawing)


def test_grey_becomes_three_equal_channels():
    assert pixels(encoded(Image.fromarray(np.uint8([[0, 7, 255]])))) == [[[0] * 3, [7] * 3, [255] * 3]]


def test_16_bit_grey_is_divided_by_257():
    values = np.uint16([[0, 128, 129, 257 * 100, 257 * 100 + 129, 65535]])
    expected = [[[v] * 3 for v in (0, 0, 1, 100, 101, 255)]]  # 128 / 257 is below a half, 129 / 257 above
    assert pixels(png(values, 0)) == expected
    assert pixels(encoded(Image.fromarray(values), "TIFF")) == expected


def test_16_bit_colours_keep_their_high_byte():
    assert pixels(png(np.uint16([[[65535, 0, 257 * 9]]]), 2)) == [[[255, 0, 9]]]


def test_transparent_parts_are_white_in_every_way_to_be_transparent():
    half = np.uint8([[[255, 0, 0, 255], [255, 0, 0, 0], [0, 0, 0, 51]]])
    assert pixels(png(half, 6)) == [[RED, WHITE, [204] * 3]]  # 255 (1 - 51/255)
    assert pixels(png(np.uint8([[[9, 255], [9, 0]]]), 4)) == [[[9] * 3, WHITE]]
    assert pixels(png(np.uint8([[RED, BLUE]]), 2, (b"tRNS", struct.pack(">3H", *RED)))) == [[WHITE, BLUE]]
    assert pixels(png(np.uint8([[0, 1]]), 3, (b"PLTE", bytes(RED + BLUE)), (b"tRNS", b"\0\xff"))) == [[WHITE, BLUE]]
    assert pixels(png(np.uint16([[0, 1, 514]]), 0, (b"tRNS", struct.pack(">H", 0)))) == [[WHITE, [0] * 3, [2] * 3]]


def test_a_transparent_gif_is_white_behind():
    image = Image.new("P", (2, 1))
    image.putpalette(RED + BLUE)
    image.putpixel((1, 0), 1)
    assert pixels(encoded(image, "GIF", transparency=0)) == [[WHITE, BLUE]]


def test_cmyk_ink_becomes_its_colour():
    for kind, near in (("TIFF", 0), ("JPEG", 2)):
        ink = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # magenta and yellow: red
        ink.paste((0, 0, 0, 0), (8, 0, 16, 16))
        result = np.asarray(decode.decode(encoded(ink, kind, **({"quality": 100} if kind == "JPEG" else {}))), int)
        assert abs(result[:, :8] - RED).max() <= near and abs(result[:, 8:] - WHITE).max() <= near


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame(kind):
    frames = [Image.new("RGB", (4, 4), tuple(color)) for color in (RED, LIME, BLUE)]
    settings = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **settings)
    assert Image.open(io.BytesIO(data)).n_frames == 3
    assert pixels(data) == [[RED] * 4] * 4


# What a viewer does with a stored picture, by the EXIF standard's table of where row 0 and column 0 lie
TURNS = {1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud, 5: lambda a: a.swapaxes(0, 1),
         6: lambda a: np.rot90(a, -1), 7: lambda a: np.rot90(a, 2).swapaxes(0, 1), 8: np.rot90}


@pytest.mark.parametrize("orientation", TURNS)
def test_a_photograph_stands_upright_as_its_exif_says(orientation):
    stored = np.zeros((16, 24, 3), np.uint8)
    stored[:8, :8], stored[8:, 16:] = RED, BLUE
    exif = Image.Exif()
    exif[0x0112] = orientation
    for kind, near in (("PNG", 0), ("JPEG", 3)):
        settings = {"quality": 100, "subsampling": 0} if kind == "JPEG" else {}
        result = np.asarray(decode.decode(encoded(Image.fromarray(stored), kind, exif=exif, **settings)), int)
        expected = TURNS[orientation](stored)
        assert result.shape == expected.shape and abs(result - expected).max() <= near


@pytest.mark.parametrize("exif", [b"", b"nothing of the kind", b"II*\0", b"II*\0\xff\xff\xff\xff",
                                  b"MM\0*\0\0\0\x08\0\0" + b"x" * 65_000])
def test_damaged_or_huge_exif_costs_no_picture(exif, drawing):
    data = encoded(drawing, "JPEG")
    body = b"Exif\0\0" + exif
    marked = data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]
    assert pixels(marked) == pixels(data)


def test_what_follows_the_picture_is_ignored(drawing):
    data = encoded(drawing, "JPEG")
    assert pixels(data + b"more" * 1000 + encoded(Image.new("RGB", (9, 9)), "JPEG")) == pixels(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
def test_a_file_cut_anywhere_is_refused_or_was_whole_already(kind, drawing):
    data = encoded(drawing, kind)
    whole, refused = pixels(data), 0
    for length in [*range(1, len(data), max(1, len(data) // 40)), *range(len(data) - 12, len(data))]:
        try:
            assert pixels(data[:length]) == whole
        except Unfit as error:
            refused += 1
            assert str(error)
    assert refused >= 38


@pytest.mark.parametrize(("data", "reason"), [
    (b"", "empty file"),
    (b"not a picture at all", "not a picture of a format that is read"),
    (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture of a format that is read"),
    (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture of a format that is read"),
    (encoded(Image.new("F", (9, 9)), "TIFF"), r"pixels of 32 bits \(mode F\)"),
    (encoded(Image.new("I", (9, 9)), "TIFF"), r"pixels of 32 bits \(mode I\)"),
    (encoded(Image.new("RGB", (9, 9)))[:44], "damaged"),
    (png(np.zeros((1, 1, 3), np.uint8), 2, (b"zTXt", b"a\0\0" + zlib.compress(b"x" * 2**24))), "damaged"),
], ids=["empty", "text", "svg", "eps", "float", "int", "cut", "text-bomb"])
def test_the_reason_is_named(data, reason):
    with pytest.raises(Unfit, match=reason):
        decode.decode(data)


@pytest.mark.parametrize(("side", "reason"), [(20_000, "more than 64 million pixels"),
                                              (8_001, "more than 64 million pixels: 8001x8001")])
def test_a_bomb_is_refused_before_it_is_unpacked(side, reason, monkeypatch):
    data = encoded(Image.new("1", (side, side)))
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda *_: pytest.fail("unpacked"))
    with pytest.raises(Unfit, match=reason):
        decode.decode(data)


def test_the_square_is_the_middle_of_the_picture():
    image = np.full((40, 100, 3), 255, np.uint8)
    image[:, 30:70] = RED
    wide, high = Image.fromarray(image), Image.fromarray(image.swapaxes(0, 1))
    assert (np.asarray(square(wide, 40)) == RED).all() and (np.asarray(square(high, 40)) == RED).all()
    # Smaller, up to three pixels at the cut also see what lay beyond it
    assert (np.asarray(square(wide, 16))[:, 3:-3] == RED).all() and (np.asarray(square(high, 16))[3:-3] == RED).all()


def test_a_picture_of_the_right_size_is_not_touched(drawing):
    assert np.array_equal(square(drawing, 64), drawing)


def test_resizing_averages_instead_of_picking_pixels():
    fine = np.zeros((64, 64, 3), np.uint8)
    fine[:, ::2] = 254
    assert abs(np.asarray(square(Image.fromarray(fine), 32), int)[:, 4:-4] - 127).max() <= 2


@pytest.mark.parametrize(("width", "height", "reason"), [
    (1, 1, "smaller than 32 pixels: 1x1"), (31, 64, "smaller than 32 pixels: 31x64"),
    (1, 4000, "smaller than 32 pixels: 1x4000"), (129, 32, "longer than 4 times its width or height: 129x32"),
])
def test_too_small_and_too_long_pictures_are_refused(width, height, reason):
    with pytest.raises(Unfit, match=reason):
        square(Image.new("RGB", (width, height)), 16)


def test_the_smallest_and_the_longest_picture_are_taken():
    assert square(Image.new("RGB", (32, 128)), 8).size == square(Image.new("RGB", (32, 32)), 8).size == (8, 8)


def test_colorness_of_grey_is_zero_and_of_red_is_255():
    assert colorness(Image.new("RGB", (50, 70), (90, 90, 90))) == 0
    assert colorness(Image.new("RGB", (50, 70), tuple(RED))) == 255


def side_by_side(left: Image.Image, right: Image.Image) -> Image.Image:
    pair = Image.new("RGB", (left.width + right.width, left.height))
    pair.paste(left)
    pair.paste(right, (left.width, 0))
    return pair


def test_a_pair_is_colour_and_sketch_in_either_order(drawing):
    sketch = Image.fromarray(toon.draw("decode", 64).line).convert("RGB")
    for pair, expected in ((side_by_side(drawing, sketch), False), (side_by_side(sketch, drawing), True)):
        color, line, swapped = split_pair(pair)
        assert np.array_equal(color, drawing) and np.array_equal(line, sketch) and swapped is expected


def test_of_two_grey_halves_the_left_one_is_the_colour(drawing):
    dark, light = (Image.new("RGB", (64, 64), (v, v, v)) for v in (20, 240))
    for left, right in ((dark, light), (light, dark)):
        color, line, swapped = split_pair(side_by_side(left, right))
        assert np.array_equal(color, left) and np.array_equal(line, right) and not swapped


def test_a_tint_of_less_than_two_grey_levels_does_not_swap_a_pair():
    grey = Image.new("RGB", (64, 64), (200, 200, 200))
    for tint, expected in ((2, False), (3, True)):  # as of JPEG, and as of a coloured right half
        tinted = Image.new("RGB", (64, 64), (200, 200, 200 + tint))
        assert split_pair(side_by_side(grey, tinted))[2] is expected
        assert not split_pair(side_by_side(tinted, grey))[2]


def test_the_middle_column_of_an_odd_pair_belongs_to_neither_half(drawing):
    odd = Image.new("RGB", (129, 64), tuple(LIME))
    odd.paste(drawing)
    odd.paste("white", (65, 0, 129, 64))
    color, line, _ = split_pair(odd)
    assert np.array_equal(color, drawing) and (np.asarray(line) == 255).all()


def test_what_is_not_wider_than_high_is_no_pair():
    with pytest.raises(Unfit, match="a side-by-side pair is wider than high, this is 64x64"):
        split_pair(Image.new("RGB", (64, 64)))

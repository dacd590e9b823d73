"""From bytes to 8-bit RGB and to [-1, 1]: each kind of picture as it is meant, each damaged file with its reason."""

import io
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from lineart.config import InputError
from lineart.data import toon
from lineart.images import Unfit, colorness, decode, split_pair, squares, to_uint8, to_unit

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
    body = zlib.compress(b"".join(b"\0" + row.tobytes() for row in big_endian))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        chunk(*c) for c in ((b"IHDR", header), *chunks, (b"IDAT", body), (b"IEND", b""))
    )


def pixels(data: bytes) -> list:
    image = decode(data)
    assert image.mode == "RGB"
    return np.asarray(image).tolist()


@pytest.fixture(scope="module")
def drawing() -> Image.Image:
    return Image.fromarray(toon.draw("decode", 64).color)


def test_8_bit_survives_the_way_to_floats_and_back():
    values = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_uint8(to_unit(values)), values)
    assert to_unit(values)[0] == -1 and to_unit(values)[-1] == 1


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "WEBP", "AVIF"])
def test_a_colour_picture_comes_back_as_it_was_saved(kind, drawing):
    settings = {"WEBP": {"lossless": True}, "AVIF": {"quality": 100, "subsampling": "4:4:4"}}.get(kind, {})
    near = 8 if kind == "AVIF" else 0  # it has no lossless form in RGB
    assert abs(np.asarray(decode(encoded(drawing, kind, **settings)), int) - np.asarray(drawing)).max() <= near


def test_grey_and_16_bits_become_three_channels_of_8():
    assert pixels(encoded(Image.fromarray(np.uint8([[0, 7, 255]])))) == [[[0] * 3, [7] * 3, [255] * 3]]
    values = np.uint16([[0, 128, 129, 257 * 100, 257 * 100 + 129, 65535]])
    expected = [[[v] * 3 for v in (0, 0, 1, 100, 101, 255)]]  # 128 / 257 is below a half, 129 / 257 above
    assert pixels(png(values, 0)) == expected == pixels(encoded(Image.fromarray(values), "TIFF"))
    assert pixels(b"P5 6 1 65535\n" + values.astype(">u2").tobytes()) == expected
    assert pixels(png(np.uint16([[[65535, 0, 257 * 9]]]), 2)) == [[[255, 0, 9]]]


def test_transparent_parts_are_white_in_every_way_to_be_transparent():
    half = np.uint8([[[255, 0, 0, 255], [255, 0, 0, 0], [0, 0, 0, 51]]])
    assert pixels(png(half, 6)) == [[RED, WHITE, [204] * 3]]  # 255 (1 - 51/255)
    assert pixels(png(np.uint8([[[9, 255], [9, 0]]]), 4)) == [[[9] * 3, WHITE]]
    assert pixels(png(np.uint8([[RED, BLUE]]), 2, (b"tRNS", struct.pack(">3H", *RED)))) == [[WHITE, BLUE]]
    assert pixels(png(np.uint8([[0, 1]]), 3, (b"PLTE", bytes(RED + BLUE)), (b"tRNS", b"\0\xff"))) == [[WHITE, BLUE]]
    assert pixels(png(np.uint16([[0, 1, 514]]), 0, (b"tRNS", struct.pack(">H", 0)))) == [[WHITE, [0] * 3, [2] * 3]]


@pytest.mark.parametrize(("kind", "near", "settings"), [("TIFF", 0, {}), ("JPEG", 2, {"quality": 100})])
def test_cmyk_ink_becomes_its_colour(kind, near, settings):
    ink = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # magenta and yellow: red
    ink.paste((0, 0, 0, 0), (8, 0, 16, 16))
    result = np.asarray(decode(encoded(ink, kind, **settings)), int)
    assert abs(result[:, :8] - RED).max() <= near and abs(result[:, 8:] - WHITE).max() <= near


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame(kind):
    frames = [Image.new("RGB", (4, 4), tuple(color)) for color in (RED, LIME, BLUE)]
    data = encoded(
        frames[0], kind, save_all=True, append_images=frames[1:], **({"lossless": True} if kind == "WEBP" else {})
    )
    assert pixels(data) == [[RED] * 4] * 4


def test_a_photograph_stands_upright_as_its_exif_says():
    stored = np.zeros((16, 24, 3), np.uint8)
    stored[:8, :8], stored[8:, 16:] = RED, BLUE
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera lay on its left side
    assert np.array_equal(decode(encoded(Image.fromarray(stored), exif=exif)), np.rot90(stored, -1))


@pytest.mark.parametrize(
    "exif", [b"", b"nothing of the kind", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\0\0" + b"x" * 65_000]
)
def test_damaged_exif_and_what_follows_the_picture_cost_no_picture(exif, drawing):
    data = encoded(drawing, "JPEG")
    body = b"Exif\0\0" + exif
    marked = data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:] + b"more" * 1000
    assert pixels(marked) == pixels(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "PPM"])
def test_a_file_cut_anywhere_is_refused_or_was_whole_already(kind, drawing):
    data = encoded(drawing, kind)
    whole, refused = pixels(data), 0
    for length in [*range(1, len(data), max(1, len(data) // 40)), *range(len(data) - 12, len(data))]:
        try:
            assert pixels(data[:length]) == whole
        except Unfit:
            refused += 1
    assert refused >= 38


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not a picture"),
        (b"not a picture at all", "not a picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture"),
        (encoded(Image.new("F", (9, 9)), "TIFF"), "32 bits"),
        (encoded(Image.new("I", (9, 9)), "TIFF"), "32 bits"),
        (encoded(Image.new("RGB", (9, 9)))[:44], "unreadable"),
        (png(np.zeros((1, 1, 3), np.uint8), 2, (b"zTXt", b"a\0\0" + zlib.compress(b"x" * 2**24))), "unreadable"),
    ],
    ids=["empty", "text", "svg", "eps", "float", "int", "cut", "text-bomb"],
)
def test_the_reason_is_named_for_what_a_user_can_mend(data, reason):
    with pytest.raises(InputError, match=reason):
        decode(data)


@pytest.mark.parametrize("side", [20_000, 8_001])  # beyond Pillow's own limit, and just beyond ours
def test_a_bomb_is_refused_before_it_is_unpacked(side, monkeypatch):
    data = encoded(Image.new("1", (side, side)))
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda *_: pytest.fail("unpacked"))
    with pytest.raises(Unfit, match="64 million|exceeds limit"):
        decode(data)


def test_the_square_is_the_middle_of_the_picture_untouched_at_its_own_size_and_averaged_at_another():
    image = np.full((40, 100, 3), 255, np.uint8)
    image[:, 30:70] = RED
    for array in (image, image.swapaxes(0, 1)):
        [middle] = squares(Image.fromarray(array), 40)
        assert (np.asarray(middle) == RED).all()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    assert np.array_equal(squares(Image.fromarray(noise), 64)[0], noise)
    fine = np.zeros((64, 64, 3), np.uint8)
    fine[:, ::2] = 254
    assert abs(np.asarray(squares(Image.fromarray(fine), 32)[0], int)[:, 4:-4] - 127).max() <= 2


@pytest.mark.parametrize(("long", "n"), [(128, 1), (129, 5), (160, 6), (175, 6)])
def test_a_strip_is_cut_into_squares_that_overlap_and_reach_both_ends(long, n):
    ramp = np.zeros((32, long, 3), np.uint8)
    ramp[..., 0], ramp[..., 1] = np.arange(long), 9
    for array in (ramp, ramp.swapaxes(0, 1)):
        pieces = [np.asarray(piece)[..., 0] for piece in squares(Image.fromarray(array), 32)]
        assert len(pieces) == n
        if n > 1:
            starts = [int(piece.min()) for piece in pieces]
            assert starts[0] == 0 and starts[-1] == long - 32
            assert all(0 < b - a < 32 for a, b in zip(starts, starts[1:], strict=False))


@pytest.mark.parametrize(("width", "height"), [(1, 1), (31, 64), (1, 4000), (3201, 32)])
def test_too_small_and_too_long_pictures_are_refused(width, height):
    with pytest.raises(Unfit, match=f"{width}x{height}"):
        squares(Image.new("RGB", (width, height)), 16)


def test_colorness_of_grey_is_zero_and_of_red_is_255():
    assert colorness(Image.new("RGB", (50, 70), (90, 90, 90))) == 0
    assert colorness(Image.new("RGB", (50, 70), tuple(RED))) == 255


def together(first: Image.Image, second: Image.Image, stacked: bool) -> Image.Image:
    return Image.fromarray(np.concatenate([first, second], axis=0 if stacked else 1))


@pytest.mark.parametrize("stacked", [False, True], ids=["side by side", "on top of each other"])
def test_a_pair_is_colour_and_sketch_in_either_order(stacked, drawing):
    sketch = Image.fromarray(toon.draw("decode", 64).line).convert("RGB")
    for first, second, expected in ((drawing, sketch, False), (sketch, drawing, True)):
        color, line, swapped = split_pair(together(first, second, stacked))
        assert np.array_equal(color, drawing) and np.array_equal(line, sketch) and swapped is expected


def test_halves_as_colourful_count_as_colour_first():
    grey = Image.new("RGB", (64, 64), (200, 200, 200))
    for tint, expected in ((0, False), (2, False), (3, True)):  # as of JPEG, and as of a coloured right half
        tinted = Image.new("RGB", (64, 64), (200, 200, 200 + tint))
        assert split_pair(together(grey, tinted, False))[2] is expected
        assert not split_pair(together(tinted, grey, False))[2]


def test_the_middle_of_an_odd_pair_belongs_to_neither_half_and_a_square_is_no_pair(drawing):
    odd = Image.new("RGB", (129, 64), tuple(LIME))
    odd.paste(drawing)
    odd.paste("white", (65, 0, 129, 64))
    color, line, _ = split_pair(odd)
    assert np.array_equal(color, drawing) and (np.asarray(line) == 255).all()
    with pytest.raises(Unfit, match="64x64"):
        split_pair(Image.new("RGB", (64, 64)))

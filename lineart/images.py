"""The one border of the system: picture files and 8-bit arrays outside, tensors in [-1, 1] inside."""

import io
import warnings
from pathlib import Path
from typing import IO

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import nn

from lineart.config import InputError

FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "PPM")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".avif", ".gif", ".bmp", ".tif", ".tiff", ".ppm")
MAX_PIXELS = 64_000_000  # a larger one is a decompression bomb, or at least no drawing
MIN_SIDE = 32  # pixels of the shorter side: below it there is nothing to learn from
STRIP = 4  # a picture whose longer side is more than so many times the shorter is cut into squares
MAX_RATIO = 100  # and beyond this it is no picture
GREY = 2.0  # grey levels of `colorness`: below it a picture counts as grey, and two halves as equally colourful


class Unfit(InputError):
    """A file that is no usable picture; the text is the reason."""


def decode(data: bytes) -> Image.Image:
    """Mode RGB, upright, from the first frame of a file's bytes.

    Turned as its EXIF says, transparent parts on white, 16 bits reduced to 8, CMYK converted, grey as three equal
    channels. Raises `Unfit` as `load` does.
    """
    try:
        return rgb(load(io.BytesIO(data)))
    except Unfit:
        raise
    except Exception as error:  # of an odd file, or where memory ends
        raise Unfit(f"unreadable: {error}") from error


def load(file: str | Path | IO[bytes]) -> Image.Image:
    """The first frame of a picture file, in a mode that `rgb` takes.

    Raises `Unfit` for anything damaged, for pictures of more than 64 million pixels, and for pixels of 32 bits.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow only warns where `MAX_PIXELS` refuses
            image = Image.open(file, formats=FORMATS)
        if image.width * image.height > MAX_PIXELS:
            raise Unfit(f"more than {MAX_PIXELS // 10**6} million pixels: {image.width}x{image.height}")
        image.load()
        if image.format == "PPM" and image.mode == "I":  # 16 bits of grey
            image = image.convert("I;16")
        rgb(image.crop((0, 0, 1, 1)))  # or its mode is none that is known
        return image
    except UnidentifiedImageError:
        reason = f"not a picture of a format that is read ({', '.join(FORMATS)})"
    except Exception as error:  # decoders of damaged files raise whatever they like
        reason = str(error) if isinstance(error, Unfit) else f"unreadable: {error}"
    raise Unfit(reason)


def rgb(image: Image.Image) -> Image.Image:
    """Mode RGB, upright, from a picture of any mode: as `decode`, for what Pillow has opened already.

    Raises `Unfit` for pixels of 32 bits.
    """
    image = upright(image)
    if image.mode.startswith("I;16"):
        image = eight_bits(image)
    if image.mode in ("I", "F"):
        raise Unfit(f"pixels of 32 bits (mode {image.mode}), whose range is not known")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


def upright(image: Image.Image) -> Image.Image:
    """Turned as its EXIF says, unless that is damaged."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # of damaged EXIF Pillow raises whatever it likes
        return image


def eight_bits(image: Image.Image, white: int = 65535) -> Image.Image:
    """Of 16-bit grey; the one value that a PNG may name as transparent becomes white here, where it is still exact."""
    values = np.asarray(image, np.float32)
    grey = np.where(values == image.info.get("transparency"), 255, values / white * 255)
    return Image.fromarray(grey.round().astype(np.uint8))


def squares(image: Image.Image, size: int) -> list[Image.Image]:
    """The central square of a picture, resized once (Lanczos); of a strip longer than 4:1, squares that overlap.

    Those go from its start to its end. Raises `Unfit` where the shorter side is below 32 pixels or the longer more
    than a hundred times the shorter.
    """
    short, long = sorted(image.size)
    if short < MIN_SIDE:
        raise Unfit(f"smaller than {MIN_SIDE} pixels: {image.width}x{image.height}")
    if long > MAX_RATIO * short:
        raise Unfit(f"longer than {MAX_RATIO} times its width or height: {image.width}x{image.height}")
    n = 1 if long <= STRIP * short else long // short + 1  # one more than fit side by side, so that they overlap
    pieces = []
    for i in range(n):
        start = (long - short) // 2 if n == 1 else i * (long - short) // (n - 1)
        left, top = (start, 0) if image.width > image.height else (0, start)
        box = (left, top, left + short, top + short)
        pieces.append(image.resize((size, size), Image.Resampling.LANCZOS, box=box))
    return pieces


def split_pair(image: Image.Image) -> tuple[Image.Image, Image.Image, bool]:
    """The halves of a picture that holds both: colour, sketch, and whether the sketch was the left or upper one.

    A picture wider than high has them side by side, one higher than wide on top of each other. The sketch is the half
    with less colour: its channels differ less from each other. Halves that differ by less than two grey levels in that
    decide nothing, and count as colour left, as in the paper's set, or on top. Raises `Unfit` for a square picture.
    """
    width, height = image.size
    if width == height:
        raise Unfit(f"a pair is wider than high or higher than wide, this is {width}x{height}")
    half = (width // 2, height) if width > height else (width, height // 2)
    first = image.crop((0, 0, *half))
    second = image.crop((width - half[0], height - half[1], width, height))
    swapped = colorness(first) + GREY < colorness(second)
    return (second, first, True) if swapped else (first, second, False)


def colorness(image: Image.Image) -> float:
    """Mean difference, 0 to 255, between the largest and the smallest channel of a pixel; 0 for a grey picture."""
    small = np.asarray(image.reduce(max(1, min(image.size) // 64)), np.int16)
    return float(np.ptp(small, axis=2).mean())


def to_unit(image: torch.Tensor) -> torch.Tensor:
    """uint8 0..255 -> float [-1, 1]."""
    return image.float() / 127.5 - 1


def to_uint8(image: torch.Tensor) -> torch.Tensor:
    """float [-1, 1] -> uint8 0..255, rounded to nearest."""
    return ((image.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def to_batch(line: torch.Tensor, color: torch.Tensor, palette: torch.Tensor) -> dict[str, torch.Tensor]:
    """line (N, H, W) and color (N, H, W, 3) uint8, palette (N, k, 3) 0..255 -> floats in [-1, 1].

    `line` (N, 3, H, W), the same plane three times as the paper's 3-channel line drawing, `color` (N, 3, H, W),
    `palette` (N, k, 3).
    """
    return {
        "line": to_unit(line)[:, None].expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last),
        "color": to_unit(color).permute(0, 3, 1, 2),  # already channels-last in memory
        "palette": to_unit(palette),
    }


def as_images(color: np.ndarray) -> torch.Tensor:
    """(n, H, W, 3) uint8 -> (n, 3, H, W)."""
    return torch.tensor(color).permute(0, 3, 1, 2).contiguous()  # a copy: Pillow's arrays are read-only


@torch.no_grad()
def paint(
    generator: nn.Module,
    line: np.ndarray,
    reference: np.ndarray,
    palette: np.ndarray,
    batch_size: int = 32,
    noise: torch.Generator | None = None,
) -> torch.Tensor:
    """The one inference loop: drawings in the colours of their references, (n, 3, H, W) uint8 on the CPU.

    line (n, H, W) and reference (n, H, W, 3) uint8, palette (n, k, 3) 0..255. noise: random numbers for the generator's
    noise, on its device; None: no noise.
    """
    device = next(generator.parameters()).device
    results = []
    for start in range(0, len(line), batch_size):
        some = slice(start, start + batch_size)
        arrays = (np.array(array[some]) for array in (line, reference, palette))  # a copy: they may be read-only
        batch = to_batch(*(torch.from_numpy(array).to(device) for array in arrays))
        results.append(to_uint8(generator(batch["line"], batch["palette"], batch["color"], noise)).cpu())
    return torch.cat(results)

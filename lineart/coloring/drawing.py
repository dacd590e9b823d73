"""From whatever a person has, a scan, a photograph of paper, a layer of lines, to dark lines on white paper.

And from there to the size that the network sees, and back: thin lines stay dark, a strip goes through in squares.
"""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageCms, ImageFilter, ImageOps

from lineart.config import InputError
from lineart.images import MAX_RATIO, eight_bits, rgb, upright

INK = 128  # a pixel of a clean drawing below it is ink
WHITE = 250  # and from here on paper
REFUSED = "a drawing is lines on paper, and {:.1%} of this picture is {}; {}"
AS_IS = "--as-is takes it as it is"
DRAW_FIRST = f"--extract-lines draws the lines of a coloured picture first, {AS_IS}"


@dataclass(frozen=True)
class Drawing:
    """Dark lines on white, as large as the original: `full` (H, W) uint8.

    alpha (H, W) uint8 where the original is partly transparent, else None. note: what was done, in one line; "" where
    nothing was.
    """

    full: np.ndarray
    alpha: np.ndarray | None = None
    note: str = ""


def clean(image: Image.Image, as_is: bool = False) -> Drawing:
    """The drawing of a picture of any mode: upright, its lines dark and its paper white.

    White lines on black are turned over; grey, tinted or shaded paper becomes white and the lines black; 16 bits are
    scaled by those in use; a coloured line counts by its darkest channel, so that yellow is ink. A clean drawing stays
    as it is, to the byte. Transparency is kept, but not of a layer of lines, whose paper would stay empty.
    as_is: only upright and in 8 bits, whatever it shows.
    Raises InputError for a picture without lines or of nothing but ink, and for a coloured picture or a photograph.
    """
    if max(image.size) > MAX_RATIO * min(image.size):
        raise InputError(
            f"a drawing must be at most {MAX_RATIO} times as long as wide, got {image.width}x{image.height}"
        )
    image, notes = _eight_bits(upright(image))
    picture, alpha = _on_paper(to_srgb(image))
    if as_is:
        return Drawing(np.asarray(picture.convert("L")), alpha)
    if (share := _colored(picture)) > 0.3:
        raise InputError(REFUSED.format(share, "in colour", DRAW_FIRST))
    grey = np.asarray(picture).min(2)
    if _inverted(grey):
        grey = 255 - np.asarray(picture).max(2)
        notes.append("white lines on black turned over")
    if not _is_clean(grey):
        grey, note = _whiten(grey)
        notes.append(note)
    if not 1e-4 < (share := (grey < INK).mean()) < 0.6:
        raise InputError(REFUSED.format(share, "ink", AS_IS))
    return Drawing(grey, alpha, "; ".join(notes))


def to_srgb(image: Image.Image) -> Image.Image:
    """The picture in the colours of sRGB, where a profile lies inside that says something else."""
    if not (profile := image.info.get("icc_profile")):
        return image
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(profile).lower():
            return image
        alpha = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
        plain = image if image.mode in ("L", "CMYK") else image.convert("RGB")
        image = ImageCms.profileToProfile(plain, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (OSError, ImageCms.PyCMSError):  # a damaged profile, or one of another colour space than the picture
        return image
    if alpha is not None:
        image.putalpha(alpha)
    return image


def _eight_bits(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """16-bit grey by the bits that are in use: a scan of 12 has its white at 4095."""
    if not image.mode.startswith("I;16"):
        return image, []
    bits = max(8, int(np.asarray(image).max()).bit_length())
    return eight_bits(image, 2**bits - 1), [f"{bits} bits in a 16-bit file scaled up"] * (bits < 16)


def _on_paper(image: Image.Image) -> tuple[Image.Image, np.ndarray | None]:
    """RGB on white, and the transparency, unless it is the paper itself that is transparent, as in a layer of lines.

    White lines without a ground would be lost on white; they are put on black.
    """
    picture = rgb(image)
    if not image.has_transparency_data:
        return picture, None
    layer = image.convert("RGBA")
    alpha, values = np.asarray(layer.getchannel("A")), np.asarray(layer)[..., :3]  # faint black is no white
    if alpha.any() and values[alpha > 0].min() >= WHITE - 50:
        return Image.alpha_composite(Image.new("RGBA", image.size, "black"), layer).convert("RGB"), None
    opaque, darkest = alpha >= alpha.max() / 2, values.min(2)
    inside = Image.fromarray((opaque & (darkest >= INK)).astype(np.uint8)).filter(ImageFilter.MinFilter(5))  # no rims
    drawn_on = np.ptp(np.percentile(darkest[opaque], (1, 99))) > 40  # and not the lines alone, of one grey
    return picture, alpha if drawn_on and np.asarray(inside).mean() > 0.01 and alpha.min() < 255 else None


def _colored(picture: Image.Image) -> float:
    """Share of the area, not of the lines, in another colour than the paper's, 0 to 1."""
    small = np.asarray(_thumbnail(picture), np.float32)
    balanced = (small / np.median(small, axis=(0, 1)).clip(1)).clip(0, 1)
    brightest = balanced.max(2)
    return float(((brightest > 0.2) & (balanced.min(2) < 0.75 * brightest)).mean())


def _inverted(grey: np.ndarray) -> bool:
    """White lines on black: most of it is dark, and so is its edge."""
    low, high = np.percentile(grey, (1, 99))
    light = grey > max((low + high) / 2, 1)
    edge = np.concatenate([light[0], light[-1], light[:, 0], light[:, -1]])
    return np.median(grey) < INK and light.mean() < 0.4 and edge.mean() < 0.3 and high > low + 40


def _is_clean(grey: np.ndarray) -> bool:
    """Paper that is white and ink that is black already."""
    light, ink = grey[grey >= INK], grey[grey < INK]
    return light.size > 0 and (light >= WHITE).mean() > 0.75 and ink.size > 0 and np.percentile(ink, 20) < 32


def _whiten(grey: np.ndarray) -> tuple[np.ndarray, str]:
    """Divided by the paper around, then stretched: paper with its noise to 255, the darkest fifth of the ink to 0."""
    paper, tones = _paper(grey)
    if tones > 0.15:
        raise InputError(REFUSED.format(tones, "neither", DRAW_FIRST))
    level = grey / np.asarray(Image.fromarray(paper).resize(grey.shape[::-1], Image.Resampling.BICUBIC)).clip(1)
    middle = np.median(level)  # about 1, which is paper
    noise = 1.4826 * np.median(np.abs(level - middle))
    white = max(0.6, middle - 3 * noise)
    ink = level[level < white - 0.05]
    black = min(float(np.percentile(ink, 20)) + 3 * noise, white - 0.1) if ink.size else 0.0
    clean = ((level - black) / (white - black)).clip(0, 1) * 255
    return clean.round().astype(np.uint8), f"paper of grey {paper.min():.0f} to {paper.max():.0f} made white"


def _paper(grey: np.ndarray) -> tuple[np.ndarray, float]:
    """How bright the paper is, (h, w) float32 of at most 128 px; and the share that is neither paper nor black.

    The lighter pixels around a place are paper, unless they are much darker than a curved surface of the second degree,
    which is laid through the lighter half and then through what lies near it: then they are large blacks.
    """
    small = _thumbnail(Image.fromarray(grey))
    side = max(3, min(9, min(small.size) // 2 * 2 - 1))
    lighter = np.asarray(small.filter(ImageFilter.RankFilter(side, int(0.8 * side**2))), np.float32)
    y, x = np.mgrid[-1 : 1 : lighter.shape[0] * 1j, -1 : 1 : lighter.shape[1] * 1j]
    terms = np.stack([x**0, x, y, x * y, x**2, y**2], axis=-1)
    near = lighter >= np.median(lighter)
    for _ in range(8):
        surface = (terms @ np.linalg.lstsq(terms[near], lighter[near])[0]).clip(1)
        near = lighter >= min(0.85, np.quantile(lighter / surface, 0.9)) * surface
    paper = np.where(lighter < 0.7 * surface, surface, lighter).astype(np.float32)
    return paper, float(((lighter > 0.4 * surface) & (lighter < 0.85 * surface)).mean())


def _thumbnail(image: Image.Image) -> Image.Image:
    """Averaged down to at most 128 pixels a side."""
    return image.reduce(max(1, -(-max(image.size) // 128)))


# --- to the network's size and back ---


def shrink(full: np.ndarray, size: int) -> np.ndarray:
    """A drawing (H, W) uint8 -> (h, w) uint8, its longer side `size`, in which thin lines stay dark.

    A line thinner than a pixel of the small picture fades in an antialiased resize. So its darkness is multiplied until
    the darkest place of a neighbourhood has three quarters of the darkness there in the large one: at most by the
    reduction, which brings back a line and not a speck, and less where many lines would close over the paper between.
    """
    height, width = (max(1, round(side * size / max(full.shape))) for side in full.shape)
    small = Image.fromarray(full).resize((width, height), Image.Resampling.LANCZOS)
    if (reduction := max(full.shape) / size) <= 1:
        return np.asarray(small)
    ink = ImageOps.invert(small)
    rows, columns = (np.arange(n) * side // n for n, side in zip((height, width), full.shape))
    darkest = Image.fromarray(255 - np.minimum.reduceat(np.minimum.reduceat(full, rows, axis=0), columns, axis=1))
    wanted, there = (np.asarray(x.filter(ImageFilter.MaxFilter(3)), np.float32).clip(1) for x in (darkest, ink))
    around = np.asarray(ink.filter(ImageFilter.BoxBlur(2)), np.float32).clip(1)
    gain = np.minimum(0.75 * wanted / there, 0.4 * wanted / around).clip(1, reduction)
    return (255 - np.asarray(ink) * gain).clip(0, 255).round().astype(np.uint8)


def squares(height: int, width: int) -> list[tuple[slice, slice]]:
    """Rows and columns of the parts to be coloured one by one: all of it, or the overlapping squares of a strip.

    A strip is more than twice as long as wide; its squares overlap by at least a quarter.
    """
    side, length = sorted((height, width))
    if length <= 2 * side:
        return [(slice(0, height), slice(0, width))]
    starts = np.linspace(0, length - side, 1 + int(np.ceil((length - side) / (0.75 * side)))).round().astype(int)
    along, across = [slice(start, start + side) for start in starts], slice(0, side)
    return [(part, across) if height > width else (across, part) for part in along]


def join(parts: list[np.ndarray], places: list[tuple[slice, slice]]) -> np.ndarray:
    """The coloured squares (h, w, 3) as one picture (H, W, 3) uint8; each counts most in its middle."""
    if len(parts) == 1:
        return parts[0]
    height, width = (max(place[axis].stop for place in places) for axis in (0, 1))
    total, weights = np.zeros((height, width, 3), np.float32), np.zeros((height, width, 1), np.float32)
    for part, place in zip(parts, places):
        h, w = part.shape[:2]
        ramp = 1 - np.abs((np.arange(h) + 0.5) / h * 2 - 1)
        weight = ramp[:, None, None] if height > width else ramp[:w, None]
        total[place] += weight * part
        weights[place] += weight
    return (total / weights).round().astype(np.uint8)


def padded(small: np.ndarray, size: int) -> tuple[np.ndarray, tuple[slice, slice]]:
    """The drawing in a white square of `size`, and the place that it takes there."""
    height, width = small.shape
    top, left = (size - height) // 2, (size - width) // 2
    square, box = np.full((size, size), 255, np.uint8), np.s_[top : top + height, left : left + width]
    square[box] = small
    return square, box


def enlarge(picture: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(h, w, 3) -> (H, W, 3)."""
    if picture.shape[:2] == shape:
        return picture
    return np.asarray(Image.fromarray(picture).resize(shape[::-1], Image.Resampling.LANCZOS))

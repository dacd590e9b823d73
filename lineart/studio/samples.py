"""The drawings and references that the page offers: twelve characters of `toon`, in colours chosen by hand."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageColor

from lineart.data import toon
from lineart.data.palette import extract_palette
from lineart.files import whole

LINE_SIZE, COLOR_SIZE = 512, 256  # pixels a side
ARTISTS = {
    "adventurer": ("Lisa Wischofsky", "CC BY 4.0"),
    "micah": ("Micah Lanier", "CC BY 4.0"),
    "open-peeps": ("Pablo Stanley", "CC0 1.0"),
    "notionists": ("Zoish", "CC0 1.0"),
}
# Drawing of the test set: what is seen, and the colours of background, skin, hair, clothes, eyes and accessories
CHARACTERS = {
    4: ("Laughing, with a long fringe", "#f2d8a7 #e8a583 #3f7fb5 #b05f9e #4a9a6a #c8433f"),
    13: ("Curly hair and half-closed eyes", "#8ec9c0 #c98a5e #d2562f #5a5fa8 #3f8f57 #f0d23c"),
    19: ("Long wavy hair", "#b9dcd0 #f0c29c #6a4c93 #2f8f83 #4f9a3f #d9475a"),
    15: ("Glasses and a turban", "#5d7fa3 #e8a87c #e7b93e #a83f5b #3f8f4f #8fd0d6"),
    12: ("A cap and a patterned sweater", "#e9c9d8 #9a6240 #3f7d4f #e0803a #4f7fc0 #d63a5c"),
    25: ("A ponytail and red lips", "#a9cfe8 #b9764a #8a3f7d #d8b04a #3fa06a #e0405f"),
    6: ("A wreath of flowers", "#6f5f9e #eab48e #57a66a #d86a86 #3f8fc0 #f6f0b8"),
    31: ("Short hair and round glasses", "#f0dca8 #d8a07a #b8433f #3f6f9e #5f9e4a #86c5b8"),
    2: ("A bun and an angry look", "#c6e6b0 #f2bf95 #c0603a #5a8fb0 #6a4fa0 #e0a030"),
    35: ("A quiff and a smile", "#b9a7d6 #e9b07f #4f8a5a #e3d94f #3f7fb0 #c94f6f"),
    8: ("Wild hair", "#f3b990 #8a5636 #4a8fa8 #b94f7a #6fae4f #f7f0b0"),
    16: ("A turban and closed eyes", "#9ed0a8 #c58a66 #4f5fa8 #f0b43a #b0485a #f0d0c0"),
}


def slot_colors(colors: str) -> np.ndarray:
    """(6, 3) uint8 from six words such as #3f7fb5, in the order of `toon.SLOTS`."""
    return np.array([ImageColor.getrgb(word) for word in colors.split()], np.uint8)


def draw_samples(out: Path) -> list[dict]:
    """Line and colour picture of each character in `out`; returns the manifest's entries, palettes included."""
    out.mkdir(parents=True, exist_ok=True)
    entries = []
    for number, (index, (seen, colors)) in enumerate(CHARACTERS.items(), start=1):
        seed, slots = toon.seed_of("test", index), slot_colors(colors)
        line, drawn = toon.draw(seed, LINE_SIZE), toon.draw(seed, COLOR_SIZE, slots)
        names = {"line": f"{number:02d}-line.png", "color": f"{number:02d}-color.png"}
        for key, pixels in (("line", line.line), ("color", drawn.color)):
            with whole(out / names[key]) as temporary:
                Image.fromarray(pixels).save(temporary, "png", optimize=True)
        artist, licence = ARTISTS[drawn.style]
        palette = [[round(float(value), 2) for value in color] for color in extract_palette(drawn.color)]
        files = {key: f"{out.name}/{name}" for key, name in names.items()}
        entries.append({"name": seen, "artist": artist, "licence": licence, "palette": palette} | files)
    return entries

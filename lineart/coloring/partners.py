"""References for training where no two drawings share their colours: the network that is there makes them itself.

The truth stays the artist's picture, and so does its drawing; only the reference is a network's work. It is another
drawing of the set, coloured like the truth and finished in its palette, and teaches what a bent truth cannot: to take
colours from a picture in which nothing has the same shape. For a training of one's own:

    generator, config = load_generator("runs/train/first/last.safetensors")
    np.save("partners.npy", make_partners(generator, load(config)))
    # lineart train ... --start-from runs/train/first/last.safetensors --partners partners.npy
"""

import numpy as np
from skimage.color import rgb2lab

from lineart.coloring import flats
from lineart.coloring.regions import regions
from lineart.data.references import derangement
from lineart.data.sets import Pairs
from lineart.images import paint
from lineart.networks import Generator

CHOICE = 3  # drawings that are coloured for each picture, of which one is kept


def make_partners(generator: Generator, pairs: Pairs, some: slice = slice(None), seed: int = 0) -> np.ndarray:
    """(n, H, W, 3) uint8: for each of `some` pairs another drawing of the set in the colours of its picture.

    Of three other drawings, drawn by lot from the seed and coloured by the generator with finish "exact", the one that
    misses the picture's colours least: whose regions come nearest to the colours of the picture's regions, small ones
    counting like large ones. An eye has no partner in a drawing without eyes.
    """
    line, color, palette = pairs.line[some], pairs.color[some], pairs.palette[some]
    wanted = [_colors(*pair) for pair in zip(line, color)]
    best, least = np.empty(color.shape, np.uint8), np.full(len(line), np.inf)
    for i in range(CHOICE):
        other = pairs.line[derangement(len(pairs), seed * CHOICE + i)[some]]
        painted = paint(generator, other, color, palette).permute(0, 2, 3, 1).numpy()
        for j, picture in enumerate(zip(other, painted, palette)):
            partner = flats.finish(*picture, "exact")
            missed = np.linalg.norm(wanted[j][:, None] - _colors(other[j], partner), axis=-1).min(axis=1).mean()
            if missed < least[j]:
                best[j], least[j] = partner, missed
    return best


def _colors(line: np.ndarray, color: np.ndarray) -> np.ndarray:
    """(r, 3): the colours of a picture's regions, in CIELAB."""
    return flats.joined(*regions(line, min(line.shape) / 20), rgb2lab(color))[1]

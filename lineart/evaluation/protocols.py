"""Protocols P1 to P4: which reference and palette stand beside each drawing, and whether the right answer is known.

P1, self-reference (the paper's): the truth itself. It lets a network copy by position, and its palette is the answer's.
P2, warped self-reference: the truth bent, turned and flipped, one seed a picture, and the palette of that.
P3, random reference: another picture of the set, by three seeded lists without fixed points. The answer is not known.
P4, true transfer (`toon`): another drawing in the same colours, by a seeded list of references that show every slot of
which the drawing has more than a few pixels. So those colours can be seen in the reference, and the answer is known.
"""

from dataclasses import dataclass

import numpy as np
import torch

from lineart.config import InputError
from lineart.data import references, toon
from lineart.data.augment import random_warp
from lineart.data.palette import extract_palette
from lineart.data.sets import Pairs
from lineart.images import as_images, to_uint8, to_unit

DERANGEMENTS = (0, 1, 2)  # seeds of P3's three lists
SHOWING = 0  # and of P4's


@dataclass(frozen=True)
class Trial:
    """What the drawings of a test set are coloured from, once.

    color (n, H, W, 3) uint8, the references; palette (n, k, 3) 0..255, theirs; seed of the list, or with the row that
    of each warp, "" where nothing is drawn by lot; mask (n, H, W): the slots of the references, for P1 and P4.
    """

    color: np.ndarray
    palette: np.ndarray
    seed: str = ""
    mask: np.ndarray | None = None


def trials(protocol: str, pairs: Pairs, data: str) -> list[Trial]:
    """The trials of a protocol on a test set: three of P3, one of the others.

    data: name of the set, for the committed lists. Raises InputError for an unknown protocol, and for P4 on a set whose
    slots are not known.
    """
    if protocol == "P1":
        return [Trial(pairs.color, pairs.palette, mask=pairs.mask)]
    if protocol == "P2":
        return [warped_references(pairs)]
    if protocol == "P3":
        return [random_reference(pairs, data, seed) for seed in DERANGEMENTS]
    if protocol == "P4":
        return [same_colors(pairs, data)]
    raise InputError(f"protocol must be P1, P2, P3 or P4, got {protocol!r}")


def warped_references(pairs: Pairs, seed: int = 0) -> Trial:
    """Each picture warped with a seed of its own, which does not depend on how many there are."""
    warped = []
    with torch.random.fork_rng(devices=[]):
        for i, picture in enumerate(as_images(pairs.color)):
            torch.manual_seed(int(np.random.SeedSequence([seed, i]).generate_state(1, np.uint64)[0]))
            warped.append(to_uint8(random_warp(to_unit(picture[None])))[0].permute(1, 2, 0).numpy())
    return _trial(warped, pairs, seed)


def random_reference(pairs: Pairs, data: str, seed: int) -> Trial:
    """Another picture of the set, by the list of `seed`."""
    index = references.random_references(data, len(pairs), seed)
    return Trial(pairs.color[index], pairs.palette[index], str(seed))


def same_colors(pairs: Pairs, data: str = "toon") -> Trial:
    """Another character of the set, by the committed list, drawn in the colours of the drawing."""
    if pairs.slots is None:
        raise InputError(f"P4 needs drawings whose slots are known (toon), {data} has none")
    size = pairs.line.shape[1]
    other = None
    if pairs.name[0].startswith("test-"):  # the lists are of test drawings; others show other slots
        other = references.read_list(references.list_path(data, len(pairs), SHOWING, f"{size}px-showing"))
    if other is None:
        other = references.showing_references(references.region_shown(pairs.mask), SHOWING)
    drawings = [toon.draw(pairs.name[j], size, slots=slots) for j, slots in zip(other, pairs.slots)]
    return _trial([drawing.color for drawing in drawings], pairs, SHOWING, np.stack([d.mask for d in drawings]))


def _trial(color: list[np.ndarray], pairs: Pairs, seed: int, mask: np.ndarray | None = None) -> Trial:
    k = pairs.palette.shape[1]
    return Trial(np.stack(color), np.stack([extract_palette(picture, k) for picture in color]), str(seed), mask=mask)

"""Protocols P1 to P4: which reference and palette stand beside each drawing, and whether the right answer is known.

P1, self-reference (the paper's): the truth itself. It lets a network copy by position, and its palette is the answer's.
P2, warped self-reference: the truth bent, turned and flipped, one seed a picture, and the palette of that.
P3, random reference: another picture of the set, by three seeded lists without fixed points. The answer is not known.
P4, true transfer (`toon`): another drawing in the same colours, by a seeded list of references that show every slot of
which the drawing has more than a few pixels. So those colours can be seen in the reference, and the answer is known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from lineart.config import InputError
from lineart.data import toon
from lineart.data.augment import random_warp
from lineart.data.palette import extract_palette
from lineart.data.references import list_path, random_references, read_list, region_shown, showing_references
from lineart.data.sets import Pairs
from lineart.images import to_uint8, to_unit

PROTOCOLS = ("P1", "P2", "P3", "P4")
DERANGEMENTS = (0, 1, 2)  # seeds of P3's three lists


@dataclass(frozen=True)
class Trial:
    """What the drawings of a test set are coloured from, once.

    color (n, H, W, 3) uint8, the references; palette (n, k, 3) 0..255, theirs; seed of the list, or
    with the row that of each warp, "" where nothing is drawn by lot; index (n,): which picture of the set each
    reference is, None where it is none;
    mask (n, H, W): the slots of the references, where they are known.
    """

    color: np.ndarray
    palette: np.ndarray
    seed: str = ""
    index: np.ndarray | None = None
    mask: np.ndarray | None = None


def trials(protocol: str, pairs: Pairs, data: str) -> list[Trial]:
    """The trials of a protocol on a test set: three of P3, one of the others.

    data: name of the set, for the committed lists. Raises InputError for an unknown protocol, and for P4 on a set whose
    slots are not known.
    """
    if protocol == "P1":
        return [Trial(pairs.color, pairs.palette, "", np.arange(len(pairs)), pairs.mask)]
    if protocol == "P2":
        return [warped_references(pairs)]
    if protocol == "P3":
        lists = {seed: random_references(data, len(pairs), seed) for seed in DERANGEMENTS}
        return [
            Trial(
                pairs.color[index],
                pairs.palette[index],
                str(seed),
                index,
                None if pairs.mask is None else pairs.mask[index],
            )
            for seed, index in lists.items()
        ]
    if protocol == "P4":
        return [same_colors(pairs, data)]
    raise InputError(f"protocol must be one of {', '.join(PROTOCOLS)}, got {protocol!r}")


def warped_references(pairs: Pairs, seed: int = 0) -> Trial:
    """Each picture warped with a seed of its own, which does not depend on how many there are."""
    warped = np.empty_like(pairs.color)
    with torch.random.fork_rng(devices=[]):
        for i, color in enumerate(pairs.color):
            torch.manual_seed(int(np.random.SeedSequence([seed, i]).generate_state(1, np.uint64)[0]))
            picture = to_unit(torch.tensor(color)).permute(2, 0, 1)[None]
            warped[i] = to_uint8(random_warp(picture))[0].permute(1, 2, 0).numpy()
    return Trial(warped, _palettes(warped, pairs.palette.shape[1]), str(seed))


def same_colors(pairs: Pairs, data: str = "toon", seed: int = 0) -> Trial:
    """Another character of the set, by the list of `seed`, drawn in the colours of the drawing."""
    if pairs.slots is None:
        raise InputError(f"P4 needs drawings whose slots are known (toon), {data} has none")
    size = pairs.line.shape[1]
    other = read_list(list_path(data, len(pairs), seed, f"{size}px-showing"))
    if other is None:
        other = showing_references(region_shown(pairs.mask), seed)
    drawings = [toon.draw(pairs.name[j], size, slots=slots) for j, slots in zip(other, pairs.slots)]
    color = np.stack([drawing.color for drawing in drawings])
    return Trial(
        color,
        _palettes(color, pairs.palette.shape[1]),
        str(seed),
        mask=np.stack([drawing.mask for drawing in drawings]),
    )


def _palettes(color: np.ndarray, k: int) -> np.ndarray:
    return np.stack([extract_palette(picture, k) for picture in color])

"""The picture of P1 to P4: what stands beside the drawing, and what its result is held against."""

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure

from lineart.data import toon
from lineart.data.augment import random_warp
from lineart.images import as_images, to_uint8, to_unit

PROTOCOLS = (  # name, where the reference and its palette come from, what is measured
    ("P1 · self-reference", "the truth itself", "against the truth:\nPSNR, MS-SSIM, LPIPS"),
    ("P2 · bent self-reference", "the truth, bent and turned", "against the truth:\nas P1"),
    ("P3 · random reference", "another picture", "against the references\nas a set: FID, KID"),
    ("P4 · true transfer", "another character,\nin the same colours", "against the truth:\nas P1; colours, bleeding"),
)


def four_protocols(size: int = 128) -> Figure:
    """P1 to P4 side by side: the drawing, its reference, and the truth where there is one."""
    name, other, seed = "test-0-000001", "test-0-000120", 3  # two characters of `toon`; of the warp
    drawing, lender = toon.draw(name, size), toon.draw(other, size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        bent = random_warp(to_unit(as_images(drawing.color[None])))
    bent = to_uint8(bent)[0].permute(1, 2, 0).numpy()
    references = (drawing.color, bent, lender.color, toon.draw(other, size, slots=drawing.slots).color)
    figure, axes = plt.subplots(3, 4, figsize=(8.4, 6.4), layout="constrained")
    for column, (title, source, measured), reference in zip(axes.T, PROTOCOLS, references):
        truth = None if title.startswith("P3") else drawing.color
        for axis, picture in zip(column, (drawing.line, reference, truth)):
            _picture(axis, picture)
        column[0].set_title(title, fontsize=10, fontweight="bold")
        column[1].set_xlabel(source, fontsize=9)
        column[2].set_xlabel(measured, fontsize=9)
    for axis, label in zip(axes[:, 0], ("drawing", "reference", "truth")):
        axis.set_ylabel(label, fontsize=10)
    return figure


def _picture(axis, picture: np.ndarray | None) -> None:
    axis.set(xticks=[], yticks=[])
    if picture is None:
        axis.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", facecolor="#eeeeee")
        axis.text(0.5, 0.5, "not known", ha="center", va="center", fontsize=10)
    else:
        axis.imshow(picture, cmap="gray", vmin=0, vmax=255)

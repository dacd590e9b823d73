"""Six broken trainings and a healthy one, for notebook 08b. Who has what stands here, so that no page tells it early.

The networks are tiny and colour from the palette alone, so that colour can go wrong in one place only.
"""

import contextlib
import io
from dataclasses import dataclass, replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image

from lineart import log
from lineart.config import Config
from lineart.course.plotting import as_picture, read_curve, show_grid
from lineart.data.sets import Pairs
from lineart.training import Trainer

HEALTHY = "healthy"
HAS = {"A": "half bgr", "B": "few", "C": "zero to one", "D": "rate", "E": "bgr", "F": "shuffled"}

# The pictures in words, for who cannot see them; here, because on the page they would say what a reader should find
SHEETS_IN_WORDS = (
    "Rows of eight results. Healthy: dull but fitting colours. A: only greens and purples. B: garish wrong colours. "
    "C: black lines on grey. D: black. E: full of colour, but other hues. F: lines on grey."
)
CURVES_IN_WORDS = (
    "Five curves a patient. A: lower spread. B: lowest L1, lowest PSNR but one, widest spread. C and F: high L1, "
    "spread near 0.2. D: gradient and spread at 0. E: as the healthy one, but PSNR."
)


@dataclass
class Patient:
    """A training that has ended: its trainer, which holds the data that it saw, and what the package said meanwhile."""

    trainer: Trainer
    said: list[str]

    def curve(self) -> dict[str, np.ndarray]:
        """The columns of its `metrics.csv`."""
        return read_curve(self.trainer.folder / "metrics.csv")

    def sample(self) -> np.ndarray:
        """Its last sample sheet: (drawings, 3, H, W, 3) uint8, of each drawing itself, the truth and the result."""
        path = max((self.trainer.folder / "samples").glob("*.png"))
        size = self.trainer.config.size
        return np.asarray(Image.open(path)).reshape(-1, size, 3, size, 3).swapaxes(1, 2)


def settings(profile: str, seed: int) -> Config:
    """Of the healthy one. The adversarial loss counts a tenth, or it would paint colour where nothing is known."""
    return Config.from_profile(
        profile,
        data="toon",
        size=32,
        width=8,
        discriminator_width=8,
        reference="palette",
        lambda_fm=0.0,
        lambda_adv=0.1,
        learning_rate=1e-3,
        n_test=16,
        seed=seed,
        steps=4 if profile == "smoke" else 300,
        accelerator="cpu",
        log_every=1 if profile == "smoke" else 10,
        sample_every=4 if profile == "smoke" else 100,
    )


def admit(profile: str, seed: int, folder: Path) -> dict[str, Patient]:
    """Train the healthy one and the patients A to F, each into its own folder; on one thread, they are so small."""
    config, threads = settings(profile, seed), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return {letter: _train(config, HAS.get(letter), folder / letter) for letter in (HEALTHY, *HAS)}
    finally:
        torch.set_num_threads(threads)


def _train(config: Config, cause: str | None, folder: Path) -> Patient:
    torch.manual_seed(config.seed)
    trainer = Trainer(config.replace(learning_rate=0.1) if cause == "rate" else config, folder)
    if cause == "zero to one":  # a mistake in what reads palettes is made everywhere
        trainer.validation = replace(trainer.validation, palette=trainer.validation.palette / 255)
    trainer.pairs = _spoilt(trainer.pairs, cause)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        trainer.run()
    return Patient(trainer, [line for line in printed.getvalue().splitlines() if line.startswith("step ")])


def _spoilt(pairs: Pairs, cause: str | None) -> Pairs:
    color, n = pairs.color.copy(), len(pairs)
    if cause == "bgr":
        color = color[..., ::-1]
    if cause == "half bgr":
        color[::2] = pairs.color[::2, ..., ::-1]
    if cause == "shuffled":
        return replace(pairs, palette=np.roll(pairs.palette, 1, axis=0))
    if cause == "zero to one":
        return replace(pairs, palette=pairs.palette / 255)
    if cause == "few":
        index = np.arange(n) % 8
        return replace(pairs, line=pairs.line[index], color=color[index], palette=pairs.palette[index])
    return replace(pairs, color=color)


def sheets(ward: dict[str, Patient]) -> Figure:
    """The last results of all, a row each, of eight drawings that nobody was trained on; first how they should be."""
    samples = {letter: patient.sample() for letter, patient in ward.items()}
    rows = {"truth": samples[HEALTHY][:, 1]} | {letter: sample[:, 2] for letter, sample in samples.items()}
    return show_grid([[*row] for row in rows.values()], labels=[*rows], side=0.7)


PANELS = {
    "l1": "L1, training",
    "psnr_val": "PSNR, validation, dB",
    "spread": "colour spread / truth's",
    "grad_g": "generator's gradient",
    "loss_d": "discriminator's loss",
}


def curves(ward: dict[str, Patient]) -> Figure:
    """A row a patient, a column a quantity; the healthy one in grey in each, and dotted where the package complains."""
    known = {letter: patient.curve() for letter, patient in ward.items()}
    letters = [letter for letter in ward if letter != HEALTHY]
    figure, axes = plt.subplots(len(letters), len(PANELS), figsize=(9, 1.1 * len(letters)), sharex=True, sharey="col")
    for row, letter in zip(axes, letters):
        for axis, name in zip(row, PANELS):
            for one, style in ((HEALTHY, {"color": "#999999", "lw": 2.5}), (letter, {"color": "#1f3f8f", "lw": 1.2})):
                x, y = known[one]["step"], known[one][name]
                axis.plot(x[~np.isnan(y)], y[~np.isnan(y)], **style)
            axis.tick_params(labelsize=7)
            axis.spines[["top", "right"]].set_visible(False)
        row[2].axhline(log.ONE_TINT, color="#777777", ls=":", lw=1)
        row[3].set_yscale("symlog", linthresh=1)
        row[0].set_ylabel(letter, rotation=0, fontsize=12, labelpad=14, va="center")
    for axis, title in zip(axes[0], PANELS.values()):
        axis.set_title(title, fontsize=9)
    for axis in axes[-1]:
        axis.set_xlabel("step", fontsize=8)
    figure.tight_layout(pad=0.4)
    return figure


def batch_as_seen(patient: Patient) -> Figure:
    """The first training batch as the step gets it: above the pictures that count as true, below their palettes."""
    batch = patient.trainer.batch(0)
    n = min(6, len(batch["color"]))
    figure, axes = plt.subplots(2, n, figsize=(1.1 * n, 1.5), height_ratios=(4, 1))
    for (top, bottom), picture, palette in zip(axes.T, batch["color"], batch["palette"]):
        top.imshow(as_picture(picture), interpolation="nearest")
        bottom.imshow(as_picture(palette.T[:, None]), aspect="auto")  # (3, 1, k): nine swatches
    for axis in axes.flat:
        axis.axis("off")
    figure.tight_layout(pad=0.3)
    return figure

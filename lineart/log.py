"""What a training leaves to look at: `metrics.csv`, sample grids, its progress, and the signs of a failing run."""

import csv
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from lineart.config import InputError
from lineart.data.sets import Pairs
from lineart.files import write_text
from lineart.progress import Progress

LOSSES = ("loss_d", "loss_g", "l1", "feature", "tv", "adversarial")
DIAGNOSES = ("real_logit", "fake_logit", "grad_d", "grad_g", "spread")
COLUMNS = ("step", "seconds", *LOSSES, *DIAGNOSES, "psnr_val", "psnr_swapped")
WARM_UP = 300  # steps in which every generator paints in one tint
ONE_TINT = 0.25  # share of the truth's spread below which results count as one tint
BETTER_SWAPPED = 1.0  # dB
WINNING = 0.05  # discriminator loss; 1.386 is guessing


class Log:
    """Rows of `metrics.csv`, and the progress that a person sees.

    folder: the run's; total: its steps; done: steps before this process (rows behind that are dropped: they come
    again). `seconds` in a row count from the run's start, without pauses.
    """

    def __init__(self, folder: Path, total: int, done: int) -> None:
        self.path, self.samples = folder / "metrics.csv", folder / "samples"
        self.columns, self.before, self.complained = COLUMNS, 0.0, set()
        self._take_up(done)
        self.started = time.perf_counter()
        self.progress = Progress(total, "steps", done)

    def _take_up(self, done: int) -> None:
        """Drop the rows behind the checkpoint, which come again, and a last line that was cut short."""
        lines = self.path.read_text().splitlines(keepends=True) if self.path.exists() else []
        try:
            kept = [line for line in lines[1:] if line.endswith("\n") and int(line.split(",")[0]) <= done]
        except ValueError as error:
            raise InputError(f"each line of {self.path} must begin with a step and a comma: {error}") from error
        if kept:
            self.columns = lines[0].strip().split(",")  # of the version that began the run
            self.before = float(kept[-1].split(",")[1])
        write_text(self.path, "".join([",".join(self.columns) + "\n", *kept]))

    def write(self, step: int, row: dict[str, float]) -> None:
        """One row, and what it shows to be wrong, each kind of trouble once."""
        seconds = f"{self.before + time.perf_counter() - self.started:.2f}"
        values = {name: f"{value:.6g}" for name, value in row.items()}
        with open(self.path, "a", newline="") as file:
            writer = csv.DictWriter(file, self.columns, extrasaction="ignore", lineterminator="\n")
            writer.writerow({"step": step, "seconds": seconds, **values})
        self.progress.show(step, f"L1 {row['l1']:.4f}", f"D {row['loss_d']:.3f}")
        for kind, complaint in complaints(step, row).items():
            if kind not in self.complained:
                self.complained.add(kind)
                self.progress.say(f"step {step}: {complaint}")

    def save_grid(self, step: int, pairs: Pairs, fake: np.ndarray) -> None:
        """The first eight pairs as rows of line, truth and result; fake (n, H, W, 3) uint8."""
        line = np.repeat(pairs.line[:8, :, :, None], 3, axis=3)
        strips = np.concatenate([line, pairs.color[:8], fake[:8]], axis=2)  # (8, H, 3W, 3)
        grid = np.concatenate(list(strips))
        self.samples.mkdir(exist_ok=True)
        Image.fromarray(grid).save(self.samples / f"step_{step:06d}.png")


def color_spread(image: torch.Tensor) -> torch.Tensor:
    """(N,): how far the colours of each picture (N, 3, H, W) lie apart, brightness aside; 0 for one tint.

    The standard deviation over the pixels of what is left of a pixel when its grey, the mean of its channels, is taken
    away.
    """
    chroma = image.float() - image.float().mean(1, keepdim=True)
    return chroma.var(dim=(2, 3), correction=0).mean(1).sqrt()


def relative_spread(fake: torch.Tensor, color: torch.Tensor) -> torch.Tensor:
    """The spread of the results as a share of the truth's, mean over the batch; 1 when they are as colourful."""
    return (color_spread(fake) / color_spread(color).clamp_min(0.01)).clamp_max(2).mean()


def gradient_norm(module: nn.Module) -> torch.Tensor:
    """Euclidean norm of all gradients of a network."""
    return nn.utils.get_total_norm([p.grad for p in module.parameters() if p.grad is not None])


def diagnoses(
    networks: dict[str, nn.Module], real_logits: torch.Tensor, fake_logits: torch.Tensor, spread: torch.Tensor
) -> dict[str, torch.Tensor]:
    """The values of `DIAGNOSES` after a step: mean logits, norms of both networks' gradients, `relative_spread`."""
    norms = [gradient_norm(networks[name]) for name in ("discriminator", "generator")]
    return dict(zip(DIAGNOSES, [real_logits.mean(), fake_logits.mean(), *norms, spread], strict=True))


def complaints(step: int, row: dict[str, float]) -> dict[str, str]:
    """What a row of the log shows to be wrong, a sentence for each kind of trouble; empty when nothing is.

    row: `spread`, the results' colour spread over the truth's; `loss_d`; `psnr_val` and `psnr_swapped`, dB on the
    validation drawings as they are and with red and blue exchanged.
    """
    psnr, swapped, found = row.get("psnr_val", 0.0), row.get("psnr_swapped", 0.0), {}
    if step >= WARM_UP and row.get("spread", 1.0) < ONE_TINT:
        found["one tint"] = (
            f"the results have one tint: their colours spread {row['spread']:.2f} times as far as the truth's; "
            "does each picture get its own reference, and is the learning rate too high?"
        )
    if swapped > psnr + BETTER_SWAPPED:
        found["BGR"] = f"somewhere BGR is read as RGB: with red and blue exchanged, {psnr:.1f} dB become {swapped:.1f}"
    if step >= WARM_UP and row["loss_d"] < WINNING:
        found["discriminator"] = (
            f"the discriminator wins: its loss is {row['loss_d']:.3f}, so its gradient says little; "
            "lower lambda_adv or discriminator_width"
        )
    return found

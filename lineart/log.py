"""What a training leaves to look at: `metrics.csv`, sample grids, a progress line, and TensorBoard if asked for."""

from __future__ import annotations

import csv
import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from tqdm import tqdm

from lineart.config import InputError
from lineart.data.sets import Pairs
from lineart.files import write_text

LOSSES = ("loss_d", "loss_g", "l1", "feature", "tv", "adversarial")
DIAGNOSES = ("real_logit", "fake_logit", "grad_d", "grad_g", "spread")
COLUMNS = ("step", "seconds", *LOSSES, *DIAGNOSES, "psnr_val", "psnr_swapped")
WARM_UP = 300  # steps in which every generator paints in one tint
ONE_TINT = 0.25  # share of the truth's spread below which results count as one tint
BETTER_SWAPPED = 1.0  # dB
WINNING = 0.05  # discriminator loss; 1.386 is guessing


class Log:
    """Rows of `metrics.csv` and the progress that a person sees: a bar in a terminal, plain lines elsewhere.

    folder: the run's; total: its steps; done: steps before this process (rows behind that are dropped: they come
    again); batch_size: for images a second. seconds in a row count from the run's start, without pauses.
    """

    def __init__(self, folder: Path, total: int, done: int, batch_size: int, tensorboard: bool = False) -> None:
        self.path, self.samples = folder / "metrics.csv", folder / "samples"
        self.total, self.done, self.batch_size = total, done, batch_size
        self.columns, self.before, self.complained = COLUMNS, 0.0, set()
        self._trim(done)
        self.started = self.last = time.perf_counter()
        self.person = sys.stderr.isatty()
        self.bar = tqdm(total=total, initial=done, disable=not self.person, unit="step")
        self.board = _tensorboard(folder, done) if tensorboard else None

    def _trim(self, done: int) -> None:
        """Drop the rows behind the checkpoint, which come again, and a last line that was cut short."""
        lines = self.path.read_text().splitlines(keepends=True) if self.path.exists() else []
        kept = [line for line in lines[1:] if line.endswith("\n") and int(line.split(",")[0]) <= done]
        if not kept:
            self.path.unlink(missing_ok=True)
            return
        self.columns = tuple(lines[0].strip().split(","))  # of the version that began the run
        self.before = float(kept[-1].split(",")[1])
        if kept != lines[1:]:
            write_text(self.path, "".join([lines[0], *kept]))

    def write(self, step: int, row: dict[str, float]) -> None:
        """One row, and what it shows to be wrong, each kind of trouble once a run."""
        now = time.perf_counter()
        seconds = now - self.started
        new = not self.path.exists()
        with open(self.path, "a", newline="") as file:
            writer = csv.DictWriter(file, self.columns, extrasaction="ignore", lineterminator="\n")
            if new:
                writer.writeheader()
            writer.writerow(
                {
                    "step": step,
                    "seconds": f"{self.before + seconds:.2f}",
                    **{name: f"{value:.6g}" for name, value in row.items()},
                }
            )
        rate = max(step - self.done, 1) / seconds  # steps a second
        images = f"{rate * self.batch_size:.1f}"
        self.bar.set_postfix(l1=f"{row['l1']:.4f}", d=f"{row['loss_d']:.3f}", images_s=images)
        self.bar.update(step - self.bar.n)
        if not self.person and (now - self.last > 10 or step == self.total):
            self.last = now
            print(
                f"step {step}/{self.total}  L1 {row['l1']:.4f}  D {row['loss_d']:.3f}  {images} images/s  "
                f"{(self.total - step) / rate:.0f} s left",
                flush=True,
            )
        if self.board:
            for name, value in row.items():
                self.board.add_scalar(name, value, step)
        for kind, complaint in complaints(step, row).items():
            if kind not in self.complained:
                self.complained.add(kind)
                self.say(f"step {step}: {complaint}")

    def save_grid(self, step: int, pairs: Pairs, fake: np.ndarray, rows: int = 8) -> None:
        """`rows` pairs as rows of line, truth and result; fake (n, H, W, 3) uint8."""
        line = np.repeat(pairs.line[:rows, :, :, None], 3, axis=3)
        strips = np.concatenate([line, pairs.color[:rows], fake[:rows]], axis=2)  # (rows, H, 3W, 3)
        grid = np.concatenate(list(strips))
        self.samples.mkdir(parents=True, exist_ok=True)
        Image.fromarray(grid).save(self.samples / f"step_{step:06d}.png")
        if self.board:
            self.board.add_image("samples", grid, step, dataformats="HWC")

    def say(self, text: str) -> None:
        """A line that must not be overwritten by the bar."""
        self.bar.write(text, file=sys.stdout)
        sys.stdout.flush()

    def close(self) -> None:
        self.bar.close()
        if self.board:
            self.board.close()


def _tensorboard(folder: Path, done: int):
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError as error:
        raise InputError(
            "tensorboard is not installed: pip install 'lineart[tensorboard]', or train without "
            "--tensorboard; metrics.csv holds the same numbers"
        ) from error
    return SummaryWriter(folder / "tensorboard", purge_step=done + 1)


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


def complaints(step: int, row: dict[str, float]) -> dict[str, str]:
    """What a row of the log shows to be wrong, a sentence for each kind of trouble; empty when nothing is.

    row: `spread`, the results' colour spread over the truth's; `loss_d`; `psnr_val` and `psnr_swapped`, dB on the
    validation drawings as they are and with red and blue exchanged.
    """
    found = {}
    if step >= WARM_UP and row.get("spread", 1.0) < ONE_TINT:
        found["one tint"] = (
            f"the results have one tint: their colours spread {row['spread']:.2f} times as far as the "
            "truth's; does each picture get its own reference, and is the learning rate too high?"
        )
    if row.get("psnr_swapped", 0.0) > row.get("psnr_val", 0.0) + BETTER_SWAPPED:
        found["BGR"] = (
            "red and blue are exchanged: with them exchanged back the results are at "
            f"{row['psnr_swapped']:.1f} dB and not {row['psnr_val']:.1f}; somewhere BGR is read as RGB"
        )
    if step >= WARM_UP and row["loss_d"] < WINNING:
        found["discriminator"] = (
            f"the discriminator wins: its loss is {row['loss_d']:.3f}, so its gradient says "
            "little; lower lambda_adv or discriminator_width"
        )
    return found

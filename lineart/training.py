"""The training loop: the discriminator once, then the generator, in every step.

Everything random in a step (order, crop, flip, noise) is drawn from a seed made of the run's seed and the step's
number. So the step's number is all the state there is to save, and a resumed run is the run that was not killed.
"""

from __future__ import annotations

import csv
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from PIL import Image
from tqdm import tqdm

from lineart import losses, metrics
from lineart.checkpoint import load_module, load_optimizer, make_generator, read_checkpoint, save_checkpoint
from lineart.config import ROOT, Config
from lineart.data import Pairs, load
from lineart.data.augment import random_jitter, random_warp, take, to_uint8, training_batch
from lineart.features import FeatureExtractor
from lineart.networks import PatchDiscriminator
from lineart.palette import palette_planes

LAST = "last.safetensors"
LOSSES = ("loss_d", "loss_g", "l1", "feature", "tv", "adversarial")


def train(config: Config, run: str | Path | None = None, resume: bool = False) -> Path:
    """Train a generator and return its run folder.

    run: the folder, by default a new one under `runs/train`. It holds `config.json`, `metrics.csv`, `samples/` and
    `last.safetensors` (networks, optimisers, step). resume: go on from the folder's checkpoint; without it a folder
    that already holds one is refused. Ctrl-C saves after the step that it came in and returns; a second one does not
    wait. Raises ValueError, FileNotFoundError, or FloatingPointError when a loss or a weight is no longer finite.
    """
    if resume and not run:
        raise ValueError("resume must come with the folder of the run, got none")
    folder = Path(run) if run else _new_folder(config)
    if (folder / LAST).exists() and not resume:
        raise ValueError(f"a new run must not overwrite an old one: {folder} holds {LAST}; resume it or name another")
    torch.manual_seed(config.seed)
    trainer = Trainer(config, folder)
    if resume:
        trainer.restore(folder / LAST)
    elif config.start_from:
        trainer.restore(Path(config.start_from), only_networks=True)
    trainer.run()
    return folder


def _new_folder(config: Config) -> Path:
    name = f"{config.data}-{config.method}-{config.size}px-w{config.width}-s{config.seed}"
    parent = ROOT / "runs" / "train"
    taken = {path.name for path in parent.glob(f"{name}*")}
    suffixes = (f"{name}-{i}" if i > 1 else name for i in range(1, len(taken) + 2))
    return parent / next(n for n in suffixes if n not in taken)


class Trainer:
    """The state of one run: two networks, two optimisers, a step number."""

    def __init__(self, config: Config, folder: Path) -> None:
        self.config, self.folder, self.step = config, folder, 0
        self.fabric = Fabric(accelerator=config.accelerator, devices=config.devices, precision=config.precision)
        self.fabric.launch()
        self.pairs = load(config, "train")
        self.validation = load(config, "val", min(64, config.n_test))
        self.config = config = config.replace(n_train=len(self.pairs))  # a folder may hold fewer than were asked for
        if config.n_train < config.batch_size:
            raise ValueError(f"batch_size must be at most the {config.n_train} training pairs, got {config.batch_size}")
        if config.batch_size % self.fabric.world_size:
            raise ValueError(f"batch_size must be a multiple of the {self.fabric.world_size} processes that share it, "
                             f"got {config.batch_size}")
        generator = make_generator(config).to(memory_format=torch.channels_last)
        discriminator = PatchDiscriminator(3 + 3 * config.k + 3, config.discriminator_width)
        discriminator = discriminator.to(memory_format=torch.channels_last)
        self.raw = {"generator": generator, "discriminator": discriminator}
        adam = {name: torch.optim.Adam(module.parameters(), lr=config.learning_rate, betas=config.betas, fused=True)
                for name, module in self.raw.items()}
        self.generator, self.optimizer_g = self.fabric.setup(generator, adam["generator"])
        self.discriminator, self.optimizer_d = self.fabric.setup(discriminator, adam["discriminator"])
        self.optimizers = {"optimizer_g": adam["generator"], "optimizer_d": adam["discriminator"]}
        self.features = None
        if config.lambda_fm > 0:
            self.features = FeatureExtractor(config.feature_layers, config.weights).to(self.fabric.device)

    def restore(self, path: Path, only_networks: bool = False) -> None:
        """Networks, and unless `only_networks` optimisers and step, from a checkpoint of the same architecture."""
        config, step, tensors = read_checkpoint(path)
        for name in ("width", "depth", "attention", "reference", "noise", "discriminator_width", "k"):
            if getattr(config, name) != getattr(self.config, name):
                raise ValueError(f"{name} must be the checkpoint's {getattr(config, name)!r}, "
                                 f"got {getattr(self.config, name)!r}")
        for name, module in self.raw.items():
            load_module(module, tensors, name)
        if not only_networks:
            for name, optimizer in self.optimizers.items():
                load_optimizer(optimizer, tensors, name)
            self.step = step

    def save(self) -> None:
        """Write the checkpoint, unless a weight is no longer finite: then the last one stays."""
        weights = (p for module in self.raw.values() for p in module.parameters())
        if not all(bool(weight.isfinite().all()) for weight in weights):
            raise FloatingPointError(f"weights must be finite, at step {self.step} they are not; {self.last_good()}")
        if self.fabric.is_global_zero:
            save_checkpoint(self.folder / LAST, self.config, self.step, self.raw, self.optimizers)

    def last_good(self) -> str:
        path = self.folder / LAST
        return f"the last good checkpoint is {path}" if path.exists() else "no checkpoint was written before"

    def run(self) -> None:
        """Steps until `config.total_steps`, with logs, samples and checkpoints on the way."""
        config, log = self.config, None
        if self.fabric.is_global_zero:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / "config.json").write_text(json.dumps(config.to_dict(), indent=2) + "\n")
            log = Log(self.folder, config.total_steps, self.step)
        with _ctrl_c() as stop:
            while self.step < config.total_steps and not stop.is_set():
                terms = self.train_step(self.batch(self.step))
                self.step += 1
                if self.due(config.log_every) or self.due(config.sample_every):
                    self.write(log, terms)
                if self.step % config.checkpoint_every == 0:
                    self.save()
            self.save()
        if log:
            stopped = self.step < config.total_steps
            log.close(f"stopped at step {self.step}; saved, resume with resume=True" if stopped else "")

    def due(self, every: int) -> bool:
        return self.step % every == 0 or self.step == self.config.total_steps

    def write(self, log: Log | None, terms: dict[str, torch.Tensor]) -> None:
        """One row of `metrics.csv`, means over the processes; only the first process has a log."""
        # float() is the only wait for the device
        row = {name: float(self.fabric.all_reduce(value)) for name, value in terms.items()}
        if not all(np.isfinite(value) for value in row.values()):
            raise FloatingPointError(f"losses must be finite, at step {self.step} they are {row}; {self.last_good()}")
        if self.due(self.config.sample_every):
            row["psnr_val"] = self.sample()
        if log:
            log.write(self.step, row)

    def batch(self, step: int) -> dict[str, torch.Tensor]:
        """The batch of a step, of which several processes take a share each."""
        fabric = self.fabric
        return training_batch(self.pairs, self.config, step, fabric.device, fabric.global_rank, fabric.world_size)

    def train_step(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """One update of both networks; returns the losses by name, still on the device."""
        config = self.config
        for optimizer in self.optimizers.values():
            optimizer.param_groups[0]["lr"] = self.learning_rate()
        line, color, palette = batch["line"], batch["color"], batch["palette"]
        # Self-reference: the reference is the truth, as it is (the paper) or warped
        reference = random_warp(color) if config.train_reference == "warped" else color
        if config.reference_jitter:  # of the reference and its palette, never of the truth
            reference, palette = random_jitter(reference, palette, config.reference_jitter)
        fake = self.generator(line, palette, reference)
        condition = torch.cat([line, palette_planes(palette, *line.shape[2:])], dim=1)  # (N, 30, H, W)

        # Discriminator: real and detached fake in one call, Eq. 6
        both = torch.cat([torch.cat([condition, color], 1), torch.cat([condition, fake.detach()], 1)])
        real_logits, fake_logits = self.discriminator(both).chunk(2)
        loss_d = losses.discriminator_loss(real_logits, fake_logits)
        self.optimizer_d.zero_grad()
        self.fabric.backward(loss_d)
        self.optimizer_d.step()

        # Generator, Eq. 1
        self.raw["discriminator"].requires_grad_(False)  # its weights need no gradient from this loss
        terms = {
            "l1": losses.l1_loss(fake, color),
            "feature": self.feature_loss(fake, color),
            "tv": losses.total_variation(fake),
            "adversarial": losses.adversarial_loss(self.discriminator(torch.cat([condition, fake], 1))),
        }
        loss_g = (config.lambda_l1 * terms["l1"] + config.lambda_fm * terms["feature"]
                  + config.lambda_tv * terms["tv"] + config.lambda_adv * terms["adversarial"])
        self.optimizer_g.zero_grad()
        self.fabric.backward(loss_g)
        self.optimizer_g.step()
        self.raw["discriminator"].requires_grad_(True)
        return {"loss_d": loss_d.detach(), "loss_g": loss_g.detach(), **{k: v.detach() for k, v in terms.items()}}

    def feature_loss(self, fake: torch.Tensor, color: torch.Tensor) -> torch.Tensor:
        if self.features is None:
            return fake.new_zeros(())
        with torch.no_grad():  # the truth needs no gradient
            truth = self.features(color)
        return losses.feature_matching(self.features(fake), truth)

    def learning_rate(self) -> float:
        """StepLR: halved every `lr_step_epochs` epochs."""
        epoch = self.step // self.config.steps_per_epoch
        return self.config.learning_rate * self.config.lr_gamma ** (epoch // self.config.lr_step_epochs)

    @torch.no_grad()
    def sample(self) -> float:
        """Save a grid of validation drawings (line, reference, result) and return their mean PSNR in dB."""
        pairs = self.validation
        self.generator.eval()
        results = []
        for i in range(0, len(pairs), 16):
            batch = take(pairs, slice(i, i + 16), device=self.fabric.device)
            results.append(to_uint8(self.generator(batch["line"], batch["palette"], batch["color"])).cpu())
        self.generator.train()
        fake, truth = torch.cat(results), torch.tensor(pairs.color).permute(0, 3, 1, 2)  # (n, 3, H, W)
        if self.fabric.is_global_zero:
            pixels = fake.permute(0, 2, 3, 1).numpy()
            _save_grid(pairs, pixels, self.folder / "samples" / f"step_{self.step:06d}.png")
        return metrics.mean_psnr(metrics.psnr(fake, truth))


def _save_grid(pairs: Pairs, fake: np.ndarray, path: Path, rows: int = 8) -> None:
    """`rows` validation pairs as rows of line, truth and result."""
    line = np.repeat(pairs.line[:rows, :, :, None], 3, axis=3)
    strips = np.concatenate([line, pairs.color[:rows], fake[:rows]], axis=2)  # (rows, H, 3W, 3)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(list(strips))).save(path)


@contextmanager
def _ctrl_c() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets, so that no step is cut in half, between discriminator and generator."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # signals go to the main thread only
        yield stop
        return
    before = signal.getsignal(signal.SIGINT)

    def handle(*_) -> None:
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)  # the second one is not held back

    signal.signal(signal.SIGINT, handle)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


class Log:
    """`metrics.csv` and the progress that a person sees: a bar in a terminal, plain lines elsewhere."""

    def __init__(self, folder: Path, total: int, done: int) -> None:
        self.path, self.total, self.done = folder / "metrics.csv", total, done
        self.started = self.last = time.perf_counter()
        self.person = sys.stderr.isatty()
        self.bar = tqdm(total=total, initial=done, disable=not self.person, unit="step")
        self.columns = ("step", "seconds", *LOSSES, "psnr_val")
        self._trim(done)

    def _trim(self, done: int) -> None:
        """Drop the rows behind the checkpoint, which come again, and a last line that was cut short."""
        lines = self.path.read_text().splitlines(keepends=True) if self.path.exists() else []
        kept = [line for line in lines[1:] if line.endswith("\n") and int(line.split(",")[0]) <= done]
        if not kept:
            self.path.unlink(missing_ok=True)
        elif kept != lines[1:]:
            temporary = self.path.with_name(f"{self.path.name}.{os.getpid()}.tmp")
            temporary.write_text("".join([lines[0], *kept]))
            os.replace(temporary, self.path)

    def write(self, step: int, row: dict[str, float]) -> None:
        seconds = time.perf_counter() - self.started
        new = not self.path.exists()
        with open(self.path, "a", newline="") as file:
            writer = csv.DictWriter(file, self.columns, lineterminator="\n")
            if new:
                writer.writeheader()
            writer.writerow({"step": step, "seconds": f"{seconds:.2f}", **{k: f"{v:.6g}" for k, v in row.items()}})
        self.bar.set_postfix(l1=f"{row['l1']:.4f}")
        self.bar.update(step - self.bar.n)
        now = time.perf_counter()
        if not self.person and (now - self.last > 10 or step == self.total):
            left = seconds / max(step - self.done, 1) * (self.total - step)
            self.last = now
            print(f"step {step}/{self.total}  L1 {row['l1']:.4f}  D {row['loss_d']:.3f}  {left:.0f} s left", flush=True)

    def close(self, text: str = "") -> None:
        self.bar.close()
        if text:
            print(text, flush=True)

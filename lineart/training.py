"""The training: the discriminator once, then the generator, in every step.

Everything random in a step (order, crop, flip, noise) is drawn from a seed made of the run's seed and the step's
number. So the step's number is all the state there is to save, and a resumed run is the run that was not killed.
"""

import json
import math
import os
import threading
import time
from contextlib import nullcontext
from pathlib import Path

import torch
from lightning_fabric import Fabric
from lightning_fabric.utilities.exceptions import MisconfigurationException

from lineart import losses, runs
from lineart.checkpoint import GENERATOR, load_module, load_optimizer, make_generator, read_checkpoint
from lineart.config import Config, InputError, MissingFile
from lineart.data.augment import random_erasing, random_jitter, random_warp, take_some, training_batch
from lineart.data.sets import load
from lineart.features import FeatureExtractor
from lineart.files import write_text
from lineart.images import as_images, paint
from lineart.log import Log, diagnoses, relative_spread
from lineart.networks import PatchDiscriminator


def train(config: Config, run: str | Path | None = None, resume: bool = False) -> Path:
    """Train a generator and return its run folder.

    run: the folder, by default a new one under `runs/train`. It holds `config.json`, `metrics.csv`, `samples/`,
    `last.safetensors` (networks, optimisers, step) and the checkpoint before it, `previous.safetensors`. resume: go on
    from the folder's checkpoint; without it a folder that holds one, or other files, is refused. Ctrl-C and SIGTERM
    save after the step that they came in and return; a second Ctrl-C does not wait.
    Raises InputError for settings that do not fit, for a loss or a weight that is no longer finite, where the device's
    memory is too small, and where a checkpoint can't be written; MissingFile where there is nothing to resume.
    """
    if resume and not run:
        raise InputError("resume must come with the folder of the run, got none")
    folder = Path(run) if run else None
    if folder and not resume:
        runs.refuse_taken(folder)
    if resume and not runs.checkpoints(folder):
        raise MissingFile(f"a run that goes on must hold a checkpoint, found none at {folder / runs.LAST}")
    torch.manual_seed(config.seed)
    trainer = Trainer(config, folder)
    if config.start_from and not resume:
        trainer.restore(Path(config.start_from), only_networks=True)
    trainer.run(resume)
    return trainer.folder


def make_fabric(config: Config) -> Fabric:
    """Device, precision and processes; under torchrun as many processes as it has started."""
    here, everywhere = (int(os.environ.get(name, 0)) for name in ("LOCAL_WORLD_SIZE", "WORLD_SIZE"))
    devices, nodes = (here, everywhere // here) if "TORCHELASTIC_RUN_ID" in os.environ else (config.devices, 1)
    if config.batch_size % (devices * nodes):
        raise InputError(f"batch_size must be a multiple of {devices * nodes} processes, got {config.batch_size}")
    try:
        fabric = Fabric(accelerator=config.accelerator, devices=devices, num_nodes=nodes, precision=config.precision)
    except (RuntimeError, ValueError, MisconfigurationException) as error:
        got = f"{config.accelerator!r}, {devices} and {config.precision!r}"
        raise InputError(f"this machine must have accelerator, devices and precision, got {got}: {error}") from error
    fabric.launch()
    return fabric


class Trainer:
    """The state of one run: two networks, two optimisers, a step number."""

    def __init__(self, config: Config, folder: Path | None = None) -> None:
        self.config, self.step, self.folder = config, 0, folder
        self.fabric = make_fabric(config)
        self.pairs = load(config, "train")
        self.validation = load(config, "val", min(64, config.n_test))
        self.config = config = config.replace(n_train=len(self.pairs))  # a folder may hold fewer than were asked for
        if config.n_train < config.batch_size:
            raise InputError(f"batch_size must be at most the {config.n_train} training pairs, got {config.batch_size}")
        generator = make_generator(config).to(memory_format=torch.channels_last)
        discriminator = PatchDiscriminator(3 + 3 * config.k + 3, config.discriminator_width)
        discriminator = discriminator.to(memory_format=torch.channels_last)
        self.raw = {"generator": generator, "discriminator": discriminator}
        adam = [
            torch.optim.Adam(module.parameters(), lr=config.learning_rate, betas=config.betas, fused=True)
            for module in self.raw.values()
        ]
        if config.compile:
            generator, discriminator = torch.compile(generator), torch.compile(discriminator)
        self.generator, self.optimizer_g = self.fabric.setup(generator, adam[0])
        self.discriminator, self.optimizer_d = self.fabric.setup(discriminator, adam[1])
        self.optimizers = {"optimizer_g": adam[0], "optimizer_d": adam[1]}
        self.features = None
        if config.lambda_fm > 0:
            self.features = FeatureExtractor(config.feature_layers, config.weights).to(self.fabric.device)

    # --- one step ---

    def batch(self, step: int) -> dict[str, torch.Tensor]:
        """The batch of a step, of which several processes take a share each."""
        fabric = self.fabric
        return training_batch(self.pairs, self.config, step, fabric.device, fabric.global_rank, fabric.world_size)

    def train_step(self, batch: dict[str, torch.Tensor], diagnose: bool = False) -> dict[str, torch.Tensor]:
        """One update of both networks; returns the losses by name, still on the device.

        diagnose: also the discriminator's mean logits, the norms of both gradients, and the colour spread of the
        results as a share of the truth's.
        """
        for optimizer in self.optimizers.values():
            optimizer.param_groups[0]["lr"] = self.learning_rate()
        line, color = batch["line"], batch["color"]
        reference, palette = self.reference(batch)
        fake = self.generator(line, palette, reference)

        # Discriminator: real and detached fake in one call, Eq. 6; the palette goes as nine colours
        both = torch.cat([torch.cat([line, color], 1), torch.cat([line, fake.detach()], 1)])  # (2N, 6, H, W)
        real_logits, fake_logits = self.discriminator(both, torch.cat([palette, palette])).chunk(2)
        loss_d = losses.discriminator_loss(real_logits, fake_logits)
        self.update(self.optimizer_d, loss_d)

        # Generator, Eq. 1
        self.raw["discriminator"].requires_grad_(False)  # its weights need no gradient from this loss
        terms = {
            "l1": self.l1_loss(fake, color),
            "feature": self.feature_loss(fake, color),
            "tv": losses.total_variation(fake),
            "adversarial": losses.adversarial_loss(self.discriminator(torch.cat([line, fake], 1), palette)),
        }
        weights = self.config
        loss_g = (
            weights.lambda_l1 * terms["l1"]
            + weights.lambda_fm * terms["feature"]
            + weights.lambda_tv * terms["tv"]
            + weights.lambda_adv * terms["adversarial"]
        )
        self.update(self.optimizer_g, loss_g)
        self.raw["discriminator"].requires_grad_(True)

        terms = {"loss_d": loss_d, "loss_g": loss_g, **terms}
        if diagnose:
            terms |= diagnoses(self.raw, real_logits, fake_logits, relative_spread(fake, color))
        return {name: value.detach().float() for name, value in terms.items()}

    def reference(self, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """What the generator colours from, (N, 3, H, W), and its palette (N, k, 3).

        Self-reference: the truth as it is (the paper), or warped; for some or all, another drawing in its colours.
        """
        reference, palette = batch["color"], batch["palette"]
        if self.config.train_reference == "warped":
            reference = random_warp(reference)
        if self.config.reference_erasing:
            reference = random_erasing(reference, self.config.reference_erasing)
        if "other" in batch:
            reference = take_some(batch["other"], reference, 0.5 if self.config.partners else 1.0)
        if self.config.reference_jitter:  # of the reference and its palette, never of the truth
            reference, palette = random_jitter(reference, palette, self.config.reference_jitter)
        return reference, palette

    def update(self, optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
        optimizer.zero_grad()
        self.fabric.backward(loss)
        optimizer.step()

    def l1_loss(self, fake: torch.Tensor, color: torch.Tensor) -> torch.Tensor:
        most = self.config.rare_colors
        return losses.l1_loss(fake, color) if most == 1 else losses.balanced_l1_loss(fake, color, most)

    def feature_loss(self, fake: torch.Tensor, color: torch.Tensor) -> torch.Tensor:
        if self.features is None:
            return fake.new_zeros(())
        with self.fabric.autocast():
            with torch.no_grad():  # the truth needs no gradient
                truth = self.features(color)
            features = self.features(fake)
        return losses.feature_matching({k: v.float() for k, v in features.items()}, truth)

    def learning_rate(self) -> float:
        """StepLR: multiplied by `lr_gamma` (the paper: halved) every `lr_step_epochs` epochs."""
        epoch = self.step // self.config.steps_per_epoch
        return self.config.learning_rate * self.config.lr_gamma ** (epoch // self.config.lr_step_epochs)

    # --- the run ---

    def run(self, resume: bool = False) -> None:
        """Steps until `config.total_steps`, in a folder that no other process trains in; by default a new one.

        resume: from the folder's last checkpoint, read when nobody else can write one.
        """
        first = self.fabric.is_global_zero
        if self.folder is None:
            self.folder = Path(self.fabric.broadcast(str(runs.new_folder(self.config)) if first else ""))
        with runs.alone(self.folder) if first else nullcontext():
            self.fabric.barrier()  # the others wait for the lock of the first
            if resume:
                self.resume()
            self.loop()

    def loop(self) -> None:
        """The steps, with logs, samples and checkpoints on the way."""
        config, log = self.config, None
        if self.fabric.is_global_zero:
            log = Log(self.folder, config.total_steps, self.step)
            if self.step < config.total_steps:
                write_text(self.folder / "config.json", json.dumps(config.to_dict(), indent=2) + "\n")
            else:
                log.progress.say(f"trained to step {self.step} already; more --steps go on")
        self.saved, stopped = time.monotonic(), False
        with runs.stop_on_signal() as stop, runs.disk_explained(self.folder, "a row or a sample"):
            while self.step < config.total_steps and not stopped:
                shown = self.due(config.log_every, self.step + 1) or self.due(config.sample_every, self.step + 1)
                with runs.memory_explained(config, self.step + 1, self.folder):
                    terms = self.train_step(self.batch(self.step), diagnose=shown)
                self.step += 1
                if shown:
                    self.write(log, terms)
                stopped = self.must_stop(stop)
                if stopped or self.save_is_due():
                    self.save()
        if log:
            if self.step < config.total_steps:
                log.progress.say(f"stopped at step {self.step}; go on with: lineart train --resume {self.folder}")
            log.progress.bar.close()

    def due(self, every: int, step: int) -> bool:
        return step % every == 0 or step == self.config.total_steps

    def must_stop(self, stop: threading.Event) -> bool:
        """Whether Ctrl-C or SIGTERM came; several processes agree on it when they log, so that none is left waiting."""
        if self.fabric.world_size == 1:
            return stop.is_set()
        if not self.due(self.config.log_every, self.step):
            return False
        told = torch.tensor(float(stop.is_set()), device=self.fabric.device)
        return bool(self.fabric.all_reduce(told, reduce_op="sum") > 0)

    def write(self, log: Log | None, terms: dict[str, torch.Tensor]) -> None:
        """One row of `metrics.csv`, means over the processes; only the first process has a log."""
        row = {name: float(self.fabric.all_reduce(value)) for name, value in terms.items()}  # waits for the device
        if not all(map(math.isfinite, row.values())):
            last = runs.last_good(self.folder)
            raise InputError(f"losses must be finite, at step {self.step} they are {row}; {last}")
        if self.due(self.config.sample_every, self.step):
            row |= self.sample(log)
        if log:
            log.write(self.step, row)

    def sample(self, log: Log | None = None) -> dict[str, float]:
        """Colour the validation drawings, and save a grid of them: mean PSNR in dB, and with red and blue exchanged."""
        pairs = self.validation
        self.generator.eval()
        fake = paint(self.generator, pairs.line, pairs.color, pairs.palette, batch_size=16)  # (n, 3, H, W)
        self.generator.train()
        truth = as_images(pairs.color)
        if log:
            log.save_grid(self.step, pairs, fake.permute(0, 2, 3, 1).numpy())
        values = {"psnr_val": losses.psnr(fake, truth), "psnr_swapped": losses.psnr(fake.flip(1), truth)}
        return {name: losses.mean_psnr(value) for name, value in values.items()}

    def resume(self) -> None:
        """The state of the folder's last checkpoint, if the settings are those that the run began with."""
        path = runs.last_whole(self.folder)
        runs.require_same(self.config, read_checkpoint(path)[0], runs.LEARNED)
        self.restore(path)
        if path.name == runs.PREVIOUS and self.fabric.is_global_zero:
            runs.copy_aside(path, self.folder / runs.LAST)  # or the damaged one would be kept as the one before

    def restore(self, path: Path, only_networks: bool = False) -> None:
        """Networks, and unless `only_networks` optimisers and step, from a checkpoint of the same architecture.

        only_networks: weights as they are shipped hold no discriminator; then the run begins with a new one.
        """
        config, step, tensors = read_checkpoint(path)
        alone = only_networks and not any(key.startswith("discriminator.") for key in tensors)
        runs.require_same(self.config, config, GENERATOR if alone else runs.ARCHITECTURE)
        for name in ["generator"] if alone else self.raw:
            load_module(self.raw[name], tensors, name)
        if not only_networks:
            for name, optimizer in self.optimizers.items():
                load_optimizer(optimizer, tensors, name)
            self.step = step

    def save(self) -> None:
        """Write the checkpoint and keep the one before it; unless a weight is no longer finite: then both stay."""
        weights = (p for module in self.raw.values() for p in module.parameters())
        if not all(bool(weight.isfinite().all()) for weight in weights):
            raise InputError(f"weights must be finite, at step {self.step} they are not; {runs.last_good(self.folder)}")
        self.saved = time.monotonic()
        if self.fabric.is_global_zero:
            runs.keep(self.folder, self.config, self.step, self.raw, self.optimizers)

    def save_is_due(self) -> bool:
        """At the end, every `checkpoint_every` steps or `checkpoint_minutes`, and after an epoch if a minute passed."""
        minutes = (time.monotonic() - self.saved) / 60
        epoch_ends = self.step % self.config.steps_per_epoch == 0
        patience = min(1, self.config.checkpoint_minutes) if epoch_ends else self.config.checkpoint_minutes
        return self.due(self.config.checkpoint_every, self.step) or minutes >= patience

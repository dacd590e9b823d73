"""The training loop: the discriminator once, then the generator, in every step.

Everything random in a step (order, crop, flip, noise) is drawn from a seed made of the run's seed and the step's
number. So the step's number is all the state there is to save, and a resumed run is the run that was not killed.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock, Timeout
from lightning_fabric import Fabric
from lightning_fabric.utilities.exceptions import MisconfigurationException
from safetensors import SafetensorError

from lineart import log as diagnosis
from lineart import losses
from lineart.checkpoint import load_module, load_optimizer, make_generator, read_checkpoint, save_checkpoint
from lineart.config import ROOT, Config
from lineart.data.augment import random_collage, random_jitter, random_warp, take, training_batch
from lineart.data.sets import load
from lineart.evaluation import metrics
from lineart.features import FeatureExtractor
from lineart.files import whole, write_text
from lineart.images import to_uint8
from lineart.log import Log
from lineart.networks import PatchDiscriminator

LAST, PREVIOUS = "last.safetensors", "previous.safetensors"
# What a resumed run may change: where, how precisely and how long it runs and what it shows, not what is learned
FREE = ("source", "steps", "epochs", "devices", "accelerator", "precision", "compile", "log_every", "sample_every",
        "checkpoint_every", "checkpoint_minutes", "tensorboard", "start_from", "n_test")


def train(config: Config, run: str | Path | None = None, resume: bool = False) -> Path:
    """Train a generator and return its run folder.

    run: the folder, by default a new one under `runs/train`. It holds `config.json`, `metrics.csv`, `samples/`,
    `last.safetensors` (networks, optimisers, step) and the checkpoint before it, `previous.safetensors`. resume: go on
    from the folder's checkpoint; without it a folder that holds one, or other files, is refused. Ctrl-C and SIGTERM save after
    the step that they came in and return; a second Ctrl-C does not wait.
    Raises ValueError, FileNotFoundError, FloatingPointError when a loss or a weight is no longer finite, MemoryError
    when the device's memory is too small, and OSError when a checkpoint can't be written.
    """
    if resume and not run:
        raise ValueError("resume must come with the folder of the run, got none")
    folder = Path(run) if run else None
    if folder and not resume:
        _refuse_taken(folder)
    if resume and not checkpoints(folder):
        raise FileNotFoundError(f"a run that goes on must hold a checkpoint, found none at {folder / LAST}")
    torch.manual_seed(config.seed)
    trainer = Trainer(config, folder)
    if config.start_from and not resume:
        trainer.restore(Path(config.start_from), only_networks=True)
    trainer.run(resume)
    return trainer.folder


def config_of(run: str | Path) -> Config:
    """The settings that a run was begun with. Raises FileNotFoundError for a folder that is none."""
    path = Path(run) / "config.json"
    if not path.is_file():
        raise FileNotFoundError(f"the folder of a run must hold config.json, {run} does not")
    try:
        return Config.from_dict(json.loads(path.read_text()))
    except json.JSONDecodeError as error:
        raise ValueError(f"config.json of a run must be JSON, {path} is not: {error}") from error


def checkpoints(run: Path) -> list[Path]:
    """The last one of a run and the one before it, as far as they are there."""
    return [run / name for name in (LAST, PREVIOUS) if (run / name).exists()]


def last_whole(run: Path) -> Path:
    """The last checkpoint of a run, or where that is damaged or lost, and says so, the one before it."""
    try:
        read_checkpoint(run / LAST)
        return run / LAST
    except (ValueError, FileNotFoundError) as error:
        if not (run / PREVIOUS).exists():
            raise
        print(f"{error}; going on from {PREVIOUS}", flush=True)
        return run / PREVIOUS


def _refuse_taken(folder: Path) -> None:
    """A new run may begin in an empty folder, and where it was begun before and stopped before a checkpoint."""
    if there := checkpoints(folder):
        raise ValueError(f"a new run must not overwrite an old one: {folder} holds {there[0].name}; resume it or name "
                         "another")
    if folder.is_dir() and any(not path.name.startswith(".") for path in folder.iterdir()):
        try:
            config_of(folder)
        except (ValueError, FileNotFoundError) as error:
            raise ValueError(f"a new run must have a folder of its own, {folder} holds other files") from error


def _new_folder(config: Config) -> Path:
    name = f"{config.data}-{config.method}-{config.size}px-w{config.width}-s{config.seed}"
    for i in itertools.count(1):
        folder = ROOT / "runs" / "train" / (f"{name}-{i}" if i > 1 else name)
        try:
            folder.mkdir(parents=True)  # at once, so that two runs never choose the same
            return folder
        except FileExistsError:
            continue


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """No other process trains in the folder meanwhile, and what killed ones left half written is gone."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise ValueError(f"a run must be trained by one process at a time, another one is at {folder}") from error
    try:
        for name in (LAST, PREVIOUS, "config.json", "metrics.csv"):
            for path in folder.glob(f"{name}.*.tmp"):
                path.unlink()
        yield
    finally:
        lock.release()


def make_fabric(config: Config) -> Fabric:
    """Device, precision and processes; under torchrun as many processes as it has started."""
    here, everywhere = (int(os.environ.get(name, 0)) for name in ("LOCAL_WORLD_SIZE", "WORLD_SIZE"))
    devices, nodes = (here, everywhere // here) if "TORCHELASTIC_RUN_ID" in os.environ else (config.devices, 1)
    processes = devices * nodes
    if config.batch_size % processes:
        raise ValueError(f"batch_size must be a multiple of the {processes} processes that share it, "
                         f"got {config.batch_size}")
    if config.train_reference == "cycle" and config.batch_size < 2 * processes:
        raise ValueError(f"train_reference 'cycle' needs a batch_size of at least 2 for each of the {processes} "
                         f"processes, got {config.batch_size}")
    try:
        fabric = Fabric(accelerator=config.accelerator, devices=devices, num_nodes=nodes, precision=config.precision)
    except (RuntimeError, ValueError, MisconfigurationException) as error:
        raise ValueError(f"accelerator, devices and precision must be some that this machine has, got "
                         f"{config.accelerator!r}, {devices} and {config.precision!r}: {error}") from error
    fabric.launch()
    return fabric


class Trainer:
    """The state of one run: two networks, two optimisers, a step number."""

    def __init__(self, config: Config, folder: Path | None = None) -> None:
        self.config, self.step, self.complained = config, 0, set()
        self.fabric = make_fabric(config)
        self.folder = folder
        self.pairs = load(config, "train")
        self.validation = load(config, "val", min(64, config.n_test))
        self.config = config = config.replace(n_train=len(self.pairs))  # a folder may hold fewer than were asked for
        if config.n_train < config.batch_size:
            raise ValueError(f"batch_size must be at most the {config.n_train} training pairs, got {config.batch_size}")
        generator = make_generator(config).to(memory_format=torch.channels_last)
        discriminator = PatchDiscriminator(3 + 3 * config.k + 3, config.discriminator_width)
        discriminator = discriminator.to(memory_format=torch.channels_last)
        self.raw = {"generator": generator, "discriminator": discriminator}
        adam = {name: torch.optim.Adam(module.parameters(), lr=config.learning_rate, betas=config.betas, fused=True)
                for name, module in self.raw.items()}
        if config.compile:
            generator, discriminator = torch.compile(generator), torch.compile(discriminator)
        self.generator, self.optimizer_g = self.fabric.setup(generator, adam["generator"])
        self.discriminator, self.optimizer_d = self.fabric.setup(discriminator, adam["discriminator"])
        self.optimizers = {"optimizer_g": adam["generator"], "optimizer_d": adam["discriminator"]}
        self.features = None
        if config.lambda_fm > 0:
            self.features = FeatureExtractor(config.feature_layers, config.weights).to(self.fabric.device)

    def resume(self) -> None:
        """The state of the folder's last checkpoint, if the settings are those that the run began with."""
        path = last_whole(self.folder)
        config = read_checkpoint(path)[0]
        for name, value in config.to_dict().items():
            now = self.config.to_dict()[name]
            if name not in FREE and now != value:
                raise ValueError(f"{name} must be the checkpoint's {value!r} when a run goes on, got {now!r}")
        self.restore(path)
        if path.name == PREVIOUS and self.fabric.is_global_zero:
            _copy_aside(path, self.folder / LAST)  # or the damaged one would be kept as the one before

    def restore(self, path: Path, only_networks: bool = False) -> None:
        """Networks, and unless `only_networks` optimisers and step, from a checkpoint of the same architecture."""
        config, step, tensors = read_checkpoint(path)
        for name in ("width", "depth", "attention", "reference", "noise", "discriminator_width", "k", "keys", "fine_levels"):
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
        """Write the checkpoint and keep the one before it; unless a weight is no longer finite: then both stay."""
        weights = (p for module in self.raw.values() for p in module.parameters())
        if not all(bool(weight.isfinite().all()) for weight in weights):
            raise FloatingPointError(f"weights must be finite, at step {self.step} they are not; {self.last_good()}")
        self.saved = time.monotonic()
        if not self.fabric.is_global_zero:
            return
        last = self.folder / LAST
        try:
            if last.exists():
                _copy_aside(last, self.folder / PREVIOUS)
            save_checkpoint(last, self.config, self.step, self.raw, self.optimizers)
        except (OSError, SafetensorError) as error:
            raise OSError(f"the checkpoint of step {self.step} could not be written ({error}): make room, then "
                          f"lineart train --resume {self.folder}; {self.last_good()}") from error

    def last_good(self) -> str:
        path = self.folder / LAST
        if not path.exists():
            return "no checkpoint was written before"
        return f"the last good checkpoint is {path}, of step {read_checkpoint(path)[1]}"

    def save_is_due(self) -> bool:
        """Every `checkpoint_every` steps, every `checkpoint_minutes`, and after an epoch if the last one is a minute old."""
        minutes = (time.monotonic() - self.saved) / 60
        epoch_ends = self.step % self.config.steps_per_epoch == 0
        return (self.step % self.config.checkpoint_every == 0 or minutes >= self.config.checkpoint_minutes
                or epoch_ends and minutes >= 1)

    def run(self, resume: bool = False) -> None:
        """Steps until `config.total_steps`, in a folder that no other process trains in; by default a new one.

        resume: from the folder's last checkpoint, read when nobody else can write one.
        """
        first = self.fabric.is_global_zero
        if self.folder is None:
            self.folder = Path(self.fabric.broadcast(str(_new_folder(self.config)) if first else ""))
        with _alone(self.folder) if first else nullcontext():
            self.fabric.barrier()  # the others wait for the lock of the first
            if resume:
                self.resume()
            self.loop()

    def loop(self) -> None:
        """The steps, with logs, samples and checkpoints on the way."""
        config, log = self.config, None
        if self.fabric.is_global_zero:
            self.write_config()
            log = Log(self.folder, config.total_steps, self.step, config.batch_size, config.tensorboard)
        self.saved, stopped = time.monotonic(), False
        with _signals() as stop:
            while self.step < config.total_steps and not stopped:
                shown = self.due(config.log_every, self.step + 1) or self.due(config.sample_every, self.step + 1)
                with self.memory_explained():
                    terms = self.train_step(self.batch(self.step), diagnose=shown)
                self.step += 1
                if shown:
                    self.write(log, terms)
                stopped = self.must_stop(stop)
                if stopped or self.step == config.total_steps or self.save_is_due():
                    self.save()
        if log:
            if self.step < config.total_steps:
                log.say(f"stopped at step {self.step} and saved; go on with: lineart train --resume {self.folder}")
            log.close()

    def write_config(self) -> None:
        """The settings beside the checkpoint; a resumed run may have changed some."""
        path, text = self.folder / "config.json", json.dumps(self.config.to_dict(), indent=2) + "\n"
        if not path.exists() or path.read_text() != text:
            write_text(path, text)

    def must_stop(self, stop: threading.Event) -> bool:
        """Whether Ctrl-C or SIGTERM came; several processes agree on it when they log, so that none is left waiting."""
        if self.fabric.world_size == 1:
            return stop.is_set()
        if not self.due(self.config.log_every, self.step):
            return False
        told = torch.tensor(float(stop.is_set()), device=self.fabric.device)
        return bool(self.fabric.all_reduce(told, reduce_op="sum") > 0)

    @contextmanager
    def memory_explained(self) -> Iterator[None]:
        """Say which settings to lower when memory does not suffice."""
        try:
            yield
        except (RuntimeError, MemoryError) as error:  # torch.OutOfMemoryError is a RuntimeError
            known = isinstance(error, torch.OutOfMemoryError | MemoryError)
            if not known and "can't allocate memory" not in str(error):
                raise
            config = self.config
            raise MemoryError(f"out of memory at step {self.step + 1}: lower batch_size, now {config.batch_size}, or "
                              f"size, now {config.size}, or width, now {config.width}; {self.last_good()}") from error

    def due(self, every: int, step: int) -> bool:
        return step % every == 0 or step == self.config.total_steps

    def write(self, log: Log | None, terms: dict[str, torch.Tensor]) -> None:
        """One row of `metrics.csv`, means over the processes; only the first process has a log."""
        # float() is the only wait for the device
        row = {name: float(self.fabric.all_reduce(value)) for name, value in terms.items()}
        if not all(np.isfinite(value) for value in row.values()):
            raise FloatingPointError(f"losses must be finite, at step {self.step} they are {row}; {self.last_good()}")
        if self.due(self.config.sample_every, self.step):
            row |= self.sample(log)
        if log:
            log.write(self.step, row)
            for complaint in diagnosis.complaints(self.step, row):
                if complaint.split(":")[0] not in self.complained:  # once a run is enough
                    self.complained.add(complaint.split(":")[0])
                    log.say(f"step {self.step}: {complaint}")

    def batch(self, step: int) -> dict[str, torch.Tensor]:
        """The batch of a step, of which several processes take a share each."""
        fabric = self.fabric
        return training_batch(self.pairs, self.config, step, fabric.device, fabric.global_rank, fabric.world_size)

    def train_step(self, batch: dict[str, torch.Tensor], diagnose: bool = False) -> dict[str, torch.Tensor]:
        """One update of both networks; returns the losses by name, still on the device.

        diagnose: also the discriminator's mean logits, the norms of both gradients, and the colour spread of the
        results as a share of the truth's.
        """
        config = self.config
        for optimizer in self.optimizers.values():
            optimizer.param_groups[0]["lr"] = self.learning_rate()
        line, color, palette = batch["line"], batch["color"], batch["palette"]
        # Self-reference: the truth as it is (the paper), or warped; or another drawing in the same colours
        reference = batch.get("reference", color)
        if config.train_reference == "warped":
            reference = random_warp(color)
        elif config.train_reference == "cycle":
            reference = self.cycle_references(line, color, palette)
        if config.reference_jitter:  # of the reference and its palette, never of the truth
            reference, palette = random_jitter(reference, palette, config.reference_jitter)
        fake = self.generator(line, palette, reference)

        # Discriminator: real and detached fake in one call, Eq. 6; the palette goes as nine colours
        both = torch.cat([torch.cat([line, color], 1), torch.cat([line, fake.detach()], 1)])  # (2N, 6, H, W)
        real_logits, fake_logits = self.discriminator(both, torch.cat([palette, palette])).chunk(2)
        loss_d = losses.discriminator_loss(real_logits, fake_logits)
        self.optimizer_d.zero_grad()
        self.fabric.backward(loss_d)
        seen = {}
        if diagnose:
            seen = {"real_logit": real_logits.mean(), "fake_logit": fake_logits.mean(),
                    "grad_d": diagnosis.gradient_norm(self.raw["discriminator"]),
                    "spread": diagnosis.relative_spread(fake, color)}
        self.optimizer_d.step()

        # Generator, Eq. 1
        self.raw["discriminator"].requires_grad_(False)  # its weights need no gradient from this loss
        terms = {
            "l1": losses.l1_loss(fake, color),
            "feature": self.feature_loss(fake, color),
            "tv": losses.total_variation(fake),
            "adversarial": losses.adversarial_loss(self.discriminator(torch.cat([line, fake], 1), palette)),
        }
        loss_g = (config.lambda_l1 * terms["l1"] + config.lambda_fm * terms["feature"]
                  + config.lambda_tv * terms["tv"] + config.lambda_adv * terms["adversarial"])
        self.optimizer_g.zero_grad()
        self.fabric.backward(loss_g)
        if diagnose:
            seen["grad_g"] = diagnosis.gradient_norm(self.raw["generator"])
        self.optimizer_g.step()
        self.raw["discriminator"].requires_grad_(True)
        terms = {"loss_d": loss_d, "loss_g": loss_g, **terms, **seen}
        return {name: value.detach().float() for name, value in terms.items()}

    def cycle_references(self, line: torch.Tensor, color: torch.Tensor, palette: torch.Tensor) -> torch.Tensor:
        """Half of them other drawings of the batch in the truth's colours, as the network itself paints them now.

        The way there and back: the network colours the neighbour's drawing from the truth, and then has to colour the
        truth's drawing from that. The other half are collages of the truth, which keep the colours honest.
        """
        n = len(line)
        reference, chosen = random_collage(color), torch.randperm(n, device=line.device)[: n // 2]
        with torch.no_grad():
            colored = self.generator(line[(chosen + 1) % n], palette[chosen], color[chosen])
        return reference.index_copy(0, chosen, colored.to(reference.dtype))

    def feature_loss(self, fake: torch.Tensor, color: torch.Tensor) -> torch.Tensor:
        if self.features is None:
            return fake.new_zeros(())
        with self.fabric.autocast():
            with torch.no_grad():  # the truth needs no gradient
                truth = self.features(color)
            features = self.features(fake)
        return losses.feature_matching({k: v.float() for k, v in features.items()}, truth)

    def learning_rate(self) -> float:
        """StepLR: halved every `lr_step_epochs` epochs."""
        epoch = self.step // self.config.steps_per_epoch
        return self.config.learning_rate * self.config.lr_gamma ** (epoch // self.config.lr_step_epochs)

    @torch.no_grad()
    def sample(self, log: Log | None = None) -> dict[str, float]:
        """Colour the validation drawings, and save a grid of them: mean PSNR in dB, and with red and blue exchanged."""
        pairs = self.validation
        self.generator.eval()
        results = []
        for i in range(0, len(pairs), 16):
            batch = take(pairs, slice(i, i + 16), device=self.fabric.device)
            results.append(to_uint8(self.generator(batch["line"], batch["palette"], batch["color"])).cpu())
        self.generator.train()
        fake, truth = torch.cat(results), torch.tensor(pairs.color).permute(0, 3, 1, 2)  # (n, 3, H, W)
        if log:
            log.save_grid(self.step, pairs, fake.permute(0, 2, 3, 1).numpy())
        return {"psnr_val": metrics.mean_psnr(metrics.psnr(fake, truth)),
                "psnr_swapped": metrics.mean_psnr(metrics.psnr(fake.flip(1), truth))}


def _copy_aside(path: Path, other: Path) -> None:
    """`other` becomes what `path` is, at once; a second name for the same file where the file system has such names."""
    with whole(other) as temporary:
        temporary.unlink(missing_ok=True)
        try:
            os.link(path, temporary)
        except OSError:
            shutil.copyfile(path, temporary)


@contextmanager
def _signals() -> Iterator[threading.Event]:
    """An event that Ctrl-C or SIGTERM sets, so that no step is cut in half, between discriminator and generator."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # signals go to the main thread only
        yield stop
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def handle(*_) -> None:
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)  # the second one is not held back

    for number in before:
        signal.signal(number, handle)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

"""A run's folder: who may train in it, its checkpoints and settings, and how a signal ends it between two steps."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError
from torch import nn

from lineart.checkpoint import read_checkpoint, save_checkpoint
from lineart.config import ROOT, Config, InputError, MissingFile
from lineart.files import whole, write_text

LAST, PREVIOUS = "last.safetensors", "previous.safetensors"
# What a resumed run may change: where, how precisely and how long it runs and what it shows, not what is learned
FREE = (
    "source",
    "steps",
    "epochs",
    "devices",
    "accelerator",
    "precision",
    "compile",
    "log_every",
    "sample_every",
    "checkpoint_every",
    "checkpoint_minutes",
    "tensorboard",
    "start_from",
    "n_test",
)

ARCHITECTURE = ("width", "depth", "attention", "reference", "keys", "fine_levels", "noise", "discriminator_width", "k")


def checkpoints(run: Path) -> list[Path]:
    """The last one of a run and the one before it, as far as they are there."""
    return [run / name for name in (LAST, PREVIOUS) if (run / name).exists()]


def config_of(run: str | Path) -> Config:
    """The settings that a run was begun with. Raises MissingFile for a folder that is none."""
    path = Path(run) / "config.json"
    if not path.is_file():
        raise MissingFile(f"the folder of a run must hold config.json, {run} does not")
    try:
        return Config.from_dict(json.loads(path.read_text()))
    except json.JSONDecodeError as error:
        raise InputError(f"config.json of a run must be JSON, {path} is not: {error}") from error


def write_config(run: Path, config: Config) -> None:
    """The settings beside the checkpoint; a resumed run may have changed some."""
    path, text = run / "config.json", json.dumps(config.to_dict(), indent=2) + "\n"
    if not path.exists() or path.read_text() != text:
        write_text(path, text)


def last_whole(run: Path) -> Path:
    """The last checkpoint of a run, or where that is damaged or lost, and says so, the one before it."""
    try:
        read_checkpoint(run / LAST)
        return run / LAST
    except InputError as error:
        if not (run / PREVIOUS).exists():
            raise
        print(f"{error}; going on from {PREVIOUS}", flush=True)
        return run / PREVIOUS


def keep(
    run: Path, config: Config, step: int, modules: dict[str, nn.Module], optimizers: dict[str, torch.optim.Optimizer]
) -> None:
    """Write the checkpoint of a step, and keep the one before it. Raises InputError where it can't be written."""
    last = run / LAST
    try:
        if last.exists():
            copy_aside(last, run / PREVIOUS)
        save_checkpoint(last, config, step, modules, optimizers)
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"the checkpoint of step {step} could not be written ({error}): make room, then "
            f"lineart train --resume {run}; {last_good(run)}"
        ) from error


def last_good(run: Path) -> str:
    """What a person can go on from, as the end of a sentence."""
    path = run / LAST
    if not path.exists():
        return "no checkpoint was written before"
    return f"the last good checkpoint is {path}, of step {read_checkpoint(path)[1]}"


def check_architecture(config: Config, other: Config) -> None:
    """Raises InputError where the networks of a checkpoint with config `other` are not those of `config`."""
    for name in ARCHITECTURE:
        if getattr(config, name) != getattr(other, name):
            raise InputError(f"{name} must be the checkpoint's {getattr(other, name)!r}, got {getattr(config, name)!r}")


def check_unchanged(config: Config, checkpoint: Path) -> None:
    """Raises InputError where a run would go on with other settings than those that decide what it learned so far."""
    before, now = read_checkpoint(checkpoint)[0].to_dict(), config.to_dict()
    for name, value in before.items():
        if name not in FREE and now[name] != value:
            raise InputError(f"{name} must be the checkpoint's {value!r} when a run goes on, got {now[name]!r}")


def refuse_taken(folder: Path) -> None:
    """A new run may begin in an empty folder, and where it was begun before and stopped before a checkpoint."""
    if there := checkpoints(folder):
        raise InputError(
            f"a new run must not overwrite an old one: {folder} holds {there[0].name}; resume it or name another"
        )
    if folder.is_dir() and any(not path.name.startswith(".") for path in folder.iterdir()):
        try:
            config_of(folder)
        except InputError as error:
            raise InputError(f"a new run must have a folder of its own, {folder} holds other files") from error


def new_folder(config: Config) -> Path:
    """A folder under `runs/train` that no other run has."""
    name = f"{config.data}-{config.method}-{config.size}px-w{config.width}-s{config.seed}"
    for i in itertools.count(1):
        folder = ROOT / "runs" / "train" / (f"{name}-{i}" if i > 1 else name)
        try:
            folder.mkdir(parents=True)  # at once, so that two runs never choose the same
            return folder
        except FileExistsError:
            continue


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """No other process trains in the folder meanwhile, and what killed ones left half written is gone."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise InputError(f"a run must be trained by one process at a time, another one is at {folder}") from error
    try:
        for leftover in folder.glob("*.tmp"):
            if leftover.name.startswith((LAST, PREVIOUS, "config.json", "metrics.csv")):
                leftover.unlink()
        yield
    finally:
        lock.release()


def copy_aside(path: Path, other: Path) -> None:
    """`other` becomes what `path` is, at once; a second name for the same file where the file system has such names."""
    with whole(other) as temporary:
        temporary.unlink(missing_ok=True)
        try:
            os.link(path, temporary)
        except OSError:
            shutil.copyfile(path, temporary)


@contextmanager
def memory_explained(config: Config, step: int, run: Path) -> Iterator[None]:
    """Say which settings to lower when memory does not suffice."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:  # torch.OutOfMemoryError is a RuntimeError
        known = isinstance(error, torch.OutOfMemoryError | MemoryError)
        if not known and "can't allocate memory" not in str(error):
            raise
        raise InputError(
            f"out of memory at step {step}: lower batch_size, now {config.batch_size}, or size, now "
            f"{config.size}, or width, now {config.width}; {last_good(run)}"
        ) from error


@contextmanager
def stop_on_signal() -> Iterator[threading.Event]:
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

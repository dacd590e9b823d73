"""A run's folder: who may train in it, its checkpoints and settings, and how a signal ends it between two steps."""

import itertools
import json
import os
import shutil
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError

from lineart.checkpoint import GENERATOR, read_checkpoint, save_checkpoint
from lineart.config import ROOT, Config, InputError, MissingFile
from lineart.files import whole

LAST, PREVIOUS = "last.safetensors", "previous.safetensors"
ARCHITECTURE = (*GENERATOR, "depth", "discriminator_width")
# What a resumed run may change: where, how precisely and how long it runs and what it shows, not what is learned
FREE = {"source", "partners", "n_test", "start_from", "steps", "epochs", "devices", "accelerator", "precision"}
FREE |= {"compile", "log_every", "sample_every", "checkpoint_every", "checkpoint_minutes"}
LEARNED = [name for name in Config.model_fields if name not in FREE]


def checkpoints(run: Path) -> list[Path]:
    """The last one of a run and the one before it, as far as they are there."""
    return [run / name for name in (LAST, PREVIOUS) if (run / name).exists()]


def config_of(run: str | Path) -> Config:
    """The settings that a run was begun with. Raises MissingFile for a folder that is none."""
    path = Path(run) / "config.json"
    if not path.is_file():
        raise MissingFile(f"the folder of a run must hold config.json, {run} does not")
    try:
        return Config.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except (TypeError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"config.json of a run must hold its settings as JSON, {path} does not: {error}") from error


def last_whole(run: Path) -> Path:
    """The last checkpoint of a run, or where that is damaged or lost, and says so, the one before it."""
    try:
        read_checkpoint(run / LAST)
    except InputError as error:
        if not (run / PREVIOUS).exists():
            raise
        print(f"{error}; going on from {PREVIOUS}", flush=True)
        return run / PREVIOUS
    return run / LAST


def keep(run: Path, config: Config, step: int, modules: dict, optimizers: dict) -> None:
    """Write the checkpoint of a step, and keep the one before it. Raises InputError where it can't be written."""
    with disk_explained(run, f"the checkpoint of step {step}"):
        if (run / LAST).exists():
            copy_aside(run / LAST, run / PREVIOUS)
        save_checkpoint(run / LAST, config, step, modules, optimizers)


@contextmanager
def disk_explained(run: Path, what: str) -> Iterator[None]:
    """A full disk ends a training with a sentence: what could not be written, and what to go on from."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        sentence = f"{what} could not be written ({error})"
        raise InputError(f"{sentence}: make room, then lineart train --resume {run}; {last_good(run)}") from error


def copy_aside(path: Path, other: Path) -> None:
    """`other` becomes what `path` is, at once; a second name for the same file where the file system has such names."""
    with whole(other) as temporary:
        try:
            os.link(path, temporary)
        except OSError:
            shutil.copyfile(path, temporary)


def last_good(run: Path) -> str:
    """What a person can go on from, as the end of a sentence."""
    path = run / LAST
    if not path.exists():
        return "no checkpoint was written before"
    return f"the last good checkpoint is {path}, of step {read_checkpoint(path)[1]}"


def require_same(config: Config, other: Config, names: Iterable[str]) -> None:
    """Raises InputError where one of these settings is not that of `other`, a checkpoint's."""
    for name in names:
        if (wanted := getattr(other, name)) != (given := getattr(config, name)):
            raise InputError(f"{name} must be the checkpoint's {wanted!r}, got {given!r}")


def refuse_taken(folder: Path) -> None:
    """A new run may begin in an empty folder, and where one stopped before its first checkpoint."""
    if there := checkpoints(folder):
        raise InputError(
            f"a new run must not overwrite an old one: {folder} holds {there[0].name}; resume it or name another"
        )
    begun = (folder / "metrics.csv").is_file() and (folder / "config.json").is_file()
    empty = folder.is_dir() and all(path.name.startswith(".") for path in folder.iterdir())
    if folder.exists() and not begun and not empty:
        raise InputError(f"a new run must have a folder of its own, {folder} holds other files, or is a file")


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
    try:
        with FileLock(folder / ".lock", timeout=0):
            for name in (LAST, PREVIOUS, "config.json", "metrics.csv"):
                for leftover in folder.glob(f"{name}.*.tmp"):
                    leftover.unlink()
            yield
    except Timeout as error:
        raise InputError(f"a run must be trained by one process at a time, another one is at {folder}") from error


@contextmanager
def memory_explained(config: Config, step: int, run: Path) -> Iterator[None]:
    """Say which settings to lower when memory does not suffice."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:  # torch.OutOfMemoryError is a RuntimeError
        known = isinstance(error, torch.OutOfMemoryError | MemoryError)
        if not known and "can't allocate memory" not in str(error):
            raise
        now = f"batch_size, now {config.batch_size}, or size, now {config.size}, or width, now {config.width}"
        raise InputError(f"out of memory at step {step}: lower {now}; {last_good(run)}") from error


@contextmanager
def stop_on_signal() -> Iterator[threading.Event]:
    """An event that Ctrl-C or SIGTERM sets, so that no step is cut in half, between discriminator and generator."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # signals go to the main thread only
        yield stop
        return

    def handle(*_) -> None:
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)  # the second one is not held back

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

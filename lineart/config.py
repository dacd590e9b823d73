"""Every setting of an experiment in one frozen dataclass; its defaults are the paper's."""

from __future__ import annotations

import dataclasses
import math
import os
import types
import typing
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = ("toon", "kaggle", "faces", "folder", "pairs")
ATTENTIONS = ("none", "gate", "cross")
REFERENCES = ("image", "palette")
TRAIN_REFERENCES = ("self", "warped", "cycle", "other")


class InputError(ValueError):
    """What a user can mend, in one sentence with the rule and the value; the command line shows it without a traceback."""


class MissingFile(InputError, FileNotFoundError):
    """A file or folder that should be there and is not."""


MIN_SIZE = 24  # pixels a side; of less the discriminator's last filter has nothing to stand on


@dataclass(frozen=True)
class Config:
    """What to train, on what, and how. Numbers without a note are given in section 4.2 of the paper.

    The note behind a setting is also what `lineart train --help` says of it.
    """

    # Data
    data: str = "kaggle"  # "toon", "kaggle", "faces", "folder" or "pairs"
    source: str | None = None  # prepared set, folder or zip; None: where `lineart data prepare` puts the set
    size: int = 256  # pixels a side
    n_train: int = 14_224  # drawings in the training set
    n_test: int = 3_545  # drawings in the test set
    augment: bool = True  # random crop and random flip
    line_variants: bool = False  # half of the line drawings extracted anew: thin, thick, soft or hard
    # "self": the truth as it is; "warped": bent, turned and flipped, so that no position is sure; "cycle": half of them
    # other drawings, which the network colours itself from the truth; "other": another drawing in the same colours,
    # which only `toon` has
    train_reference: str = "self"  # "self", "warped", "cycle" or "other"
    reference_jitter: float = 0.0  # random change of the reference's hue, saturation, contrast and brightness

    # Networks
    width: int = 64  # channels of the first level; the paper does not say
    levels: int | None = None  # None: until the bottleneck is 2x2, the paper's 7 at 256 px
    attention: str = "cross"  # "none", "gate" or "cross"
    reference: str = "image"  # what keys and values come from: "image" (text) or "palette" (Figure 2)
    keys: str = "none"  # what an encoder for matching alone sees of the reference: "colors" or "lines"; "none": the paper
    fine_levels: int = 0  # finer decoder levels that attend, too
    noise: bool = True  # random noise injected into the generator
    discriminator_width: int = 64  # channels of its first level
    k: int = 9  # colours of the palette

    # Loss, Eq. 1
    lambda_l1: float = 50.0  # weight of the L1 loss
    lambda_fm: float = 0.05  # of feature matching
    lambda_tv: float = 5e-4  # of total variation
    lambda_adv: float = 1.0  # of the adversarial loss
    feature_layers: tuple[str, ...] = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")  # the paper names none
    weights: str = "imagenet"  # backbone of feature loss and metrics: "imagenet" or "bundled"

    # Optimisation
    batch_size: int = 4  # drawings a step, shared by the devices
    epochs: int = 40  # times through the training set
    steps: int | None = None  # None: epochs decide
    learning_rate: float = 2e-4  # of Adam, at the start
    betas: tuple[float, float] = (0.5, 0.99)  # of Adam, two from 0 to below 1
    lr_step_epochs: int = 20  # after so many epochs the learning rate is multiplied by lr_gamma
    lr_gamma: float = 0.5  # see lr_step_epochs

    # The run
    seed: int = 0  # of everything random
    start_from: str | None = None  # a checkpoint whose networks the run starts with
    devices: int = 1  # processes, one a device
    accelerator: str = "auto"  # as Lightning Fabric calls it: "auto", "cpu", "gpu"
    precision: str = "32-true"  # as Lightning Fabric calls it: "32-true", "bf16-mixed"
    compile: bool = False  # torch.compile: a minute at the start, faster steps
    log_every: int = 50  # steps between two rows of metrics.csv
    sample_every: int = 500  # steps between two samples
    checkpoint_every: int = 500  # steps between two checkpoints
    checkpoint_minutes: float = 10.0  # a checkpoint also whenever so many have passed
    tensorboard: bool = False  # a log for TensorBoard, too

    def __post_init__(self) -> None:
        for name, kind in typing.get_type_hints(Config).items():
            if not _is_a(getattr(self, name), kind):
                raise ValueError(f"{name} must be {_words(kind)}, got {getattr(self, name)!r}")
        if self.data not in DATA:
            raise ValueError(f"data must be one of {', '.join(DATA)}, got {self.data!r}")
        if self.attention not in ATTENTIONS:
            raise ValueError(f"attention must be one of {', '.join(ATTENTIONS)}, got {self.attention!r}")
        if self.reference not in REFERENCES:
            raise ValueError(f"reference must be one of {', '.join(REFERENCES)}, got {self.reference!r}")
        if self.train_reference not in TRAIN_REFERENCES:
            raise ValueError(f"train_reference must be one of {', '.join(TRAIN_REFERENCES)}, "
                             f"got {self.train_reference!r}")
        if self.train_reference == "other" and self.data != "toon":
            raise ValueError(f"train_reference 'other' needs data whose slots are known (toon), got {self.data!r}")
        if not 0 <= self.reference_jitter <= 1:
            raise ValueError(f"reference_jitter must be between 0 and 1, got {self.reference_jitter}")
        if self.precision.startswith("16"):
            raise ValueError(f"precision must have float32's range, such as 'bf16-mixed'; float16 would need a loss scale, "
                             f"got {self.precision!r}")
        if self.weights not in ("imagenet", "bundled"):
            raise ValueError(f"weights must be 'imagenet' or 'bundled', got {self.weights!r}")
        for name in ("size", "n_train", "n_test", "width", "discriminator_width", "k", "batch_size", "epochs",
                     "lr_step_epochs", "devices", "log_every", "sample_every", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("learning_rate", "lr_gamma", "checkpoint_minutes"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        for name in ("lambda_l1", "lambda_fm", "lambda_tv", "lambda_adv"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas must be two numbers from 0 to below 1, got {self.betas}")
        if not 0 <= self.seed < 2**64:
            raise ValueError(f"seed must be between 0 and 2**64 - 1, got {self.seed}")
        if self.steps is not None and self.steps < 1:
            raise ValueError(f"steps must be at least 1, got {self.steps}")
        if self.levels is not None and self.levels < 2:
            raise ValueError(f"levels must be at least 2, got {self.levels}")
        if self.size < MIN_SIZE:
            raise ValueError(f"size must be at least {MIN_SIZE}, got {self.size}")
        if self.size % 2**self.depth:
            raise ValueError(f"size must be a multiple of {2**self.depth} for {self.depth} levels, got {self.size}")

    @property
    def depth(self) -> int:
        """Levels of the U-Net: as given, or as many as leave a 2x2 bottleneck (7 at 256 px)."""
        return self.levels if self.levels is not None else max(2, self.size.bit_length() - 2)

    @property
    def method(self) -> str:
        """Short name of the compared method: "none", "gate", "palette", "image", or with "-warped" and the like behind."""
        name = self.reference if self.attention == "cross" else self.attention
        name = name if self.keys == "none" else self.keys
        return name if self.train_reference == "self" else f"{name}-{self.train_reference}"

    @property
    def steps_per_epoch(self) -> int:
        return max(1, self.n_train // self.batch_size)

    @property
    def total_steps(self) -> int:
        return self.steps if self.steps is not None else self.epochs * self.steps_per_epoch

    @classmethod
    def from_profile(cls, profile: str | None = None, **changes) -> Config:
        """The config of a profile, by default the one that LINEART_PROFILE names, else `classroom`."""
        profile = profile or os.environ.get("LINEART_PROFILE", "classroom")
        if profile not in PROFILES:
            raise ValueError(f"profile must be one of {', '.join(PROFILES)}, got {profile!r}")
        return cls(**{**PROFILES[profile], **changes})

    @classmethod
    def from_dict(cls, values: dict) -> Config:
        """Inverse of `to_dict`; unknown names are refused."""
        known = {field.name: field for field in dataclasses.fields(cls)}
        for name in values:
            if name not in known:
                raise InputError(f"unknown setting {name!r}; known are {', '.join(known)}")
        # JSON has no tuples
        return cls(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})

    def to_dict(self) -> dict:
        return dataclasses.asdict(self)

    def replace(self, **changes) -> Config:
        return dataclasses.replace(self, **changes)


def _is_a(value: object, kind: type) -> bool:
    """Whether a value has the type of a setting; an int is a float, a bool is no int."""
    if isinstance(kind, types.UnionType):
        return any(_is_a(value, k) for k in typing.get_args(kind))
    if typing.get_origin(kind) is tuple:
        return isinstance(value, tuple) and all(_is_a(v, typing.get_args(kind)[0]) for v in value)
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is kind


def _words(kind: type) -> str:
    """A type as a sentence says it: "int or None"."""
    if isinstance(kind, types.UnionType):
        return " or ".join(_words(k) for k in typing.get_args(kind))
    if typing.get_origin(kind) is tuple:
        return f"a tuple of {_words(typing.get_args(kind)[0])}"
    return "None" if kind is types.NoneType else kind.__name__


# A profile holds only what differs from the paper.
PROFILES: dict[str, dict] = {
    "smoke": dict(
        data="toon", size=64, n_train=16, n_test=8, width=4, discriminator_width=4, weights="bundled",
        feature_layers=("relu1_2",), steps=4, epochs=1, accelerator="cpu",
        log_every=1, sample_every=2, checkpoint_every=2,
    ),
    "classroom": dict(
        data="toon", size=128, n_train=512, n_test=256, width=16, discriminator_width=16, weights="bundled",
        feature_layers=("relu1_2", "relu2_2"), batch_size=8, steps=200, epochs=1, accelerator="cpu",
        log_every=10, sample_every=100, checkpoint_every=100,
    ),
    "paper": {},
}


def figures_dir(profile: str) -> Path:
    """Where the results of a profile go: `figures/` for the classroom's, `runs/<profile>/figures` for others.

    LINEART_FIGURES overrides it, so that tests leave the committed figures alone.
    """
    default = ROOT / "figures" if profile == "classroom" else ROOT / "runs" / profile / "figures"
    path = Path(os.environ.get("LINEART_FIGURES", default))
    path.mkdir(parents=True, exist_ok=True)
    return path

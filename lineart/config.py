"""Every setting of an experiment, once: its type, its limits, what it means. The defaults are the paper's."""

import os
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

PACKAGE = Path(__file__).resolve().parent
CHECKOUT = (PACKAGE.parent / "pyproject.toml").is_file()  # else installed from a wheel
ROOT = PACKAGE.parent if CHECKOUT else Path.cwd()  # where runs/ and figures/ are
DATA_FOLDER = PACKAGE.parent / "data" if CHECKOUT else PACKAGE / "shipped"  # weights, lists of pairs, the paper's table

DataSet = Literal["toon", "kaggle", "faces", "folder", "pairs"]
Weights = Literal["imagenet", "bundled"]
TrainReference = Literal["self", "warped", "other"]
DATA: tuple[str, ...] = get_args(DataSet)
RETIRED = ("tensorboard",)  # settings that run folders and weights of an older version hold
MIN_SIZE = 24  # pixels a side; of less the discriminator's last filter has nothing to stand on


class InputError(ValueError):
    """What a user can mend, in one sentence with rule and value; the command line shows it without a traceback."""


class MissingFile(InputError, FileNotFoundError):
    """A file or folder that should be there and is not."""


Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]  # of a loss
Share = Annotated[float, Field(ge=0, le=1)]
Pair = Annotated[tuple[Annotated[float, Field(ge=0, lt=1)], ...], Field(min_length=2, max_length=2, strict=False)]
Layer = Literal["relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3"]
Layers = Annotated[tuple[Layer, ...], Field(min_length=1, strict=False)]


class Config(BaseModel):
    """What to train, on what, and how. Frozen; numbers without a note are given in section 4.2 of the paper.

    Types are strict: no string is a number, no bool an int; an int is a float, though. A list may stand for a tuple, as
    JSON has none. Raises InputError with the first setting that breaks a rule.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    # Data
    data: DataSet = Field("kaggle", description="the set of drawings")
    source: str | None = Field(None, description="prepared set, folder or zip; None: where data prepare puts it")
    size: int = Field(256, ge=MIN_SIZE, description="pixels a side")
    n_train: Count = Field(14_224, description="training drawings, at most")
    n_test: Count = Field(3_545, description="drawings in the test set")
    augment: bool = Field(True, description="random crop and random flip")
    line_variants: bool = Field(False, description="half of the line drawings drawn anew: thin, thick, soft or hard")
    train_reference: TrainReference = Field("self", description="the truth, the truth bent, or (toon) another drawing")
    reference_erasing: Share = Field(0.0, description="share of the references of which patches are erased")
    partners: str | None = Field(
        None, description="file of other drawings in each picture's colours (coloring.partners): half of the references"
    )
    reference_jitter: Share = Field(0.0, description="random change of the reference's colours, 0 to 1")

    # Networks
    width: Count = Field(64, description="channels of the first level; the paper does not say")
    levels: int | None = Field(None, ge=2, description="None: until the bottleneck is 2x2, the paper's 7 at 256 px")
    attention: Literal["none", "gate", "cross"] = Field("cross", description="cross: the paper; gate: its public code")
    reference: Literal["image", "palette"] = Field("image", description="what is attended to: the text's or Figure 2's")
    keys: Literal["none", "colors", "lines"] = Field("none", description="what a second encoder, for matching, sees")
    fine_levels: int = Field(0, ge=0, le=3, description="finer decoder levels that attend, too")
    noise: bool = Field(True, description="random noise injected into the generator")
    discriminator_width: Count = Field(64, description="channels of the discriminator's first level")
    k: Count = Field(9, description="colours of the palette")

    # Loss, Eq. 1
    lambda_l1: Weight = Field(50.0, description="weight of the L1 loss")
    rare_colors: Annotated[float, Field(ge=1)] = Field(1.0, description="times that a rare colour may count in L1")
    lambda_fm: Weight = Field(0.05, description="weight of feature matching")
    lambda_tv: Weight = Field(5e-4, description="weight of total variation")
    lambda_adv: Weight = Field(1.0, description="weight of the adversarial loss")
    feature_layers: Layers = Field(
        ("relu1_2", "relu2_2", "relu3_3", "relu4_3"), description="layers of VGG16 to match; the paper names none"
    )
    weights: Weights = Field("imagenet", description="backbone of the feature loss and the metrics")

    # Optimisation
    batch_size: Count = Field(4, description="drawings a step, shared by the devices")
    epochs: Count = Field(40, description="times through the training set")
    steps: Count | None = Field(None, description="None: epochs decide")
    learning_rate: Positive = Field(2e-4, description="of Adam, at the start")
    betas: Pair = Field((0.5, 0.99), description="of Adam, two from 0 to below 1")
    lr_step_epochs: Count = Field(20, description="after so many epochs the learning rate is multiplied by lr_gamma")
    lr_gamma: Positive = Field(0.5, description="see lr_step_epochs")

    # The run
    seed: int = Field(0, ge=0, lt=2**64, description="of everything random")
    start_from: str | None = Field(
        None, description="a checkpoint file whose networks the run starts with; shipped ones get a new discriminator"
    )
    devices: Count = Field(1, description="processes, one a device")
    accelerator: str = Field("auto", description="as Lightning Fabric calls it: auto, cpu, gpu")
    precision: Literal["32-true", "bf16-mixed"] = Field(
        "32-true", description="bf16-mixed is a hundred times slower on a processor without AVX-512"
    )
    compile: bool = Field(False, description="torch.compile: a minute at the start, faster steps")
    log_every: Count = Field(50, description="steps between two rows of metrics.csv")
    sample_every: Count = Field(500, description="steps between two samples")
    checkpoint_every: Count = Field(500, description="steps between two checkpoints")
    checkpoint_minutes: Positive = Field(10.0, description="a checkpoint also whenever so many have passed")

    def __init__(self, **values) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise InputError(_sentence(error, values)) from None

    @model_validator(mode="after")
    def _settings_fit_each_other(self) -> "Config":
        if self.size % 2**self.depth:
            raise InputError(f"size must be a multiple of {2**self.depth} for {self.depth} levels, got {self.size}")
        if self.data == "toon" and self.source:
            raise InputError(f"toon is drawn and takes no source, got {self.source!r}")
        if self.train_reference == "other" and self.data != "toon":
            raise InputError(f"train_reference 'other' needs data whose slots are known (toon), got {self.data!r}")
        if self.train_reference == "other" and self.reference_erasing:
            raise InputError(
                f"reference_erasing is of the truth and must be 0 with 'other', got {self.reference_erasing}"
            )
        if self.train_reference == "other" and self.partners:
            raise InputError(
                f"partners stand beside the truth, straight or warped, got them with {self.train_reference!r}"
            )
        if self.keys != "none" and (self.attention, self.reference) != ("cross", "image"):
            raise InputError(f"keys need attention to the image, got {self.attention!r} and {self.reference!r}")
        return self

    @property
    def depth(self) -> int:
        """Levels of the U-Net: as given, or as many as leave a bottleneck of 2x2, or a little more (7 at 256 px)."""
        return self.levels if self.levels is not None else max(2, self.size.bit_length() - 2)

    @property
    def method(self) -> str:
        """Short name of the compared method: none, gate, palette, image, colors or lines; then -warped or -other."""
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
    def from_profile(cls, profile: str | None = None, **changes) -> "Config":
        """The config of a profile, by default the one that LINEART_PROFILE names, else `classroom`."""
        profile = profile or os.environ.get("LINEART_PROFILE", "classroom")
        if profile not in PROFILES:
            raise InputError(f"profile must be one of {', '.join(PROFILES)}, got {profile!r}")
        return cls(**{**PROFILES[profile], **changes})

    @classmethod
    def from_dict(cls, values: dict) -> "Config":
        """Inverse of `to_dict`; unknown names are refused, missing ones have the paper's value."""
        return cls(**{name: value for name, value in dict(**values).items() if name not in RETIRED})

    def to_dict(self) -> dict:
        """Plain values, for JSON."""
        return self.model_dump()

    def replace(self, **changes) -> "Config":
        """The same but for `changes`, validated again."""
        return Config(**{**self.to_dict(), **changes})


def _sentence(error: ValidationError, values: dict) -> str:
    """The first broken rule in one sentence: "steps must be a valid integer, got '200'"."""
    first = error.errors()[0]
    if not first["loc"]:  # a rule of ours, between settings
        return str(first["ctx"]["error"])
    name, *inside = first["loc"]
    if first["type"] == "extra_forbidden":
        return f"unknown setting {name!r}; known are {', '.join(Config.model_fields)}"
    rule = first["msg"].partition(" should ")[2].partition(" after validation")[0]
    return f"{'each of ' if inside else ''}{name} must {rule}, got {values[name]!r}"


# A profile holds only what differs from the paper.
SMALL = dict(data="toon", weights="bundled", epochs=1, accelerator="cpu")
SMOKE = dict(size=64, n_train=16, n_test=8, width=4, discriminator_width=4, feature_layers=("relu1_2",), steps=4)
CLASSROOM = dict(size=128, n_train=512, n_test=256, width=16, discriminator_width=16, batch_size=8, steps=200)
PROFILES: dict[str, dict] = {
    "smoke": SMALL | SMOKE | dict(log_every=1, sample_every=2, checkpoint_every=2),
    "classroom": SMALL
    | CLASSROOM
    | dict(feature_layers=("relu1_2", "relu2_2"), log_every=10, sample_every=100, checkpoint_every=100),
    "paper": {},
}


def figures_dir(profile: str) -> Path:
    """Where the results of a profile go: `runs/<profile>/figures`, or where LINEART_FIGURES says."""
    path = Path(os.environ.get("LINEART_FIGURES", ROOT / "runs" / profile / "figures"))
    path.mkdir(parents=True, exist_ok=True)
    return path

"""Measuring: a method's results under the protocols, as rows that say how to get them again."""

import hashlib
import os
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.ndimage import distance_transform_edt

from lineart.checkpoint import load_generator
from lineart.coloring import Finish, flats
from lineart.coloring.colorizer import checkpoint_path
from lineart.config import Config, InputError
from lineart.data.palette import extract_palette
from lineart.data.references import region_shown
from lineart.data.sets import Pairs, find_store, load
from lineart.data.toon import INK, SLOTS
from lineart.evaluation import metrics
from lineart.evaluation.features import frechet_features, metric_names
from lineart.evaluation.protocols import DERANGEMENTS, Trial, trials
from lineart.evaluation.regions import bleeding, region_error
from lineart.evaluation.rows import as_rows, read_rows, write_csv
from lineart.files import provenance, sha256, write_sidecar
from lineart.images import as_images, paint
from lineart.networks import Generator

Colorize = Callable[[Pairs, Trial], torch.Tensor]  # -> (n, 3, H, W) uint8


# --- methods without a network, which give the numbers a scale ---


def line_alone(pairs: Pairs, trial: Trial) -> torch.Tensor:
    """The drawing as it came, uncoloured."""
    return as_images(np.repeat(pairs.line[..., None], 3, axis=3))


def reference_alone(pairs: Pairs, trial: Trial) -> torch.Tensor:
    """The reference, whatever the drawing is."""
    return as_images(trial.color)


def nearest_color(pairs: Pairs, trial: Trial) -> torch.Tensor:
    """Every pixel of the truth in the nearest of the trial's nine colours: the most that a palette alone can give."""
    painted = np.empty_like(pairs.color)
    for i, (color, palette) in enumerate(zip(pairs.color, trial.palette)):
        distance = ((color[:, :, None].astype(np.float32) - palette) ** 2).sum(-1)  # (H, W, k)
        painted[i] = palette.round().astype(np.uint8)[distance.argmin(-1)]
    return as_images(painted)


def oracle(pairs: Pairs, trial: Trial) -> torch.Tensor:
    """Every region in the true colour of its slot, as far as the middle of the ink, and the ink over it (`toon`)."""
    white = np.full((len(pairs), 1, 3), 255)
    table = np.concatenate([pairs.slots, white], axis=1)  # (n, 7, 3)
    painted = np.empty_like(pairs.color)
    for i, (mask, line) in enumerate(zip(pairs.mask, pairs.line)):
        nearest = distance_transform_edt(mask == INK, return_distances=False, return_indices=True)
        painted[i] = (table[i][mask[tuple(nearest)]] * (line[..., None] / 255)).round()  # black ink over a colour
    return as_images(painted)


SCALE = {  # and the protocols under which they say something
    "line drawing": (line_alone, ("P1", "P2", "P3", "P4")),
    "copy the reference": (reference_alone, ("P1", "P2", "P3", "P4")),
    "nearest palette colour": (nearest_color, ("P1", "P2", "P3", "P4")),
    "oracle": (oracle, ("P1", "P4")),
}


# --- measuring ---


class Evaluator:
    """Measures methods on one test set; references, and the features of the true pictures, are made once.

    pairs: the test set. weights: source of the backbones, which also names the metrics. data: name of the set.
    """

    def __init__(self, pairs: Pairs, weights: str, data: str) -> None:
        self.pairs, self.weights, self.data = pairs, weights, data
        self.names = metric_names(weights)
        self.plans: dict[str, list[Trial]] = {}
        self.truth = as_images(pairs.color)
        self.perceptual = metrics.PerceptualDistance(weights)
        self.network = frechet_features(weights)
        self.known: dict[bytes, np.ndarray] = {}  # sha256 of a picture -> its features, which take the longest

    @cached_property
    def real(self) -> np.ndarray:
        """(n, d) features of the truth; only P3 needs them."""
        return self.features(self.truth)

    @cached_property
    def input_lines(self) -> torch.Tensor:
        """The ink of the input, as the same extractor sees it in the truth: filled ink has two edges there."""
        return metrics.lines_in(self.pairs.line)

    def plan(self, protocol: str) -> list[Trial]:
        """The trials of a protocol on this set."""
        if protocol not in self.plans:
            self.plans[protocol] = trials(protocol, self.pairs, self.data)
        return self.plans[protocol]

    def features(self, images: torch.Tensor) -> np.ndarray:
        """(n, d) features of pictures (n, 3, H, W) for the Fréchet distance and KID; of equal pictures only once."""
        keys = [hashlib.sha256(image.numpy().tobytes()).digest() for image in images]
        new = {key: i for i, key in enumerate(keys) if key not in self.known}
        if new:
            self.known |= dict(zip(new, metrics.image_features(images[list(new.values())], self.network)))
        return np.stack([self.known[key] for key in keys])

    def rows(self, method: str, protocol: str, colorize: Colorize, **details) -> pd.DataFrame:
        """All rows of a method under a protocol; details: `train_seed`, `finish`, `checkpoint`, where it has them."""
        plan = self.plan(protocol)
        results = [colorize(self.pairs, trial) for trial in plan]
        if protocol == "P3":
            sets = pd.DataFrame([self.as_set(images, trial) for trial, images in zip(plan, results)])
            values = {name: column.to_numpy() for name, column in sets.items()}
            seed = " ".join(map(str, DERANGEMENTS))
        else:
            values, seed = self.against_truth(results[0]), plan[0].seed
        if protocol == "P4":
            values |= self.by_region(results[0], plan[0])
        return self.table(values, method=method, protocol=protocol, reference_seed=seed, **details)

    def against_truth(self, results: torch.Tensor) -> dict[str, np.ndarray]:
        """PSNR, MS-SSIM and perceptual distance to the truth, (n,) each."""
        values = {
            "PSNR": metrics.psnr(results, self.truth).clamp(max=metrics.PSNR_CEILING),  # as in `mean_psnr`
            "MS-SSIM": metrics.ms_ssim(results, self.truth),
            self.names["perceptual"]: self.perceptual(results, self.truth),
        }
        return {name: value.double().numpy() for name, value in values.items()}

    def by_region(self, results: torch.Tensor, trial: Trial) -> dict[str, np.ndarray]:
        """Colour error over the regions that the reference shows, all and one by one, and the share that bleeds."""
        pixels, pairs = results.permute(0, 2, 3, 1).numpy(), self.pairs
        error = region_error(pixels, pairs.mask, pairs.slots)  # (n, 6), NaN where absent
        error[~region_shown(trial.mask)] = np.nan
        there = ~np.isnan(error)
        values = {"CIEDE2000": np.nanmean(error[there.any(1)], axis=1)}
        for i in np.flatnonzero(there.any(0)):
            values[f"CIEDE2000, {SLOTS[i]}"] = error[there[:, i], i]
        return values | {"bleeding": bleeding(pixels, pairs.mask, pairs.slots)}

    def as_set(self, images: torch.Tensor, trial: Trial) -> dict[str, float]:
        """What can be told without a right answer: distances of the sets, colours as the reference's, lines kept."""
        pixels, k = images.permute(0, 2, 3, 1).numpy(), self.pairs.palette.shape[1]
        pairs = [(extract_palette(image, k), palette) for image, palette in zip(pixels, trial.palette)]
        consistency = metrics.line_consistency(metrics.lines_in(pixels), self.input_lines)
        return self.set_distances(self.features(images)) | {
            "palette distance": float(np.mean([metrics.palette_distance(*pair) for pair in pairs])),
            "line consistency": float(consistency.double().mean()),
        }

    def set_distances(self, features: np.ndarray) -> dict[str, float]:
        return {
            self.names["frechet"]: metrics.frechet_distance(features, self.real),
            self.names["kernel"]: metrics.kernel_distance(features, self.real),
        }

    def table(self, values: dict[str, np.ndarray], protocol: str, **details) -> pd.DataFrame:
        """One row a metric, in six decimals; P3's spread is over lists of references, so its n are the drawings."""
        common = dict(data=self.data, size=self.pairs.line.shape[1], train_seed=pd.NA, finish="", checkpoint="")
        common |= dict(backbone=self.weights, protocol=protocol) | details
        records = []
        for metric, array in values.items():
            n = len(self.pairs) if protocol == "P3" else len(array)  # a slot is not in every drawing
            spread = float(array.std(ddof=1)) if len(array) > 1 else 0.0
            value = round(float(array.mean()), 6) + 0.0  # no negative zero
            records.append(common | dict(metric=metric, value=value, spread=round(spread, 6), n=n))
        return as_rows(records)


def evaluate(
    evaluator: Evaluator,
    method: str,
    generator: Generator,
    checkpoint: str = "",
    protocols: Sequence[str] = ("P1", "P3"),
    train_seed: int = 0,
    finish: Finish = "smooth",
) -> pd.DataFrame:
    """All rows of one trained method under some protocols, by default those of the paper's Table 1, with a finish."""

    def colorize(pairs: Pairs, trial: Trial) -> torch.Tensor:
        images = paint(generator, pairs.line, trial.color, trial.palette)
        if finish == "smooth":
            return images
        pictures = zip(pairs.line, images.permute(0, 2, 3, 1).numpy(), trial.palette)
        return as_images(np.stack([flats.finish(*picture, finish) for picture in pictures]))

    details = dict(checkpoint=checkpoint, train_seed=train_seed, finish=finish)
    parts = [evaluator.rows(method, protocol, colorize, **details) for protocol in protocols]
    return pd.concat(parts, ignore_index=True)


def scale_rows(evaluator: Evaluator, protocols: Sequence[str]) -> pd.DataFrame:
    """The rows of the methods without a network."""
    known = evaluator.pairs.slots is not None
    parts = [
        evaluator.rows(name, protocol, method)
        for name, (method, where) in SCALE.items()
        for protocol in protocols
        if protocol in where and (known or name != "oracle")
    ]
    return pd.concat(parts, ignore_index=True)


def copy_the_reference(evaluator: Evaluator) -> pd.DataFrame:
    """The rows of the method that returns its reference unchanged: perfect in P1, and as a set in P3."""
    parts = [evaluator.rows("copy the reference", protocol, reference_alone) for protocol in ("P1", "P3")]
    return pd.concat(parts, ignore_index=True)


def real_against_real(evaluator: Evaluator, other: np.ndarray) -> pd.DataFrame:
    """Fréchet distance and KID of other true pictures (n, H, W, 3): what a perfect method would have with this n."""
    found = evaluator.set_distances(metrics.image_features(as_images(other), evaluator.network))
    values = {name: np.array([value]) for name, value in found.items()}
    return evaluator.table(values, method="other real pictures", protocol="P3", reference_seed="")


def evaluate_weights(
    names: Sequence[str],
    protocols: Sequence[str] = ("P1", "P3"),
    data: str | None = None,
    source: str | Path | None = None,
    n: int | None = None,
    backbone: str | None = None,
    scale: bool = False,
    out: str | Path | None = None,
) -> pd.DataFrame:
    """Rows of trained networks by name (shipped, checkpoint file or run folder), with `scale` also those without one.

    data, source, backbone: by default those of the first weights; n: drawings of the test set, by default as many as
    their settings say. out: CSV to write, with a side-car. Raises InputError for mistakes, at once.
    """
    if not names and not scale:
        raise InputError("evaluate needs --weights, or --scale for the methods without a network")
    if n is not None and n < 2:  # in P3 and P4 the reference is another drawing
        raise InputError(f"--n must be at least 2, got {n}")
    if not protocols:
        raise InputError("protocol must be one or more of P1 to P4, got none")
    _check_out(out)
    paths = [checkpoint_path(name) for name in names]
    networks = [load_generator(path) for path in paths]
    config = _common_config([own for _, own in networks], data, source, backbone)
    evaluator = Evaluator(load(config, "test", n), config.weights, config.data)
    metrics.ms_ssim_kernel(config.size)  # what is refused, is refused here and not after an hour
    for protocol in protocols:
        evaluator.plan(protocol)
    tables = [scale_rows(evaluator, protocols)] if scale else []
    for path, (generator, own) in zip(paths, networks):
        tables.append(evaluate(evaluator, own.method, generator, sha256(path), protocols, own.seed))
    rows = pd.concat(tables, ignore_index=True)
    if out:
        try:
            write_csv(out, rows)
            write_sidecar(out, provenance(config, weights=[*names], protocols=[*protocols], n=len(evaluator.pairs)))
        except OSError as error:  # what took an hour is not lost
            raise InputError(f"{out} can't be written ({error}); its rows:\n{rows.to_csv(index=False)}") from error
    return rows


def _check_out(out: str | Path | None) -> None:
    """Raises InputError where the rows can't be written or would replace something else, before they are measured."""
    if out is None:
        return
    path = Path(out)
    if path.suffix != ".csv" or os.path.isdir(path):
        raise InputError(f"--out must be a file that ends in .csv, got {out}")
    if os.path.exists(path):
        read_rows(path)  # only an earlier table is replaced
    elif os.path.exists(path.with_suffix(".json")):
        raise InputError(f"{out} gets a side-car, and its .json is something else's already; name another file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"the folder of --out can't be made: {error}") from error
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"--out must lie in a folder that can be written to, got {out}")


def _common_config(configs: list[Config], data: str | None, source: str | Path | None, backbone: str | None) -> Config:
    """The config to measure with: what is not given is that of the first weights."""
    if len(kinds := sorted({(own.size, own.k) for own in configs})) > 1:
        raise InputError(f"weights of one table must have one size and k, got {', '.join(map(str, kinds))}")
    first = configs[0] if configs else Config.from_profile()
    data = data or first.data
    source = str(source) if source else (first.source if data == first.data else None)
    if not configs and source and data != "toon":  # the set says how large its pictures are
        held = find_store(first.replace(data=data, source=source)).record
        first = first.replace(size=held["size"], k=held["k"])
    # Nothing is trained, and only `toon` takes every setting
    return first.replace(data=data, source=source, weights=backbone or first.weights, train_reference="self")

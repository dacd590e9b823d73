"""Measuring: a method's results under the protocols, as rows that say how to get them again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from lineart.checkpoint import load_generator
from lineart.coloring.colorizer import checkpoint_path
from lineart.config import Config, InputError
from lineart.data.lines import extract_lines
from lineart.data.palette import extract_palette
from lineart.data.references import region_shown
from lineart.data.sets import Pairs, load
from lineart.data.toon import SLOTS
from lineart.evaluation import metrics
from lineart.evaluation.features import frechet_features, metric_names
from lineart.evaluation.protocols import DERANGEMENTS, Trial, trials
from lineart.evaluation.regions import bleeding, region_error
from lineart.evaluation.rows import as_rows, write_csv
from lineart.evaluation.scale import SCALE, reference_alone
from lineart.files import provenance, sha256, write_sidecar
from lineart.images import as_images, paint
from lineart.networks import Generator

Colorize = Callable[[Pairs, Trial], torch.Tensor]  # -> (n, 3, H, W) uint8
# What is done to a network's picture: drawing (H, W), picture (H, W, 3), palette (k, 3), name -> picture, all 8-bit
Finish = Callable[[np.ndarray, np.ndarray, np.ndarray, str], np.ndarray]


class Evaluator:
    """Measures methods on one test set; references, and the features of the true pictures, are made once.

    pairs: the test set. weights: source of the backbones, which also names the metrics. data: name of the set.
    """

    def __init__(self, pairs: Pairs, weights: str, data: str) -> None:
        self.pairs, self.weights, self.data = pairs, weights, data
        self.names = metric_names(weights)
        self._plans: dict[str, list[Trial]] = {}
        self.truth = as_images(pairs.color)
        self.perceptual = metrics.PerceptualDistance(weights)
        self.network = frechet_features(weights)
        self._known: dict[bytes, np.ndarray] = {}  # sha256 of a picture -> its features, which take the longest
        self.real = self.features(self.truth)
        # The ink of the input, as the same extractor sees it in the truth: filled ink has two edges there.
        self.input_lines = _lines(pairs.line)

    def plan(self, protocol: str) -> list[Trial]:
        """The trials of a protocol on this set."""
        if protocol not in self._plans:
            self._plans[protocol] = trials(protocol, self.pairs, self.data)
        return self._plans[protocol]

    def features(self, images: torch.Tensor) -> np.ndarray:
        """(n, d) features of pictures (n, 3, H, W) for the Fréchet distance and KID; of equal pictures only once."""
        keys = [hashlib.sha256(image.numpy().tobytes()).digest() for image in images]
        new = {key: i for i, key in enumerate(keys) if key not in self._known}
        if new:
            self._known |= dict(zip(new, metrics.image_features(images[list(new.values())], self.network)))
        return np.stack([self._known[key] for key in keys])

    def rows(self, method: str, protocol: str, colorize: Colorize, **details) -> pd.DataFrame:
        """All rows of a method under a protocol; details: `train_seed`, `finish`, `checkpoint`, where it has them."""
        plan = self.plan(protocol)
        results = [colorize(self.pairs, trial) for trial in plan]
        if protocol == "P3":
            return self.random_reference(method, results, **details)
        values = self.against_truth(results[0])
        if protocol == "P4":
            values |= self.by_region(results[0], plan[0])
        return self._table(values, method=method, protocol=protocol, reference_seed=plan[0].seed, **details)

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

    def random_reference(self, method: str, results: list[torch.Tensor], **details) -> pd.DataFrame:
        """Rows of P3 for one result set a derangement, in the order of `DERANGEMENTS`."""
        sets = [self._against_references(images, trial) for trial, images in zip(self.plan("P3"), results, strict=True)]
        values = {name: np.array([found[name] for found in sets]) for name in sets[0]}
        seeds = " ".join(map(str, DERANGEMENTS))
        return self._table(values, method=method, protocol="P3", reference_seed=seeds, **details)

    def _against_references(self, images: torch.Tensor, trial: Trial) -> dict[str, float]:
        pixels, features = images.permute(0, 2, 3, 1).numpy(), self.features(images)
        palettes = [extract_palette(image, self.pairs.palette.shape[1]) for image in pixels]
        distance = [metrics.palette_distance(p, q) for p, q in zip(palettes, trial.palette)]
        consistency = metrics.line_consistency(_lines(pixels), self.input_lines)
        return {
            self.names["frechet"]: metrics.frechet_distance(features, self.real),
            self.names["kernel"]: metrics.kernel_distance(features, self.real),
            "palette distance": float(np.mean(distance)),
            "line consistency": float(consistency.double().mean()),
        }

    def _table(self, values: dict[str, np.ndarray], **details) -> pd.DataFrame:
        """One row a metric, in six decimals; P3's spread is over lists of references, so its n are the drawings."""
        common = (
            dict(
                data=self.data,
                size=self.truth.shape[-1],
                train_seed=pd.NA,
                finish="",
                backbone=self.weights,
                checkpoint="",
            )
            | details
        )
        records = []
        for metric, array in values.items():
            n = len(self.pairs) if common["protocol"] == "P3" else len(array)  # a slot is not in every drawing
            spread = float(array.std(ddof=1)) if len(array) > 1 else 0.0
            value = round(float(array.mean()), 6) + 0.0  # no negative zero
            records.append(common | dict(metric=metric, value=value, spread=round(spread, 6), n=n))
        return as_rows(records)


def _lines(pictures: np.ndarray) -> torch.Tensor:
    """(n, H, W) uint8, of drawings or of colour pictures."""
    return torch.from_numpy(np.stack([np.asarray(extract_lines(picture)) for picture in pictures]))


def evaluate(
    evaluator: Evaluator,
    method: str,
    generator: Generator,
    checkpoint: str = "",
    protocols: Sequence[str] = ("P1", "P3"),
    train_seed: int = 0,
    finish: str = "smooth",
    apply: Finish | None = None,
) -> pd.DataFrame:
    """All rows of one trained method under some protocols, by default those of the paper's Table 1.

    finish: "smooth", the network's own picture, or another name, under which `apply` changes every picture.
    """

    def colorize(pairs: Pairs, trial: Trial) -> torch.Tensor:
        images = paint(generator, pairs.line, trial.color, trial.palette)
        if apply is None:
            return images
        pictures = zip(pairs.line, images.permute(0, 2, 3, 1).numpy(), trial.palette)
        return as_images(np.stack([apply(line, color, palette, finish) for line, color, palette in pictures]))

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
    features, names = metrics.image_features(as_images(other), evaluator.network), evaluator.names
    values = {
        names["frechet"]: np.array([metrics.frechet_distance(features, evaluator.real)]),
        names["kernel"]: np.array([metrics.kernel_distance(features, evaluator.real)]),
    }
    return evaluator._table(values, method="other real pictures", protocol="P3", reference_seed="")


def evaluate_weights(
    names: Sequence[str],
    protocols: Sequence[str] = ("P1", "P3"),
    data: str | None = None,
    source: str | Path | None = None,
    n: int | None = None,
    backbone: str | None = None,
    scale: bool = False,
    out: str | Path | None = None,
    finish: str = "smooth",
    apply: Finish | None = None,
) -> pd.DataFrame:
    """Rows of trained networks by name (shipped, checkpoint file or run folder), with `scale` also those without one.

    data, source, backbone: by default those of the first weights; n: drawings of the test set, by default as many as
    their settings say. out: CSV to write, with a side-car. finish, apply: see `evaluate`.
    Raises InputError for what cannot be measured together, before anything is.
    """
    _check_request(names, protocols, n, scale, out)
    networks = {name: load_generator(checkpoint_path(name)) for name in names}
    config = _common_config([(name, own) for name, (_, own) in networks.items()], data, source, backbone)
    evaluator = Evaluator(load(config, "test", n), config.weights, config.data)
    for protocol in protocols:
        evaluator.plan(protocol)  # P4 is refused here where slots are not known, not after an hour
    tables = [scale_rows(evaluator, protocols)] if scale else []
    for name, (generator, own) in networks.items():
        digest = sha256(checkpoint_path(name))
        tables.append(evaluate(evaluator, own.method, generator.eval(), digest, protocols, own.seed, finish, apply))
    rows = pd.concat(tables, ignore_index=True)
    if out:
        write_csv(out, rows)
        write_sidecar(out, provenance(config, weights=[*names], protocols=[*protocols], n=len(evaluator.pairs)))
    return rows


def _check_request(
    names: Sequence[str], protocols: Sequence[str], n: int | None, scale: bool, out: str | Path | None
) -> None:
    if not names and not scale:
        raise InputError("evaluate needs --weights, or --scale for the methods without a network")
    needed = 2 if {"P3", "P4"} & {*protocols} else 1  # there the reference is another drawing
    if n is not None and n < needed:
        raise InputError(f"--n must be at least {needed} for {', '.join(protocols)}, got {n}")
    if not out:
        return
    path = Path(out)
    if path.suffix != ".csv" or path.is_dir():
        raise InputError(f"--out must be a file that ends in .csv, got {path}")
    if path.with_suffix(".json").exists() and not path.exists():
        raise InputError(
            f"{path} gets a side-car, {path.with_suffix('.json')}, and that is there already; name another file"
        )


def _common_config(
    weights: list[tuple[str, Config]], data: str | None, source: str | Path | None, backbone: str | None
) -> Config:
    """The config to measure with: what is not given is that of the first weights."""
    config = weights[0][1] if weights else Config.from_profile()
    for name, own in weights:
        if (own.size, own.k) != (config.size, config.k):
            raise InputError(
                f"weights of one table must have one size and k, {name} has {own.size} px and {own.k}, "
                f"{weights[0][0]} {config.size} px and {config.k}"
            )
    data = data or config.data
    if data == "toon" and source:
        raise InputError(f"toon is drawn and takes no --source, got {source}")
    source = str(source) if source else (config.source if data == config.data else None)
    return config.replace(
        data=data, source=source, weights=backbone or config.weights, train_reference="self"
    )  # nothing is trained, and only `toon` takes every setting

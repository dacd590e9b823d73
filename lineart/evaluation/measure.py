"""Measuring: a method's results under the protocols, as rows that say how to get them again."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt

from lineart.config import ROOT
from lineart.data import toon
from lineart.data.lines import extract_lines
from lineart.data.palette import extract_palette
from lineart.data.references import region_shown
from lineart.data.sets import Pairs
from lineart.evaluation import metrics
from lineart.evaluation.features import frechet_features, metric_names
from lineart.evaluation.protocols import DERANGEMENTS, Trial, trials
from lineart.evaluation.regions import bleeding, region_error
from lineart.files import whole
from lineart.images import as_images, to_batch, to_uint8
from lineart.networks import Generator

PAPER_TABLE = ROOT / "data" / "paper_table_1.csv"
Method = Callable[[Pairs, Trial], torch.Tensor]  # -> (n, 3, H, W) uint8


@dataclass(frozen=True)
class Row:
    """One number of the table, with what is needed to get it again.

    value is the mean; spread the standard deviation, over the n drawings, in P3 over the derangements. seed: of the
    lists of references or the warps. backbone: "imagenet" or "bundled"; checkpoint: sha256 of the weights, if any.
    """

    data: str
    size: int
    method: str
    protocol: str
    metric: str
    value: float
    spread: float
    n: int
    seed: str
    backbone: str
    checkpoint: str


@torch.no_grad()
def colorize_trial(generator: Generator, pairs: Pairs, trial: Trial, batch_size: int = 32) -> torch.Tensor:
    """Every drawing of `pairs` in the colours of the trial: (n, 3, H, W) uint8 on the CPU; noise off."""
    device = next(generator.parameters()).device
    results = []
    for start in range(0, len(pairs), batch_size):
        some = slice(start, start + batch_size)
        arrays = (pairs.line[some], trial.color[some], trial.palette[some])
        batch = to_batch(*(torch.tensor(np.asarray(array)).to(device) for array in arrays))
        results.append(to_uint8(generator(batch["line"], batch["palette"], batch["color"])).cpu())
    return torch.cat(results)


def colorize_set(generator: Generator, pairs: Pairs, reference: np.ndarray, batch_size: int = 32) -> torch.Tensor:
    """Every drawing of `pairs` in the colours of picture `reference[i]` of the same set, whose palette it gets too."""
    return colorize_trial(generator, pairs, Trial(pairs.color[reference], pairs.palette[reference]), batch_size)


class Evaluator:
    """Measures methods on one test set; references, and the features of the true pictures, are made once.

    pairs: the test set. weights: source of the backbones, which also names the metrics. data, size: for the rows.
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
        self.input_lines = torch.from_numpy(np.stack([np.asarray(extract_lines(line)) for line in pairs.line]))

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

    def rows(self, method: str, protocol: str, colorize: Method, checkpoint: str = "") -> list[Row]:
        """All rows of one method under one protocol."""
        plan = self.plan(protocol)
        results = [colorize(self.pairs, trial) for trial in plan]
        if protocol == "P3":
            return self.random_reference(method, results, checkpoint)
        values = self.against_truth(results[0])
        if protocol == "P4":
            values |= self.by_region(results[0], plan[0])
        return [self._row(method, protocol, metric, array, checkpoint, plan[0].seed) for metric, array in values.items()]

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
        per_slot = {f"CIEDE2000, {slot}": error[:, i] for i, slot in enumerate(toon.SLOTS)}
        with_any = ~np.isnan(error).all(1)
        known = {"CIEDE2000": np.nanmean(error[with_any], axis=1)} | per_slot
        return {name: value[~np.isnan(value)] for name, value in known.items() if not np.isnan(value).all()} | {
            "bleeding": bleeding(pixels, pairs.mask, pairs.slots)}

    def random_reference(self, method: str, results: list[torch.Tensor], checkpoint: str = "") -> list[Row]:
        """Rows of P3 for one result set a derangement, in the order of `DERANGEMENTS`."""
        values: dict[str, list[float]] = {}
        for trial, images in zip(self.plan("P3"), results, strict=True):
            for name, value in self._against_references(images, trial).items():
                values.setdefault(name, []).append(value)
        seeds = " ".join(map(str, DERANGEMENTS))
        return [self._row(method, "P3", name, np.array(v), checkpoint, seeds) for name, v in values.items()]

    def _against_references(self, images: torch.Tensor, trial: Trial) -> dict[str, float]:
        pixels, features = images.permute(0, 2, 3, 1).numpy(), self.features(images)
        palettes = [extract_palette(image, self.pairs.palette.shape[1]) for image in pixels]
        lines = torch.from_numpy(np.stack([np.asarray(extract_lines(image)) for image in pixels]))
        distance = [metrics.palette_distance(p, q) for p, q in zip(palettes, trial.palette)]
        consistency = metrics.line_consistency(lines, self.input_lines)
        return {
            self.names["frechet"]: metrics.frechet_distance(features, self.real),
            self.names["kernel"]: metrics.kernel_distance(features, self.real),
            "palette distance": float(np.mean(distance)),
            "line consistency": float(consistency.double().mean()),
        }

    def _row(self, method: str, protocol: str, metric: str, values: np.ndarray, checkpoint: str, seed: str) -> Row:
        spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
        n = len(self.pairs) if protocol == "P3" else len(values)  # a slot is not in every drawing
        return Row(self.data, self.truth.shape[-1], method, protocol, metric, round(float(values.mean()), 6) + 0.0,
                   round(spread, 6), n, seed, self.weights, checkpoint)


def evaluate(evaluator: Evaluator, method: str, generator: Generator, checkpoint: str = "",
             protocols: Sequence[str] = ("P1", "P3")) -> list[Row]:
    """All rows of one trained method under some protocols, by default those of the paper's Table 1."""
    def colorize(pairs: Pairs, trial: Trial) -> torch.Tensor:
        return colorize_trial(generator, pairs, trial)
    return [row for protocol in protocols for row in evaluator.rows(method, protocol, colorize, checkpoint)]


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
        nearest = distance_transform_edt(mask == toon.INK, return_distances=False, return_indices=True)
        painted[i] = (table[i][mask[tuple(nearest)]] * (line[..., None] / 255)).round()  # black ink over a colour
    return as_images(painted)


SCALE: dict[str, tuple[Method, tuple[str, ...]]] = {
    "line drawing": (line_alone, ("P1", "P2", "P3", "P4")),
    "copy the reference": (reference_alone, ("P1", "P2", "P3", "P4")),
    "nearest palette colour": (nearest_color, ("P1", "P2", "P3", "P4")),
    "oracle": (oracle, ("P1", "P4")),
}


def copy_the_reference(evaluator: Evaluator) -> list[Row]:
    """The rows of the method that returns its reference unchanged: perfect in P1, and as a set in P3."""
    return [row for protocol in ("P1", "P3") for row in evaluator.rows("copy the reference", protocol, reference_alone)]


def scale_rows(evaluator: Evaluator, protocols: Sequence[str]) -> list[Row]:
    """The rows of the methods without a network."""
    known = evaluator.pairs.slots is not None
    return [row for name, (method, where) in SCALE.items() if known or name != "oracle"
            for protocol in protocols if protocol in where for row in evaluator.rows(name, protocol, method)]


def real_against_real(evaluator: Evaluator, other: np.ndarray) -> list[Row]:
    """Fréchet distance and KID of other true pictures (n, H, W, 3): what a perfect method would have with this n."""
    features = metrics.image_features(as_images(other), evaluator.network)
    values = {evaluator.names["frechet"]: metrics.frechet_distance(features, evaluator.real),
              evaluator.names["kernel"]: metrics.kernel_distance(features, evaluator.real)}
    return [evaluator._row("other real pictures", "P3", name, np.array([v]), "", "") for name, v in values.items()]


def write_rows(path: str | Path, rows: list[Row]) -> Path:
    """The rows as CSV, whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
    return path


def read_rows(path: str | Path) -> list[Row]:
    """Inverse of `write_rows`. Raises ValueError for a file that holds something else."""
    kinds = {field.name: {"int": int, "float": float}.get(field.type, str) for field in fields(Row)}
    try:
        with open(path, newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if lost := [name for name in kinds if name not in (reader.fieldnames or ())]:
                raise ValueError(f"it has no column {', '.join(lost)}")
            rows = []
            for record in reader:
                if None in record or None in record.values():
                    raise ValueError(f"line {reader.line_num} is shorter or longer than the first")
                rows.append(Row(**{name: kind(record[name]) for name, kind in kinds.items()}))
            return rows
    except (ValueError, csv.Error) as error:  # what is no UTF-8 is a ValueError, too
        raise ValueError(f"a table must be a CSV of rows as lineart evaluate writes them, {path} is not: "
                         f"{error}") from error


def paper_table() -> dict[tuple[str, str], float]:
    """The paper's Table 1: (method, metric) -> value, methods "none" and "image"."""
    with open(PAPER_TABLE, newline="") as file:
        return {(row["method"], row["metric"]): float(row["value"]) for row in csv.DictReader(file)}

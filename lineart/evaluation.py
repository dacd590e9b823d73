"""The protocols of Table 1: which drawing is coloured from which reference, and what is measured.

P1, self-reference: the reference is the truth itself (and so is the palette: the paper's protocol, which lets a network
copy by position). P3, random reference: three derangements of the test set; the results are judged as a set against the
references, and each by how well it keeps palette and lines.
"""

from __future__ import annotations

import csv
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch

from lineart import metrics
from lineart.config import ROOT
from lineart.data import Pairs
from lineart.data.augment import take, to_uint8
from lineart.data.lines import extract_lines
from lineart.data.pairs import random_references
from lineart.features import frechet_features, metric_names
from lineart.networks import Generator
from lineart.palette import extract_palette

PROTOCOLS = ("P1", "P3")
DERANGEMENTS = (0, 1, 2)  # seeds of P3's three lists
PAPER_TABLE = ROOT / "data" / "paper_table_1.csv"


@dataclass(frozen=True)
class Row:
    """One number of the table, with what is needed to get it again.

    value is the mean; spread the standard deviation, over the n drawings in P1, over the derangements in P3. seed: of
    the lists of references (P3). backbone: "imagenet" or "bundled"; checkpoint: sha256 of the weights, if any.
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
def colorize_set(generator: Generator, pairs: Pairs, reference: np.ndarray, batch_size: int = 32) -> torch.Tensor:
    """Every drawing of `pairs` in the colours of picture `reference[i]`, whose palette it gets too.

    reference: (n,) int indices into `pairs`. Returns (n, 3, H, W) uint8 on the CPU; noise off.
    """
    device = next(generator.parameters()).device
    results = []
    for start in range(0, len(pairs), batch_size):
        batch = take(pairs, slice(start, start + batch_size), reference[start : start + batch_size], device)
        results.append(to_uint8(generator(batch["line"], batch["palette"], batch["color"])).cpu())
    return torch.cat(results)


def as_images(color: np.ndarray) -> torch.Tensor:
    """(n, H, W, 3) uint8 -> (n, 3, H, W)."""
    return torch.tensor(color).permute(0, 3, 1, 2).contiguous()  # a copy: Pillow's arrays are read-only


class Evaluator:
    """Measures methods on one test set; the features of the references are computed once.

    pairs: the test set. weights: source of the backbones, which also names the metrics. data, size: for the rows.
    """

    def __init__(self, pairs: Pairs, weights: str, data: str) -> None:
        self.pairs, self.weights, self.data = pairs, weights, data
        self.names = metric_names(weights)
        self.truth = as_images(pairs.color)
        self.perceptual = metrics.PerceptualDistance(weights)
        self.network = frechet_features(weights)
        self.real = metrics.image_features(self.truth, self.network)
        # The ink of the input, as the same extractor sees it in the truth: filled ink has two edges there.
        self.input_lines = torch.from_numpy(np.stack([np.asarray(extract_lines(line)) for line in pairs.line]))

    def self_reference(self, method: str, results: torch.Tensor, checkpoint: str = "") -> list[Row]:
        """Rows of P1 for results (n, 3, H, W) uint8 that were coloured from the truth."""
        values = {
            "PSNR": metrics.psnr(results, self.truth).clamp(max=metrics.PSNR_CEILING),  # as in `mean_psnr`
            "MS-SSIM": metrics.ms_ssim(results, self.truth),
            self.names["perceptual"]: self.perceptual(results, self.truth),
        }
        return [self._row(method, "P1", name, v.double().numpy(), checkpoint) for name, v in values.items()]

    def random_reference(self, method: str, results: list[torch.Tensor], checkpoint: str = "",
                         features: list[np.ndarray] | None = None) -> list[Row]:
        """Rows of P3 for one result set a derangement, in the order of `DERANGEMENTS`; features: theirs, if known."""
        values: dict[str, list[float]] = {}
        for i, (seed, images) in enumerate(zip(DERANGEMENTS, results, strict=True)):
            reference = random_references(self.data, len(self.pairs), seed)
            known = features[i] if features else metrics.image_features(images, self.network)
            for name, value in self._against_references(images, reference, known).items():
                values.setdefault(name, []).append(value)
        return [self._row(method, "P3", name, np.array(v), checkpoint) for name, v in values.items()]

    def _against_references(self, images: torch.Tensor, reference: np.ndarray,
                            features: np.ndarray) -> dict[str, float]:
        pixels = images.permute(0, 2, 3, 1).numpy()
        palettes = [extract_palette(image, self.pairs.palette.shape[1]) for image in pixels]
        lines = torch.from_numpy(np.stack([np.asarray(extract_lines(image)) for image in pixels]))
        distance = [metrics.palette_distance(p, q) for p, q in zip(palettes, self.pairs.palette[reference])]
        consistency = metrics.line_consistency(lines, self.input_lines)
        return {
            self.names["frechet"]: metrics.frechet_distance(features, self.real),
            self.names["kernel"]: metrics.kernel_distance(features, self.real),
            "palette distance": float(np.mean(distance)),
            "line consistency": float(consistency.double().mean()),
        }

    def _row(self, method: str, protocol: str, metric: str, values: np.ndarray, checkpoint: str) -> Row:
        seeds = "" if protocol == "P1" else " ".join(map(str, DERANGEMENTS))
        spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
        return Row(self.data, self.truth.shape[-1], method, protocol, metric, round(float(values.mean()), 6) + 0.0,
                   round(spread, 6), len(self.pairs), seeds, self.weights, checkpoint)


def evaluate(evaluator: Evaluator, method: str, generator: Generator, checkpoint: str = "") -> list[Row]:
    """All rows of one trained method, P1 and P3."""
    pairs = evaluator.pairs
    own = np.arange(len(pairs))
    rows = evaluator.self_reference(method, colorize_set(generator, pairs, own), checkpoint)
    lists = [random_references(evaluator.data, len(pairs), seed) for seed in DERANGEMENTS]
    results = [colorize_set(generator, pairs, reference) for reference in lists]
    return rows + evaluator.random_reference(method, results, checkpoint)


def copy_the_reference(evaluator: Evaluator) -> list[Row]:
    """The rows of the method that returns its reference unchanged: perfect in P1, and as a set in P3."""
    method, truth = "copy the reference", evaluator.truth
    lists = [random_references(evaluator.data, len(evaluator.pairs), seed) for seed in DERANGEMENTS]
    rows = evaluator.self_reference(method, truth)
    features = [evaluator.real[reference] for reference in lists]  # the same pictures in another order
    return rows + evaluator.random_reference(method, [truth[reference] for reference in lists], features=features)


def write_rows(path: str | Path, rows: list[Row]) -> Path:
    """The rows as CSV, written to a temporary name and renamed."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
    os.replace(temporary, path)
    return path


def read_rows(path: str | Path) -> list[Row]:
    """Inverse of `write_rows`."""
    with open(path, newline="") as file:
        return [Row(**{f.name: {"int": int, "float": float}.get(f.type, str)(record[f.name]) for f in fields(Row)})
                for record in csv.DictReader(file)]


def paper_table() -> dict[tuple[str, str], float]:
    """The paper's Table 1: (method, metric) -> value, methods "none" and "image"."""
    with open(PAPER_TABLE, newline="") as file:
        return {(row["method"], row["metric"]): float(row["value"]) for row in csv.DictReader(file)}

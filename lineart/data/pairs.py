"""Which drawing takes its colours from which picture: seeded lists, kept as CSV under `data/pairs`."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from lineart.config import ROOT

FOLDER = ROOT / "data" / "pairs"


def derangement(n: int, seed: int) -> np.ndarray:
    """(n,) int: reference of drawing i; a permutation without fixed points, so that no drawing is its own reference.

    One cycle through all n (Sattolo 1986): drawing order[j] takes order[j + 1]. Raises ValueError for n < 2.
    """
    if n < 2:
        raise ValueError(f"a derangement needs at least 2 drawings, got {n}")
    order = np.random.default_rng(seed).permutation(n)
    reference = np.empty(n, int)
    reference[order] = np.roll(order, -1)
    return reference


def list_path(data: str, n: int, seed: int) -> Path:
    return FOLDER / f"{data}-test-{n}-random-{seed}.csv"


def random_references(data: str, n: int, seed: int) -> np.ndarray:
    """(n,) int: the committed list of a data set, size and seed, or where there is none the derangement itself."""
    path = list_path(data, n, seed)
    if not path.exists():
        return derangement(n, seed)
    with open(path, newline="") as file:
        return np.array([int(row["reference"]) for row in csv.DictReader(file)])


def write_list(data: str, n: int, seed: int) -> Path:
    """Write the list that `random_references` reads."""
    path = list_path(data, n, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["drawing", "reference"])
        writer.writerows(enumerate(derangement(n, seed).tolist()))
    return path

"""Pairs of line drawing and colour picture, from any of the sources, as arrays in memory."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shlex
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed

from lineart.config import Config, InputError, MissingFile
from lineart.data import toon
from lineart.data.palette import extract_palette
from lineart.data.references import region_shown, showing_references
from lineart.data.store import PREPARED, SPLITS, Store, default_folder, is_store, open_store
from lineart.files import whole

CACHE = PREPARED  # of drawings of `toon`
PACKAGE = Path(__file__).parent
# What decides how a drawing of `toon`, and its palette, come out: these files, these packages
DRAWN_BY = ("palette.py", "toon.py"), ("dicebear-core", "dicebear-styles", "resvg-py", "scikit-learn")


@dataclass(frozen=True)
class Pairs:
    """n pairs of drawings, 8-bit as saved.

    line (n, H, W) uint8, dark lines on white; color (n, H, W, 3) uint8; palette (n, k, 3) float32, 0..255, of the
    colour picture; name: n strings. `mask` (n, H, W) and `slots` (n, 6, 3), both uint8, only where the regions are
    known (`toon`). `other` (n, H, W, 3) and `other_palette` (n, k, 3), another drawing in the colours of each, only for
    training on such pairs.
    """

    line: np.ndarray
    color: np.ndarray
    palette: np.ndarray
    name: tuple[str, ...]
    mask: np.ndarray | None = None
    slots: np.ndarray | None = None
    other: np.ndarray | None = None
    other_palette: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.line)

    def digest(self) -> str:
        """sha256 of drawings, pictures and palettes: two sets with the same digest are the same set."""
        sha = hashlib.sha256()
        for array in (self.line, self.color, self.palette):
            sha.update(np.ascontiguousarray(array).tobytes())
        return sha.hexdigest()


def load(config: Config, split: str = "train", n: int | None = None) -> Pairs:
    """The pairs of a split, "train", "val" or "test": n of them, by default as many as the config says.

    `toon` is drawn; any other set is read from the prepared folder that `find_store` finds. A whole split stays on
    disk, mapped into memory; fewer pairs are taken evenly from all of it.
    Raises InputError for an unknown split, a split without pictures, a set that is not there, and one prepared under
    another name, with another size or number of colours.
    """
    if split not in SPLITS:
        raise InputError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    n = n or (config.n_train if split == "train" else config.n_test)
    if config.data == "toon":
        pairs = _load_toon(split, n, config.size, config.k)
        others = config.train_reference == "other" and split == "train"
        return _with_others(pairs, config.k) if others else pairs
    store = find_store(config)
    # The name too: rows of a table call the set what the config calls it, and kaggle's count as the paper's
    for name, held in (("data", store.record["name"]), ("size", store.record["size"]), ("k", store.record["k"])):
        if held != getattr(config, name):
            raise InputError(f"{name} must be the prepared set's {held}, got {getattr(config, name)}")
    rows, names = store.rows(split), store.names(split)
    if not names:
        raise InputError(f"{store.path} holds no pictures for {split!r}: {store.record['counts']}")
    if n < len(names):
        places = np.arange(n) * len(names) // n
        rows, names = rows.start + places, [names[place] for place in places]
    return Pairs(store.line[rows], store.color[rows], store.palette[rows], tuple(names))


def find_store(config: Config) -> Store:
    """The prepared set that a config means. Raises MissingFile, with the command that prepares it, where it is not."""
    path = Path(config.source).expanduser() if config.source else default_folder(config.data, config.size)
    if is_store(path):
        return open_store(path)
    if config.source and not path.exists():
        raise MissingFile(f"source must be a prepared set, there is nothing at {path}")
    source = shlex.quote(str(path)) if config.source else "PATH"
    k = "" if config.k == 9 else f" -k {config.k}"
    raise MissingFile(
        f"{config.data} at {config.size} px must be prepared first, and is then found without a source: "
        f"lineart data prepare {config.data} --source {source} --size {config.size}{k}"
    )


def _load_toon(split: str, n: int, size: int, k: int) -> Pairs:
    """Drawn once, in two processes, and kept under `runs/data`."""
    path = CACHE / f"toon-{split}-{size}-{n}-{k}-{_drawn_by()}.npz"
    arrays = _kept(path, lambda: _draw_toon(split, n, size, k))
    return Pairs(**arrays | {"name": tuple(arrays["name"].tolist())})


def _with_others(pairs: Pairs, k: int) -> Pairs:
    """With another drawing of the same set, which shows its slots, in the colours of each; drawn once, too."""
    path = CACHE / f"toon-showing-{pairs.digest()[:16]}-{_drawn_by('references.py')}.npz"
    return dataclasses.replace(pairs, **_kept(path, lambda: _draw_others(pairs, k)))


def _drawn_by(*more: str) -> str:
    """Digest of `DRAWN_BY` and `more` files of the package, for names of files: another generator, another file."""
    files, packages = DRAWN_BY
    sha = hashlib.sha256(" ".join(map(version, packages)).encode())
    for name in (*files, *more):
        sha.update((PACKAGE / name).read_bytes())
    return sha.hexdigest()[:8]


def _kept(path: Path, draw: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The arrays of a file; drawn and kept where there is none, or a damaged one, as after a power cut."""
    with suppress(OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile):  # what numpy and zipfile raise then
        with np.load(path) as arrays:
            return {name: arrays[name] for name in arrays.files}
    arrays = draw()
    _save(path, arrays)
    return arrays


def _draw_others(pairs: Pairs, k: int) -> dict[str, np.ndarray]:
    names = [pairs.name[j] for j in showing_references(region_shown(pairs.mask), 0)]
    size = pairs.line.shape[1]
    parts = Parallel(n_jobs=os.cpu_count() or 1)(
        delayed(_draw_batch)(names[i : i + 32], size, k, pairs.slots[i : i + 32]) for i in range(0, len(names), 32)
    )
    return {
        "other": np.concatenate([part[1] for part in parts]),
        "other_palette": np.concatenate([part[4] for part in parts]),
    }


def _draw_toon(split: str, n: int, size: int, k: int) -> dict[str, np.ndarray]:
    names = [toon.seed_of(split, i) for i in range(n)]
    batches = [names[i : i + 32] for i in range(0, n, 32)]
    jobs = min(len(batches), os.cpu_count() or 1)
    parts = Parallel(n_jobs=jobs)(delayed(_draw_batch)(batch, size, k) for batch in batches)
    stacked = [np.concatenate([part[i] for part in parts]) for i in range(5)]
    return dict(zip(("line", "color", "mask", "slots", "palette"), stacked), name=np.array(names))


def _draw_batch(names: list[str], size: int, k: int, slots: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
    drawings = [toon.draw(name, size, None if slots is None else slots[i]) for i, name in enumerate(names)]
    fields = ("line", "color", "mask", "slots")
    palettes = np.stack([extract_palette(drawing.color, k) for drawing in drawings])
    return *(np.stack([getattr(drawing, field) for drawing in drawings]) for field in fields), palettes


def _save(path: Path, arrays: dict[str, np.ndarray]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **arrays)

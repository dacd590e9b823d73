"""Pairs of line drawing and colour picture, from any of the sources, as arrays in memory."""

import dataclasses
import hashlib
import shlex
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from lineart.config import Config, InputError, MissingFile
from lineart.data import toon
from lineart.data.palette import extract_palette
from lineart.data.references import region_shown, showing_references
from lineart.data.store import PREPARED, SPLITS, Store, default_folder, is_store, open_store
from lineart.files import home, whole

CACHE = PREPARED  # of drawings of `toon`
PACKAGE = Path(__file__).parent
# What decides how a drawing of `toon`, and its palette, come out: these files, these packages
DRAWN_BY = ("palette.py", "references.py", "toon.py"), ("dicebear-core", "dicebear-styles", "resvg-py", "scikit-learn")
DRAWN = ("line", "color", "mask", "slots", "palette")


@dataclass(frozen=True)
class Pairs:
    """n pairs of drawings, 8-bit as saved.

    line (n, H, W) uint8, dark lines on white; color (n, H, W, 3) uint8; palette (n, k, 3) float32, 0..255, of the
    colour picture; name: n strings. `mask` (n, H, W) and `slots` (n, 6, 3), both uint8, only where the regions are
    known (`toon`). `other` (n, H, W, 3) and `other_palette` (n, k, 3), another drawing in the colours of each, only for
    training with such references.
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
    pairs = (_load_toon if config.data == "toon" else _load_prepared)(split, n, config)
    return _with_partners(pairs, Path(config.partners)) if config.partners and split == "train" else pairs


def _load_prepared(split: str, n: int, config: Config) -> Pairs:
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


def _with_partners(pairs: Pairs, path: Path) -> Pairs:
    """Pairs with other drawings in their colours from a file, which stays on disk."""
    if not path.is_file():
        raise MissingFile(f"partners must be a file of pictures, there is none at {path}")
    try:
        other = np.lib.format.open_memmap(path, mode="r")
    except ValueError as error:
        raise InputError(f"partners must be pictures that NumPy saved, {path} holds none: {error}") from error
    if (other.dtype, other.shape) != (np.uint8, pairs.color.shape):
        got = f"{other.dtype} {other.shape}"
        raise InputError(f"partners must be one 8-bit picture a pair, {pairs.color.shape}, got {got} in {path}")
    return dataclasses.replace(pairs, other=other, other_palette=pairs.palette)


def find_store(config: Config) -> Store:
    """The prepared set that a config means. Raises MissingFile, with the command that prepares it, where it is not."""
    path = home(config.source) if config.source else default_folder(config.data, config.size)
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


def _load_toon(split: str, n: int, config: Config) -> Pairs:
    """Drawn once and kept; for training on such pairs with other drawings, which show their slots, in their colours."""
    size, k = config.size, config.k
    names = tuple(toon.seed_of(split, i) for i in range(n))
    pairs = Pairs(**_kept(f"toon-{split}-{size}-{n}-{k}", lambda: _draw(names, size, k)), name=names)
    if config.train_reference != "other" or split != "train":
        return pairs

    def draw_others() -> dict[str, np.ndarray]:
        others = [names[j] for j in showing_references(region_shown(pairs.mask), 0)]
        drawn = _draw(others, size, k, pairs.slots)
        return {"other": drawn["color"], "other_palette": drawn["palette"]}

    return dataclasses.replace(pairs, **_kept(f"toon-showing-{pairs.digest()[:16]}", draw_others))


def _kept(name: str, draw: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The arrays of a file; drawn and kept where there is none, or a damaged one, as after a power cut."""
    path = CACHE / f"{name}-{_drawn_by()}.npz"
    with suppress(Exception), np.load(path) as arrays:  # NumPy and zipfile raise many kinds for damage
        return {name: arrays[name] for name in arrays.files}
    arrays = draw()
    with suppress(OSError):  # where nothing can be written, they are drawn again the next time
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, **arrays)
    return arrays


def _drawn_by() -> str:
    """Digest of `DRAWN_BY`, for names of files: another generator, another file."""
    files, packages = DRAWN_BY
    sha = hashlib.sha256(" ".join(map(version, packages)).encode())
    for name in files:
        sha.update((PACKAGE / name).read_bytes())
    return sha.hexdigest()[:8]


def _draw(names, size: int, k: int, slots: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """`DRAWN`, stacked; in several processes where there is enough to draw."""
    from joblib import Parallel, cpu_count, delayed  # only where nothing is kept from before

    jobs = min(-(-len(names) // 32), cpu_count())
    own = [None] * len(names) if slots is None else slots
    tasks = (delayed(_draw_one)(name, size, k, colors) for name, colors in zip(names, own, strict=True))
    drawn = Parallel(n_jobs=jobs, batch_size=32)(tasks)
    return {field: np.stack(arrays) for field, arrays in zip(DRAWN, zip(*drawn))}


def _draw_one(name: str, size: int, k: int, slots: np.ndarray | None) -> tuple[np.ndarray, ...]:
    drawing = toon.draw(name, size, slots)
    return drawing.line, drawing.color, drawing.mask, drawing.slots, extract_palette(drawing.color, k)

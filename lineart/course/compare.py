"""How far a result is from the committed one: numbers of a table, pixels of a picture, lines of a text."""

from itertools import zip_longest
from pathlib import Path


def difference(ours: Path, committed: Path) -> str | None:
    """In words; None where both say the same."""
    if not committed.is_file():
        return "not committed"
    if ours.read_bytes() == committed.read_bytes():
        return None
    if ours.suffix == ".pdf":
        return "other bytes"
    return {".csv": _of_tables, ".png": _of_pictures}.get(ours.suffix, _of_texts)(ours, committed)


def _of_texts(ours: Path, committed: Path) -> str | None:
    lines = zip_longest(*(path.read_text(encoding="utf-8").splitlines() for path in (ours, committed)))
    return next((f"line {n}: {a!r}, committed {b!r}" for n, (a, b) in enumerate(lines, start=1) if a != b), None)


def _of_tables(ours: Path, committed: Path) -> str | None:
    import pandas as pd

    a, b = (pd.read_csv(path, dtype=str, keep_default_na=False) for path in (ours, committed))
    if a.shape != b.shape or [*a] != [*b]:
        return f"{len(a)} rows of {', '.join(a)}; committed {len(b)} of {', '.join(b)}"
    off = {}
    for name in a:
        x, y = (pd.to_numeric(table[name], errors="coerce") for table in (a, b))
        if not a[name].where(x.isna(), "0").equals(b[name].where(y.isna(), "0")):  # what is no number
            return f"other entries in column {name}"
        relative = ((x - y).abs() / y.abs()).where(x != y, 0).fillna(0)  # of a committed 0, infinite
        off[name] = relative.to_numpy().max(initial=0)
    where = max(off, key=off.get)
    return f"numbers are off by up to {off[where]:.1e} of the committed one, in column {where}" if off[where] else None


def _of_pictures(ours: Path, committed: Path) -> str | None:
    import numpy as np
    from PIL import Image

    a, b = (np.asarray(Image.open(path).convert("RGBA"), dtype=int) for path in (ours, committed))
    if a.shape != b.shape:
        return f"{a.shape[1]}x{a.shape[0]} pixels, committed {b.shape[1]}x{b.shape[0]}"
    off = np.abs(a - b)
    return f"{off.any(-1).mean():.2%} of the pixels are off, by up to {off.max()} of 255" if off.any() else None

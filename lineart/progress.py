"""How far a long piece of work is: a bar for a person in a terminal, a line every ten seconds in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def progress(work: Iterable[T], total: int, unit: str) -> Iterator[T]:
    """What `work` yields, while its progress is shown: how many of `total`, how many a second and the time left."""
    if sys.stderr.isatty():
        yield from tqdm(work, total=total, unit=f" {unit}")
        return
    started = last = time.perf_counter()
    for done, item in enumerate(work, start=1):
        yield item
        now = time.perf_counter()
        if now - last > 10 or done == total:
            rate, last = done / (now - started), now
            print(f"{done:,} of {total:,} {unit}, {rate:.0f} a second, {(total - done) / rate:.0f} s left", flush=True)

"""How far a long piece of work is: a bar for a person in a terminal, a line every ten seconds in a log."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


class Progress:
    """Shows how many of `total` are done, how many a second and the time left; `before`: done by an earlier process."""

    def __init__(self, total: int, unit: str, before: int = 0) -> None:
        self.total, self.unit, self.before = total, unit, before
        self.bar = tqdm(total=total, initial=before, unit=f" {unit}", disable=not sys.stderr.isatty())
        self.started = self.last = time.perf_counter()

    def show(self, done: int, *notes: str) -> None:
        self.bar.set_postfix_str(", ".join(notes), refresh=False)
        self.bar.update(done - self.bar.n)
        now = time.perf_counter()
        if self.bar.disable and (now - self.last > 10 or done == self.total):
            rate, self.last = max(done - self.before, 1) / (now - self.started), now
            speed = f"{rate:.3g} a second, {(self.total - done) / rate:.0f} s left"
            print(f"{done:,} of {self.total:,} {self.unit}", *notes, speed, sep=", ", flush=True)

    def say(self, text: str) -> None:
        """A line that the bar does not overwrite."""
        self.bar.write(text, file=sys.stdout)
        sys.stdout.flush()


def progress(work: Iterable[T], total: int, unit: str) -> Iterator[T]:
    """What `work` yields, while its progress is shown."""
    shown = Progress(total, unit)
    with shown.bar:
        for done, item in enumerate(work, start=1):
            yield item
            shown.show(done)

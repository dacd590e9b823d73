"""Colours for a drawing: from any scan to a finished picture."""

from collections.abc import Sequence
from typing import Literal

Finish = Literal["smooth", "soft", "flat", "exact"]  # see lineart.coloring.flats.underpaint
Swaps = Sequence[tuple[Sequence[float], Sequence[float]]]  # old and new colours, 0..255

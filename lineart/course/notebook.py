"""What the notebooks need besides the system itself: show source, check an exercise, state where numbers come from."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from IPython.display import Markdown


def source(*objects: Any) -> Markdown:
    """The package's own code for classes or functions, as it will be imported: it cannot drift from the page."""
    from IPython.display import Markdown  # there in a notebook; the package works without it

    return Markdown("\n".join(f"```python\n{inspect.getsource(o).rstrip()}\n```" for o in objects))


def solve(answer: Any, expected: Any, what: str, tolerance: float = 1e-4) -> Any:
    """An exercise's answer, checked; the notebook goes on with what this returns, whatever the answer is.

    answer: None while unsolved. Prints one line: solved, not yet solved, or how far off. Returns `expected`.
    """
    if answer is None:
        print(f"{what}: not solved yet; going on with the package's own.")
        return expected
    try:
        a, b = (np.asarray(x.detach() if torch.is_tensor(x) else x, dtype=float) for x in (answer, expected))
    except Exception:  # a reader's answer may be anything
        print(
            f"{what}: the answer must be a number or an array of numbers, yours is {answer!r}; "
            "going on with the package's own."
        )
        return expected
    if a.shape != b.shape:
        print(f"{what}: the shape must be {b.shape}, yours is {a.shape}; going on with the package's own.")
    elif not (error := np.abs(a - b).max(initial=0)) <= tolerance:  # so that NaN is an error, too
        print(f"{what}: off by {error:.3g} at most; going on with the package's own.")
    else:
        print(f"{what}: solved.")
    return expected

"""What the notebooks need besides the system itself: its source, shown."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.display import Markdown


def source(*objects: Any) -> Markdown:
    """The package's own code for classes or functions, as it will be imported: it cannot drift from the page."""
    from IPython.display import Markdown  # there in a notebook; the package works without it

    return Markdown("\n".join(f"```python\n{inspect.getsource(o).rstrip()}\n```" for o in objects))

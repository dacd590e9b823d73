"""Reference-based colorization of line art: the system of Khang et al., part by part.

Names are imported when first used, so that a command that needs no network does not wait for torch.
"""

from importlib import import_module

__version__ = "0.1.0"

_HOME = {
    "Config": "config",
    "PROFILES": "config",
    "extract_palette": "data.palette",
    "extract_lines": "data.lines",
    "Generator": "networks",
    "PatchDiscriminator": "networks",
    "train": "training",
    "Colorizer": "coloring.colorizer",
}
__all__ = [*_HOME, "__version__"]


def __getattr__(name: str):
    if name in _HOME:
        return getattr(import_module(f"lineart.{_HOME[name]}"), name)
    raise AttributeError(f"module 'lineart' has no attribute {name!r}")

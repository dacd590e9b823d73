"""Where a result comes from: the side-car that stands beside every figure, table and set of weights."""

from __future__ import annotations

import json
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

from lineart.config import ROOT, Config
from lineart.files import write_text

# Those that decide a result: networks and training, metrics and their backbones, lines and palettes, drawings
PACKAGES = ("torch", "torchvision", "lightning-fabric", "torchmetrics", "torch-fidelity", "lpips", "stlpips-pytorch",
            "numpy", "scipy", "scikit-learn", "pillow", "resvg-py", "dicebear-core", "dicebear-styles")


def provenance(config: Config | None = None, **details) -> dict:
    """Commit, settings, device and versions of this process, and whatever else is known of the result."""
    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine() + " CPU"
    return {
        "commit": _commit(),
        "config": config.to_dict() if config else None,
        "device": device,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
        **details,
    }


def write_sidecar(path: str | Path, record: dict) -> Path:
    """`record` as JSON beside a result: figure.png -> figure.json."""
    return write_text(Path(path).with_suffix(".json"), json.dumps(record, indent=2, sort_keys=True) + "\n")


def _commit() -> str | None:
    """The commit of the checkout, "+" after it where code or data differ from it; None outside a checkout."""
    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=True).stdout.strip()

    try:
        # Results and notebooks' outputs change while the course runs; only code and data decide what they are.
        changed = git("status", "--porcelain", "--untracked-files=no", "--", "lineart", "data")
        return git("rev-parse", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None

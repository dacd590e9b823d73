"""Files that are whole or not there, their digests, and the side-car that says where a result comes from."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from lineart.config import ROOT, Config

# Those that decide a result: networks and training, metrics and their backbones, lines and palettes, drawings
PACKAGES = (
    "torch",
    "torchvision",
    "lightning-fabric",
    "torchmetrics",
    "torch-fidelity",
    "lpips",
    "stlpips-pytorch",
    "numpy",
    "scipy",
    "scikit-learn",
    "scikit-image",
    "pillow",
    "resvg-py",
    "dicebear-core",
    "dicebear-styles",
)
OF_THE_RUN = ("commit", "device", "threads", "python", "seconds")  # what a record says of the run, not of the result


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """A temporary name beside `path` to write to; it becomes `path` where the block ends well, else it is removed.

    So a killed process or a full disk leaves the file that was there before, never half of the new one.
    """
    path = Path(path)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> Path:
    """UTF-8 with plain line ends, whole or not at all; returns the path."""
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
    return Path(path)


def sha256(path: str | Path) -> str:
    """Hex digest of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
    """`record` as JSON beside a result: figure.png -> figure.json.

    Where the record names a profile, the result is a notebook's, and the same from every run. What differs from run to
    run then goes to `provenance/figure.json` beside the folder of results, and the side-car keeps what decides.
    """
    path = Path(path).with_suffix(".json")
    if "profile" in record:
        folder = path.absolute().parent.parent / "provenance"
        folder.mkdir(exist_ok=True)
        _write_json(folder / path.name, {name: record[name] for name in OF_THE_RUN if name in record})
        record = {name: value for name, value in record.items() if name not in OF_THE_RUN}
    return _write_json(path, record)


def _write_json(path: Path, record: dict) -> Path:
    return write_text(path, json.dumps(record, indent=2, sort_keys=True) + "\n")


def _commit() -> str | None:
    """The commit of the checkout, "+" after it where code or data differ from it; None outside a checkout."""

    def git(*words: str) -> str:
        command = ["git", "-C", str(ROOT), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        # Results and notebooks' outputs change while the course runs; only code and data decide what they are.
        changed = git("status", "--porcelain", "--untracked-files=no", "--", "lineart", "data")
        return git("rev-parse", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None

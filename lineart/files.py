"""Files that are whole or not there, their digests, and the side-car that says where a result comes from."""

import errno
import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from lineart.config import CHECKOUT, ROOT, Config

# Those that decide a result: networks and training, metrics and their backbones, lines and palettes, drawings
PACKAGES = tuple(
    "torch torchvision lightning-fabric torchmetrics torch-fidelity lpips stlpips-pytorch "
    "numpy scipy scikit-learn scikit-image pillow resvg-py dicebear-core dicebear-styles".split()
)
OF_THE_RUN = ("commit", "device", "threads", "python", "seconds")  # what a record says of the run, not of the result


@contextmanager
def whole(path: str | Path, overwrite: bool = True) -> Iterator[Path]:
    """A temporary name beside `path` to write to; it becomes `path` where the block ends well, else it is removed.

    So a killed process or a full disk leaves the file that was there before, never half of the new one. Without
    `overwrite` a file that has come in the meantime stays, too, and FileExistsError is raised.
    """
    path = Path(path)
    temporary = path.with_name(f"{path.name[:40]}.{os.getpid()}.tmp")  # the name may be as long as names can be
    try:
        yield temporary
        if not overwrite and path.exists():
            raise FileExistsError(errno.EEXIST, "there is a file by now", str(path))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def home(path: str | Path) -> Path:
    """With ~ as the home folder; a name such as ~draft.png, which is nobody's home, stays."""
    return Path(os.path.expanduser(path))


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
    import torch  # `lineart reproduce` reads digests only, and must not wait for it

    return {
        "commit": _commit(),
        "config": config.to_dict() if config else None,
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine() + " CPU",
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
        of_the_run = {name: record[name] for name in OF_THE_RUN if name in record}
        record = {name: value for name, value in record.items() if name not in of_the_run}
        folder = path.absolute().parent.parent / "provenance"
        folder.mkdir(exist_ok=True)
        write_text(folder / path.name, _as_json(of_the_run))
    return write_text(path, _as_json(record))


def _as_json(record: dict) -> str:
    return json.dumps(record, indent=2, sort_keys=True) + "\n"


def _commit() -> str | None:
    """The commit of the checkout, "+" after it where code or data differ from it; None without checkout or git."""
    if not CHECKOUT:
        return None
    git = ["git", "-C", str(ROOT)]
    # Results and notebooks' outputs change while the course runs; only code and data decide what they are.
    status = [*git, "status", "--porcelain", "--untracked-files=no", "--", "lineart", "data"]
    try:
        changed = subprocess.run(status, capture_output=True, text=True, check=True).stdout
        commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit + ("+" if changed else "")

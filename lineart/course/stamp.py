"""What went into a notebook and what came out of it: the stamp beside an executed notebook, and whether it stands."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from importlib import metadata
from pathlib import Path

from lineart import config
from lineart.course.plan import Notebook, tags_of
from lineart.files import PACKAGES, sha256, write_text


def common_inputs(profile: str) -> dict:
    """What every notebook depends on. The versions are read, nothing is imported: that takes seconds."""
    package = sorted((config.ROOT / "lineart").rglob("*.py"))
    data = sorted(p for p in (config.ROOT / "data").rglob("*") if p.is_file() and _is_input(p))
    return {"profile": profile, "package": _files_digest(package), "data": _files_digest(data),
            "python": platform.python_version(), "versions": {name: _version(name) for name in PACKAGES},
            "source": os.environ.get("LINEART_SOURCE", "")}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _is_input(path: Path) -> bool:
    parts = path.relative_to(config.ROOT).parts
    # Caches come and go, and a README says nothing to the code.
    return path.suffix != ".md" and not any(part.startswith(".") or "cache" in part for part in parts)


def _digest(value) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def file_digest(path: Path) -> str | None:
    return sha256(path) if path.is_file() else None


def _files_digest(paths: list[Path]) -> str:
    return _digest([(path.relative_to(config.ROOT).as_posix(), file_digest(path)) for path in paths])


def cells_digest(cells: list[dict]) -> str:
    return _digest([(cell["source"], sorted(tags_of(cell))) for cell in cells if cell["cell_type"] == "code"])


def inputs_of(notebook: Notebook, common: dict[str, str], output: Path) -> dict:
    needs = {need: (read_stamp(output, need) or {}).get("outputs") for need in notebook.needs}
    reads = {name: file_digest(config.ROOT / name) for name in notebook.reads}
    return {"code_cells": cells_digest(notebook.cells), "parameters": notebook.parameters, **common, "needs": needs,
            "reads": reads}


def read_stamp(output: Path, name: str) -> dict | None:
    try:
        stamp = json.loads((output / f"{name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return stamp if isinstance(stamp, dict) and {"inputs", "outputs", "executed"} <= set(stamp) else None


def write_stamp(output: Path, name: str, stamp: dict) -> None:
    write_text(output / f"{name}.json", json.dumps(stamp, indent=1) + "\n")


def reason_to_run(notebook: Notebook, inputs: dict, output: Path, profile: str) -> str | None:
    """Why the notebook has to run, or None where its last run still stands."""
    stamp = read_stamp(output, notebook.name)
    if stamp is None:
        return "no finished run"
    changed = [name.replace("_", " ") for name in inputs if inputs[name] != stamp["inputs"].get(name)]
    if changed:
        return f"changed: {', '.join(changed)}"
    if file_digest(output / f"{notebook.name}.ipynb") != stamp["executed"]:
        return "executed notebook gone or changed"
    figures = config.figures_dir(profile)
    for name, digest in stamp["outputs"].items():
        if file_digest(figures / name) != digest:
            return f"{name} gone or changed"
    return None


def snapshot(folder: Path) -> dict[str, tuple[int, int, int]]:
    files = ((p, p.stat()) for p in folder.rglob("*") if p.is_file() and p.suffix != ".tmp")
    return {p.relative_to(folder).as_posix(): (s.st_mtime_ns, s.st_size, s.st_ino) for p, s in files}


def take_over(outputs: dict, earlier: list[str], output: Path) -> None:
    """A result that two notebooks write belongs to the later one; else the earlier would never be unchanged."""
    for name in earlier:
        stamp = read_stamp(output, name)
        if stamp and any(stamp["outputs"].get(file, digest) != digest for file, digest in outputs.items()):
            stamp["outputs"] = {file: digest for file, digest in stamp["outputs"].items() if file not in outputs}
            write_stamp(output, name, stamp)

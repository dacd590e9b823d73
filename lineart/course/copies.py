"""The notebooks as students get them: without solutions and outputs, in a folder that git does not see.

A copy that a student has changed is never written over. `WRITTEN` in the folder keeps the digest of each file as it was
written; what differs from it is the student's.
"""

import hashlib
import json
import os
import re
import shutil
from pathlib import Path

from lineart import config
from lineart.config import InputError, MissingFile
from lineart.course import kernel
from lineart.course.pages import FOLD
from lineart.files import whole, write_text

WRITTEN, RESULTS = ".written.json", "results"
OWN_RESULTS = 'os.environ.setdefault("LINEART_FIGURES", "results")  # what you make lies beside your notebooks'


def write_copies(folder: Path, notebooks: Path | None = None) -> str:
    """Bring the copies in `folder` up to date; returns what was written and what was kept, as text.

    `folder/results` starts as a copy of the committed figures/, because pages read what others wrote; files that are
    there are kept. Raises InputError where the folder is the course's own.
    """
    source, folder = (notebooks or config.ROOT / "notebooks").resolve(), folder.resolve()
    if folder in (source, config.ROOT) or source in folder.parents:
        raise InputError(f"copies go to a folder of their own, got {folder}")
    if not source.is_dir():
        raise MissingFile(f"copies are made of the course's notebooks, found no folder {source}")
    folder.mkdir(parents=True, exist_ok=True)
    before = _read_digests(folder)
    written, kept, digests = [], [], dict(before)
    for path in sorted(path for path in source.iterdir() if path.is_file() and not path.name.startswith(".")):
        copy, name = folder / path.name, path.name
        content = student_copy(path, folder) if path.suffix == ".ipynb" else path.read_bytes()
        there = copy.read_bytes() if copy.exists() else None
        if there not in (None, content) and _digest(there) != before.get(name):
            newer = before.get(name) != _digest(content)
            kept.append(f"kept: {name}" + ("; to get the course's newer one, rename yours and run this again" * newer))
            continue
        if there != content:
            with whole(copy) as temporary:
                temporary.write_bytes(content)
            written.append(name)
        digests[name] = _digest(content)  # also of one that an interrupted call wrote
    write_text(folder / WRITTEN, json.dumps(digests, indent=1) + "\n")
    if not (folder / ".gitignore").exists():
        write_text(folder / ".gitignore", "*\n")
    shutil.copytree(config.ROOT / "figures", folder / RESULTS, dirs_exist_ok=True, copy_function=_copy_new)
    return "\n".join([f"{len(written)} written to {folder}, {len(kept)} kept because they were changed there", *kept])


def student_copy(path: Path, folder: Path) -> bytes:
    """A notebook without solutions and outputs, whose results go beside it and whose links lead where they led."""
    import nbformat

    node = kernel.without_outputs(path.read_text(encoding="utf-8"))
    up = Path(os.path.relpath(path.parent.parent, folder)).as_posix()
    for cell in node.cells:
        if cell.cell_type == "markdown":
            cell.source = FOLD.sub(lambda fold: "" if fold[1].startswith("Solution") else fold[0], cell.source).strip()
            cell.source = re.sub(r"\]\(\.\./", f"]({up}/", cell.source)
        elif "parameters" in kernel.tags_of(cell):
            cell.source = re.sub(r"^import os$", f"import os\n\n{OWN_RESULTS}", cell.source, flags=re.MULTILINE)
    node.cells = [cell for cell in node.cells if cell.source]
    return (nbformat.writes(node) + "\n").encode()


def _read_digests(folder: Path) -> dict[str, str]:
    """What was written the last time; nothing where the file is gone, so that every copy there counts as changed."""
    try:
        return json.loads((folder / WRITTEN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _copy_new(source: str, target: str) -> None:
    if not os.path.exists(target):
        with whole(target) as temporary:
            shutil.copyfile(source, temporary)

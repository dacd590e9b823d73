"""Builds the course as web pages in site/_build/html, and checks that no link of them leads nowhere.

Sphinx wants its texts in one folder with a front page of their own, so they are copied, in the repository's layout. A
warning ends the build. Nothing is fetched, neither now nor by the pages.
"""

import shutil
import sys
from pathlib import Path

from links import complaints
from sphinx.cmd.build import main as sphinx

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
BUILD, STUDIO = HERE / "_build", HERE / "studio"  # where `make studio` puts it
SOURCE, HTML = BUILD / "source", BUILD / "html"
FOLDERS = ("notebooks", "figures", "data", "benchmarks", "lineart", "teaching")
UNUSED = shutil.ignore_patterns("*.safetensors", "*.onnx", "__pycache__", "node_modules", "build", ".*")


def stage() -> None:
    """Copy what the pages are made of, and what they link to."""
    shutil.rmtree(BUILD, ignore_errors=True)  # a page that is gone shall not stay, and the whole takes seconds
    for name in FOLDERS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, SOURCE / name, ignore=UNUSED)
    for path in ROOT.iterdir():
        if path.is_file() and not path.name.startswith("."):
            shutil.copy2(path, SOURCE)
    (SOURCE / "site").mkdir()
    for path in HERE.glob("*.md"):
        if path.name != "teachers.md" or (ROOT / "teaching").is_dir():
            shutil.copy2(path, SOURCE / ("" if path.name == "index.md" else "site"))


def main() -> int:
    stage()
    options = ["-b", "html", "-W", "--keep-going", "-q", "-c", str(HERE), "-d", str(BUILD / "doctrees")]
    if (STUDIO / "index.html").is_file():
        options += ["-t", "studio"]
    if code := sphinx([*options, str(SOURCE), str(HTML)]):
        return code
    if (STUDIO / "index.html").is_file():
        shutil.copytree(STUDIO, HTML / "studio", dirs_exist_ok=True)
    found = complaints(HTML)
    print(*found, f"{len(list(HTML.rglob('*.html')))} pages in {HTML.relative_to(ROOT)}", sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

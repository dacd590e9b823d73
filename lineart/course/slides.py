"""Decks of slides from the pages, by one rule, so that no page carries marks of its own for them.

A section's heading begins a slide, and what does not fit goes on below it. nbconvert puts the result into reveal.js,
which lies beside the decks.
"""

import html
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from lineart import config
from lineart.config import MissingFile
from lineart.course import kernel
from lineart.course.parts import BREAK, GAP, HEIGHT, TEXT, WIDTH, Part, parts_of
from lineart.files import write_text

TEMPLATE = config.ROOT / "teaching" / "slides"
REVEAL = ("dist/reset.css", "dist/reveal.css", "dist/reveal.js", "plugin/notes/notes.js", "LICENSE")


def write_slides(folder: Path, only: Sequence[str] = (), notebooks: Path | None = None) -> str:
    """A deck `folder/NAME.html` of each notebook, with what shows it, and a list; returns what was written.

    Raises MissingFile where npm has not put reveal.js under teaching/slides yet, InputError where no notebook is meant.
    """
    chosen = kernel.find(notebooks, only)
    reveal = TEMPLATE / "node_modules" / "reveal.js"
    if not reveal.is_dir():
        raise MissingFile(f"reveal.js must be in {reveal}: make slides, or npm ci --prefix {TEMPLATE}")
    for name in REVEAL:
        (folder / "reveal.js" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(reveal / name, folder / "reveal.js" / name)
    shutil.copyfile(TEMPLATE / "slides.css", folder / "slides.css")
    decks = {path.stem: deck(kernel.read(path)) for path in kernel.find(notebooks)}
    for name in [path.stem for path in chosen]:
        write_text(folder / f"{name}.html", render(decks[name], name))
    titles = {name: node.metadata["title"] for name, node in decks.items() if (folder / f"{name}.html").is_file()}
    links = "".join(f'<li><a href="{name}.html">{html.escape(title)}</a></li>\n' for name, title in titles.items())
    head = '<!DOCTYPE html>\n<html lang="en"><meta charset="utf-8"><title>Slides</title>\n<h1>Slides</h1>\n'
    write_text(folder / "index.html", f"{head}<ul>\n{links}</ul>\n</html>\n")
    return f"{len(chosen)} decks in {folder}; S shows the speaker's notes, O all slides"


def render(node, name: str) -> str:
    """A deck as HTML."""
    from nbconvert import SlidesExporter

    exporter = SlidesExporter(template_name="slides", extra_template_basedirs=[str(TEMPLATE.parent)])
    exporter.reveal_width, exporter.reveal_height = str(WIDTH), str(HEIGHT)
    return exporter.from_notebook_node(node, {"metadata": {"name": name}})[0]


def deck(page: kernel.Notebook):
    """A notebook of Markdown cells with the slideshow tags that JupyterLab and nbconvert know: slide, subslide, notes.

    Each cell is a slide, none higher than the screen by the reckoning of the heights.
    """
    from nbformat.v4 import new_markdown_cell, new_notebook

    cells, title = [], ""
    for parts in _screens([part for cell in page.cells for part in parts_of(cell)]):
        kind = "slide" if parts[0].level in (1, 2) else "subslide"
        title = title or re.sub(r"[`#]|<.*?>", "", parts[0].text).strip()
        text = "\n\n".join(part.text for part in parts)
        cells.append(new_markdown_cell(text, metadata={"slideshow": {"slide_type": kind}}))
        if notes := "\n\n".join(part.notes for part in parts if part.notes):
            cells.append(new_markdown_cell(notes, metadata={"slideshow": {"slide_type": "notes"}}))
    return new_notebook(cells=cells, metadata={"title": title})


def _screens(parts: Sequence[Part]) -> Iterator[list[Part]]:
    """The parts by screens: a heading begins one, and so does what no longer fits; then the heading stands above it."""
    screen, heading = [], None
    for part in parts:
        full = sum(own.height for own in screen) + part.height > HEIGHT - GAP
        if screen and (part.level or part is BREAK or full and any(own.level not in (1, 2) for own in screen)):
            yield screen
            screen = []
        if part.level in (1, 2):
            heading = part
        elif not screen and heading and part is not BREAK:
            name = re.sub(r"`([^`]*)`", r"<code>\1</code>", heading.text.lstrip("# "))
            screen = [Part(f'<h2 class="on">{name}</h2>', TEXT + GAP)]
        if part is not BREAK:
            screen.append(part)
    if screen:
        yield screen

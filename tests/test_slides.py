"""Slides: every page becomes a deck by one rule, nothing gives an answer away, nothing is higher than the screen."""

import base64
import io
import re
import shutil

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from lineart.config import ROOT, InputError, MissingFile
from lineart.course import kernel, slides
from lineart.course.pages import EXERCISE

PAGES = sorted((ROOT / "notebooks").glob("*.ipynb"))
every = pytest.mark.parametrize("path", PAGES, ids=[path.stem for path in PAGES])


def kinds(deck):
    return [cell.metadata["slideshow"]["slide_type"] for cell in deck.cells]


@every
def test_a_deck_has_the_pages_sections_and_exercises_and_no_answers(path):
    page = kernel.read(path)
    deck = slides.deck(page)
    shown = [cell.source for cell in deck.cells if cell.metadata["slideshow"]["slide_type"] != "notes"]
    prose = "\n\n".join(cell["source"] for cell in page.cells if cell["cell_type"] == "markdown")
    assert kinds(deck).count("slide") == len(re.findall(r"^##? ", prose, re.MULTILINE))
    assert not re.search(r"<details>|<summary>|\*\*Takes\.\*\*|\[[^]]*→\]", "\n".join(shown))
    for exercise in EXERCISE.finditer(prose):
        (screen,) = [text for text in shown if f"Exercise {exercise.group(1)} ·" in text]
        after = screen.partition("check.")[2]
        assert len(after.splitlines()) <= 4, "what follows an exercise waits for the next screen"


def page_of(*cells):
    return kernel.Notebook(None, "", [dict(cell) for cell in new_notebook(cells=list(cells)).cells], [], [], 0)


def png(width, height):
    file = io.BytesIO()
    Image.new("L", (width, height)).save(file, "png")
    return base64.b64encode(file.getvalue()).decode()


def test_long_text_goes_to_the_notes_and_long_code_is_left_out():
    first, second = "Only this is short.", " ".join(["And this goes on and on"] * 15) + "."
    long = "\n".join(f"x{i} = {i}" for i in range(60))
    deck = slides.deck(
        page_of(
            new_markdown_cell(f"# 00 · T\n\n{first} {second}"),
            new_code_cell(long, outputs=[new_output("stream", text="made")]),
        )
    )
    assert kinds(deck) == ["slide", "notes"]
    assert first in deck.cells[0].source and second not in deck.cells[0].source and second in deck.cells[1].source
    assert "x7" not in deck.cells[0].source and "made" in deck.cells[0].source


def test_what_does_not_fit_goes_on_below_under_the_same_heading():
    picture = new_output("display_data", {"image/png": png(300, 200)}, metadata={"image/png": {"alt": "a grey area"}})
    cells = [new_markdown_cell("# 00 · T"), new_markdown_cell("## A section")]
    deck = slides.deck(page_of(*cells, *[new_code_cell("draw()", outputs=[picture]) for _ in range(3)]))
    assert kinds(deck) == ["slide", "slide", "subslide", "subslide"]
    assert all("A section" in cell.source and "a grey area" in cell.source for cell in deck.cells[1:])


def test_decks_come_from_no_other_place_and_what_is_missing_is_said(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="there are"):
        slides.write_slides(tmp_path, ["03", "77"])
    monkeypatch.setattr(slides, "TEMPLATE", template := tmp_path / "slides")
    shutil.copytree(ROOT / "teaching" / "slides", template, ignore=shutil.ignore_patterns("node_modules"))
    with pytest.raises(MissingFile, match="reveal"):
        slides.write_slides(tmp_path / "out", ["00"])
    for name in slides.REVEAL:
        path = template / "node_modules" / "reveal.js" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    slides.write_slides(tmp_path / "out", ["00"])
    slides.write_slides(tmp_path / "out", ["03"])
    assert all(
        f'"{name}.html"' in (tmp_path / "out" / "index.html").read_text()
        for name in ("00_overview", "03_residual_block")
    )
    text = (tmp_path / "out" / "00_overview.html").read_text()
    loaded = re.findall(r"<(?:script|link|img|iframe)[^>]*?(?:src|href)=\"([^\"]{,200})", text)
    assert len(loaded) >= 5 and all(
        source.startswith("data:") or (tmp_path / "out" / source).exists() for source in loaded
    )


@pytest.fixture(scope="module")
def chromium():
    webdriver = pytest.importorskip("selenium.webdriver")
    browser, driver = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    if not browser or not driver:
        pytest.skip("no Chromium here")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(word)
    opened = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield opened
    opened.quit()


# reveal.js shows one slide at a time; here all are laid out, each as wide as the screen
ALL = f".reveal .slides {{ width: {slides.WIDTH}px }} .slides aside {{ display: none }}"
MEASURE = """
const style = document.createElement("style"); style.textContent = arguments[0]; document.head.append(style);
const leaves = [...document.querySelectorAll(".slides section")].filter(s => !s.querySelector("section"));
return leaves.map(s => [s.scrollHeight, s.scrollWidth]);
"""


@every
def test_no_slide_is_larger_than_the_screen(path, chromium, tmp_path):
    shutil.copy(slides.TEMPLATE / "slides.css", tmp_path)
    (tmp_path / "deck.html").write_text(slides.render(slides.deck(kernel.read(path)), path.stem))
    chromium.get((tmp_path / "deck.html").as_uri())
    sizes = chromium.execute_script(MEASURE, ALL)
    assert len(sizes) >= 10
    assert not [size for size in sizes if size[0] > slides.HEIGHT or size[1] > slides.WIDTH]

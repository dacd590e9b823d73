"""The course as web pages: whole, without a script of another host, readable by ear. `make site` builds all of it."""

import base64
import re
from types import SimpleNamespace

import nbformat
import pytest
from links import complaints
from nbformat import v4

from lineart.config import ROOT

pytest.importorskip("myst_nb")
formulas = pytest.importorskip("lineart.course.formulas")
sphinx = pytest.importorskip("sphinx.cmd.build").main

pytestmark = pytest.mark.filterwarnings("ignore:'sphinx_book_theme:DeprecationWarning")  # the theme's own
FORMULA = re.compile(r"\$\$(.+?)\$\$|\$([^$\n]+)\$", re.DOTALL)
PIXELS = [
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII=",
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAG7buVgAAAABJRU5ErkJggg==",
]


@pytest.mark.parametrize(
    ("page", "found"),
    [
        ('<a href="b.html">b</a><a href="b.html#there">b</a><a href="#own">a</a><p id="own">', None),
        ('<a href="https://example.org/gone">elsewhere</a><img src="data:image/png;base64,AA">', None),
        ('<a href="folder/">its index</a>', None),
        ('<a href="gone.html">?</a>', "gone.html, which is not there"),
        ('<img src="gone.png">', "gone.png, which is not there"),
        ('<a href="b.html#gone">?</a>', "has no such place"),
        ('<a href="../../outside.html">?</a>', "outside.html, which is not there"),
        ('<script src="https://example.org/a.js"></script>', "from another host"),
        ('<link rel="stylesheet" href="//example.org/a.css">', "from another host"),
    ],
)
def test_a_dead_link_and_another_host_are_told(page, found, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "index.html").write_text("")
    (tmp_path / "b.html").write_text('<h2 id="there">there</h2>')
    (tmp_path / "a.html").write_text(page)
    told = complaints(tmp_path)
    assert (told == []) if found is None else (len(told) == 1 and found in told[0] and told[0].startswith("a.html"))


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_every_formula_of_a_page_has_its_mathml(path):
    prose = "\n".join(cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "markdown")
    prose = re.sub(r"```.*?```|`[^`]*`", "", prose, flags=re.DOTALL)
    for block, inline in FORMULA.findall(prose):
        assert "<math" in formulas.mathml(block or inline, block=bool(block))


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A notebook as the site shows it."""
    folder = tmp_path_factory.mktemp("site")
    pictures = [
        v4.new_output("display_data", {"image/png": png}, metadata={"image/png": {"alt": f"Picture {i}: seen."}})
        for i, png in enumerate(PIXELS)
    ]
    control = v4.new_output("display_data", {"application/vnd.jupyter.widget-view+json": {}, "text/plain": "a slider"})
    table = v4.new_output(
        "display_data", {"text/markdown": "| a | b |\n| --- | ---: |\n| 1 | 2 |", "text/plain": "1 2"}
    )
    cells = [
        v4.new_markdown_cell("# 00 · A page\n\nA root $\\sqrt{d_k}$, and\n\n$$\\Big(\\frac12\\Big)\\big\\|x\\big\\|$$"),
        v4.new_markdown_cell("<details><summary>Hint 1</summary>\n\nA *hint*.\n\n</details>"),
        v4.new_code_cell("import os", metadata={"tags": ["hide-input"]}),
        v4.new_code_cell("show()", outputs=[*pictures, table, control]),
    ]
    language = {"language_info": {"name": "python"}, "kernelspec": {"name": "python3", "display_name": "Python 3"}}
    nbformat.write(v4.new_notebook(cells=cells, metadata=language), folder / "index.ipynb")
    options = ["-b", "html", "-W", "-q", "-c", str(ROOT / "site"), "-d", str(folder / "doctrees")]
    assert sphinx([*options, str(folder), str(folder / "html")]) == 0
    assert complaints(folder / "html") == []
    text = (folder / "html" / "index.html").read_text("utf-8")
    return SimpleNamespace(folder=folder / "html", text=text)


def test_each_picture_has_its_own_text(page):
    shown = re.findall(r'<img alt="(Picture .*?)" [^>]*src="([^"]+)"', page.text)
    assert [text for text, _ in shown] == ["Picture 0: seen.", "Picture 1: seen."]
    assert [(page.folder / file).read_bytes() for _, file in shown] == [base64.b64decode(png) for png in PIXELS]


def test_formulas_are_mathml_and_no_script_is_needed_for_them(page):
    assert page.text.count("<math ") == 2 and "<msqrt>" in page.text and "mathjax" not in page.text.lower()


def test_a_table_that_a_cell_shows_is_a_table(page):
    assert re.search(r"<table.*?<td>\s*<p>1</p>\s*</td>|<table.*?<td[^>]*>1</td>", page.text, re.DOTALL)


def test_hints_open_code_folds_and_controls_are_what_was_committed(page):
    assert re.search(r"<details><summary>Hint 1</summary>\s*<p>A <em>hint</em>.</p>\s*</details>", page.text)
    assert "tag_hide-input" in page.text and "a slider" in page.text
    assert "require.js" not in page.text and "widget-view" not in page.text


@pytest.mark.parametrize(
    ("tex", "spaces"), [(r"\log x", 1), (r"\log(x)", 0), (r"2 \log x", 2), (r"\log_{10}\frac12", 1), (r"a b", 0)]
)
def test_a_function_keeps_its_distance(tex, spaces):
    assert formulas.mathml(tex).count("<mspace") == spaces


def test_an_index_stands_beside_its_letter_and_not_below():
    assert re.search(r"<msub>.*<mover.*x.*</mover>.*i.*</msub>", formulas.mathml(r"\hat x_i"), re.DOTALL)
    assert formulas.mathml(r"\frac12") == formulas.mathml(r"\frac{1}{2}")


@pytest.mark.parametrize("tex", [r"\nonsense{x}", r"x^{\frac{12}}"])
def test_a_formula_that_cannot_be_translated_is_an_error(tex):
    with pytest.raises(formulas.MathError):
        formulas.mathml(tex)

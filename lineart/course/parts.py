"""What a page's cells become on slides, each part with the height that it will have on the screen.

Of a paragraph the slide has the first sentences, and later ones that are bold or lead over to what follows; the
speaker's notes have all. What an exercise asks for stands there whole. Imports, hints and solutions are left out; code
that draws, or is long, is shown by what it makes.
"""

import ast
import base64
import html
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

from lineart.course import kernel
from lineart.course.formulas import mathml
from lineart.course.pages import FOLD, checks_in

WIDTH, HEIGHT = 1280, 720  # of a slide, in pixels; type and line heights are those of teaching/slides/slides.css
TEXT, CODE, GAP = 36, 24, 16  # heights of a line of text, of a line of code, and of the space after a part
COLUMNS, CODE_COLUMNS = 88, 112  # letters that fit into a line
WORDS = 40  # of a paragraph, on a slide
LINES = 15  # of code, on a slide
SHOW = {"show", "show_grid", "source", "show_source", "Markdown", "display"}
PICTURE = 430  # pixels that a picture may be high


@dataclass(frozen=True)
class Part:
    """Something on a slide that is not split further: Markdown or HTML, and how high it will be in pixels."""

    text: str
    height: int
    level: int = 0  # 1 or 2: a heading that begins a slide; 3: an exercise, which begins one below
    notes: str = ""


BREAK = Part("", 0)  # what follows goes to another screen


def parts_of(cell: dict) -> Iterator[Part]:
    if cell["cell_type"] == "markdown":
        yield from _text_parts(cell["source"])
    elif "parameters" not in kernel.tags_of(cell):
        if code := _shown_code(cell):
            yield _code(code)
        if checks_in(cell["source"]):  # what comes next gives the exercise's answer away
            yield BREAK
            return
        for output in cell["outputs"]:
            yield from _output_parts(output)


def _shown_code(cell: dict) -> str:
    """Code is on a slide where it is short and says something; not where it only imports, draws or shows."""
    code = _without_display(cell["source"])
    lines = [line for line in code.splitlines() if line.strip()]
    drawn = any("image/png" in output.get("data", {}) for output in cell["outputs"])
    hidden = "hide-input" in kernel.tags_of(cell) or cell["metadata"].get("jupyter", {}).get("source_hidden")
    imports = all(re.match(r"(from|import) |\)| ", line) for line in lines)
    return "" if hidden or imports or (drawn and len(lines) > 4) or len(lines) > LINES else code


def _without_display(code: str) -> str:
    """The code without statements that only show something; as it is where it is no Python, as with a magic."""
    try:
        nodes = ast.parse(code).body
    except SyntaxError:
        return code.strip()
    lines = code.splitlines()
    for node in reversed(nodes):
        call = node.value if isinstance(node, ast.Expr) else None
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") in SHOW:
            del lines[node.lineno - 1 : node.end_lineno]
    return "\n".join(lines).strip()


def _text_parts(source: str) -> Iterator[Part]:
    exercise = False
    for block in re.split(r"\n\s*\n(?!    )", _without_folds(source)):
        if heading := re.match(r"(#+) (.*)", block):
            level = len(heading[1])
            lines = _lines(heading[2], COLUMNS // 2 if level < 3 else COLUMNS)
            exercise = heading[2].startswith("Exercise")
            begins = level if level < 3 or exercise else 0
            yield Part(with_mathml(block), lines * {1: 60, 2: 48}.get(level, 40) + 24, begins)
        elif block.strip():
            yield from _block_parts(block.strip(), exercise)


def _without_folds(source: str) -> str:
    """Also without what an opening says to a reader at a desk, and without the way to the next page."""
    source = FOLD.sub("", re.sub(r"<!--.*?-->", "", source, flags=re.DOTALL))
    kept = [
        block
        for block in re.split(r"(\n\s*\n)", source)
        if not re.match(
            r"\*\*(Needs|Reads|Writes|Takes|Study time)\.\*\*|\[?←|\[[^]]*(→\]|\]\([^)]*\) *→)", block.strip()
        )
    ]
    return "".join(kept)


def _block_parts(block: str, exercise: bool) -> Iterator[Part]:
    """A paragraph, list, box, table, formula or piece of code; an exercise's is not cut."""
    if block.startswith("```"):
        yield from _long_code(block.strip("`").partition("\n")[2].rstrip())
    elif block.startswith("$$"):
        for tex in _formulas(block.strip("$").strip()):
            yield Part(f'<div class="math">{_formula(tex, True)}</div>', _formula_height(tex) + GAP)
    elif block.startswith("|"):
        yield from _table_parts(block.splitlines())
    elif re.match(r"([-*]|\d+\.) ", block):
        for item in re.split(r"\n(?=(?:[-*]|\d+\.) )", block):
            short = item if exercise else _first_sentences(item)
            yield Part(with_mathml(short), TEXT * _lines(_plain(short), COLUMNS - 3) + GAP, notes=_notes(item, short))
    elif block.startswith("<"):
        yield Part(block, TEXT * _lines(_plain(block), COLUMNS) + GAP)
    else:
        box = block.startswith(">")
        whole = " ".join(line.removeprefix(">").strip() for line in block.splitlines()) if box else block
        short = whole if exercise else _first_sentences(whole)
        height = TEXT * _lines(_plain(short), COLUMNS - 3 * box) + GAP + 12 * box
        yield Part(with_mathml("> " * box + short), height, notes=_notes(whole, short))


def _formulas(tex: str) -> list[str]:
    """Two long ones that stand in a row; what is short is the number of the one before it."""
    return [tex] if r"\begin" in tex else re.split(r"\\qquad(?=[^&]{40})", tex)


def _table_parts(rows: list[str]) -> Iterator[Part]:
    """A table in Markdown, the head again over each piece that fits on a screen."""
    head, rows, piece, height = rows[:2], rows[2:], [], 0
    for row in [*rows, None]:
        own = _row_height(_plain(row)) if row else 0
        if piece and (row is None or height + own > HEIGHT - 4 * TEXT):
            text = with_mathml("\n".join([*head, *piece]))
            yield Part(text, height + _row_height(_plain(head[0])) + GAP)
            piece, height = [], 0
        piece, height = [*piece, row], height + own


def _row_height(text: str) -> int:
    """Of a table, at most; its cells break their lines unevenly."""
    return 5 + 30 * _lines(text, 75)


def _notes(whole: str, short: str) -> str:
    return with_mathml(whole) if short != whole else ""


def _first_sentences(paragraph: str) -> str:
    """As many whole sentences as are short enough, at least one; of the others what is bold or ends with a colon."""
    text = " ".join(paragraph.split("\n"))
    sentences = re.split(r"(?<=[.!?])\s+(?=[A-Z*\[`\"“$])", text)
    count = 1
    while count < len(sentences) and len(" ".join(sentences[: count + 1]).split()) <= WORDS:
        count += 1
    if count == len(sentences):
        return paragraph
    return " ".join(sentences[:count] + [one for one in sentences[count:] if "**" in one or one.endswith(":")])


def _code(code: str) -> Part:
    lines = sum(_lines(line, CODE_COLUMNS) for line in code.splitlines())
    return Part(f"```python\n{code}\n```", CODE * lines + 20 + GAP)


def _long_code(code: str) -> Iterator[Part]:
    """In pieces that fit, cut where a blank line or the end of a block allows it."""
    piece: list[str] = []
    for line in code.splitlines():
        if len(piece) >= 20 or (len(piece) >= LINES and not line.strip()):
            yield _code("\n".join(piece))
            piece = []
        if piece or line.strip():
            piece.append(line)
    if piece:
        yield _code("\n".join(piece))


def _output_parts(output: dict) -> Iterator[Part]:
    data = output.get("data", {})
    if "image/png" in data:
        yield _picture("".join(data["image/png"]), output.get("metadata", {}).get("image/png", {}).get("alt", ""))
    elif "text/markdown" in data:
        yield from _text_parts("".join(data["text/markdown"]))
    elif "text/html" in data and "<table" in (table := "".join(data["text/html"])):
        table = re.sub(r"\n\s*", "", re.sub(r"<style.*?</style>", "", table, flags=re.DOTALL))
        rows = [_plain(row.replace("</t", "  </t")) for row in table.split("<tr")[1:]]
        height = sum(_row_height(row) for row in rows) + GAP
        if height < HEIGHT - 2 * TEXT and table.count("<th") + table.count("<td") <= 9 * len(rows):
            yield Part(table, height)  # a larger one is for reading at a desk
    elif text := "".join(data.get("text/plain", output.get("text", ""))).rstrip():
        lines = text.splitlines()
        lines = lines[:LINES] + ["…"] * (len(lines) > LINES)
        height = CODE * sum(_lines(line, CODE_COLUMNS) for line in lines) + GAP
        escaped = html.escape("\n".join(lines)).replace("\n", "<br>")
        yield Part(f'<pre class="says">{escaped}</pre>', height)


def _picture(png: str, text: str) -> Part:
    """As large as the screen lets it be, at most twice its size, so that dots stay fine."""
    width, height = Image.open(io.BytesIO(base64.b64decode(png))).size
    scale = min(PICTURE / height, WIDTH / width, 2)
    source = f"data:image/png;base64,{png.strip().replace(chr(10), '')}"
    size = f'width="{round(width * scale)}" height="{round(height * scale)}"'
    return Part(f'<img alt="{html.escape(text)}" {size} src="{source}">', round(height * scale) + GAP)


def with_mathml(text: str) -> str:
    """Markdown whose formulas are MathML, which a browser draws without a script; code stays as it is."""
    parts = re.split(r"(`[^`]+`)", text)
    formula = re.compile(r"(?<![\\$])\$(?!\s)([^$]+?)(?<!\s)\$(?![\d$])")
    return "".join(
        part if part.startswith("`") else formula.sub(lambda found: _formula(found[1]), part) for part in parts
    )


def _formula(tex: str, block: bool = False) -> str:
    """A formula as MathML on one line, with nothing in it that Markdown would read."""
    found = re.sub(r"\n\s*", "", mathml(tex, block))
    return found.replace("*", "&#42;").replace("_", "&#95;").replace("|", "&#124;")


def _formula_height(block: str) -> int:
    rows = 1 + block.count(r"\\")
    return rows * (90 if re.search(r"\\(frac|sum|prod|underbrace|sqrt)", block) else 52)


def _lines(text: str, columns: int) -> int:
    return max(1, -(-len(text) // columns))


def _plain(text: str) -> str:
    """Without links' targets, marks and tags, for counting letters."""
    text = re.sub(r"\]\([^)]*\)", "]", re.sub(r"<[^>]+>", "", text))
    return re.sub(r"[*`$\[\]]|\\[a-z]+", "", text)

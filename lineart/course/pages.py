"""What a page of the course is made of: its exercises, and the folds that hide their hints and solutions."""

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

EXERCISE = re.compile(r"^### Exercise (\d+[ab]?\.\d+) · (.*?) +(★+)☆* · (\d+) minutes$", re.MULTILINE)
FOLD = re.compile(r"<details>\s*<summary>(.*?)</summary>(.*?)</details>\s*", re.DOTALL)
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Exercise:
    """An exercise as the course has it. `place` is the index of its code cell among the page's cells."""

    number: str  # "4.3", or "8a.1" in the first part of a lesson
    stars: int
    place: int
    stub: str  # the code cell
    check: str  # "check.cross_attention(my_cross_attention)"
    solution: str  # code; "" where the fold holds none


def exercises_of(cells: Sequence[dict]) -> list[Exercise]:
    """The exercises of a page that a check judges; a cell needs `cell_type` and `source`."""
    found = []
    for heading, places in sections(cells):
        check, *_ = [*checks_in("\n".join(cells[i]["source"] for i in places)), ""]
        if check:
            place = next(i for i in places if checks_in(cells[i]["source"]))
            after = cells[place + 1]["source"] if place + 1 < len(cells) else ""
            folds = [text for name, text in FOLD.findall(after) if name.startswith("Solution")]
            code = PYTHON.findall(folds[0]) if folds else []
            number, _, stars, _ = heading.groups()
            found.append(Exercise(number, len(stars), place, cells[place]["source"], check, "\n".join(code)))
    return found


def sections(cells: Sequence[dict]) -> Iterator[tuple[re.Match, list[int]]]:
    """Each exercise's heading with the places of its code cells: those up to the next fold, exercise or section."""
    heading, places = None, []
    for i, cell in enumerate(cells):
        if cell["cell_type"] == "code":
            places.append(i)
        elif re.search(r"^(### Exercise |## \d|<details)", cell["source"], re.MULTILINE):
            if heading:
                yield heading, places
            heading, places = EXERCISE.search(cell["source"]), []
    if heading:
        yield heading, places


def statements(code: str) -> list[ast.stmt]:
    """What a cell does but for its checks. Raises SyntaxError where the code is no Python."""
    return [node for node in ast.parse(code).body if not _is_check(node)]


def checks_in(code: str) -> list[str]:
    """The calls `check.name(...)` of a cell; none where the code is no Python."""
    try:
        return [ast.unparse(node) for node in ast.parse(code).body if _is_check(node)]
    except SyntaxError:
        return []


def same_code(one: str, other: str) -> bool:
    """Are they the same but for comments, spaces and checks?"""
    try:
        first, second = ([ast.dump(node) for node in statements(code)] for code in (one, other))
    except SyntaxError:
        return False
    return first == second


def _is_check(node: ast.stmt) -> bool:
    call = node.value if isinstance(node, ast.Expr) else None
    function = call.func if isinstance(call, ast.Call) else None
    return isinstance(function, ast.Attribute) and ast.unparse(function.value) == "check"

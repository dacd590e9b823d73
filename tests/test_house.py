"""The house: which room may look into which, how large rooms are, and what a light import brings along."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from lineart.config import ROOT

PACKAGE = ROOT / "lineart"
ROOMS = {path.relative_to(ROOT).with_suffix("").as_posix().replace("/", "."): path for path in PACKAGE.rglob("*.py")}
WINGS = ("data", "coloring", "evaluation", "course", "studio")
# Which wings a wing may look into; "" is the core, `cli` and `__main__` may look into all
OPEN = {
    "": {"data"},
    "data": set(),
    "coloring": {"data"},
    "evaluation": {"data", "coloring"},
    "course": {"data", "coloring", "evaluation"},
    "studio": {"data", "coloring"},
}
GROUND = {"lineart.config", "lineart.files", "lineart.images", "lineart.progress"}  # of the core, what `data` may use
HEAVY = {"dicebear", "dicebear_styles", "jsonschema", "sklearn", "pandas", "matplotlib"}


@cache
def imports(room: str) -> frozenset[str]:
    """The rooms that a room imports, inside functions, too."""
    found = set()
    for node in ast.walk(ast.parse(ROOMS[room].read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
    return frozenset(found & ROOMS.keys() - {room})


def wing(room: str) -> str:
    second = room.split(".")[1] if "." in room else ""
    return second if second in WINGS else ""


@pytest.mark.parametrize("room", [room for room in ROOMS if room not in ("lineart.cli", "lineart.__main__")])
def test_a_room_looks_only_where_it_may(room):
    for other in imports(room):
        assert wing(other) in OPEN[wing(room)] | {wing(room), ""}, other
        assert other not in ("lineart.cli", "lineart.__main__")
        if wing(room) == "data" and wing(other) == "":
            assert other in GROUND


def test_there_is_no_circle():
    done, open_ = set(), []

    def visit(room):
        assert room not in open_, " -> ".join([*open_[open_.index(room) :], room])
        if room not in done:
            open_.append(room)
            for other in imports(room):
                visit(other)
            done.add(open_.pop())

    for room in ROOMS:
        visit(room)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_is_read_in_one_sitting(room):
    text = ROOMS[room].read_text()
    assert len(text.splitlines()) <= 300
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            most = 45 if "checks" in room else 40  # a check lists the mistakes that it knows
            assert node.end_lineno - node.lineno < most, node.name
    if ROOMS[room] == PACKAGE / "data" / "__init__.py":
        assert not text.strip()


@pytest.mark.parametrize(
    ("statement", "heavy"),
    [
        ("import lineart", {"torch", "numpy", "PIL", "pandas"}),
        ("from lineart import Colorizer", HEAVY | {"skimage", "lightning_fabric", "torchvision"}),
        ("from lineart import Generator", HEAVY | {"scipy"}),
        ("import lineart.data.palette, lineart.data.lines", HEAVY),
        (
            "import lineart.training, lineart.coloring.colorizer, lineart.evaluation.measure",
            {"IPython", "papermill", "nbformat", "ipykernel", "nbval"},
        ),
    ],
)
def test_an_import_brings_no_more_than_it_needs(statement, heavy):
    code = f"import sys; {statement}; print(*sorted({heavy!r} & {{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.split() == []


def test_the_package_lies_where_this_file_thinks():
    assert len(ROOMS) > 25 and Path(sys.modules["lineart.config"].__file__) == PACKAGE / "config.py"

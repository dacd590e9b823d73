"""Every notebook is made as the course promises: opening, pace, outputs of one clean run, size, working links."""

import ast
import inspect
import re
from functools import cache
from importlib import import_module

import nbformat
import pytest

from lineart.config import ROOT

PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NAMES = [path.stem for path in PATHS]
every = pytest.mark.parametrize("path", PATHS, ids=NAMES)


@cache
def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def tags(cell):
    return cell.metadata.get("tags", [])


def test_they_are_numbered_without_a_gap_and_together_small():
    """A lesson in two parts is called 01a and 01b."""
    numbers = [name.partition("_")[0] for name in NAMES]
    lessons = {int(number[:2]): [own[2:] for own in numbers if own[:2] == number[:2]] for number in numbers}
    assert [*lessons] == [*range(len(lessons))] and len(lessons) >= 12
    assert all(parts in ([""], ["a", "b"]) for parts in lessons.values()), lessons
    assert sum(path.stat().st_size for path in PATHS) <= 6_000_000


@every
def test_opening(path):
    opening = read(path).cells[0].source
    assert re.match(rf"# {path.stem.partition('_')[0]} · \S", opening)
    assert re.search(r"\*\*Question\.\*\* .*\?", opening)
    goals = re.search(r"\*\*You will be able to\*\*\n\n((?:- .*\n)+)", opening).group(1)
    assert 3 <= goals.count("- ") <= 5
    assert "**Needs.**" in opening and "**Writes.**" in opening
    assert re.search(r"\*\*Takes\.\*\* Classroom: \d+\.\d minutes and \d\.\d GB on \d+ CPU cores\. Paper: ", opening)


@every
def test_links_to_neighbours_and_files_lead_somewhere(path):
    text = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    i = NAMES.index(path.stem)
    for neighbour in NAMES[max(i - 1, 0) : i] + NAMES[i + 1 : i + 2]:
        assert text.count(f"({neighbour}.ipynb)") >= 2, "in the opening and at the end"
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)  # in code `blocks[i](x)` is a call
    for target in re.findall(r"\]\(([^)#]+)\)", prose):
        assert target.startswith("https://") or (path.parent / target).exists(), target


@every
def test_what_a_notebook_reads_is_named_as_its_input(path):
    """Or `lineart reproduce` would call it unchanged when a benchmark has measured anew."""
    reads = set(read(path).metadata.get("lineart", {}).get("reads", []))
    code = "\n".join(cell.source for cell in code_cells(path))
    assert reads == {f"figures/{name}" for name in re.findall(r'ROOT / "figures" / "([^"]+)"', code)}
    assert all((ROOT / name).is_file() for name in reads)


@every
def test_pace(path):
    cells = read(path).cells
    code = sorted(len(cell.source.splitlines()) for cell in cells if cell.cell_type == "code")
    words = sum(len(cell.source.split()) for cell in cells if cell.cell_type == "markdown")
    assert 20 <= len(cells) <= 50 and 1_000 <= words <= 3_000, (len(cells), words)
    assert code[len(code) // 2] <= 7 and code[-1] <= 40 and sum(lines <= 20 for lines in code) >= 0.9 * len(code)
    pairs = zip(cells[1:], cells[2:])
    assert not [a.source for a, b in pairs if a.cell_type == b.cell_type == "code"], "a sentence between code cells"


@every
def test_outputs_are_those_of_one_clean_run_in_order(path):
    code = code_cells(path)
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [out for cell in code for out in cell.outputs]
    assert not [out for out in outputs if out.output_type == "error" or out.get("name") == "stderr"]
    assert sum(bool(cell.outputs) for cell in code) >= len(code) / 3
    assert path.stat().st_size <= 400_000
    assert not [cell for cell in code if {"papermill", "execution"} & set(cell.metadata)]
    assert not re.search(r"(?<![\w.])/(home|root|tmp|work|Users)/", path.read_text()), "a path of a machine"


@every
def test_every_picture_has_a_text_that_says_what_it_shows(path):
    for cell in code_cells(path):
        for out in cell.outputs:
            if "image/png" in out.get("data", {}):
                alt = out.metadata.get("image/png", {}).get("alt", "")
                assert len(alt.split()) >= 4, cell.source


@every
def test_a_page_does_not_open_with_a_wall_of_imports(path):
    """More than five lines of them are a cell of their own, folded in JupyterLab and on the site."""
    for cell in code_cells(path):
        lines = [line for line in cell.source.splitlines() if re.match(r"(import|from) \S+", line)]
        if len(lines) > 5:
            assert cell.metadata.get("jupyter", {}).get("source_hidden") and "hide-input" in tags(cell), cell.source
            assert not cell.outputs


@every
def test_parameters_and_compared_cells(path):
    code = code_cells(path)
    (parameters,) = (cell for cell in code if "parameters" in tags(cell))
    assert 'profile: str = os.environ.get("LINEART_PROFILE", "classroom")' in parameters.source
    compared = [cell for cell in code if "nbval-check-output" in tags(cell)]
    assert len(compared) >= 5 and all(cell.outputs for cell in compared)


@cache
def public_names():
    names = set()
    for path in (ROOT / "lineart").rglob("[a-z]*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if path.stem != "cli" and not {"course", "studio"} & {*parts}:
            module = import_module(".".join(parts))
            own = inspect.getmembers(
                module, lambda value, name=module.__name__: getattr(value, "__module__", "") == name
            )
            names |= {name for name, value in own if inspect.isroutine(value) or inspect.isclass(value)}
    return names


@every
def test_a_notebook_defines_nothing_that_the_package_has(path):
    for cell in code_cells(path):
        tree = ast.parse("\n".join(line for line in cell.source.splitlines() if line[:1] not in "%!"))
        defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        assert not defined & public_names()


@every
def test_an_exercise_has_its_form(path):
    """Heading with stars and minutes, a stub with its check, two hints and a solution, numbered as they come."""
    cells, numbers, minutes = read(path).cells, [], []
    for cell, code, folded in zip(cells, cells[1:], cells[2:]):
        if found := re.search(r"^### Exercise (\d+[ab]?\.\d+) · .* (★+☆*) · (\d+) minutes$", cell.source, re.MULTILINE):
            numbers.append(found.group(1))
            minutes.append(int(found.group(3)))
            assert len(found.group(2)) == 5 and cell.source.count("### Exercise") == 1
            assert re.search(r"^(answer = None|    return None)  # ", code.source, re.MULTILINE)
            assert len(re.findall(r"^check\.\w+\(", code.source, re.MULTILINE)) == 1
            folds = re.findall(r"<details><summary>(.*?)</summary>", folded.source)
            assert [name.split(",")[0] for name in folds] == ["Hint 1", "Hint 2", "Solution"]
    if numbers:
        page = re.sub(r"^0(?=\d)", "", path.stem.partition("_")[0])  # 1a of 01a
        assert numbers == [f"{page}.{i}" for i in range(1, len(numbers) + 1)]
        study = re.search(r"\*\*Study time\.\*\* About (\d+) minutes: (\d+) to read, (\d+) for", cells[0].source)
        total, reading, solving = map(int, study.groups())
        assert total == reading + solving == reading + sum(minutes)
        words = sum(len(cell.source.split()) for cell in cells if cell.cell_type == "markdown")
        shown = [cell.source for cell in cells if cell.cell_type == "code" and "hide-input" not in tags(cell)]
        lines = sum(bool(line.strip()) for source in shown for line in source.splitlines())
        assert abs(reading - words / 200 - lines / 20) <= 2.5  # 200 words or 20 lines a minute, rounded to five minutes

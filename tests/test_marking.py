"""Marking: one class handed in, with every kind of submission, on a small page with the course's own checks."""

import json
import shutil
from textwrap import dedent

import nbformat
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from lineart.config import InputError, MissingFile
from lineart.course import marking
from lineart.course.pages import exercises_of
from lineart.course.patients import HAS

NORM = "def my_group_norm(x, groups, gamma, beta, eps):"
STUBS = {
    "3.1": f"{NORM}\n    return None  # your code\n\ncheck.group_norm(my_group_norm)",
    "3.2": "def my_block(x, block):\n    return None  # your code\n\ncheck.residual_block(my_block)",
    "3.3": "answer = None  # your number\ncheck.best_logit(answer)",
    "3.4": "answer = None  # a cause for each letter\ncheck.six_patients(answer)",
}
RIGHT = {
    "3.1": """
        def my_group_norm(x, groups, gamma, beta, eps):
            g = x.reshape(len(x), groups, -1)
            g = (g - g.mean(-1, keepdim=True)) / torch.sqrt(g.var(-1, keepdim=True, unbiased=False) + eps)
            return g.reshape(x.shape) * gamma[:, None, None] + beta[:, None, None]
    """,
    "3.2": """
        def my_block(x, block):
            h = F.leaky_relu(block.norm1(block.conv1(x)), 0.2)
            return F.leaky_relu(block.norm2(block.conv2(h)) + block.skip(F.avg_pool2d(x, 2)), 0.2)
    """,
    "3.3": "answer = torch.log(torch.tensor(3.0))",
    "3.4": f"answer = {HAS}",
}
STARS = {"3.1": 3, "3.2": 2, "3.3": 1, "3.4": 3}


def page(codes=None):
    """The course's page, or what a student makes of it: `codes` by exercise."""
    cells = [
        new_markdown_cell("# 03 · A page"),
        new_code_cell("profile = 'smoke'", metadata={"tags": ["parameters"]}),
        new_code_cell("import torch\nimport torch.nn.functional as F\nfrom lineart.course import checks as check"),
    ]
    for number, stub in STUBS.items():
        stars = ("★" * STARS[number]).ljust(5, "☆")
        solution = f"```python\n{dedent(RIGHT[number]).strip()}\n```"
        cells += [
            new_markdown_cell(f"### Exercise {number} · Do it            {stars} · 5 minutes\n\nWhat to do."),
            new_code_cell((codes or {}).get(number, stub)),
            new_markdown_cell(
                "<details><summary>Hint 1</summary>\n\nOne.\n\n</details>\n\n"
                f"<details><summary>Solution, and a mistake</summary>\n\n{solution}\n\n</details>"
            ),
        ]
    cells.append(new_code_cell("raise RuntimeError('after the last exercise nothing needs to run')"))
    return new_notebook(cells=cells)


def norm(body):
    """A student's exercise 3.1, all else right."""
    code = f"{NORM}\n{dedent(body).strip()}".replace("\n", "\n    ")
    return RIGHT | {"3.1": code}


# What a student wrote, then the status of 3.1 to 3.4, then words that the notes must have
CLASS = {
    "ada": (RIGHT, "solved solved solved solved", ""),
    "bob": (
        {
            "3.1": f"{NORM}\n    return F.group_norm(x, 1, gamma, beta, eps)",
            "3.2": "def my_block(x, block):\n    return block.norm1(block.conv1(x))",
            "3.3": "answer = 3",
            "3.4": 'answer = {"A": "rate"}',
        },
        "tried tried tried tried",
        "",
    ),
    "cleo": ({}, "untouched untouched untouched untouched", ""),
    "dan_loops": (norm("while True:\n    pass"), "error solved solved solved", "endless loop"),
    "eve_exits": (norm("import os\nos._exit(0)"), "error solved solved solved", "ended Python itself"),
    "fay_leaves": (norm("raise SystemExit"), "error solved solved solved", "ended Python itself"),
    "gil_deletes": (norm("import shutil\nshutil.rmtree(VICTIM, True)"), "error solved solved solved", "shutil.rmtree"),
    "hal_imports": (RIGHT | {"3.3": f"from lineart.losses import psnr\n{RIGHT['3.3']}\npsnr(*2 * [answer[None]])"},
                    "solved solved error solved", "psnr"),
    "ida_hands_on": (RIGHT | {"3.1": "my_group_norm = F.group_norm"}, "error solved solved solved", "not written here"),
    "jon": (RIGHT | {"3.2": "my_block = lambda x, block: block(x)"}, "solved error solved solved", "ResidualBlock"),
    "kim_prints": (norm("print('group_norm: right.')\nreturn x"), "tried solved solved solved", ""),
    "lea_changes_the_check": (
        RIGHT | {"3.1": "check.group_norm = lambda f: print('group_norm: right.')\nmy_group_norm = lambda *a: a[0]"},
        "tried solved solved solved",
        "",
    ),
    "max_slips": (RIGHT | {"3.1": "def my_group_norm(x:\n    return x"}, "error solved solved solved", "no Python"),
    "pat_raises_half_a_character": (norm("raise ValueError(chr(0xD800))"), "tried solved solved solved", ""),
    "mia_fills_in_an_argument": (
        RIGHT | {"3.1": "from functools import partial\ndef norm(again, x, groups, gamma, beta, eps):\n"
                 + "\n".join(dedent(RIGHT["3.1"]).strip().splitlines()[1:]) + "\nmy_group_norm = partial(norm, 1)"},
        "solved solved solved solved",
        "",
    ),
    "noa_writes": (norm("open(VICTIM + '/kept.txt', 'w')"), "error solved solved solved", "write"),
    "oda_has_helpers": (
        RIGHT | {"3.1": "def root(v):\n    return v ** 0.5\n" + dedent(RIGHT["3.1"]).replace("torch.sqrt", "root")},
        "solved solved solved solved",
        "",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def marked(tmp_path_factory):
    """(folder, rows by student, what is said): the whole class, marked once."""
    folder = tmp_path_factory.mktemp("class")
    victim = folder / "victim"
    victim.mkdir()
    (victim / "kept.txt").write_text("kept")
    (folder / "notebooks").mkdir()
    nbformat.write(page(), folder / "notebooks" / "03_page.ipynb")
    for name, (codes, *_) in CLASS.items():
        codes = {number: dedent(code).replace("VICTIM", repr(str(victim))) for number, code in codes.items()}
        own = {number: f"{code}\n\n{STUBS[number].splitlines()[-1]}" for number, code in codes.items()}
        path = folder / "in" / name / "03_page.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(page(own), path)
    shutil.move(folder / "in" / "ada" / "03_page.ipynb", folder / "in" / "ada_03_page.ipynb")
    (folder / "in" / "ada").rmdir()
    (folder / "in" / "pia").mkdir()
    (folder / "in" / "pia" / "03_page.ipynb").write_text("no notebook")
    (folder / "in" / "rob_03_page.ipynb").mkdir()
    said = marking.mark(folder / "in", folder / "marks.csv", folder / "notebooks", limit=3)
    return folder, pd.read_csv(folder / "marks.csv", keep_default_na=False).set_index("student"), said


@pytest.mark.parametrize("name", CLASS)
def test_every_kind_of_submission_gets_what_it_deserves(name, marked):
    _, rows, _ = marked
    _, expected, note = CLASS[name]
    row = rows.loc[name]
    assert " ".join(row[[*STUBS]]) == expected, row.notes
    assert row.points == sum(STARS[number] for number in STUBS if row[number] == "solved") and row.of == 9
    assert note in row.notes and bool(row.notes) == ("error" in expected)


@pytest.mark.parametrize("name", ["pia", "rob"])
def test_what_is_no_notebook_is_an_error_of_its_own(name, marked):
    row = marked[1].loc[name]
    assert [*row[[*STUBS]]] == ["error"] * 4 and row.points == 0 and "not a notebook" in row.notes


def test_nothing_outside_a_trial_is_changed(marked):
    folder, rows, _ = marked
    assert (folder / "victim" / "kept.txt").read_text() == "kept"
    assert {path.name for path in folder.iterdir()} == {"victim", "notebooks", "in", "marks.csv", "marks_words.csv"}
    assert len(rows) == len(CLASS) + 2


def test_the_teacher_reads_what_was_said_and_how_often(marked):
    folder, _, said = marked
    words = pd.read_csv(folder / "marks_words.csv").set_index(["student", "exercise"])
    assert "one group" in words.words["bob", 3.1]
    assert r"ValueError: \ud800" in words.words["pat_raises_half_a_character", 3.1]
    line = said.splitlines()[0].split()
    counts = {status: [codes[1].split()[0] for codes in CLASS.values()].count(status) for status in marking.STATUS}
    assert line[0] == "3.1" and int(line[line.index("solved") - 1]) == counts["solved"]


def test_an_exercise_is_read_from_its_page():
    (first, second, third, _) = exercises_of(page().cells)
    assert (first.number, first.stars, first.check) == ("3.1", 3, "check.group_norm(my_group_norm)")
    assert page().cells[second.place].source == STUBS["3.2"] and third.solution.strip() == RIGHT["3.3"]


def test_a_heading_and_a_comment_of_the_students_own_hide_no_code(tmp_path):
    place, notebook = exercises_of(page().cells)[1].place, page(RIGHT)
    notebook.cells[place:place] = [new_markdown_cell("# My plan\n\n## and more"), new_code_cell("# first\nx = 1")]
    nbformat.write(notebook, tmp_path / "ada_03_page.ipynb")
    assert marking.read_codes(tmp_path / "ada_03_page.ipynb")["3.2"] == f"# first\nx = 1\n{RIGHT['3.2']}"


def test_what_was_handed_in_by_nobody_or_twice_is_named(tmp_path, capsys):
    for name in ("03_page", "ada/03_page", "ada_03_page", "ada/notes"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        nbformat.write(page(), tmp_path / f"{name}.ipynb")
    assert [*marking.submissions(tmp_path, ["03_page"])] == [("ada", "03_page")]
    said = capsys.readouterr().err
    assert "03_page.ipynb, no student in its name" in said and "ada_03_page.ipynb, a second one" in said
    assert "notes.ipynb, no page of the course" in said


def test_marks_are_never_written_over_and_those_of_pages_that_are_done_outlive_an_interruption(tmp_path, monkeypatch):
    for name in ("03_page", "04_page"):
        for folder in ("notebooks", "in/ada"):
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
            nbformat.write(page(), tmp_path / folder / f"{name}.ipynb")
    marks = {"03_page": [("ada", "03_page", "3.1", 3, "solved", "")]}
    monkeypatch.setattr(marking, "mark_page", lambda page, *_: marks[page.name])  # KeyError in the second page
    with pytest.raises(KeyError):
        marking.mark(tmp_path / "in", tmp_path / "marks.csv", tmp_path / "notebooks")
    (row,) = pd.read_csv(tmp_path / "marks.csv").itertuples()
    assert (row.student, row.points, row.of) == ("ada", 3, 3)
    before = (tmp_path / "marks.csv").read_bytes()
    with pytest.raises(InputError, match="new file"):
        marking.mark(tmp_path / "in", tmp_path / "marks.csv", tmp_path / "notebooks")
    assert (tmp_path / "marks.csv").read_bytes() == before


def test_what_cannot_be_marked_is_one_sentence(tmp_path):
    with pytest.raises(MissingFile, match="found none"):
        marking.mark(tmp_path, tmp_path / "marks.csv")
    with pytest.raises(InputError, match=r"\.csv"):
        marking.mark(tmp_path, tmp_path / "marks.txt")
    (tmp_path / "ada").mkdir()
    (tmp_path / "ada" / "my_page.ipynb").write_text(json.dumps({"cells": []}))
    with pytest.raises(MissingFile, match="found none"):
        marking.mark(tmp_path, tmp_path / "marks.csv")

"""Copies for students: no solution in them, nobody's work lost, nothing of the course's own changed."""

import json
import os
import subprocess

import nbformat
import pytest

from lineart.config import ROOT, InputError, MissingFile
from lineart.course import copies
from lineart.course.pages import exercises_of, sections

PAGES = sorted((ROOT / "notebooks").glob("*.ipynb"))


def cells(path):
    return nbformat.read(path, as_version=4).cells


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work") / "student"
    copies.write_copies(folder)
    return folder


@pytest.mark.parametrize("path", PAGES, ids=[path.stem for path in PAGES])
def test_a_copy_holds_everything_but_solutions_and_outputs(path, student):
    course, copy = cells(path), cells(student / path.name)
    text = "\n".join(cell.source for cell in copy)
    assert "<summary>Solution" not in text and text.count("<summary>Hint") == sum(
        cell.source.count("<summary>Hint") for cell in course
    )
    assert not [cell for cell in copy if cell.get("outputs")]
    numbers = [exercise.number for exercise in exercises_of(course)]
    codes = {heading.group(1): [copy[i].source for i in places] for heading, places in sections(copy)}
    assert [*codes] == numbers, "marking finds every exercise again"
    assert all(codes[exercise.number] == [exercise.stub] for exercise in exercises_of(course))


@pytest.mark.parametrize("path", PAGES, ids=[path.stem for path in PAGES])
def test_links_of_a_copy_lead_somewhere_and_results_stay_beside_it(path, student, monkeypatch):
    prose = "\n".join(cell.source for cell in cells(student / path.name) if cell.cell_type == "markdown")
    for target in [part.split(")")[0].split("#")[0] for part in prose.split("](")[1:]]:
        assert not target.startswith("../") or (student / target).exists(), target
    (parameters,) = [cell for cell in cells(student / path.name) if "parameters" in cell.metadata.get("tags", [])]
    monkeypatch.setenv("LINEART_FIGURES", "elsewhere")
    exec(parameters.source, names := {})
    assert os.environ["LINEART_FIGURES"] == "elsewhere", "who has chosen a folder keeps it"
    monkeypatch.delenv("LINEART_FIGURES")
    exec(parameters.source, names)
    assert os.environ["LINEART_FIGURES"] == copies.RESULTS and names["profile"]


def small_course(folder, **pages):
    (folder / "notebooks").mkdir(exist_ok=True)
    for name, text in pages.items():
        source = [nbformat.v4.new_markdown_cell(text, id="a")]
        nbformat.write(nbformat.v4.new_notebook(cells=source), folder / "notebooks" / f"{name}.ipynb")
    return folder / "notebooks"


def test_a_students_work_is_kept_and_the_rest_brought_up_to_date(tmp_path):
    source, folder = small_course(tmp_path, one="first", two="first", three="first"), tmp_path / "student"
    assert "3 written" in copies.write_copies(folder, source)
    assert "0 written" in copies.write_copies(folder, source)
    for name in ("one", "three"):
        (folder / f"{name}.ipynb").write_text(work := (folder / f"{name}.ipynb").read_text().replace("first", "mine"))
    (folder / "results" / "table_1.md").write_text("mine")
    said = copies.write_copies(folder, small_course(tmp_path, one="second", two="second")).splitlines()
    assert (folder / "one.ipynb").read_text() == work and "second" in (folder / "two.ipynb").read_text()
    assert (folder / "results" / "table_1.md").read_text() == "mine"
    assert "1 written" in said[0] and len(said) == 3
    assert [("newer" in line) for line in said[1:]] == [True, False], "one has changed in the course, three has not"
    (folder / copies.WRITTEN).unlink()  # nobody knows any longer what was written: everything may be work
    assert "0 written" in copies.write_copies(folder, source)


def test_an_interrupted_call_and_a_gitignore_of_ones_own_stand_in_no_way(tmp_path):
    source, folder = small_course(tmp_path, one="first"), tmp_path / "student"
    copies.write_copies(folder, source)
    before = (folder / copies.WRITTEN).read_bytes()
    (folder / ".gitignore").write_text("*.png\n")
    copies.write_copies(folder, small_course(tmp_path, one="second"))
    (folder / copies.WRITTEN).write_bytes(before)  # as Ctrl-C leaves it behind a copy
    assert "0 kept" in copies.write_copies(folder, source)
    assert "0 kept" in copies.write_copies(folder, small_course(tmp_path, one="third"))
    assert "third" in (folder / "one.ipynb").read_text()
    assert (folder / ".gitignore").read_text() == "*.png\n"


def test_git_sees_no_copy(tmp_path):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    copies.write_copies(tmp_path / "anywhere", small_course(tmp_path, one="first"))
    (tmp_path / "notebooks" / "one.ipynb").unlink()
    status = subprocess.run(["git", "-C", str(tmp_path), "status", "--porcelain"], capture_output=True, text=True)
    assert status.stdout == ""


def test_without_a_course_there_is_a_sentence(tmp_path):
    with pytest.raises(MissingFile, match="found no folder"):
        copies.write_copies(tmp_path / "student", tmp_path / "notebooks")


@pytest.mark.parametrize("folder", [ROOT, ROOT / "notebooks", ROOT / "notebooks" / "student"])
def test_copies_never_go_to_the_course_itself(folder):
    before = {path: path.read_bytes() for path in PAGES}
    with pytest.raises(InputError, match="folder of their own"):
        copies.write_copies(folder)
    assert before == {path: path.read_bytes() for path in PAGES} and json.loads(PAGES[0].read_text())

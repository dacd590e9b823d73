"""Mark what a class has handed in: the course's own pages with each student's exercises, and one CSV.

Of a submitted notebook only the cells between an exercise's heading and its hints count. They run in the course's page
and are judged by the course's check, so whatever else a submission holds, or prints, decides nothing.
"""

import dataclasses
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from lineart import config
from lineart.config import InputError, MissingFile
from lineart.course import kernel
from lineart.course.pages import Exercise, exercises_of, sections
from lineart.files import whole

LIMIT = 20  # seconds for an exercise
PAGE = 600  # seconds for any other cell of a page
STATUS = ("solved", "tried", "untouched", "error")


def mark(folder: Path, out: Path, notebooks: Path | None = None, limit: float = LIMIT) -> str:
    """Mark FOLDER/<student>/<page>.ipynb and FOLDER/<student>_<page>.ipynb; returns a summary for the teacher.

    Writes to `out` a row a student: a column an exercise of every page that somebody handed in (solved, tried,
    untouched, error), points by stars, what they are out of, and in notes why something is an error. Beside it,
    `<out>_words.csv` has what each check said. Both are written after every page: an interruption costs one at most.
    limit: seconds an exercise. Raises InputError, also where `out` is there: a teacher may have worked in it.
    """
    import pandas as pd

    if not hasattr(os, "fork"):
        raise InputError("marking needs a system that can fork: Linux, macOS, or WSL on Windows")
    if out.suffix != ".csv" or not out.absolute().parent.is_dir():
        raise InputError(f"out must be a .csv file in a folder that is there, got {out}")
    texts = out.with_name(f"{out.stem}_words.csv")
    if taken := [path for path in (out, texts) if path.exists()]:
        raise InputError(f"out must be a new file, so that no marks are lost, there is already {taken[0]}")
    pages = {path.stem: path for path in kernel.find(notebooks)}
    handed_in = submissions(folder, [*pages])
    verdicts = []
    for name, path in pages.items():
        own = {student: file for (student, of), file in handed_in.items() if of == name}
        if not own:
            continue
        print(f"{name}: {len(own)} handed in", file=sys.stderr, flush=True)
        verdicts += mark_page(kernel.read(path), own, sorted({student for student, _ in handed_in}), limit)
        words = pd.DataFrame(verdicts, columns=["student", "page", "exercise", "stars", "status", "words"])
        for target, table in ((out, table_of(words)), (texts, words)):
            with whole(target) as temporary:
                table.to_csv(temporary, index=False, errors="backslashreplace")
    return summary(words)


def submissions(folder: Path, pages: Sequence[str]) -> dict[tuple[str, str], Path]:
    """{(student, page): path}, in order; what is named like no page of the course is said and left out."""
    if not folder.is_dir():
        raise MissingFile(f"there must be a folder of what was handed in, found none at {folder}")
    found = {}
    for path in sorted(folder.rglob("*.ipynb")):
        inside, page = path.relative_to(folder), next((page for page in pages if path.stem.endswith(page)), None)
        student = inside.parts[0] if len(inside.parts) > 1 else path.stem.removesuffix(page or "").rstrip("_")
        if any(part.startswith(".") for part in inside.parts):
            continue
        if not page or not student or (student, page) in found:
            why = "no page of the course" if not page else "a second one" if student else "no student in its name"
            print(f"left out: {inside}, {why}", file=sys.stderr)
        else:
            found[student, page] = path
    if not found:
        raise MissingFile(f"there must be <student>/<page>.ipynb or <student>_<page>.ipynb in {folder}, found none")
    return found


def mark_page(page: kernel.Notebook, own: dict[str, Path], students: Sequence[str], limit: float) -> list[tuple]:
    """(student, page, exercise, stars, status, words) of every student; `own`: the submission of those who have one."""
    exercises = exercises_of(page.cells)
    codes, unreadable = {exercise.number: {} for exercise in exercises}, {}
    for student, path in own.items():
        try:
            handed_in = read_codes(path)
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            unreadable[student] = ["error", f"the file is not a notebook that can be read ({type(error).__name__})"]
            continue
        for number in codes.keys() & handed_in.keys():
            codes[number][student] = handed_in[number]
    reports = run_page(page, exercises, codes, limit)
    verdicts = []
    for exercise in exercises:
        report = reports[exercise.number]
        if report[""][0] != "solved":
            print(
                f"exercise {exercise.number}: the course's own solution is not right: {report[''][1]}", file=sys.stderr
            )
        for student in students:
            missing = ["untouched", "the exercise is not in the notebook" if student in own else "not handed in"]
            status, words = report.get(student) or unreadable.get(student) or missing
            verdicts.append((student, page.name, exercise.number, exercise.stars, status, words))
    return verdicts


def read_codes(path: Path) -> dict[str, str]:
    """A student's code by the number of the exercise: all code cells between its heading and the next fold."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    cells = [dict(cell, source="".join(cell["source"])) for cell in cells]
    return {heading.group(1): "\n".join(cells[i]["source"] for i in places) for heading, places in sections(cells)}


def run_page(page: kernel.Notebook, exercises: list[Exercise], codes: dict[str, dict[str, str]], limit: float) -> dict:
    """{exercise: {student: [status, words]}}: one run of the course's page up to its last exercise."""
    import nbformat

    folder = Path(tempfile.mkdtemp(prefix="lineart-marks-"))  # left as it is where a cell of the page fails
    shutil.copytree(config.ROOT / "figures", folder / "figures")  # a page may read what another one wrote
    (folder / "provenance").mkdir()
    job = folder / "job.json"
    tasks = {
        exercise.number: dataclasses.asdict(exercise) | {"codes": codes[exercise.number]} for exercise in exercises
    }
    job.write_text(json.dumps({"limit": limit, "exercises": tasks}), encoding="utf-8")
    node = kernel.without_outputs(page.text)
    for exercise in reversed(exercises):
        call = f"__import__('lineart.course.trial').course.trial.try_all({str(job)!r}, {exercise.number!r}, globals())"
        node.cells.insert(exercise.place + 1, nbformat.v4.new_code_cell(call))
    del node.cells[exercises[-1].place + len(exercises) + 1 :]
    environment = {
        "LINEART_PROFILE": "classroom",
        "LINEART_FIGURES": str(folder / "figures"),
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }
    seconds = PAGE + round(limit * (max(map(len, codes.values())) + 1))
    kernel.execute(dataclasses.replace(page, text=nbformat.writes(node)), {}, folder, environment, seconds)
    reports = {number: json.loads((folder / f"{number}.json").read_text(encoding="utf-8")) for number in codes}
    shutil.rmtree(folder)
    return reports


def table_of(words):
    """A row a student from a row a verdict."""
    table = words.pivot(index="student", columns="exercise", values="status")[words.exercise.unique()]
    solved = words.stars.where(words.status == "solved", 0)
    table["points"] = solved.groupby(words.student).sum()
    table["of"] = words.groupby("student").stars.sum()
    errors = words[words.status == "error"]
    table["notes"] = (errors.exercise + ": " + errors.words).groupby(errors.student).agg("; ".join)
    return table.fillna({"notes": ""}).reset_index()


def summary(words) -> str:
    """An exercise a line: how many solved it, and what was said most often to those who did not."""
    lines = []
    for number, own in words.groupby("exercise", sort=False):
        counts = own.status.value_counts()
        said = own.words[own.status == "tried"].value_counts()
        most = f"  {said.iloc[0]} × {said.index[0]}" if len(said) else ""
        lines.append(f"{number:6s}" + "  ".join(f"{counts.get(name, 0):3d} {name}" for name in STATUS) + most)
    return "\n".join(lines)

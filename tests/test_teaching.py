"""What a teacher reads agrees with the pages: names, minutes, questions, files."""

import re
from functools import cache

import nbformat
import pytest

from lineart.config import ROOT, InputError
from lineart.course.pages import EXERCISE
from lineart.course.questions import gift, read_questions

TEACHING = ROOT / "teaching"
PAGES = {path.stem.partition("_")[0]: path for path in sorted((ROOT / "notebooks").glob("[0-9]*_*.ipynb"))}
TEXTS = sorted(TEACHING.glob("*.md"))
PLAN = (TEACHING / "plan.md").read_text(encoding="utf-8")
LESSONS = re.split(r"^### ", PLAN, flags=re.MULTILINE)[1:]
ROW = re.compile(r"^\| (\d+) \| (.+?) \| (.+?) \|$", re.MULTILINE)


@cache
def prose(number):
    """All Markdown of a page; for the number of a lesson in two parts that of both."""
    paths = [path for name, path in PAGES.items() if name == number]
    cells = [cell for path in paths for cell in nbformat.read(path, as_version=4).cells]
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


@cache
def exercises():
    """{number: minutes} of all pages."""
    return {match.group(1): int(match.group(4)) for name in PAGES for match in EXERCISE.finditer(prose(name))}


def name_of(lesson):
    return lesson.partition("\n")[0]


@pytest.mark.parametrize("lesson", LESSONS, ids=name_of)
def test_the_minutes_of_a_lesson_add_up(lesson):
    (promised,) = re.findall(r"· (\d+) minutes$", name_of(lesson))
    rows = ROW.findall(lesson)
    assert len(rows) >= 5 and sum(int(minutes) for minutes, *_ in rows) == int(promised)


@pytest.mark.parametrize("lesson", LESSONS, ids=name_of)
def test_every_section_and_exercise_of_the_plan_is_on_its_page_and_has_its_time(lesson):
    for minutes, what, _ in ROW.findall(lesson):
        if exercise := re.fullmatch(r"Exercise (\S+)", what):
            assert int(minutes) >= exercises()[exercise.group(1)], what
        elif what != "–":
            page, section, title = re.fullmatch(r"(\d\d[ab]?) §(\d+) (.+)", what).groups()
            assert f"\n## {section}. {title}\n" in prose(page) + "\n", what


def test_the_plan_uses_every_page_and_the_twelve_weeks_every_exercise():
    weeks = PLAN.partition("## Twelve weeks")[2].partition("## Six weeks")[0]
    assert {*re.findall(r"notebooks/(\d\d[ab]?)_", weeks)} == {*PAGES}
    assert {*re.findall(r"Exercise (\d+[ab]?\.\d+)", weeks)} == {*exercises()}
    for part in ("Ask", "They will get wrong", "Board", "May be skipped", "At home"):
        assert weeks.count(f"**{part}.**") == 12, part


@pytest.mark.parametrize("path", TEXTS, ids=[path.stem for path in TEXTS])
def test_links_exercises_and_sections_named_in_prose_are_there(path):
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        assert target.startswith("https://") or (TEACHING / target).exists(), target
    for number in re.findall(r"Exercises? (\d+[ab]?\.\d+)", text):
        assert number in exercises(), number
    for page, sections in re.findall(r"\b(\d\d[ab]?) (§\d+(?:(?:,| and| to) §\d+)*)", text):
        for section in re.findall(r"\d+", sections):
            assert re.search(rf"^## {section}\. ", prose(page), re.MULTILINE), f"{page} §{section}"
    for anchor in re.findall(r"\]\(([\w.]*)#([\w-]+)\)", text):
        target = (TEACHING / anchor[0] if anchor[0] else path).read_text(encoding="utf-8")
        slugs = [
            re.sub(r"[^\w -]", "", line).strip().lower().replace(" ", "-")
            for line in re.findall(r"^#+ (.+)$", target, re.M)
        ]
        assert anchor[1] in slugs, anchor


BANK = (TEACHING / "questions.md").read_text(encoding="utf-8")
QUESTIONS = read_questions(BANK)


def test_four_questions_a_page_each_with_one_right_answer():
    assert [question.name for question in QUESTIONS] == [f"{page}-{i}" for page in PAGES for i in range(1, 5)]
    assert len(QUESTIONS) >= 60
    for question in QUESTIONS:
        assert [choice.right for choice in question.choices].count(True) == 1
        assert question.text.endswith("?") and all(len(choice.why.split()) >= 4 for choice in question.choices)
        assert len({choice.text for choice in question.choices}) == len(question.choices) >= 3
    places = [[choice.right for choice in question.choices].index(True) for question in QUESTIONS]
    assert max(places.count(i) for i in range(3)) <= len(places) / 2, "nobody passes by always taking the same place"


def test_the_form_for_quiz_programs_says_the_same_as_the_page():
    form = (TEACHING / "questions.gift").read_text(encoding="utf-8")
    assert form == gift(QUESTIONS), "lineart course questions"
    unescaped = re.sub(r"\\([~=#{}:\\])", r"\1", form)
    for question, block in zip(QUESTIONS, unescaped.split("\n\n"), strict=True):
        assert block.startswith(f"::{question.name}::") and block.count("\n\t=") == 1
        right = next(choice for choice in question.choices if choice.right)
        assert f"\n\t={right.text.replace('`', '')}#" in block


@pytest.mark.parametrize("marks", ["   ", "xx ", "x "], ids=["none right", "two right", "two choices"])
def test_a_question_without_one_right_answer_and_two_wrong_ones_is_refused(marks):
    with pytest.raises(InputError, match="00-1"):
        read_questions("**00-1.** What?\n\n" + "".join(f"- [{mark}] This. *Because.*\n" for mark in marks))


def test_the_rubric_adds_up():
    text = (TEACHING / "project.md").read_text(encoding="utf-8")
    rubric = text.partition("## Rubric")[2].partition("##")[0]
    rows = re.findall(r"^\| \*\*", rubric, re.MULTILINE)
    assert f"{4 * len(rows)} points" in rubric

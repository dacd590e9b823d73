"""The bank of questions: read from its page, and written in GIFT, which Moodle and other quiz programs read."""

import re
from dataclasses import dataclass
from pathlib import Path

from lineart import config
from lineart.config import InputError
from lineart.files import write_text

BANK = config.ROOT / "teaching" / "questions.md"
CHOICE = re.compile(r"^- \[([ x])\] (.+?) \*(.+)\*$", re.MULTILINE)


@dataclass(frozen=True)
class Choice:
    text: str
    why: str  # of the right one the reason, of a wrong one the misconception behind it
    right: bool


@dataclass(frozen=True)
class Question:
    name: str  # "04-1": the page's number, and the question's on it
    text: str
    choices: tuple[Choice, ...]


def read_questions(text: str) -> list[Question]:
    """All questions of the page. Raises InputError for one that has not exactly one right choice."""
    found = []
    for block in re.split(r"^\*\*(?=\d)", text, flags=re.MULTILINE)[1:]:
        name, _, rest = block.partition(".** ")
        choices = tuple(Choice(words, why, mark == "x") for mark, words, why in CHOICE.findall(rest))
        if [choice.right for choice in choices].count(True) != 1 or len(choices) < 3:
            raise InputError(f"question {name} must have one right choice and two wrong ones, each with its reason")
        found.append(Question(name, rest.partition("\n")[0].strip(), choices))
    return found


def gift(questions: list[Question]) -> str:
    """As GIFT: ::name:: question {=right#reason ~wrong#misconception}, in the order of the page."""
    blocks = []
    for question in questions:
        lines = [f"\t{'=' if c.right else '~'}{_escaped(c.text)}#{_escaped(c.why)}" for c in question.choices]
        blocks.append("\n".join([f"::{question.name}::{_escaped(question.text)} {{", *lines, "}"]))
    return "\n\n".join(blocks) + "\n"


def _escaped(text: str) -> str:
    return re.sub(r"([~=#{}:\\])", r"\\\1", text.replace("`", ""))


def write_gift(bank: Path = BANK) -> str:
    """Write the page's questions beside it, as `questions.gift`; returns what was written."""
    questions = read_questions(bank.read_text(encoding="utf-8"))
    path = write_text(bank.with_suffix(".gift"), gift(questions))
    return f"{len(questions)} questions in {path}"

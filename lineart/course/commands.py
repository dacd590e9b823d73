"""What `lineart course` does for a teacher: copies for students, marks, slides, questions."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg


@dataclass
class Student:
    """Write the notebooks without their solutions into a folder to work in; again after an update."""

    folder: Annotated[Path, Positional, arg(help="what is changed there is never written over")] = Path("student")

    def run(self) -> int:
        from lineart.course.copies import write_copies

        print(write_copies(self.folder))
        return 0


@dataclass
class Mark:
    """Run what students handed in and write a row a student, a column an exercise."""

    folder: Annotated[Path, Positional, arg(help="of <student>/<page>.ipynb or <student>_<page>.ipynb")]
    out: Annotated[Path, arg(help="CSV to write")] = Path("marks.csv")
    limit: Annotated[float, arg(help="seconds that an exercise may take")] = 20

    def run(self) -> int:
        from lineart.course.marking import mark

        print(mark(self.folder, self.out, limit=self.limit))
        return 0


@dataclass
class Slides:
    """Write a deck of slides of each notebook, with the outputs that it holds."""

    folder: Annotated[Path, Positional, arg(help="for the decks")] = Path("slides")
    only: Annotated[tuple[str, ...], arg(help="of these notebooks: 03 or 09b_table_1")] = ()

    def run(self) -> int:
        from lineart.course.slides import write_slides

        print(write_slides(self.folder, self.only))
        return 0


@dataclass
class Questions:
    """Write the questions of teaching/questions.md for quiz programs, as GIFT."""

    def run(self) -> int:
        from lineart.course.questions import write_gift

        print(write_gift())
        return 0


@dataclass
class Course:
    """For teachers: copies for students, marks, slides, questions."""

    command: Student | Mark | Slides | Questions

    def run(self) -> int:
        return self.command.run()

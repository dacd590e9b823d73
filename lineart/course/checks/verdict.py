"""How a check speaks: not written yet; right, and what that means; not right yet, and what is probably wrong.

A check calls the student's function and the right one on the same small, seeded inputs. Where the results differ, it
tries the mistakes that people make here: each is a wrong version of the function, and the one that gives the student's
result is named. A check prints one line, returns nothing and raises nothing.
"""

import copy
import inspect
import textwrap
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

NOT_WRITTEN = "not written yet (it returns None). The page goes on with the package's own."


@dataclass(frozen=True)
class Mistake:
    """What to say to a mistake; it is known by a wrong version of the function, or by part of an error's text."""

    words: str
    wrong: Callable | None = None
    raises: str | None = None


class Unusable(Exception):
    """A result that cannot be compared; the text says what it must be."""


def say(name: str, words: str) -> None:
    """All that a check ever says goes through here, so that marking hears it apart from what a student prints."""
    print(f"{name}: {words}")


def call(function: Callable, *arguments: Any) -> Any:
    return function(*arguments)


def judge(
    name: str,
    student: Callable | None,
    right: Callable,
    cases: Sequence[tuple],
    mistakes: Iterable[Mistake],
    means: str,
    run: Callable = call,
    tolerance: float = 1e-4,
    parts: Sequence[str] = (),
) -> None:
    """Print what there is to say about a student's function.

    cases: the arguments of each call, copied for every call, so that nobody's changes reach another. run(function,
    *arguments): what is compared, by default the result; None means not written yet. tolerance: relative to the largest
    expected value. parts: names of the arrays of all results, or of one call's, to say which differs.
    """
    with torch.random.fork_rng(devices=[]):  # the page's random numbers stay as they were
        say(name, _verdict(student, right, cases, mistakes, means, run, tolerance, parts))


def _verdict(student, right, cases, mistakes, means, run, tolerance, parts) -> str:
    if student is None:
        return NOT_WRITTEN
    if not callable(student):
        return "not right yet. Give the check the function itself, without calling it."
    try:
        results, touched = _results(student, cases, run)
        if all(result is None for result in results):
            return NOT_WRITTEN
        if any(result is None for result in results):
            return "not right yet. For some of the check's inputs it returns None: is a `return` missing?"
        found = _arrays(results)
    except Unusable as error:
        return f"not right yet. {error}"
    except Exception as error:  # a student's code may raise anything, and the page has to go on
        return f"not right yet. {_told(error, student, mistakes)}"
    expected, may_touch = _results(right, cases, run)
    if _same(found, _arrays(expected), tolerance):
        if touched - may_touch:
            return f"not right yet. {_in_place(student, min(touched - may_touch))}"
        return f"right. {means}"
    for mistake in mistakes:
        if mistake.wrong and _same(found, _arrays(_results(mistake.wrong, cases, run)[0]), tolerance):
            return f"not right yet. {mistake.words}"
    return f"not right yet. {_difference(results, expected, tolerance, parts)}"


def _results(function: Callable, cases: Sequence[tuple], run: Callable) -> tuple[list, set[int]]:
    """A result for each case, and which arguments the function changed, by their place: tensors and arrays."""
    results, touched = [], set()
    for arguments in cases:
        torch.manual_seed(0)
        given = copy.deepcopy(arguments)
        results.append(run(function, *given))
        touched |= {place for place, pair in enumerate(zip(arguments, given)) if not _unchanged(*pair)}
    return results, touched


def _unchanged(before: Any, after: Any) -> bool:
    if isinstance(before, (list, tuple)):
        return len(before) == len(after) and all(map(_unchanged, before, after))
    if isinstance(before, dict):
        return before.keys() == after.keys() and all(_unchanged(before[key], after[key]) for key in before)
    if torch.is_tensor(before) or isinstance(before, np.ndarray):
        return bool((before == after).all())
    return True


def _in_place(student: Callable, place: int) -> str:
    names = [*inspect.signature(student).parameters]
    name = f"`{names[place]}`" if place < len(names) else "its input"
    return (
        f"The result is, but you changed {name} itself. Whoever called your function may still need it: make a new one."
    )


def _arrays(result: Any) -> list[np.ndarray]:
    """All numbers of a result, tensors and arrays inside lists, tuples and dictionaries, in their order."""
    if torch.is_tensor(result):
        return [result.detach().cpu().double().numpy()]
    if isinstance(result, dict):
        return _arrays([result[key] for key in sorted(result)])
    if isinstance(result, (list, tuple)):
        return [array for part in result for array in _arrays(part)]
    array = np.asarray(result)
    if array.dtype.kind not in "biuf":
        raise Unusable(f"What you return must be numbers, it is {type(result).__name__}.")
    return [array.astype(float)]


def _same(found: list[np.ndarray], expected: list[np.ndarray], tolerance: float) -> bool:
    if [array.shape for array in found] != [array.shape for array in expected]:
        return False
    return all(_close(a, b, tolerance).all() for a, b in zip(found, expected))


def _close(a: np.ndarray, b: np.ndarray, tolerance: float) -> np.ndarray:
    largest = np.abs(b[np.isfinite(b)]).max(initial=0.0)
    return np.isclose(a, b, rtol=0, atol=tolerance * largest + 1e-12, equal_nan=True)


def _difference(results: Sequence, expected: Sequence, tolerance: float, parts: Sequence[str] = ()) -> str:
    """The first thing that differs, case by case: how many arrays, and what `_difference_of_arrays` finds."""
    number = -1
    for result, right in zip(results, expected):
        found, wanted = _arrays(result), _arrays(right)
        if len(found) != len(wanted):
            return _wrong_count(result, right, len(found), len(wanted))
        for a, b in zip(found, wanted):
            number += 1
            if words := _difference_of_arrays(a, b, tolerance):
                return f"{_sentence(parts[number % len(parts)])}: {words}" if parts else words
    return "It differs from case to case."


def _sentence(part: str) -> str:
    return part[:1].upper() + part[1:]


def _difference_of_arrays(a: np.ndarray, b: np.ndarray, tolerance: float) -> str:
    """The shape, a number that is none, a common factor or one place; "" if the two are alike."""
    if a.shape != b.shape:
        return _wrong_shape(a, b)
    if not np.isfinite(a).all():
        return "Your result holds NaN or infinity."
    wrong = ~_close(a, b, tolerance)
    if not wrong.any():
        return ""
    factor = (a * b).sum() / max((b * b).sum(), 1e-12)
    if b.size > 1 and factor and abs(factor - 1) > 0.1 and _close(a, factor * b, tolerance).all():
        return f"Every number is {factor:.3g} times what it should be."
    place = tuple(int(i) for i in np.argwhere(wrong)[0])
    where = f"First at {list(place)}" if place else "On the check's inputs"
    share = f"; {wrong.sum()} of {b.size} numbers differ" if b.size > 1 else ""
    return f"{where}: expected {b[place]:.4g}, found {a[place]:.4g}{share}."


def _wrong_count(result: Any, right: Any, found: int, expected: int) -> str:
    if expected == 1 and isinstance(result, (list, tuple)):
        return one_instead_of(result, "tensor" if torch.is_tensor(right) else "array" if np.ndim(right) else "number")
    count = f"{expected} arrays or numbers" if expected > 1 else "one array or number"
    return f"On the check's inputs it must return {count}, you returned {found or 'none'}."


def one_instead_of(result: list | tuple, kind: str) -> str:
    return f"You returned a {type(result).__name__} of {len(result)}; make it one {kind}."


def _wrong_shape(found: np.ndarray, expected: np.ndarray) -> str:
    if not expected.shape:
        return f"It must be one number, yours has the shape {found.shape}."
    return f"The shape must be {expected.shape}, yours is {found.shape or 'that of one number'}."


def _told(error: Exception, student: Callable, mistakes: Iterable[Mistake]) -> str:
    """An exception in one line, with the line of the student's cell; in the words of a mistake where it is known."""
    code = getattr(student, "__code__", None)
    frames = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    lines = [line for file, line in frames if code and file == code.co_filename]
    where = f"Line {lines[-1]} of your code" if lines else "Calling your function"
    message = textwrap.shorten(str(error) or "no message", 160, placeholder=" …")
    for mistake in mistakes:
        if mistake.raises and mistake.raises in str(error):
            return f"{mistake.words} ({where} raised {type(error).__name__}: {message})"
    return f"{where} raised {type(error).__name__}: {message}"


def predict(
    name: str,
    answer: Any,
    expected: Any,
    means: str,
    guesses: Sequence[tuple[Any, str]] = (),
    tolerance: float = 1e-3,
    parts: Sequence[str] = (),
) -> None:
    """Print what there is to say about a predicted number, or a few; never the right one.

    guesses: wrong answers that people give, and what to say to them. tolerance: as of `judge`. parts: what the numbers
    of a list are, to say of each whether it is right; without it only how many are.
    """
    say(name, _verdict_of_number(answer, expected, means, guesses, tolerance, parts))


def _verdict_of_number(answer, expected, means, guesses, tolerance, parts) -> str:
    if answer is None:
        return "not answered yet. Answer before you read on."
    try:
        found, right = _as_numbers(answer), _as_numbers(expected)
    except Exception:  # an answer may be anything
        return "not right yet. The answer must be a number, or a list of numbers as the exercise asks."
    if found.shape != right.shape:
        return f"not right yet. {_wrong_shape(found, right)}"
    if _close(found, right, tolerance).all():
        return f"right. {means}"
    for guess, words in guesses:
        if _close(found, _as_numbers(guess), tolerance).all():
            return f"not right yet. {words}"
    if parts:
        good = _close(found, right, tolerance)
        words = [f"{part} is {'right' if ok else _side(a, b)}." for part, ok, a, b in zip(parts, good, found, right)]
        return f"not right yet. {' '.join(words)}"
    if right.ndim:
        return f"not right yet. {int(_close(found, right, tolerance).sum())} of {right.size} numbers are right."
    return f"not right yet. Your number is {_side(found, right)}."


def _side(found: float, right: float) -> str:
    if found < 0 and right < 0:  # where "too small" could mean either
        return "too far below 0" if found < right else "too close to 0"
    return "too small" if found < right else "too large"


def has_numbers(answer: Any, count: int) -> bool:
    """Whether the answer is a list of so many numbers, and worth a measurement."""
    try:
        return _as_numbers(answer).shape == (count,)
    except Exception:  # `predict` says what is wrong
        return False


def _as_numbers(answer: Any) -> np.ndarray:
    return np.asarray(answer.detach().cpu() if torch.is_tensor(answer) else answer, dtype=float)

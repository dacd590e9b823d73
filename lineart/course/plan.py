"""Which notebooks run, with which parameters: all of it read and checked before anything runs."""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lineart import config

INJECTED = "injected-parameters"  # papermill's tag of the cell that it adds
TYPES = {"bool": bool, "int": int, "float": (int, float), "str": str, "list": list, "dict": dict, "None": type(None),
         "tuple": list, "Any": object}  # YAML has no tuple


class ReproduceError(RuntimeError):
    """Why the run stopped, in one sentence; `results` holds what was done before."""

    results: list = []


@dataclass(frozen=True)
class Notebook:
    """A notebook as it was when the run began."""

    path: Path
    text: str
    cells: list[dict]
    needs: list[str]  # notebooks before it whose results it reads
    reads: list[str]  # files of the repository that no notebook writes, such as figures/seeds_toon.csv
    parameters: dict  # the values to inject

    @property
    def name(self) -> str:
        return self.path.stem


def make_plan(
    folder: Path | None, only: Sequence[str], profile: str, parameters: dict
) -> tuple[list[str], list[Notebook]]:
    """Names of all notebooks in order, and the chosen ones, read and checked."""
    folder = Path(folder or config.ROOT / "notebooks").resolve()
    paths = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    if not paths:
        raise ReproduceError(f"no notebook called NN_name.ipynb in {folder}")
    names = [path.stem for path in paths]
    chosen = _choose(names, [only] if isinstance(only, str) else only)
    plan = [_read(path, profile, parameters, names) for path in paths if path.stem in chosen]
    return names, plan


def _choose(names: list[str], only: Sequence[str]) -> set[str]:
    chosen = set() if only else set(names)
    for wanted in only:
        stem = wanted.removesuffix(".ipynb")
        found = [name for name in names if stem in (name, name.split("_")[0])]
        if not found:
            raise ReproduceError(f"no notebook {wanted!r}; there are {', '.join(names)}")
        chosen.update(found)
    return chosen


def _read(path: Path, profile: str, parameters: dict, names: list[str]) -> Notebook:
    """Read with json: importing nbformat would take longer than all else that an unchanged course needs."""
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text)
        cells = [dict(cell, source="".join(cell["source"])) for cell in content["cells"]]
        for part in (content, *cells):
            if not isinstance(part["metadata"], dict) or not isinstance(tags_of(part), list):
                raise ValueError(f"metadata must be an object, and tags in it a list, not {part['metadata']!r}")
        kinds = {cell["cell_type"] for cell in cells}
        if not kinds <= {"code", "markdown", "raw"}:
            raise ValueError(f"a cell must be code, markdown or raw, not {kinds}")
    except (ValueError, KeyError, TypeError) as error:  # what is not UTF-8 is a ValueError, too
        raise ReproduceError(f"{path.name} is not a notebook: {error!r}") from None
    if any(INJECTED in tags_of(cell) for cell in cells):
        raise ReproduceError(f"{path.stem} holds a cell tagged {INJECTED!r} of an earlier run; remove it")
    known = parameters_cell(path.stem, cells)
    values = dict(parameters)
    if "profile" in known:
        if values.setdefault("profile", profile) != profile:
            raise ReproduceError(f"profile is {profile!r}, but the parameter is set to {values['profile']!r}")
    for name, value in values.items():
        if name not in known:
            raise ReproduceError(f"{path.stem} has no parameter {name!r}; its parameters cell assigns "
                                 f"{', '.join(known) or 'nothing'} (choose the notebooks that have it with only)")
        check_type(path.stem, name, value, *known[name])
    own = content["metadata"].get("lineart") or {}
    needs = own.get("needs", [])
    for need in needs:
        if need not in names[: names.index(path.stem)]:
            raise ReproduceError(f"{path.stem} needs {need!r}, which is not a notebook before it")
    return Notebook(path, text, cells, needs, own.get("reads", []), values)


def tags_of(cell: dict) -> list[str]:
    return cell.get("metadata", {}).get("tags", [])


def parameters_cell(name: str, cells: list[dict]) -> dict[str, tuple[ast.expr | None, ast.expr | None]]:
    """Annotation and default of every name that the parameters cell assigns."""
    tagged = [cell for cell in cells if cell["cell_type"] == "code" and "parameters" in tags_of(cell)]
    if len(tagged) != 1:
        raise ReproduceError(f"{name} must have one code cell tagged 'parameters', it has {len(tagged)}")
    try:
        statements = ast.parse(tagged[0]["source"]).body
    except SyntaxError as error:
        raise ReproduceError(f"{name}: the parameters cell is not plain Python: {error}") from None
    known: dict[str, tuple[ast.expr | None, ast.expr | None]] = {}
    for statement in statements:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            known[statement.target.id] = (statement.annotation, statement.value)
        elif isinstance(statement, ast.Assign):
            known.update({t.id: (None, statement.value) for t in statement.targets if isinstance(t, ast.Name)})
    return known


def check_type(notebook: str, name: str, value, annotation: ast.expr | None, default: ast.expr | None) -> None:
    """Refuse a value that is not of the annotated type, or without annotation of the default's type."""
    where = f"{notebook}: parameter {name!r}"
    if not isinstance(value, (bool, int, float, str, list, dict, type(None))):  # papermill would make it a string
        raise ReproduceError(f"{where} must be a plain YAML value, got {value!r} ({type(value).__name__})")
    if annotation is None:
        try:
            plain = ast.literal_eval(default)
        except ValueError:
            return  # a computed default without annotation says nothing about the type
        annotation = ast.parse("Any" if plain is None else type(plain).__name__, mode="eval").body
    try:
        fits = _fits(value, annotation)
    except LookupError as error:
        raise ReproduceError(f"{where} is annotated {ast.unparse(annotation)}, and {error.args[0]} is not a type that "
                             f"can be set from outside; known are {', '.join(TYPES)}") from None
    if not fits:
        raise ReproduceError(f"{where} must be {ast.unparse(annotation)}, got {value!r} ({type(value).__name__})")


def _fits(value, annotation: ast.expr) -> bool:
    """Whether a YAML value has the annotated type. An int is a float; a bool is not an int. Unknown: LookupError."""
    match annotation:
        case ast.Constant(value=None):
            return value is None
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _fits(value, left) or _fits(value, right)
        case ast.Subscript(value=ast.Name(id="Optional"), slice=inner):
            return value is None or _fits(value, inner)
        case ast.Subscript(value=outer, slice=inner):
            return _fits(value, outer) and _members_fit(value, inner)
        case ast.Name(id=known) if known in TYPES:
            return isinstance(value, TYPES[known]) and (not isinstance(value, bool) or known in ("bool", "Any"))
    raise LookupError(ast.unparse(annotation))


def _members_fit(value, inner: ast.expr) -> bool:
    """The part in brackets: list[int], tuple[float, ...], dict[str, int]."""
    kinds = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    if isinstance(value, dict):
        return all(_fits(key, kinds[0]) and _fits(member, kinds[-1]) for key, member in value.items())
    return all(_fits(member, kinds[0]) for member in value)

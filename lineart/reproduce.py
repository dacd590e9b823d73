"""Run the notebooks of the course with papermill, strictly, and only those whose inputs changed.

Papermill alone forgives what a reproduction must not: a misspelt parameter, a missing `parameters` tag and
`sys.exit(0)` in a cell all end with exit code 0, and it starts every notebook anew. Here each of them is refused
with one sentence, and after a clean run a stamp (`NAME.json` beside the executed notebook) records what went in
and what came out, so that a second call does no work and a failed one goes on where it stopped.

What makes a notebook run again: its code cells (prose does not count, so the recorded minutes can be written into
its opening), its parameters, the profile, LINEART_SOURCE, a file of the package, a file under `data/`, the versions
of Python and torch, the results of the notebooks that its metadata names (`lineart: {"needs": ["09_table_1"]}`), and
a result under `figures/` that is gone or was changed.

papermill, nbformat and yaml are imported where they are used: `import lineart` works without them.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import os
import platform
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from lineart import config

TIMEOUT = 600  # seconds a cell
SAMPLE_EVERY = 0.5  # seconds between two looks at the kernel's memory
INJECTED = "injected-parameters"  # papermill's tag of the cell that it adds
BANNER = "papermill-error-cell-tag"  # papermill's tag of the two cells that it adds after an error
TYPES = {"bool": bool, "int": int, "float": (int, float), "str": str, "list": list, "dict": dict, "None": type(None),
         "tuple": list, "Any": object}  # YAML has no tuple


class ReproduceError(RuntimeError):
    """Why the run stopped, in one sentence; `results` holds what was done before."""

    results: list[Result] = []


@dataclass(frozen=True)
class Result:
    """What became of one notebook: status is "ran", "unchanged" or "failed", seconds is the time that this took."""

    name: str
    status: str
    seconds: float
    message: str = ""


@dataclass(frozen=True)
class Notebook:
    """A notebook as it was when the run began."""

    path: Path
    text: str
    cells: list[dict]
    needs: list[str]
    parameters: dict  # the values to inject

    @property
    def name(self) -> str:
        return self.path.stem


def reproduce(
    profile: str = "classroom", only: Sequence[str] = (), parameters: dict | None = None,
    notebooks: Path | None = None, output: Path | None = None, timeout: int = TIMEOUT, force: bool = False,
) -> list[Result]:
    """Run the notebooks in order, stop at the first failure.

    Args:
        profile: of `PROFILES`; injected as the parameter `profile` and set as LINEART_PROFILE for the kernels.
        only: names or numbers of notebooks ("09_table_1", "09"); empty for all.
        parameters: values to inject; every chosen notebook must assign each name in its parameters cell.
        notebooks: folder of `NN_name.ipynb`, by default `notebooks/`; also the working directory of the kernels.
        output: folder for executed notebooks and stamps, by default `runs/<profile>/notebooks`.
        timeout: seconds that one cell may take.
        force: run even what is unchanged.

    Raises ReproduceError; the executed notebook that failed is then in `output` as `NAME.failed.ipynb`.
    """
    if profile not in config.PROFILES:
        raise ReproduceError(f"profile must be one of {', '.join(config.PROFILES)}, got {profile!r}")
    if not isinstance(timeout, int) or timeout < 1:
        raise ReproduceError(f"timeout must be a whole number of seconds, at least 1, got {timeout!r}")
    order, chosen = _plan(notebooks, only, profile, parameters or {})  # refuses before anything runs
    output = _output(output, profile)
    if output == chosen[0].path.parent:
        raise ReproduceError(f"output must be another folder than that of the notebooks, got {output}")
    common = _common_inputs(profile)
    output.mkdir(parents=True, exist_ok=True)
    results: list[Result] = []
    for index, notebook in enumerate(chosen, start=1):
        # One line a notebook: its name while it runs, then what became of it. A log shows the same as a terminal.
        print(f"[{index:2d}/{len(chosen)}] {notebook.name:24s} ", end="", flush=True)
        result, error = _attempt(notebook, order, output, profile, common, timeout, force)
        results.append(result)
        print(f"{result.status:10s} {result.seconds:7.1f} s  {'' if error else result.message}".rstrip(), flush=True)
        if error:
            error.results = results
            raise error
    ran = sum(result.status == "ran" for result in results)
    print(f"{ran} ran, {len(results) - ran} unchanged, {sum(r.seconds for r in results):.1f} s in all", flush=True)
    return results


def _attempt(notebook: Notebook, *how) -> tuple[Result, ReproduceError | None]:
    began, failure = time.perf_counter(), None
    try:
        status, message = _bring_up_to_date(notebook, *how)
    except ReproduceError as error:
        status, message, failure = "failed", str(error), error
    return Result(notebook.name, status, time.perf_counter() - began, message), failure


def publish(
    profile: str = "classroom", only: Sequence[str] = (), notebooks: Path | None = None, output: Path | None = None
) -> list[str]:
    """Put the outputs of the last clean run into the notebooks themselves; returns the names that changed.

    Sources, prose, tags and cell ids stay as they are in `notebooks`. Left out are the injected cell, timing and
    widget metadata, and the kernel's name is `python3`. A notebook whose code is not the code that ran is refused.
    """
    nbformat = _import("nbformat")
    output, changed = _output(output, profile), []
    for notebook in _plan(notebooks, only, profile, {})[1]:
        executed = output / f"{notebook.name}.ipynb"
        stamp = _read_stamp(output, notebook.name)
        if not stamp or stamp["inputs"]["code_cells"] != _cells_digest(notebook.cells) or not executed.is_file():
            raise ReproduceError(f"{notebook.name} was changed after it ran; run it again before publishing it")
        if stamp["inputs"]["parameters"] != notebook.parameters:
            raise ReproduceError(f"{notebook.name} ran with other parameters than its own; run it again without -p")
        clean = _with_outputs(_load(notebook.text), nbformat.read(executed, as_version=4))
        if profile == "classroom":
            _record_cost(clean, stamp)
        nbformat.validate(clean)
        text = nbformat.writes(clean) + "\n"
        if text != notebook.text:
            _write(notebook.path, text)
            changed.append(notebook.name)
    return changed


def _output(output: Path | None, profile: str) -> Path:
    # Absolute, because papermill changes the working directory of this process while it runs a notebook.
    return Path(output or config.ROOT / "runs" / profile / "notebooks").resolve()


# ---------------------------------------------------------------- before anything runs


def _plan(
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
            if not isinstance(part["metadata"], dict) or not isinstance(_tags(part), list):
                raise ValueError(f"metadata must be an object, and tags in it a list, not {part['metadata']!r}")
        kinds = {cell["cell_type"] for cell in cells}
        if not kinds <= {"code", "markdown", "raw"}:
            raise ValueError(f"a cell must be code, markdown or raw, not {kinds}")
    except (ValueError, KeyError, TypeError) as error:  # what is not UTF-8 is a ValueError, too
        raise ReproduceError(f"{path.name} is not a notebook: {error!r}") from None
    if any(INJECTED in _tags(cell) for cell in cells):
        raise ReproduceError(f"{path.stem} holds a cell tagged {INJECTED!r} of an earlier run; remove it")
    known = _parameters_cell(path.stem, cells)
    values = dict(parameters)
    if "profile" in known:
        if values.setdefault("profile", profile) != profile:
            raise ReproduceError(f"profile is {profile!r}, but the parameter is set to {values['profile']!r}")
    for name, value in values.items():
        if name not in known:
            raise ReproduceError(f"{path.stem} has no parameter {name!r}; its parameters cell assigns "
                                 f"{', '.join(known) or 'nothing'} (choose the notebooks that have it with only)")
        _check_type(path.stem, name, value, *known[name])
    needs = (content["metadata"].get("lineart") or {}).get("needs", [])
    for need in needs:
        if need not in names[: names.index(path.stem)]:
            raise ReproduceError(f"{path.stem} needs {need!r}, which is not a notebook before it")
    return Notebook(path, text, cells, needs, values)


def _tags(cell: dict) -> list[str]:
    return cell.get("metadata", {}).get("tags", [])


def _parameters_cell(name: str, cells: list[dict]) -> dict[str, tuple[ast.expr | None, ast.expr | None]]:
    """Annotation and default of every name that the parameters cell assigns."""
    tagged = [cell for cell in cells if cell["cell_type"] == "code" and "parameters" in _tags(cell)]
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


def _check_type(notebook: str, name: str, value, annotation: ast.expr | None, default: ast.expr | None) -> None:
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


# ---------------------------------------------------------------- inputs, outputs and the stamp between them


def _common_inputs(profile: str) -> dict[str, str]:
    """What every notebook depends on. The version of torch is read, not imported: that takes seconds."""
    package = sorted((config.ROOT / "lineart").rglob("*.py"))
    data = sorted(p for p in (config.ROOT / "data").rglob("*") if p.is_file() and _is_input(p))
    try:
        torch = metadata.version("torch")
    except metadata.PackageNotFoundError:
        torch = "none"
    return {"profile": profile, "package": _files_digest(package), "data": _files_digest(data),
            "python": platform.python_version(), "torch": torch, "source": os.environ.get("LINEART_SOURCE", "")}


def _is_input(path: Path) -> bool:
    parts = path.relative_to(config.ROOT).parts
    # Caches come and go, and a README says nothing to the code.
    return path.suffix != ".md" and not any(part.startswith(".") or "cache" in part for part in parts)


def _digest(value) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _file_digest(path: Path) -> str | None:
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _files_digest(paths: list[Path]) -> str:
    return _digest([(path.relative_to(config.ROOT).as_posix(), _file_digest(path)) for path in paths])


def _cells_digest(cells: list[dict]) -> str:
    return _digest([(cell["source"], sorted(_tags(cell))) for cell in cells if cell["cell_type"] == "code"])


def _inputs(notebook: Notebook, common: dict[str, str], output: Path) -> dict:
    needs = {need: (_read_stamp(output, need) or {}).get("outputs") for need in notebook.needs}
    return {"code_cells": _cells_digest(notebook.cells), "parameters": notebook.parameters, **common, "needs": needs}


def _read_stamp(output: Path, name: str) -> dict | None:
    try:
        stamp = json.loads((output / f"{name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return stamp if isinstance(stamp, dict) and {"inputs", "outputs", "executed"} <= set(stamp) else None


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8", newline="\n")
    os.replace(temporary, path)


def _write_stamp(output: Path, name: str, stamp: dict) -> None:
    _write(output / f"{name}.json", json.dumps(stamp, indent=1) + "\n")


def _reason_to_run(notebook: Notebook, inputs: dict, output: Path, profile: str) -> str | None:
    """Why the notebook has to run, or None where its last run still stands."""
    stamp = _read_stamp(output, notebook.name)
    if stamp is None:
        return "no finished run"
    changed = [name.replace("_", " ") for name in inputs if inputs[name] != stamp["inputs"].get(name)]
    if changed:
        return f"changed: {', '.join(changed)}"
    if _file_digest(output / f"{notebook.name}.ipynb") != stamp["executed"]:
        return "executed notebook gone or changed"
    figures = config.figures_dir(profile)
    for name, digest in stamp["outputs"].items():
        if _file_digest(figures / name) != digest:
            return f"{name} gone or changed"
    return None


def _snapshot(folder: Path) -> dict[str, tuple[int, int, int]]:
    files = ((p, p.stat()) for p in folder.rglob("*") if p.is_file() and p.suffix != ".tmp")
    return {p.relative_to(folder).as_posix(): (s.st_mtime_ns, s.st_size, s.st_ino) for p, s in files}


def _bring_up_to_date(
    notebook: Notebook, order: list[str], output: Path, profile: str, common: dict, timeout: int, force: bool
) -> tuple[str, str]:
    """Run a notebook if it has to; returns status and message."""
    inputs = _inputs(notebook, common, output)
    reason = "forced" if force else _reason_to_run(notebook, inputs, output, profile)
    if reason is None:
        return "unchanged", ""
    # From here on the old run no longer stands: this one may fail after it has written half of the results.
    (output / f"{notebook.name}.json").unlink(missing_ok=True)
    figures = config.figures_dir(profile)
    before = _snapshot(figures)
    began = time.perf_counter()
    peak_mb = _execute(notebook, output, profile, timeout)
    seconds = time.perf_counter() - began
    written = [name for name, state in _snapshot(figures).items() if before.get(name) != state]
    outputs = {name: _file_digest(figures / name) for name in sorted(written)}
    _take_over(outputs, order[: order.index(notebook.name)], output)
    _write_stamp(output, notebook.name, {
        "inputs": _inputs(notebook, common, output), "outputs": outputs,
        "executed": _file_digest(output / f"{notebook.name}.ipynb"),
        "seconds": round(seconds, 1), "peak_mb": peak_mb,
    })
    return "ran", f"{peak_mb:5d} MB  ({reason})"


def _take_over(outputs: dict, earlier: list[str], output: Path) -> None:
    """A result that two notebooks write belongs to the later one; else the earlier would never be unchanged."""
    for name in earlier:
        stamp = _read_stamp(output, name)
        if stamp and any(stamp["outputs"].get(file, digest) != digest for file, digest in outputs.items()):
            stamp["outputs"] = {file: digest for file, digest in stamp["outputs"].items() if file not in outputs}
            _write_stamp(output, name, stamp)


# ---------------------------------------------------------------- running one notebook


def _import(name: str):
    try:
        return __import__(name)
    except ImportError as error:
        raise ReproduceError(f'{error.name or name} is missing: pip install "lineart[notebooks]"') from None


def _load(text: str):
    """The notebook in nbformat 4.5, with cell ids that stay the same from run to run, and no outputs."""
    nbformat = _import("nbformat")
    # nbformat gives cells without an id a random one.
    had_ids = all("id" in cell for cell in json.loads(text)["cells"])
    notebook = nbformat.v4.upgrade(nbformat.reads(text, as_version=4))
    for index, cell in enumerate(notebook.cells):
        if not had_ids:
            cell.id = f"cell-{index}"
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        for key in ("papermill", "execution", "ExecuteTime"):  # timing
            cell.metadata.pop(key, None)
    for key in ("papermill", "widgets"):
        notebook.metadata.pop(key, None)
    notebook.metadata.kernelspec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata.language_info = {"name": "python"}
    return notebook


def _execute(notebook: Notebook, output: Path, profile: str, timeout: int) -> int:
    """Run a notebook into `output/NAME.ipynb`; returns the peak memory of its kernel in MB."""
    import logging

    papermill, nbformat = _import("papermill"), _import("nbformat")
    node = _load(notebook.text)
    temporary, failed = output / f"{notebook.name}.running.ipynb", output / f"{notebook.name}.failed.ipynb"
    temporary.unlink(missing_ok=True)
    manager, started = _kernel_manager(profile)
    logging.getLogger("papermill").setLevel(logging.CRITICAL)  # what matters is said once, by ReproduceError
    try:
        with _peak_memory(started) as (peak, look):
            papermill.execute_notebook(
                node, str(temporary).replace("{", "{{").replace("}", "}}"),  # papermill formats the path
                parameters=notebook.parameters, kernel_name="python3", language="python", progress_bar=False,
                execution_timeout=timeout, cwd=str(notebook.path.parent),
                kernel_manager_class=manager, on_cell_start=look, on_cell_executed=look,
                coalesce_streams=True,  # the same output, however its text was buffered
            )
        problem = None
    except Exception as error:  # whatever papermill, nbclient or the kernel raise, the reader gets one sentence
        problem = _reason(error, timeout)
    executed = nbformat.read(temporary, as_version=4) if temporary.is_file() else node
    message = _failure(executed, problem)
    if message:
        if temporary.is_file():
            os.replace(temporary, failed)
            message += f"; the notebook is kept as {failed}"
        raise ReproduceError(f"{notebook.name}: {message}")
    os.replace(temporary, output / f"{notebook.name}.ipynb")
    failed.unlink(missing_ok=True)
    return round(peak[0] / 2**20)


def _reason(error: Exception, timeout: int) -> str:
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    if isinstance(error, PapermillExecutionError):
        return _one_line(error.ename, error.evalue)
    if isinstance(error, CellTimeoutError):
        return f"it took longer than the limit of {timeout} s a cell (timeout)"
    if isinstance(error, DeadKernelError):
        return "the kernel died (killed, out of memory, or left by os._exit)"
    return _one_line(type(error).__name__, str(error))


def _one_line(name: str, value: str) -> str:
    """The last line of a traceback; of a message with several lines the first, which says what is wrong."""
    first = next((line.strip() for line in value.splitlines() if line.strip()), "")
    return f"{name}: {first}" if first else name


def _failure(executed, problem: str | None) -> str | None:
    """What went wrong and in which cell; None if every cell ran to its end.

    Never trust the metadata: papermill calls a run completed whose kernel died or that left with sys.exit(0).
    """
    cells = [cell for cell in executed.cells if not {INJECTED, BANNER} & set(_tags(cell))]
    code = [(number, cell) for number, cell in enumerate(cells, start=1)
            if cell.cell_type == "code" and cell.source.strip()]

    def place(number: int, cell) -> str:
        return f"cell {number} ({cell.source.strip().splitlines()[0][:60]!r})"

    errors = [(number, cell) for number, cell in code if any(o.output_type == "error" for o in cell.outputs)]
    started = [(number, cell) for number, cell in code if cell.metadata.get("papermill", {}).get("start_time")]
    skipped = [(number, cell) for number, cell in code if cell.execution_count is None]
    if problem:
        failing = errors[:1] or started[-1:]
        return f"{place(*failing[0])} failed: {problem}" if failing else f"the kernel did not start: {problem}"
    if skipped:
        because = f", because {place(*errors[0])} ended the notebook early" if errors else ""
        return f"{place(*skipped[0])} did not run{because}"
    return f"{place(*errors[0])} ended the notebook early" if errors else None  # sys.exit(0) in the last cell


def _kernel_manager(profile: str) -> tuple[type, list]:
    """A kernel manager whose `python3` is this very interpreter, and the list of managers started.

    A kernelspec found by name may belong to another environment: the notebook, a user's folder or a machine can all
    hold a `python3`. So none is looked up.
    """
    import zmq
    from ipykernel.kernelspec import get_kernel_dict
    from jupyter_client import AsyncKernelManager
    from jupyter_client.kernelspec import KernelSpec

    path = os.pathsep.join(filter(None, [str(config.ROOT), os.environ.get("PYTHONPATH")]))
    spec = KernelSpec(
        argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        display_name="Python 3", language="python",
        metadata=get_kernel_dict().get("metadata", {}),  # what this ipykernel can do, such as encryption
        env={"LINEART_PROFILE": profile, "TQDM_DISABLE": "1",  # tqdm writes nothing but 0 % into a notebook
             "PYTHONPATH": path.replace("$", "$$"),  # lineart, installed or not; the value is a string.Template
             "PYDEVD_DISABLE_FILE_VALIDATION": "1"},  # no debugger warning at every start
    )
    started: list = []

    class ThisPython(AsyncKernelManager):
        kernel_spec = spec

        def __init__(self, **settings) -> None:
            super().__init__(**settings)
            if self.has_trait("transport_encryption") and zmq.has("curve"):  # else a new ipykernel warns
                self.transport_encryption = "auto"
            started.append(self)

    return ThisPython, started


@contextmanager
def _peak_memory(started: list) -> Iterator[tuple[list[float], Callable]]:
    """Watches the kernel. Yields the peak so far, one number in bytes, and a function that looks once more."""
    peak, up, done = [0.0], threading.Event(), threading.Event()

    def look(**_) -> None:
        peak[0] = max([peak[0], *(_memory(m.provisioner.pid) for m in started if m.has_kernel)])
        up.set()

    def watch() -> None:
        up.wait()  # for the first cell: a process that just forked still has the memory of this one
        while not done.wait(SAMPLE_EVERY):
            look()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak, look
    finally:
        done.set()
        up.set()
        thread.join()


def _memory(pid: int) -> float:
    """Bytes of a kernel and its children now, or its own highest value where the system keeps one (Linux)."""
    import psutil

    try:
        kernel = psutil.Process(pid)
        now = kernel.memory_info().rss
        for child in kernel.children(recursive=True):
            if time.time() - child.create_time() > 1:  # else it may not have its own memory yet
                now += child.memory_full_info().uss  # what it does not share with the kernel
        status = Path(f"/proc/{pid}/status")
        lines = status.read_text().splitlines() if status.exists() else []
    except (psutil.Error, OSError):  # a process ended in between
        return 0
    return max([now, *(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))])


def _with_outputs(source, executed):
    """The source notebook with the outputs and counts of its run. The counts skip the injected cell, so 1, 2, 3."""
    cells, shift = [], 0
    for cell in executed.cells:
        if INJECTED in _tags(cell):
            shift = 1
        elif cell.cell_type == "code":
            cells.append((cell, shift))
    for target, (cell, shift) in zip((c for c in source.cells if c.cell_type == "code"), cells, strict=True):
        target.execution_count = cell.execution_count and cell.execution_count - shift
        target.outputs = cell.outputs
        for out in target.outputs:
            if "execution_count" in out:
                out.execution_count = target.execution_count
            for kind in [kind for kind in out.get("data", {}) if "widget" in kind]:
                del out["data"][kind]  # its state is not in the notebook; the text form stays
    return source


def _record_cost(notebook, stamp: dict) -> None:
    """Fill the line "Takes." of the opening from the recorded run."""
    cost = (f"**Takes.** Classroom: {max(stamp['seconds'] / 60, 0.1):.1f} minutes and {stamp['peak_mb'] / 1000:.1f} GB "
            f"on {os.cpu_count()} CPU cores. Paper: not recorded yet; it needs the Kaggle set and a GPU.")
    opening = notebook.cells[0]
    opening.source = re.sub(r"^\*\*Takes\.\*\*.*$", cost, opening.source, flags=re.MULTILINE)


# ---------------------------------------------------------------- command line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `lineart reproduce`."""
    parser.add_argument("--profile", default=os.environ.get("LINEART_PROFILE", "classroom"),
                        help="smoke, classroom or paper (default: LINEART_PROFILE, else classroom)")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these notebooks: 03 or 09_table_1")
    parser.add_argument("-p", "--parameter", nargs=2, action="append", default=[], dest="parameters",
                        metavar=("NAME", "VALUE"), help="set a parameter; VALUE is YAML: 3, true, null, [1, 2], text")
    parser.add_argument("--timeout", type=int, default=TIMEOUT, metavar="S",
                        help="seconds that one cell may take (default: %(default)s)")
    parser.add_argument("--force", action="store_true", help="run also what is unchanged")
    parser.add_argument("--notebooks", type=Path, metavar="DIR", help="folder of the notebooks")
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder for executed notebooks and stamps")
    parser.add_argument("--publish", action="store_true",
                        help="after success put the outputs into the notebooks themselves")


def main(args: argparse.Namespace) -> int:
    """`lineart reproduce`: 0 if every notebook is up to date, 1 with one sentence on stderr if not."""
    try:
        if args.publish and args.parameters:
            raise ReproduceError("--publish takes no -p: published outputs must come from the values that are shown")
        if args.publish and os.environ.get("LINEART_SOURCE"):
            raise ReproduceError("--publish takes no LINEART_SOURCE: pictures of others must not be published by mistake")
        reproduce(args.profile, args.only, _parse(args.parameters), args.notebooks, args.output, args.timeout,
                  args.force)
        if args.publish:
            changed = publish(args.profile, args.only, args.notebooks, args.output)
            print(f"published: {', '.join(changed) or 'nothing new'}")
    except ReproduceError as error:
        print(f"lineart reproduce: {error}", file=sys.stderr)
        return 1
    return 0


def _parse(pairs: Sequence[Sequence[str]]) -> dict:
    """Parameters of the command line; YAML gives true, null and [1, 2] their types, which papermill's -p does not."""
    values = {}
    for name, text in pairs:
        yaml = _import("yaml")
        try:
            values[name] = yaml.safe_load(text)
        except yaml.YAMLError:
            raise ReproduceError(f"the value of {name} is not YAML: {text!r}") from None
    return values

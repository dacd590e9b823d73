"""Run the notebooks of the course with papermill, strictly, and only those whose inputs changed.

Papermill alone forgives what a reproduction must not: a misspelt parameter, a missing `parameters` tag and
`sys.exit(0)` in a cell all end with exit code 0, and it starts every notebook anew. Here each of them is refused
with one sentence, and after a clean run a stamp (`NAME.json` beside the executed notebook) records what went in
and what came out, so that a second call does no work and a failed one goes on where it stopped.

What makes a notebook run again: its code cells (prose does not count, so the recorded minutes can be written into
its opening), its parameters, the profile, LINEART_SOURCE, a file of the package, a file under `data/`, the versions
of Python and of the packages that decide results, what its metadata names, results of notebooks and of benchmarks
(`lineart: {"needs": ["09_table_1"], "reads": ["figures/seeds_toon.csv"]}`), and a result under `figures/` that is gone
or was changed.

papermill, nbformat and yaml are imported where they are used: `import lineart` works without them.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lineart import config
from lineart.course.kernel import execute, import_extra, without_outputs
from lineart.course.plan import INJECTED, Notebook, ReproduceError, make_plan, tags_of
from lineart.course.stamp import (
    cells_digest,
    common_inputs,
    file_digest,
    inputs_of,
    read_stamp,
    reason_to_run,
    snapshot,
    take_over,
    write_stamp,
)
from lineart.files import write_text

TIMEOUT = 600  # seconds a cell


@dataclass(frozen=True)
class Result:
    """What became of one notebook: status is "ran", "unchanged" or "failed", seconds is the time that this took."""

    name: str
    status: str
    seconds: float
    message: str = ""


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
    order, chosen = make_plan(notebooks, only, profile, parameters or {})  # refuses before anything runs
    output = _output(output, profile)
    if output == chosen[0].path.parent:
        raise ReproduceError(f"output must be another folder than that of the notebooks, got {output}")
    common = common_inputs(profile)
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


def _bring_up_to_date(
    notebook: Notebook, order: list[str], output: Path, profile: str, common: dict, timeout: int, force: bool
) -> tuple[str, str]:
    """Run a notebook if it has to; returns status and message."""
    inputs = inputs_of(notebook, common, output)
    reason = "forced" if force else reason_to_run(notebook, inputs, output, profile)
    if reason is None:
        return "unchanged", ""
    # From here on the old run no longer stands: this one may fail after it has written half of the results.
    (output / f"{notebook.name}.json").unlink(missing_ok=True)
    figures = config.figures_dir(profile)
    before = snapshot(figures)
    began = time.perf_counter()
    peak_mb = execute(notebook, output, profile, timeout)
    seconds = time.perf_counter() - began
    written = [name for name, state in snapshot(figures).items() if before.get(name) != state]
    outputs = {name: file_digest(figures / name) for name in sorted(written)}
    take_over(outputs, order[: order.index(notebook.name)], output)
    write_stamp(output, notebook.name, {
        "inputs": inputs_of(notebook, common, output), "outputs": outputs,
        "executed": file_digest(output / f"{notebook.name}.ipynb"),
        "seconds": round(seconds, 1), "peak_mb": peak_mb,
    })
    return "ran", f"{peak_mb:5d} MB  ({reason})"


def publish(
    profile: str = "classroom", only: Sequence[str] = (), notebooks: Path | None = None, output: Path | None = None
) -> list[str]:
    """Put the outputs of the last clean run into the notebooks themselves; returns the names that changed.

    Sources, prose, tags and cell ids stay as they are in `notebooks`. Left out are the injected cell, timing and
    widget metadata, and the kernel's name is `python3`. A notebook whose code is not the code that ran is refused.
    """
    nbformat = import_extra("nbformat")
    output, changed = _output(output, profile), []
    for notebook in make_plan(notebooks, only, profile, {})[1]:
        executed = output / f"{notebook.name}.ipynb"
        stamp = read_stamp(output, notebook.name)
        if not stamp or stamp["inputs"]["code_cells"] != cells_digest(notebook.cells) or not executed.is_file():
            raise ReproduceError(f"{notebook.name} was changed after it ran; run it again before publishing it")
        if stamp["inputs"]["parameters"] != notebook.parameters:
            raise ReproduceError(f"{notebook.name} ran with other parameters than its own; run it again without -p")
        clean = _with_outputs(without_outputs(notebook.text), nbformat.read(executed, as_version=4))
        if profile == "classroom":
            _record_cost(clean, stamp)
        nbformat.validate(clean)
        text = nbformat.writes(clean) + "\n"
        if text != notebook.text:
            write_text(notebook.path, text)
            changed.append(notebook.name)
    return changed


def _output(output: Path | None, profile: str) -> Path:
    # Absolute, because papermill changes the working directory of this process while it runs a notebook.
    return Path(output or config.ROOT / "runs" / profile / "notebooks").resolve()


def _with_outputs(source, executed):
    """The source notebook with the outputs and counts of its run. The counts skip the injected cell, so 1, 2, 3."""
    cells, shift = [], 0
    for cell in executed.cells:
        if INJECTED in tags_of(cell):
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
        yaml = import_extra("yaml")
        try:
            values[name] = yaml.safe_load(text)
        except yaml.YAMLError:
            raise ReproduceError(f"the value of {name} is not YAML: {text!r}") from None
    return values

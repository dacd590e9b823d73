"""Run the notebooks of the course with papermill, strictly, only those whose inputs changed, and compare the results.

Papermill alone forgives what a reproduction must not: a misspelt parameter, a missing `parameters` tag and
`sys.exit(0)` in a cell all end with exit code 0. Here each is refused with one sentence. After a clean run a stamp
(`NAME.json` beside the executed notebook) records what went in and what came out, so that a second call does no work
and a failed one goes on where it stopped: code cells, parameters, package, data, versions, results, and what the
metadata names, `lineart: {"needs": ["09_table_1"], "reads": ["figures/seeds_toon.csv"]}`. The stamps are our own:
jupyter-cache knows only of code cells, and doit must be told beforehand what a notebook will write.

Results go to `runs/<profile>/figures` and are compared with the committed `figures/`, which only `publish` writes.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from lineart import config
from lineart.course.compare import difference
from lineart.course.kernel import (
    TAKES,
    Notebook,
    ReproduceError,
    check_parameters,
    execute,
    read,
    tags_of,
    without_outputs,
)
from lineart.files import PACKAGES, sha256, whole, write_text

TIMEOUT = 600  # seconds a cell
JOBS = 2  # notebooks at a time: so many fit into the 4 GB that the course promises


@dataclass(frozen=True)
class Result:
    """What became of one notebook: status is "ran", "unchanged" or "failed", seconds is the time that this took."""

    name: str
    status: str
    seconds: float
    message: str = ""
    error: ReproduceError | None = None


def reproduce(
    profile: str = "classroom",
    only: Sequence[str] = (),
    parameters: dict | None = None,
    notebooks: Path | None = None,
    output: Path | None = None,
    timeout: int = TIMEOUT,
    force: bool = False,
    publish: bool = False,
    strict: bool = False,
    jobs: int = JOBS,
) -> int:
    """Bring the results up to date, with `publish` write them to `figures/` and into the notebooks, then compare.

    profile is of `PROFILES`; only holds names or numbers of notebooks ("09_table_1", "09"), none for all. Every chosen
    notebook must assign each of the `parameters`. `notebooks` is their folder, in which the kernels work, too; executed
    ones and stamps go to `output`, by default `runs/<profile>/notebooks`. A cell may take `timeout` seconds, `jobs`
    notebooks run at a time, with `force` also unchanged ones.

    Returns 1 if `strict` and a result is not as committed, else 0. Raises ReproduceError; a notebook that failed is
    then in `output` as `NAME.failed.ipynb`.
    """
    comparable = profile == "classroom" and not parameters and not os.environ.get("LINEART_SOURCE")
    if (publish or strict) and not comparable:
        raise ReproduceError(
            f"{'publish' if publish else 'strict'} is for the classroom's own results: it takes no "
            "other profile, no parameters and no LINEART_SOURCE"
        )
    course = Course(profile, only, parameters, notebooks, output)
    course.run(timeout, force, jobs)
    if publish:
        print(f"published: {', '.join(course.publish()) or 'nothing new'}")
    return int(comparable and course.compare() > 0 and strict)


def parse_parameters(pairs: Sequence[Sequence[str]]) -> dict:
    """Parameters of the command line; YAML gives true, null and [1, 2] their types, which papermill's -p does not."""
    values = {}
    for name, text in pairs:
        import yaml

        try:
            values[name] = yaml.safe_load(text)
        except yaml.YAMLError:
            raise ReproduceError(f"the value of {name} is not YAML: {text!r}") from None
    return values


class Course:
    """The chosen notebooks, read and checked before anything runs, and their folders; arguments as in `reproduce`."""

    def __init__(
        self,
        profile: str = "classroom",
        only: Sequence[str] = (),
        parameters: dict | None = None,
        notebooks: Path | None = None,
        output: Path | None = None,
    ) -> None:
        if profile not in config.PROFILES:
            raise ReproduceError(f"profile must be one of {', '.join(config.PROFILES)}, got {profile!r}")
        if "profile" in (parameters or {}):
            raise ReproduceError("profile is chosen for the whole run, not as a parameter")
        folder = Path(notebooks or config.ROOT / "notebooks").resolve()
        self.profile, self.parameters = profile, parameters or {}
        self.output = Path(output or config.ROOT / "runs" / profile / "notebooks").resolve()
        self.figures, self.committed = config.figures_dir(profile), config.ROOT / "figures"
        if self.output == folder:
            raise ReproduceError(f"output must be another folder than that of the notebooks, got {folder}")
        paths = {path.stem: path for path in sorted(folder.glob("[0-9][0-9]_*.ipynb"))}
        if not paths:
            raise ReproduceError(f"no notebook called NN_name.ipynb in {folder}")
        for wanted in only:
            if not any(wanted in (name, name[:2]) for name in paths):
                raise ReproduceError(f"no notebook {wanted!r}; there are {', '.join(paths)}")
        self.notebooks = [read(path) for name, path in paths.items() if not only or {name, name[:2]} & {*only}]
        for notebook in self.notebooks:
            for need in notebook.needs:
                if need not in paths or need >= notebook.name:
                    raise ReproduceError(f"{notebook.name} needs {need!r}, which is not a notebook before it")
            if self.parameters:
                check_parameters(notebook, self.parameters)

    def run(self, timeout: int = TIMEOUT, force: bool = False, jobs: int = JOBS) -> list[Result]:
        """Run the notebooks that have to, each after those whose results it needs; after a failure none is started."""
        for name, number in {"timeout": timeout, "jobs": jobs}.items():
            if type(number) is not int or number < 1:
                raise ReproduceError(f"{name} must be a whole number, at least 1, got {number!r}")
        self.output.mkdir(parents=True, exist_ok=True)
        _package_and_data.cache_clear()
        start = time.perf_counter()

        def attempt(notebook: Notebook) -> Result:
            began, message, error = time.perf_counter(), "", None
            try:
                inputs = self._inputs(notebook)
                reason = "forced" if force else self._reason_to_run(notebook.name, inputs)
                status = "ran" if reason else "unchanged"
                if reason:
                    message = f"{self._execute(notebook, inputs, timeout, jobs):5d} MB  ({reason})"
            except ReproduceError as failure:
                status, message, error = "failed", str(failure), failure
            return Result(notebook.name, status, time.perf_counter() - began, message, error)

        results = _in_parallel(self.notebooks, attempt, jobs)
        for error in filter(None, [result.error for result in results]):
            error.results = results
            raise error
        ran = sum(result.status == "ran" for result in results)
        print(f"{ran} ran, {len(results) - ran} unchanged, {time.perf_counter() - start:.1f} s in all", flush=True)
        return results

    def publish(self) -> list[str]:
        """Results into `figures/`, outputs into the notebooks, right after a run; returns what changed."""
        import nbformat

        changed = []
        for notebook in self.notebooks:
            stamp = self.stamp(notebook.name)
            for file, digest in stamp["outputs"].items():
                if _digest(self.committed / file) != digest:
                    with whole(self.committed / file) as temporary:
                        shutil.copyfile(self.figures / file, temporary)
                    changed.append(file)
            clean = without_outputs(notebook.text)
            executed = nbformat.read(self.output / f"{notebook.name}.ipynb", as_version=4)
            for cell, ran in zip(clean.cells, executed.cells, strict=True):
                if cell.cell_type == "code":
                    cell.outputs, cell.execution_count = ran.outputs, ran.execution_count
                for out in cell.get("outputs", []):
                    out.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)  # the text form stays
            clean.cells[0].source = TAKES.sub(
                f"Classroom: {max(stamp['seconds'] / 60, 0.1):.1f} minutes and {stamp['peak_mb'] / 1000:.1f} GB "
                f"on {os.cpu_count()} CPU cores",
                clean.cells[0].source,
            )
            nbformat.validate(clean)
            if (text := nbformat.writes(clean) + "\n") != notebook.text:
                write_text(notebook.path, text)
                changed.append(notebook.name)
        return changed

    def compare(self) -> int:
        """Say how each result that is not as committed differs; returns their number."""
        files = [file for notebook in self.notebooks for file in self.stamp(notebook.name)["outputs"]]
        words = {file: difference(self.figures / file, self.committed / file) for file in files}
        differing = [file for file in files if words[file]]
        for file in differing:
            print(f"{file}: {words[file]}")
        print(f"{len(files)} results, {f'{len(differing)} of them not' if differing else 'all'} as committed")
        return len(differing)

    def stamp(self, name: str) -> dict | None:
        """What the last clean run of a notebook recorded: inputs, outputs, executed, seconds, peak_mb."""
        try:
            return json.loads((self.output / f"{name}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def _execute(self, notebook: Notebook, inputs: dict, timeout: int, jobs: int) -> int:
        """Run a notebook, take over its results and write its stamp; returns its peak memory in MB."""
        (self.output / f"{notebook.name}.json").unlink(missing_ok=True)  # the old run no longer stands
        if lacking := [need for need in notebook.needs if inputs["needs"][need] is None]:
            raise ReproduceError(f"{notebook.name} needs the results of {lacking[0]}, which has no finished run")
        needed = {file: digest for need in notebook.needs for file, digest in inputs["needs"][need].items()}
        with tempfile.TemporaryDirectory(prefix=f".{notebook.name}.", dir=self.output) as scratch:
            # Its own folder, with copies of what it needs: so it is known who wrote what, and a failure leaves nothing.
            own, runs = Path(scratch) / "figures", Path(scratch) / "provenance"
            own.mkdir()
            runs.mkdir()
            for file in needed:
                shutil.copy(self.figures / file, own)
            environment = {"LINEART_PROFILE": self.profile, "LINEART_FIGURES": str(own)}
            if jobs > 1:  # a thread that waits leaves its core to another kernel
                environment["OMP_WAIT_POLICY"] = os.environ.get("OMP_WAIT_POLICY", "passive")
            began = time.perf_counter()
            peak_mb = execute(notebook, self.parameters, self.output, environment, timeout)
            record = {
                "inputs": inputs,
                "seconds": round(time.perf_counter() - began, 1),
                "peak_mb": peak_mb,
                "executed": sha256(self.output / f"{notebook.name}.ipynb"),
            }
            digests = {path.name: sha256(path) for path in sorted(own.iterdir())}
            record["outputs"] = {file: digest for file, digest in digests.items() if needed.get(file) != digest}
            for file in record["outputs"]:
                os.replace(own / file, self.figures / file)
            shutil.copytree(runs, self.figures.parent / "provenance", dirs_exist_ok=True)
        write_text(self.output / f"{notebook.name}.json", json.dumps(record, indent=1) + "\n")
        return peak_mb

    def _inputs(self, notebook: Notebook) -> dict:
        """All that decides what a notebook does, by name."""
        code = [(cell["source"], sorted(tags_of(cell))) for cell in notebook.cells if cell["cell_type"] == "code"]
        needs = {need: (self.stamp(need) or {}).get("outputs") for need in notebook.needs}
        return _package_and_data() | {
            "code cells": hashlib.sha256(json.dumps(code).encode()).hexdigest(),
            "parameters": self.parameters,
            "profile": self.profile,
            "LINEART_SOURCE": os.environ.get("LINEART_SOURCE"),
            "needs": needs,
            **{name: _digest(config.ROOT / name) for name in notebook.reads},
        }

    def _reason_to_run(self, name: str, inputs: dict) -> str | None:
        """Why the notebook has to run, or None where its last run still stands."""
        if (stamp := self.stamp(name)) is None:
            return "no finished run"
        before = stamp["inputs"]
        changed = [key for key in sorted({*inputs, *before}) if inputs.get(key) != before.get(key)]
        if _digest(self.output / f"{name}.ipynb") != stamp["executed"]:
            changed.append("executed notebook")
        changed += [file for file, digest in stamp["outputs"].items() if _digest(self.figures / file) != digest]
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        return f"changed: {changed[0]}{more}" if changed else None


@cache
def _package_and_data() -> dict:
    """What every notebook depends on. Versions are read, nothing is imported: that takes seconds."""
    found = {name: next(iter(metadata.distributions(name=name)), None) for name in PACKAGES}
    inputs = {"python": platform.python_version(), **{name: found[name] and found[name].version for name in found}}
    for path in sorted(file for folder in ("lineart", "data") for file in (config.ROOT / folder).rglob("*.*")):
        parts = path.relative_to(config.ROOT).parts  # READMEs say nothing to the code, and caches come and go
        if path.suffix != ".md" and not any(part.startswith(".") or "cache" in part for part in parts):
            inputs["/".join(parts)] = _digest(path)
    return inputs


def _in_parallel(plan: list[Notebook], attempt: Callable[[Notebook], Result], jobs: int) -> list[Result]:
    """The longest first, so that no long one is left for the end; results in the order of the plan."""
    waiting, running, results = sorted(plan, key=lambda notebook: -notebook.minutes), {}, {}
    with ThreadPoolExecutor(jobs) as pool:  # threads, because each only waits for a kernel
        while waiting or running:
            unfinished = {notebook.name for notebook in [*waiting, *running.values()]}
            ready = [notebook for notebook in waiting if not unfinished & {*notebook.needs}]
            for notebook in ready[: jobs - len(running)]:
                waiting.remove(notebook)
                running[pool.submit(attempt, notebook)] = notebook
            try:
                done = wait(running, return_when=FIRST_COMPLETED).done
            except KeyboardInterrupt:
                import psutil

                for kernel in psutil.Process().children():  # or the threads would wait for them
                    kernel.kill()
                raise
            for future in done:
                result, name = future.result(), running.pop(future).name
                results[name] = result
                waiting = [] if result.error else waiting
                # One line a notebook: a log shows the same as a terminal.
                print(
                    f"[{len(results):2d}/{len(plan)}] {name:24s} {result.status:10s} {result.seconds:7.1f} s  "
                    f"{result.message}".rstrip(),
                    flush=True,
                )
    return [results[notebook.name] for notebook in plan if notebook.name in results]


def _digest(path: Path) -> str | None:
    return sha256(path) if path.is_file() else None

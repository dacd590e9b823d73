"""Run the notebooks of the course with papermill, strictly, only those whose inputs changed, and compare the results.

Papermill alone forgives what a reproduction must not: a misspelt parameter, a missing `parameters` tag and
`sys.exit(0)` in a cell all end with exit code 0. Here each is refused with one sentence. After a clean run a stamp
(`NAME.json` beside the executed notebook) records what went in and what came out, so that a second call does no work
and a failed one goes on where it stopped: code cells, parameters, package, data, versions, results, and what the
metadata names, `lineart: {"needs": ["09b_table_1"], "reads": ["figures/seeds_toon.csv"]}`. The stamps are our own:
jupyter-cache knows only of code cells, and doit must be told beforehand what a notebook will write.

Results go to `runs/<profile>/figures` and are compared with the committed `figures/`, which only `publish` writes.
"""

import hashlib
import json
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from importlib import metadata
from pathlib import Path

from filelock import FileLock, Timeout

from lineart import config
from lineart.config import InputError
from lineart.course import kernel
from lineart.course.compare import difference
from lineart.course.kernel import Notebook
from lineart.files import PACKAGES, sha256, whole, write_text

TIMEOUT = 600  # seconds a cell
JOBS = 2  # notebooks at a time: so many fit into the 4 GB that the course promises
# glibc keeps freed memory instead of fetching and clearing it anew for every layer: a fifth of a network's time
KEEP_MEMORY = {f"MALLOC_{name}_THRESHOLD_": str(2**30) for name in ("MMAP", "TRIM")}


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

    only: names or numbers of notebooks ("09b_table_1", "09b", "09"), none for all. Each of them must assign each of the
    `parameters`. notebooks: their folder, in which the kernels work, too; executed ones and stamps go to `output`.
    timeout: seconds a cell; jobs: notebooks at a time; force: run unchanged ones, too.
    Returns 1 if `strict` and a result is not as committed, else 0. Raises InputError; a notebook that failed is then in
    `output` as `NAME.failed.ipynb`.
    """
    comparable = profile == "classroom" and not parameters and not os.environ.get("LINEART_SOURCE")
    if (publish or strict) and not comparable:
        raise InputError("publish and strict are for the classroom's own results: no parameters, no LINEART_SOURCE")
    course = Course(profile, only, parameters, notebooks, output)
    course.run(timeout, force, jobs)
    if publish:
        print(f"published: {', '.join(course.publish()) or 'nothing new'}")
    return int(comparable and course.compare() > 0 and strict)


def parse_parameters(pairs: Sequence[Sequence[str]]) -> dict:
    """Parameters of the command line; YAML gives true, null and [1, 2] their types, which papermill's -p does not."""
    if not pairs:
        return {}
    import yaml  # of the extra for notebooks

    try:
        return {name: yaml.safe_load(text) for name, text in pairs}
    except (yaml.YAMLError, ValueError) as error:  # of a date that there is not
        raise InputError(f"the value of a parameter must be YAML: {error}") from None


class Course:
    """The chosen notebooks, read and checked before anything runs, and their folders; arguments as in `reproduce`."""

    def __init__(self, profile="classroom", only=(), parameters=None, notebooks=None, output=None) -> None:
        if profile not in config.PROFILES:
            raise InputError(f"profile must be one of {', '.join(config.PROFILES)}, got {profile!r}")
        if "profile" in (parameters or {}):
            raise InputError("profile is chosen for the whole run, not as a parameter")
        folder = Path(notebooks or config.ROOT / "notebooks").resolve()
        self.profile, self.parameters = profile, parameters or {}
        self.output = Path(output or config.ROOT / "runs" / profile / "notebooks").resolve()
        self.figures, self.committed = config.figures_dir(profile), config.ROOT / "figures"
        if self.output == folder:
            raise InputError(f"output must be another folder than that of the notebooks, got {folder}")
        self.notebooks = [kernel.read(path) for path in kernel.find(folder, only)]
        for notebook in self.notebooks:
            for need in notebook.needs:
                if not (folder / f"{need}.ipynb").is_file() or need >= notebook.name:
                    raise InputError(f"{notebook.name} needs {need!r}, which is not a notebook before it")
            if self.parameters:
                kernel.check_parameters(notebook, self.parameters)

    def run(self, timeout: int = TIMEOUT, force: bool = False, jobs: int = JOBS) -> dict[str, str]:
        """Run the notebooks that have to, each after those whose results it needs; after a failure none is started.

        Returns "ran" or "unchanged" for each of them by name.
        """
        if min(timeout, jobs) < 1:
            raise InputError(f"timeout and jobs must be at least 1, got {timeout} and {jobs}")
        self.output.mkdir(parents=True, exist_ok=True)
        start, common = time.perf_counter(), _package_and_data()

        def attempt(notebook: Notebook) -> str:
            inputs = common | self._inputs(notebook)
            if reason := "forced" if force else self._reason_to_run(notebook.name, inputs):
                return f"ran        {self._execute(notebook, inputs, timeout, jobs):5d} MB  ({reason})"
            return "unchanged"

        try:
            with FileLock(self.output / ".lock", timeout=0):
                results = _in_parallel(self.notebooks, attempt, jobs)
        except Timeout as error:
            sentence = f"notebooks must be run by one process at a time, another one is at {self.output}"
            raise InputError(sentence) from error
        status = {notebook.name: results[notebook.name].split()[0] for notebook in self.notebooks}
        ran = [*status.values()].count("ran")
        print(f"{ran} ran, {len(status) - ran} unchanged, {time.perf_counter() - start:.1f} s in all", flush=True)
        return status

    def publish(self) -> list[str]:
        """Results into `figures/`, outputs into the notebooks, right after a run; returns what changed."""
        import nbformat

        for notebook in self.notebooks:
            if notebook.path.read_text(encoding="utf-8") != notebook.text:
                raise InputError(f"{notebook.name} has changed since the run began, so nothing is published; run again")
        changed = []
        for notebook in self.notebooks:
            stamp = self.stamp(notebook.name)
            for file, digest in stamp["outputs"].items():
                if _digest(self.committed / file) != digest:
                    with whole(self.committed / file) as temporary:
                        shutil.copyfile(self.figures / file, temporary)
                    changed.append(file)
            clean = kernel.without_outputs(notebook.text)
            executed = nbformat.read(self.output / f"{notebook.name}.ipynb", as_version=4)
            for cell, ran in zip(clean.cells, executed.cells, strict=True):
                if cell.cell_type == "code":
                    cell.outputs, cell.execution_count = ran.outputs, ran.execution_count
            clean.cells[0].source = kernel.TAKES.sub(
                f"Classroom: {max(stamp['seconds'] / 60, 0.1):.1f} minutes and {stamp['peak_mb'] / 1000:.1f} GB "
                f"on {os.cpu_count()} CPU cores",
                clean.cells[0].source,
            )
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
        if lacking := [need for need in notebook.needs if not self._stands(inputs["needs"][need])]:
            raise InputError(f"{notebook.name} needs the results of {lacking[0]}, which has no finished run")
        needed = {file: digest for need in notebook.needs for file, digest in inputs["needs"][need].items()}
        with tempfile.TemporaryDirectory(prefix=f".{notebook.name}.", dir=self.output) as scratch:
            # Its own folder, with copies of what it needs: so it is known who wrote what, and a failure leaves nothing.
            own, runs = Path(scratch) / "figures", Path(scratch) / "provenance"
            own.mkdir()
            runs.mkdir()
            for file in needed:
                shutil.copy(self.figures / file, own)
            environment = {"LINEART_PROFILE": self.profile, "LINEART_FIGURES": str(own)} | KEEP_MEMORY
            if jobs > 1:  # a core for each kernel: threads of two that share both wait for each other
                environment["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS", "1")
            began = time.perf_counter()
            peak_mb = kernel.execute(notebook, self.parameters, self.output, environment, timeout)
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

    def _stands(self, outputs: dict[str, str] | None) -> bool:
        """Whether a run has ended, and what it wrote is still there as it was."""
        return outputs is not None and all(_digest(self.figures / file) == digest for file, digest in outputs.items())

    def _inputs(self, notebook: Notebook) -> dict:
        """What decides what this notebook does, by name."""
        cells = [cell for cell in notebook.cells if cell["cell_type"] == "code"]
        code = [(cell["source"], sorted(kernel.tags_of(cell))) for cell in cells]
        needs = {need: (self.stamp(need) or {}).get("outputs") for need in notebook.needs}
        return {
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


def _package_and_data() -> dict:
    """What every notebook depends on. Versions are read, nothing is imported: that takes seconds."""
    found = {name: next(iter(metadata.distributions(name=name)), None) for name in PACKAGES}
    inputs = {"python": platform.python_version(), **{name: found[name] and found[name].version for name in found}}
    for path in sorted(file for folder in ("lineart", "data") for file in (config.ROOT / folder).rglob("*.*")):
        parts = path.relative_to(config.ROOT).parts  # READMEs say nothing to the code, and caches come and go
        if path.suffix != ".md" and not any(part.startswith(".") or "cache" in part for part in parts):
            inputs["/".join(parts)] = _digest(path)
    return inputs


def _in_parallel(plan: list[Notebook], attempt: Callable[[Notebook], str], jobs: int) -> dict[str, str]:
    """What `attempt` returned, by name. The longest first, so that no long one is left for the end.

    After an InputError nothing is started; it is raised when what runs has come to its end.
    """
    waiting, running, results, failure = sorted(plan, key=lambda notebook: -notebook.minutes), {}, {}, None
    with ThreadPoolExecutor(jobs) as pool:  # threads, because each only waits for a kernel
        while waiting or running:
            unfinished = {notebook.name for notebook in [*waiting, *(notebook for notebook, _ in running.values())]}
            ready = [notebook for notebook in waiting if not unfinished & {*notebook.needs}]
            for notebook in ready[: jobs - len(running)]:
                waiting.remove(notebook)
                running[pool.submit(attempt, notebook)] = notebook, time.perf_counter()
            try:
                done = wait(running, return_when=FIRST_COMPLETED).done
            except KeyboardInterrupt:
                import psutil

                for process in psutil.Process().children():  # or the threads would wait for the kernels
                    process.kill()
                raise
            for future in done:
                notebook, began = running.pop(future)
                try:
                    results[notebook.name] = future.result()
                except InputError as error:
                    results[notebook.name], failure, waiting = f"failed     {error}", failure or error, []
                # One line a notebook: a log shows the same as a terminal.
                count, seconds = f"[{len(results):2d}/{len(plan)}]", f"{time.perf_counter() - began:7.1f} s"
                print(f"{count} {notebook.name:24s} {seconds}  {results[notebook.name]}", flush=True)
    if failure:
        raise failure
    return results


def _digest(path: Path) -> str | None:
    return sha256(path) if path.is_file() else None

"""One notebook run by papermill in a kernel of this very interpreter, and the sentence that says why it failed."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lineart import config
from lineart.course.plan import INJECTED, Notebook, ReproduceError, tags_of

SAMPLE_EVERY = 0.5  # seconds between two looks at the kernel's memory
BANNER = "papermill-error-cell-tag"  # papermill's tag of the two cells that it adds after an error


def import_extra(name: str):
    try:
        return __import__(name)
    except ImportError as error:
        raise ReproduceError(f'{error.name or name} is missing: pip install "lineart[notebooks]"') from None


def without_outputs(text: str):
    """The notebook in nbformat 4.5, with cell ids that stay the same from run to run, and no outputs."""
    nbformat = import_extra("nbformat")
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


def execute(notebook: Notebook, output: Path, profile: str, timeout: int) -> int:
    """Run a notebook into `output/NAME.ipynb`; returns the peak memory of its kernel in MB."""
    import logging

    papermill, nbformat = import_extra("papermill"), import_extra("nbformat")
    node = without_outputs(notebook.text)
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
    cells = [cell for cell in executed.cells if not {INJECTED, BANNER} & set(tags_of(cell))]
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

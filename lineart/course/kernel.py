"""One notebook: read and checked, then run by papermill in a kernel of this very interpreter, and why it failed."""

import ast
import json
import logging
import os
import re
import sys
import tempfile
import typing
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lineart import config
from lineart.config import InputError, MissingFile

INJECTED = "injected-parameters"  # papermill's tag of the cell that it adds
BANNER = "papermill-error-cell-tag"  # and of the two that it adds after an error
TAKES = re.compile(r"(?<=\*\*Takes\.\*\* )Classroom: ([\d.]+) minutes and [\d.]+ GB on \d+ CPU cores")


@dataclass(frozen=True)
class Notebook:
    """A notebook as it was when the run began."""

    path: Path
    text: str
    cells: list[dict]
    needs: list[str]  # notebooks before it whose results it reads
    reads: list[str]  # files of the repository that no notebook writes, such as figures/seeds_toon.csv
    minutes: float  # that it took when it was published; 0 if it never was

    @property
    def name(self) -> str:
        return self.path.stem


def find(folder: Path | None = None, only: Sequence[str] = ()) -> list[Path]:
    """The notebooks of a folder, by default the course's, in order; of them those that `only` names, if it names any.

    only: names, numbers, or numbers of lessons: "09b_table_1", "09b", "09". Raises MissingFile where there are no
    notebooks, InputError for a name that none has.
    """
    folder = Path(folder or config.ROOT / "notebooks").resolve()
    names = {
        path: {path.stem, path.stem.partition("_")[0], path.stem[:2]} for path in folder.glob("[0-9][0-9]*_*.ipynb")
    }
    if not names:
        raise MissingFile(f"there must be notebooks called NN_name.ipynb in {folder}, found none")
    for wanted in only:
        if not any(wanted in called for called in names.values()):
            raise InputError(f"no notebook {wanted!r}; there are {', '.join(path.stem for path in sorted(names))}")
    return sorted(path for path, called in names.items() if not only or called & {*only})


def tags_of(cell: dict) -> list[str]:
    return cell["metadata"].get("tags", [])


def read(path: Path) -> Notebook:
    """With json: importing nbformat would take longer than all else that an unchanged course needs."""
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text)
        cells = [dict(cell, source="".join(cell["source"])) for cell in content["cells"]]
        tags = [(cell["cell_type"], tag) for cell in cells for tag in tags_of(cell)]
        own, takes = content["metadata"].get("lineart", {}), TAKES.search(cells[0]["source"])
    except (ValueError, LookupError, TypeError, AttributeError) as error:  # what is not UTF-8 is a ValueError, too
        raise InputError(f"{path.name} is not a notebook: {error!r}") from None
    if INJECTED in [tag for _, tag in tags]:
        raise InputError(f"{path.stem} holds a cell tagged {INJECTED!r} of an earlier run; remove it")
    if (number := tags.count(("code", "parameters"))) != 1:
        raise InputError(f"{path.stem} must have one code cell tagged 'parameters', it has {number}")
    return Notebook(path, text, cells, own.get("needs", []), own.get("reads", []), float(takes[1]) if takes else 0)


def check_parameters(notebook: Notebook, parameters: dict) -> None:
    """Refuse what the parameters cell does not assign, as papermill reads it, and a value of another type."""
    from papermill import inspect_notebook
    from pydantic import TypeAdapter, ValidationError

    known = inspect_notebook(without_outputs(notebook.text))
    for name, value in parameters.items():
        if name not in known:
            raise InputError(
                f"{notebook.name} has no parameter {name!r}; its parameters cell assigns "
                f"{', '.join(known) or 'nothing'} (choose the notebooks that have it with only)"
            )
        kind = known[name]["inferred_type_name"]
        try:
            if kind == "None":  # no annotation: the default's type, where that is written out and not None itself
                kind = type(ast.literal_eval(known[name]["default"])).__name__
            if kind != "NoneType":
                adapter = TypeAdapter(eval(kind, dict(vars(typing))))
                adapter.validate_json(json.dumps(value), strict=True)  # as JSON, where a list may stand for a tuple
        except (ValidationError, NameError, TypeError):  # the last of what JSON does not know
            what = f"{notebook.name}: parameter {name!r}"
            raise InputError(f"{what} must be {kind}, got {value!r} ({type(value).__name__})") from None
        except (ValueError, SyntaxError):
            pass  # a computed default says nothing about the type


def without_outputs(text: str):
    """The notebook in nbformat 4.5 without outputs, timing and the kernel's name."""
    import nbformat

    notebook = nbformat.v4.upgrade(nbformat.reads(text, as_version=4))
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
    python = {"display_name": "Python 3", "language": "python", "name": "python3"}
    own = {key: value for key, value in notebook.metadata.items() if key == "lineart"}
    notebook.metadata = nbformat.from_dict({"kernelspec": python, "language_info": {"name": "python"}} | own)
    return notebook


def execute(notebook: Notebook, parameters: dict, output: Path, environment: dict[str, str], timeout: int) -> int:
    """Run a notebook into `output/NAME.ipynb`; returns the peak memory of its kernel in MB.

    Raises InputError; the notebook as far as it came is then `output/NAME.failed.ipynb`.
    """
    try:
        import nbformat
        import papermill
    except ImportError as error:
        raise InputError(f'{error.name} is missing: pip install "lineart[notebooks]"') from None
    node, manager, peak = without_outputs(notebook.text), _kernel_manager(environment), [0]
    done, running, failed = (output / f"{notebook.name}{kind}.ipynb" for kind in ("", ".running", ".failed"))
    running.unlink(missing_ok=True)
    logging.getLogger("papermill").setLevel(logging.CRITICAL)  # what matters is said once, by us
    problem = None
    try:
        papermill.execute_notebook(
            node,
            str(running).replace("{", "{{").replace("}", "}}"),  # papermill formats the path
            parameters=parameters,
            kernel_name="python3",
            language="python",
            progress_bar=False,
            execution_timeout=timeout,
            kernel_manager_class=manager,
            on_cell_executed=lambda **_: peak.append(_peak_mb(manager.started[-1].provisioner.pid)),
            resources={"metadata": {"path": str(notebook.path.parent)}},  # `cwd` would move this process, too
            coalesce_streams=True,  # the same output, however its text was buffered
        )
    except Exception as error:  # whatever papermill, nbclient or the kernel raise, the reader gets one sentence
        problem = _reason(error, timeout)
    written = running.is_file()
    if message := _failure(nbformat.read(running, as_version=4) if written else node, problem):
        if written:
            os.replace(running, failed)
        raise InputError(f"{notebook.name}: {message}" + (f"; the notebook is kept as {failed}" if written else ""))
    os.replace(running, done)
    failed.unlink(missing_ok=True)
    return max(peak)


def _reason(error: Exception, timeout: int) -> str:
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    if isinstance(error, CellTimeoutError):
        return f"it took longer than the limit of {timeout} s a cell (timeout)"
    if isinstance(error, DeadKernelError):
        return "the kernel died (killed, out of memory, or left by os._exit)"
    # papermill's error holds name and message of the one in the cell; of several lines the first says what is wrong.
    name, value = getattr(error, "ename", type(error).__name__), getattr(error, "evalue", str(error))
    return ": ".join([name, *value.strip().splitlines()[:1]])


def _failure(executed, problem: str | None) -> str | None:
    """What went wrong and in which cell; None if every cell ran to its end.

    Never trust the metadata: papermill calls a run completed whose kernel died or that left with sys.exit(0).
    """
    cells = [cell for cell in executed.cells if not {INJECTED, BANNER} & set(tags_of(cell))]
    code = [
        (f"cell {number} ({cell.source.strip().splitlines()[0][:60]!r})", cell)
        for number, cell in enumerate(cells, start=1)
        if cell.cell_type == "code" and cell.source.strip()
    ]
    errors = [place for place, cell in code if any(out.output_type == "error" for out in cell.outputs)]
    started = [place for place, cell in code if cell.metadata.get("papermill", {}).get("start_time")]
    skipped = [place for place, cell in code if cell.execution_count is None]
    if problem:
        failing = errors[:1] or started[-1:]
        return f"{failing[0]} failed: {problem}" if failing else f"the kernel did not start: {problem}"
    if skipped:
        return f"{skipped[0]} did not run" + (f", because {errors[0]} ended the notebook early" if errors else "")
    return f"{errors[0]} ended the notebook early" if errors else None  # sys.exit(0) in the last cell


def own_sockets() -> dict[str, str]:
    """Settings of a kernel manager: sockets in the folder for temporary files, with names that no other kernel has.

    A network port is chosen before its kernel takes it, so that kernels which start together can be given the same
    one, and then one of them never answers. But Windows has no such sockets, and their paths must be short.
    """
    path = os.path.join(tempfile.gettempdir(), f"kernel-{uuid.uuid4().hex[:16]}")
    return {} if os.name == "nt" or len(path) > 100 else {"transport": "ipc", "ip": path}


def _kernel_manager(environment: dict[str, str]) -> type:
    """A class of kernel managers whose `python3` is this very interpreter, whatever other `python3` the machine has."""
    import zmq
    from ipykernel.kernelspec import get_kernel_dict
    from jupyter_client import AsyncKernelManager
    from jupyter_client.kernelspec import KernelSpec

    spec = get_kernel_dict(["--log-level=CRITICAL"])  # else it complains of the interrupt before a shutdown
    environment = {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(config.ROOT), os.environ.get("PYTHONPATH")])),
        "TQDM_DISABLE": "1",  # tqdm writes nothing but 0 % into a notebook
        "LINEART_STATIC": "1",  # pictures without sliders, also where a cell in JupyterLab starts the runner
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # no debugger's warning at every start
        **environment,
    }

    class ThisPython(AsyncKernelManager):
        started: list = []
        kernel_spec = KernelSpec(env={name: value.replace("$", "$$") for name, value in environment.items()}, **spec)

        def __init__(self, **settings) -> None:
            super().__init__(**own_sockets() | settings)
            if self.has_trait("transport_encryption") and zmq.has("curve"):  # else a new ipykernel warns
                self.transport_encryption = "auto"
            self.started.append(self)

    return ThisPython


def _peak_mb(pid: int) -> int:
    """The largest memory of a process so far, where the system keeps it (Linux); else what it holds now."""
    import psutil

    try:
        if sys.platform == "linux":
            return int(re.search(r"VmHWM:\s*(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1]) // 1024
        return psutil.Process(pid).memory_info().rss // 2**20
    except (psutil.Error, OSError, TypeError):  # sys.exit(0) has just ended it
        return 0

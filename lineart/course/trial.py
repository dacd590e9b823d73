"""One exercise of one submission, judged in a process of its own: a fork of the kernel that runs the course's page.

So every student finds the page's names as the page has them, nobody's changes reach another, and a class of thirty
costs one run of the page. The process has a time limit, a folder of its own, and a fence: Python's audit hook, which
cannot be taken away again, refuses to change a file outside that folder, to start a program and to use the network.
That stops slips and mischief. It is no prison: Python cannot hold a student who sets out to break it.
"""

import ast
import contextlib
import functools
import json
import multiprocessing
import os
import sys
import tempfile
import threading
import traceback
import types
from collections.abc import Callable, Iterator
from pathlib import Path

from lineart.course import checks
from lineart.course.checks import verdict
from lineart.course.pages import same_code, statements

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FILE = "<exercise>"  # by which a student's code is known in a stack
MEMORY = 4 * 2**30  # bytes that a trial may take beyond what the page holds
CHANGES = {
    "os.remove", "os.rmdir", "os.rename", "os.truncate", "os.link", "os.symlink", "os.chmod", "os.chown", "os.mkdir",
    "shutil.rmtree", "shutil.move", "shutil.copyfile",
}  # fmt: skip
NEVER = {
    "subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.kill",
    "os.killpg", "pty.spawn", "socket.connect", "socket.bind", "urllib.Request",
}  # fmt: skip


def try_all(job: str, number: str, namespace: dict) -> None:
    """Judge every student's code of an exercise with the names that the page has here; called by the page's kernel.

    job: a JSON file with `limit` in seconds, and of each exercise `check`, `stub`, `solution` and `codes` by student.
    Writes `number.json` beside it: for each student [status, words], under "" what became of the course's own solution.
    """
    task = json.loads(Path(job).read_text(encoding="utf-8"))
    own = task["exercises"][number]

    def one(code: str, allowed: list[str] | None) -> dict:
        exercise = {"code": code, "check": own["check"], "stub": own["stub"], "allowed": allowed}
        return alone(task["limit"], judge, exercise, dict(namespace))

    course = one(own["solution"], None)
    allowed = course["called"] if course["status"] == "solved" else None
    results = {student: one(code, allowed) for student, code in own["codes"].items()}
    report = {
        student: [found["status"], _printable(found["words"])] for student, found in ({"": course} | results).items()
    }
    Path(job).with_name(f"{number}.json").write_text(json.dumps(report), encoding="utf-8")


def _printable(words: str) -> str:
    return words.encode(errors="backslashreplace").decode()  # half a character, which no file takes


def alone(limit: float, function: Callable[..., dict], *arguments) -> dict:
    """What function(*arguments) reports from a fork of this process, or status error where it says nothing in time.

    limit: seconds. As JSON, because what a student's process sends must not be unpickled.
    """
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        process = context.Process(target=_child, args=(theirs, folder, function, arguments))
        process.start()
        theirs.close()
        try:
            if ours.poll(limit):
                return json.loads(ours.recv_bytes())
            return {"status": "error", "words": f"it was not done after {limit:g} s: an endless loop?"}
        except EOFError:
            process.join()
            return {"status": "error", "words": f"it ended Python itself (exit status {process.exitcode})"}
        finally:
            process.kill()
            process.join()
            ours.close()


def _child(pipe, folder: str, function: Callable, arguments: tuple) -> None:
    sys.stdin, sys.stdout, sys.stderr = open(os.devnull), open(os.devnull, "w"), open(os.devnull, "w")
    sys.dont_write_bytecode, tempfile.tempdir = True, folder
    os.chdir(folder)
    _limit_memory()
    refused = fence(folder)
    report = function(*arguments)
    if refused:
        report |= {"status": "error", "words": f"it wanted to {refused[0]}, which was refused"}
    pipe.send_bytes(json.dumps(report).encode())


def _limit_memory() -> None:
    import resource

    import psutil

    held = psutil.Process().memory_info().vms
    if sys.platform == "linux":  # elsewhere the limit is not kept, or counts what is only reserved
        resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY, held + MEMORY))


def fence(folder: str) -> list[str]:
    """From now on this process changes files only in `folder` and starts nothing; returns a list of what it refused."""
    refused, inside = [], os.path.realpath(folder)

    def leaves(path, base: int = -1) -> bool:
        if isinstance(path, int) or path is None:
            return False
        start = os.readlink(f"/proc/self/fd/{base}") if base >= 0 else ""
        path = os.path.realpath(os.path.join(start, os.fsdecode(path)))
        return path != os.devnull and os.path.commonpath([inside, path]) != inside

    def hook(event: str, arguments: tuple) -> None:
        wish = None
        if event in NEVER:
            wish = f"call {event}"
        elif event in CHANGES:
            base = arguments[-1] if event != "os.truncate" and isinstance(arguments[-1], int) else -1
            paths = [path for path in arguments[:2] if isinstance(path, (str, bytes, os.PathLike))]
            if any(leaves(path, base) for path in paths):
                wish = f"call {event} on {os.fsdecode(paths[0])}"
        elif event == "open" and _writes(*arguments[1:]) and leaves(arguments[0]):
            wish = f"write {os.fsdecode(arguments[0])}"
        if wish:
            refused.append(wish)
            raise PermissionError(f"refused: {wish}")

    sys.addaudithook(hook)
    return refused


def _writes(mode: str | None, flags: int) -> bool:
    wanted = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    return bool(flags & wanted) if mode is None else bool({*"wax+"} & {*mode})


def judge(exercise: dict, names: dict) -> dict:
    """Run a student's code among `names` and ask the course's check; status solved, tried, untouched or error.

    exercise: `code`, `check`, `stub`, and `allowed`: what of the package the code may call, None for all. The report
    has `called`, what it called.
    """
    from IPython.core.inputtransformer2 import TransformerManager

    said, called = [], set()
    own = {module: dict(vars(module)) for name, module in sys.modules.items() if name.startswith(checks.__name__)}
    try:
        nodes = statements(TransformerManager().transform_cell(exercise["code"]))
        with _watched(called):
            exec(compile(ast.Module(nodes, []), FILE, "exec"), names)
            for module, content in own.items():  # a check is the course's own, whatever the code made of it
                vars(module).update(content)
            if foreign := _foreign(exercise["stub"], names):
                return {"status": "error", "words": foreign}
            verdict.say = lambda name, words: said.append((name, words))
            eval(compile(exercise["check"], "<check>", "eval"), names | {"check": checks})
    except BaseException as error:  # SystemExit, too
        return {"status": "error", "words": _told(error)}
    return _report(exercise, said, called)


def _report(exercise: dict, said: list[tuple[str, str]], called: set[str]) -> dict:
    """What a check said as a status; "right" is none where the code had the package do what the exercise asks for.

    said: (name, words), one where the check has one thing to judge, as nearly all have.
    """
    borrowed = sorted(called - {*exercise["allowed"]}) if exercise["allowed"] is not None else []
    words = said[0][1] if len(said) == 1 else " ".join(f"{name}: {text}" for name, text in said)
    if not said:
        status, words = "error", "the check said nothing"
    elif not all(text.startswith("right") for _, text in said):
        status = "untouched" if same_code(exercise["code"], exercise["stub"]) else "tried"
    elif borrowed:
        status = "error"
        words = f"it calls the package's own {borrowed[0]}, which the course's solution does without"
    else:
        status = "solved"
    return {"status": status, "words": words, "called": [*called]}


@contextlib.contextmanager
def _watched(called: set[str]) -> Iterator[None]:
    """Into `called` goes each of the package's functions that the student's code calls, itself or through others."""

    def profile(frame, event: str, _) -> None:
        file = frame.f_code.co_filename
        if event == "call" and file.startswith(PACKAGE) and file != __file__:
            above = frame.f_back
            while above and above.f_code.co_filename != FILE:
                above = above.f_back
            if above:
                called.add(f"{frame.f_globals['__name__']}.{frame.f_code.co_qualname}")

    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        yield
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def _foreign(stub: str, names: dict) -> str | None:
    """What to say where the exercise's name stands for something that was not written there, as `my_x = F.x`."""
    for node in statements(stub):
        targets = node.targets if isinstance(node, ast.Assign) else [node]
        for name in [getattr(target, "name", getattr(target, "id", None)) for target in targets]:
            value = names.get(name)
            while isinstance(value, functools.partial):
                value = value.func
            written = value if isinstance(value, (type, types.FunctionType)) else type(value)
            if callable(value) and written.__module__ != names.get("__name__"):
                whose = f"{written.__module__}.{getattr(value, '__qualname__', written.__qualname__)}"
                return f"{name} is {whose}, not written here"
    return None


def _told(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return "it ended Python itself (sys.exit)"
    if isinstance(error, SyntaxError):
        return f"line {error.lineno} of the exercise is no Python: {error.msg}"
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == FILE]
    where = f"line {lines[-1]} of the exercise" if lines else "the exercise"
    return f"{where} raised {type(error).__name__}: {(str(error) or 'no message').splitlines()[0]}"

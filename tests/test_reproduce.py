"""`lineart reproduce`: every trap of papermill is caught, no work is done twice, and results prove themselves."""

import json
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from filelock import FileLock
from PIL import Image

from lineart import config
from lineart.config import InputError, MissingFile
from lineart.course import reproduce as module
from lineart.course.compare import difference
from lineart.course.reproduce import Course, parse_parameters, reproduce

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("papermill")
v4 = nbformat.v4

PROFILE = 'import os\nprofile: str = os.environ.get("LINEART_PROFILE", "classroom")  # smoke, classroom or paper'


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A repository with a package, data and no notebooks yet; returns a function that adds a notebook."""
    root = tmp_path / "a {course} of $5"  # what paths may hold
    for file, text in {
        "lineart/__init__.py": "ANSWER = 42\n",
        "data/pairs.csv": "line,reference\n1,2\n",
        "figures/seeds.csv": "1",
    }.items():
        (root / file).parent.mkdir(parents=True)
        (root / file).write_text(text)
    monkeypatch.setattr(config, "ROOT", root)
    for name in ("LINEART_FIGURES", "LINEART_PROFILE", "LINEART_SOURCE"):
        monkeypatch.delenv(name, raising=False)

    def add(name, *sources, parameters=PROFILE, needs=(), reads=(), tags=("parameters",), opening="# Title"):
        cells = [
            v4.new_markdown_cell(opening, id="title"),
            v4.new_code_cell(parameters, id="parameters", metadata={"tags": list(tags)}),
        ]
        cells += [v4.new_code_cell(source, id=f"code-{i}") for i, source in enumerate(sources)]
        notebook = v4.new_notebook(cells=cells)
        notebook.metadata = {
            "kernelspec": {"name": "a_kernel_nobody_has", "display_name": "x", "language": "python"},
            "lineart": {"needs": list(needs), "reads": list(reads)},
        }
        (root / "notebooks").mkdir(exist_ok=True)
        nbformat.write(notebook, root / "notebooks" / f"{name}.ipynb")
        return root

    add.root, add.output, add.figures = root, *(root / "runs/classroom" / name for name in ("notebooks", "figures"))
    return add


def run(**how):
    """What became of each notebook, by name."""
    return Course(how.pop("profile", "classroom"), how.pop("only", ()), how.pop("parameters", None)).run(**how)


def writes(name, text):
    """Source of a cell that writes a result."""
    return f"import os, pathlib\npathlib.Path(os.environ['LINEART_FIGURES'], {name!r}).write_text({text!r})"


def refused(course, match, **how):
    with pytest.raises(InputError, match=match):
        reproduce(**how)
    assert not list(course.output.glob("[!.]*"))


def test_what_is_refused_before_anything_runs(course):
    with pytest.raises(MissingFile, match="notebooks called NN_name.ipynb in "):
        reproduce()
    course("01_a", parameters="seed: int = 0")
    refused(course, "profile must be one of smoke, classroom, paper, got 'big'", profile="big")
    refused(course, "profile is chosen for the whole run", parameters={"profile": "paper"})
    refused(course, "no notebook '7'; there are 01_a", only=["7"])
    refused(course, "timeout and jobs must be at least 1, got 0 and", timeout=0)
    refused(course, "output must be another folder", output=course.root / "notebooks")
    refused(course, r"01_a: parameter 'seed' must be int, got 'many' \(str\)", parameters={"seed": "many"})
    course("02_b", parameters="steps: int = 1")
    refused(course, "01_a has no parameter 'sed'; its parameters cell assigns seed", parameters={"sed": 1})
    # also where another notebook has it: nobody should think that it was set everywhere
    refused(course, "02_b has no parameter 'seed'", parameters={"seed": 1})
    for how in ({"parameters": {"seed": 3}, "publish": True}, {"profile": "smoke", "strict": True}):
        refused(course, "for the classroom's own results", **how)
    course("02_b", needs=["03_c"])
    course("03_c")
    refused(course, "02_b needs '03_c', which is not a notebook before it")
    course("02_b", tags=("parameters", "injected-parameters"))
    refused(course, "02_b holds a cell tagged 'injected-parameters' of an earlier run")
    course("02_b", tags=("parameter",))
    refused(course, "02_b must have one code cell tagged 'parameters', it has 0")


@pytest.mark.parametrize(
    ("assignment", "good", "bad"),
    [
        ("x: int = 1", [2, -1], [True, 1.5, "2", None]),
        ("x: float = 1.0", [2, 2.5], [True, "2"]),
        ("x: str = os.environ.get('X', '')", ["a", ""], [1, None, {1}]),
        ("x: Optional[list[int]] = None", [None, [1, 2], []], [[1, "a"], 1]),
        (
            "x: tuple[float, ...] = (0.5,)",
            [],
            [[0.5]],
        ),  # which papermill cannot read: refused, never injected unchecked
        ("x: dict[str, int] = {}", [{"a": 1}], [{"a": "b"}, [1]]),
        ("x: Path = Path()", [], ["x"]),
        ("x = 3", [4], ["a", 0.5, True]),  # no annotation: the default's type
        ("x = None", [4, "a", None], []),
        ("x = int(os.environ.get('X', 1))", [4, "a"], []),  # cannot be told
    ],
)
def test_a_value_of_another_type_is_refused(course, assignment, good, bad):
    course("01_a", parameters=assignment)
    for value in good:
        Course(parameters={"x": value})
    for value in bad:
        with pytest.raises(InputError, match="01_a: parameter 'x' must be .*, got |01_a has no parameter 'x'"):
            Course(parameters={"x": value})


@pytest.mark.parametrize("part", ["cells", "metadata", "nbformat"])
def test_a_damaged_notebook_is_named(course, part):
    path = course("01_a") / "notebooks" / "01_a.ipynb"
    path.write_text(path.read_text().replace(f'"{part}"', '"x"') if part != "nbformat" else path.read_text()[:-9])
    refused(course, "01_a.ipynb is not a notebook: ")


def test_values_of_the_command_line_are_yaml():
    pairs = [("flag", "yes"), ("none", "null"), ("numbers", "[1, 2]"), ("word", "a b")]
    assert parse_parameters(pairs) == {"flag": True, "none": None, "numbers": [1, 2], "word": "a b"}
    for text in ("[1", "2024-13-45"):
        with pytest.raises(InputError, match="must be YAML"):
            parse_parameters([("value", text)])


def test_missing_papermill_is_one_sentence(course, monkeypatch):
    course("01_a")
    monkeypatch.setitem(sys.modules, "papermill", None)
    refused(course, 'papermill is missing: pip install "lineart')


DEAD = "import os\nos.kill(os.getpid(), 9)"


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        (
            [writes("half.csv", "1"), "\n# half\nraise ValueError('size is odd:\\n3')"],
            "cell 4 ('# half') failed: ValueError: size is odd:",
        ),
        (
            ["import sys; sys.exit(0)", "", "x = 'never'"],
            "cell 5 (\"x = 'never'\") did not run, because cell 3 ('import sys; sys.exit(0)') ended the notebook early",
        ),
        (["raise SystemExit"], "cell 3 ('raise SystemExit') ended the notebook early"),
        ([DEAD, "x = 1"], "cell 3 ('import os') failed: the kernel died (killed, out of memory, or left by os._exit)"),
        (
            ["import time\ntime.sleep(60)"],
            "cell 3 ('import time') failed: it took longer than the limit of 2 s a cell (timeout)",
        ),
    ],
)
def test_a_failure_names_cell_and_reason_and_keeps_the_notebook(course, sources, message):
    course("01_a", *sources)
    with pytest.raises(InputError) as caught:
        run(timeout=2)
    kept = course.output / "01_a.failed.ipynb"
    assert str(caught.value) == f"01_a: {message}; the notebook is kept as {kept}"
    assert [*course.output.glob("[!.]*")] == [kept] and not [*course.figures.iterdir()]  # and nothing half


def test_a_cell_that_did_not_run_is_a_failure(course):
    path = course("01_a", "x = 1", "y = 2") / "notebooks" / "01_a.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[2].metadata.tags = ["skip-execution"]
    notebook.cells[2].execution_count = 7  # of an earlier run
    nbformat.write(notebook, path)
    with pytest.raises(InputError, match=r"cell 3 \('x = 1'\) did not run; the notebook is kept"):
        run()


def test_the_first_failure_stops_and_the_next_call_goes_on(course):
    course("01_a", "x = 1")
    course("02_b", "1 / 0")
    course("03_c", "x = 3")
    with pytest.raises(InputError, match="02_b: cell 3 .'1 / 0'. failed: ZeroDivisionError: division by zero"):
        run(jobs=1)
    course("02_b", "1 / 1")
    assert run(jobs=1) == {"01_a": "unchanged", "02_b": "ran", "03_c": "ran"}
    assert sorted(p.name for p in course.output.glob("02*")) == ["02_b.ipynb", "02_b.json"]


def test_the_kernel_is_this_python_in_the_notebooks_folder(course, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    course(
        "01_a",
        f"""
import os, sys
from pathlib import Path
import lineart
assert sys.executable == {sys.executable!r}, sys.executable
assert Path.cwd() == Path({str(course.root / "notebooks")!r}), Path.cwd()
assert lineart.ANSWER == 42  # the package of this repository, not installed
assert profile == "smoke" == os.environ["LINEART_PROFILE"]
assert os.environ["TQDM_DISABLE"] == "1"
assert value == {{"a": [1, None, True, 'it\\'s "ä"']}}, value
held = b"x" * 200_000_000; del held
""",
        parameters=PROFILE + "\nvalue: dict = {}",
    )
    assert run(profile="smoke", parameters={"value": {"a": [1, None, True, 'it\'s "ä"']}}) == {"01_a": "ran"}
    stamp = json.loads((course.root / "runs" / "smoke" / "notebooks" / "01_a.json").read_text())
    assert 0 < stamp["seconds"] < 60
    if sys.platform == "linux":
        assert 190 < stamp["peak_mb"] < 1000  # the 200,000,000 bytes alone are 190.7 MB
    assert Path.cwd() == tmp_path


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such sockets")
def test_no_kernel_waits_for_a_network_port_that_another_has_taken(course, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        monkeypatch.setattr("jupyter_client.connect.LocalPortCache.find_available_port", lambda self, ip: taken)
        course("01_a", "print(1)")
        assert run() == {"01_a": "ran"}


def test_where_the_folder_for_temporary_files_has_too_long_a_path_for_a_socket_kernels_take_ports(
    course, monkeypatch, tmp_path
):
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    course("01_a", "print(1)")
    assert run() == {"01_a": "ran"}


def test_two_run_at_a_time_the_longest_first_and_each_after_what_it_needs(course):
    """02 and 03 meet only if both run at once; 04 sees what 03 wrote, and nothing that it does not name."""
    takes = "# Title\n\n**Takes.** Classroom: 2.5 minutes and 1.0 GB on 2 CPU cores. Paper: a day."
    meet = "import pathlib, time\npathlib.Path('{}').touch()\nwhile not pathlib.Path('{}').exists(): time.sleep(0.05)"
    course("01_a", "x = 1")
    course("02_b", meet.format("two", "three"), writes("b.csv", "2"), opening=takes)
    course("03_c", meet.format("three", "two"), writes("c.csv", "3"), opening=takes)
    course(
        "04_d",
        "import os\nassert os.listdir(os.environ['LINEART_FIGURES']) == ['c.csv']",
        needs=["03_c"],
        opening=takes,
    )
    assert set(run(timeout=30).values()) == {"ran"}
    assert json.loads((course.output / "04_d.json").read_text())["outputs"] == {}


def test_two_processes_do_not_run_the_same_notebooks_at_once(course):
    course("01_a", "x = 1")
    course.output.mkdir(parents=True)
    with FileLock(course.output / ".lock"), pytest.raises(InputError, match="by one process at a time, another one is"):
        run()
    assert run() == {"01_a": "ran"}


def test_only_what_changed_runs_again(course, monkeypatch, capsys):
    root = course("01_a", "import lineart", writes("a.csv", "1"))
    course("02_b", writes("b.csv", "2"), needs=["01_a"])
    course("03_c", "x = 3", reads=["figures/seeds.csv"])
    assert set(run().values()) == {"ran"}
    stamp = json.loads((course.output / "01_a.json").read_text())
    assert list(stamp["outputs"]) == ["a.csv"]  # sha256 of "1", by sha256sum
    assert stamp["outputs"]["a.csv"] == "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"

    def again(*reasons):
        capsys.readouterr()
        ran = [name for name, status in run().items() if status == "ran"]
        out = capsys.readouterr().out
        assert re.findall(r"\(changed: (.+)\)", out) == [*reasons]
        assert out.splitlines()[-1].startswith(f"{len(ran)} ran, {3 - len(ran)} unchanged, ")
        return ran

    assert again() == []
    course("03_c", "x = 4", reads=["figures/seeds.csv"])
    assert again("code cells") == ["03_c"]
    (course.figures / "b.csv").unlink()
    assert again("b.csv") == ["02_b"]
    (course.output / "03_c.ipynb").write_text("{}")
    (root / "figures" / "seeds.csv").write_text("2")  # a benchmark has measured anew
    assert again("figures/seeds.csv and 1 more") == ["03_c"]
    course("01_a", "import lineart", writes("a.csv", "5"))  # 02_b reads what 01_a writes, 03_c does not
    assert again("code cells", "needs") == ["01_a", "02_b"]

    # Prose and outputs are no inputs.
    path = root / "notebooks" / "03_c.ipynb"
    path.write_text(path.read_text().replace("# Title", "# Another title"))
    (root / "data" / "README.md").write_text("words")
    assert again() == []


def test_code_data_versions_profile_and_source_are_inputs(course, monkeypatch):
    root = course("01_a")

    def inputs(profile="classroom"):
        found = Course(profile)
        return module._package_and_data() | found._inputs(*found.notebooks)

    def changed(**how):
        nonlocal before
        now, old = inputs(**how), before
        before = now
        return [key for key in sorted({*old, *now}) if old.get(key) != now.get(key)]

    before = inputs()
    (root / "data" / "pairs.csv").write_text("line,reference\n2,1\n")
    assert changed() == ["data/pairs.csv"]
    (root / "lineart" / "new.py").write_text("ANSWER = 43\n")
    assert changed() == ["lineart/new.py"]
    monkeypatch.setenv("LINEART_SOURCE", "elsewhere")
    monkeypatch.setattr(module, "PACKAGES", (*module.PACKAGES, "pytest"))
    assert changed(profile="smoke") == ["LINEART_SOURCE", "profile", "pytest"]


def test_a_failed_second_run_leaves_no_stamp(course):
    """A run that worked once and fails now must not count as done, nor may another build on it."""
    flag = course("01_a", "from pathlib import Path\nassert not Path('fail').exists()") / "notebooks" / "fail"
    course("02_b", needs=["01_a"])
    run()
    flag.touch()
    with pytest.raises(InputError, match="cell 3 .* failed: AssertionError"):
        run(force=True, only=["01"])
    with pytest.raises(InputError, match="02_b needs the results of 01_a, which has no finished run"):
        run(only=["02_b"])


def test_nothing_is_built_on_a_result_that_is_gone(course):
    course("01_a", writes("a.csv", "1"))
    course("02_b", needs=["01_a"])
    run(only=["01"])
    (course.figures / "a.csv").unlink()
    with pytest.raises(InputError, match="02_b needs the results of 01_a, which has no finished run"):
        run(only=["02"])


def test_what_was_edited_during_a_run_is_not_written_over(course):
    path = course("01_a", writes("a.csv", "1")) / "notebooks" / "01_a.ipynb"
    begun = Course()
    begun.run()
    path.write_text(edited := path.read_text().replace("# Title", "# A better title"))
    with pytest.raises(InputError, match="01_a has changed since the run began"):
        begun.publish()
    assert path.read_text() == edited and not (course.root / "figures" / "a.csv").exists()


def test_an_unchanged_course_is_fast(course):
    """Twelve notebooks in a fresh interpreter: no papermill, no nbformat, no torch, under 3 s."""
    for number in range(12):
        course(f"{number:02d}_x", "x = 1")
    run(only=["00"])
    for number in range(1, 12):  # they are all alike; running each would only take time
        for suffix in ("json", "ipynb"):
            (course.output / f"{number:02d}_x.{suffix}").write_bytes((course.output / f"00_x.{suffix}").read_bytes())
    code = f"""
import sys
from pathlib import Path
from lineart import config
from lineart.course.reproduce import Course
config.ROOT = Path({str(course.root)!r})
assert [*Course().run().values()] == ["unchanged"] * 12
assert not {{"papermill", "nbformat", "jupyter_client", "yaml", "torch", "pandas"}} & set(sys.modules)
"""
    start = time.perf_counter()
    repository = Path(__file__).resolve().parent.parent
    subprocess.run([sys.executable, "-c", code], check=True, cwd=repository, stdout=subprocess.DEVNULL)
    assert time.perf_counter() - start < 3


def test_results_are_compared_and_only_publishing_writes_them(course, capsys):
    course(
        "01_a",
        "print(profile)",
        "",
        "6 * 7",
        writes("a.csv", "metric,value\nPSNR,20\n"),
        opening="# T\n\n**Takes.** Classroom: 9.9 minutes and 9.9 GB on 99 CPU cores. Paper: a day.",
    )
    path, figure = course.root / "notebooks" / "01_a.ipynb", course.root / "figures" / "a.csv"
    before, text = nbformat.read(path, as_version=4), path.read_text()

    def last(*, lines=1, code=0, **how):
        assert reproduce(**how) == code
        return capsys.readouterr().out.splitlines()[-lines:]

    assert last(lines=2, strict=True, code=1) == ["a.csv: not committed", "1 results, 1 of them not as committed"]
    assert path.read_text() == text and not figure.exists()
    assert last(lines=2, publish=True) == ["published: a.csv, 01_a", "1 results, all as committed"]
    text, after = path.read_text(), nbformat.read(path, as_version=4)
    nbformat.validate(after)
    assert text.endswith("}\n") and not any(word in text for word in ("papermill", "injected", "start_time", "iopub"))
    assert [(c.id, c.source, c.metadata) for c in after.cells[1:]] == [
        (c.id, c.source, c.metadata) for c in before.cells[1:]
    ]
    assert "9.9" not in after.cells[0].source and after.cells[0].source.endswith(" CPU cores. Paper: a day.")
    assert after.metadata == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        "lineart": {"needs": [], "reads": []},
    }
    code = [c for c in after.cells if c.cell_type == "code"]
    assert [c.execution_count for c in code] == [1, 2, None, 3, 4]
    assert code[1].outputs[0].text == "classroom\n" and code[3].outputs[0].data == {"text/plain": "42"}
    # Published is not changed: nothing to do, and nothing new to publish.
    assert last(lines=3, publish=True, strict=True)[0].startswith("0 ran, 1 unchanged")
    figure.write_text("metric,value\nPSNR,25\n")
    assert last(lines=2) == [
        "a.csv: numbers are off by up to 2.0e-01 of the committed one, in column value",
        "1 results, 1 of them not as committed",
    ]


@pytest.mark.parametrize(
    ("name", "ours", "committed", "words"),
    [
        ("a.csv", "m,v\nx,1\ny,\n", "m,v\nx,1.0\ny,\n", None),
        ("a.csv", "m,v\nx,1\ny,2.02\n", "m,v\nx,1\ny,2\n", "1.0e-02 .* column v"),
        ("a.csv", "m,v\nx,1\n", "m,v\nz,1\n", "other entries in column m"),
        ("a.csv", "m,v\nx,1\n", "m,v\nx,1\ny,2\n", "1 rows of m, v; committed 2"),
        ("a.md", "one\ntwo\n", "one\n2\n", "line 2: 'two', committed '2'"),
        ("a.json", "{}\n", "{}\n[]\n", r"line 2: None, committed '\[\]'"),
        ("a.pdf", "%PDF 1", "%PDF 2", "other bytes"),
    ],
)
def test_a_difference_says_where_and_how_much(tmp_path, name, ours, committed, words):
    for folder, text in (("ours", ours), ("committed", committed)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(text)
    said = difference(tmp_path / "ours" / name, tmp_path / "committed" / name)
    assert said is None if words is None else re.search(words, said), said


def test_pictures_are_compared_by_their_pixels(tmp_path):
    one, same, other, larger = (tmp_path / f"{name}.png" for name in ("one", "same", "other", "larger"))
    Image.new("RGB", (4, 4), (10, 10, 10)).save(one)
    Image.new("RGBA", (4, 4), (10, 10, 10, 255)).save(same)
    picture = Image.new("RGB", (4, 4), (10, 10, 10))
    picture.putpixel((1, 2), (10, 17, 10))
    picture.save(other)
    Image.new("RGB", (5, 4)).save(larger)
    assert difference(same, one) is None and difference(one, tmp_path / "none.png") == "not committed"
    assert difference(other, one) == "6.25% of the pixels are off, by up to 7 of 255"
    assert difference(larger, one) == "5x4 pixels, committed 4x4"

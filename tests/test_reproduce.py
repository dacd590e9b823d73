"""`lineart reproduce`: every trap of papermill is caught, and no work is done twice."""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lineart import config
from lineart.course import stamp
from lineart.course.plan import check_type, parameters_cell
from lineart.course.reproduce import ReproduceError, add_arguments, main, publish, reproduce

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("papermill")
v4 = nbformat.v4

PROFILE = 'import os\nprofile: str = os.environ.get("LINEART_PROFILE", "classroom")  # smoke, classroom or paper'


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A repository with a package, data and no notebooks yet; returns a function that adds a notebook."""
    root = tmp_path / "a {course} of $5"  # what paths may hold
    for file, text in {"lineart/__init__.py": "ANSWER = 42\n", "data/pairs.csv": "line,reference\n1,2\n"}.items():
        (root / file).parent.mkdir(parents=True)
        (root / file).write_text(text)
    monkeypatch.setattr(config, "ROOT", root)
    monkeypatch.delenv("LINEART_FIGURES", raising=False)
    monkeypatch.delenv("LINEART_PROFILE", raising=False)

    def add(name, *sources, parameters=PROFILE, needs=(), reads=(), tags=("parameters",)):
        cells = [v4.new_markdown_cell("# Title", id="title"),
                 v4.new_code_cell(parameters, id="parameters", metadata={"tags": list(tags)})]
        cells += [v4.new_code_cell(source, id=f"code-{i}") for i, source in enumerate(sources)]
        notebook = v4.new_notebook(cells=cells)
        notebook.metadata = {"kernelspec": {"name": "a_kernel_nobody_has", "display_name": "x", "language": "python"},
                             "lineart": {"needs": list(needs), "reads": list(reads)}}
        (root / "notebooks").mkdir(exist_ok=True)
        nbformat.write(notebook, root / "notebooks" / f"{name}.ipynb")
        return root

    add.root = root
    add.output = root / "runs" / "classroom" / "notebooks"
    return add


def statuses(results):
    return [(result.name, result.status) for result in results]


def command(*words):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return main(parser.parse_args(words))


def writes(name, text):
    """Source of a cell that writes a result."""
    return f"from pathlib import Path\nPath('../figures/{name}').write_text({text!r})"


def fails(course, name, *sources):
    """Runs a notebook that must fail and leave nothing but itself; returns the message."""
    course(name, *sources)
    with pytest.raises(ReproduceError) as caught:
        reproduce(timeout=2)
    assert sorted(p.name for p in course.output.glob("*")) == [f"{name}.failed.ipynb"]
    assert str(course.output / f"{name}.failed.ipynb") in str(caught.value)
    assert statuses(caught.value.results) == [(name, "failed")]
    return str(caught.value)


# ---------------------------------------------------------------- refused before anything runs


def refused(course, match, **arguments):
    with pytest.raises(ReproduceError, match=match):
        reproduce(**arguments)
    assert not course.output.exists()


def test_unknown_parameter_is_refused(course):
    course("01_a", parameters="seed: int = 0")
    course("02_b", parameters="steps: int = 1")
    refused(course, "01_a has no parameter 'sed'; its parameters cell assigns seed", parameters={"sed": 1})
    # also where another notebook has it: nobody should think that it was set everywhere
    refused(course, "02_b has no parameter 'seed'", parameters={"seed": 1})


@pytest.mark.parametrize("assignment, good, bad", [
    ("x: int = 1", [2, -1], [True, 1.5, "2", None]),
    ("x: float = 1.0", [2, 2.5], [True, "2"]),
    ("x: bool = False", [True], [1, "true"]),
    ("x: str = os.environ.get('X', '')", ["a", ""], [1, None]),
    ("x: int | None = None", [None, 3], ["a", True]),
    ("x: Optional[list[int]] = None", [None, [1, 2], []], [[1, "a"], 1]),
    ("x: tuple[float, ...] = (0.5,)", [[1, 0.5]], [["a"], 0.5]),
    ("x: dict[str, int] = {}", [{"a": 1}], [{"a": "b"}, [1]]),
    ("x = 3", [4], ["a", 0.5, True]),  # no annotation: the default's type
    ("x = None", [4, "a", None], []),
    ("x = int(os.environ.get('X', 1))", [4, "a"], []),  # cannot be told
])
def test_wrong_type_is_refused(course, assignment, good, bad):
    known = parameters_cell("01_a", [{"cell_type": "code", "source": assignment, "metadata": {"tags": ["parameters"]}}])
    for value in good:
        check_type("01_a", "x", value, *known["x"])
    for value in bad:
        with pytest.raises(ReproduceError, match="01_a: parameter 'x' must be .*, got "):
            check_type("01_a", "x", value, *known["x"])


def test_wrong_type_stops_the_run(course):
    course("01_a", parameters="seed: int = 0")
    refused(course, r"01_a: parameter 'seed' must be int, got 'many' \(str\)", parameters={"seed": "many"})
    refused(course, "must be a plain YAML value, got", parameters={"seed": {1, 2}})
    course("01_a", parameters="from pathlib import Path\nseed: Path = Path()")
    refused(course, "annotated Path, and Path is not a type that can be set", parameters={"seed": "x"})


def test_missing_parameters_tag_is_refused(course):
    course("01_a", tags=("parameter",))
    refused(course, "01_a must have one code cell tagged 'parameters', it has 0")


def test_other_mistakes_are_refused(course):
    refused(course, "no notebook called NN_name.ipynb in ")
    course("01_a")
    refused(course, "profile must be one of smoke, classroom, paper, got 'big'", profile="big")
    refused(course, "profile is 'classroom', but the parameter is set to 'paper'", parameters={"profile": "paper"})
    refused(course, "no notebook '7'; there are 01_a", only=["7"])
    refused(course, "timeout must be a whole number", timeout=0)
    refused(course, "output must be another folder", output=course.root / "notebooks")
    course("02_b", needs=["03_c"])
    course("03_c")
    refused(course, "02_b needs '03_c', which is not a notebook before it")
    course("02_b", tags=("parameters", "injected-parameters"))
    refused(course, "02_b holds a cell tagged 'injected-parameters' of an earlier run")
    course("02_b", parameters="%matplotlib inline\nseed = 0")
    refused(course, "02_b: the parameters cell is not plain Python")
    (course.root / "notebooks" / "02_b.ipynb").write_text("{}")
    refused(course, "02_b.ipynb is not a notebook")
    (course.root / "notebooks" / "02_b.ipynb").write_bytes(b"\xff\xfe{}")
    refused(course, "02_b.ipynb is not a notebook: UnicodeDecodeError")


@pytest.mark.parametrize(("damage", "sentence"), [
    (lambda content: content["cells"][1].pop("cell_type"), r"KeyError\('cell_type'\)"),
    (lambda content: content["cells"][1].update(cell_type="cod"), "a cell must be code, markdown or raw, not .*'cod'"),
    (lambda content: content["cells"][0].update(metadata=None), "metadata must be an object, .* not None"),
    (lambda content: content["cells"][0].pop("metadata"), r"KeyError\('metadata'\)"),
    (lambda content: content["cells"][1].update(metadata={"tags": None}), "tags in it a list, not {'tags': None}"),
    (lambda content: content.update(metadata=None), "metadata must be an object, .* not None"),
    (lambda content: content.update(cells=None), "TypeError"),
])
def test_a_damaged_notebook_is_named(course, damage, sentence):
    path = course("01_a") / "notebooks" / "01_a.ipynb"
    content = json.loads(path.read_text())
    damage(content)
    path.write_text(json.dumps(content))
    refused(course, f"01_a.ipynb is not a notebook: .*{sentence}")


def test_missing_papermill_is_one_sentence(course, monkeypatch, capsys):
    course("01_a")
    monkeypatch.setitem(sys.modules, "papermill", None)
    assert command() == 1
    assert 'papermill is missing: pip install "lineart[notebooks]"' in capsys.readouterr().err


# ---------------------------------------------------------------- failures while it runs


def test_error_names_cell_and_reason(course):
    message = fails(course, "01_a", "x = 1", "\n# half\nraise ValueError('size is odd:\\n3')", "y = 2")
    assert message.startswith("01_a: cell 4 ('# half') failed: ValueError: size is odd:; the notebook is kept as")
    failed = nbformat.read(course.output / "01_a.failed.ipynb", as_version=4)
    assert any(o.output_type == "error" for cell in failed.cells for o in cell.get("outputs", []))


def test_early_exit_is_a_failure(course):
    message = fails(course, "01_a", "import sys; sys.exit(0)", "", "x = 'never'")
    assert message.startswith("01_a: cell 5 (\"x = 'never'\") did not run, "
                              "because cell 3 ('import sys; sys.exit(0)') ended the notebook early; ")


def test_early_exit_in_the_last_cell_is_a_failure(course):
    assert "cell 3 ('raise SystemExit') ended the notebook early" in fails(course, "01_a", "raise SystemExit")


def test_cell_that_did_not_run_is_a_failure(course):
    course("01_a", "x = 1", "y = 2")
    path = course.root / "notebooks" / "01_a.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[2].metadata.tags = ["skip-execution"]
    notebook.cells[2].execution_count = 7  # of an earlier run
    nbformat.write(notebook, path)
    with pytest.raises(ReproduceError, match=r"cell 3 \('x = 1'\) did not run; the notebook is kept"):
        reproduce()


def test_dead_kernel_is_a_failure(course):
    message = fails(course, "01_a", "import os\nos.kill(os.getpid(), 9)", "x = 1")
    assert message.startswith("01_a: cell 3 ('import os') failed: the kernel died")


def test_timeout_names_the_limit(course):
    message = fails(course, "01_a", "import time\ntime.sleep(60)")
    assert message.startswith("01_a: cell 3 ('import time') failed: it took longer than the limit of 2 s a cell")


def test_first_failure_stops_and_the_next_call_goes_on(course, capsys):
    course("01_a", "x = 1")
    course("02_b", "1 / 0")
    course("03_c", writes("c.csv", "1"))
    assert command() == 1
    assert "02_b: cell 3 ('1 / 0') failed: ZeroDivisionError: division by zero" in capsys.readouterr().err
    assert not (course.root / "figures" / "c.csv").exists()
    course("02_b", "1 / 1")
    assert statuses(reproduce()) == [("01_a", "unchanged"), ("02_b", "ran"), ("03_c", "ran")]
    assert sorted(p.name for p in course.output.glob("02*")) == ["02_b.ipynb", "02_b.json"]


# ---------------------------------------------------------------- what a notebook sees


def test_kernel_is_this_python_in_the_notebooks_folder(course, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    course("01_a", f"""
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
""", parameters=PROFILE + "\nvalue: dict = {}")
    assert statuses(reproduce("smoke", parameters={"value": {"a": [1, None, True, 'it\'s "ä"']}})) == [("01_a", "ran")]
    stamp = json.loads((course.root / "runs" / "smoke" / "notebooks" / "01_a.json").read_text())
    assert 0 < stamp["seconds"] < 60
    if sys.platform == "linux":
        assert 190 < stamp["peak_mb"] < 1000  # the 200,000,000 bytes alone are 190.7 MB
    assert Path.cwd() == tmp_path


def test_command_line_values_are_yaml(course, capsys):
    course("01_a", "assert flag is True and none is None and numbers == [1, 2] and word == 'a b'",
           parameters="flag: bool = False\nnone: int | None = 1\nnumbers: list[int] = []\nword: str = ''")
    assert command("-p", "flag", "yes", "-p", "none", "null", "-p", "numbers", "[1, 2]", "-p", "word", "a b",
                   "--only", "01") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("[ 1/1] 01_a ") and " ran " in lines[0] and " s " in lines[0]
    assert lines[1].startswith("1 ran, 0 unchanged, ")
    assert command("-p", "numbers", "[1") == 1
    assert "the value of numbers is not YAML: '[1'" in capsys.readouterr().err


# ---------------------------------------------------------------- no second work


def test_only_what_changed_runs_again(course):
    root = course("01_a", "import lineart", writes("a.csv", "1"))
    course("02_b", writes("b.csv", "2"), needs=["01_a"])
    course("03_c", "x = 3")
    first = [("01_a", "ran"), ("02_b", "ran"), ("03_c", "ran")]
    nothing = [(name, "unchanged") for name, _ in first]
    assert statuses(reproduce()) == first
    stamp = json.loads((course.output / "01_a.json").read_text())
    assert list(stamp["outputs"]) == ["a.csv"]  # sha256 of "1", by sha256sum
    assert stamp["outputs"]["a.csv"] == "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"
    assert statuses(reproduce()) == nothing

    def again(why):
        results = reproduce()
        assert all(why in result.message for result in results if result.status == "ran")
        assert statuses(reproduce()) == nothing
        return [result.name for result in results if result.status == "ran"]

    course("03_c", "x = 4")
    assert again("changed: code cells") == ["03_c"]
    (root / "figures" / "b.csv").unlink()
    assert again("b.csv gone or changed") == ["02_b"]
    (course.output / "03_c.ipynb").write_text("{}")
    assert again("executed notebook") == ["03_c"]
    course("01_a", "import lineart", writes("a.csv", "5"))  # 02_b reads what 01_a writes, 03_c does not
    assert again("changed: ") == ["01_a", "02_b"]
    assert reproduce(only=["03"], force=True)[0].status == "ran"

    # Prose, caches and outputs are no inputs; code and data are.
    path = root / "notebooks" / "03_c.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].source = "# Another title"
    notebook.cells[2].outputs = [v4.new_output("stream", text="hello")]
    nbformat.write(notebook, path)
    (root / "data" / "README.md").write_text("words")
    assert statuses(reproduce()) == nothing
    for file, what in {"data/pairs.csv": "data", "lineart/__init__.py": "package"}.items():
        (root / file).write_text("ANSWER = 43\n")
        assert reproduce(only=["03_c"])[0].message.endswith(f"(changed: {what})")
    assert reproduce(only=["03_c"], profile="smoke")[0].status == "ran"  # another profile, another folder


def test_what_a_benchmark_has_measured_anew_is_read_again(course, monkeypatch):
    (course.root / "figures").mkdir()
    (course.root / "figures" / "seeds.csv").write_text("1")
    course("01_a", "x = 1", reads=["figures/seeds.csv"])
    course("02_b", "x = 2")
    reproduce()
    (course.root / "figures" / "seeds.csv").write_text("2")
    assert statuses(results := reproduce()) == [("01_a", "ran"), ("02_b", "unchanged")]
    assert results[0].message.endswith("(changed: reads)")
    (course.root / "figures" / "seeds.csv").unlink()
    assert statuses(reproduce()) == [("01_a", "ran"), ("02_b", "unchanged")]
    assert statuses(reproduce()) == [("01_a", "unchanged"), ("02_b", "unchanged")]
    versions = {"resvg-py": "0.0.1"}  # another rasteriser, other drawings
    monkeypatch.setattr(stamp.metadata, "version", lambda name: versions.get(name, "1"))
    assert {result.status for result in reproduce()} == {"ran"}
    versions.clear()
    assert all("changed: versions" in result.message for result in reproduce())


def test_failed_second_run_leaves_no_stamp(course):
    """A run that worked once and fails now must not count as done."""
    flag = course("01_a", "from pathlib import Path\nassert not Path('fail').exists()") / "notebooks" / "fail"
    reproduce()
    flag.touch()
    with pytest.raises(ReproduceError, match="cell 3 .* failed: AssertionError"):
        reproduce(force=True)
    flag.unlink()
    assert statuses(reproduce()) == [("01_a", "ran")]


def test_a_result_of_two_notebooks_belongs_to_the_later(course):
    course("01_a", writes("index.csv", "1"))
    course("02_b", writes("index.csv", "2"), needs=["01_a"])
    reproduce()
    assert statuses(reproduce()) == [("01_a", "unchanged"), ("02_b", "unchanged")]


def test_unchanged_course_is_fast(course):
    """Twelve notebooks in a fresh interpreter: no papermill, no nbformat, no torch, under 3 s."""
    for number in range(12):
        course(f"{number:02d}_x", "x = 1")
    reproduce(only=["00"])
    stamp = (course.output / "00_x.json").read_text()
    for number in range(1, 12):  # they are all alike; running each would only take time
        (course.output / f"{number:02d}_x.json").write_text(stamp)
        (course.output / f"{number:02d}_x.ipynb").write_bytes((course.output / "00_x.ipynb").read_bytes())
    code = f"""
import sys
from pathlib import Path
from lineart import config, reproduce
config.ROOT = Path({str(course.root)!r})
assert [r.status for r in reproduce.reproduce()] == ["unchanged"] * 12
assert not {{"papermill", "nbformat", "jupyter_client", "yaml", "torch", "numpy"}} & set(sys.modules)
"""
    start = time.perf_counter()
    repository = Path(__file__).resolve().parent.parent
    subprocess.run([sys.executable, "-c", code], check=True, cwd=repository, stdout=subprocess.DEVNULL)
    assert time.perf_counter() - start < 3


# ---------------------------------------------------------------- publish


def test_publish_puts_clean_outputs_into_the_notebooks(course, capsys):
    course("01_a", "print(profile)", "", "6 * 7", "from IPython.display import display\n"
           "display({'text/plain': 'a bar', 'application/vnd.jupyter.widget-view+json': {'model_id': 'x'}}, raw=True)")
    path = course.root / "notebooks" / "01_a.ipynb"
    before = nbformat.read(path, as_version=4)
    saved = nbformat.read(path, as_version=4)  # as an editor leaves it
    saved.metadata.widgets = {"stale": {}}
    saved.cells[2].metadata.execution = {"iopub.execute_input": "stale"}
    saved.cells[2].outputs = [v4.new_output("stream", text="stale")]
    nbformat.write(saved, path)
    assert command("--publish") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "published: 01_a"
    text = path.read_text()
    after = nbformat.read(path, as_version=4)
    nbformat.validate(after)
    assert text.endswith("}\n") and not text.endswith("\n\n")
    assert not any(word in text for word in ("papermill", "injected", "start_time", "iopub", "stale"))
    assert [(c.id, c.source, c.metadata) for c in after.cells] == [(c.id, c.source, c.metadata) for c in before.cells]
    assert after.metadata == {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
                              "language_info": {"name": "python"}, "lineart": {"needs": [], "reads": []}}
    code = [c for c in after.cells if c.cell_type == "code"]
    assert [c.execution_count for c in code] == [1, 2, None, 3, 4]
    assert code[1].outputs[0].text == "classroom\n"
    assert code[3].outputs[0].data == {"text/plain": "42"} and code[3].outputs[0].execution_count == 3
    assert code[4].outputs[0].data == {"text/plain": "a bar"}
    # Published is not changed: nothing to do, and nothing new to publish.
    assert command("--publish") == 0
    assert " unchanged " in (out := capsys.readouterr().out) and out.endswith("published: nothing new\n")
    assert path.read_text() == text


def test_publish_refuses_other_code_and_other_parameters(course, capsys):
    course("01_a", "x = 1", parameters="seed: int = 0")
    assert command("--publish", "-p", "seed", "3") == 1
    assert "--publish takes no -p" in capsys.readouterr().err
    reproduce(parameters={"seed": 3})
    with pytest.raises(ReproduceError, match="01_a ran with other parameters"):
        publish()
    course("01_a", "x = 2", parameters="seed: int = 0")
    with pytest.raises(ReproduceError, match="01_a was changed after it ran"):
        publish()


def test_another_source_of_pictures_runs_again_and_is_never_published(course, monkeypatch, capsys):
    course("01_a", "import os\nprint(os.environ.get('LINEART_SOURCE'))", parameters="seed: int = 0")
    assert command() == 0 and command() == 0 and " unchanged " in capsys.readouterr().out
    monkeypatch.setenv("LINEART_SOURCE", "elsewhere")
    assert command() == 0 and " unchanged " not in capsys.readouterr().out
    assert command("--publish") == 1
    assert "--publish takes no LINEART_SOURCE" in capsys.readouterr().err

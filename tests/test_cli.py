"""The commands as a person types them: results where they were asked for, one sentence for a mistake."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import lineart
from lineart.cli import main


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    run = tmp_path_factory.mktemp("cli") / "run"
    assert main(["train", "smoke", "--run", str(run), "--steps", "2", "--attention", "none"]) == 0
    return run


def test_train_writes_a_run_and_refuses_to_overwrite_it(trained, capsys):
    assert {path.name for path in trained.iterdir()} >= {"config.json", "metrics.csv", "last.safetensors", "samples"}
    assert main(["train", "smoke", "--run", str(trained)]) == 1
    assert "a new run must not overwrite an old one" in capsys.readouterr().err


def test_evaluate_writes_rows_of_both_protocols(trained, tmp_path, capsys):
    assert main(["evaluate", "--weights", str(trained), "--n", "4", "--out", str(tmp_path / "rows.csv")]) == 0
    from lineart.evaluation import read_rows

    rows = read_rows(tmp_path / "rows.csv")
    assert {row.protocol for row in rows} == {"P1", "P3"} and {row.n for row in rows} == {4}
    assert all(row.method == "none" and len(row.checkpoint) == 64 and np.isfinite(row.value) for row in rows)


def test_colorize_a_picture(trained, tmp_path, capsys):
    rng = np.random.default_rng(0)
    for name in ("line", "reference"):
        Image.fromarray(rng.integers(0, 256, (50, 40, 3), dtype=np.uint8)).save(tmp_path / f"{name}.png")
    words = ["colorize", *(str(tmp_path / f"{n}.png") for n in ("line", "reference", "result")), "--weights", str(trained)]
    assert main(words) == 0
    assert Image.open(tmp_path / "result.png").size == (40, 50)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["line.png", "reference.png", "result.png"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Twelve pictures of 32 px and a text file."""
    root = tmp_path_factory.mktemp("data") / "pictures"
    root.mkdir()
    for i in range(12):
        colors = np.random.default_rng(i).integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(np.kron(colors, np.ones((8, 8, 1), np.uint8))).save(root / f"{i}.png")
    (root / "notes.txt").write_text("no picture")
    return root


def test_data_is_prepared_checked_and_trained_on(pictures, tmp_path, capsys):
    out, run = tmp_path / "set", tmp_path / "run"
    assert main(["data", "prepare", "folder", "--source", str(pictures), "--size", "32", "--out", str(out),
                 "--processes", "1"]) == 0
    output = capsys.readouterr().out
    assert f"{out}: 12 pictures, 10 train, 1 val, 1 test\n0 rejected; 1 files are no pictures" in output
    assert main(["data", "check", str(out)]) == 0
    assert "every file is as it was written\ncontact sheet: " in capsys.readouterr().out
    assert Image.open(out / "contact_sheet.png").size == (12 * 112, 2 * 112 + 18)  # one row of twelve
    assert main(["train", "smoke", "--data", "folder", "--source", str(out), "--size", "32", "--steps", "2",
                 "--attention", "none", "--line-variants", "--reference-jitter", "0.5", "--run", str(run)]) == 0
    assert (run / "last.safetensors").exists()
    # The sheet lies in the set now; neither it nor a training makes the set another one
    assert main(["data", "prepare", "folder", "--source", str(pictures), "--size", "32", "--out", str(out)]) == 0


def test_a_contact_sheet_goes_where_it_was_asked_for(pictures, tmp_path, capsys):
    out = tmp_path / "set"
    words = ["data", "prepare", "folder", "--source", str(pictures), "--size", "32", "--processes", "1"]
    assert main([*words, "--out", str(out)]) == 0
    assert main(["data", "check", str(out), "--sheet", str(tmp_path / "sheet.png")]) == 0
    assert Image.open(tmp_path / "sheet.png").mode == "RGB" and not (out / "contact_sheet.png").exists()
    (out / "color.npy").write_bytes((out / "color.npy").read_bytes()[:-1] + b"!")
    capsys.readouterr()
    assert main(["data", "check", str(out)]) == 1
    assert "color.npy has changed since it was written" in capsys.readouterr().err


def test_without_kagglehub_the_command_names_the_next_step(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    assert main(["data", "prepare", "kaggle", "--out", str(tmp_path / "set")]) == 1
    error = capsys.readouterr().err
    assert "pip install 'lineart[kaggle]'" in error and "--source" in error and error.count("\n") == 1
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize(("words", "sentence"), [
    (["data", "prepare", "folder"], "folder needs --source, the folder or zip with your pictures"),
    (["data", "prepare", "pairs", "--source", "nowhere"], "must be a folder or a zip, there is nothing at nowhere"),
    (["data", "prepare", "folder", "--source", "tests", "--size", "0"], "size must be at least 1, got 0"),
    (["data", "check", "nowhere"], "a prepared set must hold set.json, nowhere does not"),
    (["train", "smoke", "--data", "folder", "--size", "2048"], "folder at 2048 px must be prepared first"),
    (["train", "smoke", "--reference-jitter", "2"], "reference_jitter must be between 0 and 1, got 2.0"),
    (["evaluate", "--weights", "nothing"], "weights must be a file or one of the shipped names"),
    (["colorize", "no.png", "no.png", "out.png"], "a picture must be a file, found none at no.png"),
    (["train", "smoke", "--size", "50"], "size must be a multiple of"),
    (["train", "smoke", "--data", "nothing"], "data must be"),
])
def test_a_mistake_is_one_sentence(words, sentence, capsys):
    assert main(words) == 1
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1 and "Traceback" not in error


def test_a_text_file_is_no_picture(tmp_path, capsys):
    path = tmp_path / "line.png"
    path.write_text("not a picture")
    assert main(["colorize", str(path), str(path), str(tmp_path / "out.png")]) == 1
    assert "a picture must be in a format that Pillow reads" in capsys.readouterr().err


def test_runs_as_a_module_and_a_command_without_torch_for_help():
    done = subprocess.run([sys.executable, "-m", "lineart", "--help"], capture_output=True, text=True, check=True)
    assert all(word in done.stdout for word in ("reproduce", "train", "evaluate", "colorize", "data"))


def test_public_names_are_there_and_nothing_of_jupyter_comes_with_them():
    code = ("import sys, lineart; [getattr(lineart, n) for n in lineart.__all__]; "
            "bad = {'IPython', 'papermill', 'nbval', 'jupyterlab', 'ipykernel'} & set(sys.modules); assert not bad, bad")
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        lineart.nothing

"""The commands as a person types them: results where they were asked for, one sentence for a mistake."""

import errno
import io
import json
import subprocess
import sys
from unittest.mock import Mock

import numpy as np
import pandas
import pytest
from PIL import Image

from lineart import cli
from lineart.checkpoint import read_checkpoint
from lineart.cli import main
from lineart.config import Config, InputError
from lineart.data import store
from lineart.data.prepare import prepare
from lineart.runs import config_of


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    run = tmp_path_factory.mktemp("cli") / "run"
    assert main(["train", "smoke", "--run", str(run), "--steps", "2", "--attention", "none"]) == 0
    return run


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


def sentence(words, capsys) -> str:
    """What stderr says, in one line, of a mistake that the user can mend."""
    capsys.readouterr()
    assert main([str(word) for word in words]) == 1
    text = capsys.readouterr().err
    assert text.startswith("lineart: ") and text.count("\n") == 1
    return text


# --- train ---


def test_a_setting_that_is_given_replaces_the_profiles_and_no_other(monkeypatch):
    asked = {}
    monkeypatch.setattr("lineart.training.train", lambda config, folder, resume: asked.update(config=config) or 1 / 0)
    with pytest.raises(ZeroDivisionError):  # which is no mistake of the user: it keeps its traceback
        main(["train", "smoke", "--no-augment", "--compile", "--betas", "0", "0.9", "--backbone", "imagenet"])
    given = dict(augment=False, compile=True, betas=(0, 0.9), weights="imagenet")
    assert asked["config"] == Config.from_profile("smoke", **given)
    with pytest.raises(ZeroDivisionError):
        main(["train", "classroom", "--epochs", "1"])  # the profile's, but asked for: its steps no longer decide
    assert asked["config"] == Config.from_profile("classroom", steps=None)


def test_a_run_is_not_overwritten_goes_on_and_says_whether_it_is_at_its_end(trained, tmp_path, capsys, monkeypatch):
    assert {path.name for path in trained.iterdir()} >= {"config.json", "metrics.csv", "last.safetensors", "samples"}
    assert str(trained) in sentence(["train", "smoke", "--run", trained], capsys)
    assert "--resume" in sentence(["train", "smoke", "--resume", trained], capsys)
    assert main(["train", "--resume", str(trained), "--steps", "3"]) == 0
    assert read_checkpoint(trained / "last.safetensors")[1] == 3 and config_of(trained).attention == "none"
    monkeypatch.setattr("lineart.training.train", lambda config, folder, resume: folder)  # as after Ctrl-C
    (trained / "config.json").write_text(json.dumps(config_of(trained).replace(steps=9).to_dict()))
    assert main(["train", "--resume", str(trained)]) == 130


def test_help_says_of_each_setting_what_it_is_without_waiting_for_torch():
    code = (
        "import sys\nfrom lineart.cli import main\ntry:\n    main(['train', '--help'])\nexcept SystemExit:\n    "
        "assert not {'torch', 'numpy', 'PIL', 'papermill'} & {*sys.modules}, 'a help text waits for torch'"
    )
    text = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    words = " ".join(text.replace("│", " ").split())
    for name, setting in Config.model_fields.items():
        assert f"--{name.replace('_', '-')}" in words and setting.description and setting.description in words


# --- evaluate and compare ---


def test_evaluate_writes_rows_and_compare_says_what_they_lack(trained, tmp_path, capsys):
    assert main(["evaluate", "--weights", str(trained), "--n", "4", "--out", str(tmp_path / "rows.csv")]) == 0
    assert "PSNR" in capsys.readouterr().out
    rows = pandas.read_csv(tmp_path / "rows.csv")
    assert {*rows["protocol"]} == {"P1", "P3"} and {*rows["n"]} == {4} and {*rows["method"]} == {"none"}
    assert json.loads((tmp_path / "rows.json").read_text())["config"]["size"] == 64
    assert "image" in sentence(["compare", tmp_path / "rows.csv"], capsys)
    assert main(["compare"]) == 1  # the committed table is of another set, so nothing can be judged
    assert "0 of 8 values" in capsys.readouterr().out
    (tmp_path / "mine.csv").write_text("a,b\n")
    (tmp_path / "file").touch()
    for name, rule in (("mine.csv", "a table must be"), ("file/rows.csv", "can't be made")):
        words = ["evaluate", "--weights", trained, "--n", "4", "--out", tmp_path / name]
        assert rule in sentence(words, capsys)
    assert (tmp_path / "mine.csv").read_text() == "a,b\n"
    assert "protocol must be" in sentence(["evaluate", "--weights", trained, "--protocol"], capsys)


def test_weights_of_toon_are_measured_on_other_data_as_far_as_it_goes(trained, pictures, tmp_path, capsys):
    prepared = ["--data", "folder", "--source", str(tmp_path / "set")]
    words = ["data", "prepare", "folder", "--source", str(pictures), "--size", "64", "--out", str(tmp_path / "set")]
    assert main([*words, "--processes", "1"]) == 0
    assert main(["evaluate", "--weights", str(trained), *prepared, "--protocol", "P1"]) == 0
    assert "P4" in sentence(["evaluate", "--weights", trained, *prepared, "--protocol", "P1", "P4"], capsys)


# --- colorize ---


def test_colorize_many_into_a_folder_or_one_into_a_file(trained, tmp_path, capsys):
    rng = np.random.default_rng(0)
    for name in ("a", "b", "reference"):
        picture = np.full((50, 40, 3), 255, np.uint8)
        picture[10:40, 10:12] = 0
        Image.fromarray(picture if name != "reference" else rng.integers(0, 256, (50, 40, 3), dtype=np.uint8)).save(
            tmp_path / f"{name}.png"
        )
    a, b, reference = (str(tmp_path / f"{name}.png") for name in ("a", "b", "reference"))
    common = ["--weights", str(trained), "--as-is"]
    assert main(["colorize", a, b, "--reference", reference, "--out", str(tmp_path / "out"), *common]) == 0
    assert [path.name for path in sorted((tmp_path / "out").iterdir())] == ["a.png", "b.png"]
    assert main(["colorize", a, reference, str(tmp_path / "one.jpg"), *common, "--finish", "smooth"]) == 0
    with Image.open(tmp_path / "one.jpg") as result:
        assert result.size == (40, 50) and result.format == "JPEG"
    assert "--out" in sentence(["colorize", a, b], capsys)
    before = (tmp_path / "reference.png").read_bytes()  # three drawings of a glob, and --out forgotten
    assert "--overwrite" in sentence(["colorize", a, b, reference, "--overwrite"], capsys)
    assert "--out" in sentence(["colorize", a, b, reference, "--palette", "#ff0000"], capsys)
    assert (tmp_path / "reference.png").read_bytes() == before
    assert "nothing.png" in sentence(["colorize", "nothing.png", reference, tmp_path / "c.png"], capsys)


# --- data ---


def test_data_is_prepared_checked_and_trained_on(pictures, tmp_path, capsys):
    out, run = tmp_path / "set", tmp_path / "run"
    words = f"--size 32 --out {out} -k 9 --processes 1".split()
    prepare = ["data", "prepare", "folder", "--source", str(pictures), *words]
    assert main(prepare) == 0
    assert f"{out}: 12 pictures" in capsys.readouterr().out
    assert main(["data", "check", str(out)]) == 0
    assert main(["data", "check", str(out), "--sheet", str(tmp_path / "s.jpg")]) == 0
    assert Image.open(tmp_path / "s.jpg").format == "JPEG" and Image.open(out / "contact_sheet.png").mode == "RGB"
    words = "--data folder --size 32 --steps 1 --attention none --line-variants --reference-jitter 0.5".split()
    assert main(["train", "smoke", *words, "--source", str(out), "--run", str(run)]) == 0
    assert (run / "last.safetensors").exists()
    assert main(prepare) == 0  # neither the sheet nor a training makes the set another one
    (out / "color.npy").write_bytes((out / "color.npy").read_bytes()[:-1] + b"!")
    assert "color.npy" in sentence(["data", "check", out], capsys)
    for name in ("sheet", "sheet.psd", "nowhere/sheet.png", "s.jpg"):
        assert "sheet" in sentence(["data", "check", out, "--sheet", tmp_path / name], capsys)


def test_a_contact_sheet_that_cannot_be_written_is_one_sentence(pictures, tmp_path, capsys, monkeypatch):
    prepare("folder", pictures, 32, tmp_path / "set", processes=1)
    full = Mock(side_effect=OSError(errno.ENOSPC, "No space left on device"))
    monkeypatch.setattr(store, "contact_sheet", lambda _: Mock(save=full))
    assert "No space left" in sentence(["data", "check", tmp_path / "set"], capsys)


def test_a_set_that_may_not_be_read_is_not_called_damaged(pictures, tmp_path, capsys, monkeypatch):
    prepare("folder", pictures, 32, tmp_path / "set", processes=1)
    monkeypatch.setattr(store.np, "load", Mock(side_effect=PermissionError(errno.EACCES, "Permission denied")))
    said = sentence(["data", "check", tmp_path / "set"], capsys)
    assert "may not be read" in said and "damaged" not in said


def test_more_rejected_pictures_than_were_allowed_are_an_error_after_the_summary(pictures, tmp_path, capsys):
    for path in [*pictures.glob("*.png")][:6]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "broken.png").write_bytes(b"no picture")
    words = ["data", "prepare", "folder", "--source", str(tmp_path), "--size", "32", "--processes", "1"]
    assert main([*words, "--out", str(tmp_path / "set")]) == 1
    shown = capsys.readouterr()
    assert "6 pictures" in shown.out and "rejected" in shown.err
    assert main([*words, "--out", str(tmp_path / "set"), "--max-rejected", "0.5"]) == 0
    assert "between 0 and 1, got 5" in sentence([*words, "--out", tmp_path / "more", "--max-rejected", 5], capsys)
    assert not (tmp_path / "more").exists()


# --- mistakes ---


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("data prepare folder", "--source"),
        ("data check nowhere", "nowhere"),
        ("data prepare pairs --source nowhere", "nowhere"),
        ("data prepare toon --out x", "--out"),
        ("train smoke --data folder --size 2048", "2048"),
        ("train smoke --betas 0.5", "betas"),
        ("train smoke --source nowhere", "nowhere"),
        ("train smoke --start-from nothing", "shipped names"),
        ("train smoke --start-from toon", "must be the checkpoint's"),
        ("evaluate --weights nothing", "nothing"),
        ("evaluate --scale --n 1", "--n must be at least 2"),
        ("evaluate", "--weights"),
        ("compare nothing.csv", "nothing.csv"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_it(words, named, capsys):
    assert named in sentence(words.split(), capsys)
    with pytest.raises(InputError):  # with its traceback
        main(["--debug", *words.split()])


def test_a_name_that_the_terminal_cannot_show_is_told_all_the_same(monkeypatch):
    shown = io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)
    monkeypatch.setattr("sys.stderr", shown)
    assert main(["compare", "nothing-\u540d.csv"]) == 1
    assert rb"nothing-\u540d.csv" in shown.buffer.getvalue()


USAGE = ("", "paint", "train fast", "train --steps many", "train --data nothing", "evaluate --protocol P5")


@pytest.mark.parametrize("words", USAGE)
def test_usage_errors_have_a_status_of_their_own(words):
    with pytest.raises(SystemExit) as exit:
        main(words.split())
    assert exit.value.code == 2


def test_ctrl_c_has_the_status_of_a_stopped_command(monkeypatch):
    monkeypatch.setattr(cli.Compare, "run", lambda self: exec("raise KeyboardInterrupt"))
    assert main(["compare"]) == 130


def test_results_are_written(monkeypatch, capsys):
    monkeypatch.setattr("lineart.evaluation.results.write_results", lambda: "here/RESULTS.md")
    monkeypatch.setattr("lineart.evaluation.cards.write_cards", lambda: "there/README.md")
    assert main(["results"]) == 0 and capsys.readouterr().out == "here/RESULTS.md\nthere/README.md\n"


def test_options_of_reproduce_reach_it(monkeypatch):
    asked = {}
    monkeypatch.setattr("lineart.course.reproduce.reproduce", lambda **options: asked.update(options) or 0)
    monkeypatch.delenv("LINEART_PROFILE", raising=False)
    assert main(["reproduce", "--only", "03", "04", "-p", "n", "3", "-p", "names", "[a, b]", "--strict"]) == 0
    assert asked["parameters"] == {"n": 3, "names": ["a", "b"]} and asked["only"] == ("03", "04")
    assert asked["strict"] and not asked["force"] and asked["profile"] == "classroom"


# --- the package ---


def test_it_runs_as_a_module():
    run = subprocess.run([sys.executable, "-m", "lineart", "--help"], capture_output=True, text=True, check=True)
    assert all(word in run.stdout for word in ("reproduce", "train", "evaluate", "compare", "colorize", "data"))


LOADED = """
import sys, lineart
assert not hasattr(lineart, "nothing")
from lineart.coloring.batch import colorize_files  # each of these costs the command a second
assert not {"lightning_fabric", "torchvision", "sklearn", "pandas", "matplotlib", "dicebear"} & {*sys.modules}
print([getattr(lineart, name) for name in lineart.__all__])
assert not {"IPython", "papermill", "nbval", "ipykernel"} & {*sys.modules}
"""


def test_colouring_loads_little_more_than_torch_and_public_names_nothing_of_jupyter():
    subprocess.run([sys.executable, "-c", LOADED], check=True)

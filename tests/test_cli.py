"""The commands as a person types them: results where they were asked for, one sentence for a mistake."""

import argparse
import csv
import io
import json
import shutil
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

import lineart
from lineart import config
from lineart.checkpoint import read_checkpoint
from lineart.cli import _add_config, main
from lineart.training import Trainer


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    run = tmp_path_factory.mktemp("cli") / "run"
    assert main(["train", "smoke", "--run", str(run), "--steps", "2", "--attention", "none"]) == 0
    return run


def test_train_writes_a_run_and_refuses_to_overwrite_it(trained, capsys):
    assert {path.name for path in trained.iterdir()} >= {"config.json", "metrics.csv", "last.safetensors", "samples"}
    assert main(["train", "smoke", "--run", str(trained)]) == 1
    assert "a new run must not overwrite an old one" in capsys.readouterr().err


def test_asked_for_epochs_are_trained_whatever_steps_the_profile_has(tmp_path):
    run = tmp_path / "run"
    words = ["--n-train", "8", "--batch-size", "4", "--attention", "none", "--epochs"]
    assert main(["train", "smoke", "--run", str(run), *words, "1"]) == 0
    assert read_checkpoint(run / "last.safetensors")[1] == 2  # the profile has 4 steps
    assert main(["train", "--resume", str(run), "--epochs", "3"]) == 0
    assert read_checkpoint(run / "last.safetensors")[1] == 6


def test_a_training_that_was_stopped_has_not_succeeded(tmp_path, monkeypatch):
    words = ["train", "smoke", "--run", str(tmp_path / "run"), "--attention", "none"]
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "must_stop", lambda self, stop: self.step == 1)
        assert main(words) == 130
    assert main(["train", "--resume", str(tmp_path / "run")]) == 0


def test_the_backbone_has_one_name_in_all_commands():
    parser = argparse.ArgumentParser()
    _add_config(parser)
    for option in ("--backbone", "--weights"):
        assert parser.parse_args([option, "bundled"]).weights == "bundled"


def test_evaluate_writes_rows_of_both_protocols(trained, tmp_path, capsys):
    assert main(["evaluate", "--weights", str(trained), "--n", "4", "--out", str(tmp_path / "rows.csv")]) == 0
    from lineart.evaluation.rows import read_rows

    rows = read_rows(tmp_path / "rows.csv")
    assert {row.protocol for row in rows} == {"P1", "P3"} and {row.n for row in rows} == {4}
    assert all(row.method == "none" and len(row.checkpoint) == 64 and np.isfinite(row.value) for row in rows)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.csv", "rows.json"]
    record = json.loads((tmp_path / "rows.json").read_text())
    assert record["threads"] >= 1 and record["config"]["size"] == 64 and record["n"] == 4
    assert record["weights"] == [str(trained)] and record["protocols"] == ["P1", "P3"]


def test_two_of_a_method_have_names_of_their_own(trained, capsys):
    names = [str(trained), str(trained / "last.safetensors")]
    assert main(["evaluate", "--weights", *names, "--n", "2", "--protocol", "P1"]) == 0
    methods = [line.split("  ")[0] for line in capsys.readouterr().out.splitlines()]
    assert methods == [f"none ({name})" for name in names for _ in range(3)]


def test_weights_of_any_training_are_measured_on_any_data(pictures, tmp_path, capsys, monkeypatch):
    run = tmp_path / "run"
    assert main(["train", "smoke", "--run", str(run), "--steps", "1", "--attention", "none",
                 "--train-reference", "other"]) == 0
    out = tmp_path / "set"
    assert main(["data", "prepare", "folder", "--source", str(pictures), "--size", "64", "--out", str(out),
                 "--processes", "1"]) == 0
    assert main(["evaluate", "--weights", str(run), "--data", "folder", "--source", str(out), "--protocol", "P1"]) == 0
    assert "none-other  P1  PSNR" in capsys.readouterr().out
    # What can't be measured there is refused before anything is
    monkeypatch.setattr("lineart.evaluation.measure.evaluate", lambda *_: pytest.fail("measured"))
    assert main(["evaluate", "--weights", str(run), "--data", "folder", "--source", str(out), "--protocol", "P1", "P4"]) == 1
    assert "P4 needs drawings whose slots are known" in capsys.readouterr().err


def test_a_table_goes_into_a_csv_and_over_no_other_file(trained, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("lineart.data.load", lambda *_: pytest.fail("measured"))
    (tmp_path / "config.json").write_text("mine")
    for out, sentence in ((tmp_path, "must be a file that ends in .csv"), (tmp_path / "rows.json", "ends in .csv"),
                          (tmp_path / "config.csv", "config.json, and that is there already")):
        assert main(["evaluate", "--weights", str(trained), "--out", str(out)]) == 1
        assert sentence in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


@pytest.mark.parametrize(("words", "least"), [(["--n", "-5"], 2), (["--n", "0"], 2), (["--n", "1"], 2),
                                              (["--n", "0", "--protocol", "P1"], 1)])
def test_too_few_drawings_are_a_sentence(words, least, capsys):
    assert main(["evaluate", "--scale", *words]) == 1
    assert f"--n must be at least {least} for P1" in capsys.readouterr().err


def write_table(path, rows):
    head = ("data", "size", "method", "protocol", "metric", "value", "spread", "n", "seed", "backbone", "checkpoint")
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([head, *(("toon", 128, *row, 1, 0, 8, "", "bundled", "") for row in rows)])
    return str(path)


def test_compare_says_what_a_table_lacks(tmp_path, capsys):
    frechet = "Fréchet distance (ST-VGG)"
    of_none = [("none", "P1", "PSNR"), ("none", "P1", "MS-SSIM"), ("none", "P1", "ST-LPIPS"), ("none", "P3", frechet)]
    of_image = [("image", *row[1:]) for row in of_none]
    for rows, lost in ((of_none, f"image P3 {frechet}, image P1 PSNR, image P1 MS-SSIM, image P1 ST-LPIPS"),
                       (of_none[1:] + of_image, "none P1 PSNR"), ([], "none P3 FID, none P1 PSNR")):
        path = write_table(tmp_path / "rows.csv", rows)
        assert main(["compare", path]) == 1
        error = capsys.readouterr().err
        assert error.startswith(f"lineart: the table must hold the paper's two methods, {path} lacks {lost}")
        assert error.count("\n") == 1
    assert main(["compare", write_table(tmp_path / "rows.csv", of_none + of_image)]) == 1  # of 8, none is comparable
    assert "0 of 8 values reproduced" in capsys.readouterr().out
    for text in ("", (config.ROOT / "data" / "paper_table_1.csv").read_text()):
        (tmp_path / "rows.csv").write_text(text)
        assert main(["compare", path]) == 1
        assert "rows.csv is not: it has no column data" in capsys.readouterr().err


def test_colorize_a_picture(trained, tmp_path, capsys):
    rng = np.random.default_rng(0)
    for name in ("line", "reference"):
        Image.fromarray(rng.integers(0, 256, (50, 40, 3), dtype=np.uint8)).save(tmp_path / f"{name}.png")
    files = [str(tmp_path / f"{name}.png") for name in ("line", "reference", "result")]
    words = ["colorize", *files, "--weights", str(trained)]
    assert main(words) == 0
    assert Image.open(tmp_path / "result.png").size == (40, 50)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["line.png", "reference.png", "result.png"]
    words[3] = str(tmp_path / "result.JPG")
    assert main(words) == 0 and Image.open(words[3]).format == "JPEG"


def test_a_photograph_lies_as_its_exif_says(trained, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (50, 40), "white").save(tmp_path / "line.jpg", exif=exif)
    words = ["colorize", str(tmp_path / "line.jpg"), str(tmp_path / "line.jpg"), str(tmp_path / "out.png")]
    assert main([*words, "--weights", str(trained)]) == 0 and Image.open(tmp_path / "out.png").size == (40, 50)


@pytest.mark.parametrize(("result", "sentence"), [
    ("out", "the name of a picture must end in one of .png, .jpg"), ("out.txt", "must end in one of .png"),
    ("d.png", "d.png is a folder"), ("nodir/out.png", "nodir is none"),
    ("line.png", "the result must be another file than the pictures that it is made from"),
    ("link.png", "the result must be another file"),
])
def test_a_result_that_can_not_be_written_stops_before_any_work(tmp_path, result, sentence, capsys, monkeypatch):
    monkeypatch.setattr("lineart.coloring.colorizer.Colorizer.from_pretrained", lambda *_: pytest.fail("worked"))
    line, reference = tmp_path / "line.png", tmp_path / "reference.png"
    for i, path in enumerate((line, reference)):
        Image.new("L", (9, 9), i).save(path)
    (tmp_path / "d.png").mkdir()
    (tmp_path / "link.png").symlink_to("reference.png")
    before = {path.name: path.is_file() and path.read_bytes() for path in tmp_path.iterdir()}
    assert main(["colorize", str(line), str(reference), str(tmp_path / result)]) == 1
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1 and ".tmp" not in error
    assert {path.name: path.is_file() and path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_failing_write_leaves_nothing_behind(trained, tmp_path, capsys, monkeypatch):
    for name in ("line.png", "out.png"):
        Image.new("L", (9, 9), 255).save(tmp_path / name)
    before = (tmp_path / "out.png").read_bytes()

    def half(image, path, format):
        path.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", half)
    line, out = str(tmp_path / "line.png"), tmp_path / "out.png"
    assert main(["colorize", line, line, str(out), "--weights", str(trained)]) == 1
    assert capsys.readouterr().err == f"lineart: {out} could not be written: No space left on device\n"
    assert out.read_bytes() == before and len(list(tmp_path.iterdir())) == 2


def test_a_bomb_and_damaged_and_32_bit_pictures_are_a_sentence(tmp_path, capsys):
    png = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)).save(png, "PNG")
    header = struct.pack(">IIBBBBB", 16_000, 16_000, 1, 0, 0, 0, 0)
    bomb = png.getvalue()[:16] + header + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + png.getvalue()[33:]
    Image.new("F", (9, 9)).save(tmp_path / "float.tif")
    for name, data, sentence in (("bomb.png", bomb, "at most 178 million pixels, "),
                                 ("cut.png", png.getvalue()[:2000], "cut.png can't be used: "),
                                 ("float.tif", None, "float.tif can't be used: pixels of 32 bits (mode F)")):
        path = tmp_path / name
        if data:
            path.write_bytes(data)
        assert main(["colorize", str(path), str(path), str(tmp_path / "out.png")]) == 1
        error = capsys.readouterr().err
        assert sentence in error and name in error and error.count("\n") == 1


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


def test_a_set_in_the_folder_of_its_pictures_may_hold_its_contact_sheet(pictures, tmp_path):
    root = tmp_path / "in"
    shutil.copytree(pictures, root)
    words = ["data", "prepare", "folder", "--source", str(root), "--size", "32", "--out", str(root / "set"),
             "--processes", "1"]
    assert main(words) == 0 and main(["data", "check", str(root / "set")]) == 0
    assert (root / "set" / "contact_sheet.png").exists() and main(words) == 0


def test_a_contact_sheet_goes_where_it_was_asked_for(pictures, tmp_path, capsys):
    out = tmp_path / "set"
    words = ["data", "prepare", "folder", "--source", str(pictures), "--size", "32", "--processes", "1"]
    assert main([*words, "--out", str(out)]) == 0
    assert main(["data", "check", str(out), "--sheet", str(tmp_path / "sheet.png")]) == 0
    assert Image.open(tmp_path / "sheet.png").mode == "RGB" and not (out / "contact_sheet.png").exists()
    assert main(["data", "check", str(out), "--sheet", str(tmp_path / "sheet.jpg")]) == 0
    assert Image.open(tmp_path / "sheet.jpg").format == "JPEG"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set", "sheet.jpg", "sheet.png"]
    capsys.readouterr()
    assert main(["data", "check", str(out), "--sheet", str(tmp_path / "sheet")]) == 1
    shown = capsys.readouterr()
    assert "the name of a picture must end in one of" in shown.err and not shown.out
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
    (["train", "smoke", "--lr-step-epochs", "0"], "lr_step_epochs must be at least 1, got 0"),
    (["train", "smoke", "--betas", "0.5"], "betas must be two numbers from 0 to below 1, got (0.5,)"),
    (["train", "smoke", "--size", "16"], "size must be at least 24, got 16"),
    (["train", "smoke", "--seed", "-1"], "seed must be between 0 and 2**64 - 1, got -1"),
    (["train", "smoke", "--n-train", "0"], "n_train must be at least 1, got 0"),
    (["train", "smoke", "--source", "nowhere"], "toon is drawn and takes no --source, got nowhere"),
    (["evaluate", "--scale", "--data", "toon", "--source", "nowhere"], "toon is drawn and takes no --source"),
    (["data", "prepare", "toon", "--source", "nowhere"], "toon is drawn and takes no --source, got nowhere"),
    (["data", "prepare", "toon", "--out", "x"], "toon is kept under runs/data and takes no --out, got x"),
    (["colorize", "data/x.png", "x.png", "x.gif.zip"], "the name of a picture must end in one of"),
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
    code = ("import sys\nfrom lineart.cli import main\ntry:\n    main(['train', '--help'])\nexcept SystemExit:\n    "
            "assert not {'torch', 'numpy', 'PIL', 'papermill'} & {*sys.modules}, 'a help text waits for torch'")
    subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


def test_train_help_says_what_each_setting_is(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "--size SIZE pixels a side (256)" in text and "of Adam, two from 0 to below 1 (0.5 0.99)" in text
    assert all(f'"{name}"' in text for names in (config.DATA, config.ATTENTIONS, config.REFERENCES,
                                                 config.TRAIN_REFERENCES) for name in names)
    parser = argparse.ArgumentParser(add_help=False)
    _add_config(parser)
    assert not [action.dest for action in parser._actions if action.help.startswith(" (")]  # a setting without a note


def test_public_names_are_there_and_nothing_of_jupyter_comes_with_them():
    code = ("import sys, lineart; [getattr(lineart, n) for n in lineart.__all__]; "
            "bad = {'IPython', 'papermill', 'nbval', 'jupyterlab', 'ipykernel'} & set(sys.modules); assert not bad, bad")
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        lineart.nothing

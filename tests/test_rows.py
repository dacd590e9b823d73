"""Rows survive the file, and the compared methods are told apart."""

import itertools

import numpy as np
import pandas as pd
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from lineart.config import ROOT, Config, InputError
from lineart.evaluation.rows import COLUMNS, as_rows, read_rows, write_csv
from lineart.methods import METHODS, method_title

HEAD = ",".join(COLUMNS) + "\n"
ROWS = as_rows(
    [
        dict(
            data="toon",
            size=128,
            method="none",
            train_seed=0,
            finish="smooth",
            protocol="P1",
            reference_seed="",
            metric="PSNR",
            value=24.123456,
            spread=3.2,
            n=256,
            backbone="bundled",
            checkpoint="0" * 64,
        ),
        dict(
            data='a, "b"',
            size=64,
            method="copy the reference",
            train_seed=pd.NA,
            finish="",
            protocol="P3",
            reference_seed="0 1 2",
            metric="Fréchet distance (ST-VGG)",
            value=-1e-06,
            spread=1 / 3,
            n=8,
            backbone="bundled",
            checkpoint="",
        ),
    ]
)


def test_rows_come_back_to_the_last_digit(tmp_path):
    path = write_csv(tmp_path / "new" / "rows.csv", ROWS)
    pd.testing.assert_frame_equal(read_rows(path), ROWS)
    assert list(path.parent.iterdir()) == [path] and b"\r" not in path.read_bytes()
    assert write_csv(tmp_path / "again.csv", read_rows(path)).read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "method,metric,value\nnone,FID,40\n",
        HEAD + "toon,128,none,0,smooth,P1,,PSNR,many,0,8,bundled,\n",
        HEAD + "toon,128,none,0,smooth,P1,,PSNR,20,0,8\n",
        HEAD + "toon,128,none,0,smooth,P1,,PSNR,20,0,8,bundled,,more\n",
        "\udcff",
        HEAD.replace("train_seed", "seed") + "toon,128,none,0,smooth,P1,,PSNR,20,0,8,bundled,\n",
    ],
    ids=["empty", "another table", "no number", "cut off", "too long", "no UTF-8", "without the seed"],
)
def test_another_file_is_no_table(tmp_path, text):
    path = tmp_path / "rows.csv"
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(InputError, match="a table must be a CSV of rows .*rows.csv is not: "):
        read_rows(path)


@pytest.mark.parametrize("name", ["table_1", "extended_toon", "extended_faces", "seeds_toon"])
def test_committed_rows_name_a_training_where_there_was_one(name):
    rows = read_rows(ROOT / "figures" / f"{name}.csv")
    trained = rows["method"].isin(METHODS)
    assert (trained == (rows["checkpoint"].str.len() == 64)).all() and (trained == rows["train_seed"].notna()).all()
    assert set(rows["finish"][trained]) == {"smooth"} and set(rows["finish"][~trained]) <= {""}
    assert not rows["method"].str.contains(r"[()]").any()
    assert not rows.duplicated(["method", "train_seed", "finish", "protocol", "metric"]).any()


# --- methods ---


@pytest.mark.parametrize("method", METHODS.values(), ids=lambda method: method.key)
def test_a_methods_settings_give_its_key(method):
    if not hasattr(Config, "keys") and "keys" in method.settings:
        pytest.skip("Config has no keys yet")
    assert Config(data="toon", **method.settings).method == method.key
    assert method_title(method.key) == method.title != method_title("oracle") == "oracle"


# What a screen's linear red, green and blue become without the red and without the green cones (Machado et al. 2009)
SIGHT = {
    "all three": np.eye(3),
    "no red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
}


@pytest.mark.parametrize("sight", SIGHT)
def test_methods_have_colours_that_every_reader_tells_apart(sight):
    rgb = np.array([[int(method.color[i : i + 2], 16) for i in (1, 3, 5)] for method in METHODS.values()]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ np.transpose(SIGHT[sight])
    seen = np.clip(linear, 0, 1)
    lab = rgb2lab(np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055))
    assert min(deltaE_ciede2000(a, b) for a, b in itertools.combinations(lab, 2)) > 15

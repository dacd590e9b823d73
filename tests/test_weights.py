"""From a folder of the paper's kind to weights, tables and a comparison, by the scripts that run for days at full size."""

import csv
import json
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from lineart.checkpoint import read_checkpoint
from lineart.cli import main
from lineart.colorize import PRETRAINED, Colorizer
from lineart.config import ROOT, Config
from lineart.evaluation import read_rows
from lineart.training import LAST

sys.path.insert(0, str(ROOT / "benchmarks"))
import extended_table  # noqa: E402
import seeds  # noqa: E402
import train_weights  # noqa: E402

TINY = dict(weights="bundled", width=4, discriminator_width=4, lambda_fm=0.0, steps=2, batch_size=2, sample_every=1,
            log_every=1, accelerator="cpu")
SHIPPED = train_weights.RECIPES


@pytest.fixture(scope="module")
def paper(tmp_path_factory):
    """`make paper` on 12 pairs of noise with the smallest network: folder of weights, folder of figures, pictures."""
    root, rng = tmp_path_factory.mktemp("paper"), np.random.default_rng(0)
    for split, n in (("train", 8), ("val", 4)):
        (root / "source" / split).mkdir(parents=True)
        for i in range(n):
            color = rng.integers(0, 256, (4, 4, 3), np.uint8).repeat(16, 0).repeat(16, 1)
            sketch = np.full_like(color, 255)
            sketch[10:50, 20 + i] = 0
            Image.fromarray(np.concatenate([color, sketch], 1)).save(root / "source" / split / f"{i}.png")
    recipe = train_weights.Recipe("paper", TINY, (dict(size=64),), ("none", "image"), "no licence, it is noise")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_weights, "RECIPES", {"kaggle": recipe})
        patch.setattr(train_weights, "ROOT", root)
        patch.setattr(extended_table, "KEPT", root / "kept")
        patch.setattr(sys.modules["lineart.data.prepare"], "PREPARED", root / "prepared")
        patch.setenv("LINEART_FIGURES", str(root / "figures"))
        for script, more in ((train_weights, ["--out"]), (extended_table, ["--weights"])):
            patch.setattr(sys, "argv", ["script", "--data", "kaggle", "--source", str(root / "source"), *more,
                                        str(root / "weights"), "--threads", "1"])
            script.main()
            torch.set_num_threads(1)
        yield root


def test_the_paper_can_be_run_on_its_own_kind_of_data(paper, capsys):
    rows = read_rows(paper / "figures" / "extended_kaggle.csv")
    assert {row.protocol for row in rows} == {"P1", "P2", "P3"} and {row.data for row in rows} == {"kaggle"}
    methods = ["line drawing", "copy the reference", "nearest palette colour", "none", "image", "other real pictures"]
    assert list(dict.fromkeys(row.method for row in rows)) == methods
    assert {row.n for row in rows if row.method != "other real pictures"} == {4}  # all of val/, the paper's test set
    assert main(["compare", str(paper / "figures" / "extended_kaggle.csv")]) == 1
    assert "0 of 8 values reproduced" in capsys.readouterr().out


def test_weights_come_with_card_and_curve(paper):
    folder = paper / "weights"
    card = json.loads((folder / "kaggle-image.json").read_text())
    assert card["method"] == "image" and card["steps"] == 2 and card["licence"] == "no licence, it is noise"
    assert card["config"]["source"] is None and str(paper) not in json.dumps(card)
    with open(folder / "kaggle-image-64px.csv", newline="") as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["1", "2"]
    assert Colorizer.from_pretrained(folder / "kaggle-none.safetensors").config.attention == "none"


def test_a_second_table_measures_nothing_again(paper, monkeypatch):
    before = (paper / "figures" / "extended_kaggle.csv").read_bytes()
    monkeypatch.setattr(extended_table, "evaluate", None)
    monkeypatch.setattr(extended_table, "scale_rows", None)
    monkeypatch.setattr(extended_table, "leak_grid", None)
    extended_table.main()
    assert (paper / "figures" / "extended_kaggle.csv").read_bytes() == before


def test_shares_of_the_leak_are_in_its_side_car(paper):
    parts = json.loads((paper / "figures" / "leak_kaggle.json").read_text())["parts"]
    rows = read_rows(paper / "figures" / "extended_kaggle.csv")
    for method in ("none", "image"):
        p1 = next(row.value for row in rows if (row.method, row.protocol, row.metric) == (method, "P1", "PSNR"))
        assert sum(parts[method].values()) == pytest.approx(p1, abs=1e-5)


def test_an_unknown_method_is_a_sentence(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["script", "nobody"])
    with pytest.raises(SystemExit):
        train_weights.main()
    assert ("METHOD must be one of none, gate, palette, image, image-warped, image-cycle, image-other, got 'nobody'"
            in capsys.readouterr().err)


def test_a_network_learns_from_its_paintings_once_it_can_colour(monkeypatch):
    monkeypatch.setattr(train_weights, "RECIPES", SHIPPED)
    (first, _, run), (last, phase, own) = train_weights.plan("toon", "image-cycle", 1)
    assert (first, last) == ("image-warped", "image-cycle") and phase == train_weights.PHASES[-1]
    warped = train_weights.plan("toon", "image-warped", 1)
    assert run == warped[0][2] and own != warped[1][2]
    assert [phase for _, phase, _ in warped] == [*train_weights.PHASES]


def test_a_cycle_from_nothing_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(train_weights, "RECIPES", SHIPPED)
    monkeypatch.setattr(sys, "argv", ["script", "image-cycle", "--data", "kaggle"])
    with pytest.raises(SystemExit):
        train_weights.main()
    assert "image-cycle needs a phase as image-warped before, the recipe of kaggle has one" in capsys.readouterr().err


def test_nothing_is_built_on_a_run_that_was_stopped(tmp_path, monkeypatch):
    config, run = Config.from_profile("smoke", size=32, n_train=4, n_test=2, steps=2), tmp_path / "run"
    whole = train_weights.train

    def stopped(config, run, resume):
        return whole(config.replace(steps=1), run, resume)

    monkeypatch.setattr(train_weights, "train", stopped)
    with pytest.raises(SystemExit, match="run stopped at step 1 of 2; the same command goes on"):
        train_weights.train_to_the_end(config, run)
    monkeypatch.setattr(train_weights, "train", whole)
    train_weights.train_to_the_end(config, run)
    assert read_checkpoint(run / LAST)[1] == 2


def test_seeds_are_compared_only_when_both_methods_have_them(tmp_path):
    def there(*names):
        for name in names:
            (tmp_path / f"toon-{name}.safetensors").touch()
    there("none-s2", "image-s1", "gate-s1")
    with pytest.raises(SystemExit, match=r"there are none \(seed 0\), image \(seed 0\), none \(seed 2\), image \(seed 1\)"):
        seeds.trainings(tmp_path)
    there("none-s1", "image-s2")
    found = seeds.trainings(tmp_path)
    assert [*found] == [f"{method} (seed {seed})" for method in ("none", "image") for seed in (0, 1, 2)]
    assert found["image (seed 2)"] == tmp_path / "toon-image-s2.safetensors"
    assert found["none (seed 0)"].parent == PRETRAINED  # the shipped one

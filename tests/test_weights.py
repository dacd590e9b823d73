"""From a folder of the paper's kind to weights, tables and a comparison, by the scripts that run for days at full size."""

import csv
import json
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from lineart.checkpoint import read_checkpoint
from lineart.cli import main
from lineart.coloring.colorizer import PRETRAINED, Colorizer
from lineart.config import ROOT, Config
from lineart.data.sets import load
from lineart.evaluation.leak import attention_shares
from lineart.evaluation.measure import Evaluator, Row, read_rows
from lineart.evaluation.protocols import trials
from lineart.files import sha256
from lineart.methods import METHOD_COLORS
from lineart.training import LAST, Trainer

sys.path.insert(0, str(ROOT / "benchmarks"))
import extended_table  # noqa: E402
import seeds  # noqa: E402
import train_weights  # noqa: E402

TINY = dict(weights="bundled", width=4, discriminator_width=4, lambda_fm=0.0, epochs=1, batch_size=2, sample_every=1,
            log_every=1, accelerator="cpu")  # one epoch of as many pairs as there are, not of the paper's 14,224
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
        patch.setattr(sys.modules["lineart.data.store"], "PREPARED", root / "prepared")
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
    assert card["method"] == "image" and card["steps"] == 3 and card["licence"] == "no licence, it is noise"
    assert card["config"]["source"] is None and str(paper) not in json.dumps(card)
    with open(folder / "kaggle-image-64px.csv", newline="") as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["1", "2", "3"]
    assert Colorizer.from_pretrained(folder / "kaggle-none.safetensors").config.attention == "none"


def test_the_curves_of_every_training_are_drawn(paper):
    curves = json.loads((paper / "figures" / "curves_kaggle.json").read_text())["curves"]
    assert curves == {f"kaggle-{name}-64px.csv": sha256(paper / "weights" / f"kaggle-{name}-64px.csv")
                      for name in ("none", "image")}
    picture = np.asarray(Image.open(paper / "figures" / "curves_kaggle.png").convert("RGB"))
    for method in ("none", "image"):  # each of them in its colour
        assert (picture == [int(METHOD_COLORS[method][i : i + 2], 16) for i in (1, 3, 5)]).all(-1).any()


def test_curves_lie_beside_their_weights(tmp_path):
    for name in ("image-64px", "image-128px", "image-warped-64px", "image-s1-64px", "image-1px.csv.tmp"):
        (tmp_path / f"toon-{name}.csv").touch()
    assert extended_table.curves_of(tmp_path / "toon-image.safetensors") == {
        64: tmp_path / "toon-image-64px.csv", 128: tmp_path / "toon-image-128px.csv"}


def test_weights_without_curves_have_no_picture_of_them(tmp_path, monkeypatch):
    monkeypatch.setenv("LINEART_FIGURES", str(tmp_path / "figures"))
    extended_table.draw_curves({"none": tmp_path / "toon-none.safetensors"}, "toon")
    assert not list(tmp_path.rglob("*.png"))


def test_a_smooth_curve_is_the_mean_of_the_last_rows():
    curve = {"step": np.arange(4), "l1": np.array([4.0, 2.0, 6.0, 1.0])}
    smooth = extended_table.smooth(curve, "l1", 2)
    np.testing.assert_allclose(smooth["l1"], [4, 3, 4, 3.5])
    np.testing.assert_allclose(extended_table.smooth(curve, "l1", 9)["l1"], [4, 3, 4, 3.25])


def test_a_second_table_measures_nothing_again(paper, monkeypatch):
    before = (paper / "figures" / "extended_kaggle.csv").read_bytes()
    monkeypatch.setattr(extended_table, "evaluate", None)
    monkeypatch.setattr(extended_table, "scale_rows", None)
    monkeypatch.setattr(extended_table, "leak_grid", None)
    extended_table.main()
    assert (paper / "figures" / "extended_kaggle.csv").read_bytes() == before


def test_kept_rows_belong_to_the_weights_whatever_they_are_called(paper, monkeypatch):
    monkeypatch.setattr(extended_table, "evaluate", None)
    weights = paper / "weights" / "kaggle-image.safetensors"
    config = Colorizer.from_pretrained(weights).config.replace(source=str(next((paper / "prepared").iterdir())))
    evaluator = Evaluator(load(config, "test"), config.weights, "kaggle")
    rows = extended_table.measure(evaluator, {"image (seed 7)": weights}, "P3", scale=False)
    measured = [row for row in read_rows(paper / "figures" / "extended_kaggle.csv")
                if (row.method, row.protocol) == ("image", "P3")]
    assert len(rows) == 4 and rows == [replace(row, method="image (seed 7)") for row in measured]


def test_another_metric_or_other_pictures_are_measured_again(paper, tmp_path, monkeypatch):
    monkeypatch.setenv("LINEART_FIGURES", str(tmp_path))
    asked = []

    def counted(name, result):
        monkeypatch.setattr(extended_table, name, lambda *_: asked.append(name) or result)

    kept = len(list((paper / "kept").iterdir()))
    counted("real_against_real", read_rows(paper / "figures" / "extended_kaggle.csv")[-2:])
    load = extended_table.load

    def other_pictures(config, split, n):
        pairs = load(config, split, n)
        return replace(pairs, color=255 - pairs.color) if split == "train" else pairs
    monkeypatch.setattr(extended_table, "load", other_pictures)
    extended_table.main()
    assert asked == ["real_against_real"]
    monkeypatch.setattr(extended_table, "CODE", [*extended_table.CODE, "another"])
    for name, result in (("evaluate", []), ("scale_rows", []), ("leak_grid", {("random", "random"): np.zeros(4),
                         ("truth", "warped"): np.zeros(4), ("truth", "truth"): np.zeros(4)})):
        counted(name, result)
    monkeypatch.setattr(extended_table, "extended_markdown", lambda rows: "")
    extended_table.main()
    assert sorted(asked) == 6 * ["evaluate"] + 2 * ["leak_grid"] + 2 * ["real_against_real"] + 3 * ["scale_rows"]
    assert len(list((paper / "kept").iterdir())) == 2 * kept + 1


def test_the_code_of_the_package_is_in_every_key():
    assert ("metrics.py", sha256(ROOT / "lineart" / "metrics.py")) in extended_table.CODE
    assert ("toon.py", sha256(ROOT / "lineart" / "data" / "toon.py")) in extended_table.CODE
    assert ("torch", torch.__version__.split("+")[0]) in [(n, v.split("+")[0]) for n, v in extended_table.CODE]


def test_weights_of_no_known_method_are_a_sentence(tmp_path):
    (tmp_path / "toon-image-warped-s12.safetensors").touch()
    assert extended_table.weights_of("toon", tmp_path) == {
        "image-warped (seed 12)": tmp_path / "toon-image-warped-s12.safetensors"}
    (tmp_path / "toon-mine.safetensors").touch()
    with pytest.raises(SystemExit, match=r"METHOD one of none, gate, .*image-other, got .*toon-mine\.safetensors$"):
        extended_table.weights_of("toon", tmp_path)


def test_attention_is_measured_on_the_truth_and_on_another_drawing():
    pairs, path = load(Config.from_profile("smoke"), "test"), PRETRAINED / "toon-image.safetensors"
    plans = {"truth": trials("P1", pairs, "toon"), "another drawing": trials("P4", pairs, "toon")}
    evaluator = SimpleNamespace(pairs=pairs, plan=lambda protocol: trials(protocol, pairs, "toon"))
    methods = {"none": PRETRAINED / "toon-none.safetensors", "image": path}
    lines = extended_table.measure_attention(evaluator, methods)
    generator = Colorizer.from_pretrained(path).generator
    by_hand = [("image", reference, layer, *(f"{value:.4f}" for value in values))
               for reference, plan in plans.items()
               for layer, values in attention_shares(generator, pairs, plan[0]).items()]
    assert lines == by_hand and len(lines) == 12
    assert lines[0][3:] != lines[6][3:]


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


def test_weights_of_a_run_that_is_not_over_say_their_own_step(tmp_path, monkeypatch):
    """Rows come more often than checkpoints; what was logged after the last one says nothing about these weights."""
    monkeypatch.setattr(train_weights, "RECIPES", SHIPPED)
    monkeypatch.setattr(train_weights, "ROOT", tmp_path)
    run = train_weights.folder("toon", "image-warped", 0, 64)
    config = Config.from_profile("smoke", **train_weights.METHODS["image-warped"], steps=2)
    train_weights.train_to_the_end(config, run)
    with open(run / "metrics.csv", "a") as file:
        file.write(",".join(["3", "1000"] + ["99"] * 13) + "\n")
    train_weights.export("toon", "image-warped", 0, tmp_path / "out")
    card = json.loads((tmp_path / "out" / "toon-image-warped.json").read_text())
    assert card["steps"] == card["phases"][0]["steps"] == 2 and card["phases"][0]["hours"] < 0.1
    assert read_checkpoint(tmp_path / "out" / "toon-image-warped.safetensors")[1] == 2
    rows = (tmp_path / "out" / "toon-image-warped-64px.csv").read_text().splitlines()[1:]
    assert [row.split(",")[0] for row in rows] == ["1", "2"]
    with pytest.raises(SystemExit, match="image-cycle with seed 0 must be trained .*image-cycle-s0-128px holds no last"):
        train_weights.export("toon", "image-cycle", 0, tmp_path / "out")  # it begins as image-warped


def test_nothing_is_built_on_a_run_that_was_stopped(tmp_path, monkeypatch):
    config, run = Config.from_profile("smoke", size=32, n_train=4, n_test=2, steps=2), tmp_path / "run"
    monkeypatch.setattr(Trainer, "must_stop", lambda self, stop: True)
    with pytest.raises(SystemExit, match="run stopped at step 1 of 2; the same command goes on"):
        train_weights.train_to_the_end(config, run)
    monkeypatch.undo()
    train_weights.train_to_the_end(config, run)
    assert read_checkpoint(run / LAST)[1] == 2


def test_what_the_metrics_need_is_there_before_the_training(monkeypatch):
    def refuse(weights):
        raise OSError(f"{weights} could not be downloaded")
    monkeypatch.setattr(train_weights, "RECIPES", SHIPPED)
    monkeypatch.setattr(train_weights, "PerceptualDistance", lambda weights: None)
    monkeypatch.setattr(train_weights, "frechet_features", refuse)
    monkeypatch.setattr(train_weights, "train_method", lambda *_: pytest.fail("a training was begun"))
    monkeypatch.setattr(sys, "argv", ["script", "--data", "kaggle"])
    with pytest.raises(OSError, match="imagenet could not be downloaded"):
        train_weights.main()


@pytest.mark.parametrize("path", sorted(PRETRAINED.glob("*.safetensors")), ids=lambda path: path.stem)
def test_shipped_weights_are_those_of_the_recipe(path):
    """`make weights`, and the faces' command, would train them like this again."""
    card = json.loads(path.with_suffix(".json").read_text())
    recipe, config = SHIPPED[card["data"]], Config.from_dict(card["config"])
    settings = train_weights.METHODS[config.method] | recipe.settings | recipe.phases[-1]
    settings |= dict(data=card["data"], seed=card["seed"], n_train=config.n_train)  # the set may hold fewer than asked for
    assert config == Config.from_profile(recipe.profile, **settings)
    assert [(phase["size"], phase["batch_size"], phase["steps"]) for phase in card["phases"]] == [
        (phase["size"], phase["batch_size"], phase["steps"]) for phase in recipe.phases]
    assert card["sha256"] == sha256(path) and card["bytes"] == path.stat().st_size


def test_weights_of_other_seeds_are_found_beside_the_shipped_ones(tmp_path):
    for name in ("none-s2", "image-warped-s1", "gate-s1", "none-s0", "image"):
        (tmp_path / f"toon-{name}.safetensors").write_text(name)
    found = seeds.trainings(tmp_path)
    assert {*found} == {*(f"{method} (seed 0)" for method in seeds.METHODS), "none (seed 2)", "image-warped (seed 1)"}
    assert found["none (seed 0)"].parent == PRETRAINED and found["none (seed 2)"] == tmp_path / "toon-none-s2.safetensors"
    with pytest.raises(SystemExit, match="weights must have their card beside them, .*toon-(none-s2|image-warped-s1).json"):
        seeds.cards_of(found)
    (tmp_path / "toon-none-s2.json").write_text('{"steps": 7, "phases": [1], "licence": "x"}')
    card = {"sha256": sha256(found["none (seed 2)"]), "steps": 7, "phases": [1]}
    assert seeds.cards_of({"none (seed 2)": found["none (seed 2)"]}) == {"none (seed 2)": card}


def test_seeds_are_compared_only_when_all_methods_have_them_and_equally_long():
    names = [f"{method} (seed {seed})" for method in seeds.METHODS for seed in (0, 1)]
    cards = {name: {"steps": 11_000} for name in names}
    assert [*seeds.in_order(dict(reversed(cards.items())))] == names
    for lost in names:
        with pytest.raises(SystemExit, match="two seeds or more of none, image, image-warped alike must be trained"):
            seeds.in_order({name: card for name, card in cards.items() if name != lost})
    with pytest.raises(SystemExit, match=r"got 11,000 of none \(seed 0\), .* 7,000 of image-warped \(seed 1\)"):
        seeds.in_order(cards | {names[-1]: {"steps": 7_000}})


def test_a_seed_is_added_to_the_table_and_the_others_keep_their_rows(tmp_path, monkeypatch):
    monkeypatch.setenv("LINEART_FIGURES", str(tmp_path))
    monkeypatch.setattr(seeds, "Evaluator", lambda pairs, weights, data: SimpleNamespace(pairs=pairs))
    monkeypatch.setattr(seeds, "load", lambda *_: None)
    there = {f"{method} (seed {seed})" for method in seeds.METHODS for seed in range(2)}
    digest, asked = {}, []  # of the weights that are here

    def measure(evaluator, methods, protocol, scale):
        asked.append((protocol, *methods))
        metric = "Fréchet distance (ST-VGG)" if protocol == "P3" else "PSNR"
        return [Row("toon", 128, name, protocol, metric, float(len(asked)), 0.0, 4, "", "bundled", "x") for name in methods]

    monkeypatch.setattr(seeds, "measure", measure)
    monkeypatch.setattr(seeds, "trainings", lambda folder: {name: PRETRAINED / "toon-none.safetensors" for name in digest})
    monkeypatch.setattr(seeds, "cards_of", lambda found: {
        name: {"sha256": digest[name], "steps": 5, "phases": []} for name in found})

    def call(*words):
        asked.clear()
        monkeypatch.setattr(sys, "argv", ["script", "--n", "4", *words])
        seeds.main()
        return {(row.method, row.protocol): row.value for row in read_rows(tmp_path / "seeds_toon.csv")}

    digest |= dict.fromkeys(there, "first")
    first = call()
    assert len(asked) == 4 and {*asked[0][1:]} == there and len(first) == 4 * len(there)
    for name in there - {"none (seed 0)"}:  # their weights are elsewhere now
        del digest[name]
    assert call() == first and asked == []
    digest |= {f"{method} (seed 2)": "first" for method in seeds.METHODS}
    second = call()
    assert {*asked[0][1:]} == {*digest} - {"none (seed 0)"} and first.items() <= second.items()
    digest["none (seed 0)"] = "trained again"
    call()
    assert asked[0] == ("P1", "none (seed 0)")
    record = json.loads((tmp_path / "seeds_toon.json").read_text())
    assert record["weights"]["none (seed 0)"]["sha256"] == "trained again" and len(record["weights"]) == 9
    with pytest.raises(SystemExit, match="two seeds or more"):  # on other drawings no row of before can stand
        call("--n-random", "7")

"""From a folder of the paper's kind to weights, tables and a comparison, by scripts that run for days at full size."""

import json
import sys

import extended_table
import numpy as np
import pytest
import seeds
import torch
import train_weights
from PIL import Image

from lineart.checkpoint import load_generator, read_checkpoint
from lineart.coloring.colorizer import PRETRAINED
from lineart.config import ROOT, Config
from lineart.data.sets import load
from lineart.evaluation.rows import as_rows, read_csv, read_rows
from lineart.evaluation.tables import comparison
from lineart.files import sha256
from lineart.methods import METHODS
from lineart.runs import LAST
from lineart.training import Trainer

TINY = dict(
    weights="bundled",
    width=4,
    discriminator_width=4,
    lambda_fm=0.0,
    epochs=1,
    batch_size=2,
    sample_every=1,
    log_every=1,
    accelerator="cpu",
)  # one epoch of as many pairs as there are, not of the paper's 14,224
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
    recipe = train_weights.Recipe("paper", TINY, {"64px": dict(size=64)}, ("none", "image"), "no licence, it is noise")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_weights, "RECIPES", {"kaggle": recipe})
        patch.setattr(extended_table, "KEPT", root / "kept")
        patch.setattr("lineart.data.store.PREPARED", root / "prepared")
        patch.setenv("LINEART_FIGURES", str(root / "figures"))
        common = ["script", "--data", "kaggle", "--source", str(root / "source"), "--threads", "1"]
        folders = ["--runs", str(root / "runs"), "--out", str(root / "weights")]
        for script, more in ((train_weights, folders), (extended_table, ["--weights", str(root / "weights")])):
            patch.setattr(sys, "argv", common + more)
            script.main()
            torch.set_num_threads(1)
        yield root


def test_the_paper_can_be_run_on_its_own_kind_of_data(paper):
    rows = read_rows(paper / "figures" / "extended_kaggle.csv")
    assert set(rows["protocol"]) == {"P1", "P2", "P3"} and set(rows["data"]) == {"kaggle"}
    methods = ["line drawing", "copy the reference", "nearest palette colour", "none", "image", "other real pictures"]
    assert [*rows["method"].unique()] == methods
    assert set(rows["n"][rows["method"] != "other real pictures"]) == {4}  # all of val/, the paper's test set
    assert comparison(rows)[1] == 0
    parts = json.loads((paper / "figures" / "leak_kaggle.json").read_text())["parts"]
    for method in ("none", "image"):
        row = next(row for row in rows.itertuples() if (row.method, row.protocol, row.metric) == (method, "P1", "PSNR"))
        assert sum(parts[method].values()) == pytest.approx(row.value, abs=1e-5)


def test_weights_come_with_card_and_curve_and_the_curves_are_drawn(paper):
    card = json.loads((paper / "weights" / "kaggle-image.json").read_text())
    assert card["method"] == "image" and card["steps"] == 3 and card["licence"] == "no licence, it is noise"
    assert card["config"]["source"] is None and str(paper) not in json.dumps(card)
    curves = {f"kaggle-{name}-64px.csv": paper / "weights" / f"kaggle-{name}-64px.csv" for name in ("none", "image")}
    assert read_csv(curves["kaggle-image-64px.csv"])["step"].to_list() == [1, 2, 3]
    drawn = json.loads((paper / "figures" / "curves_kaggle.json").read_text())["curves"]
    assert drawn == {name: sha256(path) for name, path in curves.items()}


def test_a_second_table_measures_only_what_is_new(paper, tmp_path, monkeypatch):
    before, kept = (paper / "figures" / "extended_kaggle.csv").read_bytes(), len([*(paper / "kept").iterdir()])
    monkeypatch.setenv("LINEART_FIGURES", str(tmp_path))
    asked = []
    for name in ("evaluate", "scale_rows", "leak_grid", "real_against_real"):
        real = getattr(extended_table, name)
        monkeypatch.setattr(extended_table, name, lambda *a, name=name, real=real: asked.append(name) or real(*a))
    extended_table.main()
    assert asked == [] and (tmp_path / "extended_kaggle.csv").read_bytes() == before
    assert ("metrics.py", sha256(ROOT / "lineart" / "evaluation" / "metrics.py")) in extended_table.CODE
    assert "torch" in dict(extended_table.CODE)
    monkeypatch.setattr(extended_table, "CODE", [*extended_table.CODE, "another"])
    extended_table.main()
    assert sorted(asked) == 6 * ["evaluate"] + 2 * ["leak_grid"] + ["real_against_real"] + 3 * ["scale_rows"]
    assert (tmp_path / "extended_kaggle.csv").read_bytes() == before and len([*(paper / "kept").iterdir()]) == 2 * kept


def test_weights_and_their_curves_are_found_by_name(tmp_path):
    names = ("image-64px.csv", "image-whole.csv", "image-warped-64px.csv", "image-warped-s12.safetensors")
    for name in (*names, "none.safetensors"):
        (tmp_path / f"toon-{name}").touch()
    curves = extended_table.curves_of(tmp_path / "toon-image.safetensors")
    assert curves == {phase: tmp_path / f"toon-image-{phase}.csv" for phase in ("64px", "whole")}
    assert extended_table.weights_in(tmp_path, "toon") == {
        ("none", 0): tmp_path / "toon-none.safetensors",
        ("image-warped", 12): tmp_path / "toon-image-warped-s12.safetensors",
    }
    (tmp_path / "toon-mine.safetensors").touch()
    with pytest.raises(SystemExit, match="METHOD"):
        extended_table.weights_in(tmp_path, "toon")


def test_a_network_that_trained_on_alone_is_not_among_the_compared(monkeypatch, capsys):
    steps = {"none": 11, "image": 11, "lines-warped": 13}
    monkeypatch.setattr(extended_table, "read_checkpoint", lambda path: (None, steps[path], {}))
    kept = extended_table.of_equal_steps({(method, 0): method for method in steps})
    assert kept == {("none", 0): "none", ("image", 0): "image"}
    assert "lines-warped, seed 0, is left out" in capsys.readouterr().out
    assert extended_table.of_equal_steps({}) == {}


def test_only_the_default_of_toon_has_a_phase_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(train_weights, "RECIPES", SHIPPED)
    own = {method: {*train_weights.plan("toon", method, 0, tmp_path)} for method in ("image", "lines-warped")}
    assert own["lines-warped"] - own["image"] == {"rare", "erasing", "partners", "partners2"}
    assert not own["image"] - own["lines-warped"]


def test_a_training_can_end_where_the_compared_weights_end(tmp_path, monkeypatch):
    monkeypatch.setattr(train_weights, "RECIPES", {"toon": SHIPPED["toon"].until("128px")})
    card = json.loads((PRETRAINED / "toon-image.json").read_text())
    for method in ("image", "lines-warped"):
        assert [*train_weights.plan("toon", method, 1, tmp_path)] == [f"{phase['size']}px" for phase in card["phases"]]
    with pytest.raises(SystemExit, match="--until must be one of 64px, 128px, whole, got rare"):
        SHIPPED["toon"].until("rare")


# --- training ---


def test_weights_of_a_run_that_is_not_over_say_their_own_step(tmp_path, monkeypatch):
    """Rows come more often than checkpoints; what was logged after the last one says nothing about these weights."""
    monkeypatch.setattr(train_weights, "RECIPES", SHIPPED)
    runs, out = tmp_path / "runs", tmp_path / "out"
    with pytest.raises(SystemExit, match="image-warped with seed 0 must be trained"):
        train_weights.export("toon", "image-warped", 0, runs, out)
    run = train_weights.plan("toon", "image-warped", 0, runs)["64px"]
    config = Config.from_profile("smoke", **METHODS["image-warped"].settings, size=32, n_train=4, n_test=2, steps=2)
    train_weights.train_to_the_end(config, run)
    with open(run / "metrics.csv", "a") as file:
        file.write(",".join(["3", "1000"] + ["99"] * 13) + "\n")
    train_weights.export("toon", "image-warped", 0, runs, out)
    card = json.loads((out / "toon-image-warped.json").read_text())
    assert card["steps"] == card["phases"][0]["steps"] == 2 and card["phases"][0]["hours"] < 0.1
    assert read_checkpoint(out / "toon-image-warped.safetensors")[1] == 2
    assert read_csv(out / "toon-image-warped-64px.csv")["step"].to_list() == [1, 2]


def test_a_processor_without_bfloat16_trains_in_float32(tmp_path, monkeypatch):
    config = Config.from_profile("smoke", size=32, n_train=4, n_test=2, steps=1, precision="bf16-mixed")
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    for name, precision in (("avx512_f", "32-true"), ("avx512_bf16", "bf16-mixed")):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda name=name: {name: True, "amx_bf16": False})
        train_weights.train_to_the_end(config, tmp_path / name)
        assert read_checkpoint(tmp_path / name / LAST)[0].precision == precision


def test_the_phases_lie_in_folders_of_their_own_and_the_last_has_the_whole_loss(tmp_path, monkeypatch):
    monkeypatch.setattr(train_weights, "RECIPES", SHIPPED)
    for data in ("toon", "faces"):
        plan, phases = train_weights.plan(data, "none", 1, tmp_path), SHIPPED[data].phases
        assert len({*plan.values()}) == len(plan) == 3 and phases.keys() == plan.keys()
        assert [phase["steps"] for phase in phases.values()] == [7_000, 4_000, 1_500]
        assert [*phases.values()][-1]["lambda_fm"] == Config().lambda_fm


def test_partners_are_coloured_by_the_phase_before_and_are_made_once(tmp_path, monkeypatch):
    small = dict(size=32, levels=3, width=4, steps=1, batch_size=2, n_train=6, n_test=2, lambda_fm=0.0, sample_every=1)
    phases = {"64px": {}, "partners": dict(partners="0")}
    recipe = train_weights.Recipe("smoke", small, phases, ("image-warped",), "no licence")
    monkeypatch.setattr(train_weights, "RECIPES", {"toon": recipe})
    made, make = [], train_weights.make_partners
    monkeypatch.setattr(train_weights, "make_partners", lambda *args: made.append(make(*args)) or made[-1])
    monkeypatch.setattr(train_weights, "Parallel", lambda n_jobs: lambda tasks: [f(*args) for f, args, _ in tasks])
    for _ in range(2):
        train_weights.train_method("toon", "image-warped", 0, tmp_path, None, None)
    first, second = train_weights.plan("toon", "image-warped", 0, tmp_path).values()
    partners = np.load(f"{second}.npy")
    assert np.array_equal(partners, np.concatenate(made)) and partners.shape == (6, 32, 32, 3)
    config = read_checkpoint(second / LAST)[0]
    assert config.start_from == str(first / LAST) and config.partners == f"{second}.npy"
    expected = make(load_generator(first / LAST)[0], load(config.replace(partners=None)))
    assert np.array_equal(partners, expected)
    train_weights.export("toon", "image-warped", 0, tmp_path, tmp_path / "out")
    card = json.loads((tmp_path / "out" / "toon-image-warped.json").read_text())
    assert [phase["partners"] for phase in card["phases"]] == [False, True] and card["config"]["partners"] is None


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
    """Of as many of its phases as their card says; those of faces halved the rate sooner in two phases than now."""
    card = json.loads(path.with_suffix(".json").read_text())
    recipe, config, had = SHIPPED[card["data"]], Config.from_dict(card["config"]), card["phases"]
    planned = recipe.phases_of(config.method)
    names = [phase.get("phase", name) for phase, name in zip(had, planned)]  # the oldest cards have none
    phases = [planned[name] for name in names]
    assert len(phases) == len(had)
    keys = ("size", "batch_size", "steps")
    assert [[phase[key] for key in keys] for phase in had] == [[phase[key] for key in keys] for phase in phases]
    settings = METHODS[config.method].settings | recipe.settings | phases[-1]
    # The set may hold fewer than asked for
    settings |= dict(data=card["data"], seed=card["seed"], n_train=config.n_train, partners=None)
    if len(had) < len(recipe.phases):
        settings["lr_step_epochs"] = config.lr_step_epochs
    assert config == Config.from_profile(recipe.profile, **settings)
    assert card["sha256"] == sha256(path) and card["bytes"] == path.stat().st_size


# --- seeds ---


def test_weights_of_other_seeds_are_found_beside_the_shipped_ones(tmp_path):
    for name in ("none-s2", "image-warped-s1", "gate-s1", "none-s0", "image"):
        (tmp_path / f"toon-{name}.safetensors").write_text(name)
    found = seeds.trainings(tmp_path)
    shipped = {(method, 0) for method in ("none", "image", "image-warped")}
    assert {*found} == shipped | {("none", 2), ("image-warped", 1)}
    assert found["none", 0].parent == PRETRAINED and found["none", 2] == tmp_path / "toon-none-s2.safetensors"
    longer = tmp_path / "toon-lines-warped.safetensors"  # the shipped one trained on, so this is its seed 0
    longer.write_text("")
    assert seeds.trainings(tmp_path)["lines-warped", 0] == longer
    with pytest.raises(SystemExit, match="weights must have their card beside them"):
        seeds.cards_of(found)


def test_seeds_are_compared_only_when_all_methods_have_them_and_equally_long():
    keys = [(method, seed) for method in seeds.METHODS for seed in (0, 1)]
    cards = {key: {"steps": 11_000} for key in keys}
    assert [*seeds.in_order(dict(reversed(cards.items())))] == keys
    for lost in keys:
        with pytest.raises(SystemExit, match="two seeds or more of none, image, .* alike must be trained"):
            seeds.in_order({key: card for key, card in cards.items() if key != lost})
    with pytest.raises(SystemExit, match=r"got 11,000 of none, seed 0, .* 7,000 of lines-warped, seed 1"):
        seeds.in_order(cards | {keys[-1]: {"steps": 7_000}})


def test_a_seed_is_added_to_the_table_and_the_others_keep_their_rows(tmp_path, monkeypatch):
    monkeypatch.setenv("LINEART_FIGURES", str(tmp_path))
    monkeypatch.setattr(seeds, "Evaluator", lambda pairs, weights, data: None)
    monkeypatch.setattr(seeds, "load", lambda *_: None)
    digest, asked = {}, []  # of the weights that are here

    def measure(evaluator, weights, protocol, scale):
        asked.append((protocol, *weights))
        metric = "Fréchet distance (ST-VGG)" if protocol == "P3" else "PSNR"
        common = dict(data="toon", size=128, finish="smooth", reference_seed="", spread=0.0, n=4, backbone="bundled")
        common |= dict(checkpoint="x", protocol=protocol, metric=metric, value=float(len(asked)))
        return as_rows([common | dict(method=method, train_seed=seed) for method, seed in weights])

    def cards_of(found):
        names = ("method", "train_seed", "sha256", "steps", "phases")
        return {key: dict(zip(names, (*key, digest[key], 5, []))) for key in found}

    monkeypatch.setattr(seeds, "measure", measure)
    monkeypatch.setattr(seeds, "trainings", lambda folder: dict.fromkeys(digest, PRETRAINED / "toon-none.safetensors"))
    monkeypatch.setattr(seeds, "cards_of", cards_of)

    def call(*words):
        asked.clear()
        monkeypatch.setattr(sys, "argv", ["script", "--n", "4", *words])
        seeds.main()
        rows = read_rows(tmp_path / "seeds_toon.csv").itertuples()
        return {(row.method, row.train_seed, row.protocol): row.value for row in rows}

    there = {(method, seed) for method in seeds.METHODS for seed in range(2)}
    digest |= dict.fromkeys(there, "first")
    first = call()
    assert len(asked) == 4 and {*asked[0][1:]} == there and len(first) == 4 * len(there)
    for key in there - {("none", 0)}:  # their weights are elsewhere now
        del digest[key]
    assert call() == first and asked == []
    digest |= {(method, 2): "first" for method in seeds.METHODS}
    second = call()
    assert {*asked[0][1:]} == {*digest} - {("none", 0)} and first.items() <= second.items()
    digest["none", 0] = "trained again"
    call()
    assert asked[0] == ("P1", ("none", 0))
    cards = json.loads((tmp_path / "seeds_toon.json").read_text())["weights"]
    assert len(cards) == 3 * len(seeds.METHODS) and (cards[0]["method"], cards[0]["sha256"]) == (
        "none",
        "trained again",
    )
    with pytest.raises(SystemExit, match="two seeds or more"):  # on other drawings no row of before can stand
        call("--n-random", "7")

"""Measuring: the right reference for each drawing, numbers known by hand, and rows that say how to get them again."""

import errno
from dataclasses import replace
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from standin import StandIn

from lineart.checkpoint import make_generator, save_checkpoint
from lineart.coloring import flats
from lineart.config import Config, InputError
from lineart.data.prepare import prepare
from lineart.data.references import random_references
from lineart.data.sets import Pairs
from lineart.evaluation import measure, metrics
from lineart.evaluation.measure import (
    Evaluator,
    copy_the_reference,
    evaluate,
    evaluate_weights,
    real_against_real,
    scale_rows,
)
from lineart.evaluation.protocols import DERANGEMENTS
from lineart.evaluation.rows import read_rows
from lineart.images import paint

CONFIG = Config.from_profile("smoke")
P1 = ["PSNR", "MS-SSIM", "ST-LPIPS"]
P3 = ["Fréchet distance (ST-VGG)", "KID (ST-VGG)", "palette distance", "line consistency"]


@pytest.fixture(scope="module")
def evaluator(pairs):
    return Evaluator(pairs, "bundled", "toon")


@pytest.fixture(scope="module")
def lists(pairs):
    return [random_references("toon", len(pairs), seed) for seed in DERANGEMENTS]


def values(rows):
    return dict(zip(rows["metric"], rows["value"]))


def test_each_drawing_is_painted_with_its_own_reference_and_palette(pairs):
    mixed = StandIn(lambda line, palette, reference: (line + reference + palette[:, 0, :, None, None]) / 3)
    color = pairs.color[::-1]
    results = paint(mixed, pairs.line, color, pairs.palette, batch_size=3)
    reference, palette = color.transpose(0, 3, 1, 2).astype(float), pairs.palette[:, 0, :, None, None]
    expected = (pairs.line[:, None] + reference + palette) / 3
    assert results.dtype == torch.uint8 and np.abs(results.numpy() - expected).max() <= 0.51
    assert torch.equal(results, paint(mixed, pairs.line, color, pairs.palette))


def test_p1_compares_pair_by_pair_and_counts_an_identical_picture_as_100_db(evaluator):
    rows = evaluator.rows("truth", "P1", lambda *_: evaluator.truth)
    assert values(rows) == pytest.approx({"PSNR": 100.0, "MS-SSIM": 1.0, "ST-LPIPS": 0.0}, abs=1e-6)
    results = evaluator.truth.clone()
    results[1:] = (results[1:].int() ^ 4).to(torch.uint8)  # every value is 4 off
    row = evaluator.rows("x", "P1", lambda *_: results).iloc[0]
    each = [100] + [10 * np.log10(255**2 / 4**2)] * (len(results) - 1)
    assert (row["value"], row["spread"]) == pytest.approx((np.mean(each), np.std(each, ddof=1)), abs=1e-5)
    others = values(evaluator.rows("x", "P1", lambda *_: evaluator.truth.roll(1, 0)))  # as a set still perfect
    assert others["PSNR"] < 15 and others["MS-SSIM"] < 0.6 and others["ST-LPIPS"] > 0.2


def test_a_row_says_how_to_get_it_again(evaluator, pairs):
    generator = StandIn(lambda line, palette, reference: reference)
    rows = evaluate(evaluator, "image", generator, "abc", ("P1", "P2", "P3", "P4"), train_seed=3)
    names = ["data", "size", "method", "train_seed", "finish", "protocol", "n", "backbone", "checkpoint"]
    said = ["toon", CONFIG.size, "image", 3, "smooth", "P1", len(pairs), "bundled", "abc"]
    assert rows[names].iloc[0].to_list() == said
    assert dict(zip(rows["protocol"], rows["reference_seed"])) == {"P1": "", "P2": "0", "P3": "0 1 2", "P4": "0"}
    assert not rows["metric"].isin(["FID", "KID", "LPIPS"]).any()  # bundled numbers have names of their own
    without = copy_the_reference(evaluator)
    assert without["train_seed"].isna().all() and set(without["finish"]) == set(without["checkpoint"]) == {""}
    nearly = evaluator.table({"KID": np.array([-1e-9])}, "P3", method="x", reference_seed="")
    assert str(nearly["value"][0]) == "0.0"  # not -0.0


def test_a_finish_changes_every_picture_before_it_is_measured(evaluator, pairs, monkeypatch):
    def apply(line, color, palette, name):
        assert name == "flat" and np.array_equal(palette, pairs.palette[(pairs.line == line).all((1, 2)).argmax()])
        return 255 - color

    generator = StandIn(lambda line, palette, reference: -reference)  # the negative of the truth
    monkeypatch.setattr(flats, "finish", apply)
    rows = evaluate(evaluator, "image", generator, protocols=["P1"], finish="flat")
    assert values(rows)["PSNR"] == 100 and set(rows["finish"]) == {"flat"}


def test_copying_the_reference_is_perfect_as_a_set_and_loses_the_lines(evaluator, pairs):
    rows = copy_the_reference(evaluator)
    assert list(zip(rows["protocol"], rows["metric"])) == [("P1", m) for m in P1] + [("P3", m) for m in P3]
    p3 = values(rows[rows["protocol"] == "P3"])
    assert p3[P3[0]] == pytest.approx(0, abs=1e-3) and p3["palette distance"] == 0 and 0 < p3["line consistency"] < 0.8
    assert set(rows["n"]) == {len(pairs)}
    copied = evaluate(evaluator, "copy", StandIn(lambda line, palette, reference: reference))
    assert values(copied) == pytest.approx(values(rows), abs=1e-2)  # P1 and P3 by default, with the right lists


def test_each_result_set_is_held_against_its_own_list_and_the_spread_is_over_the_lists(evaluator, pairs, lists):
    def taken(shift):
        return lambda pairs, trial: evaluator.truth[lists[(int(trial.seed) + shift) % 3]]

    assert values(evaluator.rows("x", "P3", taken(0)))["palette distance"] == 0
    assert values(evaluator.rows("x", "P3", taken(1)))["palette distance"] > 5
    rows = evaluator.rows("truth", "P3", lambda *_: evaluator.truth).set_index("metric")
    means = [
        np.mean([metrics.palette_distance(p, q) for p, q in zip(pairs.palette, pairs.palette[reference])])
        for reference in lists
    ]
    found = rows.loc["palette distance", ["value", "spread"]].to_list()
    assert found == pytest.approx([np.mean(means), np.std(means, ddof=1)], abs=1e-5)
    assert rows.loc["line consistency", "value"] > 0.9 and rows.loc[P3[0], "spread"] == pytest.approx(0, abs=1e-3)


def test_p4_has_the_regions_and_counts_only_slots_that_the_reference_shows(evaluator, pairs):
    right = values(evaluator.rows("oracle", "P4", measure.oracle))
    copied = values(evaluator.rows("copy", "P4", measure.reference_alone))
    assert right["PSNR"] > 25 and right["bleeding"] < 0.02 and right["CIEDE2000"] < 1.5
    assert copied["PSNR"] < 20 and copied["CIEDE2000"] > 10 * right["CIEDE2000"]
    (trial,) = evaluator.plan("P4")
    assert {"CIEDE2000, hair", "CIEDE2000, skin"} <= set(evaluator.by_region(evaluator.truth, trial))
    bald = replace(trial, mask=np.where(trial.mask == 2, 1, trial.mask))  # every reference
    assert "CIEDE2000, hair" not in evaluator.by_region(evaluator.truth, bald)


def test_the_scale_has_its_order_and_an_oracle_only_where_slots_are_known(evaluator, pairs):
    rows = scale_rows(evaluator, ["P1"])
    psnr = {row.method: row.value for row in rows.itertuples() if row.metric == "PSNR"}
    assert psnr["line drawing"] < 15 < psnr["nearest palette colour"] < psnr["oracle"] < 100
    assert psnr["copy the reference"] == 100
    assert "oracle" not in set(scale_rows(evaluator, ["P3"])["method"])
    grey = np.repeat(pairs.color.mean(3, keepdims=True), 3, axis=3).astype(np.uint8)
    same, other = (real_against_real(evaluator, pictures)["value"].iloc[0] for pictures in (pairs.color, grey))
    assert same == pytest.approx(0, abs=1e-3) and other > 10


def test_equal_pictures_are_looked_at_once(evaluator, monkeypatch):
    looked, see = [], metrics.image_features

    def counted(images, network):
        looked.append(len(images))
        return see(images, network)

    monkeypatch.setattr(metrics, "image_features", counted)
    truth, new = evaluator.truth, evaluator.truth[:3].flip(-1)
    features = evaluator.features(torch.cat([truth[:2], new[[0, 1, 0]], truth[2:3]]))
    assert looked == [2]  # of six pictures two are new
    assert np.array_equal(features[[0, 1, 5]], evaluator.real[:3]) and np.array_equal(features[2], features[4])
    np.testing.assert_allclose(features[2:4], see(new[:2], evaluator.network), rtol=1e-4)


# --- weights by name ---


def test_two_runs_give_the_same_bytes(tmp_path):
    files = []
    for name in ("a", "b"):
        rows = evaluate_weights(["toon-none"], ("P1", "P3", "P4"), n=2, out=tmp_path / f"{name}.csv")
        files.append((tmp_path / f"{name}.csv").read_bytes())
        pd.testing.assert_frame_equal(read_rows(tmp_path / f"{name}.csv"), rows)
    assert files[0] == files[1] and (tmp_path / "a.json").is_file()
    assert set(zip(rows["method"], rows["train_seed"], rows["finish"])) == {("none", 0, "smooth")}


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (dict(names=[]), "--weights, or --scale"),
        (dict(n=0), "--n must be at least 2, got 0"),
        (dict(out="rows.txt"), "ends in .csv, got rows.txt"),
        (dict(source="pictures"), "toon is drawn and takes no source"),
        (dict(names=["toon-none", "small"]), r"one size and k, got \(32, 9\), \(128, 9\)"),
        (dict(protocols=["P4"], data="faces", source="set", n=2), "P4 needs drawings whose slots are known"),
        (dict(names=["small"]), "at least 33 px a side, got 32"),
        (dict(names=["nobody"]), "nobody"),
    ],
)
def test_what_cannot_be_measured_is_said_before_anything_is(tmp_path, monkeypatch, request_, said):
    other = CONFIG.replace(size=32)
    small = save_checkpoint(tmp_path / "small.safetensors", other, 1, {"generator": make_generator(other)})
    bare = Pairs(*(np.zeros((2, 128, 128, *end), np.uint8) for end in ((), (3,))), np.zeros((2, 9, 3)), ("a", "b"))
    monkeypatch.setattr(measure, "load", lambda *_: bare)
    monkeypatch.setattr(Evaluator, "rows", lambda *_: pytest.fail("something was measured"))
    request_ = dict(names=["toon-none"]) | request_
    request_["names"] = [str(small) if name == "small" else name for name in request_["names"]]
    with pytest.raises((InputError, FileNotFoundError), match=said):
        evaluate_weights(**request_)


def test_rows_that_cannot_be_written_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(measure, "write_csv", Mock(side_effect=OSError(errno.ENOSPC, "No space left on device")))
    with pytest.raises(InputError, match="No space left") as raised:
        evaluate_weights(["toon-none"], ["P1"], n=2, out=tmp_path / "rows.csv")
    monkeypatch.undo()
    rows = evaluate_weights(["toon-none"], ["P1"], n=2)
    assert str(raised.value).endswith(rows.to_csv(index=False))


def test_without_weights_a_prepared_set_says_its_own_size(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "pictures").mkdir()
    for i in range(24):
        picture = Image.fromarray(rng.integers(0, 256, (6, 6, 3), np.uint8)).resize((48, 48), Image.Resampling.BICUBIC)
        picture.save(tmp_path / "pictures" / f"{i}.png")
    made = prepare("folder", tmp_path / "pictures", size=48, out=tmp_path / "set", k=5, processes=1)
    rows = evaluate_weights([], ["P1"], data="folder", source=made.path, scale=True, n=2)
    assert "copy the reference" in {*rows["method"]} and {*rows["n"]} == {2}


def test_the_side_car_of_something_else_is_not_overwritten(tmp_path):
    (tmp_path / "card.json").write_text("{}")
    with pytest.raises(InputError, match="gets a side-car"):
        evaluate_weights(["toon-none"], out=tmp_path / "card.csv")

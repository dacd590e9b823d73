"""The protocols: the right reference for each drawing, numbers known by hand, and rows that survive the file."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from lineart.checkpoint import make_generator
from lineart.config import Config
from lineart.data.references import random_references
from lineart.data.sets import load
from lineart.evaluation import measure as evaluation
from lineart.evaluation import metrics
from lineart.evaluation.measure import (
    DERANGEMENTS,
    Evaluator,
    Row,
    colorize_set,
    copy_the_reference,
    evaluate,
    paper_table,
    read_rows,
    write_rows,
)
from lineart.images import as_images

CONFIG = Config.from_profile("smoke")
P1 = ["PSNR", "MS-SSIM", "ST-LPIPS"]
P3 = ["Fréchet distance (ST-VGG)", "KID (ST-VGG)", "palette distance", "line consistency"]


class StandIn(nn.Module):
    """A generator that answers with one of its inputs, and insists on being called without noise."""

    def __init__(self, answer):
        super().__init__()
        self.answer, self.anchor = answer, nn.Parameter(torch.zeros(1))

    def forward(self, line, palette, reference, generator=None):
        assert generator is None and not torch.is_grad_enabled()
        return self.answer(line, palette, reference)


@pytest.fixture(scope="module")
def pairs():
    return load(CONFIG, "test")


@pytest.fixture(scope="module")
def evaluator(pairs):
    return Evaluator(pairs, "bundled", "toon")


@pytest.fixture(scope="module")
def lists(pairs):
    return [random_references("toon", len(pairs), seed) for seed in DERANGEMENTS]


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(0)
    return make_generator(CONFIG).eval()


def values(rows):
    return {row.metric: row.value for row in rows}


# --- which drawing gets which reference


def mean_colour(line, palette, reference):
    return reference.mean((2, 3), keepdim=True).expand_as(line)


def test_drawing_i_gets_the_picture_of_reference_i(pairs, lists):
    results = colorize_set(StandIn(mean_colour), pairs, lists[0])
    expected = pairs.color[lists[0]].reshape(len(pairs), -1, 3).mean(1)  # (n, 3)
    assert results.dtype == torch.uint8 and results.shape == (len(pairs), 3, CONFIG.size, CONFIG.size)
    assert np.abs(results[:, :, 0, 0].numpy() - expected).max() <= 0.51
    assert (results == results[:, :, :1, :1]).all()


def test_drawing_i_gets_the_palette_of_reference_i_and_its_own_line(pairs, lists):
    first = StandIn(lambda line, palette, reference: palette[:, 0, :, None, None].expand_as(line))
    results = colorize_set(first, pairs, lists[1])[:, :, 0, 0]
    assert np.abs(results.numpy() - pairs.palette[lists[1]][:, 0]).max() <= 0.51
    lines = colorize_set(StandIn(lambda line, palette, reference: line), pairs, lists[1])
    assert torch.equal(lines, torch.from_numpy(pairs.line)[:, None].expand(-1, 3, -1, -1))


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_the_batch_size_does_not_matter(pairs, lists, batch_size):
    def numbered(line, palette, reference):
        return (line + reference) / 2

    results = colorize_set(StandIn(numbered), pairs, lists[2], batch_size)
    assert torch.equal(results, colorize_set(StandIn(numbered), pairs, lists[2], 32))


def test_pictures_of_read_only_arrays_and_in_the_right_order():
    color = np.arange(2 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 4, 5, 3)
    color.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        images = as_images(color)
    assert images.shape == (2, 3, 4, 5) and images.is_contiguous()
    assert images[1, 2, 3, 4] == color[1, 3, 4, 2]


# --- P1


def test_the_truth_itself_is_perfect(evaluator):
    rows = evaluator.rows("truth", "P1", lambda *_: evaluator.truth)
    assert [row.metric for row in rows] == P1
    assert values(rows) == pytest.approx({"PSNR": 100.0, "MS-SSIM": 1.0, "ST-LPIPS": 0.0}, abs=1e-6)
    assert all(row.spread == pytest.approx(0, abs=1e-6) for row in rows)


def test_one_identical_picture_counts_as_100_db(evaluator):
    results = evaluator.truth.clone()
    results[1:] = (results[1:].int() ^ 4).to(torch.uint8)  # every value is 4 off
    row = evaluator.rows("x", "P1", lambda *_: results)[0]
    four_off = 10 * np.log10(255**2 / 4**2)
    n = len(results)
    assert row.value == pytest.approx((100 + (n - 1) * four_off) / n, abs=1e-5)
    assert row.spread == pytest.approx(np.std([100] + [four_off] * (n - 1), ddof=1), abs=1e-5)


def test_p1_compares_pair_by_pair(evaluator):
    results = evaluator.truth.roll(1, 0)  # as a set still perfect
    rows = evaluator.rows("x", "P1", lambda *_: results)
    assert rows[0].value == pytest.approx(float(metrics.psnr(results, evaluator.truth).mean()), abs=1e-5)
    assert rows[0].value < 15 and rows[1].value < 0.6 and rows[2].value > 0.2


def test_a_row_says_what_it_is(evaluator, pairs):
    p1 = evaluator.rows("none", "P1", lambda *_: evaluator.truth, "abc")[0]
    assert replace(p1, value=0.0) == Row("toon", CONFIG.size, "none", "P1", "PSNR", 0.0, 0.0, len(pairs), "", "bundled",
                                         "abc")


# --- P3


def test_copying_the_reference_is_perfect_as_a_set_and_loses_the_lines(evaluator, pairs):
    rows = copy_the_reference(evaluator)
    assert [(row.protocol, row.metric) for row in rows] == [("P1", m) for m in P1] + [("P3", m) for m in P3]
    p1, p3 = values(rows[:3]), values(rows[3:])
    assert p1["PSNR"] == 100 and p1["MS-SSIM"] == pytest.approx(1) and p1["ST-LPIPS"] == pytest.approx(0, abs=1e-6)
    assert p3[P3[0]] == pytest.approx(0, abs=1e-3)
    assert p3["palette distance"] == 0
    assert 0 < p3["line consistency"] < 0.8
    assert {row.seed for row in rows[3:]} == {"0 1 2"} and {row.n for row in rows} == {len(pairs)}


def test_the_known_features_of_a_copy_are_those_of_its_pictures(evaluator, lists):
    pictures = [evaluator.truth[reference] for reference in lists]
    measured = values(evaluator.random_reference("x", pictures))
    assert measured == pytest.approx(values(copy_the_reference(evaluator)[3:]), abs=1e-2)


def test_the_truth_of_the_drawing_keeps_all_lines_and_has_another_palette(evaluator):
    rows = values(evaluator.random_reference("truth", [evaluator.truth] * 3))
    assert rows["line consistency"] > 0.9
    assert rows["palette distance"] > 5
    assert rows[P3[0]] == pytest.approx(0, abs=1e-3)


def test_each_result_set_is_held_against_its_own_list(evaluator, lists):
    right = [evaluator.truth[reference] for reference in lists]
    wrong = right[1:] + right[:1]
    assert values(evaluator.random_reference("x", right))["palette distance"] == 0
    assert values(evaluator.random_reference("x", wrong))["palette distance"] > 5
    with pytest.raises(ValueError):
        evaluator.random_reference("x", right[:2])


def test_a_blurred_set_is_farther_than_a_true_one(evaluator):
    blurred = nn.functional.avg_pool2d(evaluator.truth.float(), 5, 1, 2).round().to(torch.uint8)
    rows = values(evaluator.random_reference("blurred", [blurred] * 3))
    assert rows[P3[0]] > 50 and rows["line consistency"] < 0.8


def test_the_spread_is_over_the_lists(evaluator, lists):
    rows = {row.metric: row for row in evaluator.random_reference("truth", [evaluator.truth] * 3)}
    palettes = evaluator.pairs.palette
    means = [np.mean([metrics.palette_distance(p, q) for p, q in zip(palettes, palettes[reference])])
             for reference in lists]
    assert rows["palette distance"].value == pytest.approx(np.mean(means), abs=1e-5)
    assert rows["palette distance"].spread == pytest.approx(np.std(means, ddof=1), abs=1e-5)
    assert rows[P3[0]].spread == pytest.approx(0, abs=1e-3)  # the same set three times


# --- all of it


def test_evaluate_gives_the_same_bytes_twice(evaluator, generator, tmp_path):
    files = []
    for name in ("a.csv", "b.csv"):
        rows = evaluate(evaluator, "image", generator, "f" * 64)
        files.append(write_rows(tmp_path / name, rows).read_bytes())
    assert files[0] == files[1]
    assert [(row.protocol, row.metric) for row in rows] == [("P1", m) for m in P1] + [("P3", m) for m in P3]
    assert all(np.isfinite(row.value) and row.method == "image" and row.checkpoint == "f" * 64 for row in rows)


def test_evaluate_gives_the_truth_as_reference_in_p1_and_the_lists_in_p3(evaluator):
    rows = evaluate(evaluator, "copy", StandIn(lambda line, palette, reference: reference))
    expected = {(row.protocol, row.metric): row.value for row in copy_the_reference(evaluator)}
    assert {(row.protocol, row.metric): row.value for row in rows} == pytest.approx(expected, abs=1e-2)


def test_bundled_numbers_have_no_imagenet_names(evaluator, generator):
    names = {row.metric for row in evaluate(evaluator, "none", generator)}
    assert not names & {"FID", "KID", "LPIPS"} and names == {*P1, *P3}


# --- rows and files

ROWS = [Row("toon", 128, "none", "P1", "PSNR", 24.123456, 3.2, 256, "", "bundled", "0" * 64),
        Row("toon", 128, "image", "P3", "Fréchet distance (ST-VGG)", -1e-06, 0.0, 256, "0 1 2", "bundled", ""),
        Row("a, \"b\"", 64, "image", "P3", "KID", 1e20, 0.0, 8, "0", "imagenet", "")]


def test_rows_come_back(tmp_path):
    path = write_rows(tmp_path / "new" / "rows.csv", ROWS)
    assert read_rows(path) == ROWS
    types = [[type(value) for value in vars(rows[0]).values()] for rows in (read_rows(path), ROWS)]
    assert types[0] == types[1]
    assert list(path.parent.iterdir()) == [path]
    assert b"\r" not in path.read_bytes()


def test_a_failing_write_leaves_the_old_rows(tmp_path):
    path = write_rows(tmp_path / "rows.csv", ROWS)
    with pytest.raises(TypeError):
        write_rows(path, [*ROWS, "no row"])
    assert read_rows(path) == ROWS and list(tmp_path.iterdir()) == [path]


HEAD = "data,size,method,protocol,metric,value,spread,n,seed,backbone,checkpoint\n"


@pytest.mark.parametrize(("text", "why"), [
    ("", "it has no column data, size"),
    ("method,metric,value\nnone,FID,40\n", "it has no column data, size, protocol"),
    (HEAD + "toon,128,none,P1,PSNR,many,0,8,,bundled,\n", "could not convert string to float: 'many'"),
    (HEAD + "toon,128,none,P1,PSNR,20,0,8\n", "line 2 is shorter or longer than the first"),
    (HEAD + "toon,128,none,P1,PSNR,20,0,8,,bundled,,more\n", "line 2 is shorter or longer"),
    ("\udcff", "'utf-8' codec can't decode"),
])
def test_another_file_is_no_table(tmp_path, text, why):
    path = tmp_path / "rows.csv"
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(ValueError, match=f"a table must be a CSV of rows .*rows.csv is not: .*{why}"):
        read_rows(path)


def test_p4_has_the_regions_and_the_oracle_is_nearly_right(evaluator, pairs):
    rows = values(evaluator.rows("oracle", "P4", evaluation.oracle))
    assert rows["PSNR"] > 25 and rows["bleeding"] < 0.02 and rows["CIEDE2000"] < 1.5
    copied = values(evaluator.rows("copy", "P4", evaluation.reference_alone))
    assert copied["PSNR"] < 20 and copied["CIEDE2000"] > 10 * rows["CIEDE2000"]
    assert {"CIEDE2000, background", "CIEDE2000, hair"} <= set(rows)


def test_a_slot_that_the_reference_does_not_show_does_not_count(evaluator, pairs):
    plan = evaluation.trials("P4", pairs, "toon")[0]
    hidden = np.where(plan.mask == 2, 1, plan.mask).astype(np.uint8)  # every reference is bald
    whole, bald = (evaluator.by_region(evaluator.truth, replace(plan, mask=mask)) for mask in (plan.mask, hidden))
    assert "CIEDE2000, hair" in whole and "CIEDE2000, hair" not in bald


def test_the_scale_in_p1(evaluator):
    rows = {row.method: row.value for row in evaluation.scale_rows(evaluator, ["P1"]) if row.metric == "PSNR"}
    assert rows["copy the reference"] == 100  # identical
    assert rows["line drawing"] < 15 < rows["nearest palette colour"] < rows["oracle"] < 100


def test_real_against_the_same_is_zero_and_against_grey_is_not(evaluator, pairs):
    grey = np.repeat(pairs.color.mean(3, keepdims=True), 3, axis=3).astype(np.uint8)
    same, other = (evaluation.real_against_real(evaluator, pictures)[0] for pictures in (pairs.color, grey))
    assert same.value == pytest.approx(0, abs=1e-3) and other.value > 10
    assert same.metric == P3[0] and same.method == "other real pictures"


def test_every_protocol_twice_is_the_same_to_the_last_digit(evaluator, generator):
    protocols = ("P1", "P2", "P3", "P4")
    first, second = (evaluate(evaluator, "image", generator, "", protocols) for _ in range(2))
    assert first == second and {row.protocol for row in first} == set(protocols)


def test_no_negative_zero(evaluator):
    row = evaluator._row("x", "P3", "KID", np.array([-1e-9, -2e-9]), "", "")
    assert str(row.value) == "0.0"


def test_the_papers_table():
    table = paper_table()
    assert len(table) == 8
    assert table["none", "FID"] == 40.08 and table["image", "LPIPS"] == 0.05
    assert round(100 * (1 - table["image", "FID"] / table["none", "FID"]), 2) == 41.77  # "a 41.77% improvement"


def test_equal_pictures_are_looked_at_once(evaluator, monkeypatch):
    looked = []
    measure = metrics.image_features
    monkeypatch.setattr(metrics, "image_features", lambda images, network: looked.append(len(images)) or measure(images, network))
    truth, new = evaluator.truth, evaluator.truth[:3].flip(-1)
    features = evaluator.features(torch.cat([truth[:2], new[[0, 1, 0]], truth[2:3]]))
    assert looked == [2]  # of six pictures two are new
    assert np.array_equal(features[[0, 1, 5]], evaluator.real[:3]) and np.array_equal(features[2], features[4])
    np.testing.assert_allclose(features[2:4], measure(new[:2], evaluator.network), rtol=1e-4)

"""Tables as text: the right number in the right cell, differences only of like with like, the tolerance as stated."""

import pandas as pd
import pytest

from lineart.config import InputError
from lineart.evaluation import paper, tables
from lineart.evaluation.features import metric_names
from lineart.evaluation.rows import as_rows, read_csv
from lineart.methods import method_title

FRECHET = "Fréchet distance (ST-VGG)"


def row(method, protocol, metric, value, **more):
    common = dict(data="toon", size=128, train_seed=0, finish="smooth", reference_seed="", checkpoint="")
    common |= dict(spread=1.5, n=256, backbone="bundled")
    return common | dict(method=method, protocol=protocol, metric=metric, value=value) | more


def rows_of(backbone="bundled", data="toon", size=128):
    """Two trained methods and one that copies; every value different."""
    names, rows = metric_names(backbone), []
    for i, method in enumerate(("copy the reference", "none", "image")):
        numbers = {
            ("P1", "PSNR"): 19.5 + i,
            ("P1", "MS-SSIM"): 0.891 + i / 100,
            ("P1", names["perceptual"]): 0.121 - i / 100,
            ("P3", names["frechet"]): 120.25 - 30 * i,
            ("P3", "line consistency"): 1 - i / 10,
        }
        rows += [row(method, *key, value, backbone=backbone, data=data, size=size) for key, value in numbers.items()]
    return as_rows(rows)


def cells(frame):
    return {title: line.tolist() for title, line in frame.iterrows()}


def one(metric, value, **more):
    """A row as `headline` gives it."""
    details = dict(data="kaggle", size=256, n=3545, backbone="imagenet") | more
    return next(as_rows([row("none", "P1", metric, value, **details)]).itertuples())


def test_a_bundled_number_stands_beside_the_papers_under_its_own_name():
    frame = tables.paper_layout(rows_of())
    assert [*frame.columns] == ["FID ↓", "PSNR ↑", "MS-SSIM ↑", "LPIPS ↓", f"{FRECHET} ↓", "ST-LPIPS ↓"]
    assert [line.tolist() for _, line in frame.iloc[:3].iterrows()] == [
        ["40.08", "24.70", "0.92", "0.09", "–", "–"],
        ["–", "20.50", "0.901", "–", "90.25", "0.111"],
        ["–", "-4.20", "-0.019", "–", "–", "–"],
    ]
    assert frame.index[3].startswith("Paper: ") and frame.index[4].endswith(method_title("image"))
    same = tables.paper_layout(rows_of("imagenet", "kaggle", 256))
    assert same.iloc[2].tolist() == ["+50.17", "-4.20", "-0.019", "+0.021"]


def test_all_numbers_have_their_spread_and_a_dash_where_there_is_none():
    rows = rows_of()
    frame = tables.all_numbers(rows[(rows["method"] != "none") | (rows["metric"] != "PSNR")])
    assert cells(frame)["P1, PSNR ↑"] == ["19.50 ± 1.50", "–", "21.50 ± 1.50"] and len(frame) == 5


def test_the_summary_asks_each_question_of_each_method_and_has_the_scale_below():
    extra = as_rows([row("image", "P4", "bleeding", 0.0345, finish="flat")])
    frame = tables.summary(pd.concat([rows_of(), extra]))
    assert [*frame.columns] == ["P1 PSNR ↑", "P4 bleeding ↓", f"P3 {FRECHET} ↓", "P3 line consistency ↑"]
    assert cells(frame) == {
        method_title("none"): ["20.50", "–", "90.25", "0.900"],
        method_title("image"): ["21.50", "–", "60.25", "0.800"],
        method_title("image") + ", flat": ["–", "0.0345", "–", "–"],
        "copy the reference": ["19.50", "–", "120.25", "1.000"],
    }


def test_trainings_are_compared_seed_by_seed():
    numbers = {"none": ((20.0, 80.0), (21.0, 90.0), (22.0, 70.0)), "image": ((25.0, 81.0), (27.0, 92.0), (29.0, 73.0))}
    rows = as_rows(
        [
            row(method, *key, value, train_seed=seed)
            for method, runs in numbers.items()
            for seed, run in enumerate(runs)
            for key, value in zip((("P1", "PSNR"), ("P3", FRECHET)), run)
        ]
    )
    found = cells(tables.seeds(rows))
    image, none = method_title("image"), method_title("none")
    assert found[f"{none} (seed 1)"] == ["21.00", "90.00"] and list(found)[5] == f"{image} (seed 2)"
    assert found[none] == ["21.00 ± 1.00", "80.00 ± 10.00"]
    assert found[image] == ["27.00 ± 2.00", "82.00 ± 9.54"]  # (81, 92, 73) - 82: -1, 10, -9
    assert found["image − none, seed by seed"] == ["+6.00 ± 1.00", "+2.00 ± 1.00"]
    lost = (rows["method"] == "image") & (rows["train_seed"] == 1) & (rows["protocol"] == "P3")
    found = cells(tables.seeds(rows[~lost]))  # what nobody measured is in no mean
    assert {found[name][1] for name in (f"{image} (seed 1)", image, "image − none, seed by seed")} == {"–"}


def test_a_slot_that_is_in_few_drawings_has_its_own_n():
    rows = as_rows([row("image", "P4", metric, 1.0, n=n) for metric, n in (("PSNR", 512), ("CIEDE2000, eyes", 80))])
    assert [*tables.of_protocol(rows).columns] == ["PSNR ↑", "CIEDE2000, eyes ↓ (n = 80)"]
    assert "**P4**, n = 512, toon at 128 px, backbone bundled" in tables.extended_markdown(rows)


def test_markdown_and_latex_hold_the_same_numbers():
    rows, frame = rows_of(), tables.paper_layout(rows_of())
    markdown, latex = tables.table_1_markdown(rows), tables.table_1_latex(rows)
    lines = [line.strip("| ").split(" | ") for line in tables.markdown(frame).splitlines()]
    assert lines[0] == ["Method", *frame.columns] and lines[2:] == frame.reset_index().to_numpy().tolist()
    for text in (markdown, latex):
        assert "toon, 128 px, n = 256, backbone bundled" in text
        assert all(number in text for number in ("40.08", "-4.20", "0.111", "27.21", "120.25"))
    assert latex.replace("é", "e").isascii() and "_" not in latex and r"90.25 $\pm$ 1.50" in latex
    for block in latex.split(r"\begin{tabular}")[1:]:
        columns = block[: block.index("\n")].strip("{}")
        assert {line.count("&") for line in block.splitlines() if line.endswith(r"\\")} == {len(columns) - 1}


# --- what counts as reproduced ---


def test_the_tolerance_covers_the_papers_table():
    printed, stated = paper.paper_table(), read_csv(paper.TOLERANCE)
    assert len(printed) == 8 and printed["none", "FID"] == 40.08 and printed["image", "LPIPS"] == 0.05
    assert set(zip(stated["method"], stated["metric"])) == set(printed)
    limits = {line.metric: (line.tolerance, line.kind) for line in stated.itertuples()}
    absolute = {"PSNR": 0.5, "MS-SSIM": 0.01, "LPIPS": 0.01}
    assert limits == {"FID": (0.1, "relative")} | {name: (limit, "absolute") for name, limit in absolute.items()}


@pytest.mark.parametrize(
    ("metric", "inside", "outside"),
    [
        ("PSNR", (24.20, 25.20), (24.19, 25.21)),
        ("MS-SSIM", (0.93,), (0.9301,)),
        ("FID", (44.08,), (44.10, 36.06)),
        ("LPIPS", (0.1,), (0.101,)),
    ],
)
def test_verdict_at_the_edge_of_the_tolerance(metric, inside, outside):
    said = {value: paper.verdict(metric, one(metric, value)) for value in (*inside, *outside)}
    assert all(said[value].startswith("comparable: reproduced") for value in inside)
    assert all(said[value].startswith("comparable: not reproduced") for value in outside)


@pytest.mark.parametrize(
    ("change", "other"),
    [
        (dict(data="toon"), "data set"),
        (dict(size=128), "data set"),
        (dict(n=3544), "number of drawings"),
        (dict(metric="ST-LPIPS"), "backbone"),
        (dict(metric="ST-LPIPS", data="toon"), "data set and backbone"),
    ],
)
def test_what_does_not_compare_is_not_judged(change, other):
    metric = change.pop("metric", "LPIPS")
    assert paper.verdict("LPIPS", one(metric, 0.05, **change)) == f"another {other}: order only"


def test_the_comparison_needs_both_methods_of_the_paper():
    lines, reproduced = tables.comparison(rows_of("imagenet", "kaggle", 256).assign(n=3545))
    assert len(lines) == 8 and reproduced == 0
    for rows in (rows_of()[rows_of()["method"] != "image"], rows_of().iloc[:0]):
        with pytest.raises(InputError, match="the table must hold the paper's two methods"):
            tables.comparison(rows)


def test_mean_and_spread_over_the_trainings_of_each_kind():
    rows = pd.DataFrame({"network": ["b", "b", "a", "a"], "P4 dB": [20, 22, 18.125, 18.125], "eyes": [1.0, 4, 0, 1]})
    table = tables.over_seeds(rows, "network")
    assert table.to_dict("index") == {  # in the order of the rows; the spread of two is their distance over root 2
        "b": {"P4 dB": "21.00 ± 1.41", "eyes": "2.50 ± 2.12"},
        "a": {"P4 dB": "18.12 ± 0.00", "eyes": "0.50 ± 0.71"},
    }

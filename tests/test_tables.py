"""Table 1 as text: the right number in the right cell, differences only of like with like, the tolerance as stated."""

import csv
from dataclasses import replace

import pytest

from lineart.evaluation.features import metric_names
from lineart.evaluation.measure import Row, paper_table
from lineart.evaluation.tables import (
    COLUMNS,
    TOLERANCE,
    extended_markdown,
    headline,
    seeds_markdown,
    summary_markdown,
    table_1_latex,
    table_1_markdown,
    verdict,
    write_csv,
)


def rows_of(backbone="bundled", data="toon", size=128):
    """Two trained methods and one that copies; every value different."""
    names, rows = metric_names(backbone), []
    for i, method in enumerate(("none", "image", "copy the reference")):
        numbers = {("P1", "PSNR"): 20.5 + i, ("P1", "MS-SSIM"): 0.901 + i / 100,
                   ("P1", names["perceptual"]): 0.111 - i / 100,
                   ("P3", names["frechet"]): 90.25 - 30 * i, ("P3", "line consistency"): 0.9 - i / 10}
        rows += [Row(data, size, method, protocol, metric, value, 1.5, 256, "", backbone, "")
                 for (protocol, metric), value in numbers.items()]
    return rows


def grids(markdown):
    """The two tables of the text, as lists of cells."""
    blocks = [block.splitlines() for block in markdown.strip().split("\n\n") if block.startswith("|")]
    return [[[cell.strip() for cell in line.strip("|").split("|")] for line in block] for block in blocks]


def test_headline_takes_each_column_from_its_protocol_under_its_own_name():
    found = headline(rows_of(), "none")
    assert list(found) == list(COLUMNS) == ["FID", "PSNR", "MS-SSIM", "LPIPS"]
    assert [row.metric for row in found.values()] == ["Fréchet distance (ST-VGG)", "PSNR", "MS-SSIM", "ST-LPIPS"]
    assert [row.protocol for row in found.values()] == ["P3", "P1", "P1", "P1"]
    assert {row.method for row in found.values()} == {"none"}


def test_the_first_table_has_the_papers_layout_and_differences_of_like_with_like():
    first, _ = grids(table_1_markdown(rows_of()))
    assert first[0][:5] == ["Method", "FID ↓", "PSNR ↑", "MS-SSIM ↑", "LPIPS ↓"]
    assert first[0][5:] == ["Fréchet distance (ST-VGG) ↓", "ST-LPIPS ↓"]
    none, image = first[2:5], first[5:8]
    assert none[0][1:] == ["40.08", "24.70", "0.92", "0.09", "–", "–"]
    assert none[1][1:] == ["–", "20.50", "0.901", "–", "90.25", "0.111"]
    assert none[2] == ["difference", "–", "-4.20", "-0.019", "–", "–", "–"]
    assert image[0][1:5] == ["23.34", "27.21", "0.96", "0.05"]
    assert image[2][2:4] == ["-5.71", "-0.049"]
    titles = ["Paper: Traditional GAN without Attention", "This run: no attention", "difference",
              "Paper: “Ours”, with cross-attention", "This run: cross-attention (image)", "difference"]
    assert [line[0] for line in none + image] == titles


def test_trainings_are_compared_seed_by_seed():
    numbers = {"none": ((20.0, 80.0), (21.0, 90.0), (22.0, 70.0)), "image": ((25.0, 81.0), (27.0, 92.0), (29.0, 73.0)),
               "image-warped": ((24.0, 80.0), (26.0, 91.0), (28.0, 72.0))}
    rows = [Row("toon", 128, f"{method} (seed {seed})", protocol, metric, value, 1.0, 512, "", "bundled", "")
            for method, runs in numbers.items() for seed, run in enumerate(runs)
            for (protocol, metric), value in zip((("P1", "PSNR"), ("P3", "Fréchet distance (ST-VGG)")), run)]
    ((head, _, *lines),) = grids(seeds_markdown(rows))
    assert head == ["Method", "P1 PSNR ↑", "P3 Fréchet distance (ST-VGG) ↓"]
    assert lines[1] == ["no attention (seed 1)", "21.00", "90.00"] and lines[5][0] == "cross-attention (image) (seed 2)"
    assert lines[9:] == [["no attention", "21.00 ± 1.00", "80.00 ± 10.00"],
                         ["cross-attention (image)", "27.00 ± 2.00", "82.00 ± 9.54"],  # (81, 92, 73) - 82: -1, 10, -9
                         ["the same, trained on warped references", "26.00 ± 2.00", "81.00 ± 9.54"],
                         ["image − none, seed by seed", "+6.00 ± 1.00", "+2.00 ± 1.00"],
                         ["image-warped − image, seed by seed", "-1.00 ± 0.00", "-1.00 ± 0.00"]]
    rows = [row for row in rows if (row.method, row.protocol) != ("image-warped (seed 1)", "P3")]
    ((_, _, *lines),) = grids(seeds_markdown(rows))  # what nobody measured is in no mean
    assert [lines[i][1:] for i in (7, 11, 13)] == [["26.00", "–"], ["26.00 ± 2.00", "–"], ["-1.00 ± 0.00", "–"]]


def test_the_summary_asks_each_question_of_each_method_and_leaves_out_what_nobody_answers():
    rows = rows_of() + [Row("toon", 128, "image (seed 1)", "P4", "bleeding", 0.0345, 0.1, 256, "0", "bundled", "")]
    ((head, _, *lines),) = grids(summary_markdown(rows))
    assert head == ["Method", "P1 PSNR ↑", "P4 bleeding ↓", "P3 Fréchet distance (ST-VGG) ↓", "P3 line consistency ↑"]
    assert lines == [["no attention", "20.50", "–", "90.25", "0.900"],
                     ["cross-attention (image)", "21.50", "–", "60.25", "0.800"],
                     ["cross-attention (image) (seed 1)", "–", "0.0345", "–", "–"],
                     ["copy the reference", "22.50", "–", "30.25", "0.700"]]


def test_the_same_is_said_only_beside_what_it_is_the_same_as():
    rows = [Row("faces", 128, "image-warped", "P1", "PSNR", 20.0, 1.0, 9, "", "bundled", "")]
    assert "| cross-attention (image), trained on warped references | 20.00 |" in summary_markdown(rows)
    rows.append(Row("faces", 128, "image", "P1", "PSNR", 21.0, 1.0, 9, "", "bundled", ""))
    assert "| the same, trained on warped references | 20.00 |" in extended_markdown(rows)


def test_the_extended_table_has_the_summary_and_then_every_row_with_its_spread():
    text = extended_markdown(rows_of())
    summary, first, third = grids(text)
    assert text.startswith(summary_markdown(rows_of()).strip()) and summary[0][0] == "Method"
    assert "**P1**, n = 256, toon at 128 px, backbone bundled" in text and "**P3**, n = 256" in text
    assert first[2] == ["no attention", "20.50 ± 1.50", "0.901 ± 1.500", "0.111 ± 1.500"]
    assert third[0] == ["Method", "Fréchet distance (ST-VGG) ↓", "line consistency ↑"]


def test_with_the_papers_backbones_every_column_has_a_difference():
    first, _ = grids(table_1_markdown(rows_of("imagenet", "kaggle", 256)))
    assert first[0] == ["Method", "FID ↓", "PSNR ↑", "MS-SSIM ↑", "LPIPS ↓"]
    assert first[4] == ["difference", "+50.17", "-4.20", "-0.019", "+0.021"]


def test_the_second_table_has_every_number_with_its_spread():
    rows = rows_of()
    rows = [row for row in rows if (row.method, row.metric) != ("copy the reference", "PSNR")]
    _, second = grids(table_1_markdown(rows))
    assert second[0] == ["Protocol, metric", "no attention", "cross-attention (image)", "copy the reference"]
    assert ["P1, PSNR ↑", "20.50 ± 1.50", "21.50 ± 1.50", "–"] in second
    assert ["P3, Fréchet distance (ST-VGG) ↓", "90.25 ± 1.50", "60.25 ± 1.50", "30.25 ± 1.50"] in second
    assert ["P3, line consistency ↑", "0.900 ± 1.500", "0.800 ± 1.500", "0.700 ± 1.500"] in second
    assert len(second) == 2 + 5


def test_every_table_is_rectangular_and_the_text_says_what_was_measured():
    text = table_1_markdown(rows_of())
    for grid in grids(text):
        assert len({len(line) for line in grid}) == 1
    assert "toon, 128 px, n = 256, backbone bundled; where" in text and "only the order" in text
    assert text.endswith("|\n")


def test_a_bundled_number_is_nowhere_under_fid_or_lpips():
    for grid in grids(table_1_markdown(rows_of())):
        for line in grid[2:]:
            if line[0].startswith("This run") or line[0] == "difference":
                assert line[1] == line[4] == "–"


def test_a_slot_that_is_in_few_drawings_has_its_own_n():
    def row(metric, n):
        return Row("toon", 128, "image", "P4", metric, 1.0, 0.5, n, "", "bundled", "")
    text = extended_markdown([row("PSNR", 512), row("CIEDE2000, eyes", 80), row("bleeding", 512)])
    assert "**P4**, n = 512, toon at 128 px" in text and "in P3 over the three lists" in text
    assert "| Method | PSNR ↑ | CIEDE2000, eyes ↓ (n = 80) | bleeding ↓ |" in text


def test_latex_is_the_same_numbers_without_characters_that_it_cannot_set():
    text = table_1_latex(rows_of())
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 2
    assert text.replace("é", "e").isascii() and "_" not in text
    assert r"PSNR $\uparrow$" in text and r"90.25 $\pm$ 1.50" in text
    for block in text.split(r"\begin{tabular}")[1:]:
        columns = block[: block.index("\n")].strip("{}")
        lines = [line for line in block.splitlines() if line.endswith(r"\\")]
        assert {line.count("&") for line in lines} == {len(columns) - 1}
    for number in ("40.08", "-4.20", "0.111", "27.21"):
        assert number in text


def test_the_tolerance_covers_the_papers_table():
    with open(TOLERANCE, newline="") as file:
        stated = list(csv.DictReader(file))
    assert {(line["method"], line["metric"]) for line in stated} == set(paper_table())
    limits = {line["metric"]: (float(line["tolerance"]), line["kind"]) for line in stated}
    assert limits == {"FID": (0.1, "relative"), "PSNR": (0.5, "absolute"), "MS-SSIM": (0.01, "absolute"),
                      "LPIPS": (0.01, "absolute")}


@pytest.mark.parametrize(("metric", "value", "reached"), [
    ("PSNR", 24.20, True), ("PSNR", 25.20, True), ("PSNR", 24.19, False), ("PSNR", 25.21, False),
    ("MS-SSIM", 0.93, True), ("MS-SSIM", 0.91, True), ("MS-SSIM", 0.9301, False),
    ("FID", 44.08, True), ("FID", 44.10, False), ("FID", 36.08, True), ("FID", 36.06, False),
    ("LPIPS", 0.1, True), ("LPIPS", 0.101, False),
])
def test_verdict_at_the_edge_of_the_tolerance(metric, value, reached):
    row = Row("kaggle", 256, "none", "P1", metric, value, 0.0, 3545, "", "imagenet", "")
    assert verdict(metric, row).startswith("comparable: reproduced" if reached else "comparable: not reproduced")


def test_verdict_of_what_does_not_compare():
    row = Row("kaggle", 256, "image", "P1", "PSNR", 27.21, 0.0, 3545, "", "bundled", "")
    assert verdict("PSNR", row).startswith("comparable: reproduced")  # no backbone in it
    assert verdict("PSNR", replace(row, data="toon")) == "another data set: order only"
    assert verdict("PSNR", replace(row, data="toon", n=256)) == "another data set: order only"
    assert verdict("PSNR", replace(row, n=3544)) == "another number of drawings: order only"
    few = replace(row, n=8, metric="ST-LPIPS")
    assert verdict("LPIPS", few) == "another number of drawings and backbone: order only"
    assert verdict("PSNR", replace(row, size=128)) == "another data set: order only"
    assert verdict("LPIPS", replace(row, metric="ST-LPIPS")) == "another backbone: order only"
    assert verdict("LPIPS", replace(row, metric="ST-LPIPS", data="toon")) == "another data set and backbone: order only"


def test_a_csv_comes_whole_or_not_at_all(tmp_path):
    path = write_csv(tmp_path / "x.csv", ("a", "b"), [(1, "two, three")])
    assert path.read_text() == 'a,b\n1,"two, three"\n'

    def broken():
        yield (2, "x")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_csv(path, ("a", "b"), broken())
    assert path.read_text() == 'a,b\n1,"two, three"\n'

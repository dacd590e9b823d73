"""The README's numbers are those of the results, and what it names is there."""

import csv
import json
import re

import pytest

from lineart.config import ROOT, Config
from lineart.data.prepare import VAL_PICTURES
from lineart.evaluation.measure import read_rows
from lineart.evaluation.tables import extended_markdown, seeds_markdown
from lineart.methods import METHOD_NAMES

README = (ROOT / "README.md").read_text()


def block(name):
    return re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", README, re.DOTALL).group(1).strip()


def test_table_1_is_the_one_under_figures():
    table = block("table 1")
    assert table.count("|") > 20 and table in (ROOT / "figures" / "table_1.md").read_text()


def test_the_table_of_all_methods_is_the_one_under_figures():
    table = block("extended")
    assert table.count("|") > 60 and (ROOT / "figures" / "extended_toon.md").read_text().startswith(table)


@pytest.mark.parametrize("data", ["toon", "faces"])
def test_a_table_for_people_is_the_one_for_programs(data):
    rows = read_rows(ROOT / "figures" / f"extended_{data}.csv")
    assert (ROOT / "figures" / f"extended_{data}.md").read_text() == extended_markdown(rows)


def test_true_transfer_numbers_are_those_under_figures():
    with open(ROOT / "figures" / "extended_toon.csv", newline="") as file:
        value = {(row["method"], row["protocol"], row["metric"]): float(row["value"]) for row in csv.DictReader(file)}
    stated = re.search(r"the paper's: ([\d.]+) dB and a colour error of ([\d.]+) against ([\d.]+) dB and ([\d.]+)\. .*"
                       r"gains nothing .*\(([\d.]+) dB, ([\d.]+) % bleeding against ([\d.]+) %\) and costs a decibel in "
                       r"P2\. .* of P3 goes from ([\d.]+) to ([\d.]+); .*can give: ([\d.]+) dB, and ([\d.]+) % bleeding",
                       README).groups()
    warped, cycle, other = "image-warped", "image-cycle", "image-other"
    two = lambda method, protocol, metric: f"{value[method, protocol, metric]:.2f}"
    percent = lambda method: f"{100 * value[method, 'P4', 'bleeding']:.1f}"
    distances = (two(method, "P3", "Fréchet distance (ST-VGG)") for method in (warped, cycle))
    assert stated == (*(two(method, "P4", metric) for method in (warped, "image") for metric in ("PSNR", "CIEDE2000")),
                      two(cycle, "P4", "PSNR"), percent(cycle), percent(warped), *distances,
                      two(other, "P4", "PSNR"), percent(other))
    lead = re.search(r"more than the ([\d.]+) by which it is ahead of no attention", README)[1]
    assert lead == f"{value['image', 'P1', 'PSNR'] - value['none', 'P1', 'PSNR']:.1f}"
    assert round(value[warped, "P2", "PSNR"] - value[cycle, "P2", "PSNR"]) == 1
    never_saw = {method: x for (method, protocol, metric), x in value.items()
                 if (protocol, metric) == ("P4", "PSNR") and method in METHOD_NAMES and method != other}
    assert max(never_saw, key=never_saw.get) == warped  # what the name `toon` stands for
    small = ("P4", "CIEDE2000, eyes"), ("P4", "CIEDE2000, accessories")
    wrong = [value[method, *slot] for method in METHOD_NAMES for slot in small]
    errors = re.search(r"uncoloured drawing: colour errors of (\d+) to (\d+), against (\d+) and (\d+)\.", README).groups()
    assert errors == tuple(f"{x:.0f}" for x in (min(wrong), max(wrong), *(value["line drawing", *slot] for slot in small)))


def test_numbers_on_faces_are_those_under_figures():
    with open(ROOT / "figures" / "extended_faces.csv", newline="") as file:
        value = {(row["method"], row["protocol"], row["metric"]): f"{float(row['value']):.2f}"
                 for row in csv.DictReader(file)}
    position = json.loads((ROOT / "figures" / "leak_faces.json").read_text())["parts"]["image"]["position"]
    stated = re.search(r"has ([\d.]+) dB in P1, of which ([\d.]+) are position, and falls to ([\d.]+) in P2; .* it has "
                       r"([\d.]+) and ([\d.]+), no attention ([\d.]+) and ([\d.]+)\. .* distances are ([\d.]+), "
                       r"([\d.]+) and ([\d.]+), where other real faces have ([\d.]+): here", README).groups()
    methods, distance = ("image", "image-warped", "none"), "Fréchet distance (ST-VGG)"
    blind = re.search(r"the skip gate ([\d.]+) dB in P1, ([\d.]+) in P2 and a distance of ([\d.]+); cross-attention to the "
                      r"palette ([\d.]+) dB, ([\d.]+) and ([\d.]+)\. An epoch", README).groups()
    assert blind == tuple(value[method, *key] for method in ("gate", "palette")
                          for key in (("P1", "PSNR"), ("P2", "PSNR"), ("P3", distance)))
    p1, p2, *others = [value[method, protocol, "PSNR"] for method in methods for protocol in ("P1", "P2")]
    assert stated == (p1, f"{position:.1f}", p2, *others,
                      *(value[method, "P3", distance] for method in (*methods, "other real pictures")))


def test_transfer_numbers_are_those_under_figures():
    with open(ROOT / "figures" / "transfer.csv", newline="") as file:
        rows = {row["method"]: row for row in csv.DictReader(file)}
    stated = re.search(r"falls from ([\d.]+) to ([\d.]+) dB.*stays at ([\d.]+)\. .*keeps ([\d.]+) dB under the mirror"
                       r".*keeps ([\d.]+) dB where the paper's training keeps ([\d.]+)\.", README).groups()
    image, warped = rows["image"], rows["image-warped"]
    assert stated == (image["psnr_self"], image["psnr_mirrored"], rows["none"]["psnr_mirrored"],
                      warped["psnr_mirrored"], warped["psnr_other"], image["psnr_other"])


def test_spread_over_seeds_is_that_under_figures():
    rows = read_rows(ROOT / "figures" / "seeds_toon.csv")
    text = seeds_markdown(rows)
    assert (ROOT / "figures" / "seeds_toon.md").read_text() == text and {row.n for row in rows if row.metric == "PSNR"} == {512}
    difference = next(line for line in text.splitlines() if line.startswith("| image − none"))
    p1, p2, p4 = [cell.strip() for cell in difference.split("|")][2:5]
    stated = re.search(r"ahead of none by (\S+ ± \S+) dB in P1 and by (\S+ ± \S+) in P4, and behind by (\S+ ± \S+) in P2", README)
    assert [f"+{stated[1]}", f"+{stated[2]}", f"-{stated[3]}"] == [p1, p4, p2]
    warped = next(line for line in text.splitlines() if line.startswith("| image-warped − image"))
    p1, p2, p4 = [cell.strip() for cell in warped.split("|")][2:5]
    stated = re.search(r"ahead of the paper's by (\S+ ± \S+) dB in P4 and by (\S+ ± \S+) in P2, and behind by "
                       r"(\S+ ± \S+) in P1\.", README)
    assert [f"+{stated[1]}", f"+{stated[2]}", f"-{stated[3]}"] == [p4, p2, p1]
    assert re.search(r"distance in P3 is (\S+ ± \S+) larger \(n = 2,048\), smaller with one of the seeds", README)[1] == (
        difference.split("|")[7].strip().removeprefix("+"))
    distance = {row.method: row.value for row in rows if row.metric.startswith("Fréchet")}
    assert sum(distance[f"image (seed {seed})"] < distance[f"none (seed {seed})"] for seed in range(3)) == 1


def test_speeds_are_those_under_figures():
    def table(name, key):
        with open(ROOT / "figures" / f"{name}.csv", newline="") as file:
            return {row[key]: row for row in csv.DictReader(file)}

    loader, rates = table("loader", "way"), {}
    rates = {way: float(row["images_a_second"]) for way, row in loader.items()}
    slow, workers = (next(rate for way, rate in rates.items() if end in way) for end in ("training process", "worker"))
    stated = re.search(r"a batch comes (\d+) times as fast .*, and (\d+) times as fast", README).groups()
    assert stated == (f"{rates['prepared'] / slow:.0f}", f"{rates['prepared'] / workers:.0f}")
    steps = [float(row["ms_a_step"]) / 1000 for row in table("throughput_cpu", "loop").values()]
    assert re.search(r"takes ([\d.]+) s on the same two cores; .* it takes ([\d.]+) s", README).groups() == (
        f"{steps[-1]:.2f}", f"{steps[0]:.2f}")


def test_hours_of_the_papers_training_follow_from_the_measured_speed():
    with open(ROOT / "figures" / "throughput_cpu.csv", newline="") as file:
        rate = max(float(row["images_a_second"]) for row in csv.DictReader(file))
    peak = json.loads((ROOT / "figures" / "throughput_cpu.json").read_text())["peak_bf16_flops"] / 1e12
    config = Config.from_profile("paper")
    config = config.replace(n_train=config.n_train - VAL_PICTURES)
    assert f"*{config.total_steps * config.batch_size:,} pictures, 40 epochs of {config.n_train:,}" in README
    hours = config.total_steps * config.batch_size / rate / 3600
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in block("hours").splitlines()[2:]]
    assert [float(row[1]) for row in cells] == [round(peak, 1), 165, 989]
    for _, stated_peak, stated in cells:
        expected = hours if float(stated_peak) == round(peak, 1) else hours * peak / float(stated_peak)
        assert float(stated) == pytest.approx(expected, rel=0.03)


def test_the_leak_is_that_under_figures():
    parts = json.loads((ROOT / "figures" / "leak_toon.json").read_text())["parts"]
    image, warped = parts["image"], parts["image-warped"]
    stated = re.search(r"PSNR ([\d.]+) dB are position, .* it is ([\d.]+) dB, and the truth's colours are worth "
                       r"([\d.]+) dB instead of ([\d.]+)\.", README).groups()
    numbers = (image["position"], abs(warped["position"]), warped["colours"], image["colours"])
    assert stated == tuple(f"{number:.1f}" for number in numbers)


def test_links_and_pictures_lead_somewhere():
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    assert len(targets) > 12
    assert not [t for t in targets if not t.startswith("https://") and not (ROOT / t).exists()]


def test_commands_are_those_of_the_makefile_and_the_command_line():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"\bmake ([a-z]+)", README):
        if target not in ("sure",):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_times_are_stated():
    assert re.search(r"\d+(\.\d+)? minutes", block("times"))

"""README, RESULTS.md and codecheck.yml say what the results say, and what they name is there."""

import re
import shutil

import pytest
import yaml

from lineart.config import ROOT, MissingFile
from lineart.evaluation import results

NAMES = ("README.md", "RESULTS.md", "data/README.md", "data/pretrained/README.md", "site/doors.md")
PAGES = {name: (ROOT / name).read_text(encoding="utf-8") for name in NAMES}
README = PAGES["README.md"]


def words(text):
    """Those that a person reads: no comments, no rules of tables."""
    return [word for word in re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL).split() if re.search(r"\w", word)]


def test_the_pages_are_what_the_command_writes(tmp_path):
    shutil.copy(ROOT / "README.md", tmp_path)
    assert results.write_results(tmp_path / "RESULTS.md").read_text(encoding="utf-8") == PAGES["RESULTS.md"]
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == README


def test_a_number_typed_into_the_readme_is_put_right():
    marked = results.IN_README.findall(README)
    assert len(marked) >= 5
    wrong = results.IN_README.sub(lambda found: f"<!-- {found[1]} -->99.9<!-- / -->", README)
    assert wrong.count("99.9") == len(marked) and results.readme_text(wrong) == README


def test_every_table_for_people_is_in_the_results():
    for path in (ROOT / "figures").glob("*.md"):
        assert path.read_text(encoding="utf-8").strip() in PAGES["RESULTS.md"], path.name


def test_numbers_are_those_of_the_tables():
    """By hand, from the rows themselves."""
    values = {}
    for line in (ROOT / "figures" / "leak_toon.csv").read_text().splitlines()[1:]:
        method, palette, reference, psnr, *_ = line.split(",")
        values[method, palette, reference] = float(psnr)
    position = values["image", "truth", "truth"] - values["image", "truth", "warped"]
    known = results.numbers()
    assert known["leak/toon/image/position"] == pytest.approx(position, abs=1e-6)
    parts = [known[f"leak/toon/image/{part}"] for part in ("neither", "colours", "position")]
    assert sum(parts) == pytest.approx(known["toon/P1/image/PSNR"], abs=1e-3)
    assert results.number("a - b:.1%", {"a": 0.75, "b": 0.5}) == "25.0%"
    with pytest.raises(KeyError):
        results.number("toon/P9/image/PSNR:.1f", known)


def test_without_the_results_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "FIGURES", tmp_path / "figures")
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(MissingFile):
        results.write_results(tmp_path / "RESULTS.md")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_the_front_door_is_short():
    assert len(words(README)) <= 900 and len(words(README.partition("```")[0])) <= 250


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)\s]+)\)", PAGES[page])
    assert targets
    for target in targets:
        if target.startswith("https://"):
            continue
        file, _, section = target.partition("#")
        path = (ROOT / page).parent / file if file else ROOT / page
        assert path.exists(), target
        if section:
            titles = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            assert section in [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles], target


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_files_that_are_named_are_there(page):
    makefile, text = (ROOT / "Makefile").read_text(encoding="utf-8"), PAGES[page]
    for goal in re.findall(r"(?:`|^)make ([a-z]+)", text, re.MULTILINE):
        assert re.search(rf"^{goal}:", makefile, re.MULTILINE), goal
    for name in re.findall(r"\b(?:benchmarks|figures|notebooks|data|lineart)/[\w/.-]*\w\.\w+", text):
        assert (ROOT / name).exists(), name


def test_the_layout_names_every_module():
    rooms = [path.relative_to(ROOT) for path in (ROOT / "lineart").rglob("*.py") if not path.name.startswith("__")]
    package = {"lineart/course/checks" if "checks" in room.parts else room.as_posix() for room in rooms}
    lists = "".join((ROOT / "lineart" / wing / "README.md").read_text("utf-8") for wing in (".", "course", "studio"))
    named = re.findall(r"^(lineart/[\w/]+(?:\.py|/checks))  ", lists, re.MULTILINE)
    assert sorted(named) == sorted(package)


def test_the_manifest_is_the_results():
    manifest = yaml.safe_load((ROOT / "codecheck.yml").read_text(encoding="utf-8"))["manifest"]
    named = [entry["file"] for entry in manifest]
    there = [path.relative_to(ROOT).as_posix() for path in (ROOT / "figures").iterdir() if path.suffix != ".json"]
    assert sorted(named) == sorted(there) and all(entry["comment"] for entry in manifest)
    assert not [name for name in named if not (ROOT / name).with_suffix(".json").exists()]

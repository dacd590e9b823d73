"""Side-cars: what they say of a result, what they keep to themselves, and that they come whole."""

import json
import os
import re
import subprocess
import sys
from importlib.metadata import requires, version
from pathlib import Path

import pytest
import torch

from lineart import files as module
from lineart.config import ROOT, Config
from lineart.files import PACKAGES, provenance, write_sidecar


def test_a_record_says_by_what_code_settings_and_versions():
    config = Config.from_profile("smoke", seed=5)
    record = provenance(config, n=8, weights={"image": "abc"})
    assert re.fullmatch(r"[0-9a-f]{40}\+?|None", str(record["commit"]))
    assert Config.from_dict(json.loads(json.dumps(record["config"]))) == config
    assert record["versions"] == {name: version(name) for name in PACKAGES} and "torch" in PACKAGES
    assert record["threads"] == torch.get_num_threads() and record["device"]
    assert record["n"] == 8 and record["weights"] == {"image": "abc"}
    assert provenance()["config"] is None


def test_the_versions_name_every_package_that_decides_a_number():
    """All that the package needs, but for what only writes, waits or draws."""
    needed = {re.match(r"[\w-]+", line).group() for line in requires("lineart") if "extra ==" not in line}
    assert needed - {*PACKAGES} == {"joblib", "threadpoolctl", "matplotlib", "safetensors", "tqdm", "filelock"}


def test_a_record_holds_no_path_of_the_machine():
    text = json.dumps(provenance(Config.from_profile("paper"), n=8))
    for private in (str(ROOT), f"{Path.home()}/", sys.prefix, os.getcwd()):
        assert private not in text


def test_the_number_of_threads_is_the_one_in_use():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(before + 1)
        assert provenance()["threads"] == before + 1
    finally:
        torch.set_num_threads(before)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout with code, data and a figure, all committed."""
    root = tmp_path / "checkout"
    for name in ("lineart/a.py", "data/b.csv", "figures/c.csv"):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text("1\n")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        git(root, "-c", "user.name=A", "-c", "user.email=a@b", "-c", "commit.gpgsign=false", *words)
    monkeypatch.setattr(module, "ROOT", root)
    return root


def git(root, *words):
    return subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize(
    ("name", "plus"), [("lineart/a.py", "+"), ("data/b.csv", "+"), ("figures/c.csv", ""), (None, "")]
)
def test_changed_code_and_data_show_in_the_commit_and_new_results_do_not(name, plus, checkout):
    if name:
        (checkout / name).write_text("2\n")
    assert provenance()["commit"] == git(checkout, "rev-parse", "HEAD") + plus


def test_outside_a_checkout_and_without_git_there_is_no_commit(checkout, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert provenance()["commit"] is None
    monkeypatch.undo()
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert provenance()["commit"] is None


def test_a_side_car_stands_beside_its_result_and_is_the_same_every_time(tmp_path):
    path = write_sidecar(tmp_path / "figure.png", {"b": 1, "a": [1.5, None]})
    assert path == tmp_path / "figure.json" and [*tmp_path.iterdir()] == [path]
    assert path.read_text() == '{\n  "a": [\n    1.5,\n    null\n  ],\n  "b": 1\n}\n'
    written = path.read_bytes()
    assert write_sidecar(tmp_path / "figure.pdf", {"a": [1.5, None], "b": 1}).read_bytes() == written


def test_a_notebooks_side_car_holds_what_decides_and_the_run_is_told_apart(tmp_path):
    """The same result from another machine, later, is the same side-car."""
    (tmp_path / "figures").mkdir()
    record = provenance(Config.from_profile("smoke"), profile="smoke", seed=3, seconds=1.5)
    path = write_sidecar(tmp_path / "figures" / "table.csv", record)
    run = json.loads((tmp_path / "provenance" / "table.json").read_text())
    assert {*run} == {"commit", "device", "threads", "python", "seconds"} and run["threads"] == record["threads"]
    assert json.loads(path.read_text()) == json.loads(json.dumps({k: v for k, v in record.items() if k not in run}))
    written = path.read_bytes()
    write_sidecar(path, record | {"device": "another", "commit": None, "seconds": 99})
    assert path.read_bytes() == written


def test_a_side_car_comes_whole_or_not_at_all(tmp_path, monkeypatch):
    path = write_sidecar(tmp_path / "x.csv", {"first": True})
    with pytest.raises(TypeError):
        write_sidecar(path, {"no JSON": object()})
    assert json.loads(path.read_text()) == {"first": True} and [*tmp_path.iterdir()] == [path]

    def killed(temporary, target):  # all of it is written by then, and not yet in place
        assert Path(temporary).parent == tmp_path and json.loads(Path(temporary).read_text()) == {"second": True}
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write_sidecar(path, {"second": True})
    assert json.loads(path.read_text()) == {"first": True}

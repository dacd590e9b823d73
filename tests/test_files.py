"""Files come whole or not at all; a side-car says where its result comes from, and is the same from every run."""

import json
import os
import re
import subprocess
import sys
from importlib.metadata import requires, version
from pathlib import Path

import pytest
import torch

from lineart import files
from lineart.config import ROOT, Config
from lineart.files import PACKAGES, provenance, sha256, whole, write_sidecar, write_text


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("renamed", [False, True])
def test_a_file_is_there_once_it_is_whole_and_what_fails_leaves_the_one_before(tmp_path, monkeypatch, error, renamed):
    path = tmp_path / "table.csv"
    with whole(path) as temporary:
        temporary.write_text("first")
        assert not path.exists() and temporary.parent == tmp_path

    def killed(*_):
        raise error

    if renamed:
        monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(type(error)), whole(path) as temporary:
        temporary.write_text("the second")
        if not renamed:
            raise error
    assert path.read_text() == "first" and [*tmp_path.iterdir()] == [path]


def test_text_is_the_same_bytes_on_every_system_and_has_a_digest(tmp_path):
    assert write_text(str(tmp_path / "table.md"), "é\n±\n").read_bytes() == b"\xc3\xa9\n\xc2\xb1\n"
    # The digest is that of FIPS 180-2, appendix B.1
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256(write_text(tmp_path / "abc", "abc")) == digest


def test_a_record_says_by_what_code_settings_and_versions_and_holds_no_path_of_the_machine():
    config = Config.from_profile("smoke", seed=5)
    record = provenance(config, n=8, weights={"image": "abc"})
    assert re.fullmatch(r"[0-9a-f]{40}\+?|None", str(record["commit"]))
    assert Config.from_dict(json.loads(json.dumps(record["config"]))) == config
    assert record["versions"] == {name: version(name) for name in PACKAGES}
    assert record["threads"] == torch.get_num_threads() and record["device"] and record["n"] == 8
    for private in (str(ROOT), f"{Path.home()}/", sys.prefix, os.getcwd()):
        assert private not in json.dumps(record)


def test_the_versions_name_every_package_that_decides_a_number():
    """All that the package needs, but for what only checks, reads options and tables, writes, waits or draws."""
    needed = {re.match(r"[\w-]+", line).group() for line in requires("lineart") if "extra ==" not in line}
    other = "pydantic tyro pandas joblib threadpoolctl matplotlib safetensors tqdm filelock"
    assert needed - {*PACKAGES} == {*other.split()} and {*PACKAGES} <= needed


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout with code, data and a figure, all committed."""
    root = tmp_path / "checkout"
    for name in ("lineart/a.py", "data/b.csv", "figures/c.csv"):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text("1\n")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        git(root, "-c", "user.name=A", "-c", "user.email=a@b", "-c", "commit.gpgsign=false", *words)
    monkeypatch.setattr(files, "ROOT", root)
    return root


def git(root, *words):
    return subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize(("name", "plus"), [("lineart/a.py", "+"), ("data/b.csv", "+"), ("figures/c.csv", "")])
def test_changed_code_and_data_show_in_the_commit_and_new_results_do_not(name, plus, checkout):
    assert provenance()["commit"] == git(checkout, "rev-parse", "HEAD")
    (checkout / name).write_text("2\n")
    assert provenance()["commit"] == git(checkout, "rev-parse", "HEAD") + plus


def test_an_installed_package_and_one_without_git_have_no_commit(checkout, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert provenance()["commit"] is None
    monkeypatch.undo()
    monkeypatch.setattr(files, "CHECKOUT", False)  # though the folder it works in may be somebody's checkout
    assert provenance()["commit"] is None


def test_a_side_car_stands_beside_its_result_and_tells_the_run_apart(tmp_path):
    """The same result from another machine, later, is the same side-car."""
    path = write_sidecar(tmp_path / "figure.png", {"b": 1, "a": [1.5, None]})
    assert path == tmp_path / "figure.json" and [*tmp_path.iterdir()] == [path]
    assert path.read_text() == '{\n  "a": [\n    1.5,\n    null\n  ],\n  "b": 1\n}\n'
    (tmp_path / "figures").mkdir()
    record = provenance(Config.from_profile("smoke"), profile="smoke", seed=3, seconds=1.5)
    path = write_sidecar(tmp_path / "figures" / "table.csv", record)
    run = json.loads((tmp_path / "provenance" / "table.json").read_text())
    assert {*run} == {"commit", "device", "threads", "python", "seconds"} and run["threads"] == record["threads"]
    assert json.loads(path.read_text()) == json.loads(json.dumps({k: v for k, v in record.items() if k not in run}))
    written = path.read_bytes()
    write_sidecar(path, record | {"device": "another", "commit": None, "seconds": 99})
    assert path.read_bytes() == written

"""Weights from the Hugging Face Hub, without a network: from its cache, and what it says where there is nothing."""

import os
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from lineart import Colorizer
from lineart.coloring import hub
from lineart.coloring.colorizer import checkpoint_path, pretrained_path
from lineart.config import InputError, MissingFile

huggingface_hub = pytest.importorskip("huggingface_hub")
constants = pytest.importorskip("huggingface_hub.constants")
errors = pytest.importorskip("huggingface_hub.errors")
COMMIT, BEFORE = "0123456789abcdef0123456789abcdef01234567", "f" * 40


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """huggingface_hub's own cache, as it leaves it after downloads of two files of two commits; no network."""
    repo = tmp_path / "models--someone--colours"
    for commit in (BEFORE, COMMIT):
        snapshot = repo / "snapshots" / commit
        snapshot.mkdir(parents=True)
        for name in ("model", "other"):
            shutil.copy(pretrained_path("toon-none"), snapshot / f"{name}.safetensors")
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(COMMIT)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return snapshot


def test_a_colorizer_comes_from_the_hub(cache):
    assert Colorizer.from_pretrained("hf://someone/colours").config.attention == "none"


@pytest.mark.parametrize(
    ("address", "file"),
    [
        ("hf://someone/colours", "model.safetensors"),
        ("hf://someone/colours/other", "other.safetensors"),
        ("hf://someone/colours/other.safetensors", "other.safetensors"),
        (f"hf://someone/colours@{BEFORE}/other", f"../{BEFORE}/other.safetensors"),
    ],
)
def test_an_address_names_a_repository_a_revision_and_a_file(cache, address, file):
    assert checkpoint_path(address) == Path(os.path.normpath(cache / file))


@pytest.mark.parametrize("address", ["hf://", "hf://name", "hf:///name", "hf://owner/", "hf://a/b@", "hf://--/--"])
def test_what_is_no_address_is_refused(cache, address):
    with pytest.raises(InputError, match="owner/name"):
        checkpoint_path(address)


def response(status):
    """As far as huggingface_hub looks at one when it makes an error; of which package it is has changed."""
    return SimpleNamespace(status_code=status, headers={}, request=None)


FAILURES = {
    "no such repository": (errors.RepositoryNotFoundError("gone", response=response(404)), "someone/colours"),
    "no such revision": (errors.RevisionNotFoundError("gone", response=response(404)), "v2"),
    "no such file": (errors.RemoteEntryNotFoundError("gone", response=response(404)), "model.safetensors"),
    "no network": (errors.LocalEntryNotFoundError("offline"), "offline"),
    "an answer of the Hub's own": (errors.HfHubHTTPError("500\n\n" + "x" * 999, response=response(500)), "500"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_what_is_missing_is_told_in_one_sentence(failure, monkeypatch):
    error, word = FAILURES[failure]

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fail)
    with pytest.raises(InputError, match=word) as caught:
        hub.fetch("hf://someone/colours@v2")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_nothing_is_fetched_from_an_empty_cache_without_a_network(cache):
    with pytest.raises(MissingFile, match="nothing.safetensors"):
        hub.fetch("hf://someone/colours/nothing")


def test_without_huggingface_hub_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)  # as if not installed
    with pytest.raises(InputError, match=r"lineart\[hub\]"):
        hub.fetch("hf://someone/colours")


def test_a_folder_on_disk_is_no_address(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(pretrained_path("toon-none"), Path("last.safetensors"))
    assert checkpoint_path(".") == Path("last.safetensors")

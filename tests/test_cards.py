"""The model cards are what the command writes, and the Hub can read them."""

import hashlib

import pytest

from lineart.config import ROOT, MissingFile
from lineart.evaluation import cards

FOLDER = ROOT / "data" / "pretrained"
NETWORKS = {card["name"]: card for card in cards.read_cards()}


def test_the_page_is_what_the_command_writes(tmp_path):
    assert cards.write_cards(tmp_path / "README.md").read_text("utf-8") == (FOLDER / "README.md").read_text("utf-8")


def test_every_file_of_weights_has_a_card_and_is_the_one_described():
    files = {path.stem: path for path in FOLDER.glob("*.safetensors")}
    assert NETWORKS.keys() == files.keys()
    text = (FOLDER / "README.md").read_text("utf-8")
    for name, card in NETWORKS.items():
        assert hashlib.sha256(files[name].read_bytes()).hexdigest() == card["sha256"]
        assert f"\n### {name}\n" in text and card["sha256"] in text and card["licence"] in text


def test_the_hub_reads_licence_library_and_numbers():
    hub = pytest.importorskip("huggingface_hub")
    data = hub.ModelCard.load(FOLDER / "README.md").data
    assert (data.license, data.library_name, data.pipeline_tag) == ("other", "lineart", "image-to-image")
    assert {*data.datasets} == {card["data"] for card in NETWORKS.values()}
    assert len(data.eval_results) == sum(len(card["rows"]) for card in NETWORKS.values()) > 0
    found = {entry["name"]: entry["results"] for entry in hub.metadata_load(FOLDER / "README.md")["model-index"]}
    assert found.keys() == NETWORKS.keys()
    for name, card in NETWORKS.items():
        told = {metric["name"]: metric["value"] for result in found[name] for metric in result["metrics"]}
        rows = {f"{row.metric}, {row.protocol}": row.value for row in card["rows"].itertuples()}
        assert told == pytest.approx(rows, abs=1e-3) and "PSNR, P1" in told


def test_the_table_has_each_number_under_its_own_name():
    for card, (_, line) in zip(NETWORKS.values(), cards.overview([*NETWORKS.values()]).iterrows(), strict=True):
        psnr = card["rows"].query("metric == 'PSNR'").set_index("protocol")["value"]
        told = {name: float(line[f"{name}, dB"]) for name in ("P1", "P2", "P4") if line[f"{name}, dB"] != "–"}
        assert told == pytest.approx({name: psnr[name] for name in psnr.index}, abs=0.06) and "P1" in told


def test_numbers_are_only_those_of_the_very_file():
    card = next(iter(NETWORKS.values()))
    assert len(cards.measured(card)) >= 2
    assert not len(cards.measured(card | {"sha256": "0" * 64}))
    assert "| – |" in cards.markdown(cards.overview([card | {"rows": card["rows"].iloc[:0]}]))


def test_without_weights_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(cards, "PRETRAINED", tmp_path)
    with pytest.raises(MissingFile):
        cards.write_cards(tmp_path / "README.md")
    assert not [*tmp_path.iterdir()]

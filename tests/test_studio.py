"""The studio without a browser: exported networks say what PyTorch says, and the folder holds what the page needs."""

import builtins
import gzip
import json
import os
import shutil
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import torch

from lineart import cli
from lineart.checkpoint import load_generator, make_generator
from lineart.config import ROOT, Config, InputError
from lineart.data import toon
from lineart.data.palette import extract_palette
from lineart.images import to_batch
from lineart.layers import WSConv2d
from lineart.methods import METHODS, method_title
from lineart.studio import build, commands, export, samples

LARGEST = 2  # of 255 grey levels: what float16 filters change
NAMES = [path.stem for path in export.shipped()]


@pytest.fixture(scope="module")
def onnx_runtime():
    return pytest.importorskip("onnxruntime", reason="onnxruntime, of the extra studio, is not installed")


@pytest.fixture(scope="module")
def exported(tmp_path_factory, onnx_runtime):
    """Every shipped network, exported once: the folder and its manifest."""
    folder = tmp_path_factory.mktemp("networks")
    return folder, {entry["name"]: entry for entry in export.export_all(folder)}


def a_pair(size: int) -> dict[str, torch.Tensor]:
    """A drawing and another character as its reference, as networks take them."""
    drawing, reference = (toon.draw(toon.seed_of("test", i), size) for i in (4, 13))
    palette = extract_palette(reference.color)
    return to_batch(*(torch.tensor(x)[None] for x in (drawing.line, reference.color, palette)))


def both(onnx_runtime, model: bytes, generator) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Picture and attention from onnxruntime, and from PyTorch."""
    batch = a_pair(128)
    session = onnx_runtime.InferenceSession(model, providers=["CPUExecutionProvider"])
    inputs = {"line": batch["line"][:, :1], "palette": batch["palette"], "reference": batch["color"]}
    found = session.run(None, {i.name: np.ascontiguousarray(inputs[i.name].numpy()) for i in session.get_inputs()})
    layers = generator.record_attention()
    with torch.no_grad():
        wanted = [generator(batch["line"], batch["palette"], batch["color"])]
    wanted += [layer.attention for layer in list(layers.values())[-1:]]
    return found, [tensor.numpy() for tensor in wanted]


@pytest.mark.parametrize("name", NAMES)
def test_an_exported_network_paints_and_attends_as_in_pytorch(name, exported, onnx_runtime):
    folder, manifest = exported
    generator, _ = load_generator(export.PRETRAINED / f"{name}.safetensors")
    found, wanted = both(onnx_runtime, (folder / manifest[name]["file"]).read_bytes(), generator)
    assert [x.shape for x in found] == [x.shape for x in wanted]
    difference = 127.5 * np.abs(found[0] - wanted[0])  # in grey levels
    assert difference.max() <= LARGEST and difference.mean() <= 0.1
    assert np.ptp(wanted[0]) > 1  # a picture, not one grey
    for attention, expected in zip(found[1:], wanted[1:]):
        assert np.abs(attention - expected).max() < 0.01
        assert np.allclose(attention.sum(-1), 1, atol=1e-4)


@pytest.mark.parametrize("keys", ["colors", "lines"])
def test_what_matching_needs_of_the_reference_is_drawn_inside_the_graph(keys, onnx_runtime):
    config = Config.from_profile("classroom", keys=keys, fine_levels=1)
    torch.manual_seed(0)
    generator = make_generator(config).eval()
    model = export.to_onnx(generator, config).SerializeToString()
    assert len(model) <= 8e6
    found, wanted = both(onnx_runtime, model, generator)
    assert found[1].shape == (1, 32, 32, 1024)  # one finer level of the decoder attends, too
    assert 127.5 * np.abs(found[0] - wanted[0]).max() <= LARGEST
    assert np.abs(found[1] - wanted[1]).max() < 0.01


def test_the_manifest_names_every_shipped_network_and_each_file_is_small_enough(exported):
    folder, manifest = exported
    assert list(manifest) == NAMES and json.loads((folder / export.MANIFEST).read_text()) == list(manifest.values())
    for name, entry in manifest.items():
        assert entry["bytes"] == (folder / entry["file"]).stat().st_size <= 8e6
        assert entry["title"] == method_title(entry["method"]) and entry["method"] in METHODS
        assert entry["licence"] and entry["size"] == 128 and entry["data"] == name.partition("-")[0]
        attends = METHODS[entry["method"]].settings
        assert entry["attends"] == (attends.get("reference", "image") if attends["attention"] == "cross" else None)
        assert (entry["attention"] is None) == (entry["attends"] is None)
        if entry["attends"] == "image":
            _, height, width, places = entry["attention"]
            assert height * width == places


def test_the_graph_names_no_file_of_this_machine(exported):
    folder, manifest = exported
    content = (folder / manifest[NAMES[0]]["file"]).read_bytes()
    assert os.fsencode(Path(__file__).parent.parent) not in content and b".py" not in content


def test_standardisation_is_folded_into_the_filters():
    torch.manual_seed(0)
    conv, x = WSConv2d(5, 7, 3, stride=2, padding=1), torch.randn(2, 5, 8, 8)
    folded = export.FoldedConv2d.of(conv)
    torch.testing.assert_close(folded(x), conv(x))
    assert torch.equal(folded.weight, conv.standardized_weight()) and not torch.equal(folded.weight, conv.weight)
    generator = make_generator(Config.from_profile("smoke"))
    kept, stored = (
        [conv for conv in module.modules() if isinstance(conv, WSConv2d)]
        for module in (generator, export.Exported(generator))
    )
    assert len(stored) == len(kept) > 10 and not any(isinstance(conv, export.FoldedConv2d) for conv in kept)
    assert all(torch.equal(a.weight, b.standardized_weight()) for a, b in zip(stored, kept))


def test_without_onnx_one_sentence_names_the_extra(monkeypatch, tmp_path, capsys):
    real = builtins.__import__

    def without_onnx(name, *rest):
        if name.partition(".")[0] == "onnx":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_onnx)
    assert cli.main(["studio", "export", "--out", str(tmp_path / "new")]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "lineart[studio]" in said and not (tmp_path / "new").exists()


def test_without_npm_building_is_one_sentence(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert cli.main(["studio", "build", "--out", str(tmp_path / "new")]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "npm" in said and "Node.js" in said and not (tmp_path / "new").exists()


def test_a_folder_that_holds_something_else_is_not_replaced(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="must be a new folder or an earlier studio"):
        build.build(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_what_npm_fetches_is_pinned_by_hash_and_names_no_host():
    lock = json.loads((build.PAGE / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert len(packages) > 3 and all(entry["integrity"].startswith("sha512-") for entry in packages.values())
    assert not any("resolved" in entry for entry in packages.values())
    wanted = json.loads((build.PAGE / "package.json").read_text())["dependencies"]["onnxruntime-web"]
    assert packages["node_modules/onnxruntime-web"]["version"] == wanted  # one version, not a range


def test_twelve_samples_with_their_credits(tmp_path):
    entries = samples.draw_samples(tmp_path / "samples")
    assert len(entries) == 12 and len({entry["name"] for entry in entries}) == 12
    credits = (build.PAGE / "index.html").read_text()
    for entry in entries:
        assert all((tmp_path / entry[key]).stat().st_size < 60_000 for key in ("line", "color"))
        assert entry["artist"] in credits and np.shape(entry["palette"]) == (9, 3)
    for colors in (samples.slot_colors(colors).astype(int) for _, colors in samples.CHARACTERS.values()):
        apart = np.linalg.norm(colors[:, None] - colors, axis=-1)[np.triu_indices(len(colors), 1)]
        assert apart.min() >= 60  # as the networks have seen them; see `toon.random_slots`


def test_pack_leaves_the_same_bytes_and_less_of_them(tmp_path):
    path = tmp_path / "x.bin"
    path.write_bytes(b"line" * 1000)
    packed = build.pack(path)
    assert gzip.decompress(packed.read_bytes()) == b"line" * 1000
    assert packed.stat().st_size < 100 and not path.exists()


def test_the_key_follows_the_page(monkeypatch, tmp_path):
    before = build.key()
    shutil.copytree(build.PACKAGE / "studio", tmp_path / "studio")
    for name in build.MADE_BY:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(build.PACKAGE / name, tmp_path / name)
    monkeypatch.setattr(build, "PACKAGE", tmp_path)
    assert build.key() == before
    (tmp_path / "studio" / "page" / "studio.css").write_text("body {}")
    assert build.key() != before


def test_the_server_gives_files_to_this_machine_alone(tmp_path):
    (tmp_path / "index.html").write_text("<title>studio</title>")
    with commands.server(tmp_path, 0) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        with urllib.request.urlopen(f"http://localhost:{http.server_port}/") as answer:
            assert answer.read() == b"<title>studio</title>" and answer.headers["Cache-Control"] == "no-cache"
        assert http.server_address[0] == "127.0.0.1"
        for port in (http.server_port, 65536, -1):
            with pytest.raises(InputError, match=f"port must be free and below 65536, got {port}"):
                commands.server(tmp_path, port)
        http.shutdown()


@pytest.mark.parametrize(("required", "word"), [("", "skipped"), ("required", "error")])
def test_without_a_browser_its_tests_are_skipped_or_where_it_is_required_an_error(tmp_path, required, word):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/browser", "-k", "dark_room"]
    environment = os.environ | {"PATH": str(tmp_path), "LINEART_BROWSER": required}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == (1 if required else 0), done.stdout
    assert f"1 {word}" in done.stdout.splitlines()[-1] and ("chromedriver" in done.stdout or not required)

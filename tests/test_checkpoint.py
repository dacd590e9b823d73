"""Checkpoints: what goes in comes out, a bad file is a sentence, and a failing write costs nothing."""

import json
import struct

import pytest
import torch
from safetensors.torch import save_file

from lineart import checkpoint
from lineart.checkpoint import load_generator, load_module, make_generator, read_checkpoint, save_checkpoint
from lineart.config import Config, InputError

CONFIG = Config.from_profile("smoke", size=32, seed=7, feature_layers=("relu1_2", "relu2_2"))


@pytest.fixture(scope="module")
def trained():
    """A generator with nothing at its initial value, and two pictures to colour."""
    torch.manual_seed(0)
    generator = make_generator(CONFIG)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    size = CONFIG.size
    inputs = (torch.rand(2, 3, size, size) * 2 - 1, torch.rand(2, 9, 3) * 2 - 1, torch.rand(2, 3, size, size) * 2 - 1)
    return generator.eval(), inputs


@pytest.fixture
def saved(tmp_path, trained):
    return save_checkpoint(tmp_path / "x.safetensors", CONFIG, 12, {"generator": trained[0]})


def header_of(path):
    """The JSON at the head of a safetensors file, read without the library: 8 bytes of length, then the text."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), len(content) - 8 - length


# --- round trip ---


def test_equal_weights_are_equal_files(tmp_path, trained):
    files = [save_checkpoint(tmp_path / f"{i}.safetensors", CONFIG, 12, {"generator": trained[0]}) for i in range(8)]
    assert len({path.read_bytes() for path in files}) == 1


def test_the_generator_paints_the_same_and_is_ready_to_use(saved, trained):
    generator, inputs = trained
    loaded, config = load_generator(saved)
    assert config == CONFIG and not loaded.training
    with torch.no_grad():
        assert torch.equal(loaded(*inputs), generator(*inputs))


def test_half_precision_is_half_the_file_and_close(tmp_path, saved, trained):
    generator, inputs = trained
    path = save_checkpoint(tmp_path / "half.safetensors", CONFIG, 12, {"generator": generator}, half=True)
    assert {t.dtype for t in read_checkpoint(path)[2].values()} == {torch.float16}
    assert header_of(path)[1] * 2 == header_of(saved)[1]
    loaded, _ = load_generator(path)
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    with torch.no_grad():
        difference = (loaded(*inputs) - generator(*inputs)).abs().max()
    assert 0 < difference < 0.02  # of a range of 2; not zero, or nothing was rounded


# --- bad files ---


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="must be a .safetensors file, found none at .*nothing"):
        read_checkpoint(tmp_path / "nothing.safetensors")
    with pytest.raises(FileNotFoundError, match="must be a .safetensors file"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b[:3], lambda b: b"", lambda b: b"{" * 500])
def test_a_damaged_file_is_refused(saved, damage):
    saved.write_bytes(damage(saved.read_bytes()))
    with pytest.raises(ValueError, match="must be a whole safetensors file, x.safetensors is not"):
        load_generator(saved)


@pytest.mark.parametrize("text", [None, "no json", "[]", "{}", '{"config": {}}', '{"config": 3, "step": 1}'])
def test_a_file_that_is_not_ours_is_refused(tmp_path, text):
    metadata = {"lineart": text} if text else {"author": "someone else"}
    save_file({"generator.weight": torch.zeros(3)}, tmp_path / "other.safetensors", metadata=metadata)
    with pytest.raises(InputError, match="config and step .*other.safetensors"):
        read_checkpoint(tmp_path / "other.safetensors")


def test_a_setting_that_is_gone_is_passed_over_and_an_unknown_one_is_named(tmp_path):
    record = {"config": CONFIG.to_dict() | {"tensorboard": True}, "step": 1}
    save_file({"a": torch.zeros(3)}, tmp_path / "x.safetensors", metadata={"lineart": json.dumps(record)})
    assert read_checkpoint(tmp_path / "x.safetensors")[0] == CONFIG
    record["config"]["colour_space"] = "lab"
    save_file({"a": torch.zeros(3)}, tmp_path / "x.safetensors", metadata={"lineart": json.dumps(record)})
    with pytest.raises(ValueError, match="unknown setting 'colour_space'"):
        read_checkpoint(tmp_path / "x.safetensors")


def test_tensors_that_do_not_fit_their_settings_are_named(saved):
    config, _, tensors = read_checkpoint(saved)
    with pytest.raises(
        InputError, match="must fit its settings, those of 'generator' do not: size mismatch for "
    ) as said:
        load_module(make_generator(config.replace(width=2 * config.width)), tensors, "generator")
    assert "\n" not in str(said.value)


# --- a failing write ---


def half_written(tensors, path, metadata=None):
    path.write_bytes(b"\x10" * 1000)
    raise OSError(28, "No space left on device")


def test_a_failing_write_leaves_the_last_checkpoint(saved, trained, monkeypatch):
    before = saved.read_bytes()
    monkeypatch.setattr(checkpoint, "save_file", half_written)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(saved, CONFIG, 13, {"generator": trained[0]})
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == ["x.safetensors"]  # no rubbish beside it

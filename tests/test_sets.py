"""A prepared set: opened without reading it, whole or refused, and loaded as pairs for a config."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lineart.config import Config, InputError, MissingFile
from lineart.data import prepare as module
from lineart.data import store as store_module
from lineart.data.augment import take
from lineart.data.prepare import prepare
from lineart.data.sets import find_store, load
from lineart.data.store import ARRAYS, SPLITS, check, contact_sheet, open_store, read_table, write_table
from lineart.training import train

COUNTS = {"train": 24, "val": 2, "test": 4}
FILES = ["line.npy", "color.npy", "palette.npy", "index.csv", "rejected.csv"]


def write(root: Path, **seeds: int) -> Path:
    """Pictures of 32 px with 16 random colours, by name, "__" between folder and file."""
    for name, seed in seeds.items():
        path = root / f"{name.replace('__', '/')}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        colors = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
        Image.fromarray(np.kron(colors, np.ones((8, 8, 1), np.uint8))).save(path)
    return root


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    """Thirty pictures, their splits named by folders."""
    splits = [split for split, n in COUNTS.items() for _ in range(n)]
    names = {f"{split}__{i:02d}": i for i, split in enumerate(splits)}
    return write(tmp_path_factory.mktemp("store") / "pictures", **names)


@pytest.fixture(scope="module")
def whole(pictures) -> Path:
    return prepare("folder", pictures, out=pictures.parent / "prepared", size=32, processes=1).path


@pytest.fixture
def copy(whole, tmp_path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "copy"))


def config(source=None, **changes) -> Config:
    settings = dict(size=32, n_train=100, n_test=100, batch_size=4, lambda_fm=0.0, steps=2, sample_every=2) | changes
    return Config.from_profile("smoke", **dict(data="folder", source=source and str(source)) | settings)


# The store


def test_check_says_what_is_there(whole):
    assert check(whole) == [
        f"{whole}: 30 pictures of folder at 32 px, 24 train, 2 val, 4 test",
        "0 rejected, see rejected.csv; skipped as no pictures: 0",
        "every file is as it was written",
    ]


def test_check_counts_equal_pictures_and_those_that_training_and_test_share(tmp_path):
    write(tmp_path / "in", train__a=0, train__b=1, train__c=1, test__d=0, test__e=2, val__f=3)
    prepare("folder", tmp_path / "in", out=tmp_path / "out", size=32, processes=1)
    assert "same as another picture: 2, in two splits: 1" in check(tmp_path / "out")


@pytest.mark.parametrize("name", FILES)
def test_check_finds_a_changed_byte_and_a_missing_file(name, copy):
    content = bytearray((copy / name).read_bytes())
    content[-1] ^= 1
    (copy / name).write_bytes(content)
    for _ in range(2):
        with pytest.raises(InputError, match=name):
            check(copy)
        (copy / name).unlink(missing_ok=True)


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("harm", ["empty", "text", "cut", "shape"])
def test_a_damaged_array_is_one_sentence(name, harm, copy):
    data = (copy / f"{name}.npy").read_bytes()
    harmed = {"empty": b"", "text": b"text", "cut": data[:-1], "shape": data.replace(b"(30, ", b"(29, ")}
    (copy / f"{name}.npy").write_bytes(harmed[harm])
    with pytest.raises(InputError, match="is damaged .*; remove it and prepare it again") as caught:
        open_store(copy)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"5", b"{}", b'{"counts": 3}', b"\xff"])
def test_a_damaged_record_is_one_sentence_and_a_folder_without_one_is_no_set(text, copy):
    (copy / "set.json").write_bytes(text)
    with pytest.raises(InputError, match="is damaged .*; remove it and prepare it again"):
        open_store(copy)
    (copy / "set.json").unlink()
    with pytest.raises(MissingFile, match="set.json"):
        open_store(copy)


def test_a_table_keeps_every_name(tmp_path):
    names = ["a,b", 'quo"te', "new\nline", "carriage\rreturn", "both\r\n", "😀", os.fsdecode(b"\xff\xfe")]
    names += ["", " ", "a\tb", "NA", "1"]
    write_table(tmp_path / "t.csv", [{"file": name, "number": i} for i, name in enumerate(names)])
    table = read_table(tmp_path / "t.csv")
    assert [*table["file"]] == names and [*table["number"]] == [str(i) for i in range(len(names))]


def test_the_contact_sheet_shows_line_colour_and_palette_of_pictures_from_all_over_the_set(whole):
    store = open_store(whole)
    sheet = contact_sheet(store, columns=2, rows=2, side=64)
    assert sheet.mode == "RGB" and sheet.size == (2 * 64, 2 * (64 + 64 + 10))  # a palette is a sixth as high
    pixels = np.asarray(sheet).reshape(2, 138, 2, 64, 3).swapaxes(1, 2).reshape(4, 138, 64, 3)
    for cell, row in zip(pixels, (0, 10, 19, 29), strict=True):  # 29/3 and 58/3, rounded
        line = Image.fromarray(store.line[row]).resize((64, 64), Image.Resampling.LANCZOS)
        color = Image.fromarray(store.color[row]).resize((64, 64), Image.Resampling.LANCZOS)
        assert np.array_equal(cell[:64, :, 0], line) and np.array_equal(cell[64:128], color)
        swatches = store.palette[row].round().astype(np.uint8)
        assert np.array_equal(cell[133, [3, 32, 61]], swatches[[0, 4, 8]])  # the first, middle and last of nine
    assert contact_sheet(store).size == (12 * 112, 3 * (2 * 112 + 18))  # thirty in rows of twelve, no empty row


# Loaded as pairs


def test_a_split_is_one_slice_and_a_whole_one_stays_on_disk_and_can_not_be_written(whole):
    store = open_store(whole)
    assert [store.rows(split) for split in SPLITS] == [slice(0, 24), slice(24, 26), slice(26, 30)]
    for split, n in COUNTS.items():
        pairs = load(config(whole), split)
        assert len(pairs) == n and pairs.mask is None and pairs.slots is None
        assert np.array_equal(pairs.color, store.color[store.rows(split)])
        assert pairs.name == tuple(store.names(split)) and all(name.startswith(f"{split}/") for name in pairs.name)
        for name in ARRAYS:
            assert isinstance(getattr(pairs, name), np.memmap)
            with pytest.raises(ValueError, match="read-only"):
                getattr(pairs, name)[0] = 0


@pytest.mark.parametrize(
    ("n", "places"), [(1, [0]), (2, [0, 12]), (5, [0, 4, 9, 14, 19]), (24, range(24)), (99, range(24))]
)
def test_fewer_pairs_are_taken_evenly_from_all_of_them(n, places, whole):
    pairs, store, places = load(config(whole), "train", n), open_store(whole), list(places)
    assert pairs.name == tuple(store.names("train")[i] for i in places)
    for name in ARRAYS:
        assert np.array_equal(getattr(pairs, name), getattr(store, name)[places])
    assert load(config(whole, n_train=n), "train").digest() == pairs.digest()
    assert load(config(whole), "test", 2).name == ("test/26.png", "test/28.png")  # of a later split, of that split


def test_what_is_not_prepared_gets_the_command_that_prepares_it_and_is_not_read(pictures, whole, tmp_path, monkeypatch):
    monkeypatch.setattr(store_module, "PREPARED", tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(module, "_make", lambda *_: pytest.fail("prepared"))
        for source in (None, pictures):
            with pytest.raises(MissingFile) as caught:
                load(config(source), "test")
            assert f"lineart data prepare folder --source {source or 'PATH'} --size 32" in str(caught.value)
        with pytest.raises(MissingFile, match="gone"):
            load(config(tmp_path / "gone"), "train")
    prepare("folder", pictures, size=32, processes=1)  # as the command does
    assert find_store(config()).path == tmp_path / "folder-32px"
    assert load(config(), "test").digest() == load(config(whole), "test").digest()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (dict(size=64), "size must be the prepared set's 32, got 64"),
        (dict(k=5), "k must be the prepared set's 9, got 5"),
        (dict(data="kaggle"), "data must be the prepared set's folder, got kaggle"),  # it would count as the paper's
    ],
)
def test_another_size_palette_or_name_is_one_sentence(changes, sentence, whole):
    with pytest.raises(InputError, match=sentence):
        load(config(whole, **changes), "train")


def test_a_split_without_pictures_is_one_sentence(tmp_path):
    write(tmp_path / "in", test__a=0, test__b=1, test__c=2)
    out = prepare("folder", tmp_path / "in", out=tmp_path / "out", size=32, processes=1).path
    assert len(load(config(out), "test")) == 3
    for split in ("train", "all"):
        with pytest.raises(InputError, match=split):
            load(config(out), split)


@pytest.mark.filterwarnings("error:The given NumPy array is not writable")
def test_a_training_reads_from_the_mapped_files_and_leaves_them_as_they_are(whole, tmp_path):
    run = train(config(whole, line_variants=True, reference_jitter=0.5), tmp_path / "run")
    batch = take(load(config(whole), "test"), slice(2))
    before = batch["color"].clone()
    batch["color"].mul_(0)
    assert torch.equal(take(load(config(whole), "test"), slice(2))["color"], before)
    assert check(whole)[-1] == "every file is as it was written"
    assert json.loads((run / "config.json").read_text())["n_train"] == 24  # as many as there are
    samples = Image.open(run / "samples" / "step_000002.png")
    assert samples.size == (3 * 32, 2 * 32)  # both pictures of val as line, colour and result
    assert np.array_equal(np.asarray(samples)[:, 32:64].reshape(2, 32, 32, 3), open_store(whole).color[24:26])

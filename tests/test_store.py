"""A prepared set: opened without reading it, whole or refused, and loaded as pairs for a config."""

import hashlib
import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lineart import data
from lineart.config import Config
from lineart.data.augment import take
from lineart.data.prepare import prepare
from lineart.data.sets import load
from lineart.data.store import ARRAYS, SPLITS, check, contact_sheet, open_store, read_table, write_table
from lineart.training import train

COUNTS = {"train": 24, "val": 2, "test": 4}


def blocks(seed: int) -> np.ndarray:
    """A picture of 32 px with 16 random colours."""
    colors = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    return np.kron(colors, np.ones((8, 8, 1), np.uint8))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    """Thirty pictures, their splits named by folders."""
    root, i = tmp_path_factory.mktemp("store") / "pictures", 0
    for split, n in COUNTS.items():
        (root / split).mkdir(parents=True)
        for _ in range(n):
            Image.fromarray(blocks(i)).save(root / split / f"{i:02d}.png")
            i += 1
    return root


@pytest.fixture(scope="module")
def whole(pictures) -> Path:
    out = pictures.parent / "prepared"
    prepare("folder", pictures, out=out, size=32, processes=1)
    return out


@pytest.fixture
def copy(whole, tmp_path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "copy"))


def config(source=None, **changes) -> Config:
    settings = dict(data="folder", source=source and str(source), size=32, n_train=100, n_test=100, batch_size=4,
                    lambda_fm=0.0, steps=2, sample_every=2)
    return Config.from_profile("smoke", **settings | changes)


# The store

def test_a_split_is_one_slice_and_the_slices_cover_the_set(whole):
    store = open_store(whole)
    assert [store.rows(split) for split in SPLITS] == [slice(0, 24), slice(24, 26), slice(26, 30)]
    index = store.index()
    for split in SPLITS:
        assert {row["split"] for row in index[store.rows(split)]} == {split}
        assert all(row["file"].startswith(f"{split}/") for row in index[store.rows(split)])


def test_the_index_leads_back_to_each_picture(pictures, whole):
    store = open_store(whole)
    for i, row in enumerate(store.index()):
        assert hashlib.sha256((pictures / row["file"]).read_bytes()).hexdigest() == row["sha256"]
        assert np.array_equal(Image.open(pictures / row["file"]), store.color[i])


def test_arrays_are_mapped_and_can_not_be_written(whole):
    store = open_store(whole)
    for name in ARRAYS:
        array = getattr(store, name)
        assert isinstance(array, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_check_says_what_is_there(whole):
    text = check(whole)
    assert text[0] == "folder from pictures: 30 pictures at 32 px, 24 train, 2 val, 4 test"
    assert "original sizes: 30 of 32x32" in text and "0 rejected" in text
    assert text[-1] == "every file is as it was written"


def test_check_counts_equal_pictures_and_those_in_two_splits(tmp_path):
    for name, seed in (("train/a", 0), ("train/b", 1), ("train/c", 1), ("test/d", 0), ("test/e", 2), ("val/f", 3)):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(blocks(seed)).save(tmp_path / "in" / f"{name}.png")
    prepare("folder", tmp_path / "in", out=tmp_path / "out", size=32, processes=1)
    assert "2 the same as another picture, 1 of them in two splits" in check(tmp_path / "out")


@pytest.mark.parametrize("name", ["line.npy", "color.npy", "palette.npy", "index.csv", "rejected.csv"])
def test_check_finds_a_changed_byte_in_every_file(name, copy):
    content = bytearray((copy / name).read_bytes())
    content[-1] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{name} has changed since it was written; remove the set and prepare it"):
        check(copy)


def test_check_finds_a_record_that_counts_what_is_not_there(copy):
    record = json.loads((copy / "set.json").read_text())
    record["counts"] = {"train": 20, "val": 2, "test": 8}  # as many in all
    (copy / "set.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match="set.json must count what index.csv lists"):
        check(copy)


@pytest.mark.parametrize("name", ["line.npy", "color.npy", "palette.npy", "index.csv", "rejected.csv"])
def test_check_finds_a_missing_file(name, copy):
    (copy / name).unlink()
    with pytest.raises((ValueError, OSError), match=name) as caught:
        check(copy)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("harm", [lambda data: b"", lambda data: b"text", lambda data: data[:-1],
                                  lambda data: data[:50]], ids=["empty", "text", "cut", "head"])
def test_a_damaged_array_is_one_sentence(name, harm, copy):
    (copy / f"{name}.npy").write_bytes(harm((copy / f"{name}.npy").read_bytes()))
    with pytest.raises(ValueError, match="is damaged .*; remove it and prepare it again") as caught:
        open_store(copy)
    assert "\n" not in str(caught.value)


def test_an_array_of_another_shape_is_refused(copy):
    np.save(copy / "line.npy", np.zeros((30, 32, 31), np.uint8))
    with pytest.raises(ValueError, match=r"line.npy must be \(30, 32, 32\) as set.json says, got \(30, 32, 31\)"):
        open_store(copy)


@pytest.mark.parametrize("text", ["", "{", "[]", "5", "{}", '{"counts": 3}', b"\xff"])
def test_a_damaged_record_is_one_sentence(text, copy):
    (copy / "set.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match="is damaged .*; remove it and prepare it again"):
        open_store(copy)


def test_a_record_that_lacks_anything_is_refused(copy):
    record = json.loads((copy / "set.json").read_text())
    for key in record:
        (copy / "set.json").write_text(json.dumps({k: v for k, v in record.items() if k != key}))
        with pytest.raises(ValueError, match=f"set.json lacks {key}"):
            open_store(copy)


def test_a_folder_that_is_no_set_is_one_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match="a prepared set must hold set.json, .* does not; lineart data prepare"):
        open_store(tmp_path)


def test_a_table_keeps_every_name(tmp_path):
    names = ["a,b", 'quo"te', "new\nline", "carriage\rreturn", "both\r\n", "😀", os.fsdecode(b"\xff\xfe"), "", " ", "a\tb"]
    write_table(tmp_path / "t.csv", ("file", "number"), [(name, i) for i, name in enumerate(names)])
    assert read_table(tmp_path / "t.csv") == [{"file": name, "number": str(i)} for i, name in enumerate(names)]


def test_the_contact_sheet_shows_line_colour_and_palette_of_pictures_from_all_over_the_set(whole):
    store = open_store(whole)
    sheet = contact_sheet(store, columns=2, rows=2, side=64)
    assert sheet.mode == "RGB" and sheet.size == (2 * 64, 2 * (64 + 64 + 10))  # a palette is a sixth as high
    pixels = np.asarray(sheet).reshape(2, 138, 2, 64, 3).swapaxes(1, 2).reshape(4, 138, 64, 3)
    for cell, row in zip(pixels, (0, 10, 19, 29)):  # 29/3 and 58/3, rounded
        line = Image.fromarray(store.line[row]).resize((64, 64), Image.Resampling.LANCZOS)
        color = Image.fromarray(store.color[row]).resize((64, 64), Image.Resampling.LANCZOS)
        assert np.array_equal(cell[:64], np.repeat(np.asarray(line)[..., None], 3, 2))
        assert np.array_equal(cell[64:128], color)
        swatches = store.palette[row].round().astype(np.uint8)
        assert np.array_equal(cell[133, [3, 32, 61]], swatches[[0, 4, 8]])  # the first, middle and last of nine


def test_the_contact_sheet_of_few_pictures_has_no_empty_rows(whole):
    assert contact_sheet(open_store(whole)).size == (12 * 112, 3 * (2 * 112 + 18))  # thirty in rows of twelve
    sheet = np.asarray(contact_sheet(open_store(whole)))
    assert (sheet[-242:, 6 * 112 :] == 255).all() and not (sheet[-242:, : 6 * 112] == 255).all()


# Loaded as pairs

def test_a_whole_split_stays_on_disk(whole):
    store = open_store(whole)
    for split, n in COUNTS.items():
        pairs = load(config(whole), split)
        assert len(pairs) == n and pairs.mask is None and pairs.slots is None
        assert all(isinstance(getattr(pairs, name), np.memmap) for name in ARRAYS)
        assert np.array_equal(pairs.color, store.color[store.rows(split)])
        assert pairs.name == tuple(row["file"] for row in store.index()[store.rows(split)])


@pytest.mark.parametrize(("n", "places"), [(1, [0]), (2, [0, 12]), (5, [0, 4, 9, 14, 19]), (24, range(24)),
                                           (99, range(24))])
def test_fewer_pairs_are_taken_evenly_from_all_of_them(n, places, whole):
    pairs, store = load(config(whole), "train", n), open_store(whole)
    places = list(places)
    assert pairs.name == tuple(store.index()[i]["file"] for i in places)
    for name in ARRAYS:
        assert np.array_equal(getattr(pairs, name), getattr(store, name)[places])
    assert load(config(whole, n_train=n), "train").digest() == pairs.digest()


def test_fewer_pairs_of_a_later_split_are_of_that_split(whole):
    assert load(config(whole), "test", 2).name == ("test/26.png", "test/28.png")


def test_a_raw_folder_is_prepared_once_and_kept(pictures, whole, tmp_path, monkeypatch):
    monkeypatch.setattr(data, "CACHE", tmp_path)
    pairs = load(config(pictures), "test")
    assert pairs.digest() == load(config(whole), "test").digest()
    [folder] = tmp_path.iterdir()
    assert folder.name.startswith("folder-32px-9-")
    monkeypatch.setattr(sys.modules["lineart.data.prepare"], "_make_part", lambda *_: pytest.fail("made again"))
    assert load(config(pictures), "test").digest() == pairs.digest()


def test_two_raw_folders_of_one_name_are_kept_apart(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "CACHE", tmp_path / "cache")
    digests = []
    for parent in ("one", "two"):
        root = tmp_path / parent / "pictures"
        root.mkdir(parents=True)
        for i in range(3):
            Image.fromarray(blocks(len(parent) * i + ord(parent[0]))).save(root / f"{i}.png")
        digests.append(load(config(root), "test").digest())
    assert digests[0] != digests[1] and len(list((tmp_path / "cache").iterdir())) == 2


def test_without_a_source_the_set_is_where_prepare_puts_it(pictures, whole, tmp_path, monkeypatch):
    module = sys.modules["lineart.data.prepare"]
    monkeypatch.setattr(module, "PREPARED", tmp_path)
    with pytest.raises(FileNotFoundError, match="folder at 32 px must be prepared first: "
                                                "lineart data prepare folder --size 32 --source PATH"):
        load(config(), "test")
    prepare("folder", pictures, size=32, processes=1)
    assert load(config(), "test").digest() == load(config(whole), "test").digest()


@pytest.mark.parametrize(("changes", "sentence"), [(dict(size=64), "size must be the prepared set's 32, got 64"),
                                                   (dict(k=5), "k must be the prepared set's 9, got 5")])
def test_another_size_or_palette_is_one_sentence(changes, sentence, whole):
    with pytest.raises(ValueError, match=sentence):
        load(config(whole, **changes), "train")


def test_a_split_without_pictures_is_one_sentence(tmp_path):
    (tmp_path / "in" / "test").mkdir(parents=True)
    for i in range(3):
        Image.fromarray(blocks(i)).save(tmp_path / "in" / "test" / f"{i}.png")
    prepare("folder", tmp_path / "in", out=tmp_path / "out", size=32, processes=1)
    assert len(load(config(tmp_path / "out"), "test")) == 3
    with pytest.raises(ValueError, match="holds no pictures for 'train': {'train': 0, 'val': 0, 'test': 3}"):
        load(config(tmp_path / "out"), "train")
    with pytest.raises(ValueError, match="split must be one of train, val, test, got 'all'"):
        load(config(tmp_path / "out"), "all")


def test_a_source_that_is_not_there_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "CACHE", tmp_path)
    with pytest.raises(FileNotFoundError, match="source must be a folder or a zip, there is nothing at"):
        load(config(tmp_path / "gone"), "train")


def test_a_batch_of_a_mapped_set_is_a_copy(whole):
    batch = take(load(config(whole), "test"), slice(2))
    before = batch["color"].clone()
    batch["color"].mul_(0)
    assert not torch.equal(batch["color"], before)
    assert torch.equal(take(load(config(whole), "test"), slice(2))["color"], before)


@pytest.mark.filterwarnings("error:The given NumPy array is not writable")
def test_a_training_reads_from_the_mapped_files_and_leaves_them_as_they_are(whole, tmp_path):
    run = train(config(whole, line_variants=True, reference_jitter=0.5), tmp_path / "run")
    assert check(whole)[-1] == "every file is as it was written"
    rows = (run / "metrics.csv").read_text().splitlines()
    assert len(rows) == 3 and rows[-1].startswith("2,")
    assert json.loads((run / "config.json").read_text())["n_train"] == 24  # as many as there are
    samples = Image.open(run / "samples" / "step_000002.png")
    assert samples.size == (3 * 32, 2 * 32)  # both pictures of val as line, colour and result
    assert np.array_equal(np.asarray(samples)[:, 32:64].reshape(2, 32, 32, 3), open_store(whole).color[24:26])

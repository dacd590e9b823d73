"""The embedded data: exact regions, inked outlines, the same bytes from the same seed."""

import hashlib
import shutil

import numpy as np
import pytest
from scipy.ndimage import binary_erosion

from lineart.config import Config, InputError
from lineart.data import sets, toon
from lineart.data.palette import extract_palette
from lineart.data.sets import load


@pytest.fixture(scope="module")
def drawings():
    return [toon.draw(toon.seed_of("val", i), 128) for i in range(40)]


def test_all_styles_occur_and_each_drawing_is_outlined(drawings):
    assert {drawing.style for drawing in drawings} == set(toon.STYLES) and len(toon.STYLES) >= 4
    assert all(toon.outline_share(d.mask, d.line) >= toon.MIN_OUTLINE for d in drawings)


def test_outline_share_of_hand_made_pictures():
    mask = np.zeros((40, 40), np.uint8)
    mask[:, 20:] = 1  # background left, skin right
    paper = np.full((40, 40), 255, np.uint8)
    inked, half = paper.copy(), paper.copy()
    inked[:, 19:21] = 0
    half[:20, 19:21] = 0
    inked_mask, half_mask = mask.copy(), mask.copy()
    inked_mask[:, 19:21] = toon.INK
    half_mask[:20, 19:21] = toon.INK
    assert toon.outline_share(mask, paper) == 0
    assert toon.outline_share(inked_mask, inked) == 1
    assert toon.outline_share(half_mask, half) == pytest.approx(0.5, abs=0.06)  # ink reaches two pixels further


def flat_shares(drawings, of):
    """Share of the pixels well inside a region for which `of(drawing, slot)` holds, region by region."""
    for drawing in drawings:
        for slot in range(len(toon.SLOTS)):
            inside = binary_erosion(drawing.mask == slot, iterations=2)
            if inside.sum() >= 100:
                yield of(drawing, slot)[inside].mean()


def test_regions_have_the_colour_of_their_slot(drawings):
    def right(drawing, slot):
        return np.abs(drawing.color.astype(int) - drawing.slots[slot]).max(-1) <= 1

    shares = list(flat_shares(drawings, right))
    # All but hairlines thinner than a pixel, which a mask without antialiasing cannot hold.
    assert np.mean(shares) > 0.995 and np.min(shares) > 0.8 and len(shares) > 80


def test_line_drawing_is_ink_on_white_and_nothing_else(drawings):
    shares = list(flat_shares(drawings, lambda drawing, slot: drawing.line > 250))
    assert np.mean(shares) > 0.995 and np.min(shares) > 0.8
    assert all(0.01 < (drawing.line < 128).mean() < 0.6 for drawing in drawings)


def test_recolouring_changes_colours_and_nothing_else():
    slots = np.array([[255, 200, 200], [200, 255, 200], [200, 200, 255], [90, 90, 255], [255, 90, 90], [90, 255, 90]])
    plain, recolored = toon.draw("val-0-000003", 64), toon.draw("val-0-000003", 64, slots=slots)
    assert np.array_equal(plain.line, recolored.line) and np.array_equal(plain.mask, recolored.mask)
    assert np.array_equal(recolored.slots, slots) and not np.array_equal(plain.color, recolored.color)


def test_slot_colours_are_apart_and_not_ink():
    rng = np.random.default_rng(0)
    hues = []
    for _ in range(200):
        slots = toon.random_slots(rng).astype(float)
        distance = np.linalg.norm(slots[:, None] - slots[None], axis=-1) + 1e3 * np.eye(len(slots))
        assert distance.min() >= 59 and slots.max(axis=1).min() >= 0.35 * 255 - 1
        hues.append(int(np.argmax(slots[2])))  # hair
    assert min(np.bincount(hues, minlength=3)) > 40  # red, green and blue hair alike: a wide gamut


def test_splits_share_no_seed_and_an_unknown_split_is_refused():
    seeds = {toon.seed_of(split, i) for split in toon.SPLITS for i in range(50)}
    assert len(seeds) == 150
    with pytest.raises(InputError, match="split must be one of train, val, test, got 'dev'"):
        toon.seed_of("dev", 0)


def test_the_drawings_are_those_that_the_weights_were_trained_on():
    sha = hashlib.sha256()
    for i in range(3):
        drawing = toon.draw(toon.seed_of("train", i), 64)
        for array in (drawing.line, drawing.color, drawing.mask, drawing.slots):
            sha.update(array.tobytes())
    assert sha.hexdigest()[:16] == "9e6e9a9b747cf95f"


def test_a_set_is_the_same_drawn_or_read_and_in_any_number_of_processes(tmp_path, monkeypatch):
    config = Config.from_profile("smoke", n_test=40)
    monkeypatch.setattr(sets, "CACHE", tmp_path)
    drawn, read = load(config, "test"), load(config, "test")
    monkeypatch.setattr(sets, "CACHE", tmp_path / "again")
    monkeypatch.setattr("joblib.cpu_count", lambda: 1)
    alone = load(config, "test")
    assert drawn.digest() == read.digest() == alone.digest() and drawn.name == read.name == alone.name
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_set_is_drawn_where_nothing_can_be_kept(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setattr(sets, "CACHE", tmp_path / "file")
    assert len(load(Config.from_profile("smoke", n_test=4), "test")) == 4


@pytest.mark.parametrize(
    "harm",
    [
        lambda whole: b"",
        lambda whole: whole[:100],
        lambda whole: whole[:-100],
        lambda whole: b"no archive",
        lambda whole: whole.replace(b"NUMPY", b"NOMPY", 1),
        lambda whole: whole[: len(whole) // 2] + b"~~~~" + whole[len(whole) // 2 + 4 :],
    ],
    ids=["empty", "start", "end", "text", "header", "content"],
)
def test_a_damaged_set_is_drawn_again(harm, tmp_path, monkeypatch):
    monkeypatch.setattr(sets, "CACHE", tmp_path)
    config = Config.from_profile("smoke", size=32, n_train=3, train_reference="other")
    before = load(config)
    assert len(files := list(tmp_path.iterdir())) == 2  # the drawings, and the others in their colours
    for file in files:
        whole = file.read_bytes()
        file.write_bytes(harm(whole))
        again = load(config)
        assert again.digest() == before.digest() and again.name == before.name
        assert np.array_equal(again.other, before.other) and np.array_equal(again.slots, before.slots)
        assert file.read_bytes() == whole and len(list(tmp_path.iterdir())) == 2


def test_another_generator_is_another_set(tmp_path, monkeypatch):
    monkeypatch.setattr(sets, "CACHE", tmp_path / "cache")
    config = Config.from_profile("smoke", size=32, n_test=2)

    def files():
        load(config, "test")
        return {file.name for file in (tmp_path / "cache").iterdir()}

    assert len(files()) == len(files()) == 1
    monkeypatch.setattr(sets, "PACKAGE", shutil.copytree(sets.PACKAGE, tmp_path / "data"))
    assert len(files()) == 1  # the same, wherever it lies
    for n, name in enumerate(("palette.py", "toon.py"), start=2):
        with open(tmp_path / "data" / name, "a") as file:
            file.write("# another\n")
        assert len(files()) == n
    for n, package in enumerate(("dicebear-core", "dicebear-styles", "resvg-py"), start=4):
        real = sets.version
        monkeypatch.setattr(sets, "version", lambda name, of=package, real=real: "0" if name == of else real(name))
        assert len(files()) == n


def test_other_drawings_for_training_have_the_colours_and_not_the_shape(tmp_path, monkeypatch):
    monkeypatch.setattr(sets, "CACHE", tmp_path)
    config = Config.from_profile("smoke", train_reference="other")
    pairs = load(config, "train")
    again = load(config, "train")
    assert np.array_equal(pairs.other, again.other) and pairs.other.shape == pairs.color.shape
    for color, other, slots in zip(pairs.color, pairs.other, pairs.slots):
        assert not np.array_equal(color, other)
        corner = other[:4, :4].reshape(-1, 3)
        assert (np.abs(corner.astype(int) - slots[0]).max(1) == 0).any()  # the background's colour
    assert np.array_equal(pairs.other_palette[0], extract_palette(pairs.other[0]))
    assert load(config, "val").other is None

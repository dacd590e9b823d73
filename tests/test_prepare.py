"""Pictures to arrays: whatever lies in the folder, whatever interrupts the work, a whole set or one sentence."""

import hashlib
import io
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image

import lineart.data.prepare as module
from lineart.config import InputError
from lineart.data import toon
from lineart.data.lines import extract_lines
from lineart.data.palette import extract_palette
from lineart.data.prepare import FILES, prepare
from lineart.data.store import check

SMALL = dict(size=32, k=3, processes=1)  # of pictures of 32 px nothing is resized
RED, BLUE, WHITE = [255, 0, 0], [0, 0, 255], [255, 255, 255]


def blocks(seed, height: int = 32, width: int = 32) -> np.ndarray:
    """A picture of 16 random colours; equal seeds give equal pictures."""
    colors = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    return np.kron(colors, np.ones((height // 4, width // 4, 1), np.uint8))


def save(path: Path, array: np.ndarray, **settings) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **settings)


def fill(folder: Path, n: int) -> Path:
    for i in range(n):
        save(folder / f"{i:03d}.png", blocks(i))
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def of(store, column: str = "split") -> dict[str, str]:
    """What the index says in a column, by file."""
    return dict(zip(store.index()["file"], store.index()[column], strict=True))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    return fill(tmp_path_factory.mktemp("pictures") / "twenty", 20)


@pytest.fixture(scope="module")
def undisturbed(pictures, tmp_path_factory) -> dict[str, bytes]:
    """What a run that nothing disturbs writes."""
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    prepare("folder", pictures, out=out, **SMALL)
    return contents(out)


# What a set holds


def test_line_colour_and_palette_of_each_picture_and_an_index_that_leads_back(pictures, tmp_path):
    store = prepare("folder", pictures, out=tmp_path / "out", **SMALL)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {*FILES}
    index = store.index()
    assert sorted(index["file"]) == sorted(path.name for path in pictures.iterdir())
    for i, row in index.iterrows():
        data = (pictures / row["file"]).read_bytes()
        color = np.asarray(Image.open(io.BytesIO(data)))
        assert np.array_equal(store.color[i], color) and np.array_equal(store.line[i], extract_lines(color))
        assert np.array_equal(store.palette[i], extract_palette(color, 3))
        assert row["row"] == str(i) and row["sha256"] == hashlib.sha256(data).hexdigest()
        assert (row["width"], row["height"], row["note"]) == ("32", "32", "")
        assert [bytes.fromhex(color[1:]) for color in row["palette"].split()] == [
            bytes(color) for color in store.palette[i].round().astype(np.uint8)
        ]
    assert [*index["split"]] == ["train"] * 17 + ["val"] + ["test"] * 2  # a 20th and a 10th of 20
    for _, rows in index.groupby("split"):
        assert rows["file"].is_monotonic_increasing


def test_a_strip_becomes_squares_that_stay_in_one_split(tmp_path):
    fill(tmp_path / "in" / "train", 6)
    save(tmp_path / "in" / "train" / "z.png", blocks(9, 160, 32))
    save(tmp_path / "in" / "test" / "a.png", blocks(7))
    store = prepare("folder", tmp_path / "in", out=tmp_path / "out", **SMALL)
    assert store.record["counts"] == {"train": 6, "val": 6, "test": 1}  # the last file by name, whole
    assert store.names("val") == [f"train/z.png#{i}" for i in range(1, 7)]
    assert store.names("test") == ["test/a.png"]
    strip = blocks(9, 160, 32)
    for start, color in zip((0, 25, 51, 76, 102, 128), store.color[store.rows("val")], strict=True):
        assert np.array_equal(color, strip[start : start + 32])


# One of each kind that a folder may hold


def halves(top, bottom) -> np.ndarray:
    array = np.full((32, 32, len(top)), top, np.uint8)
    array[16:] = bottom
    return array


@pytest.fixture(scope="module")
def zoo(tmp_path_factory) -> tuple[Path, dict, dict]:
    """A folder, the pixels that must come of its good pictures, and the reasons for its bad files."""
    root = tmp_path_factory.mktemp("zoo") / "in"
    fill(root, 20)
    good = {f"{i:03d}.png": blocks(i) for i in range(20)}
    both = halves(RED, BLUE)

    def add(name, image, expected, **settings):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(root / name, **settings)
        good[name] = expected

    ramp = np.tile(np.arange(32, dtype=np.uint16) * 257 * 8, (32, 1))
    add("grey16.png", ramp, np.repeat((ramp // 257).astype(np.uint8)[..., None], 3, 2))
    add("rgba.png", halves([*RED, 255], [*BLUE, 0]), halves(RED, WHITE))
    add("flat.avif", halves(RED, RED), halves(RED, RED), quality=100)
    add("twin a.png", both, both)
    add("nested/deep/twin b.png", both, both)
    for i, name in enumerate(
        (" \"quotes\" and '\n'😀.png", "carriage\rreturn.png", os.fsdecode(b"bytes \xff\xfe.png"))
    ):
        add(name, blocks(100 + i), blocks(100 + i))
    whole = (root / "000.png").read_bytes()
    for name, data in (
        ("cut.png", whole[: len(whole) // 2]),
        ("empty.png", b""),
        ("text\r.png", b"no picture"),
        ("locked.png", whole),
        ("notes.txt", b"passed over"),
    ):
        (root / name).write_bytes(data)
    Image.new("RGB", (1, 4000)).save(root / "stick.png")
    Image.new("1", (20_000, 20_000)).save(root / "bomb.png")
    bad = {
        "cut.png": "unreadable: ",
        "empty.png": "not a picture",
        "text\r.png": "not a picture",
        "stick.png": "smaller than 32 pixels: 1x4000",
        "bomb.png": "unreadable: Image size (400000000 pixels) exceeds",
        "locked.png": "unreadable: Permission denied",
    }
    return root, good, bad


def test_of_every_kind_of_file_the_right_pixels_or_the_reason(zoo, tmp_path, monkeypatch):
    root, good, bad = zoo
    read = Path.read_bytes

    def refuse(path):  # for root, whom no mode stops, too
        if path.name == "locked.png":
            raise PermissionError(13, "Permission denied")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    store = prepare("folder", root, out=tmp_path / "out", max_rejected=0.5, **SMALL)
    assert sorted(store.index()["file"]) == sorted(good)
    for file, color in zip(store.index()["file"], store.color, strict=True):
        near = 3 if file.endswith(".avif") else 0
        assert abs(color.astype(int) - good[file]).max() <= near, file
    reasons = dict(store.rejected().itertuples(index=False))
    assert reasons.keys() == bad.keys()
    assert [name for name in bad if not reasons[name].startswith(bad[name])] == []
    assert of(store)["twin a.png"] == of(store)["nested/deep/twin b.png"]  # equal pictures share a split
    text = store.describe()
    assert f"{len(good)} pictures" in text[0] and f"{len(bad)} rejected" in text[-1] and check(tmp_path / "out")
    assert "1 noted: no colours, only grey" in text


def test_a_share_of_rejected_pictures_counts_to_the_last_one_and_the_set_is_there(tmp_path):
    fill(tmp_path / "in", 71)
    for i in range(29):
        (tmp_path / "in" / f"bad{i}.png").write_text("x")
    with pytest.raises(InputError, match="29 of 100"):
        prepare("folder", tmp_path / "in", out=tmp_path / "out", max_rejected=0.28, **SMALL)
    assert prepare("folder", tmp_path / "in", out=tmp_path / "out", max_rejected=0.29, **SMALL).record["rejected"] == 29


def test_a_folder_that_looks_like_drawings_is_refused_unless_one_insists(tmp_path):
    fill(tmp_path / "in", 9)
    for name in ("grey.png", "sketch.png"):
        save(tmp_path / "in" / name, blocks(name == "grey.png")[..., 0])
    with pytest.raises(InputError, match="2 of 11 .* `color` and `sketch`.*--allow-grey"):
        prepare("folder", tmp_path / "in", out=tmp_path / "out", **SMALL)
    assert contents(tmp_path / "out") == {}
    assert len(prepare("folder", tmp_path / "in", out=tmp_path / "out", allow_grey=True, **SMALL).line) == 11
    (tmp_path / "in" / "grey.png").unlink()
    assert len(prepare("folder", tmp_path / "in", out=tmp_path / "one", **SMALL).line) == 10  # just a tenth


# Pairs


@pytest.fixture(scope="module")
def drawings() -> list[tuple[np.ndarray, np.ndarray]]:
    """Nine pairs of colour and sketch at 512 px."""
    small = [toon.draw(f"kaggle {i}", 64) for i in range(9)]
    return [(np.kron(d.color, np.ones((8, 8, 1), np.uint8)), np.kron(d.line, np.ones((8, 8), np.uint8))) for d in small]


def together(color: np.ndarray, sketch: np.ndarray, swapped: bool = False, axis: int = 1) -> np.ndarray:
    both = [color, np.repeat(sketch[..., None], 3, 2)]
    return np.concatenate(both[::-1] if swapped else both, axis=axis)


def assert_pairs(store, drawings):
    """Every row is the pair whose number begins its file's name."""
    for file, line, color in zip(store.index()["file"], store.line, store.color, strict=True):
        pair = drawings[int(Path(file).name[0])]
        expected = [np.asarray(Image.fromarray(a).resize((64, 64), Image.Resampling.LANCZOS)) for a in pair]
        assert np.array_equal(color, expected[0]) and np.array_equal(line, expected[1])


def zipped(folder: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for inner in sorted(folder.rglob("*"), reverse=True):
            file.write(inner, inner.relative_to(folder))
    return path


@pytest.fixture(scope="module")
def kaggle(drawings, tmp_path_factory) -> Path:
    """data/train/*.png and data/val/*.png of 1024x512, colour left; one pair of train is the other way round."""
    root = tmp_path_factory.mktemp("kaggle") / "set"
    for i, pair in enumerate(drawings):
        folder = root / "data" / ("train" if i < 6 else "val")
        save(folder / f"{i}.png", together(*pair, swapped=i == 2), compress_level=1)
    return root


@pytest.mark.parametrize("form", ["folder", "zip in a zip"])
def test_kaggles_layout_gives_the_papers_splits_and_never_mixes_up_the_halves(form, kaggle, drawings, tmp_path):
    source, inner = kaggle, "data/"
    if form == "zip in a zip":
        (tmp_path / "zips").mkdir()
        zipped(kaggle, tmp_path / "zips" / "kaggle.zip")
        source, inner = zipped(tmp_path / "zips", tmp_path / "outer.zip"), "kaggle.zip/data/"
    before = {*tmp_path.rglob("*")}
    store = prepare("kaggle", source, out=tmp_path / "made" / "out", **SMALL | {"size": 64})
    assert of(store) == {
        **{f"{inner}train/{i}.png": "train" for i in range(5)},
        f"{inner}train/5.png": "val",
        **{f"{inner}val/{i}.png": "test" for i in (6, 7, 8)},
    }
    assert_pairs(store, drawings)
    assert store.record["notes"] == {"sketch left of the colours": 1} and {*of(store, "width").values()} == {"1024"}
    assert {path for path in tmp_path.rglob("*") if tmp_path / "made" not in (path, *path.parents)} == before


def test_pairs_stand_side_by_side_or_on_top_of_each_other_in_either_order(drawings, tmp_path):
    for i, pair in enumerate(drawings[:8]):
        save(tmp_path / "in" / f"{i}.png", together(*pair, swapped=i % 2 == 1, axis=i // 4), compress_level=1)
    save(tmp_path / "in" / "square.png", blocks(0))
    store = prepare("pairs", tmp_path / "in", out=tmp_path / "out", max_rejected=0.2, **SMALL | {"size": 64})
    assert_pairs(store, drawings)
    assert store.record["notes"] == {"sketch above the colours": 2, "sketch left of the colours": 2}
    assert [*store.rejected()["file"]] == ["square.png"]


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_colour_and_sketch_in_two_folders_are_pairs(form, drawings, tmp_path):
    for i, (color, sketch) in enumerate(drawings):
        split = "train" if i < 6 else "val"
        save(tmp_path / "in" / split / "color" / f"{i}.png", color, compress_level=1)
        save(tmp_path / "in" / split / "sketch" / f"{i}.webp", sketch, lossless=True)
    save(tmp_path / "in" / "train" / "color" / "alone.png", blocks(0))
    for name, width in (("bent", 64), ("cut", 32)):
        save(tmp_path / "in" / "train" / "color" / f"{name}.png", blocks(1))
        save(tmp_path / "in" / "train" / "sketch" / f"{name}.png", blocks(2, 32, width))
    (tmp_path / "in" / "train" / "sketch" / "cut.png").write_text("no picture")
    source = zipped(tmp_path / "in", tmp_path / "in.zip") if form == "zip" else tmp_path / "in"
    store = prepare("pairs", source, out=tmp_path / "out", max_rejected=0.5, **SMALL | {"size": 64})
    assert_pairs(store, drawings)
    assert len(store.line) == 9 and of(store, "sketch")["train/color/0.png"] == "train/sketch/0.webp"
    assert store.record["counts"] == {"train": 5, "val": 1, "test": 3}
    assert any("val is the test set" in line for line in store.describe())
    reasons = dict(store.rejected().itertuples(index=False))
    assert reasons["train/color/alone.png"] == "no file of that name in the other folder"
    assert "another shape: 64x32" in reasons["train/color/bent.png"]
    assert "train/sketch/cut.png" in reasons["train/color/cut.png"] and len(reasons) == 3


def test_a_sketch_of_another_size_is_brought_to_that_of_its_colours(drawings, tmp_path):
    for i, (color, sketch) in enumerate(drawings[:3]):
        save(tmp_path / "in" / "color" / f"{i}.png", color, compress_level=1)
        save(tmp_path / "in" / "sketch" / f"{i}.png", np.asarray(Image.fromarray(sketch).reduce(2)))
    store = prepare("pairs", tmp_path / "in", out=tmp_path / "out", **SMALL | {"size": 64})
    for file, line in zip(store.index()["file"], store.line, strict=True):
        expected = Image.fromarray(drawings[int(Path(file).name[0])][1]).resize((64, 64), Image.Resampling.LANCZOS)
        assert np.abs(line.astype(int) - expected).mean() < 4


# Whole or not there


def test_two_processes_write_the_bytes_of_one(pictures, undisturbed, tmp_path):
    prepare("folder", pictures, out=tmp_path / "out", **SMALL | {"processes": 2})
    assert contents(tmp_path / "out") == undisturbed


@pytest.mark.parametrize(
    ("harm", "when"),
    [
        (KeyboardInterrupt(), "progress"),
        (BrokenProcessPool("killed"), "progress"),
        (OSError(28, "No space left on device"), "sha256"),
    ],
)
def test_interrupted_nothing_is_left_and_the_same_command_starts_again(
    harm, when, pictures, undisturbed, tmp_path, monkeypatch
):
    with monkeypatch.context() as patch, pytest.raises((InputError, KeyboardInterrupt)) as caught:
        patch.setattr(module, when, Mock(side_effect=harm))
        prepare("folder", pictures, out=tmp_path / "out", **SMALL)
    assert not (tmp_path / "out").exists() and "\n" not in str(caught.value)
    prepare("folder", pictures, out=tmp_path / "out", **SMALL)
    assert contents(tmp_path / "out") == undisturbed


KILLED = """
import os, signal, sys
import lineart.data.prepare as module
os.rename = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # just before the set gets its name
module.prepare("folder", sys.argv[1], size=32, k=3, out=sys.argv[2], processes=1)
"""


def test_a_killed_run_leaves_no_set_and_the_next_one_is_whole(pictures, undisturbed, tmp_path):
    killed = subprocess.run([sys.executable, "-c", KILLED, str(pictures), str(tmp_path / "out")])
    assert killed.returncode == -signal.SIGKILL and not (tmp_path / "out").exists()
    prepare("folder", pictures, out=tmp_path / "out", **SMALL)
    assert contents(tmp_path / "out") == undisturbed
    assert {path.name for path in tmp_path.iterdir()} == {"out", ".out.lock"}


def test_of_two_runs_at_once_one_does_the_work(pictures, undisturbed, tmp_path, monkeypatch):
    made, write = [], module._write
    monkeypatch.setattr(module, "_write", lambda *args: made.append("once") or write(*args))
    with ThreadPoolExecutor(2) as pool:
        [*pool.map(lambda _: prepare("folder", pictures, out=tmp_path / "out", **SMALL), range(2))]
    assert contents(tmp_path / "out") == undisturbed and made == ["once"]


@pytest.mark.parametrize("lock", ["waiting", "held"])
def test_who_is_interrupted_while_waiting_leaves_the_other_s_work(lock, pictures, tmp_path, monkeypatch):
    begun = tmp_path / ".out.unfinished"
    begun.mkdir()
    (begun / "line.npy").write_text("of the other process")
    interrupted = Mock(side_effect=KeyboardInterrupt)
    monkeypatch.setattr(module, *(("FileLock", interrupted) if lock == "waiting" else ("_write", interrupted)))
    with pytest.raises(KeyboardInterrupt):
        prepare("folder", pictures, out=tmp_path / "out", **SMALL)
    assert begun.exists() == (lock == "waiting")


# What is there already


def test_a_folder_with_something_else_is_refused_and_untouched(pictures, tmp_path):
    (tmp_path / "diary.txt").write_text("dear diary")
    for out in (tmp_path, tmp_path / "diary.txt"):
        with pytest.raises(InputError, match=f"must be empty, {out} holds"):
            prepare("folder", pictures, out=out, **SMALL)
    assert contents(tmp_path) == {"diary.txt": b"dear diary"}
    with pytest.raises(InputError, match="another folder than its source"):
        prepare("folder", pictures, out=pictures, **SMALL)


@pytest.mark.parametrize(
    ("changes", "held"), [(dict(size=48), "size 32"), (dict(k=4), "k 3"), (dict(name="faces"), "name folder")]
)
def test_a_set_with_other_settings_is_refused_and_untouched(changes, held, pictures, undisturbed, tmp_path):
    prepare("folder", pictures, out=tmp_path / "out", **SMALL)
    for source in (pictures, None):
        with pytest.raises(InputError, match=f"never overwritten: .* holds .*{held}"):
            prepare(source=source, out=tmp_path / "out", **{"name": "folder", **SMALL, **changes})
    assert contents(tmp_path / "out") == undisturbed


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "000.png").unlink(),
        lambda root: save(root / "new.png", blocks(99)),
        lambda root: save(root / "000.png", blocks(99, 64, 64)),
        lambda root: os.rename(root / "000.png", root / "zzz.png"),
    ],
    ids=["removed", "added", "replaced", "renamed"],
)
def test_a_set_of_other_pictures_is_refused_and_untouched(change, tmp_path):
    root = fill(tmp_path / "in", 6)
    prepare("folder", root, out=tmp_path / "out", **SMALL)
    before = contents(tmp_path / "out")
    change(root)
    with pytest.raises(InputError, match="never overwritten: .* holds other pictures"):
        prepare("folder", root, out=tmp_path / "out", **SMALL)
    assert contents(tmp_path / "out") == before


def test_a_finished_set_is_only_opened_with_its_source_a_copy_of_it_or_none(pictures, tmp_path, monkeypatch):
    prepare("folder", pictures, out=tmp_path / "out", **SMALL)
    stamps = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    monkeypatch.setattr(module, "_write", lambda *_: pytest.fail("made again"))
    for source in (pictures, shutil.copytree(pictures, tmp_path / "copy", copy_function=shutil.copyfile), None):
        assert len(prepare("folder", source, out=tmp_path / "out", **SMALL).line) == 20
    assert stamps == {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}


@pytest.mark.parametrize(
    "changes", [dict(size=0), dict(k=0), dict(processes=0), dict(max_rejected=1.5), dict(max_rejected=float("nan"))]
)
def test_settings_out_of_range_are_one_sentence_and_write_nothing(changes, pictures, tmp_path):
    [(name, value)] = changes.items()
    with pytest.raises(InputError, match=f"{name} must be .*, got {value}"):
        prepare("folder", pictures, out=tmp_path / "out", **SMALL | changes)
    assert not (tmp_path / "out").exists()


def test_a_folder_without_pictures_is_one_sentence_and_writes_nothing(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "notes.txt").write_text("x")
    with pytest.raises(InputError, match=r"\.png, .*holds none"):
        prepare("folder", tmp_path / "in", out=tmp_path / "out", **SMALL)
    assert not (tmp_path / "out").exists()


def test_three_different_pictures_make_a_set_and_three_equal_ones_do_not(tmp_path):
    for i in range(3):
        save(tmp_path / "equal" / f"{i}.png", blocks(0))
    (tmp_path / "equal" / "bad.png").write_text("x")
    with pytest.raises(InputError, match="at least 3 different pictures, got 1 .bad.png: not a picture"):
        prepare("folder", tmp_path / "equal", out=tmp_path / "out", **SMALL)
    store = prepare("folder", fill(tmp_path / "different", 3), out=tmp_path / "out", **SMALL)
    assert store.record["counts"] == {"train": 1, "val": 1, "test": 1}


def test_a_set_in_the_folder_of_its_pictures_is_no_part_of_the_source(pictures, undisturbed, tmp_path):
    root = shutil.copytree(pictures, os.path.join(tmp_path, os.fsdecode(b"in \xff")))  # and its name is no UTF-8
    out = Path(root, "sets", "one")
    store = prepare("folder", root, out=out, **SMALL)
    assert contents(out).keys() == undisturbed.keys() and contents(out)["index.csv"] == undisturbed["index.csv"]
    assert store.record["source"] == "in \\xff"
    save(out / "contact_sheet.png", blocks(99))
    assert len(prepare("folder", root, out=out, **SMALL).line) == 20


# Splits


def test_splits_go_by_content_and_a_new_picture_moves_few_others(tmp_path):
    root, splits = fill(tmp_path / "in", 60), {}
    for out in ("before", "after"):
        store = prepare("folder", root, out=tmp_path / out, **SMALL)
        splits[out] = dict(zip(store.index()["sha256"], store.index()["split"], strict=True))
        save(root / "0000.png", blocks(1000))
        os.replace(root / "059.png" if out == "before" else root / "renamed.png", root / "renamed.png")
    ranked = sorted(splits["after"])  # sha256 of 61 pictures
    assert [splits["after"][digest] for digest in ranked] == ["test"] * 6 + ["val"] * 3 + ["train"] * 52
    assert sum(splits["after"][digest] != split for digest, split in splits["before"].items()) <= 2


def test_val_is_held_out_of_training_where_there_is_none(tmp_path):
    for i in range(40):
        save(tmp_path / "in" / ("test" if i % 4 == 0 else "train") / f"{i:02d}.png", blocks(i))
    store = prepare("folder", tmp_path / "in", out=tmp_path / "out", **SMALL)
    assert store.record["counts"] == {"train": 29, "val": 1, "test": 10}
    assert all((split == "test") == name.startswith("test/") for name, split in of(store).items())
    assert of(store)["train/39.png"] == "val"  # the last by name
    save(tmp_path / "in" / "val" / "own.png", blocks(99))
    save(tmp_path / "in" / "loose.png", blocks(98))
    found = of(prepare("folder", tmp_path / "in", out=tmp_path / "2", **SMALL))
    assert [name for name, split in found.items() if split == "val"] == ["val/own.png"]
    assert found["train/39.png"] == found["loose.png"] == "train"
    for name in ("train", "val", "loose.png"):
        os.rename(tmp_path / "in" / name, tmp_path / f"gone {name}")
    alone = prepare("folder", tmp_path / "in", out=tmp_path / "3", **SMALL)
    assert alone.record["counts"] == {"train": 0, "val": 0, "test": 10}

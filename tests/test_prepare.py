"""Pictures to arrays: whatever lies in the folder, whatever interrupts the work, the same bytes or one sentence."""

import csv
import hashlib
import io
import os
import resource
import shutil
import struct
import subprocess
import sys
import zipfile
import zlib
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import lineart.data.sets  # noqa: F401  loads the module, whose name in the package is the function's
from lineart.cli import main
from lineart.data import sources, toon
from lineart.data.lines import extract_lines
from lineart.data.palette import extract_palette
from lineart.data.prepare import default_folder, prepare, summary
from lineart.data.store import ARRAYS, check, is_store, open_store

module = sys.modules["lineart.data.prepare"]
FILES = {"line.npy", "color.npy", "palette.npy", "index.csv", "rejected.csv", "set.json"}
SMALL = dict(size=32, k=3, processes=1)  # of pictures of 32 px nothing is resized


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
    """Every file below a folder but the empty lock."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*"))
            if path.is_file() and path.name != ".lock"}


def assert_same_arrays(one, other):
    assert all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ARRAYS)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    return fill(tmp_path_factory.mktemp("pictures") / "twenty", 20)


@pytest.fixture(scope="module")
def undisturbed(pictures, tmp_path_factory) -> dict[str, bytes]:
    """What a run that nothing disturbs writes, in parts of 4."""
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PICTURES", 4)
        prepare("folder", pictures, out=out, **SMALL)
    return contents(out)


@pytest.fixture
def parts_of_4(monkeypatch):
    monkeypatch.setattr(module, "PICTURES", 4)


@pytest.fixture
def made(monkeypatch) -> list[str]:
    """The names of all files that are worked on, as it happens."""
    names, make = [], module._make_part

    def record(part, *args):
        names.extend(entry.name for entry, _ in part.files)
        return make(part, *args)

    monkeypatch.setattr(module, "_make_part", record)
    return names


# What a set holds

def test_line_colour_and_palette_of_each_picture_and_an_index_that_leads_back(pictures, tmp_path):
    store = prepare("folder", pictures, out=tmp_path / "out", **SMALL)
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES | {".lock"}
    index = store.index()
    assert sorted(row["file"] for row in index) == sorted(path.name for path in pictures.iterdir())
    for i, row in enumerate(index):
        data = (pictures / row["file"]).read_bytes()
        color = np.asarray(Image.open(io.BytesIO(data)))
        assert np.array_equal(store.color[i], color) and np.array_equal(store.line[i], extract_lines(color))
        assert np.array_equal(store.palette[i], extract_palette(color, 3))
        assert row["row"] == str(i) and row["sha256"] == hashlib.sha256(data).hexdigest()
        assert (row["width"], row["height"], row["note"]) == ("32", "32", "")
        assert [bytes.fromhex(color[1:]) for color in row["palette"].split()] == [
            bytes(color) for color in store.palette[i].round().astype(np.uint8)]
    assert [row["split"] for row in index] == ["train"] * 17 + ["val"] + ["test"] * 2  # a 20th and a 10th of 20
    for split in ("train", "val", "test"):
        files = [row["file"] for row in index if row["split"] == split]
        assert files == sorted(files)


def test_pictures_are_reduced_to_their_middle_and_to_the_size(tmp_path):
    for i in range(3):
        save(tmp_path / "in" / f"{i}.png", blocks(i, 64, 160))
    store = prepare("folder", tmp_path / "in", out=tmp_path / "out", **SMALL)
    assert store.color.shape == (3, 32, 32, 3) and store.palette.shape == (3, 3, 3)
    for row, color in zip(store.index(), store.color):
        whole = blocks(int(row["file"][0]), 64, 160)
        expected = Image.fromarray(whole).resize((32, 32), Image.Resampling.LANCZOS, box=(48, 0, 112, 64))
        assert np.array_equal(color, expected) and (row["width"], row["height"]) == ("160", "64")


def test_summary_names_counts_notes_and_what_was_passed_over(tmp_path):
    fill(tmp_path / "in", 10)
    save(tmp_path / "in" / "grey.png", blocks(0)[..., 0])
    for name in ("a.txt", "b.html"):
        (tmp_path / "in" / name).write_text("x")
    (tmp_path / "in" / "bad.png").write_text("x")
    text = summary(prepare("folder", tmp_path / "in", out=tmp_path / "out", max_rejected=0.1, **SMALL))
    assert text == [f"{tmp_path / 'out'}: 11 pictures, 9 train, 1 val, 1 test", "1 noted: no colours, only grey",
                    "1 rejected, see rejected.csv; 2 files are no pictures and were passed over"]


# One of each kind that a folder may hold

RED, BLUE, WHITE = [255, 0, 0], [0, 0, 255], [255, 255, 255]


def halves(top, bottom) -> np.ndarray:
    array = np.full((32, 32, len(top)), top, np.uint8)
    array[16:] = bottom
    return array


@pytest.fixture(scope="module")
def zoo(tmp_path_factory) -> tuple[Path, dict, dict]:
    """A folder, the pixels that must come of its good pictures, and the reasons for its bad files."""
    root = tmp_path_factory.mktemp("zoo") / "in"
    fill(root, 6)
    good = {f"{i:03d}.png": blocks(i) for i in range(6)}
    both = halves(RED, BLUE)

    def add(name, image, expected, **settings):
        (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(root / name, **settings)
        good[name] = expected

    (root / "nested" / "deep").mkdir(parents=True)
    ink = Image.new("CMYK", (32, 32), (0, 255, 255, 0))
    ink.paste((255, 255, 0, 0), (0, 16, 32, 32))
    add("cmyk.jpg", ink, both, quality=100, subsampling=0)
    ramp = np.tile(np.arange(32, dtype=np.uint16) * 257 * 8, (32, 1))
    add("grey16.png", ramp, np.repeat((ramp // 257).astype(np.uint8)[..., None], 3, 2))
    add("rgba.png", halves([*RED, 255], [*BLUE, 0]), halves(RED, WHITE))
    add("grey.png", both[..., 0], np.repeat(both[..., :1], 3, 2))
    palette = Image.fromarray(both[..., 0] // 255).convert("P")
    palette.putpalette(BLUE + RED)
    add("palette.png", palette, halves(RED, WHITE), transparency=0)
    frames = [Image.fromarray(a) for a in (both, 255 - both, both // 2)]
    for name, settings in (("moving.gif", {}), ("moving.webp", {"lossless": True})):
        add(name, frames[0], both, save_all=True, append_images=frames[1:], **settings)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera lay on its left side
    add("turned.jpg", np.rot90(both), both, exif=exif, quality=100, subsampling=0)
    add("twin a.png", both, both)
    shutil.copy(root / "twin a.png", root / "nested" / "deep" / "twin b.png")
    good["nested/deep/twin b.png"] = both
    (root / "rgb16.png").write_bytes(_png_16_bit(both))
    good["rgb16.png"] = both
    for i, name in enumerate((" \"quotes\" and '\n'😀.png", "carriage\rreturn.png", os.fsdecode(b"bytes \xff\xfe.png"))):
        add(name, blocks(100 + i), blocks(100 + i))

    whole = (root / "000.png").read_bytes()
    (root / "cut.png").write_bytes(whole[: len(whole) // 2])
    (root / "empty.png").write_bytes(b"")
    (root / "text.png").write_text("no picture")
    (root / "text\r.png").write_text("no picture")
    Image.new("RGB", (1, 1)).save(root / "dot.png")
    Image.new("RGB", (1, 4000)).save(root / "stick.png")
    Image.new("1", (20_000, 20_000)).save(root / "bomb.png")
    os.symlink("nowhere.png", root / "dangling.png")
    os.symlink("loop.png", root / "loop.png")
    os.symlink("..", root / "nested" / "parent")
    os.mkfifo(root / "pipe.png")
    save(root / "locked.png", blocks(0))
    bad = {"cut.png": "damaged", "empty.png": "empty file", "text.png": "not a picture", "text\r.png": "not a picture",
           "dot.png": "smaller than 32 pixels: 1x1", "stick.png": "smaller than 32 pixels: 1x4000",
           "bomb.png": "more than 64 million pixels", "dangling.png": "unreadable: No such file",
           "loop.png": "unreadable: Too many levels", "nested/parent": "a link to a folder that is already listed",
           "pipe.png": "not a regular file", "locked.png": "unreadable: Permission denied"}
    return root, good, bad


def _png_16_bit(array: np.ndarray) -> bytes:
    """Pillow reads 16-bit colour but does not write it."""
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    height, width = array.shape[:2]
    rows = b"".join(b"\0" + (row * np.uint16(257)).astype(">u2").tobytes() for row in array)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


@pytest.fixture
def locked(monkeypatch):
    """One file that may not be read; for root, whom no mode stops, too."""
    read = Path.read_bytes

    def refuse(path):
        if path.name == "locked.png":
            raise PermissionError(13, "Permission denied")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)


def assert_zoo(store, good, bad):
    index = store.index()
    assert sorted(row["file"] for row in index) == sorted(good)
    for row, color in zip(index, store.color):
        near = 3 if row["file"].endswith(".jpg") else 0
        assert abs(color.astype(int) - good[row["file"]]).max() <= near, row["file"]
    rejected = {row["file"]: row["reason"] for row in store.rejected()}
    assert rejected.keys() == bad.keys()
    assert [name for name in bad if not rejected[name].startswith(bad[name])] == []
    splits = {row["file"]: row["split"] for row in index}
    assert splits["twin a.png"] == splits["nested/deep/twin b.png"]  # equal pictures share a split


def test_of_every_kind_of_file_the_right_pixels_or_the_reason(zoo, locked, tmp_path):
    root, good, bad = zoo
    store = prepare("folder", root, out=tmp_path / "out", max_rejected=0.5, **SMALL)
    assert_zoo(store, good, bad)
    assert store.record["rejected"] == len(bad) and len(store.line) == len(good)
    assert check(tmp_path / "out")[-1] == "every file is as it was written"


def test_the_command_ends_with_a_summary_and_status_1_only_for_too_many_rejected(zoo, locked, tmp_path, capsys):
    root, good, bad = zoo
    words = ["data", "prepare", "folder", "--source", str(root), "--out", str(tmp_path / "out"), "--size", "32",
             "-k", "3", "--processes", "1"]
    assert main(words) == 1
    error = capsys.readouterr().err
    assert f"at most 1.0% of the pictures may be rejected, {len(bad)} of {len(bad) + len(good)} were" in error
    assert error.count("\n") == 1
    assert_zoo(open_store(tmp_path / "out"), good, bad)  # there all the same
    assert main([*words, "--max-rejected", str(len(bad) / (len(bad) + len(good)))]) == 0
    output = capsys.readouterr().out
    assert f"{len(good)} pictures" in output and f"{len(bad)} rejected, see rejected.csv" in output
    assert main(["data", "check", str(tmp_path / "out")]) == 0
    assert f"{len(bad)} rejected; " in capsys.readouterr().out


def test_a_copy_with_other_times_is_the_same_source(tmp_path):
    root = fill(tmp_path / "in", 6)
    (root / "bad.png").write_text("no picture")
    first = prepare("folder", root, out=tmp_path / "out", max_rejected=0.5, **SMALL)
    before = contents(tmp_path / "out")
    for path in root.iterdir():
        os.utime(path, (1e9, 1e9))
    again = prepare("folder", root, out=tmp_path / "out", max_rejected=0.5, **SMALL)
    assert again.record == first.record and contents(tmp_path / "out") == before
    save(root / "bad.png", blocks(99))  # it would be taken now
    with pytest.raises(ValueError, match="holds pictures that have changed since"):
        prepare("folder", root, out=tmp_path / "out", max_rejected=0.5, **SMALL)


def test_a_share_of_rejected_pictures_counts_to_the_last_one(tmp_path):
    fill(tmp_path / "in", 71)
    for i in range(29):
        (tmp_path / "in" / f"bad{i}.png").write_text("x")
    assert prepare("folder", tmp_path / "in", out=tmp_path / "out", max_rejected=0.29, **SMALL).record["rejected"] == 29
    with pytest.raises(ValueError, match=r"at most 28.0% of the pictures may be rejected, 29 of 100 were"):
        prepare("folder", tmp_path / "in", out=tmp_path / "out", max_rejected=0.28, **SMALL)


def test_a_picture_that_changes_between_listing_and_reading_is_taken_as_it_is_read(tmp_path, monkeypatch):
    root = fill(tmp_path / "in", 8)

    def meddle(*_):
        save(root / "000.png", blocks(77))
        (root / "001.png").unlink()
        (root / "002.png").write_bytes((root / "002.png").read_bytes()[:70])

    monkeypatch.setattr(module, "_need_space", meddle)
    store = prepare("folder", root, out=tmp_path / "out", max_rejected=0.5, **SMALL)
    digests = {row["file"]: row["sha256"] for row in store.index()}
    assert digests["000.png"] == hashlib.sha256((root / "000.png").read_bytes()).hexdigest()
    assert {row["file"]: row["reason"].split(":")[0] for row in store.rejected()} == {
        "001.png": "unreadable", "002.png": "damaged"}
    with pytest.raises(ValueError, match="holds pictures that have changed since"):  # its index does not promise more
        prepare("folder", root, out=tmp_path / "out", max_rejected=0.5, **SMALL)


# The same input, the same bytes

def test_two_processes_write_the_bytes_of_one(pictures, undisturbed, parts_of_4, tmp_path):
    prepare("folder", pictures, out=tmp_path / "out", **SMALL | {"processes": 2})
    assert contents(tmp_path / "out") == undisturbed


def test_the_size_of_a_part_changes_no_array_and_no_table(pictures, undisturbed, tmp_path):
    prepare("folder", pictures, out=tmp_path / "out", **SMALL)  # all in one part
    found = contents(tmp_path / "out")
    assert {name for name in FILES if found[name] != undisturbed[name]} == {"set.json"}  # the plan of parts


# Each child is a run that is killed just before the nth call of a function that gives a file its name or removes parts
KILLED = """
import os, signal, sys
import lineart.data
module = sys.modules["lineart.data.prepare"]
module.PICTURES = 4
source, parent = sys.argv[1:3]
for point in sys.argv[3:]:
    owner, name, n = point.split(".")
    if os.fork() == 0:
        function, left = getattr(sys.modules[owner], name), [int(n)]
        def deadly(*args, **settings):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **settings)
        setattr(sys.modules[owner], name, deadly)
        module.prepare("folder", source, size=32, k=3, out=os.path.join(parent, point), processes=1)
        os._exit(1)
    assert os.wait()[1] == signal.SIGKILL
"""
POINTS = {"os.replace.1": 0, "os.replace.3": 2, "os.replace.6": 5, "os.replace.9": 5, "os.replace.11": 5,
          "shutil.rmtree.1": 5}  # and how many of five parts are finished then


@pytest.fixture(scope="module")
def killed(pictures, tmp_path_factory) -> Path:
    parent = tmp_path_factory.mktemp("killed")
    subprocess.run([sys.executable, "-c", KILLED, str(pictures), str(parent), *POINTS], check=True)
    return parent


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_run_goes_on_where_it_was_to_the_same_bytes(point, pictures, undisturbed, killed, parts_of_4, made):
    out = killed / point
    finished = list((out / "parts").glob("*.npz"))
    assert len(finished) == POINTS[point]
    assert is_store(out) == (point == "shutil.rmtree.1")  # whole only with its record
    leftovers = [path.name for path in out.rglob("*.tmp")]
    assert bool(leftovers) == point.startswith("os")
    prepare("folder", pictures, out=out, **SMALL)
    assert len(made) == 20 - 4 * POINTS[point]  # nothing twice
    assert contents(out) == undisturbed


def test_finished_parts_are_read_and_not_made_again(pictures, parts_of_4, made, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(module, "_write_store", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(OSError, match="20 of 20 pictures are finished and kept"):
            prepare("folder", pictures, out=tmp_path / "out", **SMALL)
    before = {path.name: path.stat().st_ino for path in (tmp_path / "out" / "parts").iterdir()}
    seen = {}
    write = module._write_store

    def look(out, *args):
        seen.update({path.name: path.stat().st_ino for path in (out / "parts").iterdir()})
        write(out, *args)

    monkeypatch.setattr(module, "_write_store", look)
    prepare("folder", pictures, out=tmp_path / "out", **SMALL)
    assert seen == before and len(before) == 5 and len(made) == 20


def test_ctrl_c_says_what_is_kept(pictures, undisturbed, parts_of_4, tmp_path, capsys, monkeypatch):
    make, left = module._make_part, [3]

    def interrupted(*args):
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        return make(*args)

    with monkeypatch.context() as patch:
        patch.setattr(module, "_make_part", interrupted)
        with pytest.raises(KeyboardInterrupt):
            prepare("folder", pictures, out=tmp_path / "out", **SMALL)
    assert "stopped: 8 of 20 pictures are finished and kept in" in capsys.readouterr().err
    prepare("folder", pictures, out=tmp_path / "out", **SMALL)
    assert contents(tmp_path / "out") == undisturbed


def test_a_killed_worker_is_one_sentence(pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "Parallel", lambda **_: lambda jobs: (_ for _ in ()).throw(BrokenProcessPool("killed")))
    with pytest.raises(OSError, match="a process was killed, perhaps for want of memory .*: 0 of 20 pictures are"):
        prepare("folder", pictures, out=tmp_path / "out", **SMALL)


@pytest.mark.parametrize("harm", [lambda data: b"", lambda data: b"nothing", lambda data: data[: len(data) // 2],
                                  lambda data: data[:600] + bytes(100) + data[700:]],
                         ids=["empty", "text", "half", "hole"])
def test_a_damaged_part_is_removed_and_made_again(harm, pictures, undisturbed, parts_of_4, made, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(module, "_assemble", lambda *_: None)
        with pytest.raises(FileNotFoundError):
            prepare("folder", pictures, out=tmp_path / "out", **SMALL)
    part = sorted((tmp_path / "out" / "parts").iterdir())[2]
    part.write_bytes(harm(part.read_bytes()))
    with pytest.raises(ValueError, match=f"{part.name} was damaged and is removed; the same command makes it again"):
        prepare("folder", pictures, out=tmp_path / "out", **SMALL)
    prepare("folder", pictures, out=tmp_path / "out", **SMALL)
    assert contents(tmp_path / "out") == undisturbed and len(made) == 24


def test_leftovers_of_a_killed_process_are_removed_first(pictures, undisturbed, parts_of_4, tmp_path, monkeypatch):
    (tmp_path / "out" / "parts").mkdir(parents=True)
    for name in ("parts/0123456789abcdef.99.tmp", "color.npy.tmp", "index.csv.tmp", "set.json.tmp"):
        (tmp_path / "out" / name).write_bytes(b"half")
    make, seen = module._make_part, []
    monkeypatch.setattr(module, "_make_part", lambda part, path, *args: (
        seen.extend(path.parent.glob("*.tmp")) or make(part, path, *args)))
    prepare("folder", pictures, out=tmp_path / "out", **SMALL)
    assert contents(tmp_path / "out") == undisturbed and seen == []


AT_ONCE = """
import os, sys, time
import lineart.data
module = sys.modules["lineart.data.prepare"]
module.PICTURES = 4
source, out, log = sys.argv[1:]
make = module._make_part
def slow(part, *args):
    with open(log, "a") as file:
        file.write(f"{part.digest}\\n")
    time.sleep(0.1)
    return make(part, *args)
module._make_part = slow
children = []
for _ in range(2):
    pid = os.fork()
    if pid == 0:
        store = module.prepare("folder", source, size=32, k=3, out=out, processes=1)
        os._exit(0 if len(store.line) == 20 else 1)
    children.append(pid)
assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0]
"""


def test_two_runs_at_once_share_the_work_of_one(pictures, undisturbed, tmp_path):
    words = [str(pictures), str(tmp_path / "out"), str(tmp_path / "log")]
    subprocess.run([sys.executable, "-c", AT_ONCE, *words], check=True)
    assert contents(tmp_path / "out") == undisturbed
    made = (tmp_path / "log").read_text().split()
    assert len(made) == len(set(made)) == 5


# Full disks and folders that hold something else

class limited:
    """No file may grow beyond this many bytes: to a program as a full disk."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __enter__(self) -> None:
        self.before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.size, self.before[1]))

    def __exit__(self, *_) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self.before)


@pytest.mark.parametrize(("size", "done"), [(4_000, 0), (30_000, 20)], ids=["parts", "arrays"])
def test_on_a_full_disk_no_finished_part_is_lost(size, done, pictures, undisturbed, parts_of_4, made, tmp_path):
    with limited(size):  # a part of 4 pictures has 18 KB, the colours of all have 61 KB
        with pytest.raises(OSError, match="could not be written") as caught:
            prepare("folder", pictures, out=tmp_path / "out", **SMALL)
    text = str(caught.value)
    assert f"{done} of 20 pictures are finished and kept in {tmp_path / 'out'}; the same command goes on" in text
    assert "\n" not in text and not list((tmp_path / "out").rglob("*.tmp"))
    made.clear()
    prepare("folder", pictures, out=tmp_path / "out", **SMALL)
    assert contents(tmp_path / "out") == undisturbed and len(made) == 20 - done


def test_a_part_that_does_not_fit_leaves_the_others(pictures, undisturbed, parts_of_4, tmp_path, monkeypatch):
    make, left = module._make_part, [3]

    def full(*args):
        left[0] -= 1
        with limited(10**9 if left[0] > 0 else 4_000):
            return make(*args)

    with monkeypatch.context() as patch:
        patch.setattr(module, "_make_part", full)
        with pytest.raises(OSError, match="File too large.*: 8 of 20 pictures are finished and kept"):
            prepare("folder", pictures, out=tmp_path / "out", **SMALL)
    prepare("folder", pictures, out=tmp_path / "out", **SMALL)
    assert contents(tmp_path / "out") == undisturbed


def test_too_little_space_is_said_before_the_work(pictures, made, tmp_path):
    with pytest.raises(OSError, match=r"20 pictures at 1000000 px need 160000.00 GB more in .*, free are"):
        prepare("folder", pictures, out=tmp_path / "out", size=10**6)
    assert made == []


def test_a_folder_with_something_else_is_refused_and_untouched(pictures, tmp_path):
    (tmp_path / "diary.txt").write_text("dear diary")
    with pytest.raises(ValueError, match=r"must be empty or hold a set that was begun, .* holds \['diary.txt'\]"):
        prepare("folder", pictures, out=tmp_path, **SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["diary.txt"]  # not even a lock
    assert main(["data", "prepare", "folder", "--source", str(pictures), "--out", str(tmp_path / "diary.txt")]) == 1
    assert (tmp_path / "diary.txt").read_text() == "dear diary"


def test_a_set_without_its_record_is_refused_and_untouched(pictures, tmp_path):
    prepare("folder", pictures, out=tmp_path / "out", **SMALL)
    (tmp_path / "out" / "set.json").unlink()
    before = contents(tmp_path / "out")
    with pytest.raises(ValueError, match="a set must have its set.json, .* holds only the rest"):
        prepare("folder", pictures, out=tmp_path / "out", **SMALL)
    assert contents(tmp_path / "out") == before


@pytest.mark.parametrize(("changes", "held"), [(dict(size=48), "size 32"), (dict(k=4), "k 3"),
                                               (dict(name="faces"), "name folder")])
def test_a_set_with_other_settings_is_refused_and_untouched(changes, held, pictures, tmp_path):
    prepare("folder", pictures, out=tmp_path / "out", **SMALL)
    before = contents(tmp_path / "out")
    settings = {"name": "folder", **SMALL, **changes}
    with pytest.raises(ValueError, match=f"a set is never overwritten: .* holds .*{held}") as caught:
        prepare(source=pictures, out=tmp_path / "out", **settings)
    assert "\n" not in str(caught.value) and contents(tmp_path / "out") == before


@pytest.mark.parametrize("change", [lambda root: (root / "000.png").unlink(),
                                    lambda root: save(root / "new.png", blocks(99)),
                                    lambda root: save(root / "000.png", blocks(99)),
                                    lambda root: os.rename(root / "000.png", root / "zzz.png")],
                         ids=["removed", "added", "replaced", "renamed"])
def test_a_set_of_pictures_that_have_changed_is_refused_and_untouched(change, tmp_path):
    root = fill(tmp_path / "in", 6)
    prepare("folder", root, out=tmp_path / "out", **SMALL)
    before = contents(tmp_path / "out")
    change(root)
    with pytest.raises(ValueError, match="a set is never overwritten: .* holds pictures that have changed since"):
        prepare("folder", root, out=tmp_path / "out", **SMALL)
    assert contents(tmp_path / "out") == before


def test_a_set_that_is_there_needs_no_source(pictures, made, tmp_path, monkeypatch):
    first = prepare("folder", pictures, out=tmp_path / "out", **SMALL)
    made.clear()
    monkeypatch.setattr(module.sources, "locate", lambda *_: pytest.fail("would go to Kaggle"))
    assert_same_arrays(first, prepare("folder", out=tmp_path / "out", **SMALL))
    assert made == []
    for name, changes, held in (("folder", dict(k=4), "k 3"), ("faces", {}, "name folder")):
        with pytest.raises(ValueError, match=f"a set is never overwritten: .* holds .*{held}"):
            prepare(name, out=tmp_path / "out", **SMALL | changes)


def test_a_finished_set_is_only_opened(pictures, made, tmp_path):
    first = prepare("folder", pictures, out=tmp_path / "out", **SMALL)
    stamps = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    made.clear()
    assert_same_arrays(first, prepare("folder", pictures, out=tmp_path / "out", **SMALL))
    assert made == [] and stamps == {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}


@pytest.mark.parametrize(("changes", "sentence"), [
    (dict(size=0), "size must be at least 1, got 0"), (dict(k=0), "k must be at least 1, got 0"),
    (dict(processes=0), "processes must be at least 1, got 0"),
    (dict(max_rejected=1.5), "max_rejected must be a share between 0 and 1, got 1.5"),
    (dict(max_rejected=float("nan")), "max_rejected must be a share between 0 and 1, got nan"),
])
def test_settings_out_of_range_are_one_sentence_and_write_nothing(changes, sentence, pictures, tmp_path):
    with pytest.raises(ValueError, match=sentence):
        prepare("folder", pictures, out=tmp_path / "out", **SMALL | changes)
    assert not (tmp_path / "out").exists()


def test_a_folder_without_pictures_is_one_sentence_and_writes_nothing(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "notes.txt").write_text("x")
    with pytest.raises(ValueError, match=r"the source must hold pictures \(\.png, .*holds none"):
        prepare("folder", tmp_path / "in", out=tmp_path / "out", **SMALL)
    assert not (tmp_path / "out").exists()


def test_a_source_whose_name_is_no_utf8_is_named_in_json_and_text_that_are(pictures, tmp_path):
    source = shutil.copytree(pictures, os.path.join(tmp_path, os.fsdecode(b"in \xff")))
    store = prepare("folder", source, out=tmp_path / "out", **SMALL)
    assert store.record["source"] == "in \\xff"
    assert "in \\xff".encode() in "\n".join(check(tmp_path / "out")).encode()


def test_three_different_pictures_make_a_set_and_three_equal_ones_do_not(tmp_path):
    for i in range(3):
        save(tmp_path / "equal" / f"{i}.png", blocks(0))
        save(tmp_path / "different" / f"{i}.png", blocks(i))
    with pytest.raises(ValueError, match="at least 3 different pictures, 1 of 3 could be used$"):
        prepare("folder", tmp_path / "equal", out=tmp_path / "out", **SMALL)
    assert not (tmp_path / "out" / "rejected.csv").exists()
    assert prepare("folder", tmp_path / "different", out=tmp_path / "three", **SMALL).record["counts"] == {
        "train": 1, "val": 1, "test": 1}


def test_too_few_pictures_leave_the_reasons_and_more_of_them_go_on(tmp_path):
    root = fill(tmp_path / "in", 2)
    (root / "bad.png").write_text("x")
    with pytest.raises(ValueError, match="at least 3 different pictures, 2 of 3 could be used; .*rejected.csv says"):
        prepare("folder", root, out=tmp_path / "out", **SMALL)
    with open(tmp_path / "out" / "rejected.csv", newline="") as file:
        assert [row["file"] for row in csv.DictReader(file)] == ["bad.png"]
    save(root / "bad.png", blocks(7))
    assert len(prepare("folder", root, out=tmp_path / "out", **SMALL).line) == 3


def test_a_set_in_the_folder_of_its_pictures_is_no_part_of_the_source(pictures, tmp_path):
    root = shutil.copytree(pictures, tmp_path / "in")
    beside = prepare("folder", root, out=tmp_path / "beside", **SMALL)
    inside = prepare("folder", root, out=root / "sets" / "one", **SMALL)
    assert contents(inside.path) == contents(beside.path)
    save(inside.path / "contact_sheet.png", blocks(99))
    assert prepare("folder", root, out=root / "sets" / "one", **SMALL).record["plan"] == beside.record["plan"]
    (inside.path / "set.json").unlink()  # begun anew, with parts of before
    for name in ("index.csv", "rejected.csv", "contact_sheet.png", *(f"{array}.npy" for array in ARRAYS)):
        (inside.path / name).unlink()
    (inside.path / "parts").mkdir()
    (inside.path / "parts" / "other.npz").write_text("of before")
    assert contents(prepare("folder", root, out=root / "sets" / "one", **SMALL).path) == contents(beside.path)


# Splits

def test_splits_go_by_content_and_a_new_picture_moves_few_others(tmp_path):
    root = fill(tmp_path / "in", 60)
    splits = {}
    for name, out in (("before", "a"), ("after", "b")):
        store = prepare("folder", root, out=tmp_path / out, **SMALL)
        splits[name] = {row["sha256"]: row["split"] for row in store.index()}
        if name == "before":
            save(root / "0000.png", blocks(1000))
            os.rename(root / "059.png", root / "renamed.png")
    assert store.record["counts"] == {"train": 52, "val": 3, "test": 6}  # 61 pictures
    ranked = sorted(splits["after"])  # sha256
    assert [splits["after"][digest] for digest in ranked] == ["test"] * 6 + ["val"] * 3 + ["train"] * 52
    assert sum(splits["after"][digest] != split for digest, split in splits["before"].items()) <= 2


def test_named_folders_are_obeyed_and_val_is_held_out_of_training_where_there_is_none(tmp_path):
    for i in range(40):
        save(tmp_path / "in" / ("test" if i % 4 == 0 else "train") / f"{i:02d}.png", blocks(i))
    store = prepare("folder", tmp_path / "in", out=tmp_path / "out", **SMALL)
    assert store.record["counts"] == {"train": 29, "val": 1, "test": 10}
    found = {row["file"]: row["split"] for row in store.index()}
    assert all((split == "test") == name.startswith("test/") for name, split in found.items())
    assert found["train/39.png"] == "val"  # the last by name
    save(tmp_path / "in" / "val" / "own.png", blocks(99))
    save(tmp_path / "in" / "loose.png", blocks(98))
    store = prepare("folder", tmp_path / "in", out=tmp_path / "2", **SMALL)
    found = {row["file"]: row["split"] for row in store.index()}
    assert [name for name, split in found.items() if split == "val"] == ["val/own.png"]
    assert found["train/39.png"] == found["loose.png"] == "train"


def test_a_folder_of_test_pictures_alone_is_a_test_set(tmp_path):
    for i in range(4):
        save(tmp_path / "in" / "test" / f"{i}.png", blocks(i))
    assert prepare("folder", tmp_path / "in", out=tmp_path / "out", **SMALL).record["counts"] == {
        "train": 0, "val": 0, "test": 4}


def test_of_faces_the_last_fifth_is_test_and_val_is_held_out_of_the_rest(tmp_path):
    store = prepare("faces", fill(tmp_path / "in", 25), out=tmp_path / "out", **SMALL)
    assert [row["file"] for row in store.index()] == [f"{i:03d}.png" for i in range(25)]
    assert store.record["counts"] == {"train": 19, "val": 1, "test": 5}


def test_of_kaggles_faces_the_photographs_are_left_out(tmp_path):
    for folder in ("trainA", "trainB", "testA", "testB"):
        fill(tmp_path / "in" / folder, 5)
    store = prepare("faces", tmp_path / "in", out=tmp_path / "out", **SMALL)
    assert [(row["file"], row["split"]) for row in store.index()] == [
        *((f"trainB/00{i}.png", "train") for i in range(3)), ("trainB/003.png", "val"),
        *((f"testB/00{i}.png", "test") for i in range(5)), ("trainB/004.png", "test")]


# Zips

def test_a_zip_gives_the_arrays_of_its_folder_and_writes_nothing_outside(pictures, tmp_path):
    path, place = tmp_path / "in" / "pictures.zip", tmp_path / "in" / "place"
    place.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as file:
        for picture in sorted(pictures.iterdir(), reverse=True):
            file.write(picture, picture.name)
        data = (pictures / "000.png").read_bytes()
        for name in ("../evil.png", f"{tmp_path}/evil.png", "/evil.png", "__MACOSX/._000.png", "evil/"):
            file.writestr(name, data)
        file.mkdir("empty folder")
    store = prepare("folder", path, out=place / "out", max_rejected=0.2, **SMALL)
    assert sorted(row["reason"] for row in store.rejected()) == ["a name that leads out of the zip"] * 3
    assert_same_arrays(store, prepare("folder", pictures, out=tmp_path / "out", **SMALL))
    assert (place / "out" / "index.csv").read_bytes() == (tmp_path / "out" / "index.csv").read_bytes()
    assert not list(tmp_path.rglob("*evil*")) and not Path("/evil.png").exists()


def test_a_broken_zip_is_one_sentence_of_the_command(tmp_path, capsys):
    (tmp_path / "x.zip").write_bytes(b"PK\3\4 and no more")
    assert main(["data", "prepare", "folder", "--source", str(tmp_path / "x.zip"), "--out", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert "source must be a folder or a whole zip" in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


# The paper's set

@pytest.fixture(scope="module")
def drawings() -> list[tuple[np.ndarray, np.ndarray]]:
    """Nine pairs of colour and sketch at 512 px."""
    small = [toon.draw(f"kaggle {i}", 64) for i in range(9)]
    return [(np.kron(d.color, np.ones((8, 8, 1), np.uint8)), np.kron(d.line, np.ones((8, 8), np.uint8))) for d in small]


def side_by_side(color: np.ndarray, sketch: np.ndarray, swapped: bool = False) -> np.ndarray:
    both = [color, np.repeat(sketch[..., None], 3, 2)]
    return np.concatenate(both[::-1] if swapped else both, axis=1)


@pytest.fixture(scope="module")
def kaggle(drawings, tmp_path_factory) -> Path:
    """train/*.png and val/*.png of 1024x512, colour left; one pair of train is the other way round."""
    root = tmp_path_factory.mktemp("kaggle") / "set"
    for i, pair in enumerate(drawings):
        save(root / ("train" if i < 6 else "val") / f"{i}.png", side_by_side(*pair, swapped=i == 2), compress_level=1)
    return root


@pytest.mark.parametrize("form", ["folder", "nested", "zip", "nested zip"])
def test_kaggles_layout_gives_the_papers_splits_and_never_mixes_up_the_halves(form, kaggle, drawings, tmp_path):
    source, inner = kaggle, "data/" if "nested" in form else ""
    if form == "nested":
        source = tmp_path / "in"
        shutil.copytree(kaggle, source / "data")
    elif "zip" in form:
        source = tmp_path / "kaggle.zip"
        with zipfile.ZipFile(source, "w") as file:
            for path in kaggle.rglob("*.png"):
                file.write(path, f"{inner}{path.relative_to(kaggle)}")
    store = prepare("kaggle", source, out=tmp_path / "out", **SMALL | {"size": 64})
    assert {row["file"]: row["split"] for row in store.index()} == {
        **{f"{inner}train/{i}.png": "train" for i in range(5)}, f"{inner}train/5.png": "val",
        **{f"{inner}val/{i}.png": "test" for i in (6, 7, 8)}}
    for row, line, color in zip(store.index(), store.line, store.color):
        i = int(row["file"].split("/")[-1][0])
        reduced = [np.asarray(Image.fromarray(a).resize((64, 64), Image.Resampling.LANCZOS)) for a in drawings[i]]
        assert np.array_equal(color, reduced[0]) and np.array_equal(line, reduced[1])
        assert row["note"] == ("sketch left of the colours" if i == 2 else "")
        assert (row["width"], row["height"]) == ("1024", "512")
    text = summary(store)
    assert "1 noted: sketch left of the colours" in text
    assert "not as in the paper: 6 for training (val among them) and 3 for test; the paper has 14,224 and 3,545" in text
    assert set(text[1:-1]) < set(check(tmp_path / "out"))


def test_as_many_as_in_the_paper_is_said_too(kaggle, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "PAPER_COUNTS", {"train": 6, "test": 3})
    assert "as many as in the paper: 6 for training (val among them) and 3 for test" in summary(
        prepare("kaggle", kaggle, out=tmp_path / "out", **SMALL))


def test_a_download_of_kaggle_is_prepared(kaggle, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", SimpleNamespace(dataset_download=lambda name: str(kaggle)))
    assert prepare("kaggle", out=tmp_path / "out", **SMALL).record["counts"] == {"train": 5, "val": 1, "test": 3}


def test_pairs_are_taken_in_either_order_and_a_square_one_is_refused(drawings, tmp_path):
    for i, pair in enumerate(drawings[:6]):
        save(tmp_path / "in" / f"{i}.png", side_by_side(*pair, swapped=i % 2 == 1), compress_level=1)
    save(tmp_path / "in" / "square.png", blocks(0))
    store = prepare("pairs", tmp_path / "in", out=tmp_path / "out", max_rejected=0.2, **SMALL | {"size": 64})
    for row, line, color in zip(store.index(), store.line, store.color):
        i = int(row["file"][0])
        assert np.array_equal(color, Image.fromarray(drawings[i][0]).resize((64, 64), Image.Resampling.LANCZOS))
        assert np.array_equal(line, Image.fromarray(drawings[i][1]).resize((64, 64), Image.Resampling.LANCZOS))
    assert store.record["notes"] == {"sketch left of the colours": 3} and store.record["paper_counts"] is None
    assert [row["reason"] for row in store.rejected()] == ["a side-by-side pair is wider than high, this is 32x32"]


def test_the_default_place_is_named_after_set_and_size():
    assert default_folder("faces", 128).parts[-3:] == ("runs", "data", "faces-128px")

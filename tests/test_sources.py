"""Folders, zips and Kaggle: what is listed, what is refused, and which split it is given."""

import os
import struct
import sys
import zipfile
from types import SimpleNamespace

import pytest

from lineart.config import InputError, MissingFile
from lineart.data import sources
from lineart.data.sources import Entry, assign, list_entries, locate, read
from lineart.images import Unfit


def fill(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return folder


def outcome(source) -> dict[str, str]:
    """By name what `read` gives: "" for its bytes, or the reason."""
    reasons = {}
    for entry in list_entries(source)[0]:
        try:
            reasons[entry.name] = "" if read(source, entry) else "nothing"
        except Unfit as error:
            reasons[entry.name] = str(error)
    return reasons


def test_pictures_are_listed_by_suffix_sorted_by_name_and_the_rest_is_counted(tmp_path):
    fill(tmp_path, "b.PNG", "a/z.jpeg", "a/a.avif", "a.txt", "README", ".hidden.png", ".git/x.png", "c.tif")
    entries, others = list_entries(tmp_path)
    assert [entry.name for entry in entries] == ["a/a.avif", "a/z.jpeg", "b.PNG", "c.tif"]
    assert [entry.size for entry in entries] == [8, 8, 5, 5] and others == 3


def test_links_and_what_is_no_file_get_a_reason_and_nothing_hangs_or_is_listed_twice(tmp_path, monkeypatch):
    root = fill(tmp_path / "root", "x.png", "nested/deep/y.png", "theirs/y.png")
    fill(tmp_path / "elsewhere", "e.png")
    os.symlink(tmp_path / "elsewhere", root / "c")
    os.symlink(tmp_path / "elsewhere", root / "d")
    os.symlink("nowhere.png", root / "dangling.png")
    os.symlink("loop.png", root / "loop.png")
    os.symlink("..", root / "nested" / "parent")
    os.mkfifo(root / "pipe.png")
    (root / "folder.png").mkdir()
    with open(root / "huge.png", "wb") as file:
        file.truncate(sources.MAX_BYTES + 1)
    scandir = os.scandir

    def refuse(path):  # for root, whom no mode stops, too
        if str(path).endswith("theirs"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert outcome(root) == {
        "x.png": "",
        "nested/deep/y.png": "",
        "c/e.png": "",
        "dangling.png": "unreadable: No such file or directory",
        "loop.png": "unreadable: Too many levels of symbolic links",
        "pipe.png": "not a regular file",
        "theirs": "unreadable folder: Permission denied",
        "huge.png": "larger than 256 MiB",
    }


@pytest.fixture
def archive(tmp_path):
    """A zip with what a zip should not have."""
    path = tmp_path / "pictures.zip"
    good = ("set/b.png", "set/a.png", "__MACOSX/._a.png", "set/.DS_Store", "notes.txt", "small.png")
    bad = ("../evil.png", "set/../../evil.png", "/root.png", "../evil.zip", "locked.png", "broken.zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.mkdir("set")
        for name in good + bad:
            file.writestr(name, name * 100)
        file.writestr("bomb.zip", bytes(10**6))
        with pytest.warns(UserWarning, match="Duplicate name"):
            for text in ("one", "two"):
                file.writestr("twice.png", text)
    data = bytearray(path.read_bytes())
    directory = data.index(b"PK\1\2")
    for name, place, value in ((b"locked.png", 8, 1), (b"small.png", 24, 10)):  # encrypted; claims to have ten bytes
        start = data.index(name, directory) - 46
        struct.pack_into("<H", data, start + place, value)
    place = data.index(b"set/b.png") + len(b"set/b.png")  # its content follows the name
    data[place : place + 3] = b"\xff\xff\xff"
    path.write_bytes(data)
    return path


def test_a_zip_is_read_like_a_folder_and_a_bad_entry_costs_only_itself(archive, tmp_path):
    reasons = outcome(archive)
    assert {name for name, reason in reasons.items() if not reason} == {"set/a.png", "twice.png"}
    outside = [name for name, reason in reasons.items() if reason == "a name that leads out of the zip"]
    assert outside == ["../evil.png", "../evil.zip", "/root.png", "set/../../evil.png"]
    damaged = {name for name, reason in reasons.items() if reason.startswith("damaged in the zip")}
    assert damaged == {"set/b.png", "small.png", "locked.png"} and "encrypted" in reasons["locked.png"]
    assert reasons["broken.zip"].startswith("a damaged zip") and "bomb" in reasons["bomb.zip"]
    assert list_entries(archive)[1] == 3
    assert sorted(tmp_path.iterdir()) == [archive]  # nothing is unpacked


def test_a_long_name_in_a_zip_is_a_name(tmp_path):
    name = "/".join(["folder"] * 700) + "/a.png"  # longer than a path on a disk may be
    with zipfile.ZipFile(tmp_path / "long.zip", "w") as file:
        file.writestr(name, "a picture")
    (entry,) = list_entries(tmp_path / "long.zip")[0]
    assert read(tmp_path / "long.zip", entry) == b"a picture"


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
def test_a_zip_in_a_zip_is_read_like_a_folder_of_it(method, tmp_path):
    innermost, inner, outer = (tmp_path / f"{name}.zip" for name in ("innermost", "inner", "outer"))
    for path, content in ((innermost, "c.png"), (inner, "train/b.png"), (outer, "a.png")):
        with zipfile.ZipFile(path, "w", method) as file:
            file.writestr(content, content * 100)
            if path is not innermost:
                file.writestr("x/../../evil.png", "")
                file.write(innermost if path is inner else inner, "deep.zip" if path is inner else "data/inner.zip")
    place = sorted(tmp_path.iterdir())
    entries = {entry.name: entry for entry in list_entries(outer)[0]}
    assert {name for name, entry in entries.items() if not entry.reason} == {"a.png", "data/inner.zip/train/b.png"}
    assert entries["data/inner.zip/deep.zip"].reason == "a zip in a zip in a zip" and len(entries) == 5
    assert read(outer, entries["data/inner.zip/train/b.png"]) == b"train/b.png" * 100
    assert sorted(tmp_path.iterdir()) == place


@pytest.mark.parametrize("harm", ["half", "end", "empty", "text", "directory"])
def test_a_broken_zip_gets_one_sentence(harm, archive):
    data = archive.read_bytes()
    harmed = {"half": data[: len(data) // 2], "end": data[:-10], "empty": b"", "text": b"text"}
    archive.write_bytes(harmed.get(harm, data.replace(b"PK\1\2", b"PK\0\0", 1)))
    with pytest.raises(InputError) as caught:
        list_entries(locate("folder", archive))
    assert "\n" not in str(caught.value) and str(archive) in str(caught.value)


def test_a_source_that_is_nothing_of_the_kind_gets_one_sentence(tmp_path):
    with pytest.raises(MissingFile, match="no$"):
        locate("folder", tmp_path / "no")
    os.mkfifo(tmp_path / "pipe.zip")  # opened, it would wait for ever
    refused = [("folder", tmp_path / "pipe.zip", "pipe.zip"), ("toon", tmp_path, "toon"), ("nothing", tmp_path, "set")]
    for name, source, word in [*refused, ("folder", None, "--source"), ("pairs", None, "--source")]:
        with pytest.raises(InputError, match=word):
            locate(name, source)


@pytest.mark.parametrize(("name", "dataset"), list(sources.KAGGLE.items()))
def test_a_download_is_a_folder_and_a_failed_one_a_sentence_with_the_next_step(name, dataset, tmp_path, monkeypatch):
    def fail(_):
        raise RuntimeError("403\n\n  <html>" + "x" * 1000)

    asked = []
    for module, word in ((None, "pip install"), (SimpleNamespace(dataset_download=fail), "RuntimeError: 403")):
        monkeypatch.setitem(sys.modules, "kagglehub", module)  # None: as if not installed
        with pytest.raises(InputError, match=word) as caught:
            locate(name, None)
        assert all(text in str(caught.value) for text in (dataset, "login()", "--source"))
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 600
    stub = SimpleNamespace(dataset_download=lambda dataset: asked.append(dataset) or str(tmp_path))
    monkeypatch.setitem(sys.modules, "kagglehub", stub)
    assert locate(name, None) == locate(name, str(tmp_path)) == tmp_path
    assert asked == [dataset]  # given, it is not downloaded


def splits(name: str, files: list[str]) -> dict[str, str]:
    return {entry.name: entry.split for entry in assign(name, [Entry(file) for file in sorted(files)])[0]}


@pytest.mark.parametrize("name", ["kaggle", "pairs", "folder"])
@pytest.mark.parametrize("prefix", ["", "archive/data/", "set.zip/"])
def test_folders_named_train_val_and_test_are_obeyed_and_without_test_val_is_the_test_set(name, prefix):
    files = {f"{prefix}train/1.png": "train", f"{prefix}x/val/2.png": "val", f"{prefix}Test/5.png": ""}
    files |= {f"{prefix}4.png": "", "train.png": ""}
    with_test = files | {f"{prefix}test/y/3.png": "test"}
    assert splits(name, [*with_test]) == with_test
    assert splits(name, [*files]) == {file: "test" if split == "val" else split for file, split in files.items()}
    assert [assign(name, [Entry(file) for file in some])[1] for some in (with_test, files)] == [False, True]


def test_the_last_fifth_of_the_faces_is_for_testing_and_photographs_of_people_are_left_out():
    found = splits("faces", [f"{i:04d}.webp" for i in range(13)])
    assert [file for file, split in found.items() if split == "test"] == ["0011.webp", "0012.webp"]
    domains = [f"{folder}/{i}.jpg" for folder in ("trainA", "trainB", "testA", "testB") for i in range(5)]
    found = splits("faces", domains)
    assert {file.split("/")[0] for file in found} == {"trainB", "testB"} and len(found) == 10
    assert {file for file, split in found.items() if split == "train"} == {f"trainB/{i}.jpg" for i in range(4)}


@pytest.mark.parametrize("color", ["color", "Colored", "colour", "coloured"])
@pytest.mark.parametrize("sketch", ["line", "lines", "lineart", "sketch", "Sketches"])
def test_two_folders_are_joined_by_the_names_of_their_files(color, sketch):
    pairs = [f"train/{color}/1.png", f"train/{sketch}/1.jpg", f"{color}/val/1.png", f"{sketch}/val/1.png"]
    lonely = [f"{color}/alone.png", f"{sketch}/single.png", f"{sketch}/val/1.webp", "loose.png"]
    entries, _ = assign("pairs", [Entry(file) for file in sorted(pairs + lonely)])
    joined = {entry.name: (entry.sketch.name, entry.split) for entry in entries if entry.sketch}
    assert joined == {pairs[0]: (pairs[1], "train"), pairs[2]: (pairs[3], "test")}
    reasons = {entry.name: entry.reason for entry in entries if not entry.sketch}
    assert reasons.keys() == {*lonely} and all(reasons.values())

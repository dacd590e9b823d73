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


def listed(source) -> dict[str, str]:
    """Name and reason of every entry."""
    return {entry.name: entry.reason for entry in list_entries(source)[0]}


def fill(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return folder


def test_pictures_are_listed_by_suffix_sorted_by_name_and_the_rest_is_counted(tmp_path):
    fill(tmp_path, "b.PNG", "a/z.jpeg", "a/a.avif", "a.txt", "README", ".hidden.png", ".git/x.png", "c.tif")
    entries, others = list_entries(tmp_path)
    assert [entry.name for entry in entries] == ["a/a.avif", "a/z.jpeg", "b.PNG", "c.tif"]
    assert not any(entry.reason for entry in entries)
    assert others == 4  # of a hidden folder the folder


@pytest.mark.parametrize(
    "name",
    [
        b"with space.png",
        b"quo'\"te.png",
        b"new\nline.png",
        b"carriage\rreturn.png",
        "😀 絵.png".encode(),
        b"no utf8 \xff\xfe.png",
        b"-rf.png",
        b"$(x).png",
    ],
)
def test_odd_names_are_listed_and_read(name, tmp_path):
    with open(os.path.join(os.fsencode(tmp_path), name), "wb") as file:
        file.write(b"content")
    [entry], _ = list_entries(tmp_path)
    assert os.fsencode(entry.name) == name and not entry.reason
    assert read(tmp_path, entry) == b"content"


def test_links_and_what_is_no_file_get_a_reason_and_nothing_hangs(tmp_path, monkeypatch):
    root = fill(tmp_path / "root", "x.png", "nested/deep/y.png", "theirs/y.png", "z/real.png")
    fill(tmp_path / "elsewhere", "e.png")
    os.symlink(root / "z", root / "a")  # by name before the real one
    os.symlink(tmp_path / "elsewhere", root / "c")
    os.symlink("nowhere.png", root / "dangling.png")
    os.symlink("nowhere.txt", root / "dangling.txt")
    os.symlink("loop.png", root / "loop.png")
    os.symlink("..", root / "nested" / "parent")
    os.symlink(root / "x.png", root / "link to x.png")
    os.mkfifo(root / "pipe.png")
    (root / "folder.png").mkdir()
    with open(root / "huge.png", "wb") as file:
        file.truncate(sources.MAX_BYTES + 1)
    listdir = os.listdir

    def refuse(path):
        if str(path).endswith("theirs"):
            raise PermissionError(13, "Permission denied")
        return listdir(path)

    monkeypatch.setattr(os, "listdir", refuse)
    twice = "a link to a folder that is already listed"
    assert listed(root) == {
        "x.png": "",
        "nested/deep/y.png": "",
        "link to x.png": "",
        "z/real.png": "",
        "c/e.png": "",
        "a": twice,
        "nested/parent": twice,
        "dangling.png": "unreadable: No such file or directory",
        "loop.png": "unreadable: Too many levels of symbolic links",
        "pipe.png": "not a regular file",
        "theirs": "unreadable folder: Permission denied",
        "huge.png": "larger than 256 MiB",
    }


def test_a_file_that_is_gone_or_may_not_be_read_is_unfit(tmp_path, monkeypatch):
    with pytest.raises(Unfit, match="unreadable: No such file"):
        read(tmp_path, Entry("gone.png"))

    def refuse(_):  # root may read everything
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.read_bytes", refuse)
    with pytest.raises(Unfit, match="unreadable: Permission denied"):
        read(tmp_path, Entry("x.png"))


@pytest.fixture
def archive(tmp_path):
    """A zip with what a zip should not have."""
    path = tmp_path / "pictures.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.mkdir("set")
        for name in (
            "set/b.png",
            "set/a.png",
            "../evil.png",
            "set/../../evil.png",
            "/root.png",
            "__MACOSX/._a.png",
            "set/.DS_Store",
            "notes.txt",
            "locked.png",
            "broken.zip",
            "../evil.zip",
        ):
            file.writestr(name, name)
        file.writestr("bomb.zip", bytes(10**6))
        with pytest.warns(UserWarning, match="Duplicate name"):
            for text in ("one", "two"):
                file.writestr("twice.png", text)
    data = bytearray(path.read_bytes())
    place = data.index(b"locked.png", data.index(b"PK\1\2")) - 46  # its entry in the directory at the end
    assert data[place : place + 4] == b"PK\1\2"
    data[place + 8] |= 1  # the flag of an encrypted entry
    path.write_bytes(data)
    return path


def test_a_zip_is_listed_like_a_folder_and_bad_entries_get_a_reason(archive, tmp_path):
    entries, others = list_entries(archive)
    outside = "a name that leads out of the zip"
    assert {entry.name: entry.reason for entry in entries} == {
        "set/a.png": "",
        "set/b.png": "",
        "../evil.png": outside,
        "set/../../evil.png": outside,
        "/root.png": outside,
        "../evil.zip": outside,
        "locked.png": "encrypted",
        "twice.png": "a name that occurs twice in the zip",
        "broken.zip": "a damaged zip: File is not a zip file",
        "bomb.zip": "a zip that claims to unpack to more than 100 times its size",
    }
    assert others == 3
    assert [entry.name for entry in entries] == sorted(entry.name for entry in entries)
    assert read(archive, Entry("set/a.png")) == b"set/a.png"
    assert sorted(tmp_path.iterdir()) == [archive]  # nothing is unpacked


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
    entries, _ = list_entries(outer)
    assert {entry.name for entry in entries if not entry.reason} == {"a.png", "data/inner.zip/train/b.png"}
    assert sum(entry.reason == "a name that leads out of the zip" for entry in entries) == 2
    assert {e.name: e.reason for e in entries}["data/inner.zip/deep.zip"] == "a zip in a zip in a zip"
    [b] = [entry for entry in entries if entry.name.endswith("b.png")]
    assert read(outer, b) == b"train/b.png" * 100
    assert sorted(tmp_path.iterdir()) == place


def test_a_damaged_entry_costs_only_itself(archive):
    data = archive.read_bytes()
    place = data.index(b"set/b.png") + len(b"set/b.png")  # its content follows the name
    archive.write_bytes(data[:place] + b"\xff\xff\xff" + data[place + 3 :])
    assert read(archive, Entry("set/a.png")) == b"set/a.png"
    for name in ("set/b.png", "no such entry.png"):
        with pytest.raises(Unfit, match="damaged in the zip"):
            read(archive, Entry(name))


def test_an_entry_that_claims_to_be_small_does_not_unpack_further(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("x.png", bytes(10**6))
    data = bytearray((tmp_path / "bomb.zip").read_bytes())
    for magic, offset in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        struct.pack_into("<I", data, data.index(magic) + offset, 10)
    (tmp_path / "bomb.zip").write_bytes(data)
    with pytest.raises(Unfit, match="damaged in the zip"):
        read(tmp_path / "bomb.zip", Entry("x.png"))


@pytest.mark.parametrize(
    "harm",
    [
        lambda d: d[: len(d) // 2],
        lambda d: d[:-10],
        lambda d: b"",
        lambda d: b"text",
        lambda d: d.replace(b"PK\1\2", b"PK\0\0", 1),
        lambda d: d[40:].replace(b"PK\1\2", b"PKxx"),
    ],
    ids=["half", "end", "empty", "text", "directory", "start"],
)
def test_a_broken_zip_gets_one_sentence(harm, archive):
    archive.write_bytes(harm(archive.read_bytes()))
    with pytest.raises(InputError) as caught:
        list_entries(locate("folder", archive))
    assert "\n" not in str(caught.value) and str(archive) in str(caught.value)


def test_a_source_that_is_nothing_of_the_kind_gets_one_sentence(tmp_path):
    with pytest.raises(MissingFile, match="no$"):
        locate("folder", tmp_path / "no")
    os.mkfifo(tmp_path / "pipe.zip")  # opened, it would wait for ever
    for name, source, word in (
        ("folder", tmp_path / "pipe.zip", "pipe.zip"),
        ("toon", tmp_path, "toon"),
        ("nothing", tmp_path, "nothing"),
        ("folder", None, "--source"),
        ("pairs", None, "--source"),
    ):
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
    assert locate(name, None) == tmp_path and asked == [dataset]
    assert locate(name, str(tmp_path)) == tmp_path and asked == [dataset]  # given, it is not downloaded


def splits(name: str, files: list[str]) -> dict[str, str]:
    return {entry.name: entry.split for entry in assign(name, [Entry(file) for file in sorted(files)])[0]}


@pytest.mark.parametrize("name", ["kaggle", "pairs", "folder"])
@pytest.mark.parametrize("prefix", ["", "archive/data/", "set.zip/"])
def test_folders_named_train_val_and_test_are_obeyed_and_without_test_val_is_the_test_set(name, prefix):
    files = {
        f"{prefix}train/1.png": "train",
        f"{prefix}x/val/2.png": "val",
        f"{prefix}4.png": "",
        "train.png": "",
        f"{prefix}Test/5.png": "",
    }
    with_test = files | {f"{prefix}test/y/3.png": "test"}
    assert splits(name, [*with_test]) == with_test
    assert splits(name, [*files]) == {file: "test" if split == "val" else split for file, split in files.items()}
    assert [assign(name, [Entry(file) for file in some])[1] for some in (with_test, files)] == [False, True]


def test_the_last_fifth_of_the_faces_is_for_testing_and_photographs_of_people_are_left_out():
    files = [f"{i:04d}.webp" for i in range(13)]
    found = splits("faces", files)
    assert [file for file in files if found[file] == "test"] == ["0011.webp", "0012.webp"]
    assert sum(split == "train" for split in found.values()) == 11
    found = splits(
        "faces", [f"{folder}/{i}.jpg" for folder in ("trainA", "trainB", "testA", "testB") for i in range(5)]
    )
    assert {file.split("/")[0] for file in found} == {"trainB", "testB"} and len(found) == 10
    assert {file for file, split in found.items() if split == "train"} == {f"trainB/{i}.jpg" for i in range(4)}


@pytest.mark.parametrize("color", ["color", "Colored", "colour", "coloured"])
@pytest.mark.parametrize("sketch", ["line", "lines", "lineart", "sketch", "Sketches"])
def test_two_folders_are_joined_by_the_names_of_their_files(color, sketch):
    files = [
        f"train/{color}/1.png",
        f"train/{sketch}/1.jpg",
        f"{color}/val/1.png",
        f"{sketch}/val/1.png",
        f"{color}/alone.png",
        f"{sketch}/single.png",
        f"{sketch}/val/1.webp",
        "loose.png",
    ]
    entries, _ = assign("pairs", [Entry(file) for file in sorted(files)])
    joined = {entry.name: (entry.sketch.name, entry.split) for entry in entries if entry.sketch}
    assert joined == {files[0]: (files[1], "train"), files[2]: (files[3], "test")}
    reasons = {entry.name: entry.reason for entry in entries if not entry.sketch}
    assert reasons.keys() == {*files[4:]} and all(reasons.values())

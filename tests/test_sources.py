"""Folders, zips and Kaggle: what is listed, what is refused, and which split it is given."""

import os
import struct
import sys
import zipfile
from types import SimpleNamespace

import pytest

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
    fill(tmp_path, "b.PNG", "a/z.jpeg", "a/a.webp", "a.txt", "README", ".hidden.png", ".git/x.png", "c.tif")
    entries, others = list_entries(tmp_path)
    assert [entry.name for entry in entries] == ["a/a.webp", "a/z.jpeg", "b.PNG", "c.tif"]
    assert not any(entry.reason for entry in entries)
    assert others == 4  # of a hidden folder the folder


@pytest.mark.parametrize("name", [b"with space.png", b"quo'\"te.png", b"new\nline.png", b"carriage\rreturn.png",
                                  "😀 絵.png".encode(), b"no utf8 \xff\xfe.png", b"a,b;c.png", b"-rf.png", b"$(x).png"])
def test_odd_names_are_listed_and_read(name, tmp_path):
    path = os.path.join(os.fsencode(tmp_path), name)
    with open(path, "wb") as file:
        file.write(b"content")
    [entry], _ = list_entries(tmp_path)
    assert os.fsencode(entry.name) == name and not entry.reason
    assert read(tmp_path, entry.name) == b"content"


def test_links_and_what_is_no_file_get_a_reason_and_nothing_hangs(tmp_path):
    root = fill(tmp_path / "root", "x.png", "nested/deep/y.png")
    os.symlink("nowhere.png", root / "dangling.png")
    os.symlink("nowhere.txt", root / "dangling.txt")
    os.symlink("loop.png", root / "loop.png")
    os.symlink("..", root / "nested" / "parent")
    os.symlink(root / "x.png", root / "link to x.png")
    os.mkfifo(root / "pipe.png")
    (root / "folder.png").mkdir()
    assert listed(root) == {
        "x.png": "", "nested/deep/y.png": "", "link to x.png": "",
        "dangling.png": "unreadable: No such file or directory",
        "loop.png": "unreadable: Too many levels of symbolic links",
        "nested/parent": "a link to a folder that is already listed",
        "pipe.png": "not a regular file",
    }


def test_a_linked_folder_is_listed_once_and_where_it_lies(tmp_path):
    fill(tmp_path / "elsewhere", "e.png")
    root = fill(tmp_path / "root", "z/real.png")
    for name in ("a", "b"):  # by name before the real one
        os.symlink(root / "z", root / name)
    os.symlink(tmp_path / "elsewhere", root / "c")
    found = listed(root)
    assert found.pop("z/real.png") == found.pop("c/e.png") == ""
    assert found == {name: "a link to a folder that is already listed" for name in ("a", "b")}


def test_a_folder_that_may_not_be_read_gets_a_reason(tmp_path, monkeypatch):
    fill(tmp_path, "ours/x.png", "theirs/y.png")
    listdir = os.listdir

    def refuse(path):
        if str(path).endswith("theirs"):
            raise PermissionError(13, "Permission denied")
        return listdir(path)

    monkeypatch.setattr(os, "listdir", refuse)
    assert listed(tmp_path) == {"ours/x.png": "", "theirs": "unreadable folder: Permission denied"}


def test_a_file_that_is_gone_or_may_not_be_read_is_unfit(tmp_path, monkeypatch):
    with pytest.raises(Unfit, match="unreadable: No such file"):
        read(tmp_path, "gone.png")
    fill(tmp_path, "x.png")
    refuse = lambda _: (_ for _ in ()).throw(PermissionError(13, "Permission denied"))  # root may read everything
    monkeypatch.setattr("pathlib.Path.read_bytes", refuse)
    with pytest.raises(Unfit, match="unreadable: Permission denied"):
        read(tmp_path, "x.png")


def test_a_huge_file_is_listed_with_a_reason_and_not_read(tmp_path):
    with open(tmp_path / "huge.png", "wb") as file:
        file.truncate(sources.MAX_BYTES + 1)
    with open(tmp_path / "large.png", "wb") as file:
        file.truncate(sources.MAX_BYTES)
    assert listed(tmp_path) == {"huge.png": "larger than 256 MiB", "large.png": ""}


def test_a_changed_file_has_another_version(tmp_path):
    fill(tmp_path, "x.png")
    [before], _ = list_entries(tmp_path)
    assert list_entries(tmp_path)[0] == [before]
    os.utime(tmp_path / "x.png", ns=(1, 1))
    [touched], _ = list_entries(tmp_path)
    (tmp_path / "x.png").write_bytes(b"longer than before")
    os.utime(tmp_path / "x.png", ns=(1, 1))
    [longer], _ = list_entries(tmp_path)
    assert len({before.version, touched.version, longer.version}) == 3


@pytest.fixture
def archive(tmp_path):
    """A zip with what a zip should not have."""
    path = tmp_path / "pictures.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.mkdir("set")
        for name in ("set/b.png", "set/a.png", "../evil.png", "set/../../evil.png", "/root.png", "__MACOSX/._a.png",
                     "set/.DS_Store", "notes.txt", "locked.png"):
            file.writestr(name, name)
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
    assert {entry.name: entry.reason for entry in entries} == {
        "set/a.png": "", "set/b.png": "",
        "../evil.png": "a name that leads out of the zip", "set/../../evil.png": "a name that leads out of the zip",
        "/root.png": "a name that leads out of the zip", "locked.png": "encrypted",
        "twice.png": "a name that occurs twice in the zip",
    }
    assert others == 3
    assert [entry.name for entry in entries] == sorted(entry.name for entry in entries)
    assert read(archive, "set/a.png") == b"set/a.png"
    assert sorted(tmp_path.iterdir()) == [archive]  # nothing is unpacked


def test_the_version_in_a_zip_is_of_the_content(tmp_path):
    versions = []
    for text in ("one", "two", "one"):
        with zipfile.ZipFile(tmp_path / f"{len(versions)}.zip", "w") as file:
            file.writestr("x.png", text)
        versions.append(list_entries(tmp_path / f"{len(versions)}.zip")[0][0].version)
    assert versions[0] == versions[2] != versions[1]


def test_a_zip_replaced_by_another_is_read_anew(tmp_path):
    for number, text in enumerate((b"one", b"two")):
        with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
            file.writestr("x.png", text)
        os.utime(tmp_path / "x.zip", ns=(number, number))
        assert read(tmp_path / "x.zip", "x.png") == text


def test_a_damaged_entry_costs_only_itself(archive):
    data = archive.read_bytes()
    place = data.index(b"set/b.png") + len(b"set/b.png")  # its content follows the name
    archive.write_bytes(data[:place] + b"\xff\xff\xff" + data[place + 3 :])
    with pytest.raises(Unfit, match="damaged in the zip"):
        read(archive, "set/b.png")
    assert read(archive, "set/a.png") == b"set/a.png"
    with pytest.raises(Unfit, match="damaged in the zip"):
        read(archive, "no such entry.png")


def test_an_entry_that_claims_to_be_small_does_not_unpack_further(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("x.png", bytes(10**6))
    data = bytearray((tmp_path / "bomb.zip").read_bytes())
    for magic, offset in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        struct.pack_into("<I", data, data.index(magic) + offset, 10)
    (tmp_path / "bomb.zip").write_bytes(data)
    with pytest.raises(Unfit, match="damaged in the zip"):
        read(tmp_path / "bomb.zip", "x.png")


@pytest.mark.parametrize("harm", [lambda d: d[: len(d) // 2], lambda d: d[:-10], lambda d: b"", lambda d: b"text",
                                  lambda d: d.replace(b"PK\1\2", b"PK\0\0", 1),
                                  lambda d: d[40:].replace(b"PK\1\2", b"PKxx")],
                         ids=["half", "end", "empty", "text", "directory", "start"])
def test_a_broken_zip_gets_one_sentence(harm, archive):
    archive.write_bytes(harm(archive.read_bytes()))
    with pytest.raises(ValueError, match="source must be a folder or a whole zip") as caught:
        list_entries(locate("folder", archive))
    assert "\n" not in str(caught.value) and str(archive) in str(caught.value)


def test_a_source_that_is_nothing_of_the_kind_gets_one_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match="source must be a folder or a zip, there is nothing at"):
        locate("folder", tmp_path / "no")
    os.mkfifo(tmp_path / "pipe.zip")  # opened, it would wait for ever
    with pytest.raises(ValueError, match="source must be a folder or a whole zip, .*pipe.zip is neither"):
        locate("folder", tmp_path / "pipe.zip")
    for name in ("toon", "nothing"):
        with pytest.raises(ValueError, match=f"the set must be one of kaggle, faces, folder, pairs, got '{name}'"):
            locate(name, tmp_path)
    for name in ("folder", "pairs"):
        with pytest.raises(ValueError, match=f"{name} needs --source"):
            locate(name, None)


def stub(monkeypatch, download):
    monkeypatch.setitem(sys.modules, "kagglehub", SimpleNamespace(dataset_download=download))


def test_without_kagglehub_the_sentence_names_the_next_step(monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", None)  # as if not installed
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'lineart\[kaggle\]', or download kaggle.com/") as caught:
        locate("kaggle", None)
    assert "\n" not in str(caught.value)


def test_a_failed_download_is_one_sentence(monkeypatch):
    def fail(name):
        raise RuntimeError(f"403 for {name}\n\n  <html>" + "x" * 1000)

    stub(monkeypatch, fail)
    with pytest.raises(ConnectionError, match="could not download arnaud58/selfie2anime") as caught:
        locate("faces", None)
    text = str(caught.value)
    assert "RuntimeError: 403" in text and "kagglehub.login()" in text and "--source" in text
    assert "\n" not in text and len(text) < 500


@pytest.mark.parametrize(("name", "dataset"), [("kaggle", "ktaebum/anime-sketch-colorization-pair"),
                                               ("faces", "arnaud58/selfie2anime")])
def test_a_download_is_a_folder_and_is_checked_like_one(name, dataset, tmp_path, monkeypatch):
    asked = []
    stub(monkeypatch, lambda dataset: asked.append(dataset) or str(tmp_path))
    assert locate(name, None) == tmp_path and asked == [dataset]
    stub(monkeypatch, lambda dataset: str(tmp_path / "gone"))
    with pytest.raises(FileNotFoundError, match="there is nothing at"):
        locate(name, None)


def test_a_given_source_is_not_downloaded(tmp_path, monkeypatch):
    stub(monkeypatch, lambda dataset: pytest.fail("downloaded"))
    assert locate("kaggle", str(tmp_path)) == tmp_path


def splits(name: str, files: list[str]) -> dict[str, str]:
    return {entry.name: split for entry, split in assign(name, [Entry(file) for file in sorted(files)])}


@pytest.mark.parametrize("prefix", ["", "data/", "archive/data/"])
def test_val_is_the_papers_test_set(prefix):
    assert splits("kaggle", [f"{prefix}train/1.png", f"{prefix}val/1.png", f"{prefix}other/2.png"]) == {
        f"{prefix}train/1.png": "train", f"{prefix}val/1.png": "test", f"{prefix}other/2.png": ""}


@pytest.mark.parametrize("name", ["folder", "pairs"])
def test_folders_named_train_val_and_test_are_obeyed(name):
    files = ["train/1.png", "x/val/2.png", "test/y/3.png", "4.png", "train.png", "Test/5.png"]
    assert splits(name, files) == {"train/1.png": "train", "x/val/2.png": "val", "test/y/3.png": "test", "4.png": "",
                                   "train.png": "", "Test/5.png": ""}


def test_the_last_fifth_of_the_faces_is_for_testing():
    files = [f"{i:04d}.webp" for i in range(13)]
    found = splits("faces", files)
    assert [file for file in files if found[file] == "test"] == ["0011.webp", "0012.webp"]
    assert sum(split == "train" for split in found.values()) == 11


def test_photographs_of_people_are_left_out_of_the_faces():
    files = [f"{folder}/{i}.jpg" for folder in ("trainA", "trainB", "testA", "testB") for i in range(5)]
    found = splits("faces", files)
    assert {file.split("/")[0] for file in found} == {"trainB", "testB"} and len(found) == 10
    assert {file for file, split in found.items() if split == "train"} == {f"trainB/{i}.jpg" for i in range(4)}

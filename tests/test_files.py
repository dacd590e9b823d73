"""Files come whole or not at all."""

import os

import pytest

from lineart.files import sha256, whole, write_text


def test_a_file_is_there_once_it_is_whole(tmp_path):
    path = tmp_path / "table.csv"
    with whole(path) as temporary:
        temporary.write_text("first")
        assert not path.exists() and temporary.parent == tmp_path
    assert path.read_text() == "first" and [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_fails_leaves_the_file_that_was_there(tmp_path, error):
    path = write_text(tmp_path / "table.csv", "first")
    with pytest.raises(type(error)):
        with whole(path) as temporary:
            temporary.write_text("half of the sec")
            raise error
    assert path.read_text() == "first" and [*tmp_path.iterdir()] == [path]


def test_a_rename_that_fails_leaves_nothing_behind(tmp_path, monkeypatch):
    def refused(*_):
        raise OSError(5, "Input/output error")
    monkeypatch.setattr(os, "replace", refused)
    with pytest.raises(OSError, match="Input/output"):
        write_text(tmp_path / "table.csv", "first")
    assert not [*tmp_path.iterdir()]


def test_text_is_the_same_bytes_on_every_system(tmp_path):
    assert write_text(str(tmp_path / "table.md"), "é\n±\n").read_bytes() == b"\xc3\xa9\n\xc2\xb1\n"


def test_sha256_of_a_file(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")  # the digest is that of FIPS 180-2, appendix B.1
    assert sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

"""Files come whole or not at all."""

import os

import pytest

from lineart.files import sha256, whole, write_text


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_file_is_there_once_it_is_whole_and_what_fails_leaves_the_one_before(tmp_path, error):
    path = tmp_path / "table.csv"
    with whole(path) as temporary:
        temporary.write_text("first")
        assert not path.exists() and temporary.parent == tmp_path
    with pytest.raises(type(error)), whole(path) as temporary:
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


def test_text_is_the_same_bytes_on_every_system_and_has_a_digest(tmp_path):
    assert write_text(str(tmp_path / "table.md"), "é\n±\n").read_bytes() == b"\xc3\xa9\n\xc2\xb1\n"
    # The digest is that of FIPS 180-2, appendix B.1
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256(write_text(tmp_path / "abc", "abc")) == digest

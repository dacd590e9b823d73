"""The lists of references: true derangements, the same every time, and what is committed is what the seed makes."""

import csv
import re

import numpy as np
import pytest

from lineart.config import Config
from lineart.data import references as pairs
from lineart.data.references import (
    FOLDER,
    derangement,
    list_path,
    random_references,
    read_list,
    region_shown,
    showing_references,
    write_list,
)
from lineart.data.sets import load
from lineart.evaluation.measure import DERANGEMENTS

COMMITTED = sorted(FOLDER.glob("*.csv"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(pairs, "FOLDER", tmp_path / "pairs")
    return tmp_path / "pairs"


@pytest.mark.parametrize("n", [2, 3, 4, 7, 100, 3545])
@pytest.mark.parametrize("seed", [0, 1, 12345])
def test_a_permutation_without_fixed_points_in_one_cycle(n, seed):
    reference = derangement(n, seed)
    assert sorted(reference.tolist()) == list(range(n))
    assert not (reference == np.arange(n)).any()
    place, visited = 0, []
    for _ in range(n):
        place = int(reference[place])
        visited.append(place)
    assert place == 0 and len(set(visited)) == n


def test_two_drawings_have_one_way_and_three_have_two():
    assert derangement(2, 5).tolist() == [1, 0]
    assert {tuple(derangement(3, seed).tolist()) for seed in range(30)} == {(1, 2, 0), (2, 0, 1)}


def test_the_seed_decides():
    assert np.array_equal(derangement(256, 3), derangement(256, 3))
    lists = [derangement(256, seed) for seed in range(4)]
    for i in range(4):
        for j in range(i):
            assert (lists[i] == lists[j]).mean() < 0.05  # two random lists agree in about one of 256


def test_any_reference_can_meet_any_drawing():
    first = np.array([derangement(6, seed)[0] for seed in range(600)])
    counts = np.bincount(first, minlength=6)
    assert counts[0] == 0 and counts[1:].min() > 80  # 120 each, if all five are alike


@pytest.mark.parametrize("n", [-1, 0, 1])
def test_too_few_drawings_are_a_sentence(n):
    with pytest.raises(ValueError, match=f"a derangement needs at least 2 drawings, got {n}"):
        derangement(n, 0)


def test_the_lists_of_the_classroom_are_committed():
    config = Config.from_profile("classroom")
    for seed in DERANGEMENTS:
        assert list_path(config.data, config.n_test, seed) in COMMITTED


RANDOM = [path for path in COMMITTED if "-random-" in path.stem]
SHOWING = [path for path in COMMITTED if "-showing-" in path.stem]


def test_every_list_is_of_a_known_kind():
    assert len(RANDOM) + len(SHOWING) == len(COMMITTED) and SHOWING


@pytest.mark.parametrize("path", RANDOM, ids=[path.stem for path in RANDOM])
def test_a_committed_list_is_the_one_of_its_name(path):
    data, n, seed = re.fullmatch(r"(\w+)-test-(\d+)-random-(\d+)", path.stem).groups()
    with open(path, newline="") as file:
        assert [int(row["drawing"]) for row in csv.DictReader(file)] == list(range(int(n)))
    expected = derangement(int(n), int(seed))
    assert read_list(path).tolist() == expected.tolist()
    assert np.array_equal(random_references(data, int(n), int(seed)), expected)


@pytest.mark.parametrize("path", SHOWING, ids=[path.stem for path in SHOWING])
def test_a_committed_reference_shows_every_slot_of_its_drawing(path):
    data, n, size, seed = re.fullmatch(r"(\w+)-test-(\d+)-(\d+)px-showing-(\d+)", path.stem).groups()
    config = Config.from_profile("classroom", data=data, size=int(size))
    shown, reference = region_shown(load(config, "test", int(n)).mask), read_list(path)
    assert np.array_equal(reference, showing_references(shown, int(seed)))
    assert (reference != np.arange(int(n))).all()
    assert shown[reference][shown].all()  # every slot of every drawing


def test_a_reference_shows_all_slots_where_one_does_and_the_most_where_none_does():
    shown = np.array([[1, 1, 0], [1, 0, 0], [1, 1, 1], [0, 1, 0]], bool)
    lists = np.array([showing_references(shown, seed) for seed in range(60)])
    assert set(lists[:, 0]) == {2}  # alone shows slots 0 and 1
    assert set(lists[:, 1]) == {0, 2}  # both show slot 0
    assert set(lists[:, 2]) == {0}  # nobody else has all three; this one has two of them
    assert set(lists[:, 3]) == {0, 2}
    assert np.array_equal(showing_references(shown, 7), showing_references(shown, 7))


def test_one_drawing_has_nobody_to_take_colours_from():
    with pytest.raises(ValueError, match="references need at least 2 drawings, got 1"):
        showing_references(np.ones((1, 6), bool), 0)


def test_a_list_comes_back_as_it_was_written_and_the_committed_one_byte_by_byte(folder):
    path = write_list(list_path("toon", 256, 0), derangement(256, 0))
    assert path.parent == folder
    assert path.read_bytes() == (FOLDER / path.name).read_bytes()
    assert read_list(path).tolist() == derangement(256, 0).tolist()
    assert read_list(folder / "none.csv") is None


def test_a_committed_list_wins_over_the_random_generator(folder):
    write_list(list_path("toon", 4, 0), np.array([3, 0, 1, 2]))
    assert random_references("toon", 4, 0).tolist() == [3, 0, 1, 2]


def test_without_a_list_the_seed_makes_it(folder):
    assert np.array_equal(random_references("toon", 50, 9), derangement(50, 9))
    assert not folder.exists()  # reading writes nothing


def test_data_set_size_and_seed_each_have_their_own_list(folder):
    paths = {list_path(data, n, seed, kind) for data in ("toon", "kaggle") for n in (10, 20) for seed in (0, 1)
             for kind in ("random", "128px-showing")}
    assert len(paths) == 16

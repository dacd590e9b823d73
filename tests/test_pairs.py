"""The lists of references: true derangements, the same every time, and what is committed is what the seed makes."""

import csv
import re

import numpy as np
import pytest

from lineart.config import Config
from lineart.data import pairs
from lineart.data.pairs import FOLDER, derangement, list_path, random_references, write_list
from lineart.evaluation import DERANGEMENTS

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


@pytest.mark.parametrize("path", COMMITTED, ids=[path.stem for path in COMMITTED])
def test_a_committed_list_is_the_one_of_its_name(path):
    data, n, seed = re.fullmatch(r"(\w+)-test-(\d+)-random-(\d+)", path.stem).groups()
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["drawing"]) for row in rows] == list(range(int(n)))
    expected = derangement(int(n), int(seed))
    assert [int(row["reference"]) for row in rows] == expected.tolist()
    assert np.array_equal(random_references(data, int(n), int(seed)), expected)


def test_written_again_it_is_the_same_file(folder):
    path = write_list("toon", 256, 0)
    assert path.parent == folder
    assert path.read_bytes() == list_path("toon", 256, 0).read_bytes() == (FOLDER / path.name).read_bytes()


def test_a_committed_list_wins_over_the_random_generator(folder):
    write_list("toon", 4, 0).write_text("drawing,reference\n0,3\n1,0\n2,1\n3,2\n")
    assert random_references("toon", 4, 0).tolist() == [3, 0, 1, 2]


def test_without_a_list_the_seed_makes_it(folder):
    assert np.array_equal(random_references("toon", 50, 9), derangement(50, 9))
    assert not folder.exists()  # reading writes nothing


def test_data_set_size_and_seed_each_have_their_own_list(folder):
    paths = {list_path(data, n, seed) for data in ("toon", "kaggle") for n in (10, 20) for seed in (0, 1)}
    assert len(paths) == 8

"""Who takes colours from whom: true derangements, the same every time; the committed lists are what the seed makes."""

import re

import numpy as np
import pytest

from lineart.config import Config, InputError
from lineart.data import references
from lineart.data.references import (
    FOLDER,
    derangement,
    list_path,
    random_references,
    read_list,
    region,
    region_shown,
    showing_references,
)
from lineart.data.sets import load
from lineart.evaluation.measure import DERANGEMENTS

COMMITTED = sorted(FOLDER.glob("*.csv"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(references, "FOLDER", tmp_path / "pairs")
    return tmp_path / "pairs"


@pytest.mark.parametrize("n", [2, 3, 7, 3545])
@pytest.mark.parametrize("seed", [0, 12345])
def test_a_permutation_in_one_cycle_so_without_fixed_points(n, seed):
    reference = derangement(n, seed)
    assert np.array_equal(reference, derangement(n, seed))
    place, visited = 0, set()
    for _ in range(n):
        place = int(reference[place])
        visited.add(place)
    assert place == 0 and visited == {*range(n)}


@pytest.mark.parametrize("n", [-1, 0, 1])
def test_too_few_drawings_are_a_sentence(n):
    with pytest.raises(InputError, match=f"at least 2 drawings, got {n}"):
        derangement(n, 0)
    with pytest.raises(InputError, match=f"at least 2 drawings, got {max(n, 0)}"):
        showing_references(np.ones((max(n, 0), 6), bool), 0)


def test_the_lists_of_the_classroom_are_committed_and_all_are_of_a_known_kind():
    config = Config.from_profile("classroom")
    assert {list_path(config.data, config.n_test, seed) for seed in DERANGEMENTS} <= {*COMMITTED}
    assert all("-random-" in path.stem or "-showing-" in path.stem for path in COMMITTED)


@pytest.mark.parametrize("path", COMMITTED, ids=[path.stem for path in COMMITTED])
def test_a_committed_list_is_the_one_of_its_name(path, folder):
    data, n, size, kind, seed = re.fullmatch(
        r"(\w+)-test-(\d+)-(?:(\d+)px-)?(random|showing)-(\d+)", path.stem
    ).groups()
    if kind == "random":
        expected = derangement(int(n), int(seed))
        assert np.array_equal(random_references(data, int(n), int(seed)), expected)
    else:
        config = Config.from_profile("classroom", data=data, size=int(size))
        shown = region_shown(load(config, "test", int(n)).mask)
        expected = showing_references(shown, int(seed))
        assert (expected != np.arange(int(n))).all() and shown[expected][shown].all()  # every slot of every drawing
    assert np.array_equal(read_list(path), expected)


def test_a_reference_shows_all_slots_where_one_does_and_the_most_where_none_does():
    shown = np.array([[1, 1, 0], [1, 0, 0], [1, 1, 1], [0, 1, 0]], bool)
    lists = np.array([showing_references(shown, seed) for seed in range(60)])
    assert set(lists[:, 0]) == {2}  # alone shows slots 0 and 1
    assert set(lists[:, 1]) == {0, 2}  # both show slot 0
    assert set(lists[:, 2]) == {0}  # nobody else has all three; this one has two of them
    assert set(lists[:, 3]) == {0, 2}
    assert np.array_equal(showing_references(shown, 7), showing_references(shown, 7))


def test_a_list_wins_over_the_seed_and_without_one_the_seed_makes_it(folder):
    assert np.array_equal(random_references("toon", 4, 0), derangement(4, 0)) and read_list(folder / "no.csv") is None
    assert not folder.exists()  # reading writes nothing
    folder.mkdir()
    list_path("toon", 4, 0).write_text("drawing,reference\n0,3\n1,0\n2,1\n3,2\n")
    assert random_references("toon", 4, 0).tolist() == [3, 0, 1, 2]


def test_a_region_leaves_out_its_rim_and_is_shown_from_twenty_pixels_on():
    mask = np.zeros((20, 40), np.uint8)
    mask[5:11, 5:12] = 1  # without its rim 4 x 5 pixels
    inside = region(mask, 1)
    assert inside.sum() == 20 and inside[6:10, 6:11].all()
    assert region_shown(mask[None]).tolist() == [[True, True, False, False, False, False]]
    mask[5:11, 11] = 0
    assert not region(mask, 1).any() and region(mask, 0).any() and not region_shown(mask[None])[0, 1]

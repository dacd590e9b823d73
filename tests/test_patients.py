"""The patients of notebook 08b: what each has is what is said of it, and the check speaks without telling."""

import numpy as np
import pytest
import torch

from lineart.course import checks, patients
from lineart.course.patients import HAS, HEALTHY


@pytest.fixture(scope="module")
def ward(tmp_path_factory):
    return patients.admit("smoke", 0, tmp_path_factory.mktemp("ward"))


def test_the_ward_keeps_the_threads_and_everybody_has_something_else(ward):
    threads = torch.get_num_threads()
    assert [*ward] == [HEALTHY, *HAS] and len({*HAS.values()}) == len(HAS) == 6
    assert {*HAS.values()} < {*checks.patients.REASONS}
    assert torch.get_num_threads() == threads


def test_an_interruption_leaves_the_threads_as_they_were(tmp_path, monkeypatch):
    def interrupted(*_):
        assert torch.get_num_threads() == 1
        raise KeyboardInterrupt

    monkeypatch.setattr(patients, "_train", interrupted)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    with pytest.raises(KeyboardInterrupt):
        patients.admit("smoke", 0, tmp_path)
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)


@pytest.mark.parametrize("letter", HAS)
def test_one_thing_is_wrong_and_the_rest_is_the_healthy_ones(letter, ward):
    sick, well = (ward[key].trainer for key in (letter, HEALTHY))
    spoilt = {name for name in ("line", "color", "palette") if (vars(sick.pairs)[name] != vars(well.pairs)[name]).any()}
    changed = {"few": {"line", "color", "palette"}, "rate": set(), "shuffled": {"palette"}, "zero to one": {"palette"}}
    assert spoilt == changed.get(HAS[letter], {"color"})
    differs = {key for key, value in vars(well.config).items() if value != getattr(sick.config, key)}
    assert differs == ({"learning_rate"} if HAS[letter] == "rate" else set())


def test_what_was_done_to_the_data(ward):
    by_cause = {cause: ward[letter].trainer.pairs for letter, cause in HAS.items()}
    well = ward[HEALTHY].trainer.pairs
    assert np.array_equal(by_cause["bgr"].color[..., ::-1], well.color)
    wrong = (by_cause["half bgr"].color != well.color).any((1, 2, 3))
    assert wrong[::2].all() and not wrong[1::2].any()
    assert len(np.unique(by_cause["few"].line, axis=0)) == 8 < len(well)
    assert by_cause["zero to one"].palette.max() <= 1
    assert not (by_cause["shuffled"].palette == well.palette).all((1, 2)).any()


def test_samples_and_figures_are_of_the_patients(ward):
    sample = ward["A"].sample()
    assert sample.shape == (8, 3, 32, 32, 3)
    assert np.array_equal(sample[:, 1], ward[HEALTHY].trainer.validation.color[:8])
    assert len(patients.sheets(ward).axes) == 8 * (1 + len(ward))
    grid = patients.curves(ward)
    assert len(grid.axes) == len(HAS) * len(patients.PANELS) and all(len(axis.lines) >= 2 for axis in grid.axes)
    seen = patients.batch_as_seen(ward["C"]).axes
    assert seen[-1].images[0].get_array().max() < 5  # swatches, nearly black


def verdicts(capsys, named):
    assert checks.six_patients(named) is None
    return dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())


def test_nobody_is_named_at_first_and_what_is_odd_is_told(capsys):
    assert "not named yet" in verdicts(capsys, None)["six_patients"]
    assert "dictionary" in verdicts(capsys, ["rate"])["six_patients"]
    told = verdicts(capsys, {"A": "measles", "C": ["few"], "X": "rate"})
    assert all("not on the list" in told[letter] for letter in "AC")
    assert "no such patient" in told["X"] and told["B"] == "not named yet."


def test_the_right_cause_is_right(capsys):
    told = verdicts(capsys, HAS)
    assert [*told] == [*HAS] and all(text.startswith("right. ") and len(text) > 20 for text in told.values())


@pytest.mark.parametrize("cause", checks.patients.REASONS)
def test_a_wrong_cause_hears_what_speaks_against_it_and_not_the_right_one(cause, capsys):
    told = verdicts(capsys, dict.fromkeys(HAS, cause))
    for letter, text in told.items():
        if HAS[letter] != cause:
            alike = {cause, HAS[letter]} == {"shuffled", "zero to one"}
            assert text.startswith("not right yet") and ("look alike" in text) == alike
            assert HAS[letter] not in text.split(" ")

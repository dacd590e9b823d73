"""Ideas as pictures: who is connected with whom, and colours that tell regions apart."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.patches import FancyArrowPatch

from lineart.course.diagrams import alternating_step, label_map, two_players


@pytest.fixture(autouse=True)
def closed():
    plt.switch_backend("Agg")
    yield
    plt.close("all")


def test_in_a_step_each_loss_goes_back_to_one_network():
    axis = alternating_step().axes[0]
    places = {text.get_text().split("\n")[0]: text.get_position() for text in axis.texts}
    back = [(note.xyann, note.xy) for note in axis.texts if getattr(note, "arrow_patch", None)]  # from, to

    def nearest(point, names):
        return min(names, key=lambda name: np.hypot(*np.subtract(places[name], point)))

    networks, losses = ("generator G", "discriminator D", "D, just improved"), ("loss of D", "loss of G")
    assert {(nearest(start, losses), nearest(end, networks)) for start, end in back} == {
        ("loss of D", "discriminator D"),
        ("loss of G", "generator G"),
    }
    assert sum(isinstance(patch, FancyArrowPatch) for patch in axis.patches) == 9


def test_each_player_has_a_panel_with_the_path():
    path = np.array([[1.0, 1.0], [0.5, 0.2]])
    axes = two_players({"short": path, "long": 2 * path}).axes
    assert [axis.get_title() for axis in axes] == ["short", "long"]
    assert axes[1].lines[0].get_xydata().tolist() == (2 * path).tolist()


def test_regions_have_colours_of_their_own():
    labels = np.arange(40).reshape(5, 8)
    picture = label_map(labels)
    assert picture.shape == (5, 8, 3) and picture.dtype == np.uint8
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) == 40
    gaps = np.abs(np.diff(picture.reshape(-1, 3).astype(int), axis=0)).sum(1)
    assert gaps.min() > 60  # neighbours in number are far apart

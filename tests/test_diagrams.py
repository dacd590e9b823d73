"""The course's diagrams show what is so: the steps of k-means, and what a norm's mean is taken over."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from matplotlib.colors import to_hex
from matplotlib.patches import FancyArrowPatch
from sklearn.cluster import KMeans

from lineart.course import diagrams
from lineart.course.diagrams import alternating_step, label_map, two_players

pytestmark = pytest.mark.usefixtures("figures_closed")


def test_the_panels_of_lloyd_start_where_scikit_learn_is_after_as_many_steps():
    points = np.random.default_rng(0).uniform(0, 100, (40, 2))
    figure = diagrams.draw_lloyd(points, points[:3], steps=3)
    for step, axis in enumerate(figure.axes):
        crosses = np.concatenate([line.get_xydata() for line in axis.lines if line.get_marker() == "x"])
        expected = points[:3]
        for _ in range(step):
            expected = KMeans(3, init=expected, n_init=1, max_iter=1, tol=0).fit(points).cluster_centers_
        np.testing.assert_allclose(crosses, expected)
        error = ((points - expected[diagrams.nearest_centre(points, expected)]) ** 2).sum()
        assert axis.get_title().endswith(f"J = {error:,.0f}")


@pytest.mark.parametrize(
    ("name", "norm"),
    [("batch", lambda x: F.batch_norm(x, None, None, training=True)), ("group", lambda x: F.group_norm(x, 2))],
)
def test_what_is_marked_is_what_the_norm_of_the_first_channel_depends_on(name, norm):
    torch.manual_seed(0)
    x = torch.randn(4, 8, 3, 3, requires_grad=True)
    (norm(x)[0, 0] ** 3).sum().backward()
    matters = (x.grad.abs().amax((2, 3)) > 1e-6).numpy()
    np.testing.assert_array_equal(diagrams.shares_statistics(name, 4, 8, groups=2), matters)


def test_both_norms_are_drawn():
    axes = diagrams.draw_norms(pictures=3, channels=8, groups=2, side=5).axes
    colors = [[to_hex(cube.get_facecolor()[0]) for cube in axis.collections] for axis in axes]
    marked = {axis.get_title(): own.count(to_hex(diagrams.SHARED)) for axis, own in zip(axes, colors)}
    assert marked == {"BatchNorm": 3 * 5, "GroupNorm": 4 * 5}  # one channel of all pictures; a group of one picture


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

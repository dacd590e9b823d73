"""The course's diagrams show what is so: the steps of k-means, and what a norm's mean is taken over."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.cluster import KMeans

from lineart.course import diagrams


@pytest.fixture(autouse=True)
def closed():
    plt.switch_backend("Agg")
    yield
    plt.close("all")


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
    assert [axis.get_title() for axis in diagrams.draw_norms().axes] == ["BatchNorm", "GroupNorm"]

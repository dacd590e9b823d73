"""k-means that costs no import is scikit-learn's to the last digit that counts."""

import numpy as np
import pytest
from sklearn.cluster import KMeans

from lineart.data.clusters import k_means


@pytest.mark.parametrize("k", [2, 9])
@pytest.mark.parametrize("seed", range(10))
def test_centres_and_labels_are_those_of_scikit_learn(k, seed):
    rng = np.random.default_rng(seed)
    flat = rng.integers(0, 256, (rng.integers(10, 30), 3))  # ties, as in drawings, and noise, as in photographs
    colors = flat if seed % 2 else np.unique(rng.integers(0, 256, (500, 3)) // 8 * 8, axis=0)
    weights = rng.integers(1, 400, len(colors)).astype(float)
    centers, labels = k_means(colors.astype(float), weights, k, seed)
    expected = KMeans(k, n_init=1, random_state=seed).fit(colors.astype(float), sample_weight=weights)
    np.testing.assert_allclose(centers, expected.cluster_centers_, atol=1e-9)
    np.testing.assert_array_equal(labels, expected.labels_)


def test_a_centre_that_loses_its_points_takes_the_farthest():
    from lineart.data import clusters

    points, centers = np.array([[0.0], [1.0], [10.0]]), np.array([[0.0], [99.0]])
    np.testing.assert_allclose(clusters._means(points, np.ones(3), np.zeros(3, int), centers), [[0.5], [10.0]])

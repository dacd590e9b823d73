"""Weighted k-means, operation for operation that of scikit-learn, whose import takes longer than a network colours."""

from __future__ import annotations

import numpy as np

MAX_STEPS, TOLERANCE = 300, 1e-4  # of the shift of the centres, in variances of the points


def k_means(points: np.ndarray, weights: np.ndarray, k: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Centres (k, d) and labels (n,) of points (n, d) float64 with weights (n,): Lloyd's algorithm from k-means++.

    The same as `sklearn.cluster.KMeans(k, n_init=1, random_state=seed)` to the last digit; a test compares them.
    """
    mean, limit = points.mean(axis=0), np.var(points, axis=0).mean() * TOLERANCE
    points = points - mean
    centers = _spread(points, weights, k, np.random.RandomState(seed))
    labels = _nearest(points, centers)
    for _ in range(MAX_STEPS):
        before, old = labels, centers
        centers = _means(points, weights, labels, old)
        labels = _nearest(points, centers)
        if np.array_equal(labels, before) or ((centers - old) ** 2).sum() <= limit:
            break
    return centers + mean, labels


def _spread(points: np.ndarray, weights: np.ndarray, k: int, random: np.random.RandomState) -> np.ndarray:
    """k-means++ (Arthur and Vassilvitskii 2007): far points by lot, of a few candidates the best each time."""
    rows = np.array([random.choice(len(points), p=weights / weights.sum())])
    chosen, nearest = [rows[0]], _squares(points, points[rows])[0]  # (n,): to the nearest centre so far
    while len(chosen) < k:
        lots = random.uniform(size=2 + int(np.log(k))) * (nearest @ weights)
        rows = np.searchsorted(np.cumsum(weights * nearest), lots).clip(max=len(points) - 1)
        distances = np.minimum(nearest, _squares(points, points[rows]))
        best = np.argmin(distances @ weights)
        nearest = distances[best]
        chosen.append(rows[best])
    return points[chosen]


def _squares(points: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """(k, n): squared distances."""
    return np.maximum(-2 * (centers @ points.T) + _norms(centers)[:, None] + _norms(points), 0)


def _nearest(points: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """(n,): the centre of every point."""
    return (_norms(centers) - 2 * (points @ centers.T)).argmin(axis=1)


def _means(points: np.ndarray, weights: np.ndarray, labels: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """The next centres; one that has lost all its points takes the point that is farthest from its own centre."""
    sizes = np.bincount(labels, weights, len(centers))
    if not sizes.all():
        empty, far = np.flatnonzero(sizes == 0), np.argsort(-_norms(points - centers[labels]))
        labels = labels.copy()
        labels[far[: len(empty)]] = empty
        sizes = np.bincount(labels, weights, len(centers))
    sums = np.stack([np.bincount(labels, weights * column, len(centers)) for column in points.T], axis=1)
    return sums * (1 / sizes)[:, None]


def _norms(points: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->i", points, points)  # whose last digits are not those of a sum of squares

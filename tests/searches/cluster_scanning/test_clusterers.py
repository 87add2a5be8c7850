"""Ways of clustering jets."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import KMeans

from hepcs._core.errors import ArgumentError
from hepcs.searches.cluster_scanning.clusterers import Mixture, count_jets, train
from hepcs.searches.cluster_scanning.section import ClusterScanning

CLUSTERERS = ["mini_batch", "lloyd", "gaussian_mixture", "birch"]


def section(clusterer: str, **changes: object) -> ClusterScanning:
    return ClusterScanning.model_validate({"clusterer": clusterer, "k": 8, "batch_size": 512} | changes)


def clumps(n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Eight clumps far from each other, of different sizes and shapes."""
    rng = np.random.default_rng(1)
    centres = rng.permutation(np.eye(8, 5) * 30 + rng.normal(size=(8, 5)) * 20)
    which = rng.choice(8, size=n, p=np.arange(1, 9) / 36)
    widths = rng.uniform(0.5, 1.5, size=(8, 5))
    return (centres[which] + rng.normal(size=(n, 5)) * widths[which]).astype(np.float32), which


@pytest.mark.parametrize("clusterer", CLUSTERERS)
def test_clumps_are_found(clusterer: str) -> None:
    jets, which = clumps()
    wanted = section(clusterer, k=8 if clusterer == "birch" else 16)
    model = train(jets, wanted, np.random.default_rng(2))
    assert model.k == wanted.k
    assert model.centres.shape == (wanted.k, 5)
    labels = model.labels(jets)
    for cluster in np.unique(labels):
        clump = np.bincount(which[labels == cluster])
        assert clump.max() > 0.99 * clump.sum()


@pytest.mark.parametrize("clusterer", CLUSTERERS)
def test_counts_are_those_of_the_labels(clusterer: str) -> None:
    jets, _ = clumps()
    models = [train(jets, section(clusterer), np.random.default_rng(seed)) for seed in (1, 2)]
    rng = np.random.default_rng(3)
    features = jets[:1000].reshape(500, 2, 5)
    rows, cells, times = rng.permutation(500)[:300], rng.integers(0, 4, 300), rng.integers(1, 4, 300)
    counts = count_jets(features, rows, cells, times, models, 4, "compiled")
    for model, found in zip(models, counts, strict=True):
        expected = np.zeros((8, 4), dtype=np.int64)
        for jet in range(2):
            np.add.at(expected, (model.labels(features[rows, jet]), cells), times)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("clusterer", CLUSTERERS)
def test_the_generator_decides(clusterer: str) -> None:
    jets, _ = clumps()
    wanted = section(clusterer, training_jets=1000)
    one, same, other = (train(jets, wanted, np.random.default_rng(seed)).centres for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_lloyd_reaches_what_scikit_learn_reaches() -> None:
    """No clumps, so many local minima: the mean inertia over seeds agrees within its scatter."""
    jets = np.random.default_rng(1).normal(size=(3000, 6)).astype(np.float32)

    def inertia(centres: np.ndarray) -> float:
        return float(((jets[:, None] - centres[None]) ** 2).sum(axis=2).min(axis=1).sum())

    ours = [inertia(train(jets, section("lloyd"), np.random.default_rng(seed)).centres) for seed in range(20)]
    theirs = [KMeans(8, n_init=1, random_state=seed).fit(jets).inertia_ for seed in range(20)]
    error = np.hypot(np.std(ours), np.std(theirs)) / np.sqrt(20)
    assert np.mean(ours) == pytest.approx(np.mean(theirs), abs=4 * error)


def test_a_mixture_is_judged_by_its_density() -> None:
    """Two components at the same place: near it the narrow one is more probable, far from it the wide one."""
    model = Mixture(np.zeros((2, 1), np.float32), np.array([[1.0], [100.0]]), np.array([0.5, 0.5]))
    # Equal where x^2 / 2 (1 - 1 / 100) = ln 10.
    edge = np.sqrt(2 * np.log(10) / 0.99)
    jets = np.array([[0], [edge - 1e-3], [edge + 1e-3], [-50]], dtype=np.float32)
    np.testing.assert_array_equal(model.labels(jets), [0, 0, 1, 1])


def test_too_few_clusters_for_birch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hepcs.searches.cluster_scanning.clusterers._BIRCH_RADIUS", 100)
    with pytest.raises(ArgumentError, match=r"birch found 1 clusters of radius .*fewer than k = 8"):
        train(clumps()[0], section("birch"), np.random.default_rng(1))


def test_birch_merges_no_centres_that_are_not_finite() -> None:
    # Squares of these features fit into no float32.
    jets = np.random.default_rng(1).uniform(5e18, 1e19, size=(2000, 5)).astype(np.float32)
    with (
        np.errstate(over="ignore"),
        pytest.raises(ArgumentError, match=r"birch cannot cluster these features: .*infinity"),
    ):
        train(jets, section("birch"), np.random.default_rng(1))

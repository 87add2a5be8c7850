"""The compiled k-means against brute force, against hand-computed steps, and against scikit-learn."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from numba import njit
from scipy.stats import ks_2samp

from hepcs._core.errors import ArgumentError
from hepcs.searches.cluster_scanning.kmeans import ClusterModel, Engine, assign, compiled, train
from hepcs.searches.cluster_scanning.kmeans.kernels import take_step
from hepcs.searches.cluster_scanning.kmeans.tiles import LANES, nearest_by_numpy, nearest_in_tile


def overlapping(n: int, d: int, seed: int = 1) -> np.ndarray:
    """Clumps of unequal width that overlap, so that no clustering is the only good one."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(12, d)) * 3
    width = rng.uniform(0.5, 2.5, size=(n, 1))
    return (centres[rng.integers(0, 12, size=n)] + rng.normal(size=(n, d)) * width).astype(np.float32)


def squared_distances(features: np.ndarray, centres: np.ndarray) -> np.ndarray:
    return np.square(features[:, None].astype(np.float64) - centres[None]).sum(axis=-1)


def inertia(features: np.ndarray, model: ClusterModel) -> float:
    return float(squared_distances(features, model.centres).min(axis=1).mean())


@pytest.mark.parametrize(
    ("n", "d", "k"), [(0, 4, 3), (1, 1, 1), (127, 3, 7), (128, 4, 50), (1000, 45, 25), (300, 200, 9)]
)
def test_assignment_against_brute_force(n: int, d: int, k: int) -> None:
    """Blocks and tiles that are full, partly full, and just one too long."""
    features = overlapping(n, d)
    centres = overlapping(k, d, seed=2)
    distances = squared_distances(features, centres)
    chosen = distances[np.arange(n), assign(features, ClusterModel(centres))]
    np.testing.assert_allclose(chosen, distances.min(axis=1, initial=np.inf), rtol=1e-5)


def test_the_company_of_a_jet_does_not_matter() -> None:
    features = overlapping(700, 10)
    model = ClusterModel(overlapping(20, 10, seed=2))
    alone = [int(assign(features[i : i + 1], model)[0]) for i in range(0, 700, 7)]
    np.testing.assert_array_equal(assign(features, model)[::7], alone)


def test_read_only_and_strided_jets() -> None:
    features = overlapping(400, 10)
    model = train(features[::2], 5, 100, np.random.default_rng(1))
    same = train(features[::2].copy(), 5, 100, np.random.default_rng(1))
    np.testing.assert_array_equal(model.centres, same.centres)
    expected = assign(features[::2].copy(), model)
    features.setflags(write=False)
    np.testing.assert_array_equal(assign(features[::2], model), expected)
    np.testing.assert_array_equal(assign(features, model)[::2], expected)


def test_a_step_by_hand() -> None:
    """Two centroids at 0 and 10 with 2 and 0 jets; the batch 1, 3, 8 moves them to (0*2 + 4)/4 and 8."""
    centres = compiled._Centres(np.array([[0.0], [10.0]]))
    centres.counts[:] = 2, 0
    batch = np.array([[1], [3], [8]], dtype=np.float32)
    total = take_step(batch, centres.exact, centres.counts, centres.rounded, centres.half_norms)
    assert total == pytest.approx(1 + 9 + 4)
    np.testing.assert_array_equal(centres.exact, [[1], [8]])
    np.testing.assert_array_equal(centres.counts, [4, 1])


def test_centroids_with_few_jets_are_put_elsewhere() -> None:
    """Below a hundredth of the largest: the second; it gets a jet of the batch and the count of the third."""
    centres = compiled._Centres(np.array([[0.0], [1.0], [2.0]]))
    centres.counts[:] = 1000, 9, 10
    batch = np.array([[50], [60], [70]], dtype=np.float32)
    compiled._reassign(centres, batch, np.random.default_rng(1))
    assert centres.exact[1, 0] in {50, 60, 70}
    np.testing.assert_array_equal(centres.exact[[0, 2], 0], [0, 2])
    np.testing.assert_array_equal(centres.counts, [1000, 10, 10])


def test_at_most_half_a_batch_is_reassigned() -> None:
    centres = compiled._Centres(np.zeros((6, 1)))
    centres.counts[:] = 1000, 3, 1, 2, 5, 4
    batch = np.array([[50], [60], [70], [80]], dtype=np.float32)
    compiled._reassign(centres, batch, np.random.default_rng(1))
    np.testing.assert_array_equal(np.flatnonzero(centres.exact[:, 0]), [2, 3])
    np.testing.assert_array_equal(centres.counts, [1000, 3, 3, 3, 5, 4])


def test_training_ends_ten_steps_after_the_last_improvement() -> None:
    convergence = compiled._Convergence(weight=0.5)
    falling = [convergence.reached(value) for value in (8.0, 4.0, 2.0)]
    # The mean stays at its minimum of 3.5 from here on: no new one.
    still = [convergence.reached(4.0) for _ in range(10)]
    assert not any(falling)
    assert still == [False] * 9 + [True]


def test_seeds_are_distinct_jets_while_there_are_any() -> None:
    features = np.repeat(np.arange(6, dtype=np.float32)[:, None] * 100 + 0.1, 50, axis=0)
    seeds = compiled.choose_seeds(features, 6, np.random.default_rng(3))
    np.testing.assert_array_equal(np.sort(seeds[:, 0]), np.unique(features))


def test_seeds_far_away_are_likelier() -> None:
    """Of 99 jets at 0 and one each at 1 and 3, the second seed is drawn as 1 : 9 where the trials are two."""
    features = np.array([[0]] * 99 + [[1], [3]], dtype=np.float32)
    second = np.array(
        [compiled.choose_seeds(features, 2, np.random.default_rng(s))[:, 0].max() for s in range(400)]
    )
    # The greedy choice takes 1 only if both trials are 1, and the first seed is nearly always at 0.
    assert 0 <= np.mean(second == 1) < 0.04
    assert np.mean(second == 3) > 0.95


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_features_that_are_no_numbers(bad: float) -> None:
    features = overlapping(300, 3)
    model = ClusterModel(features[:4].copy())
    features[137, 1] = bad
    with pytest.raises(ArgumentError, match="1 of 300 jets"):
        assign(features, model)
    with pytest.raises(ArgumentError, match="some training jets"):
        train(features, 4, 300, np.random.default_rng(1))


def test_other_processes_get_the_same_bits() -> None:
    features = overlapping(5000, 20)
    seeds = range(4)
    here = [train(features, 15, 512, np.random.default_rng(seed)) for seed in seeds]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        trained = [pool.submit(train, features, 15, 512, np.random.default_rng(seed)) for seed in seeds]
        assigned = [pool.submit(assign, features, model) for model in here]
        for model, there, labels in zip(here, trained, assigned, strict=True):
            assert there.result().centres.tobytes() == model.centres.tobytes()
            np.testing.assert_array_equal(labels.result(), assign(features, model))


def test_the_inertia_follows_the_reference() -> None:
    """Forty seeds each: the mean squared distance to the centroids comes from one distribution."""
    features = overlapping(6000, 6)
    values: dict[Engine, list[float]] = {"compiled": [], "sklearn": []}
    for engine, found in values.items():
        for seed in range(40):
            found.append(inertia(features, train(features, 20, 512, np.random.default_rng(seed), engine)))
    assert ks_2samp(values["compiled"], values["sklearn"]).pvalue > 0.01
    assert np.mean(values["compiled"]) == pytest.approx(np.mean(values["sklearn"]), rel=0.005)


@njit
def _compiled(tile, centres, half_norms, best, chosen):  # type: ignore[no-untyped-def]
    nearest_in_tile(tile, centres, half_norms, best, chosen)


def test_code_that_is_not_compiled_gives_the_same_bits() -> None:
    """What NUMBA_DISABLE_JIT=1 runs, which no intrinsic can."""
    rng = np.random.default_rng(11)
    tile = rng.standard_normal((7, LANES), dtype=np.float32)
    tile[3, 5] = np.nan
    centres = rng.standard_normal((8, 7), dtype=np.float32)
    centres[2] = centres[6]
    half_norms = (0.5 * np.square(centres).sum(axis=1)).astype(np.float32)
    half_norms[-1] = np.inf
    found = []
    for function in (_compiled, nearest_by_numpy):
        best, chosen = np.empty(LANES, np.float32), np.empty(LANES, np.float32)
        function(tile, centres, half_norms, best, chosen)
        found.append((best, chosen))
    np.testing.assert_array_equal(*found)
    assert found[1][0][5] == np.inf

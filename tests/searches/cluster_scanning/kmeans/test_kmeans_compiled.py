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
from hepcs.searches.cluster_scanning.kmeans.int16_tiles import (
    WIDE,
    gather_tile,
    gather_tile_by_numpy,
    label_tile,
    label_tile_by_numpy,
)
from hepcs.searches.cluster_scanning.kmeans.kernels import take_step
from hepcs.searches.cluster_scanning.kmeans.nearest import first_feature, rounded_jets
from hepcs.searches.cluster_scanning.kmeans.tiles import (
    BLOCK,
    add_up,
    add_up_by_numpy,
    block_distances,
    block_distances_by_numpy,
    nearest_by_numpy,
    nearest_in_tile,
    scores_by_numpy,
    scores_of,
)
from hepcs.searches.cluster_scanning.kmeans.vectors import LANES


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
    jets = rounded_jets(np.array([[1], [3], [8]], dtype=np.float32))
    centres = compiled._Centres(np.array([[0.0], [10.0]]), jets)
    centres.counts[:] = 2, 0
    total = take_step(jets.rows, np.arange(3), centres.exact, centres.counts, centres.rounded)
    assert total == pytest.approx(1 + 9 + 4)
    np.testing.assert_array_equal(centres.exact, [[1], [8]])
    np.testing.assert_array_equal(centres.counts, [4, 1])


def test_centroids_with_few_jets_are_put_elsewhere() -> None:
    """Below a hundredth of the largest: the second; it gets a jet of the batch and the count of the third."""
    batch = np.array([[50], [60], [70]], dtype=np.float32)
    centres = compiled._Centres(np.array([[0.0], [1.0], [2.0]]), rounded_jets(batch))
    centres.counts[:] = 1000, 9, 10
    compiled._reassign(centres, batch, np.arange(len(batch)), np.random.default_rng(1))
    assert centres.exact[1, 0] in {50, 60, 70}
    np.testing.assert_array_equal(centres.exact[[0, 2], 0], [0, 2])
    np.testing.assert_array_equal(centres.counts, [1000, 10, 10])


def test_at_most_half_a_batch_is_reassigned() -> None:
    batch = np.array([[50], [60], [70], [80]], dtype=np.float32)
    centres = compiled._Centres(np.zeros((6, 1)), rounded_jets(batch))
    centres.counts[:] = 1000, 3, 1, 2, 5, 4
    compiled._reassign(centres, batch, np.arange(len(batch)), np.random.default_rng(1))
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


def by_the_plain_product(features: np.ndarray, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels and least scores |c|^2 / 2 - x.c in float32, one feature after the other."""
    half_norms = (np.square(centres.astype(np.float64)).sum(axis=1) / 2).astype(np.float32)
    scores = np.repeat(half_norms[np.newaxis], len(features), axis=0)
    for jets, row in zip(features.T, centres.T, strict=True):
        scores -= jets[:, np.newaxis] * row
    return scores.argmin(axis=1), scores.min(axis=1)


def samples() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Jets and centroids, most of them made so that rounding decides, or that there is nothing to decide."""
    rng = np.random.default_rng(5)
    jets = overlapping(1500, 28)
    some, few = jets[rng.choice(len(jets), 50, replace=False)], jets[:7]
    far = jets.copy()
    far[::9] *= 300
    grid = rng.integers(-3, 4, size=(1500, 5)).astype(np.float32)
    between = np.repeat((some[:25] + some[25:]) / 2, 20, axis=0)
    return {
        "as usual": (jets, some),
        "ties on a grid": (grid, grid[:30] + np.float32(0.5)),
        "duplicates": (np.repeat(jets[:40], 9, axis=0), np.concatenate([few, few, few])),
        "half way between two": (between + rng.normal(scale=1e-6, size=between.shape), some),
        "far outside": (far, some),
        "far from zero": (jets + np.float32(1e4), some + np.float32(1e4)),
        "all alike": (np.full((70, 3), 0.1), np.full((6, 3), 0.1)),
        "centroids close together": (jets, few[0] + np.float32(1e-5) * some),
        "at zero": (jets, np.zeros((4, 28))),
        "tiny": (jets * np.float32(1e-21), some * np.float32(1e-21)),
        "huge": (jets * np.float32(1e17), some * np.float32(1e17)),
        "one column, one cluster": (jets[:, :1], some[:1, :1]),
        "many clusters": (jets, jets[:300]),
        "many columns": (overlapping(200, 700), overlapping(12, 700)),
    }


@pytest.mark.parametrize("name", samples())
def test_labels_are_those_of_the_plain_product(name: str) -> None:
    """Of every jet, whatever the first pass leaves to the second."""
    features, centres = (np.asarray(one, dtype=np.float32) for one in samples()[name])
    labels, _ = by_the_plain_product(features, centres)
    np.testing.assert_array_equal(assign(features, ClusterModel(centres)), labels)
    # Several clusterings and two jets an event, on rows in any order.
    rng = np.random.default_rng(2)
    pairs = features[: len(features) // 2 * 2].reshape(-1, 2, features.shape[1])
    rows, cells, times = (rng.integers(0, n, size=301) for n in (len(pairs), 4, 3))
    models = [centres, centres[::-1].copy()]
    counts = compiled.count_jets(pairs, rows, cells, times, models, 4)
    for found, model in zip(counts, models, strict=True):
        own = by_the_plain_product(pairs[rows].reshape(-1, features.shape[1]), model)[0]
        expected = np.zeros_like(found)
        np.add.at(expected, (own, np.repeat(cells, 2)), np.repeat(times, 2))
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", samples())
def test_a_step_is_that_of_the_plain_product(name: str) -> None:
    """To the last bit, whatever scale the jets have: the inertia decides when the training ends."""
    features, centres = (np.asarray(one, dtype=np.float32) for one in samples()[name])
    jets = rounded_jets(features)
    prepared = compiled._Centres(centres, jets)
    drawn = np.random.default_rng(3).integers(len(features), size=1001)
    total = take_step(jets.rows, drawn, prepared.exact, prepared.counts, prepared.rounded)
    chosen = features[drawn]
    labels, scores = by_the_plain_product(chosen, centres)
    expected, squares = 0.0, np.zeros(features.shape[1])
    sums = np.zeros(centres.shape)
    for jet, label, score in zip(chosen.astype(np.float64), labels, scores, strict=True):
        expected += 2 * float(score)
        squares += jet**2
        sums[label] += jet
    for square in squares:
        expected += square
    assert total == expected
    counts = np.bincount(labels, minlength=len(centres))
    np.testing.assert_array_equal(prepared.counts, counts)
    given = counts > 0
    np.testing.assert_array_equal(prepared.exact[given], sums[given] / counts[given, np.newaxis])
    np.testing.assert_array_equal(prepared.exact[~given], centres[~given])


def test_rounded_jets_are_near() -> None:
    """Whole numbers, their norm and that of their error bound what the first pass may get wrong."""
    features = overlapping(300, 28)
    features[7], features[8, 3] = 0, np.nan
    jets = rounded_jets(np.delete(features, 8, axis=0))
    start = first_feature(28)
    np.testing.assert_array_equal(jets.rows[:, start : start + 28], jets.x)
    whole = jets.rows.view(np.int16)[:, : 2 * start].astype(np.float64)
    exact = jets.scale.astype(np.float64) * (jets.x.astype(np.float64) - jets.shift)
    error = np.linalg.norm(whole[:, :28] - exact, axis=1)
    assert (error <= whole[:, -1] / 256).all()
    assert (whole[:, -1] / 256 <= error + 0.1).all()
    norm = np.linalg.norm(whole[:, :28], axis=1)
    np.testing.assert_array_equal(whole[:, -2], np.ceil(norm))
    assert norm.max() == pytest.approx(23_000, rel=1e-3)
    # Of what is no number nothing is known.
    assert (rounded_jets(features).rows.view(np.int16)[8, 2 * start - 2]) == -1


@njit
def _nearest_in_tile(tile, centres, half_norms, best, chosen):  # type: ignore[no-untyped-def]
    nearest_in_tile(tile, centres, half_norms, best, chosen)


@njit
def _gather_tile(rows, index, first, tile):  # type: ignore[no-untyped-def]
    gather_tile(rows, index, first, tile)


@njit
def _block_distances(block, point, result):  # type: ignore[no-untyped-def]
    block_distances(block, point, result)


@njit
def _label_tile(tile, centres, norms, mask, margins, labels, doubtful):  # type: ignore[no-untyped-def]
    return label_tile(tile, centres, norms, mask, margins, 64, labels, doubtful, 3)


@njit
def _scores_of(x, index, labels, centres, half_norms, scores):  # type: ignore[no-untyped-def]
    scores_of(x, index, 64, 16, labels, centres, half_norms, scores)


@njit
def _add_up(x, index, labels, sums, squares):  # type: ignore[no-untyped-def]
    add_up(x, index, 64, 20, labels, sums, squares)


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
    for function in (_nearest_in_tile, nearest_by_numpy):
        best, chosen = np.empty(LANES, np.float32), np.empty(LANES, np.float32)
        function(tile, centres, half_norms, best, chosen)
        found.append((best, chosen))
    np.testing.assert_array_equal(*found)
    assert found[1][0][5] == np.inf


def test_whole_numbers_without_compilation() -> None:
    """An index that ends within a tile, and a chunk that is partly full."""
    rng = np.random.default_rng(12)
    x = rng.standard_normal((90, 19), dtype=np.float32)
    rows = rounded_jets(x).rows
    index = rng.integers(0, 90, size=84)
    centres, half_norms = x[20:28].copy(), rng.standard_normal(8, dtype=np.float32)
    whole = rng.integers(-9000, 9000, size=(8, 10, 2)).astype(np.int16)
    norms = rng.integers(0, 1 << 25, size=8).astype(np.int32)
    margins = rng.integers(0, 1 << 26, size=WIDE).astype(np.int32)
    block, point = rng.standard_normal((19, BLOCK), dtype=np.float32), x[3].copy()
    kinds = (
        (_gather_tile, _label_tile, _scores_of, _add_up, _block_distances),
        (
            gather_tile_by_numpy,
            lambda *one: label_tile_by_numpy(*one[:5], 64, *one[5:], 3),
            lambda x, index, *others: scores_by_numpy(x, index, 64, 16, *others),
            lambda x, index, *others: add_up_by_numpy(x, index, 64, 20, *others),
            block_distances_by_numpy,
        ),
    )
    found = []
    for gathering, labelling, scoring, adding, measuring in kinds:
        tile = np.zeros((16, WIDE, 2), np.int16)
        for first in (64, 80):
            gathering(rows, index, first, tile)
        labels, doubtful = np.zeros(128, np.int32), np.zeros(140, np.int32)
        n = labelling(tile, whole, norms, 7, margins, labels, doubtful)
        scores, sums, squares = np.empty(LANES, np.float32), np.zeros((8, 32)), np.zeros(32)
        scoring(x, index, labels[64:], centres, half_norms, scores)
        adding(x, index, labels[64:], sums, squares)
        distances = np.empty(BLOCK, np.float32)
        measuring(block, point, distances)
        found.append((tile, labels, n, doubtful[:n], scores, sums, squares, distances))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)
    assert 3 < found[0][2] < 3 + WIDE

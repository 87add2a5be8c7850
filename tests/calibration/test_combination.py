"""One p for all searches: the smallest p, calibrated on the data sets that all of them saw."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from hepcs._core.errors import ArgumentError
from hepcs.calibration import Combination, calibrate, combine, combine_many

NAN = float("nan")


def by_definition(observed: NDArray[np.float64], null: NDArray[np.float64]) -> float:
    """p of the pooled ranks, written out row by row."""
    pool = np.vstack([observed, null])
    keys = []
    for row in pool:
        of_searches = []
        for s, value in enumerate(row):
            column = pool[~np.isnan(pool[:, s]), s]
            start, end = np.quantile(column, [0.9, 0.95]) if column.size else (0.0, 0.0)
            excess = (value - start) / (end - start) if end > start and not np.isnan(value) else 0.0
            p = 1.0 if np.isnan(value) else (column >= value).sum() / column.size
            of_searches.append((p, -excess))
        # The smallest p; of equal ones that with the largest excess.
        keys.append(min(of_searches))
    return float(np.mean([key <= keys[0] for key in keys]))


def correlated(n: int, searches: int, rho: float, seed: int) -> NDArray[np.float64]:
    """Normal statistics with a common part, another scale and offset for each search."""
    rng = np.random.default_rng(seed)
    common, own = rng.normal(size=(n, 1)), rng.normal(size=(n, searches))
    return (np.sqrt(rho) * common + np.sqrt(1 - rho) * own) * np.arange(1, searches + 1) + 3


@pytest.mark.parametrize("seed", range(20))
def test_is_the_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    # Rounded, so that there are ties; some failed.
    null = np.round(correlated(60, 3, 0.4, seed), 1)
    null[rng.random(null.shape) < 0.1] = NAN
    observed = np.round(correlated(8, 3, 0.4, 100 + seed) + rng.integers(0, 4), 1)
    observed[rng.random(observed.shape) < 0.2] = NAN
    for row, found in zip(observed, combine_many(observed, null), strict=True):
        assert found.p == pytest.approx(by_definition(row, null), abs=1e-12)


def test_by_hand() -> None:
    # The first search ranks the observed row second of five, the other one fourth.
    null = [[1.0, 9.0], [2.0, 8.0], [3.0, 7.0], [5.0, 1.0]]
    found = combine([4.0, 6.0], null)
    np.testing.assert_allclose(found.p_single, [2 / 5, 4 / 5])
    assert (found.best, found.smallest_p) == (0, 2 / 5)
    # T of the null rows: 1/5 (second search), 2/5 (second search), 3/5, 1/5 (first search). The second one ties.
    # Quantiles over all five rows: 4.6 and 4.8 of the first search, 8.6 and 8.8 of the second. So E is (4 - 4.6) /
    # 0.2 = -3 for the observed row and (8 - 8.6) / 0.2 = -3 for the one that ties: equal, and it counts.
    assert found.p == 4 / 5
    assert (found.calibration.n_above, found.calibration.n_null) == (3, 4)
    assert found.calibration.p == 3 / 4
    # A little less far in the second search: the tie is broken.
    assert combine([4.0, 6.0], [[1.0, 9.0], [2.0, 7.9], [3.0, 7.0], [5.0, 1.0]]).p == 3 / 5
    assert found.bound is None
    assert found.single == (calibrate(4.0, [1, 2, 3, 5]), calibrate(6.0, [9, 8, 7, 1]))
    assert found.p_single[0] == found.single[0].p_smoothed  # type: ignore[union-attr]
    assert found.n_effective == pytest.approx(np.log(1 / 5) / np.log(3 / 5))


def test_independent_searches() -> None:
    null = correlated(20_000, 5, 0.0, 1)
    for quantile in (0.02, 0.003):
        observed = np.quantile(null, 0.5, axis=0)
        observed[3] = np.quantile(null[:, 3], 1 - quantile)
        found = combine(observed, null)
        assert found.best == 3
        assert found.smallest_p == pytest.approx(quantile, abs=1e-4)
        expected = 1 - (1 - quantile) ** 5
        assert found.p == pytest.approx(expected, abs=4 * np.sqrt(expected / 20_000))
        assert found.calibration.p_low < expected * 1.05 and found.calibration.p_high > expected * 0.95
        assert found.n_effective == pytest.approx(5, rel=0.2)


def test_the_same_search_five_times() -> None:
    null = correlated(20_000, 1, 0.0, 2) @ np.array([[1.0, 2.0, 0.5, 10.0, 3.0]])
    observed = np.quantile(null, 0.997, axis=0)
    found = combine(observed, null)
    assert found.p == found.smallest_p == pytest.approx(0.003, abs=1e-4)
    assert found.n_effective == pytest.approx(1)


def test_correlated_searches_lie_between() -> None:
    null = correlated(20_000, 5, 0.8, 3)
    observed = np.full(5, -100.0)
    observed[2] = np.quantile(null[:, 2], 0.99)
    found = combine(observed, null)
    assert 0.013 < found.p < 0.045
    assert found.n_effective is not None and 1.3 < found.n_effective < 4.5


@pytest.mark.parametrize("rho", [0.0, 0.6, 1.0])
def test_p_of_null_data_is_uniform(rho: float) -> None:
    null, observed = correlated(8000, 4, rho, 4), correlated(400, 4, rho, 5)
    p = [found.p for found in combine_many(observed, null)]
    assert stats.kstest(p, "uniform").pvalue > 0.01


@pytest.mark.parametrize("rho", [0.0, 1.0])
def test_valid_for_few_null_rows(rho: float) -> None:
    # Nine rows: p = i / 10 each with probability 1 / 10, ties of T only make it larger.
    p = np.array([combine(rows[0], rows[1:]).p for rows in correlated(20_000, 3, rho, 6).reshape(-1, 10, 3)])
    for alpha in (0.1, 0.2, 0.5):
        assert (p <= alpha + 1e-9).mean() <= alpha + 3 * np.sqrt(alpha / p.size)
    if rho == 1:
        assert stats.chisquare(np.bincount(np.round(10 * p).astype(int))[1:]).pvalue > 0.01


def test_many_rows_are_each_of_them() -> None:
    null, doped = correlated(500, 3, 0.3, 7), correlated(20, 3, 0.3, 8) + np.array([2.0, 0, 0])
    found = combine_many(doped, null)
    assert len(found) == 20
    for one, row in zip(found, doped, strict=True):
        alone = combine(row, null)
        assert (one.p, one.best, one.calibration, one.single) == (
            alone.p,
            alone.best,
            alone.calibration,
            alone.single,
        )
    # The signal is in the first search: less significant together than there, and more so than without it.
    together = np.median([one.p for one in found])
    assert np.median([one.p_single[0] for one in found]) < together
    assert together < np.median([one.p for one in combine_many(correlated(20, 3, 0.3, 8), null)])


def test_nothing_above_is_a_bound() -> None:
    null = correlated(1000, 3, 0.2, 9)
    everywhere = combine([100.0, 100.0, 100.0], null)
    assert (everywhere.bound, everywhere.calibration.n_above) == ("lower", 0)
    assert (everywhere.calibration.p, everywhere.p) == (1 / 1000, 1 / 1001)
    assert (everywhere.calibration.p_low, everywhere.calibration.z_high) == (0, None)
    # In one search only: the largest rows of the two others have T = 1 / 1001 as well, but are no further out
    # than largest rows are.
    in_one = combine([0.0, 100.0, 0.0], null)
    assert (in_one.best, in_one.smallest_p) == (1, 1 / 1001)
    assert (in_one.bound, in_one.calibration.n_above, in_one.p) == ("lower", 0, 1 / 1001)
    # Just above its null: one of three that are the largest of a search, and E says which one.
    just_above = null.max(axis=0)[1] + 1e-3
    at_its_edge = combine([0.0, just_above, 0.0], null)
    assert (at_its_edge.best, at_its_edge.smallest_p) == (1, 1 / 1001)
    assert at_its_edge.calibration.n_above in (0, 1, 2)
    assert at_its_edge.p == by_definition(np.array([0.0, just_above, 0.0]), null)
    # The null reaches it: a value.
    null[4, 1] = 100.0
    # Two largest rows of the others, the null row that is equal, and itself.
    reached = combine([0.0, 100.0, 0.0], null)
    assert (reached.bound, reached.calibration.n_above, reached.p) == (None, 3, 4 / 1001)


def test_the_furthest_of_equal_ones_is_best() -> None:
    null = correlated(1000, 3, 0.2, 9)
    found = combine([40.0, 41.0, 90.0], null)
    # Scales of the three are 1, 2 and 3, so the first is furthest.
    np.testing.assert_array_equal(found.p_single, np.full(3, 1 / 1001))
    assert found.best == 0


def test_a_statistic_without_a_tail_keeps_its_ties() -> None:
    # Two values only: no way between the quantiles.
    null = np.repeat([[0.0], [1.0]], [95, 5], axis=0)
    found = combine([1.0], null)
    assert (found.p, found.calibration.n_above) == (6 / 101, 5)


def test_below_all_is_a_bound_as_well() -> None:
    found = combine([-100.0, -100.0], correlated(50, 2, 0.2, 1))
    assert (found.p, found.bound, found.n_effective) == (1.0, "upper", None)


def test_a_search_without_a_statistic() -> None:
    null = correlated(2000, 3, 0.0, 10)
    observed = np.array([NAN, np.quantile(null[:, 1], 0.99), np.quantile(null[:, 2], 0.5)])
    found = combine(observed, null)
    assert found.single[0] is None
    assert (found.p_single[0], found.best) == (1.0, 1)
    # It was looked at in the null, and counts there.
    assert found.p == pytest.approx(1 - 0.99**3, abs=0.01)
    # A search that failed everywhere says nothing, and costs nothing.
    null[:, 0] = NAN
    assert combine(observed, null).p == combine(observed[1:], null[:, 1:]).p
    assert combine([7.0, *observed[1:]], null).p_single[0] == 1.0
    nothing = combine([NAN, NAN, NAN], null)
    assert (nothing.best, nothing.p, nothing.single) == (None, 1.0, (None, None, None))


def test_p_is_uniform_where_fits_fail() -> None:
    rng = np.random.default_rng(11)
    null, observed = correlated(8000, 3, 0.3, 12), correlated(400, 3, 0.3, 13)
    # More often where the statistic is large, as fits do.
    for rows in (null, observed):
        rows[rng.random(rows.shape) < 0.2 * (rows > 3)] = NAN
    p = [found.p for found in combine_many(observed, null)]
    assert stats.kstest(p, "uniform").pvalue > 0.01


@pytest.mark.parametrize(
    ("observed", "null", "match"),
    [
        ([1.0, 2.0], [[1.0], [2.0]], "same searches"),
        ([1.0], [1.0, 2.0], "same searches"),
        ([[1.0]], [[1.0], [2.0]], r"shape \(searches,\)"),
        ([], np.empty((3, 0)), "same searches"),
        ([1.0], [[1.0]], "at least two"),
        ([np.inf], [[1.0], [2.0]], "observed statistics must be finite.* data set 0, search 0"),
        ([1.0, 2.0], [[1.0, 2.0], [3.0, -np.inf]], "null statistics must be finite.* data set 1, search 1"),
    ],
)
def test_refuses(observed: ArrayLike, null: ArrayLike, match: str) -> None:
    with pytest.raises(ArgumentError, match=match):
        combine(observed, null)


def test_refuses_other_rows() -> None:
    with pytest.raises(ArgumentError, match="same searches"):
        combine_many([1.0, 2.0], [[1.0, 2.0]] * 3)
    assert combine_many(np.empty((0, 2)), [[1.0, 2.0]] * 3) == ()


def test_is_a_plain_result() -> None:
    found = combine([1.0], [[0.0], [2.0], [3.0]])
    assert isinstance(found, Combination)
    # One search: its own p.
    assert found.p == found.smallest_p == found.single[0].p_smoothed  # type: ignore[union-attr]
    assert found.n_effective == pytest.approx(1)

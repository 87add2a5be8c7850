"""Several searches as one statistic, against cases with a known answer."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from hepcs._core.errors import ArgumentError
from hepcs.studies.combined import METHODS, Method, combined_statistics
from hepcs.studies.sensitivity import SearchStatistics, sensitivity

EPSILONS = (100, 200, 300, 400, 500, 700)


def shifted(shifts: list[float], n: int, rng: np.random.Generator) -> np.ndarray:
    """n data sets of independent searches, t ~ N(shift, 1)."""
    return rng.normal(size=(n, len(shifts))) + shifts


def data_sets(
    scales: list[float], n: int = 20_000, m: int = 2001, seed: int = 1
) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """Searches with Z = epsilon / scale, so that N_3sigma = 3 scale."""
    rng = np.random.default_rng(seed)
    null = shifted([0.0] * len(scales), n, rng)
    return null, {e: shifted([e / scale for scale in scales], m, rng) for e in EPSILONS}


def crossing(search: SearchStatistics) -> float:
    found = sensitivity([search], rng=np.random.default_rng(2), n_bootstrap=20, readings=["counted"])
    epsilon = found[search.name].curves["counted"].crossing.epsilon
    assert epsilon is not None
    return epsilon


def test_the_smallest_p_of_one_search_among_blind_ones_costs_what_trials_cost() -> None:
    """p = 1 - (1 - p_min)^s: of ten searches, a global 3 takes a local 3.6."""
    null, doped = data_sets([100.0, *[1e9] * 9])
    expected = 100 * stats.norm.isf(1 - (1 - stats.norm.sf(3.0)) ** 0.1)
    assert expected == pytest.approx(364, abs=2)
    assert crossing(combined_statistics(null, doped, "smallest_p")) == pytest.approx(expected, rel=0.06)


def test_fisher_gains_where_all_searches_see_the_signal() -> None:
    null, doped = data_sets([200.0] * 6)
    alone = 3 * 200.0
    fisher, smallest, ranks = (
        crossing(combined_statistics(null, doped, method)) for method in ("fisher", "smallest_p", "rank_sum")
    )
    # The best of all combinations of six is the sum of Z, sqrt(6) times as good as one.
    assert alone / np.sqrt(6) < fisher < 0.6 * alone
    assert fisher < smallest < 1.05 * alone
    assert ranks < 0.6 * alone


@pytest.mark.parametrize("method", METHODS)
def test_one_search_alone_keeps_its_order(method: Method) -> None:
    null, doped = data_sets([100.0])
    found = combined_statistics(null, doped, method)
    for values, rows in ((found.null, null), *((found.doped[e], doped[e]) for e in EPSILONS)):
        order = np.argsort(rows[:, 0])
        assert (np.diff(values[order]) >= -1e-9).all()
    assert np.unique(found.doped[700]).size == 2001, "no ties beyond the null"


@pytest.mark.parametrize("method", METHODS)
def test_twice_the_same_search_is_once(method: Method) -> None:
    null, doped = data_sets([100.0])
    once = combined_statistics(null, doped, method)
    twice = combined_statistics(
        np.repeat(null, 2, axis=1), {e: np.repeat(rows, 2, axis=1) for e, rows in doped.items()}, method
    )
    assert crossing(twice) == pytest.approx(crossing(once), rel=1e-9)


def test_a_search_without_a_statistic_counts_for_nothing() -> None:
    null, doped = data_sets([100.0, 1e9], n=500)
    gone = {e: rows.copy() for e, rows in doped.items()}
    gone[300][:, 1] = np.nan
    found = combined_statistics(null, gone, "smallest_p")
    assert np.isfinite(found.doped[300]).all()
    alone = combined_statistics(null[:, :1], {e: rows[:, :1] for e, rows in gone.items()}, "smallest_p")
    assert np.array_equal(found.doped[300], alone.doped[300])


def test_what_does_not_fit_is_refused() -> None:
    null, doped = data_sets([100.0, 200.0], n=50)
    with pytest.raises(ArgumentError, match="unknown method 'best'"):
        combined_statistics(null, doped, "best")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="of the same searches"):
        combined_statistics(null[:, :1], doped, "fisher")

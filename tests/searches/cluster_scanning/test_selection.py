"""Selection of clusters for each window, and by neighbourhood."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hepcs._core.errors import ArgumentError
from hepcs.searches.cluster_scanning.estimates import TrendExcess
from hepcs.searches.cluster_scanning.selection import (
    Combination,
    in_quadrature,
    of_selected,
    scan_windows,
    with_neighbours,
)

B, K = 16, 30
FALLING = 40000 * np.exp(-np.arange(B) * 100 / 560)
MASS = np.linspace(-1, 1, B)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def background(rng: np.random.Generator, slope: float = 0.3) -> np.ndarray:
    slopes = np.linspace(-slope, slope, K)
    return rng.poisson((1 + slopes[:, np.newaxis] * MASS) / K * FALLING)


def test_combinations_by_hand() -> None:
    excess = np.array([[30.0, -10.0], [40.0, 10.0], [-50.0, 0.0]])
    variance = np.array([[100.0, 100.0], [100.0, 100.0], [100.0, 0.0]])
    clusters = TrendExcess(np.array([[0, 1], [1, 2]]), excess, variance)
    np.testing.assert_allclose(in_quadrature(clusters.significance), [5.0, 1.0])
    np.testing.assert_allclose(of_selected(clusters, clusters.significance > 2.0), [70 / math.sqrt(200), 0.0])
    np.testing.assert_allclose(of_selected(clusters, clusters.significance > 3.5), [4.0, 0.0])


def test_a_resonance_is_found_where_it_is(rng: np.random.Generator) -> None:
    spectra = background(rng)
    spectra[7, 4:6] += 120
    spectra[12, 4:6] += 120
    scan = scan_windows(spectra, theta=3)
    assert scan.window == (4, 6)
    np.testing.assert_array_equal(np.flatnonzero(scan.signal_rich), [7, 12])
    np.testing.assert_array_equal(scan.observed, spectra[[7, 12]].sum(axis=0))
    # The estimate comes from the bins away from the window: it is the background, not the signal.
    slopes = np.linspace(-0.3, 0.3, K)[[7, 12]]
    truth = ((1 + slopes[:, np.newaxis] * MASS) / K * FALLING).sum(axis=0)
    np.testing.assert_allclose(scan.expected, truth, rtol=0.08)
    excess = scan.observed - scan.expected
    assert excess[4:6].sum() == pytest.approx(480, abs=4 * math.sqrt(truth[4:6].sum()))
    assert scan.statistic == scan.combined.max()


def test_the_null_does_not_depend_on_straight_sculpting() -> None:
    """The paper's selection takes sculpted clusters; the trends take the sculpting out of the statistic."""
    rng = np.random.default_rng(11)
    flat = [scan_windows(background(rng, slope=0.0)).statistic for _ in range(200)]
    sculpted = [scan_windows(background(rng, slope=0.5)).statistic for _ in range(200)]
    error = math.hypot(np.std(flat), np.std(sculpted)) / math.sqrt(200)
    assert abs(np.mean(flat) - np.mean(sculpted)) < 4 * error + 0.05
    # Half of K squares of standard normals in each window, and the largest of 31 windows.
    assert math.sqrt(K / 2) < np.mean(flat) < math.sqrt(K / 2) + 3


def test_summing_the_selected_clusters_dilutes_less_than_a_selection_for_all_bins(
    rng: np.random.Generator,
) -> None:
    """A cluster that fluctuates at one mass is not added at another one."""
    spectra = background(rng)
    spectra[7, 4:6] += 150
    spectra[20, 11] += 80
    scan = scan_windows(spectra, combination="sum", theta=4)
    assert scan.window == (4, 6)
    np.testing.assert_array_equal(np.flatnonzero(scan.signal_rich), [7])


def test_a_signal_in_one_of_many_clusters_is_found_by_the_largest(rng: np.random.Generator) -> None:
    """The sum of squares is diluted by the noise of all others; the largest one pays for trials only."""
    falling = np.linspace(40, 10, 16)

    def statistics(combination: Combination, signal: int) -> list[float]:
        found = []
        for _ in range(60):
            spectra = rng.poisson(np.tile(falling, (300, 1)))
            spectra[7, 4:6] += rng.poisson(signal / 2, 2)
            scan = scan_windows(spectra, combination=combination)
            found.append(scan.statistic)
            if combination == "largest":
                assert scan.statistic == scan.clusters.significance.max()
        return found

    power = {}
    for combination in ("largest", "quadrature"):
        null, doped = statistics(combination, 0), statistics(combination, 60)
        power[combination] = float(np.mean(np.array(doped) > np.quantile(null, 0.95)))
    assert power["largest"] > 0.8 > power["quadrature"] + 0.2


def test_nothing_selected_is_zero() -> None:
    spectra = np.tile(np.arange(2000, 400, -100), (K, 1))
    scan = scan_windows(spectra, combination="sum")
    assert scan.statistic == 0
    assert not scan.signal_rich.any()
    np.testing.assert_array_equal(scan.expected, 0)


def test_relabelling_clusters_changes_nothing(rng: np.random.Generator) -> None:
    spectra = background(rng)
    order = rng.permutation(K)
    one, other = scan_windows(spectra), scan_windows(spectra[order])
    assert other.statistic == pytest.approx(one.statistic, rel=1e-12)
    np.testing.assert_array_equal(one.signal_rich[order], other.signal_rich)


def test_neighbours() -> None:
    positions = np.array([[0.0], [1.0], [3.0], [7.0], [7.5]])
    chosen = np.array([False, True, False, False, False])
    np.testing.assert_array_equal(with_neighbours(chosen, positions, 0), chosen)
    np.testing.assert_array_equal(with_neighbours(chosen, positions, 1), [True, True, False, False, False])
    np.testing.assert_array_equal(with_neighbours(chosen, positions, 2), [True, True, True, False, False])
    both = np.array([True, False, False, False, True])
    np.testing.assert_array_equal(with_neighbours(both, positions, 1), [True, True, False, True, True])
    nothing = np.zeros(5, dtype=bool)
    np.testing.assert_array_equal(with_neighbours(nothing, positions, 3), nothing)


def test_equal_centroids_are_their_own_nearest() -> None:
    positions = np.ones((4, 3), dtype=np.float32)
    chosen = np.array([False, False, False, True])
    np.testing.assert_array_equal(with_neighbours(chosen, positions, 0), chosen)
    np.testing.assert_array_equal(with_neighbours(chosen, positions, 1), [True, False, False, True])


def test_bad_arguments(rng: np.random.Generator) -> None:
    with pytest.raises(ArgumentError, match="spectra must be counts"):
        scan_windows(np.ones(4, dtype=int))
    with pytest.raises(ArgumentError, match='"quadrature", as a "sum" or by the "largest"'):
        scan_windows(background(rng), combination="product")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="0 to 2"):
        with_neighbours(np.zeros(3, dtype=bool), np.zeros((3, 2)), 3)
    with pytest.raises(ArgumentError, match="do not match"):
        with_neighbours(np.zeros(3, dtype=bool), np.zeros((4, 2)), 1)

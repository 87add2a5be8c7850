"""Robust mean and standard deviation: numbers worked by hand, outliers, and normal samples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from hepcs._core.errors import ArgumentError
from hepcs.statistics.robust import (
    expected_false_positives,
    n_dropped,
    normal_consistency,
    robust_mean_and_sd,
)


def test_consistency_factor_is_the_published_one() -> None:
    assert normal_consistency(0.0) == 1.0
    assert normal_consistency(0.2) == pytest.approx(1.5115, abs=5e-5)


@pytest.mark.parametrize("fraction", [1e-6, 0.05, 0.2, 0.5, 0.9])
def test_consistency_factor_follows_the_equation(fraction: float) -> None:
    a = stats.norm.isf(fraction / 2)
    inverse_square = 1 - 2 * a * stats.norm.pdf(a) / (1 - fraction)
    assert normal_consistency(fraction) == pytest.approx(1 / math.sqrt(inverse_square), rel=1e-9)


def test_worked_by_hand() -> None:
    # Median 3; 100 is farthest and is dropped; 1, 2, 3, 4 have mean 2.5 and variance 5/4.
    mu, sigma = robust_mean_and_sd([4, 1, 100, 3, 2], 0.2)
    assert mu == 2.5
    assert sigma == pytest.approx(1.5115 * math.sqrt(1.25), rel=1e-4)


def test_both_sides_are_dropped() -> None:
    # Median 0; -50 and 40 go: the rest has mean 1/3 and variance (1 + 0 + 4) / 3 - 1/9 = 14/9.
    mu, sigma = robust_mean_and_sd([-50, -1, 0, 2, 40], 0.4)
    assert mu == pytest.approx(1 / 3)
    assert sigma == pytest.approx(normal_consistency(0.4) * math.sqrt(14 / 9))


def test_equal_distances_on_one_side_keep_the_nearer_values() -> None:
    # Median 1; distances 4, 4, 1, 0, 1, 9: 10 and one of the -3 go, 2 stays.
    mu, _ = robust_mean_and_sd([-3, -3, 0, 1, 1, 2, 10], 2 / 7)
    assert mu == pytest.approx((-3 + 0 + 1 + 1 + 2) / 5)


def test_of_two_equally_far_values_the_upper_one_is_dropped() -> None:
    mu, _ = robust_mean_and_sd([-5, -1, 0, 1, 5], 0.2)
    assert mu == pytest.approx(-5 / 4)


def test_without_a_fraction_it_is_the_plain_mean_and_sd() -> None:
    values = np.random.default_rng(1).normal(3, 2, (37, 4))
    mu, sigma = robust_mean_and_sd(values, 0.0)
    np.testing.assert_allclose(mu, values.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(sigma, values.std(axis=0), rtol=1e-12)


@pytest.mark.parametrize(("k", "fraction"), [(50, 0.2), (49, 0.2), (12, 0.2), (7, 0.5), (30, 0.03)])
def test_matches_sorting_by_distance(k: int, fraction: float) -> None:
    values = np.random.default_rng(k).standard_cauchy((k, 16))
    mu, sigma = robust_mean_and_sd(values, fraction)
    drop = n_dropped(fraction, k)
    for column in range(16):
        x = values[:, column]
        kept = x[np.argsort(np.abs(x - np.median(x)))[: k - drop]]
        assert mu[column] == pytest.approx(kept.mean(), rel=1e-10)
        assert sigma[column] == pytest.approx(kept.std() * normal_consistency(drop / k), rel=1e-10)


def test_the_order_of_the_values_is_nothing() -> None:
    rng = np.random.default_rng(2)
    # Small integers, so that there are ties.
    values = rng.integers(0, 8, (50, 16)).astype(float)
    expected = robust_mean_and_sd(values, 0.2)
    for _ in range(20):
        found = robust_mean_and_sd(rng.permutation(values, axis=0), 0.2)
        np.testing.assert_array_equal(found, expected)


def test_axis() -> None:
    values = np.random.default_rng(3).normal(size=(5, 20, 3))
    mu, sigma = robust_mean_and_sd(values, 0.2, axis=1)
    mu_first, sigma_first = robust_mean_and_sd(values.transpose(1, 0, 2), 0.2)
    assert mu.shape == sigma.shape == (5, 3)
    np.testing.assert_array_equal(mu, mu_first)
    np.testing.assert_array_equal(sigma, sigma_first)


@pytest.mark.parametrize("size", [20.0, 1e12])
def test_outliers_up_to_the_fraction_change_nothing_however_large(size: float) -> None:
    values = np.random.default_rng(4).normal(size=(50, 16))
    values[:10] = np.abs(values[:10]) + 10
    mu, sigma = robust_mean_and_sd(values, 0.2)
    values[:10] *= size
    mu_far, sigma_far = robust_mean_and_sd(values, 0.2)
    np.testing.assert_array_equal(mu, mu_far)
    np.testing.assert_array_equal(sigma, sigma_far)
    assert np.abs(mu).max() < 1


def test_unbiased_for_large_normal_samples() -> None:
    values = np.random.default_rng(5).normal(7.0, 2.0, (10_000, 200))
    mu, sigma = robust_mean_and_sd(values, 0.2)
    # The efficiency at f = 0.2 is about 0.6; 2e6 values give 0.2 %.
    assert mu.mean() == pytest.approx(7.0, abs=0.01)
    assert sigma.mean() == pytest.approx(2.0, rel=0.004)


def test_factor_belongs_to_what_was_dropped() -> None:
    # 3 of 13 go, not 2.6 of them.
    values = np.random.default_rng(6).normal(size=(13, 8))
    assert n_dropped(0.2, 13) == 3
    np.testing.assert_array_equal(robust_mean_and_sd(values, 0.2), robust_mean_and_sd(values, 3 / 13))


def test_equal_values_have_no_spread() -> None:
    mu, sigma = robust_mean_and_sd(np.full((50, 2), 0.1), 0.2)
    np.testing.assert_array_equal(mu, 0.1)
    np.testing.assert_array_equal(sigma, 0.0)


@pytest.mark.parametrize("fraction", [-0.1, 1.0, 2.0, math.nan])
def test_refuses_a_fraction_outside_its_range(fraction: float) -> None:
    with pytest.raises(ArgumentError, match="fraction"):
        robust_mean_and_sd([1.0, 2.0, 3.0], fraction)
    with pytest.raises(ArgumentError, match="fraction"):
        normal_consistency(fraction)


def test_refuses_what_it_cannot_average() -> None:
    with pytest.raises(ArgumentError, match="finite"):
        robust_mean_and_sd([1.0, math.nan, 3.0], 0.2)
    with pytest.raises(ArgumentError, match="drops 2 of 3"):
        robust_mean_and_sd([1.0, 2.0, 3.0], 0.6)
    with pytest.raises(ArgumentError, match="single number"):
        robust_mean_and_sd(1.0, 0.2)


def test_false_positives_of_normal_deviations_by_toys() -> None:
    """Whole scans, in place of independent bins of one cluster, with numbers of their own: 1.9, not 1.1."""
    k, n_bins, n_scans = 50, 16, 4000
    values = np.random.default_rng(5).normal(size=(k, n_bins, n_scans))
    mu, sigma = robust_mean_and_sd(values, 0.2)
    z = (values - mu) / sigma
    assert (z > 3).mean() == pytest.approx(0.00237, rel=0.04)
    selected = (z > 3).any(axis=1).sum(axis=0).mean()
    assert expected_false_positives(k, n_bins, 3.0, 0.2) == pytest.approx(selected, rel=0.05)
    assert selected == pytest.approx(1.87, rel=0.04)


def test_false_positives_of_many_clusters_are_those_of_the_normal_tail() -> None:
    expected = 20_000 * (1 - stats.norm.cdf(2.5) ** 4)
    assert expected_false_positives(20_000, 4, 2.5, 0.2) == pytest.approx(expected, rel=0.03)


def test_false_positives_without_a_spread() -> None:
    # Of two clusters, f = 0.5 drops one: nothing is standardised. A threshold far below selects all.
    assert expected_false_positives(2, 16, 3.0, 0.5) == 0
    assert expected_false_positives(10, 16, -50.0, 0.2) == 10


@pytest.mark.parametrize("arguments", [(0, 16, 3.0, 0.2), (50, 0, 3.0, 0.2), (50, 16, math.nan, 0.2)])
def test_false_positives_of_nothing(arguments: tuple[int, int, float, float]) -> None:
    with pytest.raises(ArgumentError, match="expected k >= 1"):
        expected_false_positives(*arguments)

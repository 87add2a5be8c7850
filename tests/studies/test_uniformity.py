"""Uniformity of null p-values: exact for right calibrations, ties included, and sharp for wrong ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from hepcs._core.errors import ArgumentError
from hepcs.studies.uniformity import uniformity_test


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_distances_are_those_of_two_samples() -> None:
    null, tested = rng(1).normal(size=400), rng(2).normal(0.1, 1, size=300)
    found = uniformity_test(null, tested, rng=rng(3), n_bins=7)
    reference = stats.ks_2samp(null, tested, method="asymp")
    assert found.kolmogorov_smirnov.statistic == pytest.approx(reference.statistic)
    assert found.kolmogorov_smirnov.p == pytest.approx(reference.pvalue, abs=0.06)
    edges = np.quantile(np.concatenate([null, tested]), np.linspace(0, 1, 8)[1:-1])
    table = np.array([np.bincount(np.searchsorted(edges, sample), minlength=7) for sample in (null, tested)])
    chi2 = stats.chi2_contingency(table, correction=False)
    assert found.chi2.statistic == pytest.approx(chi2.statistic)
    assert found.chi2.p == pytest.approx(chi2.pvalue, abs=0.06)
    assert (found.n_chi2_bins, found.n_distinct) == (7, 700)
    np.testing.assert_allclose(found.p_values, [(null >= t).mean() for t in tested])


@pytest.mark.parametrize("ties", [False, True])
def test_a_right_calibration_passes_as_often_as_it_should(ties: bool) -> None:
    # As many null statistics as tested ones; with ties, a third are exactly 0 and the others come in tenths.
    generator, p_values, naive = rng(4), [], []
    for _ in range(300):
        null, tested = generator.normal(0.5, 1, size=(2, 120))
        if ties:
            null, tested = (np.maximum(sample, 0).round(1) for sample in (null, tested))
        found = uniformity_test(null, tested, rng=generator, n_permutations=100)
        p_values.append((found.kolmogorov_smirnov.p, found.chi2.p, *(size.p for size in found.sizes)))
        naive.append(stats.kstest(found.p_values, "uniform").pvalue)
    for i, p in enumerate(np.transpose(p_values)):
        rejected = int((p <= 0.1).sum())
        # Not too often, by four standard deviations of 300 tosses.
        assert rejected < 30 + 4 * math.sqrt(27)
        # Nor too rarely; counts of a few passing statistics have coarse p-values.
        if i < 2:
            assert (p <= 0.5).mean() > 0.38
    # What this test is for: p-values taken for independent would fail it.
    assert (np.array(naive) <= 0.1).mean() > 0.2


def test_a_wrong_calibration_fails() -> None:
    null, tested = rng(5).gamma(4, size=2000), 1.2 * rng(6).gamma(4, size=1000)
    found = uniformity_test(null, tested, rng=rng(7))
    assert found.kolmogorov_smirnov.p < 0.01
    assert found.chi2.p < 0.01
    size = next(size for size in found.sizes if size.alpha == 0.05)
    assert size.rate > 0.05
    assert size.p < 0.05


def test_ties_stay_in_one_bin() -> None:
    null = np.concatenate([np.zeros(60), rng(8).normal(2, 0.1, 40)])
    found = uniformity_test(null, null[::-1], rng=rng(9), n_bins=10)
    # The zeros are six tenths of the pool: one bin; four are left for the others.
    assert found.n_chi2_bins == 5
    assert found.n_distinct == 41
    assert found.kolmogorov_smirnov.statistic == found.chi2.statistic == 0
    assert found.kolmogorov_smirnov.p == 1
    assert sorted(set(found.p_values))[-1] == 1.0


def test_size_respects_the_steps_of_counting() -> None:
    # 19 null statistics: p = (k + 1) / 20, so 5 % is one step, 1 % is none.
    null = np.arange(19.0)
    tested = np.concatenate([np.full(3, 30.0), np.full(17, 5.0)])
    found = uniformity_test(null, tested, rng=rng(10), alphas=(0.05, 0.01, 0.12))
    five, one, twelve = found.sizes
    assert (five.level, five.n_passing, five.rate) == (0.05, 3, 0.15)
    assert (one.level, one.n_passing, one.p) == (0.0, 0, 1.0)
    assert twelve.level == 0.1
    # P(3 or more of 20 above the largest of 19): the places of 20 among 39, all alike.
    by_hand = math.prod((20 - i) / (39 - i) for i in range(3))
    assert five.p == pytest.approx(2 * by_hand)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"null": [1.0] * 5}, "null"),
        ({"tested": [1.0] * 5}, "tested"),
        ({"tested": [math.nan] * 20}, "finite"),
        ({"n_bins": 1}, "n_bins"),
        ({"n_permutations": 10}, "n_permutations"),
        ({"alphas": (1.5,)}, "level"),
    ],
)
def test_refuses(change: dict[str, object], match: str) -> None:
    arguments = {"null": np.arange(20.0), "tested": np.arange(20.0), "rng": rng(1)} | change
    with pytest.raises(ArgumentError, match=match):
        uniformity_test(**arguments)  # type: ignore[arg-type]

"""Tests of normality: against their definitions, on samples that are normal and on samples that are not."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
from scipy import special, stats

from hepcs._core.errors import ArgumentError
from hepcs.searches.cluster_scanning.scan import standardise
from hepcs.statistics.robust import expected_false_positives
from hepcs.studies.normality import normality_by_toys, normality_tests


def test_statistics_by_their_definitions() -> None:
    z = np.random.default_rng(1).normal(0.1, 1.2, 300)
    found = normality_tests(z)
    centred = z - z.mean()
    variance = (centred**2).mean()
    skewness, kurtosis = (centred**3).mean() / variance**1.5, (centred**4).mean() / variance**2 - 3
    assert (found.n, found.mean, found.sd) == (300, pytest.approx(z.mean()), pytest.approx(z.std(ddof=1)))
    assert (found.skewness, found.excess_kurtosis) == (pytest.approx(skewness), pytest.approx(kurtosis))
    jarque_bera = 300 / 6 * (skewness**2 + kurtosis**2 / 4)
    assert found.jarque_bera.statistic == pytest.approx(jarque_bera)
    assert found.jarque_bera.p == pytest.approx(math.exp(-jarque_bera / 2))
    cdf, steps = special.ndtr(np.sort(z)), np.arange(301) / 300
    distance = max((steps[1:] - cdf).max(), (cdf - steps[:-1]).max())
    assert found.kolmogorov_smirnov.statistic == pytest.approx(distance)
    # W is near the squared correlation of the order statistics with normal scores (Shapiro and Francia).
    scores = special.ndtri((np.arange(1, 301) - 0.375) / 300.25)
    assert found.shapiro_wilk.statistic == pytest.approx(np.corrcoef(np.sort(z), scores)[0, 1] ** 2, abs=2e-3)
    assert found.smallest_p == min(test.p or 1 for test in found.tests)
    assert json.loads(json.dumps(dataclasses.asdict(found), allow_nan=False))["n"] == 300


def test_each_sees_what_it_is_for() -> None:
    rng = np.random.default_rng(2)
    shifted = normality_tests(rng.normal(0.3, 1, 736))
    assert (shifted.kolmogorov_smirnov.p or 0) < 1e-6
    assert (shifted.shapiro_wilk.p or 0) > 0.01
    heavy = normality_tests(rng.standard_t(3, 736))
    assert (heavy.jarque_bera.p or 0) < 1e-6
    assert (heavy.shapiro_wilk.p or 0) < 1e-6


def test_p_values_of_normal_samples_are_uniform() -> None:
    rng = np.random.default_rng(3)
    found = [normality_tests(rng.normal(size=736)) for _ in range(400)]
    for name in ("shapiro_wilk", "kolmogorov_smirnov"):
        p = [getattr(one, name).p for one in found]
        assert stats.kstest(p, "uniform").pvalue > 1e-3


def test_signal_rich_clusters_are_left_out_as_in_the_paper() -> None:
    # 50 clusters of Poisson counts and one with a bump: 49 x 16 signal-poor deviations are normal.
    rng = np.random.default_rng(4)
    expected = np.outer(rng.uniform(0.5, 2, 50), 4000 * np.exp(-np.arange(16) / 7))
    expected[7, 5] *= 1.3
    deviations = standardise(rng.poisson(expected).astype(np.int64), 0.2)
    rich = deviations.max(axis=1) > 5
    assert rich.sum() == 1
    without, with_all = normality_tests(deviations, rich), normality_tests(deviations)
    assert (without.n, with_all.n) == (784, 800)
    assert without.smallest_p > 0.01
    assert (with_all.jarque_bera.p or 0) < 1e-4
    assert without.sd == pytest.approx(1, abs=0.1)


def test_too_many_for_shapiro_wilk() -> None:
    found = normality_tests(np.random.default_rng(5).normal(size=5001))
    assert found.shapiro_wilk.p is None
    assert found.smallest_p == min(found.kolmogorov_smirnov.p or 0, found.jarque_bera.p or 0)


@pytest.mark.parametrize(
    ("deviations", "rich", "match"),
    [
        (np.zeros((4, 4)), None, "nothing to test"),
        (np.array([1.0, 2, 3]), None, "at least 8"),
        (np.full((3, 3), np.nan), None, "finite"),
        (np.ones((4, 4)), np.zeros(3, dtype=bool), "match"),
        (np.ones((4, 4)), np.ones(4, dtype=bool), "found 0"),
    ],
)
def test_refuses_what_it_cannot_test(deviations: np.ndarray, rich: np.ndarray | None, match: str) -> None:
    with pytest.raises(ArgumentError, match=match):
        normality_tests(deviations, rich)


def test_p_from_toys_is_right_where_clusters_of_different_sizes_make_tails() -> None:
    """Multinomial clusters: the nominal p rejects them, p from toys in 5 %; clusters with a hole are told."""
    rng = np.random.default_rng(4)
    sizes = np.geomspace(800, 30_000, 50).astype(np.int64)
    shape = np.exp(-0.14 * np.arange(16))

    def select(spectra: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        deviations = standardise(spectra, 0.2)
        return deviations, deviations.max(axis=1) > 3

    found, nominal = [], []
    for _ in range(12):
        spectra = rng.multinomial(sizes, shape / shape.sum())
        found.append(normality_by_toys(spectra, select, rng, 30)["Jarque-Bera"])
        nominal.append(normality_tests(*select(spectra)).jarque_bera.p)
    assert np.mean(np.array(nominal) < 0.05) > 0.3
    assert np.mean(np.array(found) < 0.05) < 0.25
    assert np.median(found) > 0.15
    # Four large clusters that lack half of their jets in one bin: none of them is selected for that.
    spectra[-4:, 5] //= 2
    assert min(normality_by_toys(spectra, select, rng, 30).values()) == pytest.approx(1 / 31)


def test_own_variances_select_fewer_clusters_without_signal() -> None:
    rng = np.random.default_rng(5)
    sizes = np.geomspace(800, 30_000, 50).astype(np.int64)
    shape = np.exp(-0.14 * np.arange(16))
    toys = rng.multinomial(sizes, shape / shape.sum(), size=(60, 50))
    common, own = (
        np.mean([(standardise(toy, 0.2, own=one).max(axis=1) > 3).sum() for toy in toys])
        for one in (False, True)
    )
    assert own == pytest.approx(expected_false_positives(50, 16, 3.0, 0.2), abs=0.8)
    assert common > own + 1

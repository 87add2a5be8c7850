"""Dijet fits as searches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from toys import BINS, toy_pools, toy_sample

from hepcs.config.searches import ClusterScanning, Fits, Statistic
from hepcs.datasets.bootstrap import Kind, Task, draw_data_set, spectrum
from hepcs.searches.cluster_scanning.search import ClusterScanSearch
from hepcs.searches.dijet_fit.search import FitSearch, fit_scan, fit_search
from hepcs.statistics.bumphunter import bump_hunter

POOLS = toy_pools(n_background=20000)


def search(n: int = 3) -> FitSearch:
    return fit_search(POOLS, n, Fits(), Statistic(), 1)


def test_toys_follow_the_fit_to_the_original_background() -> None:
    one = search()
    toys = np.array([one.spectrum(Task(Kind.BACKGROUND_ONLY, 0, i)) for i in range(400)])
    pull = (toys.mean(axis=0) - one.reference.expected) / np.sqrt(one.reference.expected / 400)
    assert np.abs(pull).max() < 4
    np.testing.assert_allclose(toys.var(axis=0) / toys.mean(axis=0), 1, atol=0.3)


def test_doped_toys_have_the_signal_that_the_other_searches_see() -> None:
    one, task = search(), Task(Kind.DOPED, 500, 2)
    data = draw_data_set(POOLS, task, 1)
    signal = np.bincount(BINS.index(POOLS.signal.m_jj), weights=data.parts[1].multiplicity, minlength=16)
    without = [one.spectrum(Task(Kind.DOPED, 500, i)) for i in range(200)]
    excess = np.mean(without, axis=0) - one.reference.expected
    assert excess[4:6].sum() == pytest.approx(signal[4:6].sum(), abs=60)


def test_the_observed_spectrum_is_that_of_the_data_set() -> None:
    task = Task(Kind.OBSERVED, 300, 0)
    np.testing.assert_array_equal(search().spectrum(task), spectrum(draw_data_set(POOLS, task, 1), BINS))
    scan = ClusterScanSearch(POOLS, ClusterScanning(k=8, ensemble=1), Statistic(), 1)
    assert scan.run(task).n_events == search().run(task).n_events


def test_a_large_signal_is_found_in_its_bins() -> None:
    scan = search().scan(Task(Kind.OBSERVED, 1000, 0))
    assert scan.statistic > 4
    assert int(np.argmax(scan.local_significance)) in {4, 5}


def test_fits_with_different_numbers_of_parameters_have_toys_of_their_own() -> None:
    task = Task(Kind.BACKGROUND_ONLY, 0, 0)
    assert not np.array_equal(search(3).spectrum(task), search(4).spectrum(task))


def test_in_a_real_search_toys_have_the_size_of_the_data() -> None:
    data = toy_sample(4000, np.random.default_rng(8))
    one = fit_search(replace(POOLS, signal=None, data=data), 3, Fits(), Statistic(), 1)
    assert one.toy_expectation.sum() == pytest.approx(4000, rel=1e-6)
    sums = [one.spectrum(Task(Kind.BACKGROUND_ONLY, 0, i)).sum() for i in range(50)]
    assert np.mean(sums) == pytest.approx(4000, abs=4 * np.sqrt(4000 / 50))
    assert one.spectrum(Task(Kind.OBSERVED, 0, 0)).sum() == 4000


def test_a_fit_that_did_not_converge_is_not_used() -> None:
    one = search()
    scan = one.scan(Task(Kind.OBSERVED, 0, 0))
    assert np.isfinite(scan.statistic)
    failed = fit_scan(scan.observed, replace(scan.fit, converged=False), Statistic())
    assert np.isnan(failed.statistic)


def test_the_statistic_is_that_of_the_card() -> None:
    task = Task(Kind.OBSERVED, 600, 0)
    largest = search().scan(task)
    assert largest.statistic == largest.local_significance.max()
    section = Statistic(kind="bumphunter", max_width=4)
    window = fit_search(POOLS, 3, Fits(), section, 1).scan(task)
    assert window.statistic == bump_hunter(window.observed, window.fit.expected, 4).statistic
    # The signal, 60 GeV wide at 3500 GeV, fills two bins: its window beats the single bin.
    single = bump_hunter(window.observed, window.fit.expected, 1)
    assert window.statistic > single.statistic
    np.testing.assert_array_equal(window.local_significance, largest.local_significance)

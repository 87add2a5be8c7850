"""Spectra of clusters."""

from __future__ import annotations

import numpy as np
import pytest
from toys import BINS

from hepcs._core.errors import ArgumentError
from hepcs.datasets.spectra import cluster_spectra, mass_histogram, spectra_histogram


def test_spectra_by_hand() -> None:
    clusters = np.array([[0, 1], [1, 1], [2, 0]])
    spectra = cluster_spectra(clusters, np.array([0, 1, 1]), np.array([1, 2, 0]), k=3, n_bins=2)
    np.testing.assert_array_equal(spectra, [[1, 0], [1, 4], [0, 0]])


def test_sum_over_clusters_is_twice_the_inclusive_spectrum() -> None:
    rng = np.random.default_rng(1)
    clusters, bins = rng.integers(0, 50, size=(4000, 2)), rng.integers(0, 16, size=4000)
    times = rng.poisson(1, size=4000)
    spectra = cluster_spectra(clusters, bins, times, 50, 16)
    np.testing.assert_array_equal(spectra.sum(axis=0), 2 * np.bincount(bins, weights=times, minlength=16))


def test_histograms_have_named_axes_with_units() -> None:
    values = np.arange(3 * 16).reshape(3, 16)
    histogram = spectra_histogram(values, BINS)
    assert histogram.axes.name == ("cluster", "m_jj")
    assert "GeV" in histogram.axes["m_jj"].label
    np.testing.assert_array_equal(histogram.values(), values)
    # As hist fills it: one jet of cluster 2 at 3150 GeV goes to bin [2, 1].
    filled = spectra_histogram(np.zeros((3, 16)), BINS)
    filled.fill(2, 3150.0)
    assert filled.values()[2, 1] == 1
    np.testing.assert_array_equal(mass_histogram(values[0], BINS, "jets").values(), values[0])


def test_wrong_shape() -> None:
    with pytest.raises(ArgumentError, match=r"\(n, 2\)"):
        cluster_spectra(np.zeros(3, dtype=int), np.zeros(3, dtype=int), np.ones(3, dtype=int), 2, 2)

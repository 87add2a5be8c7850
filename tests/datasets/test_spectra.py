"""Spectra as histograms."""

from __future__ import annotations

import numpy as np
from toys import BINS

from hepcs.datasets.spectra import mass_histogram, spectra_histogram


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

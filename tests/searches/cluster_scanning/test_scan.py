"""The scan of cluster spectra, against a table worked on paper."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hepcs._core.errors import ArgumentError
from hepcs.config.searches import Statistic
from hepcs.searches.cluster_scanning.scan import ScanResult, normalise, scan_spectra, standardise
from hepcs.searches.cluster_scanning.section import ClusterScanning

# Five clusters in four bins. Four have the same shape up to a jet or two; the fifth has 30 jets too many in
# bin 1. Each cluster has 100 jets but the fifth, which has 130.
SPECTRA = np.array(
    [
        [40, 30, 20, 10],
        [42, 28, 20, 10],
        [38, 32, 20, 10],
        [40, 30, 18, 12],
        [40, 60, 20, 10],
    ]
)


def scan(spectra: np.ndarray, theta: float = 3.0, statistic: Statistic | None = None) -> ScanResult:
    section = ClusterScanning().model_copy(update={"theta": theta, "statistic": statistic or Statistic()})
    return scan_spectra(spectra, section, centres=3050 + 100.0 * np.arange(spectra.shape[-1]))


def test_a_table_worked_on_paper() -> None:
    """Bin 1, f = 0.2: shares 0.30, 0.28, 0.32, 0.30, 60/130.

    Median 0.30; the fifth is dropped. Mean of the rest 0.30, SD sqrt((0.0004 + 0.0004) / 4) = 0.0141421,
    times g(0.2) = 1.5115 (SPEC, section 6): sigma = 0.0213758. z of the fifth: (0.4615385 - 0.30) / 0.0213758.
    """
    z = standardise(SPECTRA, 0.2)
    sigma = 1.5115 * math.sqrt(0.0002)
    np.testing.assert_allclose(z[:, 1], np.array([0, -0.02, 0.02, 0, 60 / 130 - 0.3]) / sigma, rtol=1e-4)
    result = scan(SPECTRA)
    np.testing.assert_array_equal(result.signal_rich, [False, False, False, False, True])
    np.testing.assert_array_equal(result.observed, [40, 60, 20, 10])
    # The four others: 160, 120, 78, 42 of 400, scaled to 130 jets.
    np.testing.assert_allclose(result.expected, np.array([160, 120, 78, 42]) * 130 / 400)
    # Bin 1: (60 - 39) / sqrt(39) is the only excess.
    np.testing.assert_allclose(result.local_significance, [0, 21 / math.sqrt(39), 0, 0])
    assert result.statistic == pytest.approx(3.3626912, rel=1e-7)


def test_normalised_spectra_sum_to_one() -> None:
    np.testing.assert_allclose(normalise(SPECTRA).sum(axis=1), 1)


def test_relabelling_clusters_changes_nothing() -> None:
    rng = np.random.default_rng(1)
    spectra = rng.poisson(np.linspace(200, 50, 16), size=(50, 16))
    spectra[7, 5] += 90
    order = rng.permutation(50)
    one, other = scan(spectra), scan(spectra[order])
    assert one.statistic > 0
    assert other.statistic == pytest.approx(one.statistic, rel=1e-12)
    np.testing.assert_array_equal(one.signal_rich[order], other.signal_rich)


def test_nothing_or_everything_selected_gives_zero() -> None:
    spectra = np.full((10, 4), 25)
    nothing = scan(spectra)
    assert nothing.statistic == 0
    assert nothing.n_signal_rich == 0
    everything = scan(SPECTRA, theta=-10)
    assert everything.n_signal_rich == 5
    assert everything.statistic == 0


def test_only_positive_deviations_select() -> None:
    spectra = SPECTRA.copy()
    spectra[4] = [50, 0, 35, 25]
    spectra[:, 0] += 10
    deviations = standardise(spectra, 0.2)
    assert deviations[4].min() < -3
    rich = scan(spectra).signal_rich
    np.testing.assert_array_equal(rich, deviations.max(axis=1) > 3)


def test_an_empty_cluster_is_left_out() -> None:
    with_empty = np.vstack([SPECTRA, np.zeros(4, dtype=int)])
    result = scan(with_empty)
    assert result.statistic == pytest.approx(scan(SPECTRA).statistic)
    assert not result.signal_rich[-1]
    np.testing.assert_array_equal(result.deviations[-1], 0)


def test_exact_form_is_close_to_the_gaussian_one_for_large_counts() -> None:
    gaussian = scan(SPECTRA * 100).statistic
    exact = scan(SPECTRA * 100, statistic=Statistic(local_significance="exact")).statistic
    # The Poisson tail is longer than the Gaussian's: by a tenth at 34 standard deviations of 3,900 jets.
    assert exact < gaussian
    assert exact == pytest.approx(gaussian, rel=0.12)


def test_false_positives_of_gaussian_clusters() -> None:
    """Without signal, k * bins * 0.00135 cells pass theta = 3 (SPEC, section 3 step 5): 1.08 for 50 x 16.

    Sigma is taken from the middle 80 % of 50 clusters, so it scatters by some 12 %, and the tail beyond
    3 sigma grows: an independent simulation of Gaussian samples with the same estimators gives the number.
    """
    rng = np.random.default_rng(5)
    cells = [int((standardise(rng.poisson(1e6, size=(50, 16)), 0.2) > 3).sum()) for _ in range(400)]
    assert 1.08 < np.mean(cells) < 2.7


@pytest.mark.parametrize("spectra", [np.ones(4, dtype=int), np.array([[1, -1], [2, 2]])])
def test_bad_spectra(spectra: np.ndarray) -> None:
    with pytest.raises(ArgumentError, match="spectra must be counts"):
        scan(spectra)

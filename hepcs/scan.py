"""Cluster Scanning of the spectra of one clustering: standardise, select, compare (paper, section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hepcs.bumphunter import test_statistic
from hepcs.datacard.schema import ClusterScanning, Statistic
from hepcs.errors import ArgumentError
from hepcs.robust import n_dropped, robust_mean_and_sd


@dataclass(frozen=True)
class ScanResult:
    """One cluster scan.

    Attributes
    ----------
    spectra
        Jets N[i, b] of cluster i in bin b, shape (k, b).
    deviations
        z[i, b], robust standard deviations from the robust mean over clusters, shape (k, b); 0 for a cluster
        without jets, and in a bin where the clusters show no spread, or are too few, to measure it with.
    signal_rich
        The selected clusters, shape (k,).
    observed
        S_b, jets of the signal-rich clusters, shape (b,).
    expected
        B_b, the signal-poor spectrum scaled to as many jets, shape (b,); 0 if nothing or all is selected.
    local_significance
        Z_b of the excesses, shape (b,).
    statistic
        Maximum local significance; 0 if no cluster, or every cluster, is selected.
    """

    spectra: NDArray[np.int64]
    deviations: NDArray[np.float64]
    signal_rich: NDArray[np.bool_]
    observed: NDArray[np.float64]
    expected: NDArray[np.float64]
    local_significance: NDArray[np.float64]
    statistic: float

    @property
    def n_signal_rich(self) -> int:
        """Number of selected clusters."""
        return int(self.signal_rich.sum())


def normalise(spectra: NDArray[np.int64]) -> NDArray[np.float64]:
    """n[i, b] = N[i, b] / sum_b N[i, b], shape (k, b); a cluster without jets stays zero."""
    totals = spectra.sum(axis=1, keepdims=True)
    return spectra / np.maximum(totals, 1)


def standardise(spectra: NDArray[np.int64], outlier_fraction: float) -> NDArray[np.float64]:
    """Deviation z[i, b] of each normalised spectrum in each bin (SPEC, section 3 step 4), shape (k, b)."""
    filled = spectra.sum(axis=1) > 0
    normalised = normalise(spectra)
    deviations = np.zeros_like(normalised)
    if filled.sum() - n_dropped(outlier_fraction, int(filled.sum())) < 2:
        return deviations
    mean, sd = robust_mean_and_sd(normalised[filled], outlier_fraction, axis=0)
    measurable = sd > 0
    deviations[np.ix_(filled, measurable)] = (normalised[filled] - mean)[:, measurable] / sd[measurable]
    return deviations


def scan_spectra(
    spectra: NDArray[np.int64],
    section: ClusterScanning,
    statistic: Statistic,
    *,
    centres: NDArray[np.float64],
) -> ScanResult:
    """Scan the spectra of one clustering (SPEC, section 3 steps 4 to 7).

    Parameters
    ----------
    spectra
        Jets N[i, b], shape (k, b).
    section, statistic
        The card's sections: how clusters are selected, and which test statistic compares the two sums.
    centres
        Centres of the m_jj bins, shape (b,), GeV.
    """
    if spectra.ndim != 2 or (spectra < 0).any():
        raise ArgumentError(f"spectra must be counts of shape (k, b), found shape {spectra.shape}")
    deviations = standardise(spectra, section.outlier_fraction)
    signal_rich = deviations.max(axis=1) > section.theta
    rich = spectra[signal_rich].sum(axis=0).astype(np.float64)
    poor = spectra[~signal_rich].sum(axis=0).astype(np.float64)
    if rich.sum() == 0 or poor.sum() == 0:
        nothing = np.zeros(spectra.shape[1])
        return ScanResult(spectra, deviations, signal_rich, rich, nothing, nothing, 0.0)
    expected = poor * (rich.sum() / poor.sum())
    value, significance = test_statistic(rich, expected, statistic)
    return ScanResult(spectra, deviations, signal_rich, rich, expected, significance, value)

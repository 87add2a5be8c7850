"""Cluster Scanning of the spectra of one clustering: standardise, select, compare (paper, section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError
from hepcs.config.searches import Statistic
from hepcs.searches.cluster_scanning.estimates import fit_of_rich, signal_poor, transfer_factor
from hepcs.searches.cluster_scanning.section import ClusterScanning, TrendWindows
from hepcs.searches.cluster_scanning.selection import scan_windows, with_neighbours
from hepcs.statistics.bumphunter import test_statistic
from hepcs.statistics.robust import n_dropped, robust_mean_and_sd
from hepcs.statistics.significance import local_significance


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
        Z_b of the excesses, shape (b,); of a scan by windows, the largest of the windows with the bin.
    statistic
        Maximum local significance, or what the card wants in its place; 0 if no cluster, or every cluster, is
        selected.
    by_window
        Of a scan by windows the significance of each, shape (w,).
    """

    spectra: NDArray[np.int64]
    deviations: NDArray[np.float64]
    signal_rich: NDArray[np.bool_]
    observed: NDArray[np.float64]
    expected: NDArray[np.float64]
    local_significance: NDArray[np.float64]
    statistic: float
    by_window: NDArray[np.float64] | None = None

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
    *,
    centres: NDArray[np.float64],
    centroids: NDArray[np.floating] | None = None,
    sqrt_s: float = 13000.0,
    widths: NDArray[np.float64] | None = None,
) -> ScanResult:
    """Scan the spectra of one clustering (SPEC, section 3 steps 4 to 7), or as the card wants it otherwise.

    Parameters
    ----------
    spectra
        Jets N[i, b], shape (k, b).
    section
        Of the card: how clusters are selected and their background is estimated, and which test statistic compares
        the two.
    centres
        Centres of the m_jj bins, shape (b,), GeV.
    centroids
        Shape (k, d); for a selection of neighbours alone.
    sqrt_s, widths
        Centre-of-mass energy, GeV, and bin widths, shape (b,), GeV, where they differ: of estimates by a fit.

    Raises
    ------
    ArgumentError
        If spectra are not counts of shape (k, b), or neighbours are asked for without centroids.
    """
    if spectra.ndim != 2 or (spectra < 0).any():
        raise ArgumentError(f"spectra must be counts of shape (k, b), found shape {spectra.shape}")
    deviations = standardise(spectra, section.outlier_fraction)
    if section.windows is not None:
        return _scan_windows(spectra, deviations, section, section.windows)
    signal_rich = deviations.max(axis=1) > section.theta
    if section.neighbours:
        if centroids is None:
            raise ArgumentError("a selection of neighbouring clusters needs the centroids")
        signal_rich = with_neighbours(signal_rich, centroids, section.neighbours)
    observed = spectra[signal_rich].sum(axis=0).astype(np.float64)
    if observed.sum() == 0 or spectra[~signal_rich].sum() == 0:
        nothing = np.zeros(spectra.shape[1])
        return ScanResult(spectra, deviations, signal_rich, observed, nothing, nothing, 0.0)
    expected = _background(spectra, signal_rich, section, centres, sqrt_s, widths)
    value, significance = test_statistic(observed, expected, section.statistic)
    return ScanResult(spectra, deviations, signal_rich, observed, expected, significance, value)


def cluster_significance(scan: ScanResult, statistic: Statistic) -> NDArray[np.float64]:
    """Local significance of the excess of each cluster alone over the signal-poor ones, scaled to as many jets.

    Shape (k, b); 0 where every cluster is selected. It is what a cluster adds to the excess of the selected ones.
    """
    poor = scan.spectra[~scan.signal_rich].sum(axis=0).astype(np.float64)
    jets = scan.spectra.sum(axis=1, keepdims=True)
    return local_significance(
        scan.spectra, jets * poor / max(float(poor.sum()), 1.0), statistic.local_significance
    )


def _background(
    spectra: NDArray[np.int64],
    signal_rich: NDArray[np.bool_],
    section: ClusterScanning,
    centres: NDArray[np.float64],
    sqrt_s: float,
    widths: NDArray[np.float64] | None,
) -> NDArray[np.float64]:
    """B_b of the selected clusters by the estimate that the card names, shape (b,)."""
    match section.background_estimate:
        case "signal_poor":
            estimate = signal_poor(spectra, signal_rich)
        case "transfer_factor":
            trend = section.trend
            estimate = transfer_factor(spectra, signal_rich, degree=trend.degree, guard=trend.guard)
        case kind:
            of: Literal["sum", "each"] = "sum" if kind == "fit_of_sum" else "each"
            n = section.fit_parameters
            estimate = fit_of_rich(
                spectra, signal_rich, centres, of=of, n_parameters=n, sqrt_s=sqrt_s, widths=widths
            )
    return estimate.expected


def _scan_windows(
    spectra: NDArray[np.int64],
    deviations: NDArray[np.float64],
    section: ClusterScanning,
    windows: TrendWindows,
) -> ScanResult:
    """Each cluster against its own trend; a bin has the significance of the best window that holds it."""
    scan = scan_windows(
        spectra,
        combination=windows.combination,
        theta=section.theta,
        widths=windows.widths,
        degree=section.trend.degree,
        guard=section.trend.guard,
        significance=windows.significance,
    )
    local = np.zeros(spectra.shape[1])
    for (low, high), significance in zip(scan.clusters.windows, scan.combined, strict=True):
        local[low:high] = np.maximum(local[low:high], significance)
    found = scan.signal_rich, scan.observed, scan.expected, local, scan.statistic, scan.combined
    return ScanResult(spectra, deviations, *found)

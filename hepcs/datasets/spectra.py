"""m_jj spectra of clusters, as counts and as histograms."""

from __future__ import annotations

from typing import Any

import hist
import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError
from hepcs.datasets.samples import MassBins


def cluster_spectra(
    clusters: NDArray[np.int64],
    mass_bin: NDArray[np.int64],
    multiplicity: NDArray[np.int64],
    k: int,
    n_bins: int,
) -> NDArray[np.int64]:
    """Number of jets N[i, b] of cluster i in m_jj bin b (SPEC, section 3 step 3).

    Parameters
    ----------
    clusters
        Cluster of both jets of each event, shape (n, 2).
    mass_bin
        m_jj bin of each event, shape (n,).
    multiplicity
        How often each event is in the data set, shape (n,).
    k, n_bins
        Shape of the result.

    Returns
    -------
    Shape (k, b); an event counts with both its jets, so the sum over clusters is twice the spectrum of events.
    """
    if clusters.shape != (*mass_bin.shape, 2):
        raise ArgumentError(
            f"clusters must have shape (n, 2), found {clusters.shape} for n = {mass_bin.size}"
        )
    cell = clusters * n_bins + mass_bin[:, np.newaxis]
    weights = np.repeat(multiplicity, 2)
    counts = np.bincount(cell.ravel(), weights=weights, minlength=k * n_bins)
    return counts.reshape(k, n_bins).astype(np.int64)


def mass_axis(bins: MassBins) -> hist.axis.Regular:
    """The m_jj axis, in GeV, for histograms that leave the run."""
    return hist.axis.Regular(
        bins.n_bins, bins.low, bins.high, name="m_jj", label="$m_{jj}$ [GeV]", underflow=False, overflow=False
    )


def spectra_histogram(
    values: NDArray[Any], bins: MassBins, label: str = "jets", variances: NDArray[Any] | None = None
) -> hist.Hist:
    """Histogram with axes cluster and m_jj of values of shape (k, b); see :func:`mass_histogram`."""
    cluster = hist.axis.Integer(
        0, len(values), name="cluster", label="cluster", underflow=False, overflow=False
    )
    return _filled(
        hist.Hist(cluster, mass_axis(bins), storage=_storage(variances), label=label), values, variances
    )


def mass_histogram(
    values: NDArray[Any], bins: MassBins, label: str, variances: NDArray[Any] | None = None
) -> hist.Hist:
    """Histogram of values per m_jj bin, shape (b,).

    Without `variances` the values are counts, whose variance is the count; otherwise they have the shape of the
    values, and are zero for numbers that have no error of their own.
    """
    return _filled(hist.Hist(mass_axis(bins), storage=_storage(variances), label=label), values, variances)


def _storage(variances: NDArray[Any] | None) -> Any:
    return hist.storage.Double() if variances is None else hist.storage.Weight()


def _filled(histogram: hist.Hist, values: NDArray[Any], variances: NDArray[Any] | None) -> hist.Hist:
    histogram[...] = values if variances is None else np.stack([values, variances], axis=-1)
    return histogram

"""m_jj spectra as histograms, for what leaves the run."""

from __future__ import annotations

from typing import Any

import hist
import numpy as np
from numpy.typing import NDArray

from hepcs.datasets.samples import MassBins


def mass_axis(bins: MassBins) -> hist.axis.Regular | hist.axis.Variable:
    """The m_jj axis, in GeV, for histograms that leave the run."""
    how: dict[str, Any] = {
        "name": "m_jj",
        "label": "$m_{jj}$ [GeV]",
        "underflow": False,
        "overflow": False,
    }
    if bins.variable is not None:
        return hist.axis.Variable(bins.variable, **how)
    return hist.axis.Regular(bins.n_bins, bins.low, bins.high, **how)


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

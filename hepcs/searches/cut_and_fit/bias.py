"""Tests of a search without signal: does its cut sculpt the spectrum, and is the predicted B right in the mean?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from hepcs._core.errors import ArgumentError
from hepcs.searches.cut_and_fit.scan import CutScan
from hepcs.searches.cut_and_fit.windows import SlidingWindows


@dataclass(frozen=True)
class Bias:
    """The mean relative bias of B over t data sets without signal: w windows, c cuts.

    Attributes
    ----------
    n_data_sets
        t.
    delta
        Mean of (S - B) / B over data sets and windows (delta_sys), shape (c,).
    error
        Standard error of `delta` from the spread over data sets, shape (c,); NaN for t = 1.
    statistical
        Mean relative error of B by its own variance, over data sets and windows, shape (c,).
    delta_by_window
        Mean of (S - B) / B over data sets, shape (w, c).
    mean_z, sd_z
        Mean and standard deviation of local Z over data sets, shape (w, c); unbiased: 0 and 1.
    """

    n_data_sets: int
    delta: NDArray[np.float64]
    error: NDArray[np.float64]
    statistical: NDArray[np.float64]
    delta_by_window: NDArray[np.float64]
    mean_z: NDArray[np.float64]
    sd_z: NDArray[np.float64]

    @property
    def exceeds(self) -> NDArray[np.bool_]:
        """Cuts whose bias is larger than the statistical error of B, shape (c,)."""
        return np.abs(self.delta) > self.statistical


@dataclass(frozen=True)
class Sculpting:
    """How far the spectrum after a cut has another shape than that before, outside of the window.

    Attributes
    ----------
    jsd
        Jensen-Shannon divergence of the two shapes, in bits: 0 for the same, 1 for disjoint ones, shape (w, c).
    chi2
        Homogeneity of kept and rejected events over the bins outside (Pearson), shape (w, c).
    ndof
        Its degrees of freedom, shape (w, c).
    p
        Its p-value, where counts are large and every event is there once, shape (w, c).
    """

    jsd: NDArray[np.float64]
    chi2: NDArray[np.float64]
    ndof: NDArray[np.int64]
    p: NDArray[np.float64]


def relative_bias(scans: Sequence[CutScan]) -> Bias:
    """Bias of B over scans of data sets without signal; fits that failed are left out.

    Raises ArgumentError for no scans, or scans of different windows and cuts.
    """
    shapes = {scan.local_z.shape for scan in scans}
    if len(shapes) != 1:
        raise ArgumentError(f"a bias needs scans of the same windows and cuts, found shapes {sorted(shapes)}")
    observed, expected, variance, z = (
        np.stack([getattr(scan, name) for scan in scans])
        for name in ("observed", "expected", "variance", "local_z")
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        delta = np.where(expected > 0, (observed - expected) / expected, np.nan)
        relative_error = np.where(expected > 0, np.sqrt(variance) / expected, np.nan)
    each = _mean(delta, axis=1)
    return Bias(
        n_data_sets=len(scans),
        delta=_mean(each, axis=0),
        error=_deviation(each) / np.sqrt(len(scans)),
        statistical=_mean(_mean(relative_error, axis=1), axis=0),
        delta_by_window=_mean(delta, axis=0),
        mean_z=_mean(z, axis=0),
        sd_z=_deviation(z),
    )


def measured_uncertainty(scans: Sequence[CutScan], background: float) -> NDArray[np.float64]:
    """Uncertainty of B, divided by it, that bias tests find beyond fluctuations, for each cut, shape (c,).

    The mean square over windows of the bias, which is the mean of (S - B) / B over t data sets, less what it
    would be without bias: (1 / t + 1 / r) (B + var(B)) / B^2, for data sets that are drawn from a sample of r
    times their size. Zero where the bias is not seen above this.

    Parameters
    ----------
    scans
        Of t data sets without signal.
    background
        r, of the effective size of the sample.

    Raises
    ------
    ArgumentError
        As :func:`relative_bias`, or for a sample without events.
    """
    if not background > 0:
        raise ArgumentError(f"data sets are drawn from a sample of some size, found {background!r} of theirs")
    bias = relative_bias(scans).delta_by_window
    expected, variance = (
        np.stack([getattr(scan, name) for scan in scans]) for name in ("expected", "variance")
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        each = np.where(expected > 0, (expected + variance) / expected**2, np.nan)
    noise = (1 / len(scans) + 1 / background) * _mean(each, axis=0)
    excess = np.nan_to_num(_mean(bias**2 - noise, axis=0))
    return np.asarray(np.sqrt(np.maximum(excess, 0.0)))


def sculpting(spectrum: ArrayLike, kept: ArrayLike, windows: SlidingWindows) -> Sculpting:
    """Compare spectra after cuts with the one before, outside of each window.

    Parameters
    ----------
    spectrum
        Counts before the cut, shape (b,); better the mean of many data sets than one of them.
    kept
        Counts after it, shape (w, c, b), not above those before.
    windows
        w windows over b bins.

    Raises
    ------
    ArgumentError
        For shapes that do not match, or bins with more events after the cut than before.
    """
    before, after = np.asarray(spectrum, dtype=np.float64), np.asarray(kept, dtype=np.float64)
    if before.shape != (windows.n_bins,) or after.shape[::2] != (windows.n_windows, windows.n_bins):
        raise ArgumentError(
            f"spectra of shapes {before.shape} and {after.shape} do not match {windows.n_windows} windows over "
            f"{windows.n_bins} bins"
        )
    if (after < 0).any() or (after > before).any():
        raise ArgumentError("a cut cannot keep more events than there are, nor fewer than none")
    used = (~windows.inside & (before > 0))[:, np.newaxis]
    n, k = np.where(used, before, 0.0), np.where(used, after, 0.0)
    share = _ratio(k.sum(axis=-1), n.sum(axis=-1))[..., np.newaxis]
    terms = _ratio((k - share * n) ** 2, share * (1 - share) * n)
    chi2 = np.where(used, terms, 0.0).sum(axis=-1)
    ndof = np.broadcast_to(used.sum(axis=-1) - 1, chi2.shape)
    return Sculpting(_divergence(k, n), chi2, ndof.astype(np.int64), special.chdtrc(ndof, chi2))


def _divergence(k: NDArray[np.float64], n: NDArray[np.float64]) -> NDArray[np.float64]:
    """Jensen-Shannon divergence of two shapes over the last axis, bits, NaN for an empty one.

    scipy's is a distance, and takes the root of what rounding makes negative where the shapes are the same.
    """
    p, q = (_ratio(one, one.sum(axis=-1, keepdims=True)) for one in (k, n))
    middle = (p + q) / 2
    entropies = special.rel_entr(p, middle) + special.rel_entr(q, middle)
    return np.asarray(np.maximum(entropies.sum(axis=-1), 0.0) / (2 * np.log(2)))


def _ratio(over: NDArray[np.float64], under: NDArray[np.float64]) -> NDArray[np.float64]:
    """The ratio, NaN where it is not defined."""
    return np.asarray(over / np.where(under > 0, under, np.nan))


def _mean(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Mean of the numbers that are not NaN; NaN where there are none."""
    known = ~np.isnan(values)
    return _ratio(np.where(known, values, 0.0).sum(axis=axis), known.sum(axis=axis).astype(np.float64))


def _deviation(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviation (n - 1) along the first axis of the numbers that are not NaN; NaN for fewer than two."""
    known = ~np.isnan(values)
    centred = np.where(known, values - _mean(values, axis=0), 0.0)
    return np.sqrt(_ratio((centred**2).sum(axis=0), known.sum(axis=0) - 1.0))

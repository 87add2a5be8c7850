"""Background of signal-rich clusters: the paper's estimate, and those that its outlook names (paper, section 5).

===================  ==================================================================================
estimate             the background of the signal-rich jets is
===================  ==================================================================================
signal-poor          the spectrum of the other clusters, scaled (SPEC, section 3 step 6)
fit of sum, of each  the dijet function fitted to the sum of the signal-rich clusters, or to each of them
transfer factor      the other clusters times a polynomial in m_jj, fitted outside the tested window
===================  ==================================================================================

The first takes the share of the signal-rich clusters in all jets as constant in m_jj. Where a cluster grows or
shrinks with m_jj ("mass sculpting"), that is wrong by more than statistics, and a transfer factor repairs it.
Being fitted outside the tested window and its neighbours, it does not follow a signal there. The same is done for
each cluster against all clusters by :func:`cluster_excess`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hepcs._core.algebra import orthonormalised, product, solutions
from hepcs._core.errors import ArgumentError
from hepcs.background import irls_dijet
from hepcs.background.functions import design_matrix

# Jets that are expected at least in a window, where a trend falls to nothing or below.
_LEAST_EXPECTED = 0.3


@dataclass(frozen=True)
class Estimate:
    """Background of the signal-rich jets in each bin.

    Attributes
    ----------
    expected
        B_b >= 0, shape (b,); 0 where there is no estimate.
    variance
        Variance of B_b by the statistics of the jets it was made from, shape (b,). It is not independent of the
        signal-rich jets where they were fitted themselves.
    """

    expected: NDArray[np.float64]
    variance: NDArray[np.float64]


@dataclass(frozen=True)
class TrendExcess:
    """Jets in windows of m_jj against what the bins outside predict; the last axis counts the windows.

    Attributes
    ----------
    windows
        First bin of each window, and the bin behind its last one, shape (w, 2).
    excess
        Jets in the window less the predicted ones, shape (..., w).
    variance
        Of the excess where there is no signal: that of the jets in the window and of the prediction, shape
        (..., w); 0 where nothing can be predicted.
    observed
        Jets in the window, shape (..., w).
    of_prediction
        The part of `variance` that is the prediction's.
    """

    windows: NDArray[np.int64]
    excess: NDArray[np.float64]
    variance: NDArray[np.float64]
    observed: NDArray[np.float64] | None = None
    of_prediction: NDArray[np.float64] | None = None

    @property
    def likelihood_significance(self) -> NDArray[np.float64]:
        """Excess as the root of the likelihood ratio of counts, right also for a few jets, as `significance`.

        Li and Ma, ApJ 272 (1983) 317, eq. 17: the prediction counts as one of as many jets off the window as have
        its error, which is taken in proportion to it.
        """
        assert self.observed is not None
        assert self.of_prediction is not None
        known, n = self.variance > 0, self.observed
        b = np.maximum(n - self.excess, _LEAST_EXPECTED)
        usual = np.where(known, self.variance - self.of_prediction, 1.0)
        spread = np.maximum(self.of_prediction * b / np.maximum(usual, _LEAST_EXPECTED), 1e-9)
        alpha = spread / b
        off, total = b / alpha, n + b / alpha
        on = n * np.log(np.maximum(n, 1e-300) * (1 + alpha) / (alpha * total))
        ratio = np.maximum(2 * (on + off * np.log((1 + alpha) * off / total)), 0.0)
        return np.where(known, np.sign(n - b) * np.sqrt(ratio), 0.0)

    @property
    def significance(self) -> NDArray[np.float64]:
        """Excess in standard deviations, negative for a deficit, 0 where nothing can be predicted: (..., w)."""
        known = self.variance > 0
        z = self.excess / np.sqrt(np.where(known, self.variance, 1.0))
        return np.where(known, z, 0.0)


def signal_poor(spectra: NDArray[np.int64], signal_rich: NDArray[np.bool_]) -> Estimate:
    """The signal-poor spectrum scaled to as many jets as the signal-rich one has (SPEC, section 3 step 6).

    Parameters
    ----------
    spectra
        Jets N[i, b], shape (k, b).
    signal_rich
        The selected clusters, shape (k,).

    Returns
    -------
    Estimate
        Zero if nothing, or everything, is selected.
    """
    rich, poor = _sums(spectra, signal_rich)
    scale = rich.sum() / poor.sum() if poor.sum() > 0 else 0.0
    return Estimate(poor * scale, poor * scale**2)


def fit_of_rich(
    spectra: NDArray[np.int64],
    signal_rich: NDArray[np.bool_],
    centres: NDArray[np.float64],
    *,
    of: Literal["sum", "each"] = "sum",
    n_parameters: int = 4,
    sqrt_s: float = 13000.0,
    widths: NDArray[np.float64] | None = None,
) -> Estimate:
    """Dijet function fitted to the signal-rich clusters (paper, section 5, with eq. 3.1).

    Parameters
    ----------
    spectra, signal_rich
        Jets N[i, b], shape (k, b), and the selected clusters, shape (k,).
    centres
        Bin centres, shape (b,), GeV.
    of
        One fit to the sum of the selected clusters, or a fit to each of them, summed.
    n_parameters
        3, 4 or 5.
    sqrt_s
        Centre-of-mass energy, GeV.
    widths
        Bin widths, shape (b,), GeV, where they differ.

    Returns
    -------
    Estimate
        Zero if nothing is selected. A spectrum whose fit is not determined, such as that of a cluster with a
        handful of jets, has the scaled signal-poor spectrum instead.

    Raises
    ------
    ArgumentError
        As :func:`hepcs.background.irls_dijet` does, and for another `of`.
    """
    if of not in ("sum", "each"):
        raise ArgumentError(f'a dijet fit is made of the "sum" or of "each", found {of!r}')
    rich, poor = _sums(spectra, signal_rich)
    n_bins = spectra.shape[1]
    if rich.sum() == 0:
        return Estimate(np.zeros(n_bins), np.zeros(n_bins))
    chosen = rich[np.newaxis] if of == "sum" else spectra[signal_rich].astype(np.float64)
    chosen = chosen[chosen.sum(axis=1) > 0]
    fits = irls_dijet(chosen, centres, n_parameters, sqrt_s=sqrt_s, widths=widths)
    scale = chosen.sum(axis=1, keepdims=True) / max(poor.sum(), 1.0)
    good = fits.converged[:, np.newaxis]
    fitted = np.where(good, fits.expected, 0.0)
    # In an orthonormal basis of the same functions; the covariance of the curve does not depend on it.
    basis, _ = orthonormalised(design_matrix(centres, n_parameters, sqrt_s))
    weights = np.where(good, fits.expected, 1.0)
    products = (basis[:, :, np.newaxis] * basis[:, np.newaxis, :]).reshape(n_bins, -1)
    information = product(weights, products).reshape(-1, n_parameters, n_parameters)
    # The rows of the basis times the inverse of the information of each spectrum.
    lifted = solutions(np.repeat(information, n_bins, axis=0), np.tile(basis, (len(weights), 1)))
    spread = (lifted.reshape(-1, n_bins, n_parameters) * basis).sum(axis=2)
    expected = np.where(good, fitted, scale * poor)
    variance = np.where(good, fitted**2 * spread, scale**2 * poor)
    return Estimate(expected.sum(axis=0), variance.sum(axis=0))


def transfer_factor(
    spectra: NDArray[np.int64],
    signal_rich: NDArray[np.bool_],
    *,
    degree: int = 1,
    guard: int = 1,
) -> Estimate:
    """Signal-poor spectrum times a polynomial fitted outside of each tested bin (paper, section 5; ABCD-like).

    Parameters
    ----------
    spectra, signal_rich
        Jets N[i, b], shape (k, b), and the selected clusters, shape (k,).
    degree
        Of the polynomial: 1 for a straight line in m_jj.
    guard
        Bins on either side of the tested one that the fit leaves out as well.

    Returns
    -------
    Estimate
        The estimate of each bin comes from a fit of its own. Zero if nothing, or everything, is selected, and
        where the polynomial is negative.

    Raises
    ------
    ArgumentError
        As :func:`window_excess` does.
    """
    rich, poor = _sums(spectra, signal_rich)
    result = window_excess(rich, poor, widths=(1,), degree=degree, guard=guard)
    expected = np.where(result.variance > 0, np.maximum(rich - result.excess, 0.0), 0.0)
    share = rich.sum() / max(poor.sum(), 1.0)
    # Of the whole variance, the tested bin's own part is that of its jets, S_b; the rest is the estimate's.
    own = share * (1 + share) * poor
    return Estimate(expected, np.maximum(result.variance - own, 0.0) + share**2 * poor)


def cluster_excess(
    spectra: NDArray[np.int64], *, widths: Sequence[int] = (1, 2), degree: int = 1, guard: int = 1
) -> TrendExcess:
    """Excess of each cluster in each window over its own trend outside of it (paper, section 5).

    The share of a cluster in all jets, N[i, b] / sum_i N[i, b], is taken as a polynomial in m_jj, fitted outside
    the window and its neighbours.

    Parameters
    ----------
    spectra
        Jets N[i, b], shape (k, b).
    widths
        Widths of the windows in bins.
    degree
        Of the polynomial.
    guard
        Bins on either side of the window that the fit leaves out as well.

    Returns
    -------
    TrendExcess
        With excess and variance of shape (k, w). The variance is the binomial one of a jet to be in the cluster.

    Raises
    ------
    ArgumentError
        As :func:`window_excess` does.
    """
    windows = windows_of(spectra.shape[1], tuple(widths))
    counts = spectra.astype(np.float64)
    total = counts.sum(axis=0)
    coefficients = _coefficients(total, tuple(widths), degree, guard)
    share = counts.sum(axis=1, keepdims=True) / max(total.sum(), 1.0)
    inside = _geometry(spectra.shape[1], tuple(widths), degree, guard)[0]
    binomial, squares = share * (1 - share), np.square(coefficients)
    return TrendExcess(
        windows,
        product(counts, coefficients.T),
        binomial * product(squares, total),
        product(counts, inside.T),
        binomial * product(squares * (1 - inside), total),
    )


def window_excess(
    rich: NDArray[np.float64],
    poor: NDArray[np.float64],
    *,
    widths: Sequence[int] = (1, 2),
    degree: int = 1,
    guard: int = 1,
) -> TrendExcess:
    """Excess of one spectrum in each window over another one times a polynomial fitted outside of it.

    Parameters
    ----------
    rich, poor
        Counts of the tested and of the reference spectrum, independent of each other, shape (b,).
    widths, degree, guard
        As in :func:`cluster_excess`.

    Returns
    -------
    TrendExcess
        With excess and variance of shape (w,); both spectra contribute to the variance.

    Raises
    ------
    ArgumentError
        For windows that leave fewer than degree + 2 bins outside, or a negative degree or guard.
    """
    windows = windows_of(len(rich), tuple(widths))
    coefficients = _coefficients(poor, tuple(widths), degree, guard)
    ratio = rich.sum() / max(poor.sum(), 1.0)
    variance = ratio * (1 + ratio) * product(np.square(coefficients), poor)
    return TrendExcess(windows, product(coefficients, rich), variance)


def trend(
    counts: NDArray[np.float64],
    reference: NDArray[np.float64],
    window: tuple[int, int],
    *,
    degree: int = 1,
    guard: int = 1,
) -> NDArray[np.float64]:
    """The fit behind :func:`window_excess` for one window, in all bins: what a figure shows.

    Parameters
    ----------
    counts, reference
        Shape (b,).
    window
        First bin, and the bin behind the last one.
    degree, guard
        As in :func:`cluster_excess`.

    Returns
    -------
    Reference times polynomial, not below 0, shape (b,); 0 where there is too little outside to fit it.
    """
    bins = np.arange(len(counts))
    weights = reference * ((bins < window[0] - guard) | (bins >= window[1] + guard))
    if (weights > 0).sum() <= degree:
        return np.zeros(len(counts))
    powers = _legendre(len(counts), degree)
    ratio = counts / np.where(reference > 0, reference, 1.0)
    information = product(powers.T * weights, powers)
    (solution,) = solutions(information[np.newaxis], product(powers.T, weights * ratio)[np.newaxis])
    return np.asarray(np.maximum(product(powers, solution), 0.0) * reference)


@lru_cache(maxsize=32)
def windows_of(n_bins: int, widths: tuple[int, ...]) -> NDArray[np.int64]:
    """All windows of the given widths: first bin, and the bin behind the last one, shape (w, 2).

    Raises
    ------
    ArgumentError
        For a width below 1 or above the number of bins, or none at all.
    """
    if not widths or not all(1 <= width <= n_bins for width in widths):
        raise ArgumentError(f"widths of windows must be 1 to {n_bins}, the number of bins, found {widths}")
    windows = np.array(
        [(low, low + width) for width in widths for low in range(n_bins - width + 1)], dtype=np.int64
    )
    windows.setflags(write=False)
    return windows


def _sums(
    spectra: NDArray[np.int64], signal_rich: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums over the signal-rich and over the other clusters, each of shape (b,)."""
    if spectra.ndim != 2 or signal_rich.shape != spectra.shape[:1]:
        raise ArgumentError(
            f"spectra of shape (k, b) and k marks are expected, found {spectra.shape} and {signal_rich.shape}"
        )
    rich = spectra[signal_rich].sum(axis=0).astype(np.float64)
    return rich, spectra.sum(axis=0) - rich


def _coefficients(
    reference: NDArray[np.float64], widths: tuple[int, ...], degree: int, guard: int
) -> NDArray[np.float64]:
    """Matrix c with excess = c @ counts for every spectrum with the same reference, shape (w, b).

    The ratio of counts to reference is fitted with the reference as weight, which is right for a small share:
    its variance is share / reference. So one matrix does for all spectra. Zero where the bins outside hold too
    little of the reference to fit a polynomial.
    """
    inside, outside, powers, products = _geometry(len(reference), widths, degree, guard)
    weights = outside * reference
    information = product(weights, products).reshape(-1, degree + 1, degree + 1)
    enough = (weights > 0).sum(axis=1) > degree
    information[~enough] = np.eye(degree + 1)
    solution = solutions(information, product(inside * reference, powers))
    coefficients = inside - product(solution, powers.T) * outside
    coefficients[~enough] = 0.0
    return np.asarray(coefficients)


@lru_cache(maxsize=32)
def _geometry(
    n_bins: int, widths: tuple[int, ...], degree: int, guard: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Bins inside and outside of the windows (w, b), powers of m_jj (b, n) and their products (b, n n)."""
    if degree < 0 or guard < 0:
        raise ArgumentError(f"degree and guard must not be negative, found {degree} and {guard}")
    windows = windows_of(n_bins, widths)
    bins = np.arange(n_bins)
    low, high = windows[:, :1], windows[:, 1:]
    inside = ((bins >= low) & (bins < high)).astype(np.float64)
    outside = ((bins < low - guard) | (bins >= high + guard)).astype(np.float64)
    least = int(outside.sum(axis=1).min())
    if least < degree + 2:
        raise ArgumentError(
            f"windows up to {max(widths)} bins wide with {guard} more on either side leave {least} of {n_bins} "
            f"bins for a polynomial of degree {degree}, expected {degree + 2} or more. Take narrower windows, a "
            "lower degree, or more bins"
        )
    # Legendre polynomials rather than powers: the matrix to be inverted stays far from singular.
    powers = _legendre(n_bins, degree)
    products = (powers[:, :, np.newaxis] * powers[:, np.newaxis, :]).reshape(n_bins, -1)
    return inside, outside, powers, products


def _legendre(n_bins: int, degree: int) -> NDArray[np.float64]:
    """Legendre polynomials over the bins, shape (b, degree + 1)."""
    return np.asarray(np.polynomial.legendre.legvander(np.linspace(-1, 1, n_bins), degree), dtype=np.float64)

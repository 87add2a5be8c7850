"""The dijet function fitted outside of a window, and what it predicts inside, for many spectra at once."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from hepcs._core.algebra import orthonormalised, product, solutions
from hepcs._core.errors import ArgumentError
from hepcs.background.functions import check_spectra, design_matrix, log_widths
from hepcs.background.irls import mean, poisson_chi2, solve


@dataclass(frozen=True)
class WindowFits:
    """Fits of t spectra, each with its window left out.

    Attributes
    ----------
    curve
        Fitted counts per bin, inside the window predicted, shape (t, b).
    expected
        Predicted counts B in the window, shape (t,).
    variance
        Variance of B from the covariance of the parameters, shape (t,).
    chi2
        Likelihood-ratio chi2 of the bins outside (Baker and Cousins), shape (t,).
    n_parameters
        Parameters of each fit, shape (t,).
    converged
        Whether the minimum was found and is determined; where not, the numbers above are NaN, shape (t,).
    """

    curve: NDArray[np.float64]
    expected: NDArray[np.float64]
    variance: NDArray[np.float64]
    chi2: NDArray[np.float64]
    n_parameters: NDArray[np.int64]
    converged: NDArray[np.bool_]


def fit_outside(
    counts: ArrayLike,
    inside: NDArray[np.bool_],
    centres: ArrayLike,
    *,
    sqrt_s: float,
    n_parameters: int = 3,
    widths: ArrayLike | None = None,
) -> WindowFits:
    """Fit the dijet function (paper, eq. 3.1) to each spectrum outside of its window, by Poisson likelihood.

    Right for any counts, empty bins included. The variance of B is that of the maximum-likelihood estimate,
    g^T I^-1 g with the Fisher information I of the bins outside and the gradient g of B.

    Parameters
    ----------
    counts
        Counts >= 0, shape (t, b).
    inside
        Bins of the window of each spectrum, shape (t, b).
    centres
        Bin centres, GeV, shape (b,).
    sqrt_s
        Centre-of-mass energy, GeV.
    n_parameters
        3, 4 or 5.
    widths
        Bin widths, GeV, shape (b,), for a function of counts per GeV; if absent, of counts per bin.

    Raises
    ------
    ArgumentError
        For arguments that do not match, negative or non-finite counts, or a window that leaves too few bins.
    """
    values = check_spectra(counts, centres, n_parameters, ndim=2)
    if inside.shape != values.shape:
        raise ArgumentError(f"windows of shape {inside.shape} do not match counts of shape {values.shape}")
    n_outside = int((~inside).sum(axis=1).min(initial=values.shape[1]))
    if n_outside <= n_parameters:
        raise ArgumentError(
            f"a window leaves {n_outside} bins, too few for {n_parameters} parameters; "
            f"take narrower windows, narrower bins or fewer parameters"
        )
    outside = ~inside
    basis, _ = orthonormalised(design_matrix(centres, n_parameters, sqrt_s))
    offset = log_widths(widths, centres)
    coefficients, converged = solve(values, basis, used=outside, offset=offset)
    curve = mean(coefficients, basis, offset)
    expected, variance = _prediction(curve, inside, basis)
    chi2 = poisson_chi2(np.where(outside, values, curve), curve)
    converged = converged & np.isfinite(variance)
    return WindowFits(
        np.where(converged[:, np.newaxis], curve, np.nan),
        np.where(converged, expected, np.nan),
        np.where(converged, variance, np.nan),
        np.where(converged, chi2, np.nan),
        np.full(len(values), n_parameters),
        converged,
    )


def fit_outside_by_f_test(
    counts: ArrayLike,
    inside: NDArray[np.bool_],
    centres: ArrayLike,
    *,
    sqrt_s: float,
    alpha: float = 0.05,
    widths: ArrayLike | None = None,
) -> WindowFits:
    """As :func:`fit_outside`, with 3 parameters, or 4 where the F-test of the bins outside asks for the fourth.

    Parameters
    ----------
    alpha
        Level of the test, in (0, 1): the fourth parameter is used where its p-value is below.

    Raises
    ------
    ArgumentError
        As :func:`fit_outside`, for 4 parameters; or for another `alpha`.
    """
    if not 0 < alpha < 1:
        raise ArgumentError(f"alpha must be between 0 and 1, found {alpha!r}")
    simple = fit_outside(counts, inside, centres, sqrt_s=sqrt_s, n_parameters=3, widths=widths)
    full = fit_outside(counts, inside, centres, sqrt_s=sqrt_s, n_parameters=4, widths=widths)
    ndof = (~inside).sum(axis=1) - 4
    with np.errstate(divide="ignore", invalid="ignore"):
        f = np.maximum(simple.chi2 - full.chi2, 0.0) * ndof / full.chi2
    # A NaN, from a fit that failed, asks for nothing; a 3-parameter fit that failed is given up for the other.
    fuller = (special.fdtrc(1, ndof, f) < alpha) | (~simple.converged & full.converged)
    return _chosen(fuller, full, simple)


def _prediction(
    curve: NDArray[np.float64], inside: NDArray[np.bool_], basis: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """B in the window and its variance, each of shape (t,)."""
    n_bins, n = basis.shape
    products = (basis[:, :, np.newaxis] * basis[:, np.newaxis, :]).reshape(n_bins, n * n)
    information = product(np.where(inside, 0.0, curve), products).reshape(-1, n, n)
    within = np.where(inside, curve, 0.0)
    gradient = product(within, basis)
    variance = (gradient * solutions(information, gradient)).sum(axis=1)
    return within.sum(axis=1), variance


def _chosen(mask: NDArray[np.bool_], there: WindowFits, elsewhere: WindowFits) -> WindowFits:
    """The fits of `there` where the mask (t,) is set, of `elsewhere` where not."""
    return replace(
        elsewhere,
        curve=np.where(mask[:, np.newaxis], there.curve, elsewhere.curve),
        **{
            name: np.where(mask, getattr(there, name), getattr(elsewhere, name))
            for name in ("expected", "variance", "chi2", "n_parameters", "converged")
        },
    )

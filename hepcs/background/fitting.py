"""Fit of the dijet function to one spectrum with iminuit (paper, appendix A; SPEC, section 5).

The cost is the Poisson likelihood ratio of Baker and Cousins, right for any counts, empty bins included. The
parameters of the function are almost degenerate (correlations of 0.9999 and beyond), and a minimiser that
works in them stops early or reports a covariance that is none. So the fit is made in whitened coordinates
u: ln f = ln f0 + W u, where f0 is the solution of a Poisson regression (:mod:`hepcs.background.irls`) and
W^T diag(f0) W = 1, that is, the Fisher matrix there is the unit matrix. Every u then has mean 0, standard
deviation 1 and no correlations, which is what Migrad assumes at its start. ln f is linear in the
log-parameters, so the way back is exact.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from iminuit import Minuit
from numpy.typing import ArrayLike, NDArray
from scipy import special

from hepcs._core.algebra import eigen, orthonormalised, product, triangle_solutions
from hepcs._core.errors import ArgumentError
from hepcs.background.functions import MAX_PARAMETERS, check_spectra, design_matrix, log_widths
from hepcs.background.irls import poisson_chi2, solve
from hepcs.background.kernels import cost_change, cost_gradient, exponentials

_log = logging.getLogger(__name__)

# In units of chi2: Migrad's goal for the estimated distance to the minimum, 1e-4 standard deviations.
_EDM_GOAL = 1e-8
# Migrad sets out half a standard deviation off in every coordinate, so that it has a minimum to find: it is a
# check on the regression, and a gradient of zero at the start makes its step sizes undefined.
_START = 0.5


@dataclass(frozen=True)
class DijetFit:
    """Fit of the n-parameter dijet function to one spectrum.

    Attributes
    ----------
    n_parameters
        n: 3, 4 or 5.
    sqrt_s
        GeV; x = m_jj / sqrt_s.
    centres
        Bin centres, GeV, shape (b,).
    log_parameters
        (ln p1, p2, ..., p5), zero where unused, shape (5,).
    log_covariance
        Covariance of the first n log-parameters, shape (n, n). It is nearly singular: for the uncertainty of
        the curve use `expected_covariance`, which does not pass through it.
    expected
        Fitted counts per bin, shape (b,).
    expected_covariance
        Covariance of `expected`, shape (b, b), of rank n.
    chi2
        Likelihood-ratio chi2 at the minimum (Baker and Cousins).
    pearson_chi2
        sum (S - B)^2 / B.
    ndof
        b - n.
    p_value
        Probability of a chi2 at least as large, for `ndof` degrees of freedom.
    converged
        Whether the data determine all n parameters, Migrad found a valid minimum and Hesse an accurate
        covariance. If not, the other numbers are finite, say where the regression stopped, and mean nothing.
    edm
        Estimated vertical distance to the minimum, in units of chi2.
    n_calls
        Evaluations of the cost by iminuit; 0 if it was not called, because the data do not determine a
        minimum.
    widths
        Bin widths, GeV, shape (b,), if the function is one of counts per GeV; None if of counts per bin.
    """

    n_parameters: int
    sqrt_s: float
    centres: NDArray[np.float64]
    log_parameters: NDArray[np.float64]
    log_covariance: NDArray[np.float64]
    expected: NDArray[np.float64]
    expected_covariance: NDArray[np.float64]
    chi2: float
    pearson_chi2: float
    ndof: int
    p_value: float
    converged: bool
    edm: float
    n_calls: int
    widths: NDArray[np.float64] | None = None

    @property
    def parameters(self) -> NDArray[np.float64]:
        """(p1, ..., p5), zero where unused, shape (5,); p1 in counts per bin, or per GeV with `widths`.

        See `is_representable`.
        """
        parameters = self.log_parameters.copy()
        with np.errstate(over="ignore", under="ignore"):
            parameters[0] = np.exp(parameters[0])
        return parameters

    @property
    def covariance(self) -> NDArray[np.float64]:
        """Covariance of (p1, ..., pn), shape (n, n): `log_covariance` with d p1 = p1 d ln p1."""
        scale = np.ones(self.n_parameters)
        scale[0] = self.parameters[0]
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            return np.asarray(self.log_covariance * np.outer(scale, scale))

    @property
    def is_representable(self) -> bool:
        """Whether p1 and its variance are within the range of a float; ln p1 always is.

        With five parameters ln p1 is known to some 200 (380,000 events) or 700 (30,000), so p1 often is not.
        """
        variance = float(self.covariance[0, 0])
        return bool(np.isfinite(variance) and variance > np.finfo(np.float64).tiny)

    @property
    def expected_error(self) -> NDArray[np.float64]:
        """Standard deviation of `expected`, from the data that were fitted, shape (b,)."""
        return np.asarray(np.sqrt(np.diag(self.expected_covariance)))

    def curve(self, m_jj: ArrayLike) -> NDArray[np.float64]:
        """The fitted function at any masses in GeV, 0 < m_jj < sqrt_s; shape of `m_jj`.

        Counts per bin; per GeV of a fit with `widths`.
        """
        design = design_matrix(m_jj, self.n_parameters, self.sqrt_s)
        columns = design.reshape(-1, self.n_parameters)
        log_counts = product(columns, self.log_parameters[: self.n_parameters])
        return np.exp(log_counts).reshape(design.shape[:-1])


def fit_dijet(
    counts: ArrayLike,
    centres: ArrayLike,
    n_parameters: int,
    *,
    sqrt_s: float,
    start: ArrayLike | None = None,
    widths: ArrayLike | None = None,
    variances: ArrayLike | None = None,
) -> DijetFit:
    """Fit the n-parameter dijet function to a spectrum (paper, eq. 3.1 and appendix A; SPEC, section 5).

    Parameters
    ----------
    counts
        Counts per bin, >= 0, shape (b,). Bins without counts are used like any other.
    centres
        Bin centres, GeV, shape (b,), more than n of them.
    n_parameters
        n: 3, 4 or 5.
    sqrt_s
        Centre-of-mass energy, GeV.
    start
        Log-parameters to start from, at least n of them, as in :attr:`DijetFit.log_parameters`. The
        likelihood is convex in them, so this saves steps and changes no result.
    widths
        Bin widths, GeV, shape (b,), for a function of counts per GeV; if absent, of counts per bin.
    variances
        Of counts that are sums of weights, the sums of their squares, shape (b,): each bin is then taken for a
        Poisson number times variance / count (Bohm and Zech, NIM A 748 (2014) 1). An empty bin has that of all.

    Returns
    -------
    DijetFit
        Check `converged` before use.

    Raises
    ------
    ArgumentError
        For arguments that do not match, negative or non-finite counts, or too few bins.
    """
    values = check_spectra(counts, centres, n_parameters, ndim=1)
    first = None if start is None else _checked_start(start, n_parameters)
    offset = log_widths(widths, centres)
    if variances is not None:
        unit = weight_units(values, np.asarray(variances, dtype=np.float64))
        scaled = fit_dijet(
            values / unit, centres, n_parameters, sqrt_s=sqrt_s, start=start, widths=np.exp(offset) / unit
        )
        return replace(
            scaled,
            expected=scaled.expected * unit,
            expected_covariance=scaled.expected_covariance * np.outer(unit, unit),
            widths=None if widths is None else np.array(widths, dtype=np.float64),
        )
    fit = _fit(values, np.array(centres, dtype=np.float64), n_parameters, float(sqrt_s), first, offset)
    return fit if widths is None else replace(fit, widths=np.array(widths, dtype=np.float64))


def _fit(
    values: NDArray[np.float64],
    masses: NDArray[np.float64],
    n_parameters: int,
    sqrt_s: float,
    start: NDArray[np.float64] | None,
    offset: NDArray[np.float64],
) -> DijetFit:
    """Regression, whitening, Minuit, and the way back."""
    basis, triangle = _factorised(masses.tobytes(), n_parameters, sqrt_s)
    first = None if start is None else product(triangle, start)
    central, determined = _regress(values, basis, first, offset)
    log_central = product(basis, central) + offset
    whitening = _inverse_root(product(basis.T, _bounded_exp(log_central)[:, None] * basis))
    design = product(basis, whitening)
    shift, covariance, converged, n_calls = _solution(values, log_central, design, determined)
    if not converged:
        _log.debug("%d-parameter dijet fit did not converge for counts %s", n_parameters, values)
    to_parameters = triangle_solutions(triangle, whitening)
    log_parameters = np.zeros(MAX_PARAMETERS)
    log_parameters[:n_parameters] = triangle_solutions(triangle, central) + product(to_parameters, shift)
    expected = _bounded_exp(log_central + product(design, shift))
    to_expected = expected[:, None] * design
    # Not below zero by rounding, for a spectrum that lies on the curve.
    chi2, ndof = max(float(poisson_chi2(values, expected)), 0.0), values.size - n_parameters
    return DijetFit(
        n_parameters=n_parameters,
        sqrt_s=sqrt_s,
        centres=masses,
        log_parameters=log_parameters,
        log_covariance=product(product(to_parameters, covariance), to_parameters.T),
        expected=expected,
        expected_covariance=product(product(to_expected, covariance), to_expected.T),
        chi2=chi2,
        pearson_chi2=float((np.square(values - expected) / expected).sum()),
        ndof=ndof,
        p_value=float(special.chdtrc(ndof, chi2)),
        converged=converged,
        # With the Fisher matrix 1 in u, the distance is the square of half the gradient of chi2.
        edm=float(np.square(product(design.T, expected - values)).sum()),
        n_calls=n_calls,
    )


def _regress(
    counts: NDArray[np.float64],
    basis: NDArray[np.float64],
    start: NDArray[np.float64] | None,
    offset: NDArray[np.float64],
) -> tuple[NDArray[np.float64], bool]:
    """Coefficients of the regression, shape (n,), and whether it found a minimum that the data determine."""
    if start is not None:
        coefficients, determined = solve(counts[None], basis, start[None], offset=offset)
        if determined[0]:
            return coefficients[0], True
    # Also after a start so far off that the steps did not suffice.
    coefficients, determined = solve(counts[None], basis, offset=offset)
    return coefficients[0], bool(determined[0])


def _solution(
    counts: NDArray[np.float64],
    log_central: NDArray[np.float64],
    design: NDArray[np.float64],
    determined: bool,
) -> tuple[NDArray[np.float64], NDArray[np.float64], bool, int]:
    """Whitened minimum (n,), its covariance (n, n), whether both are good, evaluations of the cost."""
    n = design.shape[1]
    if not determined:
        return np.zeros(n), np.eye(n), False, 0
    minuit = _minimise(counts, log_central, design)
    if not (minuit.valid and minuit.accurate):
        return np.zeros(n), np.eye(n), False, int(minuit.nfcn)
    return np.array(minuit.values), np.array(minuit.covariance), True, int(minuit.nfcn)


def _minimise(
    counts: NDArray[np.float64], log_central: NDArray[np.float64], design: NDArray[np.float64]
) -> Minuit:
    """Migrad and Hesse in whitened coordinates u, with ln f = log_central + design u.

    The cost is written as its value at u = 0 plus the difference. Both terms of the plain sum are millions
    where the difference is one, and what rounding leaves of it spoils second derivatives by per cents.
    """
    central = _bounded_exp(log_central)
    chi2_central = float(poisson_chi2(counts, central))

    def cost(u: NDArray[np.float64]) -> float:
        return chi2_central + float(cost_change(u, counts, central, design))

    def gradient(u: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(cost_gradient(u, counts, central, design))

    minuit = Minuit(cost, np.full(design.shape[1], _START), grad=gradient)
    minuit.errordef = Minuit.LEAST_SQUARES
    minuit.errors = 1.0
    minuit.tol = _EDM_GOAL / 0.002
    # Strategy 0 leaves out Migrad's own passes of Hesse: in these coordinates the one that follows is enough.
    minuit.strategy = 0
    minuit.migrad()
    minuit.hesse()
    return minuit


def _bounded_exp(log_counts: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(exponentials(log_counts[np.newaxis]))[0]


@lru_cache(maxsize=16)
def _factorised(
    centres: bytes, n_parameters: int, sqrt_s: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Orthonormal basis of the design matrix and its triangle; the same for every pseudo-experiment."""
    basis, triangle = orthonormalised(design_matrix(np.frombuffer(centres), n_parameters, sqrt_s))
    basis.setflags(write=False)
    triangle.setflags(write=False)
    return basis, triangle


def _inverse_root(information: NDArray[np.float64]) -> NDArray[np.float64]:
    """Matrix V with V^T information V = 1; directions without information get a large finite scale."""
    eigenvalues, vectors = eigen(information)
    return np.asarray(vectors / np.sqrt(np.maximum(eigenvalues, 1e-12 * max(eigenvalues.max(), 1e-12))))


def weight_units(sums: NDArray[np.float64], variances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weight of one event of the Poisson number that a sum of weights is taken for, > 0, shape (b,).

    Raises ArgumentError for variances that are negative, all zero, or of another shape.
    """
    if variances.shape != sums.shape or not ((variances >= 0) & (variances < np.inf)).all():
        raise ArgumentError(
            f"variances must be {sums.shape} numbers >= 0, one for each bin, found {variances!s}"
        )
    if not (variances.sum() > 0 and sums.sum() > 0):
        raise ArgumentError("a spectrum without events has no weight to take for one")
    known = (variances > 0) & (sums > 0)
    of_all = variances.sum() / sums.sum()
    return np.divide(variances, sums, out=np.full(sums.shape, of_all), where=known)


def _checked_start(start: ArrayLike, n_parameters: int) -> NDArray[np.float64]:
    values = np.asarray(start, dtype=np.float64)
    if values.ndim != 1 or values.size < n_parameters or not np.isfinite(values).all():
        raise ArgumentError(
            f"start must be at least {n_parameters} finite log-parameters (ln p1, p2, ...), found {values!s}"
        )
    return values[:n_parameters]

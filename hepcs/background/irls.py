"""Poisson maximum-likelihood fits of the dijet function to many spectra at once.

ln f is linear in its log-parameters, so this is a Poisson regression with a logarithmic link: the likelihood
is convex, its only minimum does not depend on the start, and Newton's method (iteratively reweighted least
squares) finds it. It is worked out in an orthonormal basis of the columns of the design matrix, because the
columns themselves are almost degenerate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hepcs._core.algebra import orthonormalised, product, smallest_eigenvalues, solutions, triangle_solutions
from hepcs.background.functions import MAX_PARAMETERS, check_spectra, design_matrix, log_widths
from hepcs.background.kernels import exponentials, likelihood_ratios

_MAX_ITERATIONS = 60
# Newton decrement, in units of chi2, at which a fit is finished: 1e-6 standard deviations.
_TOLERANCE = 1e-12
# A spectrum whose maximum lies at infinity (all events in one bin, say) also stops moving, but knows
# nothing of some direction: there the information, per unit of ln f, ends near _TOLERANCE. A fit has it
# above this.
_MIN_INFORMATION = 1e-6


@dataclass(frozen=True)
class IrlsFits:
    """Fits of t spectra.

    Attributes
    ----------
    n_parameters
        n.
    log_parameters
        (ln p1, p2, ..., p5), zero where unused, shape (t, 5).
    expected
        Fitted counts per bin, shape (t, b).
    chi2
        Likelihood-ratio chi2 (Baker and Cousins), shape (t,).
    converged
        Whether the minimum was found and is determined, shape (t,).
    """

    n_parameters: int
    log_parameters: NDArray[np.float64]
    expected: NDArray[np.float64]
    chi2: NDArray[np.float64]
    converged: NDArray[np.bool_]

    @property
    def n_failed(self) -> int:
        """Number of fits that did not converge."""
        return int((~self.converged).sum())


def irls_dijet(
    counts: ArrayLike,
    centres: ArrayLike,
    n_parameters: int,
    *,
    sqrt_s: float,
    widths: ArrayLike | None = None,
) -> IrlsFits:
    """Fit the dijet function to many spectra at once, without iminuit (SPEC, section 5).

    Parameters
    ----------
    counts
        Counts, shape (t, b).
    centres
        Bin centres, GeV, shape (b,).
    n_parameters
        3, 4 or 5.
    sqrt_s
        Centre-of-mass energy, GeV.
    widths
        Bin widths, GeV, shape (b,), for a function of counts per GeV; if absent, of counts per bin.

    Returns
    -------
    IrlsFits
        One fit for each spectrum; those that did not converge are marked.

    Raises
    ------
    ArgumentError
        For arguments that do not match, negative or non-finite counts, or too few bins.
    """
    values = check_spectra(counts, centres, n_parameters, ndim=2)
    design = design_matrix(centres, n_parameters, sqrt_s)
    basis, triangle = orthonormalised(design)
    offset = log_widths(widths, centres)
    coefficients, converged = solve(values, basis, offset=offset)
    expected = mean(coefficients, basis, offset)
    log_parameters = np.zeros((len(values), MAX_PARAMETERS))
    log_parameters[:, :n_parameters] = triangle_solutions(triangle, coefficients.T).T
    return IrlsFits(n_parameters, log_parameters, expected, poisson_chi2(values, expected), converged)


def poisson_chi2(counts: NDArray[np.float64], expected: NDArray[np.float64]) -> NDArray[np.float64]:
    """Likelihood-ratio chi2 over the last axis, 2 sum(B - S + S ln(S / B)) (Baker and Cousins, 1984).

    That of ``iminuit.cost.poisson_chi2``, for many spectra, and without waiting for its compilation in
    every process.
    """
    n_bins = counts.shape[-1]
    ratios = likelihood_ratios(counts.reshape(-1, n_bins), expected.reshape(-1, n_bins))
    return np.asarray(ratios).reshape(counts.shape[:-1])


def solve(
    counts: NDArray[np.float64],
    basis: NDArray[np.float64],
    start: NDArray[np.float64] | None = None,
    used: NDArray[np.bool_] | None = None,
    offset: NDArray[np.float64] | float = 0.0,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Minimise the Poisson likelihood of counts with mean exp(basis @ coefficients + offset).

    The step is Newton's, times ln(1 + d) / d with d the largest change of ln f that it makes: for a
    logarithmic link this lowers the cost at every step, however far away the minimum is (Bach, EJS 4 (2010)
    384; Sun and Tran-Dinh, Math. Program. 178 (2019) 145), and near it turns into Newton's own.

    Parameters
    ----------
    counts
        Shape (t, b).
    basis
        Orthonormal columns, shape (b, n).
    start
        Coefficients to start from, shape (t, n); a least-squares fit of ln(counts + 1/2) if absent.
    used
        Bins that take part in each fit, shape (t, b); all if absent. Counts elsewhere do not matter.
    offset
        Logarithm of what the function is multiplied by in each bin, such as its width, shape (b,); 0 if absent.

    Returns
    -------
    coefficients, converged
        Shapes (t, n) and (t,).
    """
    n = basis.shape[1]
    products = (basis[:, :, None] * basis[:, None, :]).reshape(len(basis), n * n)
    ridge = np.eye(n)
    part = np.ones(counts.shape) if used is None else used.astype(np.float64)
    coefficients = _start(counts, basis, products, part, offset) if start is None else start.copy()
    converged = np.zeros(len(counts), dtype=np.bool_)
    active = np.arange(len(counts))
    for _ in range(_MAX_ITERATIONS):
        expected = mean(coefficients[active], basis, offset)
        gradient = product((counts[active] - expected) * part[active], basis)
        information = product(expected * part[active], products).reshape(-1, n, n)
        # The ridge moves no minimum; it only keeps the step defined where a bin has died out.
        scale = np.trace(information, axis1=1, axis2=2)[:, None, None]
        step = solutions(information + 1e-14 * scale * ridge, gradient)
        decrement = (gradient * step).sum(axis=1)
        change = np.maximum(np.abs(product(step, basis.T)).max(axis=1), 1e-300)
        coefficients[active] += step * (np.log1p(change) / change)[:, None]
        done = decrement < _TOLERANCE
        if done.any():
            determined = smallest_eigenvalues(information[done]) > _MIN_INFORMATION
            converged[active[done]] = determined
            active = active[~done]
            if active.size == 0:
                break
    return coefficients, converged


def mean(
    coefficients: NDArray[np.float64], basis: NDArray[np.float64], offset: NDArray[np.float64] | float = 0.0
) -> NDArray[np.float64]:
    """Counts exp(basis @ coefficients + offset), within the range of a float: (t, n), (b, n), (b,) to (t, b)."""
    return np.asarray(exponentials(product(coefficients, basis.T) + offset))


def _start(
    counts: NDArray[np.float64],
    basis: NDArray[np.float64],
    products: NDArray[np.float64],
    part: NDArray[np.float64],
    offset: NDArray[np.float64] | float,
) -> NDArray[np.float64]:
    """Least squares of ln(counts + 1/2) - offset with weights counts + 1/2, defined for empty bins as well."""
    n = basis.shape[1]
    level = counts + 0.5
    weight = level * part
    information = product(weight, products).reshape(-1, n, n)
    return solutions(information, product(weight * (np.log(level) - offset), basis))

"""How many parameters a smooth background function needs: F-tests between nested fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from hepcs._core.errors import ArgumentError, ComputationError
from hepcs.background.fitting import DijetFit, fit_dijet


@dataclass(frozen=True)
class FTest:
    """Does a function with more parameters fit better than by chance?

    Attributes
    ----------
    n_simple, n_full
        Parameters of the nested functions.
    chi2_simple, chi2_full, ndof_full
        Likelihood-ratio chi2 of both fits; degrees of freedom of the full one, b - n_full.
    f
        ((chi2_simple - chi2_full) / (n_full - n_simple)) / (chi2_full / ndof_full).
    p
        P(F >= f) if the simple function is true: small if the further parameters are needed.
    p_likelihood_ratio
        P(chi2 >= chi2_simple - chi2_full), for n_full - n_simple degrees of freedom (Wilks): the same question
        with the Poisson errors taken at their word, where F measures them by the scatter around the full fit.
    """

    n_simple: int
    n_full: int
    chi2_simple: float
    chi2_full: float
    ndof_full: int
    f: float
    p: float
    p_likelihood_ratio: float


@dataclass(frozen=True)
class OrderComparison:
    """Fits with different numbers of parameters to one spectrum, and the F-tests between them.

    Attributes
    ----------
    fits
        One for each number of parameters, in rising order.
    tests
        Every pair of them.
    alpha
        Level of the tests.
    recommended
        The smallest number of parameters whose next step up is not significant at `alpha`; the largest number
        if every step is.
    """

    fits: tuple[DijetFit, ...]
    tests: tuple[FTest, ...]
    alpha: float
    recommended: int


def f_test(chi2_simple: float, chi2_full: float, n_simple: int, n_full: int, n_bins: int) -> FTest:
    """F-test between nested functions with n_simple < n_full < n_bins parameters (Fisher).

    Raises ArgumentError for numbers out of that order, or a full fit with chi2 <= 0.
    """
    if not 0 < n_simple < n_full < n_bins:
        raise ArgumentError(
            f"an F-test needs n_simple < n_full < n_bins, found {n_simple}, {n_full} and {n_bins}"
        )
    if not (np.isfinite([chi2_simple, chi2_full]).all() and chi2_full > 0):
        raise ArgumentError(f"an F-test needs finite chi2 > 0, found {chi2_simple:g} and {chi2_full:g}")
    # The full fit cannot be worse, other than by rounding.
    gain, steps, ndof = max(chi2_simple - chi2_full, 0.0), n_full - n_simple, n_bins - n_full
    f = gain / steps / (chi2_full / ndof)
    return FTest(
        n_simple=n_simple,
        n_full=n_full,
        chi2_simple=chi2_simple,
        chi2_full=chi2_full,
        ndof_full=ndof,
        f=f,
        p=float(special.fdtrc(steps, ndof, f)),
        p_likelihood_ratio=float(special.chdtrc(steps, gain)),
    )


def compare_orders(
    counts: ArrayLike,
    centres: ArrayLike,
    *,
    sqrt_s: float,
    orders: Sequence[int] = (3, 4, 5),
    alpha: float = 0.05,
    widths: ArrayLike | None = None,
) -> OrderComparison:
    """Fit the dijet function with 3, 4 and 5 parameters, and ask whether each further one is needed.

    Parameters
    ----------
    counts, centres
        Spectrum and bin centres in GeV, shape (b,).
    sqrt_s
        GeV.
    orders
        At least two numbers of parameters.
    alpha
        Level of the tests, in (0, 1).
    widths
        Bin widths, GeV, shape (b,), for functions of counts per GeV; if absent, of counts per bin.

    Raises
    ------
    ArgumentError
        For bad counts, fewer than two orders, or another `alpha`.
    ComputationError
        If a fit does not converge.
    """
    rising = sorted(set(orders))
    if len(rising) < 2:
        raise ArgumentError(
            f"compare_orders needs two or more different numbers of parameters, found {orders}"
        )
    if not 0 < alpha < 1:
        raise ArgumentError(f"alpha must be between 0 and 1, found {alpha!r}")
    fits = tuple(fit_dijet(counts, centres, n, sqrt_s=sqrt_s, widths=widths) for n in rising)
    for fit in fits:
        if not fit.converged:
            raise ComputationError(
                f"the {fit.n_parameters}-parameter fit did not converge (edm = {fit.edm:.3g}); "
                f"compare fewer orders"
            )
    tests = tuple(
        f_test(simple.chi2, full.chi2, simple.n_parameters, full.n_parameters, simple.centres.size)
        for simple, full in combinations(fits, 2)
    )
    p_of = {(test.n_simple, test.n_full): test.p for test in tests}
    enough = (low for low, high in pairwise(rising) if p_of[low, high] >= alpha)
    recommended = next(enough, rising[-1])
    return OrderComparison(fits, tests, alpha, recommended)

"""Families of smooth functions for the m_jj spectrum, each with a logarithm that is linear in its parameters.

===========  ======================================================  =========================================
family       f(x), x = m_jj / sqrt(s)                                used by
===========  ======================================================  =========================================
``dijet_3``  p1 (1 - x)^p2 x^p3                                      paper, eq. 3.1; dijet searches since CDF
``dijet_4``  p1 (1 - x)^p2 x^(p3 + p4 ln x)                          the same
``dijet_5``  p1 (1 - x)^p2 x^(p3 + p4 ln x + p5 ln^2 x)              the same
``ua2``      p1 x^p2 exp(p3 x + p4 x^2)                              UA2, Z. Phys. C 49 (1991) 17; as the
                                                                     alternative in ATLAS, arXiv:1804.03496
===========  ======================================================  =========================================

``ua2`` has no factor that closes the phase space at x = 1 and is none of the others at any order, so a fit of
one to the other shows what a choice of function costs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hepcs._core.algebra import orthonormalised
from hepcs._core.errors import ArgumentError
from hepcs.background.functions import check_spectra, design_matrix, log_widths
from hepcs.background.irls import mean, poisson_chi2, solve

Family = Literal["dijet_3", "dijet_4", "dijet_5", "ua2"]
FAMILIES: tuple[Family, ...] = get_args(Family)


@dataclass(frozen=True)
class FamilyFits:
    """Poisson maximum-likelihood fits of one family to t spectra.

    Attributes
    ----------
    family
        The family.
    n_parameters
        n.
    expected
        Fitted counts per bin, shape (t, b).
    chi2
        Likelihood-ratio chi2 (Baker and Cousins), shape (t,).
    converged
        Whether the minimum was found and is determined, shape (t,).
    """

    family: Family
    n_parameters: int
    expected: NDArray[np.float64]
    chi2: NDArray[np.float64]
    converged: NDArray[np.bool_]


def family_design(family: Family, m_jj: ArrayLike, sqrt_s: float) -> NDArray[np.float64]:
    """Matrix A with ln f = A (ln p1, p2, ..., pn), shape (..., n), for masses of shape (...) in GeV.

    Raises ArgumentError for an unknown family, or masses outside (0, sqrt_s).
    """
    if family not in FAMILIES:
        raise ArgumentError(f"unknown family {family!r} of functions; expected one of {', '.join(FAMILIES)}")
    if family != "ua2":
        return design_matrix(m_jj, int(family.removeprefix("dijet_")), sqrt_s)
    one, _, log_x = np.moveaxis(design_matrix(m_jj, 3, sqrt_s), -1, 0)
    x = np.asarray(m_jj, dtype=np.float64) / sqrt_s
    return np.stack((one, log_x, x, x**2), axis=-1)


def fit_family(
    counts: ArrayLike,
    centres: ArrayLike,
    family: Family,
    *,
    sqrt_s: float,
    widths: ArrayLike | None = None,
) -> FamilyFits:
    """Fit a family to many spectra at once (:mod:`hepcs.background.irls`).

    Parameters
    ----------
    counts
        Counts, or expectations of counts, >= 0, shape (t, b).
    centres
        Bin centres, GeV, shape (b,).
    family
        One of :data:`FAMILIES`.
    sqrt_s
        GeV.
    widths
        Bin widths, GeV, shape (b,), for functions of counts per GeV; if absent, of counts per bin.

    Raises
    ------
    ArgumentError
        For arguments that do not match, negative or non-finite counts, or too few bins.
    """
    design = family_design(family, centres, sqrt_s)
    n = design.shape[1]
    values = check_spectra(counts, centres, n, ndim=2)
    basis, _ = orthonormalised(design)
    offset = log_widths(widths, centres)
    coefficients, converged = solve(values, basis, offset=offset)
    expected = mean(coefficients, basis, offset)
    return FamilyFits(family, n, expected, poisson_chi2(values, expected), converged)

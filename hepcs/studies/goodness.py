"""How good the fit of a smooth background function is: two distances, and their p-values from toys of the fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from hepcs._core.errors import ArgumentError
from hepcs.background.fitting import DijetFit
from hepcs.background.irls import irls_dijet
from hepcs.studies.toys import poisson_toys, require_converged


@dataclass(frozen=True)
class ToyTest:
    """A distance between a spectrum and its fit, and how often toys of the fit are as far from theirs.

    Attributes
    ----------
    value
        The distance.
    n_toys, n_above
        Toys, and those with at least this distance.
    p
        (n_above + 1) / (n_toys + 1), a valid p-value for any number of toys.
    p_asymptotic
        Of a chi2 distribution, for comparison: right for large counts.
    """

    value: float
    n_toys: int
    n_above: int
    p: float
    p_asymptotic: float


@dataclass(frozen=True)
class GoodnessOfFit:
    """Goodness of one fit by two distances.

    Attributes
    ----------
    n_parameters, ndof
        n, and b - n.
    likelihood_ratio
        Against the saturated model, 2 sum(B - S + S ln(S / B)) (Baker and Cousins, 1984).
    pearson
        sum (S - B)^2 / B.
    n_failed
        Toys whose own fit did not converge; they are left out.
    """

    n_parameters: int
    ndof: int
    likelihood_ratio: ToyTest
    pearson: ToyTest
    n_failed: int


def goodness_of_fit(fit: DijetFit, *, rng: np.random.Generator, n_toys: int = 1000) -> GoodnessOfFit:
    """p-values of both chi2 of a fit, from Poisson toys of it that are fitted again (SPEC, section 5).

    Parameters
    ----------
    fit
        A fit that converged.
    rng
        Random numbers of the toys.
    n_toys
        At least 10; 0.03 ms each.

    Raises
    ------
    ArgumentError
        For a fit that did not converge, or too few toys.
    ComputationError
        If more than 1 % of the toys cannot be fitted.
    """
    if not fit.converged:
        raise ArgumentError(f"the {fit.n_parameters}-parameter fit did not converge: it has no goodness")
    toys = poisson_toys(fit.expected, rng, n_toys)
    fits = irls_dijet(toys, fit.centres, fit.n_parameters, sqrt_s=fit.sqrt_s, widths=fit.widths)
    good = require_converged(fits.converged, f"{fit.n_parameters}-parameter function", "its own toys")
    pearson = (np.square(toys - fits.expected) / fits.expected).sum(axis=1)
    return GoodnessOfFit(
        n_parameters=fit.n_parameters,
        ndof=fit.ndof,
        likelihood_ratio=_toy_test(fit.chi2, fits.chi2[good], fit.ndof),
        pearson=_toy_test(fit.pearson_chi2, pearson[good], fit.ndof),
        n_failed=fits.n_failed,
    )


def _toy_test(value: float, toys: NDArray[np.float64], ndof: int) -> ToyTest:
    above = int((toys >= value).sum())
    return ToyTest(value, toys.size, above, (above + 1) / (toys.size + 1), float(special.chdtrc(ndof, value)))

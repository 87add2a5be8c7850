"""How good a smooth background function is: how many parameters, how good a fit, how much of it is spurious.

=========================  ============================================================================
question                   answer
=========================  ============================================================================
how many parameters?       :func:`compare_orders`: F-test between 3, 4 and 5 nested parameters
does the function fit?     :func:`goodness_of_fit`: chi2 and likelihood ratio, their p-values from toys
does the choice matter?    :func:`spurious_signal`: one family fitted to toys of another
=========================  ============================================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from hepcs.background.families import Family, fit_family
from hepcs.background.fitting import DijetFit, fit_dijet
from hepcs.background.irls import irls_dijet
from hepcs.errors import ArgumentError, ComputationError

_INVALID_TOLERANCE = 0.01
# Nominal rate at which the statistic's calibration by the fitted family lets background pass.
FALSE_POSITIVE_RATE = 0.05


# ---------------------------------------------------------------------------------------------- F-test


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
    fits = tuple(fit_dijet(counts, centres, n, sqrt_s=sqrt_s) for n in rising)
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


# ------------------------------------------------------------------------------------- goodness of fit


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
    toys = _toys(fit.expected, rng, n_toys)
    fits = irls_dijet(toys, fit.centres, fit.n_parameters, sqrt_s=fit.sqrt_s)
    good = _converged(fits.converged, f"{fit.n_parameters}-parameter function", "its own toys")
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


# ------------------------------------------------------------------------------------- spurious signal


@dataclass(frozen=True)
class SpuriousSignal:
    """What a search with family A finds in background that follows family B.

    Deviations are (S - B) / sqrt(B) with their sign, eq. 3.3 without its cut at zero.

    Attributes
    ----------
    fitted, generating
        A and B.
    truth
        B fitted to the spectrum: the mean of the toys, shape (b,).
    bias
        Mean deviation in each bin over toys of B, shape (b,), in standard deviations.
    bias_error
        Its standard error, shape (b,).
    own_bias
        The same over toys of A fitted to the spectrum: what is there without a wrong choice, shape (b,).
    bias_of_mean
        Deviation of the mean spectrum itself from the fit of A to it, shape (b,): the bias without
        fluctuations.
    width
        Standard deviation of the deviations over toys of B, shape (b,); below 1, since the fit follows.
    false_positive_rate, false_positive_low, false_positive_high
        Share of toys of B whose largest deviation exceeds what 5 % of the toys of A exceed, with its 68.27 %
        Clopper-Pearson interval: above 0.05, the search calibrated with A finds too much where B is true.
    n_toys, n_failed
        Toys of each family, and fits that did not converge among both.
    """

    fitted: Family
    generating: Family
    truth: NDArray[np.float64]
    bias: NDArray[np.float64]
    bias_error: NDArray[np.float64]
    own_bias: NDArray[np.float64]
    bias_of_mean: NDArray[np.float64]
    width: NDArray[np.float64]
    false_positive_rate: float
    false_positive_low: float
    false_positive_high: float
    n_toys: int
    n_failed: int

    @property
    def largest_bias_bin(self) -> int:
        """Bin with the largest bias upwards, the direction that looks like a signal."""
        return int(np.argmax(self.bias))

    @property
    def largest_bias(self) -> float:
        """Bias of that bin, in standard deviations."""
        return float(self.bias[self.largest_bias_bin])

    @property
    def spurious_events(self) -> NDArray[np.float64]:
        """Mean excess of events in each bin, shape (b,)."""
        return np.asarray(self.bias * np.sqrt(self.truth))


def spurious_signal(
    counts: ArrayLike,
    centres: ArrayLike,
    fitted: Family,
    generating: Family,
    *,
    sqrt_s: float,
    rng: np.random.Generator,
    n_toys: int = 2000,
) -> SpuriousSignal:
    """Fit family A to toys of family B, both fitted to the spectrum first (the spurious-signal test).

    Parameters
    ----------
    counts, centres
        Background spectrum and bin centres in GeV, shape (b,).
    fitted, generating
        A and B, of :data:`hepcs.background.families.FAMILIES`.
    sqrt_s
        GeV.
    rng
        Random numbers of the toys.
    n_toys
        For each family, at least 10.

    Raises
    ------
    ArgumentError
        For bad counts, an unknown family, or too few toys.
    ComputationError
        If a family cannot be fitted to the spectrum, or more than 1 % of the toys cannot be fitted.
    """
    spectrum = np.asarray(counts, dtype=np.float64)[None]
    means: dict[Family, NDArray[np.float64]] = {}
    for family in (fitted, generating):
        fits = fit_family(spectrum, centres, family, sqrt_s=sqrt_s)
        if not fits.converged[0]:
            raise ComputationError(f"{family} cannot be fitted to the spectrum: the fit did not converge")
        means[family] = fits.expected[0]
    own, n_own = _deviations(_toys(means[fitted], rng, n_toys), centres, fitted, sqrt_s)
    other, n_other = _deviations(_toys(means[generating], rng, n_toys), centres, fitted, sqrt_s)
    of_mean, _ = _deviations(means[generating][None], centres, fitted, sqrt_s)
    threshold = float(np.quantile(own.max(axis=1), 1 - FALSE_POSITIVE_RATE))
    passing = int((other.max(axis=1) > threshold).sum())
    interval = stats.binomtest(passing, len(other)).proportion_ci(0.6827, method="exact")
    return SpuriousSignal(
        fitted=fitted,
        generating=generating,
        truth=means[generating],
        bias=other.mean(axis=0),
        bias_error=other.std(axis=0, ddof=1) / np.sqrt(len(other)),
        own_bias=own.mean(axis=0),
        bias_of_mean=of_mean[0],
        width=other.std(axis=0, ddof=1),
        false_positive_rate=passing / len(other),
        false_positive_low=float(interval.low),
        false_positive_high=float(interval.high),
        n_toys=n_toys,
        n_failed=n_own + n_other,
    )


def _toys(expected: NDArray[np.float64], rng: np.random.Generator, n_toys: int) -> NDArray[np.float64]:
    if n_toys < 10:
        raise ArgumentError(f"n_toys must be at least 10, found {n_toys}")
    return rng.poisson(expected, (n_toys, expected.size)).astype(np.float64)


def _deviations(
    spectra: NDArray[np.float64], centres: ArrayLike, family: Family, sqrt_s: float
) -> tuple[NDArray[np.float64], int]:
    """(S - B) / sqrt(B) of the fits that converged, shape (t, b), and how many did not."""
    fits = fit_family(spectra, centres, family, sqrt_s=sqrt_s)
    good = _converged(fits.converged, family, "the toys")
    expected = fits.expected[good]
    return (spectra[good] - expected) / np.sqrt(expected), int((~good).sum())


def _converged(converged: NDArray[np.bool_], what: str, of: str) -> NDArray[np.bool_]:
    failed = int((~converged).sum())
    if failed > _INVALID_TOLERANCE * converged.size:
        raise ComputationError(
            f"{failed} of {converged.size} fits of the {what} to {of} did not converge, more than "
            f"{_INVALID_TOLERANCE:.0%}: fit fewer parameters, or a spectrum with more events"
        )
    return converged

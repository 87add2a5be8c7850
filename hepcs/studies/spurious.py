"""Spurious signal: what a search with one background function finds where another one is true."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from hepcs._core.errors import ComputationError
from hepcs.background.fitting import weight_units
from hepcs.studies.families import FAMILIES, Family, fit_family
from hepcs.studies.toys import poisson_toys, require_converged

# Nominal rate at which the statistic's calibration by the fitted family lets background pass.
FALSE_POSITIVE_RATE = 0.05


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
    widths: ArrayLike | None = None,
) -> SpuriousSignal:
    """Fit family A to toys of family B, both fitted to the spectrum first (the spurious-signal test).

    Parameters
    ----------
    counts, centres
        Background spectrum and bin centres in GeV, shape (b,).
    fitted, generating
        A and B, of :data:`hepcs.studies.families.FAMILIES`.
    sqrt_s
        GeV.
    rng
        Random numbers of the toys.
    n_toys
        For each family, at least 10.
    widths
        Bin widths, GeV, shape (b,), for functions of counts per GeV; if absent, of counts per bin.

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
        fits = fit_family(spectrum, centres, family, sqrt_s=sqrt_s, widths=widths)
        if not fits.converged[0]:
            raise ComputationError(f"{family} cannot be fitted to the spectrum: the fit did not converge")
        means[family] = fits.expected[0]
    own, n_own = _deviations(poisson_toys(means[fitted], rng, n_toys), centres, fitted, sqrt_s, widths)
    other, n_other = _deviations(
        poisson_toys(means[generating], rng, n_toys), centres, fitted, sqrt_s, widths
    )
    of_mean, _ = _deviations(means[generating][None], centres, fitted, sqrt_s, widths)
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


def function_error(
    counts: ArrayLike,
    centres: ArrayLike,
    fitted: Family,
    *,
    sqrt_s: float,
    widths: ArrayLike | None = None,
    variances: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Uncertainty of a fitted function, relative to it, from the choice of the function, shape (b,).

    Every other family is fitted to the spectrum, and family A to the mean that it finds: the largest deviation in
    a bin counts, as in the spurious-signal test, without fluctuations.

    Parameters
    ----------
    counts, centres, fitted, sqrt_s, widths
        As for :func:`spurious_signal`.
    variances
        Of counts that are sums of weights, the sums of their squares, shape (b,).

    Raises
    ------
    ArgumentError
        For bad counts or an unknown family.
    ComputationError
        If no other family can be fitted to the spectrum.
    """
    values = np.asarray(counts, dtype=np.float64)
    unit = np.ones(values.shape)
    if variances is not None:
        unit = weight_units(values, np.asarray(variances, dtype=np.float64))
    one = np.ones(values.shape) if widths is None else np.asarray(widths, dtype=np.float64)
    errors = []
    for family in FAMILIES:
        truth = fit_family(values[None] / unit, centres, family, sqrt_s=sqrt_s, widths=one / unit)
        again = fit_family(truth.expected, centres, fitted, sqrt_s=sqrt_s, widths=one / unit)
        if family != fitted and truth.converged[0] and again.converged[0]:
            errors.append(np.abs(truth.expected[0] / again.expected[0] - 1))
    if not errors:
        raise ComputationError(
            f"no family beside {fitted} can be fitted to the spectrum: its fits do not converge"
        )
    return np.asarray(np.max(errors, axis=0))


def _deviations(
    spectra: NDArray[np.float64],
    centres: ArrayLike,
    family: Family,
    sqrt_s: float,
    widths: ArrayLike | None,
) -> tuple[NDArray[np.float64], int]:
    """(S - B) / sqrt(B) of the fits that converged, shape (t, b), and how many did not."""
    fits = fit_family(spectra, centres, family, sqrt_s=sqrt_s, widths=widths)
    good = require_converged(fits.converged, family, "the toys")
    expected = fits.expected[good]
    return (spectra[good] - expected) / np.sqrt(expected), int((~good).sum())

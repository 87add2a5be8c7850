"""Upper limits on the number of signal events, by CLs from pseudo-experiments (Read, 2002).

For an observed statistic t and epsilon injected signal events

    CLs(epsilon) = P(t' <= t | epsilon) / P(t' <= t | background only).

An epsilon with CLs below 5 % is excluded at 95 % confidence level. The denominator is counted; the numerator is
that of :mod:`hepcs.studies.response`, so it never rises with epsilon. That needs no more than the statistic, so a
signal model other than the one of the study is limited by doping with it: whoever reinterprets the search for a
model of their own (RECAST) needs its events, these pseudo-experiments of the background, and this function.

CLs alone lets a deficit weaken a limit, where the statistic scatters more with signal than without, and far tails
are known badly. So the limit is taken as not falling as the statistic rises: isotonic regression over a list of
statistics, each by how many pseudo-experiments its tail holds. Below the lowest that can be told, the limit stays.
:func:`limit_coverage` tests all of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.optimize import isotonic_regression

from hepcs._core.errors import ArgumentError
from hepcs.calibration.counting import ONE_SIGMA_TAIL, Bound
from hepcs.studies.response import Response, in_halves, last_below, response_of

# Residuals of doped statistics that a tail must hold.
LEAST = 5
# Shares of the background at which statistics above the observed one are tried.
_SHARES = np.linspace(0.01, 0.99, 99)
#: Quantiles of the background-only statistic for the expected limit and its 68 % and 95 % bands.
BANDS: tuple[float, ...] = tuple(float(stats.norm.cdf(z)) for z in (-2, -1, 0, 1, 2))


@dataclass(frozen=True)
class Limit:
    """Upper limit on epsilon.

    Attributes
    ----------
    epsilon
        The limit; a bound where `bound` says so, None if there are too few doped pseudo-experiments for any.
    bound
        None if `epsilon` is a value, or None itself; "upper" if the smallest epsilon of the list is excluded
        already, so that the limit lies at it or below; "lower" if the largest is not excluded, so that it lies
        above.
    """

    epsilon: float | None
    bound: Bound | None


@dataclass(frozen=True)
class UpperLimits:
    """Limits on the number of signal events.

    Attributes
    ----------
    confidence
        Confidence level, such as 0.95.
    epsilon
        The list, rising, shape (e,).
    observed
        Limit of the observed statistic; None if none was given.
    expected
        Limits if the data hold background alone: at -2, -1, 0, 1 and 2 standard deviations of the statistic, in
        rising order.
    low, high
        68.27 % interval of the median expected limit by bootstrap of the pseudo-experiments; None where it has no
        end inside the list.
    resolution
        The least CLs that the doped pseudo-experiments can show for the median statistic,
        5 / (K P(t' <= t | background only)) with K of similar epsilon: to be well below 1 - confidence. For lower
        statistics it is more.
    n_null, n_doped
        Valid pseudo-experiments.
    """

    confidence: float
    epsilon: NDArray[np.int64]
    observed: Limit | None
    expected: tuple[Limit, ...]
    low: float | None
    high: float | None
    resolution: float
    n_null: int
    n_doped: Mapping[int, int]

    @property
    def reaches(self) -> bool:
        """Whether there are enough doped pseudo-experiments to see the confidence level."""
        return self.resolution <= 1 - self.confidence

    @property
    def text(self) -> str:
        """What the pseudo-experiments can show, in a sentence."""
        fewest = min(self.n_doped.values())
        verdict = "enough" if self.reaches else "too few"
        return (
            f"{fewest} doped pseudo-experiments for each epsilon resolve CLs down to {self.resolution:.2g}: "
            f"{verdict} for limits at {self.confidence:.0%}"
        )


@dataclass(frozen=True)
class CrossSectionLimits:
    """Limits on the cross-section of a signal, sigma = epsilon / (A L), with what they rest on.

    Attributes
    ----------
    limits
        Those on the number epsilon of selected signal events.
    luminosity
        L, fb^-1.
    acceptance
        A, the share of signal events that pass the selection, at any m_jj.
    acceptance_error
        Its statistical standard deviation.
    """

    limits: UpperLimits
    luminosity: float
    acceptance: float
    acceptance_error: float

    def __post_init__(self) -> None:
        if not (0 < self.acceptance <= 1 and 0 < self.luminosity < np.inf):
            raise ArgumentError(
                f"a cross-section needs an acceptance in (0, 1] and a luminosity > 0, found {self.acceptance:g} "
                f"and {self.luminosity:g}"
            )

    def of(self, limit: Limit | None) -> float | None:
        """A limit in fb; None where there is none."""
        if limit is None or limit.epsilon is None:
            return None
        return limit.epsilon / (self.acceptance * self.luminosity)

    @property
    def observed(self) -> float | None:
        """The observed limit, fb; a bound where that on the number of events is one."""
        return self.of(self.limits.observed)

    @property
    def expected(self) -> tuple[float | None, ...]:
        """The expected limits, fb, at -2, -1, 0, 1 and 2 standard deviations of the statistic."""
        return tuple(map(self.of, self.limits.expected))

    @property
    def text(self) -> str:
        """What the limits rest on, in a sentence."""
        return (
            f"acceptance {self.acceptance:.4g} +- {self.acceptance_error:.2g} of the selection, luminosity "
            f"{self.luminosity:g} / fb: one fb is {self.acceptance * self.luminosity:.4g} events"
        )


def upper_limits(
    null: ArrayLike,
    doped: Mapping[int, ArrayLike],
    *,
    rng: np.random.Generator,
    observed: float | None = None,
    confidence: float = 0.95,
    n_bootstrap: int = 200,
) -> UpperLimits:
    """Expected and observed upper limits on epsilon at a confidence level, by CLs.

    Parameters
    ----------
    null
        Background-only statistics, shape (N,); NaN ones are left out.
    doped
        Doped statistics by epsilon > 0, shape (M,) each; NaN likewise.
    rng
        Random numbers of the bootstrap.
    observed
        The observed statistic, if there is one.
    confidence
        In (0, 1).
    n_bootstrap
        Replicas for the uncertainty of the median expected limit.

    Raises
    ------
    ArgumentError
        For fewer than ten background-only statistics, no epsilon above 0, one without statistics, or a confidence
        out of range.
    """
    if not 0 < confidence < 1:
        raise ArgumentError(f"a confidence level lies in (0, 1), found {confidence:g}")
    response, alpha = response_of(null, doped), 1 - confidence
    limits = _Limits(response, alpha)
    at = np.quantile(response.null, BANDS, method="inverted_cdf")
    expected = tuple(limits.of(float(t)) for t in at)
    samples = [np.asarray(values, dtype=np.float64) for values in (null, *doped.values())]
    medians = []
    for _ in range(n_bootstrap):
        one, *others = (rng.choice(values[~np.isnan(values)], values.size) for values in samples)
        replica = response_of(one, dict(zip(doped, others, strict=True)))
        medians.append(_raw_limit(replica, float(np.median(one)), alpha)[0])
    low, high = (
        np.quantile(medians, (ONE_SIGMA_TAIL, 1 - ONE_SIGMA_TAIL), method="inverted_cdf")
        if medians
        else (np.nan, np.nan)
    )
    return UpperLimits(
        confidence=confidence,
        epsilon=response.epsilon,
        observed=None if observed is None else limits.of(float(observed)),
        expected=expected,
        low=float(low) if response.epsilon[0] < low < response.epsilon[-1] else None,
        high=float(high) if response.epsilon[0] < high < response.epsilon[-1] else None,
        resolution=LEAST / (response.n_near(expected[2].epsilon or 0.0) * response.null_share(float(at[2]))),
        n_null=response.null.size,
        n_doped=dict(zip(response.epsilon.tolist(), response.n_doped.tolist(), strict=True)),
    )


@dataclass(frozen=True)
class Coverage:
    """How often a limit is not below the injected signal, by epsilon.

    Attributes
    ----------
    epsilon
        Injected, shape (e,).
    share
        Of the data sets whose limit is not below it, shape (e,): at least the confidence level.
    n
        Data sets for each, shape (e,).
    """

    epsilon: NDArray[np.int64]
    share: NDArray[np.float64]
    n: NDArray[np.int64]


def limit_coverage(
    null: ArrayLike, doped: Mapping[int, ArrayLike], rng: np.random.Generator, confidence: float = 0.95
) -> Coverage:
    """Coverage of the observed limit of doped data sets: one half of them is limited by the other half.

    Raises ArgumentError as :func:`upper_limits`, of half as many statistics.
    """
    halves = in_halves(doped, rng)
    limits = [_Limits(response_of(null, half), 1 - confidence) for half in halves]
    rows = []
    for epsilon in sorted(doped):
        found = [
            one.of(float(t))
            for one, half in zip(limits, reversed(halves), strict=True)
            for t in half[epsilon]
        ]
        held = [
            one.epsilon is None or one.bound == "lower" or (one.bound is None and one.epsilon >= epsilon)
            for one in found
        ]
        rows.append((epsilon, np.mean(held), len(held)))
    epsilons, share, n = zip(*rows, strict=True)
    return Coverage(np.array(epsilons), np.array(share), np.array(n))


def _raw_limit(response: Response, t: float, alpha: float) -> tuple[float, float]:
    """Where CLs of one statistic falls below alpha, inside the list, and how many residuals its tail holds."""
    # There the quantile of alpha P(t' <= t | background only) passes t.
    level, epsilon = alpha * response.null_share(t), response.epsilon.astype(np.float64)
    found = last_below(np.concatenate([[0.0], epsilon]), response.quantile(level), t)
    inside = float(epsilon[-1] if found is None else max(found, epsilon[0]))
    return inside, level * response.n_near(inside)


class _Limits:
    """Limits by the statistic."""

    def __init__(self, response: Response, alpha: float) -> None:
        self._response, self._alpha = response, alpha
        at = np.unique(np.quantile(response.null, _SHARES))
        limits, sizes = np.array([_raw_limit(response, float(t), alpha) for t in at]).T
        known = sizes >= LEAST
        self._at = at[known]
        self._limits: NDArray[np.float64] = limits[known]
        if known.any():
            self._limits = isotonic_regression(limits[known], weights=sizes[known]).x

    def of(self, t: float) -> Limit:
        """The limit of a data set with the statistic t, linear between those of the list."""
        if self._at.size == 0:
            return Limit(None, None)
        found, first, last = float(np.interp(t, self._at, self._limits)), *self._response.epsilon[[0, -1]]
        if t > self._at[-1]:
            found = max(found, _raw_limit(self._response, t, self._alpha)[0])
        # Between no signal and the smallest epsilon nothing was tried; sums of weights round.
        if found <= first * (1 + 1e-9):
            return Limit(float(first), "upper")
        return Limit(found, None) if found < last * (1 - 1e-9) else Limit(float(last), "lower")

"""Upper limits on the number of signal events, by CLs from pseudo-experiments (Read, 2002).

For an observed statistic t and epsilon injected signal events

    CLs(epsilon) = P(t' <= t | epsilon) / P(t' <= t | background only),

both counted in pseudo-experiments. An epsilon with CLs below 5 % is excluded at 95 % confidence level. That needs
no more than the statistic, so a signal model other than the one of the study is limited by doping with it: whoever
reinterprets the search for a model of their own (RECAST) needs its events, these pseudo-experiments of the
background, and this function.

P with epsilon is counted at a list of epsilon, and is taken as not rising with epsilon: where the
pseudo-experiments scatter, neighbouring numbers are averaged (isotonic regression). Between two of the list,
ln CLs is taken as linear.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.optimize import isotonic_regression

from hepcs._core.errors import ArgumentError
from hepcs.calibration.counting import finite_statistics

# None of the doped statistics at or below the observed one counts as half of one.
LEAST = 0.5
#: Quantiles of the background-only statistic for the expected limit and its 68 % and 95 % bands.
BANDS: tuple[float, ...] = tuple(float(stats.norm.cdf(z)) for z in (-2, -1, 0, 1, 2))


@dataclass(frozen=True)
class Limit:
    """Upper limit on epsilon.

    Attributes
    ----------
    epsilon
        The limit; a bound where `bound` says so, None if there are too few doped pseudo-experiments to exclude any
        epsilon for so low a statistic.
    bound
        None if `epsilon` is a value, or None itself; "upper" if the smallest epsilon of the list is excluded
        already, so that the limit lies at it or below; "lower" if the largest is not excluded, so that it lies
        above.
    """

    epsilon: float | None
    bound: Literal["lower", "upper"] | None


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
    cls_expected
        CLs of the median background-only statistic at each epsilon, shape (e,).
    resolution
        The least CLs above 0 that the doped pseudo-experiments can show, 1 / (N P(t' <= t | background only)) for
        the median statistic: to be well below 1 - confidence.
    n_null, n_doped
        Valid pseudo-experiments.
    """

    confidence: float
    epsilon: NDArray[np.int64]
    observed: Limit | None
    expected: tuple[Limit, ...]
    low: float | None
    high: float | None
    cls_expected: NDArray[np.float64]
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
            f"{fewest} doped pseudo-experiments for each epsilon resolve CLs in steps of {self.resolution:.3f}: "
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
    background = _valid("background-only", null)
    if background.size < 10:
        raise ArgumentError(f"limits need ten or more background-only statistics, found {background.size}")
    if not doped or min(doped) <= 0:
        raise ArgumentError(f"limits need doped statistics for epsilon above 0, found {sorted(doped)}")
    if not 0 < confidence < 1:
        raise ArgumentError(f"a confidence level lies in (0, 1), found {confidence:g}")
    epsilons = np.array(sorted(doped), dtype=np.int64)
    signal = [_valid(f"epsilon = {epsilon}", doped[int(epsilon)]) for epsilon in epsilons]
    at = np.quantile(background, BANDS, method="inverted_cdf")
    expected = _in_order([_limit(epsilons, *_cls(float(t), background, signal), confidence) for t in at])
    medians = []
    for _ in range(n_bootstrap):
        one = rng.choice(background, background.size)
        others = [rng.choice(values, values.size) for values in signal]
        limit = _limit(epsilons, *_cls(float(np.median(one)), one, others), confidence)
        medians.append(_position(limit))
    low, high = (
        np.quantile(medians, (0.15865, 0.84135), method="inverted_cdf") if medians else (np.nan, np.nan)
    )
    median = float(at[2])
    share = float(np.mean(background <= median))
    return UpperLimits(
        confidence=confidence,
        epsilon=epsilons,
        observed=None
        if observed is None
        else _limit(epsilons, *_cls(float(observed), background, signal), confidence),
        expected=expected,
        low=float(low) if np.isfinite(low) and low > 0 else None,
        high=float(high) if np.isfinite(high) and high > 0 else None,
        cls_expected=_cls(median, background, signal)[0],
        resolution=1 / (min(values.size for values in signal) * share),
        n_null=background.size,
        n_doped={int(epsilon): values.size for epsilon, values in zip(epsilons, signal, strict=True)},
    )


def _valid(name: str, values: ArrayLike) -> NDArray[np.float64]:
    found = np.asarray(values, dtype=np.float64)
    found = finite_statistics(name, found[~np.isnan(found)])
    if found.size == 0:
        raise ArgumentError(f"{name}: no valid statistic")
    return found


def _cls(
    t: float, background: NDArray[np.float64], signal: Sequence[NDArray[np.float64]]
) -> tuple[NDArray[np.float64], float]:
    """CLs at each epsilon, shape (e,), not rising, and the least that it can be with so many doped ones."""
    below = float(np.mean(background <= t))
    if below == 0:
        # Data below all of the background: nothing of the signal hypothesis can be said by a ratio to it.
        return np.ones(len(signal)), 1.0
    # None of M counts as half of one: CLs stays above 0, so that its logarithm orders all limits.
    shares = np.array([max((values <= t).sum(), LEAST) / values.size for values in signal])
    weights = np.array([values.size for values in signal], dtype=np.float64)
    smooth = isotonic_regression(shares, weights=weights, increasing=False).x
    floor = LEAST / max(values.size for values in signal) / below
    return np.minimum(smooth / below, 1.0), floor


def _limit(epsilons: NDArray[np.int64], cls: NDArray[np.float64], floor: float, confidence: float) -> Limit:
    """Where CLs, linear in its logarithm, falls below 1 - confidence; `floor` is the least that CLs can be."""
    alpha = 1 - confidence
    excluded = np.flatnonzero(cls < alpha)
    if excluded.size == 0:
        return Limit(None, None) if floor >= alpha else Limit(float(epsilons[-1]), "lower")
    i = int(excluded[0])
    if i == 0:
        return Limit(float(epsilons[0]), "upper")
    above, below = cls[i - 1], cls[i]
    step = np.log(above / alpha) / np.log(above / below)
    return Limit(float(epsilons[i - 1] + step * (epsilons[i] - epsilons[i - 1])), None)


def _in_order(limits: Sequence[Limit]) -> tuple[Limit, ...]:
    """Limits that do not fall as the statistic rises; where they scatter, that nearer to the median counts."""
    found, middle = list(limits), len(limits) // 2
    for here in reversed(range(middle)):
        if found[here].epsilon is not None and _position(found[here]) > _position(found[here + 1]):
            found[here] = found[here + 1]
    for here in range(middle + 1, len(found)):
        if _position(found[here]) < _position(found[here - 1]):
            found[here] = found[here - 1]
    return tuple(found)


def _position(limit: Limit) -> float:
    """A limit as a number to be ordered: 0 below the list, infinite above it."""
    if limit.bound is None and limit.epsilon is not None:
        return limit.epsilon
    return 0.0 if limit.bound == "upper" else np.inf  # also where nothing is resolved

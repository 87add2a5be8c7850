"""Where the excess of a search lies, how much it is, and how much signal the data may hold at most."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from hepcs._core.errors import ArgumentError
from hepcs._core.randomness import Stream, generator
from hepcs.datasets.bootstrap import Kind
from hepcs.datasets.samples import MassBins
from hepcs.results import MassSpectrum, Observed, SearchResult
from hepcs.studies.limits import Limit, UpperLimits, upper_limits

logger = logging.getLogger(__name__)

#: Of the limits that a run quotes.
CONFIDENCE = 0.95
# Probability outside one standard deviation, on either side.
_TAIL = float(stats.norm.sf(1.0))


@dataclass(frozen=True)
class Excess:
    """The window of the largest excess of a search, and how much more than expected is in it.

    Attributes
    ----------
    low, high
        m_jj [low, high), GeV.
    local_z
        Its local significance.
    observed, expected
        Counts, and their estimate.
    more, more_low, more_high
        observed - expected, with a 68.27 % interval: the Poisson interval of the count (Garwood, 1936) and the
        standard deviation of the estimate in quadrature. The window was chosen because it stands out, so `more`
        is on the high side.
    unit
        What is counted: "events" or "jets".
    """

    low: float
    high: float
    local_z: float
    observed: float
    expected: float
    more: float
    more_low: float
    more_high: float
    unit: str


def largest_excess(spectrum: MassSpectrum | None, bins: MassBins) -> Excess | None:
    """The largest excess in a spectrum; None where there is no spectrum, or no excess in it."""
    if spectrum is None:
        return None
    found = spectrum.largest_excess(bins.edges)
    if not found.z > 0:
        return None
    centres = (bins.edges[:-1] + bins.edges[1:]) / 2
    inside = (centres >= found.low) & (centres < found.high)
    if not inside.any():  # a window narrower than the bins
        inside[int(np.argmin(np.abs(centres - (found.low + found.high) / 2)))] = True
    n, expected = float(spectrum.observed[inside].sum()), float(spectrum.expected[inside].sum())
    variance = float(spectrum.variance[inside].sum())
    # Garwood: quantiles of chi2 / 2.
    low = float(stats.chi2.ppf(_TAIL, 2 * n)) / 2 if n > 0 else 0.0
    high = float(stats.chi2.isf(_TAIL, 2 * n + 2)) / 2
    more = n - expected
    return Excess(
        low=found.low,
        high=found.high,
        local_z=found.z,
        observed=n,
        expected=expected,
        more=more,
        more_low=more - math.sqrt((n - low) ** 2 + variance),
        more_high=more + math.sqrt((high - n) ** 2 + variance),
        unit=spectrum.unit,
    )


def signal_limits(search: SearchResult, observed: Observed | None, seed: int) -> dict[str, UpperLimits]:
    """Upper limits on the signal events in an observed data set, or the expected ones alone, by injected signal.

    They are CLs limits (:mod:`hepcs.studies.limits`) from the doped pseudo-experiments of the run. There is none
    without these, for a data set without a valid statistic, or where pseudo-experiments are fewer than ten.
    """
    if observed is not None and not observed.outcome.valid:
        return {}
    null = search.statistics(Kind.BACKGROUND_ONLY)
    by_signal: dict[str, dict[int, NDArray[np.float64]]] = {}
    for one in search.doped:
        values = search.statistics(Kind.DOPED, one.injection.epsilon, one.injection.signal)
        if values.size:
            by_signal.setdefault(one.injection.signal, {})[one.injection.epsilon] = values
    found = {}
    for signal, doped in by_signal.items():
        rng = generator(seed, Stream.STUDY, "limit", search.name, signal)
        try:
            found[signal] = upper_limits(
                null,
                doped,
                rng=rng,
                observed=None if observed is None else observed.outcome.statistic,
                confidence=CONFIDENCE,
                n_bootstrap=0,
            )
        except ArgumentError as error:  # too few pseudo-experiments for any
            logger.info("%s: no limit on %s: %s", search.name, signal, error)
    return found


def excess_text(excess: Excess | None) -> str:
    """Where the excess lies, and how much it is."""
    if excess is None:
        return "Nowhere does it see more than expected."
    few = max(excess.observed, excess.expected) < 10

    def count(value: float) -> str:
        return f"{value:,.1f}" if few else f"{value:,.0f}"

    return (
        f"The largest excess lies at m_jj {excess.low:g} to {excess.high:g} GeV: {count(excess.observed)} "
        f"{excess.unit} where {count(excess.expected)} are expected, {count(excess.more)} more "
        f"[{count(excess.more_low)}, {count(excess.more_high)}] (68 % interval; on the high side, since the "
        "window was chosen because it stands out)."
    )


def limits_text(limits: dict[str, UpperLimits]) -> str:
    """How much signal there may be at most; what it would take to know, where the run cannot tell."""
    if not limits:
        return (
            "How much signal there may be at most, this run cannot tell: that takes pseudo-experiments with "
            "injected signal (`pseudo_experiments.doped`, and several numbers in `injection.epsilon`)."
        )
    return " ".join(_limit_text(signal, one) for signal, one in limits.items())


def _limit_text(signal: str, limits: UpperLimits) -> str:
    of = "signal events" if signal in {"", "signal"} else f"events of the signal {signal}"
    sure, found = f"At {100 * CONFIDENCE:g} % confidence", limits.observed
    expected = limits.expected[len(limits.expected) // 2]
    beside = (
        f" ({_number(expected)} expected without signal)"
        if expected.epsilon is not None and expected.bound != "lower"
        else ""
    )
    if found is None or found.epsilon is None:
        fewest = min(limits.n_doped.values())
        return f"{fewest} doped pseudo-experiments for each epsilon are too few for a limit on {of}."
    if found.bound == "lower":
        return (
            f"{sure} no limit below {found.epsilon:,.0f} {of}, the largest number that was tried, can be set."
        )
    few = "" if limits.reaches else f". Careful: {limits.text}"
    return f"{sure} there are fewer than {found.epsilon:,.0f} {of} (CLs){beside}{few}."


def _number(limit: Limit) -> str:
    less = "less than " if limit.bound == "upper" else ""
    return f"{less}{limit.epsilon:,.0f}"

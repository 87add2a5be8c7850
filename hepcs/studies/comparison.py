"""Two searches of one study against each other: ratio of their N_3sigma, and significance improvement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from hepcs._core.errors import ArgumentError
from hepcs.studies.crossing import Crossing, interval
from hepcs.studies.readings import Reading
from hepcs.studies.sensitivity import Curve

# Median Z of a baseline from which on a ratio to it says something.
_LEAST_BASELINE = 0.5


@dataclass(frozen=True)
class Ratio:
    """Ratio of the crossings of two searches, such as N_3sigma(CS) / N_3sigma(fit).

    Attributes
    ----------
    numerator, denominator, reading
        The searches, and how Z was read in both.
    value
        None if neither crossing is known well enough to bound it.
    low, high
        68.27 % interval by the common bootstrap; None where it has no end.
    bound
        "upper" or "lower" if `value` is one, since a crossing is; else None.
    share_defined
        Share of the replicas in which at least one of the two is reached.
    """

    numerator: str
    denominator: str
    reading: Reading
    value: float | None
    low: float | None
    high: float | None
    bound: Literal["lower", "upper"] | None
    share_defined: float


@dataclass(frozen=True)
class SignificanceImprovement:
    """SI = median Z / median Z of a baseline at one epsilon (paper, section 4).

    Attributes
    ----------
    epsilon
        Injected events.
    value
        None where the baseline's median is below 0.5, where a ratio says nothing, or where both are bounds.
    low, high
        68.27 % interval by the common bootstrap; None where `value` is, or at a bound.
    bound
        "lower" if the median Z of the search is a lower bound, "upper" if that of the baseline is.
    """

    epsilon: int
    value: float | None
    low: float | None
    high: float | None
    bound: Literal["lower", "upper"] | None


def ratio_of_crossings(numerator: Curve, denominator: Curve) -> Ratio:
    """Ratio of the crossings of two searches of one study, in the same reading.

    Where one of them lies beyond the list of epsilon, the ratio is bounded by the largest epsilon.

    Raises
    ------
    ArgumentError
        For curves of different readings, levels, or studies.
    """
    above, below = numerator.crossing, denominator.crossing
    _check_pair(numerator, denominator)
    if above.level != below.level:
        raise ArgumentError(f"crossings of different levels, {above.level:g} and {below.level:g}")
    with np.errstate(divide="ignore", invalid="ignore"):
        replicas = above.replicas / below.replicas
    defined = replicas[~np.isnan(replicas)]
    top, bottom = _known(above), _known(below)
    value: float | None = None
    bound: Literal["lower", "upper"] | None = None
    if top is not None and bottom is not None:
        # A crossing beyond the list makes its own side a lower bound, one that is only an upper bound the other.
        signs = {_side(above), -_side(below)} - {0}
        if len(signs) < 2:
            value = top / bottom
            bound = None if not signs else "lower" if signs == {1} else "upper"
    low, high = interval(defined) if value is not None and defined.size else (None, None)
    # Zero where the denominator is not reached in so many replicas: the interval has no end there.
    low = low or None
    return Ratio(
        numerator=numerator.name,
        denominator=denominator.name,
        reading=numerator.reading,
        value=value,
        low=low,
        high=high,
        bound=bound,
        share_defined=defined.size / replicas.size,
    )


def significance_improvement(curve: Curve, baseline: Curve) -> tuple[SignificanceImprovement, ...]:
    """SI at each epsilon, for two curves of one study in the same reading (paper, section 4).

    Raises ArgumentError for curves of different readings or studies.
    """
    _check_pair(curve, baseline)
    with np.errstate(divide="ignore", invalid="ignore"):
        replicas = np.where(
            baseline.median_replicas > 0, curve.median_replicas / baseline.median_replicas, np.inf
        )
    found = []
    for i, epsilon in enumerate(curve.epsilon):
        above, below = curve.median[i], baseline.median[i]
        if below.z < _LEAST_BASELINE or (above.bound is not None and below.bound is not None):
            found.append(SignificanceImprovement(int(epsilon), None, None, None, None))
            continue
        bound: Literal["lower", "upper"] | None = None
        if above.bound is not None:
            bound = "lower" if above.bound == "lower" else "upper"
        elif below.bound is not None:
            bound = "upper" if below.bound == "lower" else "lower"
        low, high = interval(replicas[~np.isnan(replicas[:, i]), i]) if bound is None else (None, None)
        found.append(SignificanceImprovement(int(epsilon), above.z / below.z, low, high, bound))
    return tuple(found)


def _check_pair(one: Curve, other: Curve) -> None:
    if one.reading != other.reading:
        raise ArgumentError(
            f"{one.name} is read as {one.reading}, {other.name} as {other.reading}: these cannot be compared"
        )
    if (
        not np.array_equal(one.epsilon, other.epsilon)
        or one.median_replicas.shape != other.median_replicas.shape
    ):
        raise ArgumentError(f"{one.name} and {other.name} are not of one study")


def _known(crossing: Crossing) -> float | None:
    return crossing.epsilon if crossing.epsilon is not None else crossing.beyond


def _side(crossing: Crossing) -> int:
    """1 if the known epsilon is a lower bound, -1 if it is an upper one, else 0."""
    if crossing.epsilon is None:
        return 1
    return -1 if crossing.bound == "upper" else 0

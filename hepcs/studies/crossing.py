"""Where the median of a search reaches a level of Z: N_3sigma, with its uncertainty; ratios of two of them; SI.

The median Z reaches a level where the median statistic reaches the threshold that this level has among the
background-only statistics. The statistic rises smoothly with epsilon and knows no bound, so it is the statistic
that is interpolated between two epsilon (SPEC, section 4), and not Z, which by counting ends at Z(1/N).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hepcs.calibration.counting import ONE_SIGMA_TAIL
from hepcs.studies.readings import DESCRIPTIONS, Reading


@dataclass(frozen=True)
class Crossing:
    """The epsilon at which the median Z reaches a level: N_3sigma for a level of 3.

    Attributes
    ----------
    reading
        How Z was read.
    level
        The level of Z.
    epsilon
        Where the median crosses it for the first time, by linear interpolation of the statistic; None if it
        does not.
    low, high
        68.27 % interval by bootstrap; None where it has no end inside the list of epsilon.
    bound
        None if `epsilon` is a value; "upper" if the crossing is at `epsilon` or below it, because the smallest
        epsilon of the list is above the level already.
    beyond
        If it is not reached although the reading could: the largest epsilon of the list, which is below it.
    reason
        Why there is no value, or only a bound; empty if there is one.
    share_reached
        Share of the bootstrap replicas in which the level is reached.
    replicas
        The crossing in each replica, shape (r,); infinity where it is not reached, NaN where it is undefined.
    """

    reading: Reading
    level: float
    epsilon: float | None
    low: float | None
    high: float | None
    bound: Literal["upper"] | None
    beyond: float | None
    reason: str
    share_reached: float
    replicas: NDArray[np.float64] = field(repr=False)

    @property
    def description(self) -> str:
        """The reading in words."""
        return DESCRIPTIONS[self.reading]


def crossing_of(
    reading: Reading,
    level: float,
    epsilon: NDArray[np.int64],
    medians: NDArray[np.float64],
    threshold: float | None,
    largest_z: float | None,
    replicas: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> Crossing:
    """Where the median statistic reaches the threshold of a level.

    Parameters
    ----------
    reading, level
        How Z is read, and the level.
    epsilon, medians
        Rising, and the median statistic of each, shape (e,).
    threshold, largest_z
        The statistic at the level, None if the reading does not reach it, and the Z that it does reach.
    replicas
        Medians, shape (r, e), and thresholds, shape (r,), of the bootstrap replicas; NaN where there is none.
    """
    value, first = (None, -1) if threshold is None else first_crossing(epsilon, medians, threshold)
    bound: Literal["upper"] | None = None
    beyond: float | None = None
    reason = ""
    if threshold is None:
        reason = f"the reading reaches Z = {largest_z:.2f}, not {level:g}"
    elif value is None:
        beyond = float(epsilon[-1])
        reason = f"the median Z is below {level:g} at epsilon = {epsilon[-1]}, the largest of the list"
    elif first == 0:
        bound = "upper"
        reason = (
            f"the median Z is {level:g} or more at epsilon = {epsilon[0]} already, the smallest of the list"
        )
    found = np.array([_replica(epsilon, *one) for one in zip(*replicas, strict=True)])
    defined = found[~np.isnan(found)]
    low, high = interval(defined) if value is not None and defined.size else (None, None)
    share = float(np.isfinite(defined).mean()) if defined.size else 0.0
    return Crossing(reading, level, value, low, high, bound, beyond, reason, share, found)


def first_crossing(
    epsilon: NDArray[np.int64], medians: NDArray[np.float64], threshold: float
) -> tuple[float | None, int]:
    """Where the median reaches the threshold for the first time, and the first epsilon that is not below it."""
    reached = np.flatnonzero(medians >= threshold)
    if reached.size == 0:
        return None, -1
    i = int(reached[0])
    if i == 0:
        return float(epsilon[0]), 0
    share = (threshold - medians[i - 1]) / (medians[i] - medians[i - 1])
    return float(epsilon[i - 1] + share * (epsilon[i] - epsilon[i - 1])), i


def _replica(epsilon: NDArray[np.int64], medians: NDArray[np.float64], threshold: float) -> float:
    if np.isnan(threshold) or np.isnan(medians).any():
        return math.nan
    value, _ = first_crossing(epsilon, medians, threshold)
    return math.inf if value is None else value


def interval(replicas: NDArray[np.float64]) -> tuple[float | None, float | None]:
    """Central 68.27 % of the replicas, by order statistics, so that infinities do not spread."""
    low, high = np.quantile(replicas, (ONE_SIGMA_TAIL, 1 - ONE_SIGMA_TAIL), method="inverted_cdf")
    return _finite(low), _finite(high)


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None

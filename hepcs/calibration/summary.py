"""Median and quartiles of the significance over pseudo-experiments, some of which are only bounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hepcs._core.errors import ArgumentError
from hepcs.calibration.counting import Calibration

_ORDER = {"upper": 0, None: 1, "lower": 2}


@dataclass(frozen=True)
class Quantile:
    """A quantile of Z.

    Attributes
    ----------
    z
        Its value, with every bound taken at the bound.
    bound
        None if the value is exact; "lower" if the quantile is at least `z`, "upper" if at most;
        "undetermined" if bounds of both kinds reach it.
    """

    z: float
    bound: Literal["lower", "upper", "undetermined"] | None


@dataclass(frozen=True)
class ZSummary:
    """Median and quartiles of Z over pseudo-experiments, and how many of them are bounds."""

    n: int
    n_lower_bounds: int
    n_upper_bounds: int
    lower_quartile: Quantile
    median: Quantile
    upper_quartile: Quantile


def median_and_quartiles(calibrations: Sequence[Calibration]) -> ZSummary:
    """Median and quartiles of Z (paper, section 4 and Fig. 5), with the bounds among them accounted for.

    Quantiles interpolate linearly between order statistics, as NumPy does. A quantile that rests on an order
    statistic at or above a lower bound is a lower bound itself: the true value behind that bound may lie
    anywhere above. A median with fewer than half of the values at the bound is therefore exact.

    Parameters
    ----------
    calibrations
        One for each pseudo-experiment, at least one.

    Raises
    ------
    ArgumentError
        If there are none.
    """
    if not calibrations:
        raise ArgumentError("median_and_quartiles needs at least one calibration, found none")
    # A lower bound at 1/N has the same Z as one background-only statistic above: it goes behind it.
    ordered = sorted(calibrations, key=lambda calibration: (calibration.z, _ORDER[calibration.bound]))
    bounds = [calibration.bound for calibration in ordered]
    return ZSummary(
        n=len(ordered),
        n_lower_bounds=bounds.count("lower"),
        n_upper_bounds=bounds.count("upper"),
        lower_quartile=_quantile(ordered, 0.25),
        median=_quantile(ordered, 0.5),
        upper_quartile=_quantile(ordered, 0.75),
    )


def _quantile(ordered: Sequence[Calibration], q: float) -> Quantile:
    position = q * (len(ordered) - 1)
    below, above = math.floor(position), math.ceil(position)
    z = ordered[below].z + (position - below) * (ordered[above].z - ordered[below].z)
    lower = any(calibration.bound == "lower" for calibration in ordered[: above + 1])
    upper = any(calibration.bound == "upper" for calibration in ordered[below:])
    return Quantile(z, quantile_bound(lower, upper))


def quantile_bound(
    reaches_lower: bool, reaches_upper: bool
) -> Literal["lower", "upper", "undetermined"] | None:
    """What a quantile is that rests on lower bounds, on upper bounds, on both, or on neither."""
    if reaches_lower and reaches_upper:
        return "undetermined"
    if reaches_lower:
        return "lower"
    return "upper" if reaches_upper else None

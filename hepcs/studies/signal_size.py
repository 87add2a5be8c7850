"""How large a signal is: the number of signal events from the statistic of a search, with an interval.

The distribution of the statistic by epsilon is that of :mod:`hepcs.studies.response`. An observed statistic t then
belongs to

- epsilon_hat, where t is the median: too large as often as too small,
- the interval of all epsilon for which t lies in the central 68.27 % (Neyman, 1937): it holds the true epsilon
  in that share of all data sets, whatever it is.

A statistic that looks everywhere also fluctuates everywhere, so that a small signal is told only from above.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hepcs._core.errors import ArgumentError
from hepcs.calibration.counting import ONE_SIGMA_TAIL
from hepcs.studies.response import in_halves, last_below, response_of

_QUANTILES = (ONE_SIGMA_TAIL, 0.5, 1 - ONE_SIGMA_TAIL)
#: Statistics of an epsilon, and of no signal, that tell its distribution.
FEWEST_STATISTICS = 10


@dataclass(frozen=True)
class SignalSize:
    """A number of signal events.

    Attributes
    ----------
    epsilon
        The estimate, 0 where the statistic is at most the median without signal; None beyond the list of epsilon.
    low, high
        68.27 % interval; `low` is 0 where no signal is as good, `high` None beyond the list.
    """

    epsilon: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class SizeCalibration:
    """Quantiles of a statistic by the number of signal events; see :func:`size_calibration`.

    Attributes
    ----------
    epsilon
        0 and the numbers of signal events, rising, shape (e,).
    quantiles
        Lower end of the central 68.27 %, median, upper end: not falling with epsilon, shape (3, e).
    """

    epsilon: NDArray[np.float64]
    quantiles: NDArray[np.float64]

    def size(self, statistic: float) -> SignalSize:
        """The signal of a data set; raises ArgumentError for a statistic that is not finite."""
        if not np.isfinite(statistic):
            raise ArgumentError(f"a signal is estimated from a finite statistic, found {statistic!r}")
        # t is at the upper end of the interval of the smallest epsilon, and at the lower end of the largest.
        high, middle, low = (last_below(self.epsilon, one, statistic) for one in self.quantiles)
        return SignalSize(middle, low, high)


def size_calibration(null: ArrayLike, doped: Mapping[int, ArrayLike]) -> SizeCalibration:
    """Quantiles of a statistic by the number of signal events.

    Parameters
    ----------
    null
        Background-only statistics, shape (N,); NaN ones are left out.
    doped
        Doped statistics by epsilon > 0, shape (M,) each; NaN likewise.

    Raises
    ------
    ArgumentError
        Without an epsilon above 0, or for fewer than ten valid statistics with one of them.
    """
    if not doped or min(doped) <= 0:
        raise ArgumentError(
            f"a signal is measured by doped statistics of epsilon above 0, found {sorted(doped)}"
        )
    samples = {0: np.asarray(null, dtype=np.float64)}
    samples |= {epsilon: np.asarray(doped[epsilon], dtype=np.float64) for epsilon in sorted(doped)}
    valid = {epsilon: values[np.isfinite(values)] for epsilon, values in samples.items()}
    for epsilon, values in valid.items():
        if values.size < FEWEST_STATISTICS:
            raise ArgumentError(
                f"epsilon = {epsilon}: {values.size} valid statistics, expected {FEWEST_STATISTICS} or more"
            )
    response = response_of(valid.pop(0), valid)
    quantiles = np.array([response.quantile(level) for level in _QUANTILES])
    return SizeCalibration(np.array([0.0, *valid]), quantiles)


@dataclass(frozen=True)
class Linearity:
    """Injected and estimated signal; each data set is measured by the others of its epsilon.

    Attributes
    ----------
    epsilon
        Injected, shape (e,).
    median, low, high
        Median of the estimates and their central 68.27 %, shape (e,); infinite beyond the list.
    coverage
        Share of the intervals that hold the injected number, shape (e,): 0.68.
    """

    epsilon: NDArray[np.int64]
    median: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    coverage: NDArray[np.float64]


def linearity(null: ArrayLike, doped: Mapping[int, ArrayLike], rng: np.random.Generator) -> Linearity:
    """How well the size of a signal is measured: one half of the doped data sets, by the other half.

    Raises ArgumentError as :func:`size_calibration`, of half as many statistics.
    """
    halves = in_halves(doped, rng)
    calibrations = [size_calibration(null, half) for half in halves]
    rows = []
    for epsilon in sorted(doped):
        sizes = [
            calibration.size(float(t))
            for calibration, half in zip(calibrations, reversed(halves), strict=True)
            for t in half[epsilon]
        ]
        estimates = np.array([np.inf if one.epsilon is None else one.epsilon for one in sizes])
        held = [
            (one.low is not None and one.low <= epsilon) and (one.high is None or epsilon <= one.high)
            for one in sizes
        ]
        # Those of infinity are no numbers to interpolate between.
        low, median, high = np.quantile(estimates, _QUANTILES, method="inverted_cdf")
        rows.append((epsilon, median, low, high, float(np.mean(held))))
    columns = np.array(rows).T
    return Linearity(columns[0].astype(np.int64), *columns[1:])

"""Calibrated p-value and significance by counting background-only statistics (paper, section 3.1.4)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from hepcs._core.errors import ArgumentError
from hepcs.statistics.significance import p_to_z

Bound = Literal["lower", "upper"]

# Probability outside one standard deviation, on either side.
ONE_SIGMA_TAIL = float(special.ndtr(-1.0))


@dataclass(frozen=True)
class Calibration:
    """Calibrated significance of one observed statistic. Every number is finite, or None where there is none.

    Attributes
    ----------
    observed
        The statistic t.
    n_null
        N, background-only statistics.
    n_above
        k, those that are at least t; ties count.
    p
        k / N (paper, section 3.1.4). Where `bound` is set, the bound itself: 1 / N for k = 0 (paper, eq.
        3.4), and 1 - 1 / N for k = N.
    p_low, p_high
        Clopper-Pearson interval of p at 68.27 %, central; p_low = 0 for k = 0, p_high = 1 for k = N.
    p_upper_95
        One-sided Clopper-Pearson upper limit of p at 95 %.
    p_smoothed
        (k + 1) / (N + 1), a valid p-value for any k (Davison and Hinkley, 1997, section 4.2).
    z
        Phi^-1(1 - p). A lower bound if `bound` is "lower", an upper one if it is "upper".
    z_low, z_high
        From p_high and p_low; None where that is 1 or 0, so that no finite limit exists.
    z_lower_95
        From p_upper_95: Z is above it at 95 % confidence; None for k = N.
    z_smoothed
        From p_smoothed; None for k = N, where p_smoothed is 1.
    bound
        "lower" for k = 0, "upper" for k = N, else None.
    """

    observed: float
    n_null: int
    n_above: int
    p: float
    p_low: float
    p_high: float
    p_upper_95: float
    p_smoothed: float
    z: float
    z_low: float | None
    z_high: float | None
    z_lower_95: float | None
    z_smoothed: float | None
    bound: Bound | None


def calibrate(observed: float, null: ArrayLike) -> Calibration:
    """Calibrate one statistic (paper, section 3.1.4; SPEC, section 4).

    Parameters
    ----------
    observed
        Observed statistic, finite.
    null
        Statistics of background-only pseudo-experiments, shape (N,), N >= 2, finite.

    Returns
    -------
    Calibration

    Raises
    ------
    ArgumentError
        For NaN or infinite statistics, or fewer than two pseudo-experiments.
    """
    return calibrate_many([observed], null)[0]


def calibrate_many(observed: ArrayLike, null: ArrayLike) -> tuple[Calibration, ...]:
    """Calibrate m statistics, shape (m,), with the same null sample; see :func:`calibrate`."""
    statistics = finite_statistics("observed", observed)
    sample = np.sort(finite_statistics("null", null))
    n = sample.size
    if n < 2:
        raise ArgumentError(f"a calibration needs at least two background-only statistics, found {n}")
    above = n - np.searchsorted(sample, statistics, side="left")
    low, high = clopper_pearson(above, n, ONE_SIGMA_TAIL)
    _, upper_95 = clopper_pearson(above, n, 0.05)
    # Bounds by 1 / N at both ends, where k / N would be a certainty.
    p = np.clip(above, 1, n - 1) / n
    smoothed = (above + 1) / (n + 1)
    return tuple(
        Calibration(
            observed=float(statistics[i]),
            n_null=n,
            n_above=int(above[i]),
            p=float(p[i]),
            p_low=float(low[i]),
            p_high=float(high[i]),
            p_upper_95=float(upper_95[i]),
            p_smoothed=float(smoothed[i]),
            z=float(p_to_z(p[i])),
            z_low=finite_z(high[i]),
            z_high=finite_z(low[i]),
            z_lower_95=finite_z(upper_95[i]),
            z_smoothed=finite_z(smoothed[i]),
            bound=_bound(int(above[i]), n),
        )
        for i in range(statistics.size)
    )


def clopper_pearson(
    k: NDArray[np.integer], n: int, tail: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Exact binomial limits on p, each with probability `tail` outside (Clopper and Pearson, 1934).

    Parameters
    ----------
    k, n
        Successes, shape (m,), and trials.
    tail
        Probability beyond either limit, so the central interval has 1 - 2 tail.

    Returns
    -------
    low, high
        Shape (m,); low = 0 for k = 0 and high = 1 for k = n.
    """
    low = np.zeros(k.shape)
    high = np.ones(k.shape)
    some, not_all = k > 0, k < n
    low[some] = special.betaincinv(k[some], n - k[some] + 1, tail)
    high[not_all] = special.betainccinv(k[not_all] + 1, n - k[not_all], tail)
    return low, high


def finite_z(p: float) -> float | None:
    """Z = Phi^-1(1 - p), or None where it is infinite."""
    z = float(p_to_z(p))
    return z if math.isfinite(z) else None


def _bound(k: int, n: int) -> Bound | None:
    if k == 0:
        return "lower"
    return "upper" if k == n else None


def finite_statistics(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """The values as an array (n,), or ArgumentError for another shape or values that are not finite."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ArgumentError(f"{name} statistics must have shape (n,), found {array.shape}")
    if not np.isfinite(array).all():
        bad = int(np.flatnonzero(~np.isfinite(array))[0])
        raise ArgumentError(f"{name} statistics must be finite, found {array[bad]} at entry {bad}")
    return array

"""Z of a test statistic against background-only ones, read in several ways.

===============  ===========================================  ======================================
reading          Z of a statistic t                           good to
===============  ===========================================  ======================================
``counted``      from p = (k + 1) / (N + 1), the one to       Z(1/(N+1)): 3.09 for N = 1,000, beyond
                 quote                                        it Z is a lower bound
``gaussian``     (t - mean) / sd of the null statistics       as far as these are normal, which for
                                                              a maximum over bins they are not
``pareto``       counted; in the upper tenth from a           Z(1/(10 N)), as an extrapolation
                 generalised Pareto tail (too high)
``exponential``  the same with an exponential tail (too low)  the same
===============  ===========================================  ======================================

They agree only where there are background-only pseudo-experiments to read from. Every number that is made of one
carries its name, and none is filled up from another.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from hepcs._core.errors import ArgumentError
from hepcs.calibration.tail import (
    MAX_REACH,
    fit_excesses,
    fit_pareto_tail,
    fit_reasons,
    survival,
    tail_excesses,
)
from hepcs.statistics.significance import z_to_p

Reading = Literal["counted", "gaussian", "pareto", "exponential"]
READINGS: tuple[Reading, ...] = get_args(Reading)
#: What each reading is, for whoever writes it out.
DESCRIPTIONS: Mapping[Reading, str] = {
    "counted": "counted background-only pseudo-experiments",
    "gaussian": "Gaussian reading of the background-only mean and standard deviation",
    "pareto": "extrapolation by a generalised Pareto tail",
    "exponential": "extrapolation by an exponential tail",
}
# The Gaussian reading is compared with counting where this share of the null statistics lies above.
_CHECK_AT, _CHECK_TOLERANCE = 0.01, 0.2
_GOODNESS_REPLICAS = 200


@dataclass(frozen=True)
class Reach:
    """The largest Z that counting N background-only pseudo-experiments can give.

    Attributes
    ----------
    n_null
        N.
    z
        Phi^-1(1 - 1/(N + 1)): with none of them above, Z is at least this, and no more can be said.
    level
        The Z that a study is after.
    n_needed
        The smallest N that reaches it.
    n_for_ten
        The smallest N of which ten lie above it, so that it is known to some 30 % in p.
    """

    n_null: int
    z: float
    level: float
    n_needed: int
    n_for_ten: int

    @property
    def is_enough(self) -> bool:
        """Whether N reaches the level."""
        return self.n_null >= self.n_needed

    @property
    def text(self) -> str:
        """What it can reach and what it takes, in a sentence."""
        verdict = "" if self.is_enough else f", not {self.level:g}"
        return (
            f"{self.n_null:,} background-only pseudo-experiments reach Z = {self.z:.2f}{verdict}: Z = "
            f"{self.level:g} takes {self.n_needed:,}, and {self.n_for_ten:,} for ten of them to lie above it"
        )


def counting_reach(n_null: int, level: float = 3.0) -> Reach:
    """What N background-only pseudo-experiments can reach, against a level of Z that is asked for.

    Raises ArgumentError for fewer than two of them, or a level that is not above 0.
    """
    if n_null < 2 or not 0 < level < 38:
        raise ArgumentError(
            f"expected at least 2 pseudo-experiments and a level of Z in (0, 38), found {n_null} and {level!r}"
        )
    p = float(z_to_p(level))
    return Reach(n_null, largest_z(n_null + 1), level, math.ceil(1 / p) - 1, math.ceil(10 / p))


def largest_z(n: float) -> float:
    """Phi^-1(1 - 1/n)."""
    return float(-special.ndtri(1 / n))


@dataclass(frozen=True)
class ReadValues:
    """Z of some statistics, shape (m,), and which of them are lower or upper bounds."""

    z: NDArray[np.float64]
    lower: NDArray[np.bool_]
    upper: NDArray[np.bool_]


@dataclass(frozen=True)
class Tail:
    """A tail of the null statistics: share / (1 + shape x)^(1/shape), x = (t - start) / scale, above `start`."""

    start: float
    share: float
    shape: float
    scale: float

    def p(self, statistics: NDArray[np.float64]) -> NDArray[np.float64]:
        """P(T > t) above the start; 0 beyond the end of the tail."""
        return self.share * survival(statistics - self.start, self.shape, self.scale)

    def quantile(self, p: float) -> float:
        """The statistic with P(T > t) = p, for p up to the share."""
        ratio = self.share / p
        x = math.log(ratio) if abs(self.shape) < 1e-9 else (ratio**self.shape - 1) / self.shape
        return self.start + self.scale * x


@dataclass(frozen=True)
class Scale:
    """What turns a statistic into Z: a null sample and a way of reading it.

    Attributes
    ----------
    reading
        The way.
    null
        Background-only statistics in rising order, shape (N,).
    tail
        The fitted tail of the two readings that extrapolate.
    """

    reading: Reading
    null: NDArray[np.float64]
    tail: Tail | None = None

    @property
    def largest_z(self) -> float | None:
        """What the reading can reach; None for the Gaussian one, which has no end."""
        if self.reading == "gaussian":
            return None
        return largest_z(self.null.size + 1 if self.tail is None else MAX_REACH * self.null.size)

    def read(self, statistics: NDArray[np.float64]) -> ReadValues:
        """Z of statistics, shape (m,)."""
        if self.reading == "gaussian":
            never = np.zeros(statistics.size, dtype=np.bool_)
            return ReadValues((statistics - self.null.mean()) / self.null.std(ddof=1), never, never)
        n = self.null.size
        above = n - np.searchsorted(self.null, statistics, side="left")
        z = -special.ndtri(np.minimum(above + 1, n) / (n + 1))
        lower, upper = above == 0, above == n
        if self.tail is not None:
            inside = statistics > self.tail.start
            p, smallest = self.tail.p(statistics[inside]), 1 / (MAX_REACH * n)
            z[inside] = -special.ndtri(np.maximum(p, smallest))
            lower = lower & ~inside
            lower[inside] = p < smallest
        return ReadValues(z, lower, upper)

    def threshold(self, level: float) -> float | None:
        """The statistic above which Z is at least `level`; None where the reading does not reach that far."""
        if self.reading == "gaussian":
            return float(self.null.mean() + level * self.null.std(ddof=1))
        p = float(z_to_p(level))
        if self.largest_z is not None and self.largest_z < level:
            return None
        if self.tail is not None and p < self.tail.share:
            return self.tail.quantile(p)
        # So many may lie above it, and (k + 1) / (N + 1) is p at most.
        return float(self.null[-math.floor((self.null.size + 1) * p)])


def scale_of(null: NDArray[np.float64], reading: Reading, tail_fraction: float = 0.1) -> Scale:
    """The scale of a null sample, shape (N,) in any order, in one reading.

    Raises
    ------
    ArgumentError
        If the reading is not possible: no spread, or too few statistics for a tail.
    """
    ordered = np.sort(null)
    if reading == "gaussian" and not ordered.std() > 0:
        raise ArgumentError(f"all background-only statistics are {ordered[0]:g}")
    if reading in ("counted", "gaussian"):
        return Scale(reading, ordered)
    start, excesses = tail_excesses(ordered, tail_fraction)
    shape, scale = fit_excesses(excesses) if reading == "pareto" else (0.0, float(excesses.mean()))
    return Scale(reading, ordered, Tail(start, excesses.size / ordered.size, shape, scale))


def caveats(scale: Scale, tail_fraction: float, rng: np.random.Generator) -> tuple[str, ...]:
    """Why numbers of a reading are not to be quoted without more words, one sentence each."""
    null = scale.null
    if scale.reading == "gaussian":
        at = float(np.quantile(null, 1 - _CHECK_AT))
        read, counted = (at - null.mean()) / null.std(ddof=1), float(-special.ndtri(_CHECK_AT))
        found = [f"it takes the background-only statistics for normal (skewness {stats.skew(null):.2f})"]
        if abs(read - counted) > _CHECK_TOLERANCE:
            found.append(f"where counting gives Z = {counted:.2f} it gives {read:.2f}")
        return tuple(found)
    if scale.tail is not None:
        tail = fit_pareto_tail(null, tail_fraction, rng=rng, n_bootstrap=_GOODNESS_REPLICAS)
        return ("it is an extrapolation that no pseudo-experiment tests", *fit_reasons(tail))
    return ()

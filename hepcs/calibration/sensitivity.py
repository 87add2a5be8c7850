"""How sensitive a search is: median Z against epsilon, N_3sigma, and ratios between searches, with uncertainties.

N_3sigma is the epsilon at which the median Z over doped pseudo-experiments crosses 3, by linear interpolation
(paper, section 4; SPEC, section 4). Z can be read off a null sample in several ways, which agree only where
there are background-only pseudo-experiments to read from:

===============  ===========================================  ======================================
reading          Z of a statistic t                           good to
===============  ===========================================  ======================================
``counted``      from p = k / N: the paper's, the one to      Z(1/N): 3.09 for N = 1,000, beyond it
                 quote                                        Z is a lower bound
``gaussian``     (t - mean) / sd of the null statistics       as far as these are normal, which for
                                                              a maximum over bins they are not
``pareto``       counted; in the upper tenth from a           Z(1/(10 N)), as an extrapolation
                 generalised Pareto tail (too high)
``exponential``  the same with an exponential tail (too low)  the same
===============  ===========================================  ======================================

Every number here belongs to one reading, carries its name, and is never filled up from another.

Uncertainties are those of the pseudo-experiments alone, by bootstrap over background-only and doped ones. All
searches of a study are resampled together, by the index of the pseudo-experiment, so what they share (the
same events, in searches that see the same data sets) cancels in a ratio as it should.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from hepcs.calibration.counting import ONE_SIGMA_TAIL
from hepcs.calibration.summary import Quantile, quantile_bound
from hepcs.calibration.tail import MAX_REACH, fit_excesses, fit_pareto_tail, fit_reasons, tail_excesses
from hepcs.errors import ArgumentError
from hepcs.significance import z_to_p

Reading = Literal["counted", "gaussian", "pareto", "exponential"]
READINGS: tuple[Reading, ...] = get_args(Reading)
#: What each reading is, for whoever writes it out.
DESCRIPTIONS: Mapping[Reading, str] = {
    "counted": "counted background-only pseudo-experiments",
    "gaussian": "Gaussian reading of the background-only mean and standard deviation",
    "pareto": "extrapolation by a generalised Pareto tail",
    "exponential": "extrapolation by an exponential tail",
}
_QUARTILES = (0.25, 0.5, 0.75)
# The Gaussian reading is compared with counting where this share of the null statistics lies above.
_CHECK_AT, _CHECK_TOLERANCE = 0.01, 0.2
_GOODNESS_REPLICAS = 200

_Values = tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]


# ----------------------------------------------------------------------------------------------- reach


@dataclass(frozen=True)
class Reach:
    """The largest Z that counting N background-only pseudo-experiments can give.

    Attributes
    ----------
    n_null
        N.
    z
        Phi^-1(1 - 1/N): with none of them above, Z is at least this, and no more can be said.
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
    return Reach(n_null, _largest_z(n_null), level, math.ceil(1 / p), math.ceil(10 / p))


def _largest_z(n: float) -> float:
    return float(-special.ndtri(1 / n))


# ----------------------------------------------------------------------------------------------- input


@dataclass(frozen=True)
class SearchStatistics:
    """Statistics of the pseudo-experiments of one search, in the order of their index.

    Attributes
    ----------
    name
        Name of the search.
    null
        Background-only ones, shape (N,); NaN where a statistic could not be computed.
    doped
        By epsilon > 0, shape (M,) each; NaN likewise.
    """

    name: str
    null: NDArray[np.float64]
    doped: Mapping[int, NDArray[np.float64]]

    def __post_init__(self) -> None:
        if self.null.ndim != 1 or np.isfinite(self.null).sum() < 2:
            raise ArgumentError(f"{self.name}: expected two or more background-only statistics, shape (N,)")
        if not self.doped or min(self.doped) <= 0:
            raise ArgumentError(
                f"{self.name}: expected doped statistics for epsilon above 0, found {list(self.doped)}"
            )
        for epsilon, values in self.doped.items():
            if values.ndim != 1 or not np.isfinite(values).any():
                raise ArgumentError(f"{self.name}: no valid doped statistic for epsilon = {epsilon}")
        if any(np.isinf(values).any() for values in (self.null, *self.doped.values())):
            raise ArgumentError(f"{self.name}: statistics must be finite, or NaN where there is none")

    @property
    def epsilons(self) -> tuple[int, ...]:
        """In rising order."""
        return tuple(sorted(self.doped))


# ---------------------------------------------------------------------------------------------- results


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
        Where the median crosses it for the first time, by linear interpolation; None if it does not.
    low, high
        68.27 % interval by bootstrap; None where it has no end inside the list of epsilon.
    bound
        None if `epsilon` is a value; "upper" if the crossing is at `epsilon` or below it, because the smallest
        epsilon of the list is above the level already or because a median at the crossing is a lower bound of Z.
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


@dataclass(frozen=True)
class Curve:
    """Quartiles of Z against epsilon for one search and one reading.

    Attributes
    ----------
    name, reading
        The search, and how Z was read.
    epsilon
        Shape (e,), rising.
    lower_quartile, median, upper_quartile
        One for each epsilon; a bound where Z is one.
    largest_z
        What the reading can reach; None for the Gaussian one, which has no end.
    crossing
        Where the median crosses the level.
    caveats
        Why its numbers are not to be quoted without more words, one sentence each.
    median_replicas
        The median in each bootstrap replica, shape (r, e); NaN where it is undefined.
    """

    name: str
    reading: Reading
    epsilon: NDArray[np.int64]
    lower_quartile: tuple[Quantile, ...]
    median: tuple[Quantile, ...]
    upper_quartile: tuple[Quantile, ...]
    largest_z: float | None
    crossing: Crossing
    caveats: tuple[str, ...]
    median_replicas: NDArray[np.float64] = field(repr=False)


@dataclass(frozen=True)
class SearchSensitivity:
    """Sensitivity of one search, in every reading that its pseudo-experiments allow.

    Attributes
    ----------
    name
        The search.
    n_null, n_doped
        Valid background-only pseudo-experiments, and doped ones by epsilon.
    reach
        What counting can reach.
    curves
        By reading.
    unavailable
        Readings that were not possible, and why.
    """

    name: str
    n_null: int
    n_doped: Mapping[int, int]
    reach: Reach
    curves: Mapping[Reading, Curve]
    unavailable: Mapping[Reading, str]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of the counted curve must be told, one sentence each; empty if nothing."""
        curve = self.curves.get("counted")
        if curve is None:
            return ()
        bounds = [
            str(epsilon)
            for epsilon, median in zip(curve.epsilon, curve.median, strict=True)
            if median.bound is not None
        ]
        found = []
        if bounds:
            found.append(
                f"{self.name}: the median Z at epsilon = {', '.join(bounds)} is only a bound. {self.reach.text}"
            )
        elif not self.reach.is_enough:
            found.append(f"{self.name}: {self.reach.text}")
        return tuple(found)


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
        None where the baseline's median is not above 0, or where both are bounds.
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


# ---------------------------------------------------------------------------------------------- studies


def sensitivity(
    searches: Sequence[SearchStatistics],
    *,
    rng: np.random.Generator,
    level: float = 3.0,
    n_bootstrap: int = 500,
    readings: Sequence[Reading] = READINGS,
    tail_fraction: float = 0.1,
) -> dict[str, SearchSensitivity]:
    """Median Z against epsilon and the crossing of a level, for searches that are compared (SPEC, section 4).

    Parameters
    ----------
    searches
        Each with the same epsilon, and as many pseudo-experiments of each kind as the others: entry i is
        pseudo-experiment i in all of them.
    rng
        Random numbers of the bootstrap.
    level
        Z at the crossing.
    n_bootstrap
        Replicas, at least 20; some 2 ms each for one search with 1,000 background-only pseudo-experiments.
    readings
        Which; ``counted`` is always sensible.
    tail_fraction
        Share of the null statistics that ``pareto`` and ``exponential`` are fitted to, in (0, 1).

    Returns
    -------
    dict
        By name of the search, in the order given.

    Raises
    ------
    ArgumentError
        For searches that do not match or share a name, unknown readings, or numbers outside their range.
    """
    _check_study(searches, level, n_bootstrap, readings, tail_fraction)
    n_null, n_doped = searches[0].null.size, {e: searches[0].doped[e].size for e in searches[0].epsilons}
    replicas = [
        {reading: np.full((n_bootstrap, len(n_doped)), np.nan) for reading in readings} for _ in searches
    ]
    for replica in range(n_bootstrap):
        of_null = rng.integers(0, n_null, n_null)
        of_doped = {epsilon: rng.integers(0, m, m) for epsilon, m in n_doped.items()}
        for search, medians in zip(searches, replicas, strict=True):
            null = _valid(search.null[of_null])
            doped = [_valid(search.doped[epsilon][of_doped[epsilon]]) for epsilon in search.epsilons]
            if null.size < 2:
                continue
            for reading, values in _read(null, doped, readings, tail_fraction)[0].items():
                medians[reading][replica] = [_plain_median(z) for z, _, _ in values]
    return {
        search.name: _search_sensitivity(search, level, readings, tail_fraction, medians, rng)
        for search, medians in zip(searches, replicas, strict=True)
    }


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
    low, high = _interval(defined) if value is not None and defined.size else (None, None)
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
        if below.z <= 0 or (above.bound is not None and below.bound is not None):
            found.append(SignificanceImprovement(int(epsilon), None, None, None, None))
            continue
        bound: Literal["lower", "upper"] | None = None
        if above.bound is not None:
            bound = "lower" if above.bound == "lower" else "upper"
        elif below.bound is not None:
            bound = "upper" if below.bound == "lower" else "lower"
        low, high = _interval(replicas[~np.isnan(replicas[:, i]), i]) if bound is None else (None, None)
        found.append(SignificanceImprovement(int(epsilon), above.z / below.z, low, high, bound))
    return tuple(found)


# ----------------------------------------------------------------------------------------------- steps


def _check_study(
    searches: Sequence[SearchStatistics],
    level: float,
    n_bootstrap: int,
    readings: Sequence[Reading],
    tail_fraction: float,
) -> None:
    if not searches or len({search.name for search in searches}) < len(searches):
        raise ArgumentError("expected one or more searches with different names")
    first = searches[0]
    for search in searches[1:]:
        if search.null.size != first.null.size:
            raise ArgumentError(
                f"{search.name} has {search.null.size} background-only pseudo-experiments and {first.name} "
                f"{first.null.size}; mark those without a statistic by NaN, so that entry i is one data set"
            )
        if {e: v.size for e, v in search.doped.items()} != {e: v.size for e, v in first.doped.items()}:
            raise ArgumentError(
                f"{search.name} and {first.name} have different epsilon, or numbers of doped pseudo-experiments"
            )
    if not 0 < level < 38 or n_bootstrap < 20 or not 0 < tail_fraction < 1:
        raise ArgumentError(
            f"expected a level in (0, 38), n_bootstrap >= 20 and tail_fraction in (0, 1), found {level!r}, "
            f"{n_bootstrap!r} and {tail_fraction!r}"
        )
    unknown = [reading for reading in readings if reading not in READINGS]
    if unknown or not readings:
        raise ArgumentError(f"unknown readings {unknown}; expected some of {', '.join(READINGS)}")


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


def _search_sensitivity(
    search: SearchStatistics,
    level: float,
    readings: Sequence[Reading],
    tail_fraction: float,
    medians: Mapping[Reading, NDArray[np.float64]],
    rng: np.random.Generator,
) -> SearchSensitivity:
    null = _valid(search.null)
    doped = [_valid(search.doped[epsilon]) for epsilon in search.epsilons]
    values, unavailable = _read(null, doped, readings, tail_fraction)
    return SearchSensitivity(
        name=search.name,
        n_null=null.size,
        n_doped={epsilon: one.size for epsilon, one in zip(search.epsilons, doped, strict=True)},
        reach=counting_reach(null.size, level),
        curves={
            reading: _curve(search, reading, found, level, null, medians[reading], tail_fraction, rng)
            for reading, found in values.items()
        },
        unavailable=unavailable,
    )


def _curve(
    search: SearchStatistics,
    reading: Reading,
    values: Sequence[_Values],
    level: float,
    null: NDArray[np.float64],
    medians: NDArray[np.float64],
    tail_fraction: float,
    rng: np.random.Generator,
) -> Curve:
    quartiles = [[_quantile(one, q) for one in values] for q in _QUARTILES]
    epsilon = np.array(search.epsilons)
    largest = _reach_of(reading, null.size)
    return Curve(
        name=search.name,
        reading=reading,
        epsilon=epsilon,
        lower_quartile=tuple(quartiles[0]),
        median=tuple(quartiles[1]),
        upper_quartile=tuple(quartiles[2]),
        largest_z=largest,
        crossing=_crossing(reading, epsilon, quartiles[1], level, largest, medians),
        caveats=tuple(_caveats(reading, null, tail_fraction, rng)),
        median_replicas=medians,
    )


def _reach_of(reading: Reading, n_null: int) -> float | None:
    if reading == "gaussian":
        return None
    return _largest_z(n_null if reading == "counted" else MAX_REACH * n_null)


def _valid(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values[~np.isnan(values)]


def _read(
    null: NDArray[np.float64],
    doped: Sequence[NDArray[np.float64]],
    readings: Sequence[Reading],
    tail_fraction: float,
) -> tuple[dict[Reading, list[_Values]], dict[Reading, str]]:
    """Z of the doped statistics of each epsilon, with what is a lower or an upper bound, by reading."""
    ordered = np.sort(null)
    n, together = ordered.size, np.concatenate(doped)
    above = n - np.searchsorted(ordered, together, side="left")
    counted = -special.ndtri(np.clip(above, 1, n - 1) / n)
    none, every = above == 0, above == n
    found: dict[Reading, _Values] = {}
    unavailable: dict[Reading, str] = {}
    for reading in readings:
        if reading == "counted":
            found[reading] = (counted, none, every)
        elif reading == "gaussian":
            sd = ordered.std(ddof=1)
            if sd > 0:
                never = np.zeros(together.size, dtype=np.bool_)
                found[reading] = ((together - ordered.mean()) / sd, never, never)
            else:
                unavailable[reading] = f"all background-only statistics are {ordered[0]:g}"
        else:
            try:
                threshold, excesses = tail_excesses(ordered, tail_fraction)
            except ArgumentError as error:
                unavailable[reading] = str(error)
                continue
            shape, scale = fit_excesses(excesses) if reading == "pareto" else (0.0, float(excesses.mean()))
            tail = together > threshold
            beyond = (together[tail] - threshold) / scale
            smallest = 1 / (MAX_REACH * n)
            p = excesses.size / n * _pareto_tail(beyond, shape)
            z, lower = counted.copy(), none & ~tail
            z[tail] = -special.ndtri(np.maximum(p, smallest))
            lower[tail] = p < smallest
            found[reading] = (z, lower, every)
    ends = np.cumsum([one.size for one in doped])[:-1]
    split = {
        reading: list(zip(*(np.split(part, ends) for part in values), strict=True))
        for reading, values in found.items()
    }
    return split, unavailable


def _pareto_tail(x: NDArray[np.float64], shape: float) -> NDArray[np.float64]:
    """P(X > x) for a generalised Pareto distribution of scale 1; 0 beyond its end point."""
    if abs(shape) < 1e-9:
        return np.exp(-x)
    return np.maximum(1 + shape * x, 0) ** (-1 / shape)


def _plain_median(z: NDArray[np.float64]) -> float:
    if z.size == 0:
        return math.nan
    ordered, middle = np.sort(z), z.size // 2
    return float(ordered[middle] if z.size % 2 else (ordered[middle - 1] + ordered[middle]) / 2)


def _quantile(values: _Values, q: float) -> Quantile:
    """As :func:`hepcs.calibration.summary.median_and_quartiles` takes it, bounds included."""
    z, lower, upper = values
    # Lower bounds behind, upper ones before what has the same Z.
    ordered = np.sort(z)
    position = q * (z.size - 1)
    below, above = math.floor(position), math.ceil(position)
    value = float(ordered[below] + (position - below) * (ordered[above] - ordered[below]))
    return Quantile(value, quantile_bound(above >= z.size - int(lower.sum()), below < int(upper.sum())))


def _crossing(
    reading: Reading,
    epsilon: NDArray[np.int64],
    medians: Sequence[Quantile],
    level: float,
    largest_z: float | None,
    replicas: NDArray[np.float64],
) -> Crossing:
    z = np.array([median.z for median in medians])
    value, first = _first_crossing(epsilon, z, level)
    bound: Literal["upper"] | None = None
    beyond: float | None = None
    reason = ""
    if value is None:
        if largest_z is not None and largest_z < level:
            reason = f"the reading reaches Z = {largest_z:.2f}, not {level:g}"
        else:
            beyond = float(epsilon[-1])
            reason = f"the median Z is {z[-1]:.2f} at epsilon = {epsilon[-1]}, the largest of the list"
    elif first == 0:
        bound, reason = (
            "upper",
            f"the median Z is {z[0]:.2f} already at epsilon = {epsilon[0]}, the smallest of the list",
        )
    elif any(medians[i].bound in {"lower", "undetermined"} for i in (first - 1, first)):
        bound, reason = "upper", f"the median Z at epsilon = {epsilon[first]} is only a lower bound"
    crossings = np.array([_replica_crossing(epsilon, row, level) for row in replicas])
    defined = crossings[~np.isnan(crossings)]
    low, high = _interval(defined) if value is not None and defined.size else (None, None)
    share = float(np.isfinite(defined).mean()) if defined.size else 0.0
    return Crossing(reading, level, value, low, high, bound, beyond, reason, share, crossings)


def _first_crossing(
    epsilon: NDArray[np.int64], z: NDArray[np.float64], level: float
) -> tuple[float | None, int]:
    """Where Z reaches the level for the first time, and the first epsilon that is not below it."""
    reached = np.flatnonzero(z >= level)
    if reached.size == 0:
        return None, -1
    i = int(reached[0])
    if i == 0:
        return float(epsilon[0]), 0
    share = (level - z[i - 1]) / (z[i] - z[i - 1])
    return float(epsilon[i - 1] + share * (epsilon[i] - epsilon[i - 1])), i


def _replica_crossing(epsilon: NDArray[np.int64], z: NDArray[np.float64], level: float) -> float:
    if np.isnan(z).any():
        return math.nan
    value, _ = _first_crossing(epsilon, z, level)
    return math.inf if value is None else value


def _interval(replicas: NDArray[np.float64]) -> tuple[float | None, float | None]:
    """Central 68.27 % of the replicas, by order statistics, so that infinities do not spread."""
    low, high = np.quantile(replicas, (ONE_SIGMA_TAIL, 1 - ONE_SIGMA_TAIL), method="inverted_cdf")
    return _finite(low), _finite(high)


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _known(crossing: Crossing) -> float | None:
    return crossing.epsilon if crossing.epsilon is not None else crossing.beyond


def _side(crossing: Crossing) -> int:
    """1 if the known epsilon is a lower bound, -1 if it is an upper one, else 0."""
    if crossing.epsilon is None:
        return 1
    return -1 if crossing.bound == "upper" else 0


def _caveats(
    reading: Reading, null: NDArray[np.float64], tail_fraction: float, rng: np.random.Generator
) -> list[str]:
    if reading == "gaussian":
        threshold = float(np.quantile(null, 1 - _CHECK_AT))
        read, counted = (threshold - null.mean()) / null.std(ddof=1), float(-special.ndtri(_CHECK_AT))
        caveats = [f"it takes the background-only statistics for normal (skewness {stats.skew(null):.2f})"]
        if abs(read - counted) > _CHECK_TOLERANCE:
            caveats.append(f"where counting gives Z = {counted:.2f} it gives {read:.2f}")
        return caveats
    if reading in {"pareto", "exponential"}:
        tail = fit_pareto_tail(null, tail_fraction, rng=rng, n_bootstrap=_GOODNESS_REPLICAS)
        return ["it is an extrapolation that no pseudo-experiment tests", *fit_reasons(tail)]
    return []

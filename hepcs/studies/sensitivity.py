"""How sensitive a search is: median Z against epsilon, and N_3sigma, with uncertainties (SPEC, section 4).

Z is read off the background-only statistics in the ways of :mod:`hepcs.studies.readings`. Uncertainties
are those of the pseudo-experiments, by bootstrap over background-only and doped ones, and of the sample that the
background-only ones are drawn from, where one says how much their mean moves from sample to sample. All searches
of a study are resampled together, by the index of the pseudo-experiment, so what they share (the same events, in
searches that see the same data sets) cancels in a ratio as it should.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError
from hepcs.calibration.summary import Quantile, quantile_bound
from hepcs.studies.crossing import Crossing, crossing_of
from hepcs.studies.readings import (
    READINGS,
    Reach,
    Reading,
    ReadValues,
    Scale,
    caveats,
    counting_reach,
    scale_of,
)

_QUARTILES = (0.25, 0.5, 0.75)


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


def sensitivity(
    searches: Sequence[SearchStatistics],
    *,
    rng: np.random.Generator,
    level: float = 3.0,
    n_bootstrap: int = 500,
    readings: Sequence[Reading] = READINGS,
    tail_fraction: float = 0.1,
    between: Mapping[str, float] | None = None,
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
    between
        By search, the standard deviation of the mean null statistic between background samples, over that of the
        null statistic: by so much thresholds move in the replicas.

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
    replicas = [_Replicas(n_bootstrap, len(searches[0].doped), readings) for _ in searches]
    n_null, n_doped = searches[0].null.size, {e: searches[0].doped[e].size for e in searches[0].epsilons}
    shifts = {
        search.name: (between or {}).get(search.name, 0.0) * _own_normals(rng, search.name, n_bootstrap)
        for search in searches
    }
    for number in range(n_bootstrap):
        of_null = rng.integers(0, n_null, n_null)
        of_doped = {epsilon: rng.integers(0, m, m) for epsilon, m in n_doped.items()}
        for search, kept in zip(searches, replicas, strict=True):
            null = _valid(search.null[of_null])
            doped = [_valid(search.doped[epsilon][of_doped[epsilon]]) for epsilon in search.epsilons]
            if null.size >= 2:
                moved = float(shifts[search.name][number] * null.std())
                kept.keep(number, _scales(null, readings, tail_fraction)[0], doped, level, moved)
    return {
        search.name: _search_sensitivity(search, level, readings, tail_fraction, kept, rng)
        for search, kept in zip(searches, replicas, strict=True)
    }


def _own_normals(rng: np.random.Generator, name: str, n: int) -> NDArray[np.float64]:
    """Normal numbers of one search, the same with any other searches beside it."""
    seeds = rng.bit_generator.seed_seq
    assert isinstance(seeds, np.random.SeedSequence)
    key = (*seeds.spawn_key, zlib.crc32(name.encode()))
    return np.random.default_rng(np.random.SeedSequence(seeds.entropy, spawn_key=key)).normal(size=n)


class _Replicas:
    """Medians and thresholds of a search in each bootstrap replica, NaN where there is none."""

    def __init__(self, n: int, n_epsilon: int, readings: Sequence[Reading]) -> None:
        self.statistic = np.full((n, n_epsilon), np.nan)
        self.threshold = {reading: np.full(n, np.nan) for reading in readings}
        self.z = {reading: np.full((n, n_epsilon), np.nan) for reading in readings}

    def keep(
        self,
        number: int,
        scales: Mapping[Reading, Scale],
        doped: Sequence[NDArray[np.float64]],
        level: float,
        moved: float,
    ) -> None:
        """Take in one replica, whose thresholds are moved."""
        # Z rises with the statistic: its median is that of the middle statistics, and one reading serves all.
        middle = np.array([_middle(values) for values in doped])
        known = ~np.isnan(middle[:, 0])
        self.statistic[number] = middle.mean(axis=1)
        for reading, scale in scales.items():
            threshold = scale.threshold(level)
            self.threshold[reading][number] = np.nan if threshold is None else threshold + moved
            z = scale.read(middle[known].ravel()).z
            self.z[reading][number, known] = z.reshape(-1, 2).mean(axis=1)


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


def _scales(
    null: NDArray[np.float64], readings: Sequence[Reading], tail_fraction: float
) -> tuple[dict[Reading, Scale], dict[Reading, str]]:
    """The scales of a null sample, and why those that are not possible are not."""
    scales: dict[Reading, Scale] = {}
    unavailable: dict[Reading, str] = {}
    for reading in readings:
        try:
            scales[reading] = scale_of(null, reading, tail_fraction)
        except ArgumentError as error:
            unavailable[reading] = str(error)
    return scales, unavailable


def _search_sensitivity(
    search: SearchStatistics,
    level: float,
    readings: Sequence[Reading],
    tail_fraction: float,
    replicas: _Replicas,
    rng: np.random.Generator,
) -> SearchSensitivity:
    null = _valid(search.null)
    doped = [_valid(search.doped[epsilon]) for epsilon in search.epsilons]
    scales, unavailable = _scales(null, readings, tail_fraction)
    return SearchSensitivity(
        name=search.name,
        n_null=null.size,
        n_doped={epsilon: one.size for epsilon, one in zip(search.epsilons, doped, strict=True)},
        reach=counting_reach(null.size, level),
        curves={
            scale.reading: _curve(search, scale, doped, level, replicas, caveats(scale, tail_fraction, rng))
            for scale in scales.values()
        },
        unavailable=unavailable,
    )


def _curve(
    search: SearchStatistics,
    scale: Scale,
    doped: Sequence[NDArray[np.float64]],
    level: float,
    replicas: _Replicas,
    notes: tuple[str, ...],
) -> Curve:
    reading, epsilon = scale.reading, np.array(search.epsilons)
    read = [scale.read(values) for values in doped]
    lower, median, upper = (tuple(_quantile(one, q) for one in read) for q in _QUARTILES)
    crossing = crossing_of(
        reading,
        level,
        epsilon,
        np.array([_median(values) for values in doped]),
        scale.threshold(level),
        scale.largest_z,
        (replicas.statistic, replicas.threshold[reading]),
    )
    return Curve(
        name=search.name,
        reading=reading,
        epsilon=epsilon,
        lower_quartile=lower,
        median=median,
        upper_quartile=upper,
        largest_z=scale.largest_z,
        crossing=crossing,
        caveats=notes,
        median_replicas=replicas.z[reading],
    )


def _valid(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values[~np.isnan(values)]


def _middle(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The two values whose mean is the median, twice the same for an odd number; NaN for none."""
    if values.size == 0:
        return np.full(2, np.nan)
    places = [(values.size - 1) // 2, values.size // 2]
    return np.partition(values, places)[places]


def _median(values: NDArray[np.float64]) -> float:
    return float(np.median(values)) if values.size else math.nan


def _quantile(values: ReadValues, q: float) -> Quantile:
    """As :func:`hepcs.calibration.summary.median_and_quartiles` takes it, bounds included."""
    # Lower bounds behind, upper ones before what has the same Z.
    ordered = np.sort(values.z)
    position = q * (ordered.size - 1)
    below, above = math.floor(position), math.ceil(position)
    z = float(ordered[below] + (position - below) * (ordered[above] - ordered[below]))
    n_lower, n_upper = int(values.lower.sum()), int(values.upper.sum())
    return Quantile(z, quantile_bound(above >= ordered.size - n_lower, below < n_upper))

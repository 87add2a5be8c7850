"""All that a run found, and where its numbers come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hepcs.calibration import Calibration, TailExtrapolation, ZSummary
from hepcs.calibration.combination import Combination
from hepcs.config.reading import LocatedCard
from hepcs.datasets.bootstrap import Injection, Kind
from hepcs.datasets.reports import SampleReport
from hepcs.datasets.samples import MassBins
from hepcs.results.outcomes import Observation, Outcome, statistics_of


@dataclass(frozen=True)
class Observed:
    """The observed data set with `epsilon` events of a signal: what a search found, and what it means.

    `calibration` is None where the statistic could not be computed, such as by a fit that did not converge.
    `extrapolation` stands beside a lower bound, and is None elsewhere: see its own words on what it is worth.
    """

    injection: Injection
    outcome: Outcome
    observation: Observation
    calibration: Calibration | None
    extrapolation: TailExtrapolation | None

    def __repr__(self) -> str:
        """A line: arrays and histograms would fill the screen."""
        found = self.calibration
        worth = (
            "no valid statistic"
            if found is None
            else f"p={found.p:.3g}, z={found.z:.2f}, bound={found.bound}"
        )
        return f"Observed({self.injection.label}, statistic={self.outcome.statistic:.3f}, {worth})"


@dataclass(frozen=True)
class Doped:
    """Pseudo-experiments with injected signal events: median and quartiles of Z.

    Attributes
    ----------
    n_used, n_invalid
        Pseudo-experiments that went into the numbers, and those whose statistic could not be computed.
    statistic_quartiles
        Lower quartile, median and upper quartile of the statistic.
    z
        The same of Z = Phi^-1(1 - p), with bounds marked.
    """

    injection: Injection
    n_used: int
    n_invalid: int
    statistic_quartiles: tuple[float, float, float]
    z: ZSummary

    def __repr__(self) -> str:
        """A line."""
        z = self.z
        return (
            f"Doped({self.injection.label}, {self.n_used} used, median z={z.median.z:.2f}, quartiles "
            f"{z.lower_quartile.z:.2f} and {z.upper_quartile.z:.2f})"
        )


@dataclass(frozen=True)
class SearchResult:
    """All that one search found.

    Attributes
    ----------
    name, title
        Names of the search, for files and for people.
    outcomes
        Every data set that it is calibrated by, in the order of the tasks: observed, background-only, doped.
    shared
        Those that all searches have seen, by which they are combined: the same, or, of a search that is calibrated
        by toys of its own, the data sets of the others.
    observed
        One for each injection of the card; none of a run that is still blind.
    doped
        One for each injection above 0, if doped pseudo-experiments were asked for.
    seconds
        Processor time, the share of fits that several searches have in common.
    """

    name: str
    title: str
    outcomes: tuple[Outcome, ...]
    shared: tuple[Outcome, ...]
    observed: tuple[Observed, ...]
    doped: tuple[Doped, ...]
    seconds: float

    def __repr__(self) -> str:
        """A few lines: outcomes would fill the screen."""
        lines = [f"SearchResult({self.name}: {self.title}, {len(self.outcomes)} data sets)"]
        return "\n".join([*lines, *(f"  {one!r}" for one in (*self.observed, *self.doped))])

    def statistics(self, kind: Kind, epsilon: int = 0, signal: str = "") -> NDArray[np.float64]:
        """Valid statistics of the data sets of a kind and an injection, in the order of their index."""
        return statistics_of(self.outcomes, kind, epsilon, signal)

    @property
    def n_invalid(self) -> int:
        """Data sets, of any kind, whose statistic could not be computed."""
        return sum(not outcome.valid for outcome in self.outcomes)


@dataclass(frozen=True)
class Combined:
    """All searches together with an injection, by the data sets that all of them have seen.

    Attributes
    ----------
    injection
        The signal events.
    searches
        Names of the searches that take part: those that a search of real data could be.
    n_null
        Background-only data sets that all of them have seen.
    combination
        Of the observed data set (:mod:`hepcs.calibration.combination`); None where none was looked at.
    doped
        Median and quartiles of Z over doped pseudo-experiments; None without any.
    """

    injection: Injection
    searches: tuple[str, ...]
    n_null: int
    combination: Combination | None
    doped: Doped | None

    @property
    def best(self) -> str | None:
        """Name of the search with the smallest p, of equal ones the one that is furthest out; None without one."""
        found = None if self.combination is None else self.combination.best
        return None if found is None else self.searches[found]


@dataclass(frozen=True)
class Provenance:
    """Where the numbers come from.

    Attributes
    ----------
    started
        ISO 8601 time in UTC.
    versions
        Of Python and every package that takes part.
    platform, processor, blas
        Machine, processor and the BLAS kernels in use: another one can change labels in float32.
    workers
        Processes that worked; the results do not depend on them.
    seconds
        Wall-clock time of each step.
    finished
        ISO 8601 time in UTC.
    code
        SHA-256 of the program text of hepcs: a version number alone does not tell two checkouts apart.
    execution
        Local processes, or the Dask cluster.
    origins
        Processor, BLAS kernels and program text of each machine or session that pseudo-experiments come from, if
        the run was resumed or merged.
    openings
        When the observed data were looked at, and what was.
    """

    started: str
    versions: Mapping[str, str]
    platform: str
    processor: str
    blas: tuple[str, ...]
    workers: int
    seconds: Mapping[str, float]
    finished: str = ""
    code: str = ""
    execution: str = ""
    origins: tuple[str, ...] = ()
    openings: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunResult:
    """A finished run.

    Attributes
    ----------
    card
        The card with the places of its keys.
    samples
        What came in, by role.
    bins
        The m_jj bins.
    features
        Plain numbers about each feature, by its name: dimension, columns, kept variance.
    searches
        What each search found, in the order of the card.
    combined
        All searches together, one for each injection.
    warnings
        What the reader of the results should know.
    provenance
        Where the numbers come from.
    """

    card: LocatedCard
    samples: tuple[SampleReport, ...]
    bins: MassBins
    features: Mapping[str, Any]
    searches: tuple[SearchResult, ...]
    combined: tuple[Combined, ...]
    warnings: tuple[str, ...]
    provenance: Provenance

    def __repr__(self) -> str:
        """A few lines."""
        return "\n".join([f"RunResult({self.card.card.name})", *map(repr, self.searches)])

    @property
    def is_blind(self) -> bool:
        """Whether no observed data set was looked at."""
        return not any(search.observed for search in self.searches)

    @property
    def is_real_search(self) -> bool:
        """Whether unlabelled data are searched."""
        return self.card.card.samples.is_real_search

    @property
    def observed_injections(self) -> tuple[Injection, ...]:
        """Signal events of the observed data sets, each once."""
        observed = (one.injection for search in self.searches for one in search.observed)
        return tuple(dict.fromkeys(observed))

    def knows_truth(self, search: str) -> bool:
        """Whether a search is a study that knows signal from background."""
        return self.card.card.searches[search].needs_truth

    def with_warnings(self, warnings: tuple[str, ...]) -> RunResult:
        """The same with other warnings."""
        return replace(self, warnings=warnings)

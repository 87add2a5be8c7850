"""What a search is: it turns a data set into a test statistic. Calibration needs to know no more.

Cluster Scanning and the dijet fits are searches; others (a classifier, an autoencoder, ...) join by the same
protocol, on the same data sets, calibration and outputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import hist
import numpy as np
from numpy.typing import NDArray

from hepcs.datasets.bootstrap import Kind, Task


@dataclass(frozen=True)
class Outcome:
    """What a search found in one data set.

    Attributes
    ----------
    task
        The data set.
    statistic
        The test statistic; NaN if it could not be computed.
    members
        Statistics of the members of an ensemble, or the statistic alone.
    n_events
        Events of the data set inside the evaluation region.
    valid
        Whether the statistic may be used, for instance whether a fit converged.
    details
        Further numbers, for the tree of pseudo-experiments.
    """

    task: Task
    statistic: float
    members: tuple[float, ...]
    n_events: int
    valid: bool = True
    details: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class NamedHistogram:
    """A histogram that leaves the run: `path` inside the file, such as ``member_00/spectra``, and a title."""

    path: str
    title: str
    histogram: hist.Hist


@dataclass(frozen=True)
class JetGroup:
    """Jets of a data set that a search picked out together: people want to see their average image.

    A search knows jets by their features alone; whoever has the images turns the group into a histogram.

    Attributes
    ----------
    path, title
        Of that histogram, as for :class:`NamedHistogram`.
    jets
        Jets by the role of the sample they are from, shape (m,), each as often as it is in the data set: twice
        the row of the event in the prepared sample, and one more for its subleading jet.
    """

    path: str
    title: str
    jets: Mapping[str, NDArray[np.int64]]


@dataclass(frozen=True)
class Observation:
    """A search of an observed data set, with all that collaborators want to see of it.

    Attributes
    ----------
    outcome
        The statistic.
    histograms
        What goes into the ROOT and histogram files.
    summary
        Numbers of plain JSON types for the summary, such as the parameters of a fit.
    result
        The search's own result, for its figures.
    groups
        Jets to be seen; a run puts their average images among the histograms (:mod:`hepcs.running.average_images`).
    """

    outcome: Outcome
    histograms: tuple[NamedHistogram, ...]
    summary: Mapping[str, Any]
    result: Any
    groups: tuple[JetGroup, ...] = ()


class Search(Protocol):
    """A search, frozen and ready to run on any data set; it can be sent to another process."""

    @property
    def name(self) -> str:
        """Name in files: lower case, no blanks."""
        ...

    @property
    def title(self) -> str:
        """Name for people."""
        ...

    def run(self, task: Task) -> Outcome:
        """Search the data set of a task; the same for the same task wherever it runs."""
        ...

    def observe(self, task: Task) -> Observation:
        """Search the data set of a task, and keep everything about it."""
        ...


class SearchFamily(Protocol):
    """Searches that share work on each data set, such as one clustering judged in several ways."""

    @property
    def searches(self) -> tuple[tuple[str, str], ...]:
        """Name and title of each search, in the order of the results."""
        ...

    def run(self, task: Task) -> tuple[Outcome, ...]:
        """Search the data set of a task, each search in turn; the same for the same task wherever it runs."""
        ...

    def observe(self, task: Task) -> tuple[Observation, ...]:
        """Search the data set of a task, and keep everything about it."""
        ...


@dataclass(frozen=True)
class FamilyOfOne:
    """A search that shares nothing."""

    search: Search

    @property
    def searches(self) -> tuple[tuple[str, str], ...]:
        """Its name and title."""
        return ((self.search.name, self.search.title),)

    def run(self, task: Task) -> tuple[Outcome, ...]:
        """Search the data set of a task."""
        return (self.search.run(task),)

    def observe(self, task: Task) -> tuple[Observation, ...]:
        """Search the data set of a task, and keep everything about it."""
        return (self.search.observe(task),)


def tasks_of(background_only: int, doped: int, epsilons: Sequence[int]) -> tuple[Task, ...]:
    """All data sets of a run: the observed ones, the background-only and the doped pseudo-experiments."""
    observed = [Task(Kind.OBSERVED, epsilon, 0) for epsilon in epsilons]
    null = [Task(Kind.BACKGROUND_ONLY, 0, index) for index in range(background_only)]
    doped_tasks = [
        Task(Kind.DOPED, epsilon, index) for epsilon in epsilons if epsilon > 0 for index in range(doped)
    ]
    return (*observed, *null, *doped_tasks)


def chunks_of(tasks: Sequence[Task], size: int) -> Iterator[tuple[Task, ...]]:
    """Tasks in chunks of `size`."""
    for start in range(0, len(tasks), size):
        yield tuple(tasks[start : start + size])


def run_chunk(family: SearchFamily, tasks: Sequence[Task]) -> list[tuple[Outcome, ...]]:
    """Run a family of searches on several data sets."""
    return [family.run(task) for task in tasks]


def statistics_of(outcomes: Sequence[Outcome], kind: Kind, epsilon: int) -> NDArray[np.float64]:
    """Valid statistics of the data sets of a kind and an epsilon, shape (n,)."""
    return np.array(
        [
            outcome.statistic
            for outcome in outcomes
            if outcome.valid and outcome.task.kind is kind and outcome.task.epsilon == epsilon
        ]
    )

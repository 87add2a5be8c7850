"""What a search is: it learns from a data set, and judges it. Calibration needs to know no more.

A search is a frozen object that can be sent to another process. The harness draws each data set once, hands it to every
search, and calibrates what they say:

    fit = search.fit(data, inputs, rng)            what it learns: clusters, a classifier, a function
    found = search.judge(fit, data, inputs, rng)   the statistic, and all that was found on the way
    search.observe(found, data, injected)          of the observed data: what people want to see

Searches with the same `fit_key` share one fit of each data set, such as one clustering judged in several ways.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from hepcs.config.searches import SearchSection
from hepcs.datasets.bootstrap import DataSet, EventView, Kind, Task

if TYPE_CHECKING:
    import hist


class Found(Protocol):
    """What a search found in one data set: the statistic, and whatever else its figures need."""

    @property
    def statistic(self) -> float:
        """The test statistic; NaN if it could not be computed."""
        ...

    @property
    def members(self) -> tuple[float, ...]:
        """Statistics of the members of an ensemble, or the statistic alone."""
        ...

    @property
    def valid(self) -> bool:
        """Whether the statistic may be used, for instance whether a fit converged."""
        ...

    @property
    def details(self) -> Mapping[str, float]:
        """Further numbers, for the tree of pseudo-experiments; the same names for every data set."""
        ...


@dataclass(frozen=True)
class Outcome:
    """What a search found in one data set, in numbers: see :class:`Found`.

    Attributes
    ----------
    task
        The data set.
    statistic, members, valid, details
        As found.
    n_events
        Events of the data set inside the evaluation region.
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

    Attributes
    ----------
    path, title
        Of that histogram, as for :class:`NamedHistogram`.
    jets
        Shape (m,), each as often as it is in the data set: twice the identity of the event
        (:attr:`~hepcs.datasets.bootstrap.EventView.event`), and one more for its subleading jet.
    """

    path: str
    title: str
    jets: NDArray[np.int64]


@dataclass(frozen=True)
class MassSpectrum:
    """What a search compares in bins of m_jj: each array of shape (b,).

    Attributes
    ----------
    observed
        Counts S.
    expected
        Background estimate B.
    variance
        Variance of the estimate; 0 where it has none of its own.
    local_significance
        Z >= 0 of each bin.
    what, estimate
        What is counted, such as "events" or "jets of the signal-rich clusters"; what the estimate is.
    unit
        What one entry is: "events" or "jets".
    window
        m_jj [low, high), GeV, of the largest excess; that of the most significant bin if None.
    local_z
        Local significance of that excess; the largest of the bins if None.
    """

    observed: NDArray[np.float64]
    expected: NDArray[np.float64]
    variance: NDArray[np.float64]
    local_significance: NDArray[np.float64]
    what: str
    estimate: str
    unit: str = "events"
    window: tuple[float, float] | None = None
    local_z: float | None = None


@dataclass(frozen=True)
class Observation:
    """What people want to see of an observed data set.

    Attributes
    ----------
    spectrum
        What the search compared; None for a search without m_jj.
    summary
        Numbers of plain JSON types, such as the parameters of a fit.
    histograms
        What goes into the ROOT and histogram files beside the spectrum.
    groups
        Jets to be seen; a run puts their average images among the histograms.
    result
        What the search found, for its figures. A run that is opened again has what the kind of the search
        restores of it.
    """

    spectrum: MassSpectrum | None
    summary: Mapping[str, Any] = field(default_factory=dict)
    histograms: tuple[NamedHistogram, ...] = ()
    groups: tuple[JetGroup, ...] = ()
    result: Any = None


@dataclass(frozen=True)
class Inputs:
    """What a search is given beside the data set, as far as its section asks for it.

    Attributes
    ----------
    samples
        Whole samples by role: ``simulation``, ``priors.wide``; with the truth also ``background``, all events that
        pseudo-experiments are drawn from, and ``signal`` or ``signals.wide``.
    injected
        Which events of the data set were injected, shape (m,); None without the truth, and outside of a data set.
    """

    samples: Mapping[str, EventView] = field(default_factory=dict)
    injected: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Cost:
    """How a search is best run.

    Attributes
    ----------
    chunk
        Most data sets that are sent to a worker at a time: what a lost worker loses.
    retrain
        Whether each data set trains anew. If not, one model, trained before, judges all, and p is conditional on it.
    """

    chunk: int = 20
    retrain: bool = True


@dataclass(frozen=True)
class Search:
    """A search of a card, ready for any data set; kinds derive from it.

    Attributes
    ----------
    name
        Name on the card and in files.
    title
        Name for people.
    section
        Its section of the card, which says what it needs.
    """

    name: str
    title: str
    section: SearchSection

    @property
    def is_calibrated_by_toys(self) -> bool:
        """Whether toys of its own (see `toy`) calibrate it, in place of the data sets that all searches share."""
        return False

    @property
    def cost(self) -> Cost:
        """How it is best run."""
        return Cost()

    @property
    def needs_samples(self) -> bool:
        """Whether `fit` and `judge` look at whole samples, which `prepare` is given in any case."""
        return False

    @property
    def fit_key(self) -> str:
        """Searches with the same key share one fit of each data set; it enters the key of the random numbers."""
        return self.name

    def prepare(self, inputs: Inputs, rng: np.random.Generator) -> Self:  # noqa: ARG002
        """The search after what it does once in a run, such as to train a model that judges all data sets."""
        return self

    def toy(self, data: DataSet, rng: np.random.Generator) -> EventView:
        """A pseudo-experiment of its own, with the injected events of a drawn data set."""
        raise AssertionError(f"{self.name} has no toys of its own")

    def fit(self, data: EventView, inputs: Inputs, rng: np.random.Generator) -> Any:
        """What it learns from a data set."""
        raise NotImplementedError

    def judge(self, fit: Any, data: EventView, inputs: Inputs, rng: np.random.Generator) -> Found:
        """The statistic of a data set, and all that was found on the way."""
        raise NotImplementedError

    def observe(self, found: Any, data: EventView, injected: NDArray[np.bool_] | None) -> Observation:
        """What people want to see of an observed data set.

        `injected` is the truth, shape (m,), for numbers that are shown beside the result; None in a real search.
        """
        raise NotImplementedError


def outcome_of(task: Task, found: Found, n_events: int) -> Outcome:
    """The numbers of what was found in the data set of a task."""
    return Outcome(
        task, float(found.statistic), tuple(found.members), n_events, bool(found.valid), dict(found.details)
    )


def statistics_of(outcomes: Any, kind: Kind, epsilon: int = 0, signal: str = "") -> NDArray[np.float64]:
    """Valid statistics of the data sets of a kind and an injection, in the order of `outcomes`, shape (n,)."""
    return np.array(
        [
            outcome.statistic
            for outcome in outcomes
            if outcome.valid
            and (outcome.task.kind, outcome.task.epsilon, outcome.task.signal) == (kind, epsilon, signal)
        ]
    )

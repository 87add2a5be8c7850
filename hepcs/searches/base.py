"""What a search is: it learns from a data set, and judges it. Calibration needs to know no more.

A search is a frozen object that can be sent to another process. The harness draws each data set once, hands it to
every search, and calibrates what they say:

    fit = search.fit(data, inputs, rng)            what it learns: clusters, a classifier, a function
    found = search.judge(fit, data, inputs, rng)   the statistic, and all that was found on the way
    search.observe(found, data, injected)          of the observed data: what people want to see

Searches with the same `fit_key` share one fit of each data set, such as one clustering judged in several ways.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from hepcs.config.searches import SearchSection
from hepcs.datasets.bootstrap import DataSet, EventView, Task
from hepcs.datasets.spectra import mass_histogram
from hepcs.results.outcomes import NamedHistogram, Observation, Outcome


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
class Inputs:
    """What a search is given beside the data set, as far as its section asks for it.

    Attributes
    ----------
    samples
        Whole samples by role: ``simulation``, ``priors.wide``; ``background``, all events that pseudo-experiments
        are drawn from; with the truth also ``signal.wide``, by the name of the signal.
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
        Whether each data set trains anew. If not, one model, trained before, judges all, and p is conditional
        on it.
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

    def toy(self, data: DataSet, rng: np.random.Generator) -> EventView:  # noqa: ARG002
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


def injected_histograms(data: EventView, injected: NDArray[np.bool_] | None) -> Iterator[NamedHistogram]:
    """The m_jj spectrum of the injected events of an observed data set, for :attr:`Observation.histograms`.

    Under the name ``injected`` a search gives by the truth, where it is known, how much of its spectrum is
    injected signal; this is that of a search that compares all events.
    """
    if injected is not None and injected.any():
        counts = data.bins.counts(data.m_jj[injected], data.multiplicity[injected])
        title = "injected signal events, by the truth"
        yield NamedHistogram("injected", title, mass_histogram(counts, data.bins, "events"))


def outcome_of(task: Task, found: Found, n_events: int) -> Outcome:
    """The numbers of what was found in the data set of a task."""
    return Outcome(
        task, float(found.statistic), tuple(found.members), n_events, bool(found.valid), dict(found.details)
    )

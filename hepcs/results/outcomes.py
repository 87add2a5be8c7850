"""What a search says of one data set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hepcs.datasets.bootstrap import Kind, Task

if TYPE_CHECKING:
    import hist


@dataclass(frozen=True)
class Outcome:
    """What a search found in one data set, in numbers.

    Attributes
    ----------
    task
        The data set.
    statistic, members, valid, details
        As found (:class:`hepcs.searches.base.Found`).
    n_events
        Events of the data set inside the evaluation region.
    """

    task: Task
    statistic: float
    members: tuple[float, ...]
    n_events: int
    valid: bool = True
    details: Mapping[str, float] = field(default_factory=dict)

    def __repr__(self) -> str:
        """A line."""
        wrong = "" if self.valid else ", invalid"
        return f"Outcome({self.task.kind.name}, {self.task.injection.label}, {self.statistic:.3f}{wrong})"


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
class LocalExcess:
    """A local significance, and m_jj [low, high), GeV, of the excess that has it."""

    z: float
    low: float
    high: float


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

    def __repr__(self) -> str:
        """A line."""
        return f"MassSpectrum({self.what}, {len(self.observed)} bins, {self.observed.sum():,.0f} {self.unit})"

    def largest_excess(self, edges: NDArray[np.float64]) -> LocalExcess:
        """The largest excess; `edges` are those of the bins, shape (b + 1,), GeV."""
        best = int(np.argmax(self.local_significance))
        low, high = self.window or (float(edges[best]), float(edges[best + 1]))
        z = float(self.local_significance[best]) if self.local_z is None else self.local_z
        return LocalExcess(z, low, high)


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

    def __repr__(self) -> str:
        """A line: what is inside would fill the screen."""
        numbers = ", ".join(self.summary)
        return f"Observation({self.spectrum!r}, {len(self.histograms)} histograms, summary: {numbers})"


def statistics_of(
    outcomes: Iterable[Outcome], kind: Kind, epsilon: int = 0, signal: str = ""
) -> NDArray[np.float64]:
    """Valid statistics of the data sets of a kind and an injection, in the order of `outcomes`, shape (n,)."""
    return np.array(
        [
            outcome.statistic
            for outcome in outcomes
            if outcome.valid
            and (outcome.task.kind, outcome.task.epsilon, outcome.task.signal) == (kind, epsilon, signal)
        ]
    )

"""Prepared samples: the events of the evaluation region with their features, ready to be searched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import boost_histogram as bh
import numpy as np
from numpy.typing import ArrayLike, NDArray

from hepcs._core.errors import ArgumentError


@dataclass(frozen=True)
class MassBins:
    """The b bins of m_jj over the evaluation region [low, high), GeV.

    Attributes
    ----------
    low, high
        The region.
    n_bins
        b.
    variable
        Edges of bins of different widths, b + 1 of them from `low` to `high`; None for bins of one width.

    Raises
    ------
    ArgumentError
        For edges that do not rise, or do not match the region.
    """

    low: float
    high: float
    n_bins: int
    variable: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.variable is None:
            return
        edges = np.array(self.variable)
        if edges.size < 2 or not (np.diff(edges) > 0).all():
            raise ArgumentError(f"edges of bins must be two or more rising masses, found {self.variable}")
        if (edges[0], edges[-1], edges.size - 1) != (self.low, self.high, self.n_bins):
            raise ArgumentError(
                f"{edges.size - 1} bins from {edges[0]:g} to {edges[-1]:g} GeV are not {self.n_bins} from "
                f"{self.low:g} to {self.high:g}"
            )

    @classmethod
    def of(cls, edges: ArrayLike) -> Self:
        """The bins between rising edges, GeV; those of one width to the last bit are uniform."""
        values = tuple(map(float, np.asarray(edges, dtype=np.float64)))
        if len(values) < 2:
            raise ArgumentError(f"bins need two or more edges, found {values}")
        uniform = cls(values[0], values[-1], len(values) - 1)
        same = uniform.low < uniform.high and np.array_equal(uniform.edges, values)
        return uniform if same else cls(values[0], values[-1], len(values) - 1, values)

    @property
    def edges(self) -> NDArray[np.float64]:
        """Bin edges, shape (b + 1,), GeV."""
        return self.axis.edges

    @property
    def centres(self) -> NDArray[np.float64]:
        """Bin centres, shape (b,), GeV."""
        return self.axis.centers

    @property
    def widths(self) -> NDArray[np.float64] | None:
        """Bin widths, shape (b,), GeV, where they differ: a fitted function is then one of counts per GeV.

        None for bins of one width, where it is of counts per bin, as published.
        """
        return None if self.variable is None else np.diff(self.variable)

    @property
    def axis(self) -> bh.axis.Regular | bh.axis.Variable:
        """The axis; every count of the project, data or toys, goes through it.

        It has flow bins: without them, the upper edge itself would count in the last bin.
        """
        if self.variable is not None:
            return bh.axis.Variable(self.variable)
        return bh.axis.Regular(self.n_bins, self.low, self.high)

    def around(self, m_jj: NDArray[np.float64]) -> MassBins:
        """These bins, with one more on either side if there are masses."""
        edges = self.edges.tolist()
        low, high = float(m_jj.min(initial=self.low)), float(m_jj.max(initial=self.low))
        if low < self.low:
            edges.insert(0, low)
        if high >= self.high:
            edges.append(float(np.nextafter(high, np.inf)))
        return self if len(edges) == self.n_bins + 1 else MassBins.of(edges)

    def index(self, m_jj: NDArray[np.float64]) -> NDArray[np.int64]:
        """Bin of each m_jj; all must lie inside the evaluation region."""
        index: NDArray[np.int64] = np.asarray(self.axis.index(m_jj), dtype=np.int64)  # type: ignore[arg-type]
        if index.size and (index.min() < 0 or index.max() >= self.n_bins):
            raise ArgumentError(f"m_jj outside the evaluation region [{self.low:g}, {self.high:g}) GeV")
        return index

    def counts(self, m_jj: NDArray[np.float64], weights: NDArray[Any] | None = None) -> NDArray[np.float64]:
        """Events, or the sum of their weights, in each bin, shape (b,)."""
        return np.bincount(self.index(m_jj), weights=weights, minlength=self.n_bins).astype(np.float64)


@dataclass(frozen=True)
class Sample:
    """Events of one origin inside the evaluation region.

    Attributes
    ----------
    m_jj
        Shape (n,), GeV, inside the evaluation region.
    features
        By name, float32: of jets (N, 2, d), leading jet first, or of events (N, d); may be memory-mapped.
    rows
        Shape (n,): the rows of the features that belong to the events of `m_jj`.
    n_selected
        Events that passed the selection whatever their m_jj, n among them. A bootstrap draws from all of them.
    role
        The prepared sample that `features` and `rows` are of, by its name in the card.
    first_event
        Identity of the event in row 0: with its row it tells an event from all others of a run.
    weights
        Of the events, of either sign, shape (n,); None where each counts as one.
    positive_weights
        Weights >= 0 with the same sum in each bin of m_jj, by which events are drawn, and trainings weighted.
    weight_outside
        Sum of weights of the selected events outside of the region.
    shifts
        Relative change of m_jj by one standard deviation of an uncertainty up and down, shape (2, n), by its name;
        kept of signals whose jets are to be varied.
    """

    m_jj: NDArray[np.float64]
    features: Mapping[str, NDArray[np.float32]]
    rows: NDArray[np.int64]
    n_selected: int
    role: str = ""
    first_event: int = 0
    weights: NDArray[np.float64] | None = None
    positive_weights: NDArray[np.float64] | None = None
    weight_outside: float = 0.0
    shifts: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, values in self.features.items():
            if values.ndim < 2 or (values.ndim > 2 and values.shape[1] != 2):
                raise ArgumentError(
                    f"features must have the shape (N, 2, ...) of jets or (N, d) of events, found {values.shape} "
                    f"for {name}"
                )
        if self.m_jj.shape != self.rows.shape or self.m_jj.ndim != 1:
            raise ArgumentError(f"m_jj {self.m_jj.shape} and rows {self.rows.shape} must be alike")
        if self.n_selected < self.m_jj.size:
            raise ArgumentError(f"n_selected = {self.n_selected} is below the {self.m_jj.size} events inside")
        if self.weights is not None:
            positive = self.positive_weights
            if self.weights.shape != self.m_jj.shape or positive is None or positive.shape != self.m_jj.shape:
                raise ArgumentError(
                    f"weights, and positive ones, must have the shape of m_jj, {self.m_jj.shape}"
                )

    @property
    def n_events(self) -> int:
        """Events inside the evaluation region."""
        return int(self.m_jj.size)

    @property
    def n_expected(self) -> float:
        """Expected events inside the evaluation region: the sum of weights, or the number of events."""
        return float(self.n_events if self.weights is None else self.weights.sum())

    @property
    def n_effective(self) -> float:
        """Events without weights that are worth as much, (sum w)^2 / sum w^2."""
        if self.weights is None:
            return float(self.n_events)
        squares = float(np.square(self.weights).sum())
        return self.n_expected**2 / squares if squares > 0 else 0.0

    @property
    def share_inside(self) -> float:
        """Share of the selected events, by weight, that lie inside the evaluation region."""
        if self.weights is None:
            return self.n_events / self.n_selected if self.n_selected else 0.0
        inside = max(self.n_expected, 0.0)
        return inside / (inside + self.weight_outside) if inside > 0 else 0.0

    @property
    def median(self) -> float:
        """Median m_jj of the events, by weight, GeV."""
        if self.positive_weights is None:
            return float(np.median(self.m_jj))
        return float(np.quantile(self.m_jj, 0.5, weights=self.positive_weights, method="inverted_cdf"))

    def at_its_worth(self) -> Sample:
        """With weights that add up to its effective size, as those that are relative do."""
        if self.weights is None or self.positive_weights is None:
            return self
        norm = self.n_expected / float(np.square(self.weights).sum())
        return replace(
            self,
            weights=norm * self.weights,
            positive_weights=norm * self.positive_weights,
            weight_outside=norm * self.weight_outside,
        )

    def within(self, bins: MassBins) -> Sample:
        """The events inside the bins; the others count as selected outside of them."""
        mask = (self.m_jj >= bins.low) & (self.m_jj < bins.high)
        outside = 0.0 if self.weights is None else float(self.weights[~mask].sum())
        return replace(self.masked(mask), weight_outside=self.weight_outside + outside)

    def spectrum(self, bins: MassBins) -> NDArray[np.float64]:
        """Events, or the sum of their weights, in each bin, shape (b,)."""
        return bins.counts(self.m_jj, self.weights)

    def variances(self, bins: MassBins) -> NDArray[np.float64] | None:
        """The sum of squares of the weights in each bin, shape (b,); None where each event counts as one."""
        return None if self.weights is None else bins.counts(self.m_jj, np.square(self.weights))

    def only(self, features: Iterable[str]) -> Sample:
        """The same events with some of their features: what a search does not look at need not be sent to it."""
        return replace(self, features={name: self.features[name] for name in features})

    def take(self, mask: NDArray[np.bool_], n_selected: int) -> Sample:
        """The events of `mask`, of `n_selected` selected ones; features stay where they are.

        Weights stay as they are, so that these events are expected to be as many as they were among all.
        """
        outside = 0.0
        if self.positive_weights is not None and (total := float(self.positive_weights.sum())) > 0:
            outside = float(self.positive_weights[mask].sum()) / total * self.weight_outside
        return replace(self.masked(mask), n_selected=n_selected, weight_outside=outside)

    def masked(self, mask: NDArray[np.bool_]) -> Sample:
        """The events of `mask`, with the numbers of the whole sample."""
        return replace(
            self,
            m_jj=self.m_jj[mask],
            rows=self.rows[mask],
            weights=None if self.weights is None else self.weights[mask],
            positive_weights=None if self.positive_weights is None else self.positive_weights[mask],
            shifts={name: one[:, mask] for name, one in self.shifts.items()},
        )


@dataclass(frozen=True)
class Pools:
    """What data sets are drawn from.

    Attributes
    ----------
    background
        The pseudo-experiments are bootstrapped from it.
    bins
        The m_jj bins.
    signals
        Signal events to inject, by the name of the signal.
    data
        In a real search, or where pseudo-data are set apart, what is searched; else the observed data set is the
        background with injected signal.
    others
        Samples that searches need beside those, by their role: ``simulation``, ``priors.wide``.
    wider_signals
        By the name of the signal, its events of a wider window in m_jj, which systematic uncertainties can move
        into the evaluation region; none where its m_jj is not varied.
    """

    background: Sample
    bins: MassBins
    signals: Mapping[str, Sample] = field(default_factory=dict)
    data: Sample | None = None
    others: Mapping[str, Sample] = field(default_factory=dict)
    wider_signals: Mapping[str, Sample] = field(default_factory=dict)

    @property
    def searched(self) -> Sample:
        """The data, or the background that stands for them."""
        return self.background if self.data is None else self.data

    @property
    def scale(self) -> float:
        """Expected events of what is searched, over those of the background sample."""
        return 1.0 if self.data is None else self.data.n_expected / self.background.n_expected

    def only(self, features: Iterable[str]) -> Pools:
        """The same samples with some of their features."""
        names = tuple(features)
        return Pools(
            self.background.only(names),
            self.bins,
            {name: sample.only(names) for name, sample in self.signals.items()},
            None if self.data is None else self.data.only(names),
            {role: sample.only(names) for role, sample in self.others.items()},
            {name: sample.only(names) for name, sample in self.wider_signals.items()},
        )

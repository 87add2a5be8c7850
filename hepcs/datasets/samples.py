"""A prepared sample: the events of the evaluation region with their features, ready to be searched."""

from __future__ import annotations

from dataclasses import dataclass, replace

import boost_histogram as bh
import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError


@dataclass(frozen=True)
class MassBins:
    """The b bins of m_jj over the evaluation region, and the training region inside it, GeV, [low, high)."""

    low: float
    high: float
    n_bins: int
    training: tuple[float, float]

    @property
    def edges(self) -> NDArray[np.float64]:
        """Bin edges, shape (b + 1,), GeV."""
        return self.axis.edges

    @property
    def centres(self) -> NDArray[np.float64]:
        """Bin centres, shape (b,), GeV."""
        return self.axis.centers

    @property
    def axis(self) -> bh.axis.Regular:
        """The axis; every count of the project, data or toys, goes through it.

        It has flow bins: without them, the upper edge itself would count in the last bin.
        """
        return bh.axis.Regular(self.n_bins, self.low, self.high)

    def index(self, m_jj: NDArray[np.float64]) -> NDArray[np.int64]:
        """Bin of each m_jj; all must lie inside the evaluation region."""
        index: NDArray[np.int64] = np.asarray(self.axis.index(m_jj), dtype=np.int64)  # type: ignore[arg-type]
        if index.size and (index.min() < 0 or index.max() >= self.n_bins):
            raise ArgumentError(f"m_jj outside the evaluation region [{self.low:g}, {self.high:g}) GeV")
        return index

    def in_training(self, m_jj: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which m_jj lie in the training region."""
        return (m_jj >= self.training[0]) & (m_jj < self.training[1])


@dataclass(frozen=True)
class Sample:
    """Events of one origin inside the evaluation region.

    Attributes
    ----------
    m_jj
        Shape (n,), GeV, inside the evaluation region.
    features
        Shape (N, 2, d), float32, both jets of each event, leading first; may be memory-mapped.
    rows
        Shape (n,): the rows of `features` that belong to the events of `m_jj`.
    n_selected
        Events that passed the selection whatever their m_jj, n among them. A bootstrap draws from all of them.
    role
        The prepared sample that `features` and `rows` are of, by its name in the card.
    """

    m_jj: NDArray[np.float64]
    features: NDArray[np.float32]
    rows: NDArray[np.int64]
    n_selected: int
    role: str = ""

    def __post_init__(self) -> None:
        if self.features.ndim != 3 or self.features.shape[1] != 2:
            raise ArgumentError(f"features must have shape (N, 2, d), found {self.features.shape}")
        if self.m_jj.shape != self.rows.shape or self.m_jj.ndim != 1:
            raise ArgumentError(f"m_jj {self.m_jj.shape} and rows {self.rows.shape} must be alike")
        if self.n_selected < self.m_jj.size:
            raise ArgumentError(f"n_selected = {self.n_selected} is below the {self.m_jj.size} events inside")

    @property
    def n_events(self) -> int:
        """Events inside the evaluation region."""
        return int(self.m_jj.size)

    def without_features(self) -> Sample:
        """The same events for a search that looks at m_jj alone: their features need not be sent or opened."""
        return replace(self, features=np.empty((0, 2, 0), dtype=np.float32))

    def take(self, mask: NDArray[np.bool_], n_selected: int) -> Sample:
        """The events of `mask`, of `n_selected` selected ones; features stay where they are."""
        return Sample(self.m_jj[mask], self.features, self.rows[mask], n_selected, self.role)


@dataclass(frozen=True)
class Pools:
    """What data sets are drawn from.

    Attributes
    ----------
    background
        The pseudo-experiments are bootstrapped from it.
    signal
        Signal events to inject, if there are any.
    data
        In a real search, the unlabelled data; else the data set is put together from the other two.
    bins
        The m_jj bins.
    """

    background: Sample
    signal: Sample | None
    data: Sample | None
    bins: MassBins

    def without_features(self) -> Pools:
        """The same samples for a search that looks at m_jj alone."""
        signal, data = (one and one.without_features() for one in (self.signal, self.data))
        return Pools(self.background.without_features(), signal, data, self.bins)

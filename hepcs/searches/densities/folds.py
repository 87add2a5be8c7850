"""Folds that events keep in all data sets, for models that are trained once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hepcs.datasets.folds import assign_folds


@dataclass(frozen=True)
class KnownFolds:
    """Folds of events that models were trained on.

    Attributes
    ----------
    n_folds
        k.
    events, folds
        The events, in rising order, and the fold of each, shape (n,).
    """

    n_folds: int
    events: NDArray[np.int64]
    folds: NDArray[np.int64]

    def of(self, events: NDArray[np.int64]) -> NDArray[np.int64]:
        """Fold of each event, shape (m,): its own, or any, always the same, if no model has seen it."""
        place = np.minimum(np.searchsorted(self.events, events), len(self.events) - 1)
        return np.where(self.events[place] == events, self.folds[place], events % self.n_folds)


def known_folds(events: NDArray[np.int64], n_folds: int, rng: np.random.Generator) -> KnownFolds:
    """Folds of events (n,), which may come several times."""
    distinct = np.unique(events)
    return KnownFolds(n_folds, distinct, assign_folds(distinct, n_folds, rng))

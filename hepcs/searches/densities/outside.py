"""The density of the background in each window, by flows of m_jj that were trained outside of it.

The condition on m_jj interpolates into the window (Nachman, Shih, PRD 101 (2020) 075042, section III).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ComputationError
from hepcs.datasets.samples import MassBins
from hepcs.neural.densities import Flows, train_flows
from hepcs.neural.scaling import LogitScaling, logit_scaling
from hepcs.searches.cut_and_fit.training import Events
from hepcs.searches.cut_and_fit.windows import SlidingWindows
from hepcs.searches.densities.folds import KnownFolds, known_folds
from hepcs.searches.densities.section import FlowSection


@dataclass(frozen=True)
class OutsideDensities:
    """Densities of the features, given m_jj, for each of w windows and k folds.

    Attributes
    ----------
    scaling
        Of the features.
    flows
        Those of each window: a stack of k, of which each was trained on all other folds, outside of the window.
    folds
        The fold of each event.
    """

    scaling: LogitScaling
    flows: tuple[Flows, ...]
    folds: KnownFolds

    @property
    def n_failed(self) -> int:
        """Trainings that diverged or collapsed."""
        return sum(int(one.failed.sum()) for one in self.flows)


def mass_condition(m_jj: NDArray[np.floating], bins: MassBins) -> NDArray[np.float32]:
    """m_jj (n,), GeV, as a condition (n, 1): uniform in the region, it would have unit variance."""
    middle, half = (bins.high + bins.low) / 2, (bins.high - bins.low) / 2
    return (np.sqrt(3) * (np.asarray(m_jj) - middle) / half).astype(np.float32)[:, np.newaxis]


def train_outside(
    events: Events, windows: SlidingWindows, n_folds: int, flow: FlowSection, rng: np.random.Generator
) -> OutsideDensities:
    """Train on the events of a data set or sample, outside of each window."""
    # Each training draws its own numbers: how long one goes on is nothing to the others.
    own = rng.spawn(windows.n_windows)
    scaling, folds = logit_scaling(events.x), known_folds(events.event, n_folds, rng)
    z, conditions = scaling.inward(events.x, rng), mass_condition(events.m_jj, events.view.bins)
    weights = fold_weights(folds.of(events.event), n_folds, events.weights)
    flows = [
        train_flows(
            z,
            conditions,
            np.where(inside[events.bin], 0.0, weights),
            draws,
            flow.training(),
            hidden=flow.hidden,
            components=flow.components,
        )
        for inside, draws in zip(windows.inside, own, strict=True)
    ]
    return OutsideDensities(scaling, tuple(flows), folds)


def fold_weights(
    folds: NDArray[np.integer], n_folds: int, weights: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Weights (k, n) of k trainings, each without the events of its fold: folds and weights (n,)."""
    return np.where(np.arange(n_folds)[:, np.newaxis] == folds, 0.0, weights)


def refuse_failed(n_failed: int, what: str) -> None:
    """Raise ComputationError if models that judge all data sets are of no use."""
    if n_failed:
        raise ComputationError(
            f"{n_failed} trainings of {what} diverged or collapsed; take a smaller `learning_rate` or larger "
            "`batch`, more `epochs`, or other features"
        )

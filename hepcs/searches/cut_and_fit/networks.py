"""Scores by networks: those of all folds are trained together, and judge the events that they have not seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ComputationError
from hepcs.datasets.folds import assign_folds
from hepcs.neural.settings import TrainingSettings
from hepcs.searches.cut_and_fit.training import Events, Scores, Training
from hepcs.searches.cut_and_fit.windows import SlidingWindows

if TYPE_CHECKING:
    from hepcs.neural.training import Fitted

#: Arrays (n, ...) by name.
Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Network:
    """What is trained, with its settings; a new one derives from it. It imports JAX in its methods alone."""

    def data(self, events: Events) -> Arrays:
        """What a network sees of n events; `x`, the features, and `m_jj`, in TeV, for losses."""
        return {"x": events.features(), "m_jj": (events.m_jj / 1000).astype(np.float32)}

    def build(self, data: Arrays, weights: NDArray[np.float64], rng: np.random.Generator) -> Any:
        """As many untrained networks as there are weights (g, n), as a stack."""
        raise NotImplementedError

    def loss(self, model: Any, batch: Any, weights: Any, key: Any) -> Any:
        """What is minimised: a number, of a batch of events with weights (b,)."""
        raise NotImplementedError

    def check(self, model: Any, batch: Any, weights: Any, key: Any) -> Any:
        """By which epochs are compared."""
        return self.loss(model, batch, weights, key)

    def trivial(self, models: Any, data: Arrays) -> float | None:  # noqa: ARG002
        """What `check` says of a network that has learned nothing; None if there is no such number."""
        return None

    def score(self, model: Any, batch: Any) -> Any:
        """Scores (b,) of a batch, larger is more anomalous."""
        raise NotImplementedError


# Methods are equal only if their objects are the same one; what is compiled is to serve equal settings.
@dataclass(frozen=True)
class _Loss:
    network: Network

    def __call__(self, model: Any, batch: Any, weights: Any, key: Any) -> Any:
        return self.network.loss(model, batch, weights, key)


@dataclass(frozen=True)
class _Check:
    network: Network

    def __call__(self, model: Any, batch: Any, weights: Any, key: Any) -> Any:
        return self.network.check(model, batch, weights, key)


@dataclass(frozen=True)
class _Score:
    network: Network

    def __call__(self, model: Any, batch: Any) -> Any:
        return self.network.score(model, batch)


@dataclass(frozen=True)
class Judges:
    """Networks of k folds that judge all data sets.

    Attributes
    ----------
    networks
        For each member, a stack of k.
    events, folds, values
        The events that they were trained on, in rising order, the fold and the score of each, shape (n,).
    """

    networks: tuple[Any, ...]
    events: NDArray[np.int64]
    folds: NDArray[np.int64]
    values: NDArray[np.float64]


@dataclass(frozen=True)
class TrainedNetworks(Training):
    """By networks of all events of the other folds: of the data set, or once of all background events.

    Attributes
    ----------
    network
        What is trained.
    folds, members
        Trainings: one for each fold and member.
    settings, held_out
        How, and the share of the training events by which a network stops.
    retrain
        Whether each data set trains anew.
    judges
        What was trained once.
    """

    network: Network
    folds: int
    settings: TrainingSettings
    members: int = 1
    held_out: float = 0.15
    retrain: bool = False
    judges: Judges | None = None

    def prepare(self, samples: Mapping[str, Events], rng: np.random.Generator) -> Self:
        """Train on the background; raises ComputationError if a training diverges or collapses."""
        if self.retrain:
            return self
        events = samples["background"]
        folds = assign_folds(events.event, self.folds, rng)
        networks, fitted = self._trained(events, folds, rng)
        values = self._values(networks, self.network.data(events), folds)
        failed = sum(one.n_failed for one in fitted) + _unusable(values, folds)
        if failed:
            diverged = sum(int(one.diverged.sum()) for one in fitted)
            raise ComputationError(
                f"{failed} of {self.folds * self.members} trainings failed: {diverged} diverged, the others "
                "learned nothing. Lower network.learning_rate, allow more network.epochs, or look at the features"
            )
        order = np.argsort(events.event)
        judges = Judges(networks, events.event[order], folds[order], values[order])
        return replace(self, judges=judges)

    def scores(
        self,
        data: Events,
        windows: SlidingWindows,  # noqa: ARG002
        samples: Mapping[str, Events],  # noqa: ARG002
        rng: np.random.Generator,
    ) -> Scores:
        """See :meth:`Training.scores`."""
        if not self.retrain:
            return self._judged(data)
        folds = assign_folds(data.event, self.folds, rng)
        networks, fitted = self._trained(data, folds, rng)
        values = self._values(networks, self.network.data(data), folds)
        failed = sum(one.n_failed for one in fitted) + _unusable(values, folds)
        return Scores(np.nan_to_num(values)[np.newaxis], folds, n_failed=failed)

    def _trained(
        self, events: Events, folds: NDArray[np.int64], rng: np.random.Generator
    ) -> tuple[tuple[Any, ...], list[Fitted]]:
        """For each member a stack of networks, each of the events out of its fold."""
        from hepcs.neural.training import fit, split_off

        data = self.network.data(events)
        others = np.arange(self.folds)[:, np.newaxis] != folds
        found = []
        for _ in range(self.members):
            train, held_out = split_off(np.where(others, events.weights, 0.0), self.held_out, rng)
            models = self.network.build(data, train, rng)
            found.append(
                fit(
                    models,
                    _Loss(self.network),
                    data,
                    train,
                    held_out,
                    rng,
                    self.settings,
                    held_out_loss=_Check(self.network),
                    trivial=self.network.trivial(models, data),
                )
            )
        return tuple(one.models for one in found), found

    def _values(
        self, networks: tuple[Any, ...], data: Arrays, folds: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Scores of n events, each by the networks of its fold: the mean of the members."""
        from hepcs.neural.stacking import evaluate

        score = _Score(self.network)
        return np.mean([evaluate(models, score, data, groups=folds) for models in networks], axis=0)

    def _judged(self, data: Events) -> Scores:
        """Scores of known events are known; others are judged by the networks of any fold."""
        judges = self.judges
        assert judges is not None
        place = np.minimum(np.searchsorted(judges.events, data.event), len(judges.events) - 1)
        known = judges.events[place] == data.event
        folds = np.where(known, judges.folds[place], data.event % self.folds)
        values = judges.values[place]
        if new := np.flatnonzero(~known).tolist():
            arrays = {name: array[new] for name, array in self.network.data(data).items()}
            values[new] = self._values(judges.networks, arrays, folds[new])
        return Scores(values[np.newaxis], folds)


def _unusable(values: NDArray[np.float64], folds: NDArray[np.int64]) -> int:
    """Folds whose scores are not finite, or all the same."""
    each = [values[folds == fold] for fold in np.unique(folds)]
    return sum(bool(not np.isfinite(one).all() or one.min() == one.max()) for one in each)

"""What the score of a data set is trained on, and the scores of its events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError, ComputationError
from hepcs.datasets.bootstrap import EventView
from hepcs.datasets.folds import assign_folds
from hepcs.searches.cut_and_fit.classifier import Scorer, Trained
from hepcs.searches.cut_and_fit.decorrelation import planing_weights
from hepcs.searches.cut_and_fit.folded import out_of_fold_scores
from hepcs.searches.cut_and_fit.windows import SlidingWindows


@dataclass(frozen=True)
class Scores:
    """Scores of the m events of a data set.

    Attributes
    ----------
    values
        Larger is more signal-like, shape (w, m) for a score of each window, (1, m) for one of all.
    folds
        Fold of each event, shape (m,): scores compare within a fold only.
    n_failed
        Trainings that diverged or collapsed: with any, the data set has no statistic.
    numbers
        What else people want to know of the training, by name: the same names for every data set.
    """

    values: NDArray[np.float64]
    folds: NDArray[np.int64]
    n_failed: int = 0
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Events:
    """What a score may look at of the m distinct events of a data set or a sample, in its order.

    Attributes
    ----------
    view
        The data set, or the sample as a whole.
    feature
        The feature that scores are of; a training may ask for others by name.
    columns
        The columns of features that may be looked at, by the feature; all where a feature is not named.
    planed
        Whether `weights` are such that the spectrum of m_jj is flat.
    momenta
        The column of pT of features of jets, which a score is not given, by the feature.
    """

    view: EventView
    feature: str
    columns: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    planed: bool = False
    momenta: Mapping[str, int] = field(default_factory=dict)

    def features(self, name: str | None = None) -> NDArray[np.float32]:
        """Features of the events, shape (m, 2, d) of jets, leading first, or (m, d) of events."""
        name = name or self.feature
        values = self.view.features(name)
        return values[..., list(self.columns[name])] if name in self.columns else values

    @cached_property
    def x(self) -> NDArray[np.float32]:
        """The feature that scores are of, shape (m, d); those of both jets, leading first, one after the other."""
        values = self.features()
        return values.reshape(len(values), -1)

    @property
    def transverse_momentum(self) -> NDArray[np.float32] | None:
        """pT of both jets, shape (m, 2), GeV; None if the features do not hold it."""
        place = self.momenta.get(self.feature)
        return None if place is None else self.view.features(self.feature)[..., place]

    @cached_property
    def bin(self) -> NDArray[np.int64]:
        """Bin of m_jj of each event, shape (m,)."""
        return self.view.bins.index(self.view.m_jj)

    @property
    def m_jj(self) -> NDArray[np.float64]:
        """Shape (m,), GeV."""
        return self.view.m_jj

    @property
    def multiplicity(self) -> NDArray[np.int64]:
        """How often each event is in the data set, shape (m,)."""
        return self.view.multiplicity

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """Weight of each event in a training, shape (m,), copies counted."""
        return planing_weights(self.bin, self.view.weights) if self.planed else self.view.weights

    @property
    def event(self) -> NDArray[np.int64]:
        """Identity of each event, shape (m,): folds go by it."""
        return self.view.event

    def __len__(self) -> int:
        return len(self.view.m_jj)


@dataclass(frozen=True)
class Training:
    """How the events of a data set come to their scores; a new way derives from it, and writes `scores`."""

    def prepare(self, samples: Mapping[str, Events], rng: np.random.Generator) -> Self:  # noqa: ARG002
        """The same after what is trained once for all data sets, on whole samples by role."""
        return self

    def scores(
        self,
        data: Events,
        windows: SlidingWindows,
        samples: Mapping[str, Events],
        rng: np.random.Generator,
    ) -> Scores:
        """Scores of all events of a data set, each by a model that has not seen it.

        `samples` are whole samples by role, where the section asks for them in each data set.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class OnData(Training):
    """By models of all events of the other folds, which know no labels."""

    scorer: Scorer
    folds: int

    def scores(
        self,
        data: Events,
        windows: SlidingWindows,  # noqa: ARG002
        samples: Mapping[str, Events],  # noqa: ARG002
        rng: np.random.Generator,
    ) -> Scores:
        """See :meth:`Training.scores`."""
        folds = assign_folds(data.event, self.folds, rng)
        rows = np.arange(len(data))
        labels = np.zeros(len(data), dtype=np.bool_)
        trainer = self.scorer.on(data.x)
        values = out_of_fold_scores(trainer, data.x, rows, data.weights, labels, folds, rng)
        return Scores(values[np.newaxis], folds)


@dataclass(frozen=True)
class AgainstSidebands(Training):
    """By models that tell each window from its sidebands (CWoLa: Metodiev et al., JHEP 10 (2017) 174)."""

    scorer: Scorer
    folds: int

    def scores(
        self,
        data: Events,
        windows: SlidingWindows,
        samples: Mapping[str, Events],  # noqa: ARG002
        rng: np.random.Generator,
    ) -> Scores:
        """See :meth:`Training.scores`."""
        folds, bins, x = assign_folds(data.event, self.folds, rng), data.bin, data.x
        trainer = self.scorer.on(x)
        values = np.empty((windows.n_windows, len(x)))
        for scores, inside, lower, upper in zip(
            values, windows.inside, windows.lower, windows.upper, strict=True
        ):
            rows = np.flatnonzero((inside | lower | upper)[bins])
            weights = sideband_weights(bins[rows], data.weights[rows], inside, lower, upper)
            scores[:] = out_of_fold_scores(trainer, x, rows, weights, inside[bins[rows]], folds, rng)
        return Scores(values, folds)


@dataclass(frozen=True)
class AgainstSample(Training):
    """By models that tell the data of each window from a sample's events of the same window."""

    scorer: Scorer
    folds: int
    role: str

    def scores(
        self,
        data: Events,
        windows: SlidingWindows,
        samples: Mapping[str, Events],
        rng: np.random.Generator,
    ) -> Scores:
        """See :meth:`Training.scores`."""
        both = (data, samples[self.role])
        x, bins, weights, events = (
            np.concatenate([getattr(one, name) for one in both]) for name in ("x", "bin", "weights", "event")
        )
        is_data = np.arange(len(x)) < len(data)
        folds = assign_folds(events, self.folds, rng)
        trainer, n = self.scorer.on(x), len(data)
        values = np.empty((windows.n_windows, n))
        for scores, inside in zip(values, windows.inside, strict=True):
            rows = np.flatnonzero(inside[bins])
            balanced = balanced_weights(weights[rows], is_data[rows])
            scores[:] = out_of_fold_scores(trainer, x, rows, balanced, is_data[rows], folds, rng, only=n)
        return Scores(values, folds[:n])


@dataclass(frozen=True)
class FoldModels:
    """Models that judge all data sets, one for each fold of the events that they were trained on.

    Attributes
    ----------
    models
        One for each fold, trained on the others.
    events, folds
        The events, in rising order, and the fold of each, shape (n,).
    """

    models: tuple[Trained, ...]
    events: NDArray[np.int64]
    folds: NDArray[np.int64]

    def scores(self, data: Events) -> Scores:
        """Scores of a data set, each event by the model that has not seen it; others by any of them."""
        place = np.minimum(np.searchsorted(self.events, data.event), len(self.events) - 1)
        known = self.events[place] == data.event
        folds = np.where(known, self.folds[place], data.event % len(self.models))
        values = np.empty(len(data))
        for fold, model in enumerate(self.models):
            values[folds == fold] = model.score(data.x[folds == fold])
        return Scores(values[np.newaxis], folds)


def train_by_fold(
    scorer: Scorer,
    x: NDArray[np.float32],
    events: NDArray[np.int64],
    labels: NDArray[np.bool_],
    folds: NDArray[np.int64],
    rng: np.random.Generator,
    *,
    weights: NDArray[np.float64] | None = None,
) -> FoldModels:
    """Train on whole samples, once for all data sets that are drawn from them.

    Parameters
    ----------
    x, events, labels, folds
        Features (n, d), identities, labels and folds (n,); if there are both labels, each class gets half of all
        weight.
    weights
        Shape (n,); all alike if None.
    """
    known = np.ones(len(x)) if weights is None else weights
    trainer, models = scorer.on(x), []
    for fold in range(int(folds.max()) + 1):
        rows = np.flatnonzero(folds != fold)
        used = balanced_weights(known[rows], labels[rows]) if labels.any() else known[rows]
        models.append(trainer.fit(rows, used, labels[rows], rng))
    order = np.argsort(events)
    return FoldModels(tuple(models), events[order], folds[order])


@dataclass(frozen=True)
class Once(Training):
    """By models that are trained once, on whole samples, and judge all data sets: p is conditional on them.

    Attributes
    ----------
    background, signal
        Roles of the samples of each label: ``signal.wide`` is one of them, ``signal`` stands for all. Without a
        signal, the scores are of models that know no labels.
    models
        What was trained.
    """

    scorer: Scorer
    folds: int
    background: str = "background"
    signal: str | None = None
    models: FoldModels | None = None

    def prepare(self, samples: Mapping[str, Events], rng: np.random.Generator) -> Self:
        """Train on the samples."""
        wanted = ((self.signal, True), (self.background, False))
        used = [
            (one, label)
            for role, label in wanted
            for name, one in samples.items()
            if role in {name, name.split(".")[0]}
        ]
        x = np.concatenate([one.x for one, _ in used])
        events = np.concatenate([one.event for one, _ in used])
        labels = np.concatenate([np.full(len(one), label) for one, label in used])
        weights = np.concatenate([one.weights for one, _ in used])
        folds = assign_folds(events, self.folds, rng)
        models = train_by_fold(self.scorer, x, events, labels, folds, rng, weights=weights)
        return replace(self, models=models)

    def scores(
        self,
        data: Events,
        windows: SlidingWindows,  # noqa: ARG002
        samples: Mapping[str, Events],  # noqa: ARG002
        rng: np.random.Generator,  # noqa: ARG002
    ) -> Scores:
        """See :meth:`Training.scores`."""
        assert self.models is not None
        return self.models.scores(data)


def balanced_weights(weights: NDArray[np.float64], labels: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Weights (m,) scaled so that both classes have one half of all.

    Raises ComputationError if a class is empty.
    """
    result = np.empty_like(weights)
    for name, chosen in (("signal-like", labels), ("background-like", ~labels)):
        total = float(weights[chosen].sum())
        if total == 0:
            raise ComputationError(
                f"no {name} events to train on in a window: take wider ones, or more events"
            )
        result[chosen] = weights[chosen] * (0.5 * len(weights) / total)
    return result


def sideband_weights(
    bins: NDArray[np.integer],
    weights: NDArray[np.floating],
    inside: NDArray[np.bool_],
    lower: NDArray[np.bool_],
    upper: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Weights by which the window has one half of all, each sideband a quarter, whatever the spectrum's slope.

    So a feature that changes linearly with m_jj tells nothing in the mean (Collins et al., PRD 99 (2019) 014038,
    section III).

    Parameters
    ----------
    bins, weights
        m_jj bin and weight > 0 of each event, shape (m,).
    inside, lower, upper
        Bins of the window and of its sidebands, shape (b,).

    Returns
    -------
    ndarray
        Shape (m,); their sum is that of the weights.

    Raises
    ------
    ArgumentError
        If the window or a sideband holds no event.
    """
    result = np.zeros(bins.size)
    total = float(weights.sum())
    for name, region, share in _regions(inside, lower, upper):
        here = region[bins]
        events = float(weights[here].sum())
        if events == 0:
            first, last = np.flatnonzero(region)[[0, -1]]
            raise ArgumentError(f"the {name} of bins {first} to {last} holds no event to train on")
        result[here] = weights[here] * (share * total / events)
    return result


def _regions(
    inside: NDArray[np.bool_], lower: NDArray[np.bool_], upper: NDArray[np.bool_]
) -> Iterator[tuple[str, NDArray[np.bool_], float]]:
    yield "window", inside, 0.5
    yield "lower sideband", lower, 0.25
    yield "upper sideband", upper, 0.25

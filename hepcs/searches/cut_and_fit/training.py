"""What the score of a data set is trained on, and the scores of its events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError, ComputationError
from hepcs.datasets.bootstrap import EventView
from hepcs.datasets.folds import assign_folds
from hepcs.searches.cut_and_fit.classifier import Scorer, Trained
from hepcs.searches.cut_and_fit.folded import out_of_fold_scores
from hepcs.searches.cut_and_fit.windows import Windows


@dataclass(frozen=True)
class Scores:
    """Scores of the m events of a data set.

    Attributes
    ----------
    values
        Larger is more signal-like, shape (w, m) for a score of each window, (1, m) for one of all.
    folds
        Fold of each event, shape (m,): scores compare within a fold only.
    """

    values: NDArray[np.float64]
    folds: NDArray[np.int64]


def features_of(data: EventView, name: str, columns: Sequence[int] | None = None) -> NDArray[np.float32]:
    """Features of each event, shape (m, d); those of both jets, leading first, one after the other.

    Of each jet or event only some `columns`, if they are named.
    """
    values = data.features(name)
    if columns is not None:
        values = values[..., list(columns)]
    return values.reshape(len(values), -1)


def scores_of_data(
    scorer: Scorer, data: EventView, x: NDArray[np.float32], n_folds: int, rng: np.random.Generator
) -> Scores:
    """Scores by models of all events of the other folds, which know no labels."""
    folds = assign_folds(data.event, n_folds, rng)
    rows = np.arange(len(x))
    labels = np.zeros(len(x), dtype=np.bool_)
    values = out_of_fold_scores(scorer.on(x), x, rows, data.weights, labels, folds, rng)
    return Scores(values[np.newaxis], folds)


def scores_against_sidebands(
    scorer: Scorer,
    data: EventView,
    x: NDArray[np.float32],
    windows: Windows,
    n_folds: int,
    rng: np.random.Generator,
) -> Scores:
    """Scores by models that tell each window from its sidebands (CWoLa: Metodiev et al., JHEP 10 (2017) 174)."""
    folds, bins = assign_folds(data.event, n_folds, rng), data.bins.index(data.m_jj)
    trainer = scorer.on(x)
    values = np.empty((windows.n_windows, len(x)))
    for scores, inside, lower, upper in zip(
        values, windows.inside, windows.lower, windows.upper, strict=True
    ):
        rows = np.flatnonzero((inside | lower | upper)[bins])
        weights = sideband_weights(bins[rows], data.multiplicity[rows], inside, lower, upper)
        scores[:] = out_of_fold_scores(trainer, x, rows, weights, inside[bins[rows]], folds, rng)
    return Scores(values, folds)


def scores_against_background(
    scorer: Scorer,
    data: EventView,
    background: EventView,
    feature: str,
    windows: Windows,
    n_folds: int,
    rng: np.random.Generator,
    columns: Sequence[int] | None = None,
) -> Scores:
    """Scores by models that tell the data of each window from true background of the same window."""
    views = (data, background)
    x = np.concatenate([features_of(view, feature, columns) for view in views])
    bins = np.concatenate([view.bins.index(view.m_jj) for view in views])
    weights = np.concatenate([view.weights for view in views])
    is_data = np.arange(len(x)) < len(data.m_jj)
    folds = assign_folds(np.concatenate([view.event for view in views]), n_folds, rng)
    trainer, n = scorer.on(x), len(data.m_jj)
    values = np.empty((windows.n_windows, n))
    for scores, inside in zip(values, windows.inside, strict=True):
        rows = np.flatnonzero(inside[bins])
        balanced = balanced_weights(weights[rows], is_data[rows])
        scores[:] = out_of_fold_scores(trainer, x, rows, balanced, is_data[rows], folds, rng, only=n)
    return Scores(values, folds[:n])


@dataclass(frozen=True)
class SignalModels:
    """Models of true signal against true background, one for each fold of the events that they were trained on.

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

    def scores(self, data: EventView, x: NDArray[np.float32]) -> Scores:
        """Scores of a data set, each event by the model that has not seen it; others by any of them."""
        place = np.minimum(np.searchsorted(self.events, data.event), len(self.events) - 1)
        known = self.events[place] == data.event
        folds = np.where(known, self.folds[place], data.event % len(self.models))
        values = np.empty(len(x))
        for fold, model in enumerate(self.models):
            values[folds == fold] = model.score(x[folds == fold])
        return Scores(values[np.newaxis], folds)


def train_on_signal(
    scorer: Scorer,
    signal: EventView,
    background: EventView,
    feature: str,
    n_folds: int,
    rng: np.random.Generator,
    columns: Sequence[int] | None = None,
) -> SignalModels:
    """Train on whole samples of signal and background, once for all data sets that are drawn from them."""
    x = np.concatenate([features_of(view, feature, columns) for view in (signal, background)])
    events = np.concatenate([signal.event, background.event])
    labels = np.arange(len(x)) < len(signal.event)
    folds = assign_folds(events, n_folds, rng)
    trainer, models = scorer.on(x), []
    for fold in range(n_folds):
        rows = np.flatnonzero(folds != fold)
        weights = balanced_weights(np.ones(rows.size), labels[rows])
        models.append(trainer.fit(rows, weights, labels[rows], rng))
    order = np.argsort(events)
    return SignalModels(tuple(models), events[order], folds[order])


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
    multiplicity: NDArray[np.integer],
    inside: NDArray[np.bool_],
    lower: NDArray[np.bool_],
    upper: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Weights by which the window has one half of all, each sideband a quarter, whatever the spectrum's slope.

    So a feature that changes linearly with m_jj tells nothing in the mean (Collins et al., PRD 99 (2019) 014038,
    section III).

    Parameters
    ----------
    bins, multiplicity
        m_jj bin and multiplicity > 0 of each event, shape (m,).
    inside, lower, upper
        Bins of the window and of its sidebands, shape (b,).

    Returns
    -------
    ndarray
        Shape (m,); their mean over the events of the data set, copies counted, is one.

    Raises
    ------
    ArgumentError
        If the window or a sideband holds no event.
    """
    weights = np.zeros(bins.size)
    total = float(multiplicity.sum())
    for name, region, share in _regions(inside, lower, upper):
        here = region[bins]
        events = float(multiplicity[here].sum())
        if events == 0:
            first, last = np.flatnonzero(region)[[0, -1]]
            raise ArgumentError(f"the {name} of bins {first} to {last} holds no event to train on")
        weights[here] = multiplicity[here] * (share * total / events)
    return weights


def _regions(
    inside: NDArray[np.bool_], lower: NDArray[np.bool_], upper: NDArray[np.bool_]
) -> Iterator[tuple[str, NDArray[np.bool_], float]]:
    yield "window", inside, 0.5
    yield "lower sideband", lower, 0.25
    yield "upper sideband", upper, 0.25

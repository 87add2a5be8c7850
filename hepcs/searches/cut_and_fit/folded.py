"""Scores from k-fold training: each event is scored by the one model that has not seen it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError
from hepcs.searches.cut_and_fit.classifier import RowTrainer


def out_of_fold_scores(
    trainer: RowTrainer,
    x: NDArray[np.floating],
    rows: NDArray[np.integer],
    weights: NDArray[np.floating],
    labels: NDArray[np.bool_],
    folds: NDArray[np.integer],
    rng: np.random.Generator,
    *,
    only: int | None = None,
) -> NDArray[np.float64]:
    """Train once for each fold on the other folds, and score all events of the fold.

    Parameters
    ----------
    trainer
        Trains on rows of `x`.
    x
        Features of all events, shape (n, d).
    rows
        Events that may be trained on, in rising order, shape (m,).
    weights, labels
        Of the events `rows`, shape (m,).
    folds
        Fold of all events, shape (n,), by the event (:func:`hepcs.datasets.folds.assign_folds`).
    rng
        For the training.
    only
        Score the first so many events alone; the others serve the training.

    Returns
    -------
    ndarray
        Scores of the events, shape (n,); they compare within a fold only.

    Raises
    ------
    ArgumentError
        For shapes that do not match, or folds without which a class is empty.
    """
    if folds.shape != x.shape[:1] or not rows.shape == weights.shape == labels.shape:
        raise ArgumentError(
            f"features {x.shape} and folds {folds.shape}, or rows {rows.shape}, weights {weights.shape} and "
            f"labels {labels.shape} do not match"
        )
    scored = folds[:only]
    scores = np.empty(len(scored))
    fold_of_row = folds[rows]
    for fold in np.unique(folds):
        seen = fold_of_row != fold
        model = trainer.fit(rows[seen], weights[seen], labels[seen], rng)
        held_out = np.flatnonzero(scored == fold)
        scores[held_out] = model.score(x[held_out])
    return scores

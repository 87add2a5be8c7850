"""Folds of a data set by the event, so that no event is scored by a model that has seen it (k-fold training)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hepcs._core.errors import ArgumentError


def assign_folds(event_ids: ArrayLike, n_folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Fold of each row, drawn at random; all rows of one event are in the same fold.

    A bootstrap holds an event several times. If its copies lay in different folds, a model would be asked about
    events that it has been trained on, and its score would be no independent one.

    Parameters
    ----------
    event_ids
        Integer identity of the event of each row, shape (n,); copies of an event share it, events of different
        samples must not.
    n_folds
        k >= 2, at most the number of distinct events.
    rng
        Where the assignment is drawn from; it depends on the set of events alone, not on their order or copies.

    Returns
    -------
    ndarray
        Fold of each row, 0 to k - 1, shape (n,); in numbers of distinct events, folds differ by at most one.

    Raises
    ------
    ArgumentError
        For identities that are not integers of shape (n,), fewer than two folds, or more folds than events.
    """
    ids = np.asarray(event_ids)
    if ids.ndim != 1 or not np.issubdtype(ids.dtype, np.integer):
        raise ArgumentError(
            f"event identities must be integers of shape (n,), found {ids.dtype} of shape {ids.shape}"
        )
    if n_folds < 2:
        raise ArgumentError(f"k-fold training needs at least 2 folds, found {n_folds}")
    distinct, event = np.unique(ids, return_inverse=True)
    if n_folds > distinct.size:
        raise ArgumentError(
            f"{n_folds} folds cannot be made of {distinct.size} distinct events; ask for fewer folds"
        )
    fold_of_event = rng.permutation(np.arange(distinct.size) % n_folds)
    return np.asarray(fold_of_event[event], dtype=np.int64)

"""The cut on a score: which events are kept, and their m_jj spectra."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hepcs._core.errors import ArgumentError


def keep_highest(
    scores: NDArray[np.floating],
    multiplicity: NDArray[np.integer],
    folds: NDArray[np.integer],
    efficiencies: ArrayLike,
    rng: np.random.Generator,
) -> NDArray[np.bool_]:
    """The share of highest scores in each fold.

    Each fold is scored by a model of its own, so scores compare within a fold only. Events of equal score, of
    which trees make many, are taken in random order: the share is met whatever the model has learned, up to half
    the multiplicity of the last event, since copies of an event are kept together.

    Parameters
    ----------
    scores
        Larger is more signal-like, shape (n,).
    multiplicity
        How often each event is in the data set, >= 0, shape (n,).
    folds
        Fold of each event, shape (n,).
    efficiencies
        Shares of the events of a fold, counted with multiplicity, in (0, 1], shape (c,).
    rng
        For the order among equal scores.

    Returns
    -------
    ndarray
        Kept events for each efficiency, shape (c, n).

    Raises
    ------
    ArgumentError
        For shapes that do not match, scores that are not finite, or efficiencies outside (0, 1].
    """
    shares = checked_efficiencies(efficiencies)
    if not scores.shape == multiplicity.shape == folds.shape or scores.ndim != 1:
        raise ArgumentError(
            f"scores, multiplicity and folds must have one shape (n,), found {scores.shape}, "
            f"{multiplicity.shape} and {folds.shape}"
        )
    if not np.isfinite(scores).all():
        raise ArgumentError(f"{(~np.isfinite(scores)).sum()} of {scores.size} scores are not finite")
    kept = np.zeros((shares.size, scores.size), dtype=np.bool_)
    for fold in np.unique(folds):
        rows = np.flatnonzero((folds == fold) & (multiplicity > 0))
        total = int(multiplicity[rows].sum())
        ordered = rows[_highest_first(scores[rows], int(np.ceil(shares.max() * total)), rng)]
        times = multiplicity[ordered]
        # An event is in if more than half of its copies are within the share.
        middle = np.cumsum(times) - times / 2
        for mask, share in zip(kept, shares, strict=True):
            mask[ordered[middle <= share * total]] = True
    return kept


def ranks(
    scores: NDArray[np.floating], multiplicity: NDArray[np.integer], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Share of the events below each, in (0, 1), shape (n,): of whatever scale a score is.

    Scores and multiplicities > 0 have shape (n,). Of equal scores, some are above others at random, as by
    :func:`keep_highest`; an event lies in the middle of its copies.
    """
    order = np.lexsort((rng.random(scores.size), scores))
    times = multiplicity[order]
    found = np.empty(scores.size)
    found[order] = (np.cumsum(times) - times / 2) / max(times.sum(), 1)
    return found


def checked_efficiencies(efficiencies: ArrayLike) -> NDArray[np.float64]:
    """The efficiencies as float64, shape (c,); ArgumentError unless all lie in (0, 1]."""
    shares = np.asarray(efficiencies, dtype=np.float64)
    if shares.ndim != 1 or shares.size == 0 or not ((shares > 0) & (shares <= 1)).all():
        raise ArgumentError(f"efficiencies must be numbers in (0, 1], one or more, found {efficiencies!s}")
    return shares


def kept_spectra(
    kept: NDArray[np.bool_],
    mass_bin: NDArray[np.integer],
    multiplicity: NDArray[np.integer],
    n_bins: int,
) -> NDArray[np.float64]:
    """m_jj spectra of the kept events: (c, n) masks, bins and multiplicities (n,) to counts (c, b)."""
    if kept.ndim != 2 or kept.shape[1:] != mass_bin.shape or mass_bin.shape != multiplicity.shape:
        raise ArgumentError(
            f"masks (c, n), bins (n,) and multiplicities (n,) do not match: {kept.shape}, {mass_bin.shape}, "
            f"{multiplicity.shape}"
        )
    return np.array([np.bincount(mass_bin[mask], multiplicity[mask], n_bins) for mask in kept])


def _highest_first(
    scores: NDArray[np.floating], n_wanted: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Indices of the highest scores, `n_wanted` or more of them, in falling order, equal ones in random order."""
    candidates = np.arange(scores.size)
    if n_wanted < scores.size:
        # Sorting the few candidates alone is ten times faster than sorting all.
        least = np.partition(scores, scores.size - n_wanted)[scores.size - n_wanted]
        candidates = np.flatnonzero(scores >= least)
    order = np.lexsort((rng.random(candidates.size), -scores[candidates]))
    return candidates[order]

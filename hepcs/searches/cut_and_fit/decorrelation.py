"""Scores that tell nothing of m_jj, so that a cut leaves the shape of the spectrum alone.

============  ==========================================================================================
way           what
============  ==========================================================================================
``quantile``  after the training: thresholds that follow m_jj, so that each cut keeps the same share of
              the events at any m_jj (quantile regression; :func:`flat_scores`)
``planing``   before it: training weights by which each class has a flat m_jj spectrum, so that features
              are not of use for what m_jj alone tells (:func:`planing_weights`)
============  ==========================================================================================

Quantile regression: Koenker and Bassett, Econometrica 46 (1978) 33; for tagging jets, Dolen et al., JHEP 05 (2016)
156. Planing: Chang, Cohen, Ostdiek, PRD 97 (2018) 056009.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from hepcs._core.errors import ArgumentError
from hepcs.searches.cut_and_fit.cuts import checked_efficiencies, ranks
from hepcs.searches.cut_and_fit.windows import SlidingWindows

#: Most that planing weighs an event of a rare m_jj, in units of the mean weight of its class.
MOST_WEIGHT = 10.0

# Of the thresholds as a function of m_jj.
_DEGREE = 2
_STEPS = 40


def planing_weights(mass_bin: NDArray[np.integer], weights: NDArray[Any]) -> NDArray[np.float64]:
    """Weights that flatten the m_jj spectrum of a sample, its own ones included.

    Parameters
    ----------
    mass_bin, weights
        m_jj bin and weight >= 0 of each event, copies counted, shape (n,).

    Returns
    -------
    ndarray
        Shape (n,); their sum is that of the weights given. No event weighs more than :data:`MOST_WEIGHT` times
        the mean: where a sample hardly has events, they do not decide what is learned.
    """
    sums = np.bincount(mass_bin, weights)
    mean = sums.sum() / np.count_nonzero(sums)
    factor = np.minimum(mean / np.where(sums > 0, sums, np.inf), MOST_WEIGHT)
    flat = weights * factor[mass_bin]
    return np.asarray(flat * (weights.sum() / flat.sum()))


def flat_scores(
    scores: NDArray[np.floating],
    mass_bin: NDArray[np.integer],
    multiplicity: NDArray[np.integer],
    folds: NDArray[np.integer],
    windows: SlidingWindows,
    efficiencies: ArrayLike,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Scores of which a cut at any share of `efficiencies` keeps that share at each m_jj.

    In each fold, thresholds t(m_jj) of second degree are fitted to the events outside of a window, by quantile
    regression: the check function is least, which for bins of m_jj means
    ``sum_b m_b^k (n_b(score > t_b) - eps n_b) = 0`` for k = 0, 1, 2. Inside of the window they are interpolated,
    so that no event of the window has part in its own threshold. The new score is that of the thresholds between
    which an event lies.

    Parameters
    ----------
    scores
        Larger is more signal-like: (w, n), of a model for each window; or (1, n), of one for all.
    mass_bin, multiplicity, folds
        m_jj bin, multiplicity > 0 and fold of each event, shape (n,).
    windows
        w windows.
    efficiencies
        Shares that the cuts keep, in (0, 1].
    rng
        For the order among equal scores.

    Returns
    -------
    ndarray
        Shape (w, n): thresholds of their own for each window.

    Raises
    ------
    ArgumentError
        For shapes that do not match.
    """
    if scores.shape not in ((1, mass_bin.size), (windows.n_windows, mass_bin.size)):
        raise ArgumentError(
            f"scores must have shape (1, {mass_bin.size}) or ({windows.n_windows}, {mass_bin.size}), "
            f"found {scores.shape}"
        )
    levels = np.unique([*checked_efficiencies(efficiencies), 0.5])[::-1]
    levels = levels[levels < 1]
    outside = ~windows.inside
    flat = np.empty((windows.n_windows, mass_bin.size))
    for fold in np.unique(folds):
        rows = np.flatnonzero(folds == fold)
        bins, times = mass_bin[rows], multiplicity[rows]
        if len(scores) == 1:
            flat[:, rows] = _flattened(
                special.ndtri(ranks(scores[0, rows], times, rng)), bins, times, outside, levels
            )
            continue
        for window, one in enumerate(scores):
            normal, here = special.ndtri(ranks(one[rows], times, rng)), outside[window : window + 1]
            flat[window, rows] = _flattened(normal, bins, times, here, levels)[0]
    return flat


def _flattened(
    scores: NDArray[np.float64],
    bins: NDArray[np.integer],
    times: NDArray[np.integer],
    outside: NDArray[np.bool_],
    levels: NDArray[np.float64],
) -> NDArray[np.float64]:
    """New scores (w, n) of a fold, from thresholds fitted in the bins `outside` (w, b)."""
    n_bins = outside.shape[1]
    of_bin = [np.flatnonzero(bins == b) for b in range(n_bins)]
    sorted_scores, above = [], []
    for rows in of_bin:
        order = rows[np.argsort(scores[rows])]
        sorted_scores.append(scores[order])
        above.append(np.concatenate((np.cumsum(times[order][::-1])[::-1], [0.0])))
    thresholds = _thresholds(sorted_scores, above, outside, levels)
    flat, targets = np.empty((len(outside), scores.size)), -special.ndtri(levels)
    for one, curves in zip(flat, thresholds, strict=True):
        for rows, at in zip(of_bin, curves.T, strict=True):
            # Beyond the outermost thresholds, as far as before.
            ends = np.array([scores.min(initial=0.0) - 1, scores.max(initial=0.0) + 1])
            steps = np.concatenate(([min(ends[0], at[0] - 1)], at, [max(ends[1], at[-1] + 1)]))
            values = np.concatenate(
                ([targets[0] + steps[0] - at[0]], targets, [targets[-1] + steps[-1] - at[-1]])
            )
            one[rows] = np.interp(scores[rows], steps, values)
    return flat


def _thresholds(
    scores: list[NDArray[np.float64]],
    above: list[NDArray[np.float64]],
    outside: NDArray[np.bool_],
    levels: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Thresholds (w, l, b) of which each keeps its share; rising in l.

    Newton steps with the density of a normal distribution, which the ranks have as a whole; the best of them.
    """
    n_bins = outside.shape[1]
    powers = np.vander(np.linspace(-1, 1, n_bins), _DEGREE + 1, increasing=True)
    totals = np.array([one[0] for one in above])
    used = np.where(outside, totals, 0.0)[:, np.newaxis]
    at = -special.ndtri(levels)
    coefficients = np.zeros((len(outside), levels.size, _DEGREE + 1))
    coefficients[..., 0] = at
    density = np.exp(-(at**2) / 2) / np.sqrt(2 * np.pi)
    information = np.einsum("wlb,l,bi,bj->wlij", used, density, powers, powers)
    inverse = np.linalg.pinv(information, hermitian=True)
    best, least = coefficients, np.full(coefficients.shape[:2], np.inf)
    for _ in range(_STEPS):
        curves = coefficients @ powers.T
        kept = np.stack(
            [
                one[np.searchsorted(known, curves[..., b], side="right")]
                for b, (known, one) in enumerate(zip(scores, above, strict=True))
            ],
            axis=-1,
        )
        excess = np.where(outside[:, np.newaxis], kept, 0.0) - levels[:, np.newaxis] * used
        gradient = excess @ powers
        step = np.einsum("wlij,wlj->wli", inverse, gradient)
        distance = (step * gradient).sum(axis=-1)
        better = distance < least
        best, least = np.where(better[..., np.newaxis], coefficients, best), np.where(better, distance, least)
        # The tails may be further apart than normal ones: small steps do not overshoot.
        coefficients = coefficients + np.clip(0.7 * step, -0.3, 0.3)
    return np.asarray(np.maximum.accumulate(best @ powers.T, axis=1))

"""All searches of an analysis together: the smallest p over searches, with its own calibrated p.

Who runs several searches and quotes the best one has looked several times. The searches see the same data sets, so
how often the smallest of their p is as small as the observed one can be counted on those data sets, whatever the
searches have in common (minP; Westfall and Young, "Resampling-Based Multiple Testing", 1993).

Why it is exactly valid: the observed data set is ranked among the background-only ones as one of them. Row i of
the N + 1 rows together has

    p_is = (rows whose statistic of search s is at least that of row i, itself included) / (rows with one),
    T_i  = min_s p_is,
    E_i  = max over the searches s with p_is = T_i of (t_is - q90_s) / (q95_s - q90_s),
    p    = (rows with a smaller T than the observed row, or the same T and at least its E) / (N + 1).

E decides between equal T, of which there are many: each of s searches has a row that is its largest, so T is
1 / (N + 1) in up to s rows, and by T alone no signal could reach a smaller p than s / (N + 1). q90 and q95 are
quantiles of the statistic of a search over all rows. So E says how far above the bulk the best search has its
statistic, in a unit that does not depend on the largest ones.

Without a signal the N + 1 data sets are exchangeable, as far as the null is drawn as the data are. T and E are the
same functions of each row and of the set of all rows, so the rank of the observed row is that of an exchangeable
one: P(p <= alpha) <= alpha, for any N and any dependence between searches. To rank the null rows among themselves
and the observed one among them would treat it differently. What is still equal counts against a discovery.

A search that has no statistic for a data set (NaN: its fit failed) has p = 1 there; that, too, is the same for all
rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hepcs._core.errors import ArgumentError
from hepcs.calibration.counting import Bound, Calibration, calibrate, calibrate_many


@dataclass(frozen=True)
class Combination:
    """The smallest p over the searches that saw one data set, calibrated.

    Attributes
    ----------
    single
        Calibration of each of the s searches on the shared null, by counting; None for a search without a
        statistic, or with fewer than two in the null.
    p_single
        p of each search by the rank of the observed row among the null rows, which is `p_smoothed` of `single`;
        1 where the search has no statistic, shape (s,).
    best
        Index of the search with the smallest p, of equal ones that with the largest E; None if no search has a
        statistic.
    smallest_p
        T: that p. Not a p-value of the analysis, because the best of s looks was taken.
    calibration
        Of -T on that of the null rows, E deciding between equal ones: the paper's k / N with its interval.
    """

    single: tuple[Calibration | None, ...]
    p_single: NDArray[np.float64]
    best: int | None
    smallest_p: float
    calibration: Calibration

    @property
    def p(self) -> float:
        """The global p-value: share of all rows, the observed one included, with T at most the observed one."""
        return self.calibration.p_smoothed

    @property
    def bound(self) -> Bound | None:
        """Whether Z is a lower or an upper bound; None if it is a value."""
        return self.calibration.bound

    @property
    def n_effective(self) -> float | None:
        """Independent searches that would have the same p: ln(1 - p) / ln(1 - T); None where that is undefined.

        Close to the number of searches if they share nothing, and 1 if they all are the same.
        """
        if self.p >= 1 or self.smallest_p >= 1:
            return None
        return math.log1p(-self.p) / math.log1p(-self.smallest_p)


def combine(observed: ArrayLike, null: ArrayLike) -> Combination:
    """One p for all searches of a data set.

    Parameters
    ----------
    observed
        Statistic of each search for the observed data set, NaN where it has none, shape (s,).
    null
        The same for N >= 2 background-only data sets, shape (N, s): a row is a data set that all searches saw.

    Returns
    -------
    Combination

    Raises
    ------
    ArgumentError
        For shapes that do not match, no search, infinite statistics, or fewer than two rows.
    """
    row = np.asarray(observed, dtype=np.float64)
    if row.ndim != 1:
        raise ArgumentError(f"observed statistics must have shape (searches,), found {row.shape}")
    return combine_many(row[None], null)[0]


def combine_many(observed: ArrayLike, null: ArrayLike) -> tuple[Combination, ...]:
    """:func:`combine` of m data sets, shape (m, s), each by itself among the same null rows."""
    rows, sample = _checked(observed, null)
    single = _single(rows, sample)
    # Null rows at least as high as each null row, and as each row; NaN is never counted.
    among_null = _at_least(sample, sample)
    above = _at_least(rows, sample)
    return tuple(_combination(single[i], rows[i], above[i], sample, among_null) for i in range(len(rows)))


def _combination(
    single: tuple[Calibration | None, ...],
    row: NDArray[np.float64],
    above: NDArray[np.int64],
    sample: NDArray[np.float64],
    among_null: NDArray[np.int64],
) -> Combination:
    """Rank one row, (s,), among all N + 1 by T, and by E where T is equal."""
    pool = np.vstack([row, sample])
    valid = np.isfinite(pool)
    # A comparison with NaN is false, and a row without a statistic is not one of those counted.
    ranks = np.vstack([above + 1, among_null + (row >= sample)])
    p = np.where(valid, ranks / np.maximum(valid.sum(axis=0), 1), 1.0)
    smallest = p.min(axis=1)
    of_best = np.where(p == smallest[:, np.newaxis], _excess(pool, valid), -np.inf)
    excess = of_best.max(axis=1)
    more_extreme = (smallest < smallest[0]) | ((smallest == smallest[0]) & (excess >= excess[0]))
    best = int(np.argmax(of_best[0])) if valid[0].any() else None
    # The k null rows that are at least as extreme, and the others, for which any smaller value does.
    calibration = calibrate(-smallest[0], np.where(more_extreme[1:], 0.0, -1.0) - smallest[0])
    return Combination(single, p[0], best, float(smallest[0]), calibration)


def _excess(pool: NDArray[np.float64], valid: NDArray[np.bool_]) -> NDArray[np.float64]:
    """How far each statistic is above its search's 90 % quantile, in units of the way to the 95 % one: (n, s).

    0 where a search has no such unit: its ties stay ties.
    """
    found = np.zeros(pool.shape)
    for s in range(pool.shape[1]):
        known = pool[valid[:, s], s]
        if known.size:
            start, end = np.quantile(known, (0.9, 0.95))
            if end > start:
                found[valid[:, s], s] = (known - start) / (end - start)
    return found


def _single(rows: NDArray[np.float64], sample: NDArray[np.float64]) -> list[tuple[Calibration | None, ...]]:
    """Each search of each row by itself, on the null rows where it has a statistic."""
    found: list[list[Calibration | None]] = [[None] * rows.shape[1] for _ in rows]
    for s in range(rows.shape[1]):
        null = sample[np.isfinite(sample[:, s]), s]
        seen = np.flatnonzero(np.isfinite(rows[:, s]))
        if null.size >= 2:
            for i, one in zip(seen, calibrate_many(rows[seen, s], null), strict=True):
                found[i][s] = one
    return [tuple(one) for one in found]


def _at_least(rows: NDArray[np.float64], sample: NDArray[np.float64]) -> NDArray[np.int64]:
    """Rows of `sample` whose statistic is at least that of each row, by search: (m, s) and (N, s) to (m, s)."""
    counts = np.zeros(rows.shape, dtype=np.int64)
    for s in range(rows.shape[1]):
        null = np.sort(sample[np.isfinite(sample[:, s]), s])
        seen = np.isfinite(rows[:, s])
        counts[seen, s] = null.size - np.searchsorted(null, rows[seen, s], side="left")
    return counts


def _checked(observed: ArrayLike, null: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rows, sample = np.asarray(observed, dtype=np.float64), np.asarray(null, dtype=np.float64)
    if rows.ndim != 2 or sample.ndim != 2 or rows.shape[1] != sample.shape[1] or rows.shape[1] == 0:
        raise ArgumentError(
            "statistics must have shapes (m, searches) and, of the null, (N, searches), with the same searches; "
            f"found {rows.shape} and {sample.shape}"
        )
    if len(sample) < 2:
        raise ArgumentError(
            f"a combination needs at least two background-only data sets that all searches saw, "
            f"found {len(sample)}"
        )
    for name, values in (("observed", rows), ("null", sample)):
        if np.isinf(values).any():
            where = tuple(int(i) for i in np.argwhere(np.isinf(values))[0])
            raise ArgumentError(
                f"{name} statistics must be finite, or NaN where a search has none; found {values[where]} for "
                f"data set {where[0]}, search {where[1]}"
            )
    return rows, sample

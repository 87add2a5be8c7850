"""One statistic for several searches of the same data sets, to see what they find together.

=============  ====================================  ==========================================================
method         statistic of a data set               good where
=============  ====================================  ==========================================================
smallest_p     -ln of the smallest p over searches   one search sees the signal, and nobody knows which
fisher         -sum of ln p (Fisher, 1932)           several searches see some of it
rank_sum       -sum of p, a sum of ranks             most searches see a little of it
=============  ====================================  ==========================================================

The p of a search is read off its background-only statistics: counted, with an exponential tail in the last tenth
of them. The tail decides nothing by itself: it only orders data sets that lie beyond all background-only ones of a
search, where counting has ties alone, as many as there are searches. What such a statistic is worth is counted on
the same data sets, whatever the searches have in common.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError
from hepcs.studies.readings import Tail, scale_of
from hepcs.studies.sensitivity import SearchStatistics

Method = Literal["smallest_p", "fisher", "rank_sum"]
METHODS: tuple[Method, ...] = get_args(Method)
_TAIL_FRACTION = 0.1
# exp(-700) is the smallest number that a logarithm still likes.
_LEAST_P = 1e-300


def combined_statistics(
    null: NDArray[np.float64], doped: Mapping[int, NDArray[np.float64]], method: Method
) -> SearchStatistics:
    """All searches of some data sets as one.

    Parameters
    ----------
    null
        Statistics of N background-only data sets, NaN where a search has none, shape (N, s).
    doped
        The same of doped ones by epsilon > 0, shape (M, s) each.
    method
        How they are put together, see above.

    Returns
    -------
    SearchStatistics
        Named by the method; larger is more signal-like. A search without a statistic counts with p = 1.

    Raises
    ------
    ArgumentError
        If a search has too few background-only statistics for a tail, or shapes do not match.
    """
    if method not in METHODS:
        raise ArgumentError(f"unknown method {method!r}; expected one of {', '.join(METHODS)}")
    if null.ndim != 2 or any(one.ndim != 2 or one.shape[1] != null.shape[1] for one in doped.values()):
        shapes = [null.shape, *(one.shape for one in doped.values())]
        raise ArgumentError(
            f"statistics must have shapes (data sets, searches), of the same searches: {shapes}"
        )

    def together(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        p = np.stack([_p_of(rows[:, s], null[:, s]) for s in range(null.shape[1])], axis=1)
        match method:
            case "smallest_p":
                return -np.log(p.min(axis=1))
            case "fisher":
                return -np.log(p).sum(axis=1)
            case _:
                return -p.sum(axis=1)

    return SearchStatistics(
        method, together(null), {epsilon: together(rows) for epsilon, rows in doped.items()}
    )


def _p_of(statistics: NDArray[np.float64], null: NDArray[np.float64]) -> NDArray[np.float64]:
    """p of the statistics of one search, shape (m,); 1 where there is none."""
    scale = scale_of(null[np.isfinite(null)], "exponential", _TAIL_FRACTION)
    tail = scale.tail
    assert isinstance(tail, Tail)
    p = np.ones(statistics.size)
    known = np.isfinite(statistics)
    values = statistics[known]
    n = scale.null.size
    counted = (n - np.searchsorted(scale.null, values, side="left") + 0.5) / (n + 1)
    p[known] = np.where(values > tail.start, np.maximum(tail.p(values), _LEAST_P), np.minimum(counted, 1.0))
    return p

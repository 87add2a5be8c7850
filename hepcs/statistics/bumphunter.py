"""Statistics of a spectrum against its background estimate: the one place where a search takes its own from.

==============================  ================================================================
``statistic.kind``              statistic
==============================  ================================================================
``maximum_local_significance``  max_b Z_b (paper, eq. 3.2): single bins, the published analysis
``bumphunter``                  -ln of the smallest Poisson p-value of all windows of adjacent
                                bins, 1 to ``max_width`` wide (Choudalakis, arXiv:1101.0390)
==============================  ================================================================

A signal wider than a bin shares its excess with the neighbours; a window collects it, at the price of more
places to look at. Both statistics are calibrated by pseudo-experiments in the same way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hepcs._core.compilation import compiled
from hepcs._core.errors import ArgumentError
from hepcs.config.searches import Statistic
from hepcs.statistics.significance import local_significance


@dataclass(frozen=True)
class Bump:
    """The most significant excess of a spectrum.

    Attributes
    ----------
    window
        First bin, and the bin behind the last one; None if no window holds an excess.
    log_p
        ln P(N >= S) of the window, N Poisson with mean B, S and B summed over it; 0 if there is none. Local:
        it does not know how many windows were looked at.
    """

    window: tuple[int, int] | None
    log_p: float

    @property
    def p(self) -> float:
        """P(N >= S); 0 where that is below the range of a float."""
        return math.exp(self.log_p)

    @property
    def statistic(self) -> float:
        """BumpHunter's statistic t = -ln p_min; 0 without an excess."""
        return -self.log_p if self.window is not None else 0.0


def test_statistic(
    observed: ArrayLike, expected: ArrayLike, section: Statistic, relative_error: ArrayLike | None = None
) -> tuple[float, NDArray[np.float64]]:
    """The statistic that the card asks for, and the local significance of each bin.

    Parameters
    ----------
    observed
        Counts S, >= 0, shape (b,).
    expected
        Background estimate B, >= 0, shape (b,).
    section
        The card's ``statistic``.
    relative_error
        Uncertainty of the estimate divided by it, >= 0; the number of the card if None.

    Returns
    -------
    statistic, local_significance
        A number >= 0, and Z_b >= 0 of the single bins, shape (b,), whichever the statistic is.

    Raises
    ------
    ArgumentError
        As :func:`hepcs.statistics.significance.local_significance` and :func:`bump_hunter` do.
    """
    error = section.background_error if relative_error is None else relative_error
    significance = local_significance(observed, expected, section.local_significance, error)
    if section.kind == "bumphunter":
        return bump_hunter(observed, expected, section.max_width).statistic, significance
    if significance.ndim != 1 or significance.size == 0:
        raise ArgumentError(f"a statistic needs spectra of shape (b,), found {significance.shape}")
    return float(significance.max()), significance


def bump_hunter(observed: ArrayLike, expected: ArrayLike, max_width: int | None = None) -> Bump:
    """The window of adjacent bins with the smallest p-value (Choudalakis, arXiv:1101.0390, section 3).

    The windows are 1 to `max_width` bins wide and lie between the first and the last bin with B > 0. One
    without an excess, S <= B, has p = 1; so has one with B = 0, where there is no estimate. Of equal p-values
    the narrower window counts, then the one at lower mass.

    Parameters
    ----------
    observed
        Counts S, >= 0, shape (b,).
    expected
        Background estimate B, >= 0, shape (b,).
    max_width
        Bins in the widest window, 1 to b; half of the bins if absent.

    Returns
    -------
    Bump

    Raises
    ------
    ArgumentError
        For spectra of different or other shapes, negative or non-finite entries, or another `max_width`.
    """
    counts, background = np.asarray(observed, np.float64), np.asarray(expected, np.float64)
    if counts.shape != background.shape or counts.ndim != 1 or counts.size == 0:
        raise ArgumentError(
            f"bump_hunter needs two spectra of shape (b,), found {counts.shape} and {background.shape}"
        )
    for name, values in (("observed", counts), ("expected", background)):
        if not ((values >= 0) & (values < np.inf)).all():
            raise ArgumentError(f"{name} must be finite and not negative in every bin, found {values!s}")
    widest = max(1, counts.size // 2) if max_width is None else max_width
    if not 1 <= widest <= counts.size:
        raise ArgumentError(f"max_width must be 1 to {counts.size}, the number of bins, found {max_width!r}")
    start, stop, log_p = _smallest(counts, background, widest)
    return Bump((start, stop) if stop > start else None, log_p)


@compiled
def _smallest(observed, expected, max_width):  # type: ignore[no-untyped-def]
    """First bin, bin behind the last, and ln p of the smallest p-value; (0, 0, 0.0) without an excess.

    The tail of a window takes a sum over many terms, so it is taken only where it can be the smallest. With
    D(S) = S ln(S / B) - S + B, P(N >= S) lies between the normal tails beyond sqrt(2 D(S)) and
    sqrt(2 D(S - 1)) (Short, ISRN Probab. Stat. 2013, 412958): a window whose D(S) is below the D(S - 1) of
    another one is out. Counts that are not whole are bounded by the whole numbers around them.
    """
    first, last = 0, len(expected)
    while first < last and expected[first] <= 0:
        first += 1
    while last > first and expected[last - 1] <= 0:
        last -= 1
    floor = 0.0
    for width in range(1, max_width + 1):
        for start in range(first, last - width + 1):
            s, b = _window(observed, expected, start, width)
            below = math.floor(s) - 1
            if b > 0 and below > b:
                floor = max(floor, below * math.log(below / b) - below + b)
    best_start, best_stop, best = 0, 0, 0.0
    for width in range(1, max_width + 1):
        for start in range(first, last - width + 1):
            s, b = _window(observed, expected, start, width)
            if b <= 0 or s <= b:
                continue
            above = math.ceil(s)
            # Room for the rounding of both distances.
            if above * math.log(above / b) - above + b < floor - 1e-12 * (above + 1):
                continue
            log_p = _log_tail(s, b)
            if log_p < best:
                best_start, best_stop, best = start, start + width, log_p
    return best_start, best_stop, best


@compiled
def _window(observed, expected, start, width):  # type: ignore[no-untyped-def]
    """S and B summed over a window, bin by bin: a difference of cumulated sums rounds, and no tie would be one."""
    s, b = 0.0, 0.0
    for i in range(start, start + width):
        s += observed[i]
        b += expected[i]
    return s, b


@compiled
def _log_tail(s, b):  # type: ignore[no-untyped-def]
    """ln P(N >= s) for s > b > 0, by its own sum Pois(s) (1 + b / (s + 1) + b^2 / ((s + 1)(s + 2)) + ...).

    All terms are positive and fall, so nothing cancels; there are some 9 sqrt(b) of them near the mean.
    Between whole numbers it is the incomplete gamma function.
    """
    term, total, step = 1.0, 1.0, s
    while term > 1e-17 * total:
        step += 1.0
        term *= b / step
        total += term
    return min(s * math.log(b) - b - math.lgamma(s + 1) + math.log(total), 0.0)

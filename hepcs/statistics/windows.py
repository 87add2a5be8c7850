"""The largest local significance over windows of adjacent bins: single bins (paper, eq. 3.2) and wider ones.

A signal wider than a bin, or on the edge between two, shares its excess with the neighbours; a window collects it.
The significance of a window is that of a bin (:mod:`hepcs.statistics.significance`), with S and B summed over it.
:func:`hepcs.statistics.bumphunter.bump_hunter` looks at the same windows by P(N >= S) instead, which includes S.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from hepcs._core.errors import ArgumentError
from hepcs.statistics.significance import Form, local_significance


@dataclass(frozen=True)
class WindowExcess:
    """The window of adjacent bins with the largest local significance.

    Attributes
    ----------
    window
        First bin, and the bin behind the last one; None if no window holds an excess.
    significance
        Z >= 0 of that window, in standard deviations. Local: it does not know how many windows were looked at.
    """

    window: tuple[int, int] | None
    significance: float


def scan_bins(
    observed: ArrayLike,
    expected: ArrayLike,
    widths: Iterable[int],
    form: Form = "gaussian",
    relative_error: ArrayLike = 0.0,
) -> WindowExcess:
    """The most significant excess over all windows of the given widths.

    Of equal significances the window of the width that is named first counts, then the one at lower mass. A bin
    without an estimate (B = 0) adds its counts to the windows that it lies in; a window with B = 0 has Z = 0.

    Parameters
    ----------
    observed
        Counts S, >= 0, shape (b,).
    expected
        Background estimate B, >= 0, shape (b,).
    widths
        Bins in a window, each 1 to b: ``range(1, n + 1)`` for windows of 1 to n bins.
    form
        ``gaussian`` or ``exact``; see :func:`~hepcs.statistics.significance.local_significance`.
    relative_error
        Uncertainty of the estimate divided by it, a number or of shape (b,); over a window its errors add up.

    Returns
    -------
    WindowExcess

    Raises
    ------
    ArgumentError
        For spectra of different or other shapes, negative or non-finite entries, no or other widths, or an
        unknown form.
    """
    counts, background = np.asarray(observed, np.float64), np.asarray(expected, np.float64)
    if counts.ndim != 1:
        raise ArgumentError(f"scan_bins needs spectra of shape (b,), found {counts.shape}")
    best = WindowExcess(None, 0.0)
    for width, z in _by_width(counts, background, widths, form, relative_error):
        start = int(np.argmax(z))
        if z[start] > best.significance:
            best = WindowExcess((start, start + width), float(z[start]))
    return best


def largest_significance(
    observed: ArrayLike, expected: ArrayLike, widths: Iterable[int], form: Form = "gaussian"
) -> NDArray[np.float64]:
    """The significance that :func:`scan_bins` finds, for many spectra of shape (..., b) at once, shape (...)."""
    counts, background = np.asarray(observed, np.float64), np.asarray(expected, np.float64)
    by_width = [z.max(axis=-1) for _, z in _by_width(counts, background, widths, form)]
    return np.asarray(np.max(by_width, axis=0))


def _by_width(
    counts: NDArray[np.float64],
    background: NDArray[np.float64],
    widths: Iterable[int],
    form: Form,
    relative_error: ArrayLike = 0.0,
) -> list[tuple[int, NDArray[np.float64]]]:
    """Each width, with Z of its windows by their first bin, shape (..., b - width + 1)."""
    if counts.shape != background.shape or counts.ndim == 0 or counts.shape[-1] == 0:
        raise ArgumentError(
            f"windows need two spectra of the same shape (..., b), found {counts.shape} and {background.shape}"
        )
    found, errors = [], np.broadcast_to(np.asarray(relative_error, dtype=np.float64), background.shape)
    for width in _checked_widths(widths, counts.shape[-1]):
        s, b = _summed(counts, width), _summed(background, width)
        error = np.zeros_like(b)
        if errors.any():
            error = np.divide(_summed(errors * background, width), b, out=np.zeros_like(b), where=b > 0)
        found.append((width, local_significance(s, b, form, error)))
    return found


def _summed(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Sums over windows; not differences of cumulated sums, which round, so that no tie would be one."""
    return np.asarray(sliding_window_view(values, width, axis=-1).sum(axis=-1))


def _checked_widths(widths: Iterable[int], n_bins: int) -> list[int]:
    try:
        found = [operator.index(width) for width in widths]
    except TypeError as error:
        raise ArgumentError(
            f"widths must be whole numbers of bins, such as (1, 2), found {widths!r}"
        ) from error
    if not found or min(found) < 1 or max(found) > n_bins:
        raise ArgumentError(
            f"widths must be one or more numbers from 1 to {n_bins}, the number of bins, found {found}"
        )
    return found

"""Windows in m_jj that slide over the evaluation region, with a sideband on each side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError


@dataclass(frozen=True)
class SlidingWindows:
    """w windows over b bins; see :func:`sliding_windows`.

    Attributes
    ----------
    n_bins
        b.
    width
        Bins of a window.
    sideband
        Bins of each of its two sidebands.
    first
        First bin of each window, shape (w,).
    """

    n_bins: int
    width: int
    sideband: int
    first: NDArray[np.int64]

    @property
    def n_windows(self) -> int:
        """Number w of windows."""
        return int(self.first.size)

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Which bins are in each window, shape (w, b)."""
        return self._between(0, self.width)

    @property
    def lower(self) -> NDArray[np.bool_]:
        """Which bins are in each window's lower sideband, shape (w, b)."""
        return self._between(-self.sideband, 0)

    @property
    def upper(self) -> NDArray[np.bool_]:
        """Which bins are in each window's upper sideband, shape (w, b)."""
        return self._between(self.width, self.width + self.sideband)

    def bounds(self, edges: NDArray[np.float64]) -> NDArray[np.float64]:
        """Low and high end of each window, [low, high) in the units of the bin edges (b + 1,), shape (w, 2)."""
        if edges.shape != (self.n_bins + 1,):
            raise ArgumentError(f"windows over {self.n_bins} bins do not match edges of shape {edges.shape}")
        return np.stack([edges[self.first], edges[self.first + self.width]], axis=1)

    def _between(self, start: int, stop: int) -> NDArray[np.bool_]:
        offset = np.arange(self.n_bins) - self.first[:, np.newaxis]
        return (offset >= start) & (offset < stop)


def sliding_windows(n_bins: int, width: int = 2, sideband: int | None = None) -> SlidingWindows:
    """Windows of `width` bins, one bin apart, wherever both sidebands are complete.

    A window at the edge of the region would be trained against one side alone, and its score would follow the
    correlation of every feature with m_jj; it is left out. 16 bins, windows and sidebands of two: 11 windows.

    Parameters
    ----------
    n_bins
        b.
    width
        Bins of a window, >= 1.
    sideband
        Bins of each sideband, >= 1; `width` if None.

    Raises
    ------
    ArgumentError
        If not even one window with both sidebands fits into the bins.
    """
    side = width if sideband is None else sideband
    if width < 1 or side < 1:
        raise ArgumentError(f"a window and its sidebands need at least one bin, found {width} and {side}")
    n_windows = n_bins - width - 2 * side + 1
    if n_windows < 1:
        raise ArgumentError(
            f"{n_bins} bins hold no window of {width} bins with sidebands of {side} on both sides "
            f"({width + 2 * side} bins); take narrower windows or more bins"
        )
    return SlidingWindows(n_bins, width, side, side + np.arange(n_windows))

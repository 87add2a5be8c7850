"""Features as densities like them: without edges, without gaps, centred and of unit variance; and back.

Each feature is mapped from its range to (0, 1) and by the logit to all real numbers (Hallin et al., PRD 106 (2022)
055006, section IV), then standardised. Whole numbers, such as multiplicities, are spread over the unit interval
above them, and floored on the way back; what is missing (NaN) becomes the median.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from hepcs._core.errors import ArgumentError, ComputationError

# Share of the range by which it is widened: no event of the training lies on an edge.
_MARGIN = 1e-3


@dataclass(frozen=True)
class LogitScaling:
    """The maps of d features; see :func:`logit_scaling`.

    Attributes
    ----------
    low, width
        Where each range begins, and its width, shape (d,).
    mean, spread
        Of the logits, shape (d,).
    median
        What stands for a missing value, shape (d,).
    whole
        Which features are whole numbers, shape (d,).
    """

    low: NDArray[np.float64]
    width: NDArray[np.float64]
    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    median: NDArray[np.float64]
    whole: NDArray[np.bool_]

    def filled(self, x: NDArray[np.floating]) -> NDArray[np.float32]:
        """Features (n, d), those that are missing being the median."""
        return np.where(np.isfinite(x), x, self.median).astype(np.float32)

    def inward(self, x: NDArray[np.floating], rng: np.random.Generator | None = None) -> NDArray[np.float32]:
        """Features (n, d) to standardised ones (n, d); what is out of range goes to its edge.

        With a generator, whole numbers are spread at random, for a training; else each goes to the middle.
        """
        values = self.filled(x).astype(np.float64)
        if self.whole.any():
            values[:, self.whole] += 0.5 if rng is None else rng.random((len(x), int(self.whole.sum())))
        share = np.clip((values - self.low) / self.width, _MARGIN / 2, 1 - _MARGIN / 2)
        return ((logit(share) - self.mean) / self.spread).astype(np.float32)

    def outward(self, z: NDArray[np.floating]) -> NDArray[np.float32]:
        """Standardised features (n, d) to features (n, d)."""
        values = self.low + self.width * expit(self.mean + self.spread * z.astype(np.float64))
        return np.where(self.whole, np.floor(values), values).astype(np.float32)


def logit_scaling(x: NDArray[np.floating]) -> LogitScaling:
    """The maps that make features (n, d) like a standard normal distribution.

    Raises
    ------
    ArgumentError
        For another shape.
    ComputationError
        If a feature has one value only, or none.
    """
    if x.ndim != 2 or 0 in x.shape:
        raise ArgumentError(f"features must have shape (n, d), found {x.shape}")
    known = np.where(np.isfinite(x), x, np.nan).astype(np.float64)
    empty = np.isnan(known).all(axis=0)
    known[:, empty] = 0.0
    low, high, median = np.nanmin(known, axis=0), np.nanmax(known, axis=0), np.nanmedian(known, axis=0)
    if (low == high).any():
        raise ComputationError(
            f"column {np.flatnonzero(low == high)[0]} of the features has one value in all events, and so no "
            "density; leave it out"
        )
    whole = (np.floor(known) == known)[~np.isnan(known).any(axis=1)].all(axis=0)
    high = np.where(whole, high + 1, high)
    margin = _MARGIN * (high - low)
    plain = LogitScaling(
        low - margin,
        high - low + 2 * margin,
        np.zeros(x.shape[1]),
        np.ones(x.shape[1]),
        median,
        np.asarray(whole),
    )
    # Sorted: the same events in another order give the same bits.
    logits = np.sort(plain.inward(known), axis=0)
    return LogitScaling(
        plain.low, plain.width, logits.mean(axis=0), logits.std(axis=0), median, np.asarray(whole)
    )

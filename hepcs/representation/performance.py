"""How well a score tells signal from background, whatever the threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError

Floats = NDArray[np.float64]
#: Where the significance improvement is drawn.
EFFICIENCIES = np.linspace(0.01, 1.0, 100)


@dataclass(frozen=True)
class Performance:
    """Of a score.

    Attributes
    ----------
    auc
        Area under the ROC curve: the probability that a signal event has the larger score.
    inverse_background
        1 / eps_B at eps_S = 0.3; of so few background events that it is a lower bound, if `bounded`.
    background
        eps_B at each of `EFFICIENCIES` of the signal.
    bounded
        Whether no background event is above that threshold, and `inverse_background` is their number.
    """

    auc: float
    inverse_background: float
    background: Floats
    bounded: bool

    @property
    def improvement(self) -> Floats:
        """eps_S / sqrt(eps_B) at each of `EFFICIENCIES`; NaN where no background is left."""
        safe = np.where(self.background > 0, self.background, np.nan)
        return EFFICIENCIES / np.sqrt(safe)


def performance_of(background: Floats, signal: Floats, signal_efficiency: float = 0.3) -> Performance:
    """Of finite scores (n,) of background and (m,) of signal events; raises ArgumentError for others, or none."""
    for scores in (background, signal):
        if scores.ndim != 1 or scores.size == 0 or not np.isfinite(scores).all():
            raise ArgumentError("expected finite scores of shape (n,), of one event at least")
    ordered = np.sort(background)
    below = (np.searchsorted(ordered, signal, "left") + np.searchsorted(ordered, signal, "right")) / 2
    at = _above(ordered, signal, np.array([signal_efficiency]))[0]
    return Performance(
        float(below.mean() / len(ordered)),
        float(1 / max(at, 1 / len(ordered))),
        _above(ordered, signal, EFFICIENCIES),
        bool(at == 0),
    )


def _above(ordered: Floats, signal: Floats, efficiencies: Floats) -> Floats:
    """Share of the background at or above the thresholds of the signal's efficiencies."""
    falling = np.sort(signal)[::-1]
    places = np.ceil(efficiencies * len(falling)).astype(int) - 1
    return 1 - np.searchsorted(ordered, falling[np.clip(places, 0, None)], "left") / len(ordered)

"""The ratio of two densities, as a score."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Share of the events below whose density there is nothing to be learned from.
_RARE = 1e-3


def floored_ratio(
    log_data: NDArray[np.float64], log_background: NDArray[np.float64], rows: NDArray[np.integer]
) -> NDArray[np.float64]:
    """ln(p_data / p_background) of events (n,), near 0 where hardly any event lies to learn either from.

    A floor is added to both densities: that of the background below which one in a thousand of the events
    `rows` lies.
    """
    floor = np.quantile(log_background[rows], _RARE)
    return np.asarray(np.logaddexp(log_data, floor) - np.logaddexp(log_background, floor))

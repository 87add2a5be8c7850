"""The ratio of two densities, as a score."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

# Share of standard normal events below whose density there is nothing to be learned from.
_RARE = 1e-3


def floored_ratio(
    log_data: NDArray[np.float64], log_background: NDArray[np.float64], n_features: int
) -> NDArray[np.float64]:
    """ln(p_data / p_background) of events (n,), near 0 where hardly any event lies to learn either from.

    A floor is added to both densities, which are of standardised features: that of a standard normal distribution
    below which one in a thousand of its events lies. It is the same for all data sets and folds.
    """
    floor = -0.5 * (n_features * np.log(2 * np.pi) + float(special.chdtri(n_features, _RARE)))
    return np.asarray(np.logaddexp(log_data, floor) - np.logaddexp(log_background, floor))

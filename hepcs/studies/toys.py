"""Toys of a background function, for tests that fit them again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError, ComputationError

_INVALID_TOLERANCE = 0.01


def poisson_toys(expected: NDArray[np.float64], rng: np.random.Generator, n_toys: int) -> NDArray[np.float64]:
    """Poisson fluctuations of a spectrum of shape (b,), shape (t, b); raises ArgumentError for fewer than 10."""
    if n_toys < 10:
        raise ArgumentError(f"n_toys must be at least 10, found {n_toys}")
    return rng.poisson(expected, (n_toys, expected.size)).astype(np.float64)


def require_converged(converged: NDArray[np.bool_], what: str, of: str) -> NDArray[np.bool_]:
    """Which fits of `what` to toys converged, shape (t,); raises ComputationError if more than 1 % did not."""
    failed = int((~converged).sum())
    if failed > _INVALID_TOLERANCE * converged.size:
        raise ComputationError(
            f"{failed} of {converged.size} fits of the {what} to {of} did not converge, more than "
            f"{_INVALID_TOLERANCE:.0%}: fit fewer parameters, or a spectrum with more events"
        )
    return converged

"""Idealised Cluster Scanning: clusters without mass sculpting (SPEC, section 5)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError


def redistribute(background: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Background jets of every bin but the first, redistributed over the clusters with the fractions of the first.

    Parameters
    ----------
    background
        Background jets of cluster i in bin b, shape (k, b); the first bin must hold some.
    rng
        Source of the multinomial draws.

    Returns
    -------
    Shape (k, b); each bin keeps its sum over the clusters.

    Raises
    ------
    ArgumentError
        If the first bin is empty.
    """
    first = background[:, 0]
    if first.sum() == 0:
        raise ArgumentError(
            "idealised spectra need background jets in the first m_jj bin, whose fractions they take; found none"
        )
    drawn = rng.multinomial(background[:, 1:].sum(axis=0), first / first.sum())
    return np.concatenate([first[:, np.newaxis], drawn.T], axis=1)

"""The same event more than once: a merged file beside its parts, or data that are in their own background."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hepcs._core.errors import ArgumentError


def count_repeated(samples: Sequence[tuple[ArrayLike, ArrayLike]]) -> NDArray[np.int64]:
    """How many events of each sample are in an earlier sample too, or came before in the same one.

    Two events count as the same if m_jj and both jet masses agree in every bit: reclustering the same particles
    gives the same bits, while two different events agree by chance with a probability of less than 1e-20.

    Parameters
    ----------
    samples
        For each sample m_jj, shape (n,), and the jet masses, shape (n, 2), GeV, in the same precision for all.

    Returns
    -------
    Shape (samples, samples), lower triangle: row i, column j < i the events of sample i that sample j has too;
    the diagonal the events of sample i that came before in it.

    Raises
    ------
    ArgumentError
        If columns of a sample differ in length.
    """
    keys = [_keys(m_jj, masses) for m_jj, masses in samples]
    unique = [np.unique(key, axis=0) for key in keys]
    found = np.zeros((len(keys), len(keys)), dtype=np.int64)
    for i, key in enumerate(keys):
        found[i, i] = len(key) - len(unique[i])
        for j in range(i):
            both = np.concatenate([unique[i], unique[j]])
            found[i, j] = len(both) - len(np.unique(both, axis=0))
    return found


def _keys(m_jj: ArrayLike, masses: ArrayLike) -> NDArray[np.float64]:
    """One row of numbers for each event."""
    m, jets = np.asarray(m_jj, dtype=np.float64), np.asarray(masses, dtype=np.float64)
    if m.ndim != 1 or jets.shape != (m.size, 2):
        raise ArgumentError(
            f"m_jj of shape {m.shape} and masses of shape {jets.shape}; expected (n,) and (n, 2)"
        )
    return np.column_stack([m, jets])

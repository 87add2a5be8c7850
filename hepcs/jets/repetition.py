"""The same event more than once: a merged file beside its parts, or data that are in their own background."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hepcs._core.errors import ArgumentError

_ODD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 divided by the golden ratio


def find_repeated(keys: ArrayLike) -> NDArray[np.bool_]:
    """Which events came before, shape (n,): the first of those with one key is none of them.

    Parameters
    ----------
    keys
        What tells events apart, shape (n,) or (n, columns): see :func:`event_keys`.
    """
    values = np.asarray(keys)
    repeated = np.ones(len(values), dtype=bool)
    repeated[np.unique(values, axis=0, return_index=True)[1]] = False
    return repeated


def count_repeated(samples: Sequence[tuple[ArrayLike, ArrayLike]]) -> NDArray[np.int64]:
    """How many events of each sample are in an earlier sample too, or came before in the same one.

    Two events count as the same if m_jj (64 bits) and both jet masses (32 bits) agree in every bit: reclustering
    the same particles gives the same bits. They are told apart by 64 bits made of these, so that of a million
    different events two count as the same with a probability of 3e-8.

    Parameters
    ----------
    samples
        For each sample m_jj, shape (n,), and the jet masses, shape (n, 2), GeV.

    Returns
    -------
    Shape (samples, samples), lower triangle: row i, column j < i the events of sample i that sample j has too;
    the diagonal the events of sample i that came before in it.

    Raises
    ------
    ArgumentError
        If columns of a sample differ in length.
    """
    unique, found = [], np.zeros((len(samples), len(samples)), dtype=np.int64)
    for i, (m_jj, masses) in enumerate(samples):
        keys = event_keys(m_jj, masses)
        unique.append(np.unique(keys))
        found[i, i] = len(keys) - len(unique[i])
        for j in range(i):
            found[i, j] = len(np.intersect1d(unique[i], unique[j], assume_unique=True))
    return found


def event_keys(m_jj: ArrayLike, masses: ArrayLike) -> NDArray[np.uint64]:
    """One number for each event, made of the bits of its masses, shape (n,).

    Parameters
    ----------
    m_jj, masses
        Shape (n,), and those of the jets, shape (n, 2), GeV.

    Raises
    ------
    ArgumentError
        If the columns differ in length.
    """
    m = np.ascontiguousarray(m_jj, dtype=np.float64)
    jets = np.ascontiguousarray(masses, dtype=np.float32)
    if m.ndim != 1 or jets.shape != (m.size, 2):
        raise ArgumentError(
            f"m_jj of shape {m.shape} and masses of shape {jets.shape}; expected (n,) and (n, 2)"
        )
    # Times an odd number is one to one, and spreads the bits.
    return m.view(np.uint64) * _ODD ^ (jets.view(np.uint64)[:, 0] if m.size else np.empty(0, np.uint64))

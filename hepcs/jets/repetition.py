"""The same event more than once: a merged file beside its parts, or data that are in their own background."""

from __future__ import annotations

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


def event_keys(m_jj: ArrayLike, masses: ArrayLike) -> NDArray[np.uint64]:
    """One number for each event, made of the bits of its masses, shape (n,).

    Two events count as the same if m_jj (64 bits) and both jet masses (32 bits) agree in every bit: reclustering
    the same particles gives the same bits. Of a million different events two have the same number with a
    probability of 3e-8.

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

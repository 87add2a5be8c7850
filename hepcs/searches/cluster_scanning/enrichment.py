"""How much more signal a set of events holds than all of them: only the truth can tell."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hepcs._core.errors import ArgumentError


def signal_fraction_improvement(signal: ArrayLike, background: ArrayLike) -> NDArray[np.float64]:
    """SFI of the clusters, (N_sig(C) / N_QCD(C)) / (N_sig / N_QCD) (paper, eq. C.1).

    Parameters
    ----------
    signal, background
        Jets of signal and of background events in each of the k clusters, shape (k,).

    Returns
    -------
    Shape (k,); 1 for a cluster with the signal fraction of all events, infinite for one without background, NaN
    for an empty one.

    Raises
    ------
    ArgumentError
        For shapes that differ, negative counts, or no signal or no background at all.
    """
    n_signal = np.asarray(signal, dtype=np.float64)
    n_background = np.asarray(background, dtype=np.float64)
    if n_signal.ndim != 1 or n_signal.shape != n_background.shape:
        raise ArgumentError(
            f"signal and background must be alike, of shape (k,), found {n_signal.shape} and {n_background.shape}"
        )
    if n_signal.min(initial=0) < 0 or n_background.min(initial=0) < 0:
        raise ArgumentError("counts of jets cannot be negative")
    if n_signal.sum() == 0 or n_background.sum() == 0:
        raise ArgumentError(
            f"the SFI needs signal and background, found {n_signal.sum():g} and {n_background.sum():g} jets"
        )
    with np.errstate(divide="ignore", invalid="ignore"):
        return n_signal / n_background / (n_signal.sum() / n_background.sum())

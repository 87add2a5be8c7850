"""Toy samples for the tests: features in clumps, a falling m_jj spectrum, and a signal in one clump."""

from __future__ import annotations

import numpy as np

from hepcs.datasets.bootstrap import DataSet, Kind, Task, draw_data_set
from hepcs.datasets.samples import MassBins, Pools, Sample

BINS = MassBins(3000.0, 4600.0, 16)


def toy_sample(
    n: int, rng: np.random.Generator, *, resonance: float | None = None, d: int = 6, first_event: int = 0
) -> Sample:
    """n events; jets in twelve clumps, a signal's jets near a corner between them; a fifth lie outside."""
    if resonance is None:
        m_jj = 3000 + rng.exponential(560, size=4 * n)
        clump_of = rng.integers(0, 12, size=(4 * n, 2))
    else:
        m_jj = rng.normal(resonance, 60, size=4 * n)
        clump_of = np.full((4 * n, 2), 3)
    centres = np.random.default_rng(99).normal(size=(12, d)) * 3
    features = centres[clump_of] + rng.normal(size=(4 * n, 2, d)) * (1.0 if resonance is None else 0.3)
    inside = np.flatnonzero((m_jj >= BINS.low) & (m_jj < BINS.high))[:n]
    jets = features[inside].astype(np.float32)
    features_of = {"image_pca": jets, "event": jets.reshape(n, -1)}
    return Sample(m_jj[inside], features_of, np.arange(n), n + n // 4, "toys", first_event)


def toy_pools(n_background: int = 6000, n_signal: int = 1000, seed: int = 3) -> Pools:
    """Labelled toy samples."""
    rng = np.random.default_rng(seed)
    signal = toy_sample(n_signal, rng, resonance=3500.0, first_event=n_background)
    return Pools(toy_sample(n_background, rng), BINS, {"signal": signal})


POOLS = toy_pools()


def null(index: int = 0, pools: Pools = POOLS) -> DataSet:
    """A background-only pseudo-experiment of toys."""
    return draw_data_set(pools, Task(Kind.BACKGROUND_ONLY, 0, index), 1)


def doped(epsilon: int, index: int = 0, pools: Pools = POOLS) -> DataSet:
    """A pseudo-experiment of toys with injected signal."""
    return draw_data_set(pools, Task(Kind.DOPED, epsilon, index, "signal"), 1)


def observed(epsilon: int, pools: Pools = POOLS) -> DataSet:
    """All toy background, with injected signal."""
    return draw_data_set(pools, Task(Kind.OBSERVED, epsilon, 0, "signal" if epsilon else ""), 1)

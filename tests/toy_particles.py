"""Toy jets of a few constituents: one spray in the background, two prongs in the signal, for any m_jj."""

from __future__ import annotations

import numpy as np
from toy_views import BINS, CURVE

from hepcs.datasets.samples import Pools, Sample

M = 6


def one_prong(n: int, rng: np.random.Generator) -> np.ndarray:
    """Constituents of n events, shape (n, 2, 3 M): most of the momentum near the axis, soft ones around it."""
    share = np.sort(rng.dirichlet(np.full(M, 0.5), size=(n, 2)), axis=-1)[..., ::-1]
    place = rng.normal(size=(n, 2, M, 2)) * 0.03 / np.sqrt(share + 0.02)[..., np.newaxis]
    return _jets(share, place, rng)


def two_prongs(n: int, rng: np.random.Generator) -> np.ndarray:
    """Two hard constituents far apart, and the others near either of them."""
    share = np.sort(rng.dirichlet(np.full(M, 4.0), size=(n, 2)), axis=-1)[..., ::-1]
    place = rng.normal(size=(n, 2, M, 2)) * 0.03
    place[..., 0] += 0.3 * (-1.0) ** np.arange(M)
    return _jets(share, place, rng)


def _jets(share: np.ndarray, place: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    pt = rng.uniform(1200, 2000, size=(*share.shape[:2], 1)) * share
    jets = np.concatenate([pt[..., np.newaxis], place], axis=-1)
    return jets.reshape(len(share), 2, 3 * M).astype(np.float32)


def pools_of(n: int, seed: int = 1, first_event: int = 0) -> Pools:
    """Background, and a resonance in the bins 6 and 7."""
    rng = np.random.default_rng(seed)
    bins, signal_bins = rng.choice(16, n, p=CURVE / CURVE.sum()), rng.integers(6, 8, 200)
    return Pools(
        _sample(bins, one_prong(n, rng), rng, first_event),
        BINS,
        {"signal": _sample(signal_bins, two_prongs(200, rng), rng, first_event + n)},
    )


def _sample(bins: np.ndarray, x: np.ndarray, rng: np.random.Generator, first_event: int) -> Sample:
    n = len(bins)
    m_jj = 3000 + 100 * (bins + rng.random(n) * 0.999)
    return Sample(m_jj, {"constituents": x}, np.arange(n), n, "toys", first_event)


def with_features(pools: Pools, x: np.ndarray) -> Pools:
    """The same with other constituents of the background."""
    old = pools.background
    new = Sample(old.m_jj, {"constituents": x}, old.rows, old.n_events, "toys", int(old.first_event))
    return Pools(new, pools.bins, pools.signals)

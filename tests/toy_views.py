"""Toy events for searches by score and cut: features that know nothing of m_jj, and a resonance in a corner."""

from __future__ import annotations

import numpy as np
from toy_card import toy_card

from hepcs.background import dijet_function
from hepcs.datasets.bootstrap import DataSet, Kind, Task, draw_data_set, whole
from hepcs.datasets.samples import MassBins, Pools, Sample
from hepcs.searches.base import Inputs
from hepcs.searches.cut_and_fit.search import ScoreSearch, build
from hepcs.searches.cut_and_fit.section import CutAndFit
from hepcs.searches.kinds import Context

BINS = MassBins(3000.0, 4600.0, 16)
CURVE = dijet_function(BINS.centres, [1.0, 6.0, -1.5], 13_000.0)
#: The window of the resonance: bins 6 and 7 of 16.
SIGNAL_WINDOW = 4


def background(n: int, rng: np.random.Generator, first_event: int = 0) -> Sample:
    """n events; the third feature is nearly the sum of the others, and the last one is the identity."""
    x = rng.normal(size=(n, 2))
    return _sample(rng.choice(16, n, p=CURVE / CURVE.sum()), x, 0.1 * rng.normal(size=n), rng, first_event)


def resonance(n: int, rng: np.random.Generator, first_event: int) -> Sample:
    """n events in the bins 6 and 7, close together in the features, and off the plane of the others."""
    x = rng.normal(1.5, 0.15, size=(n, 2))
    return _sample(rng.integers(6, 8, n), x, rng.normal(1.0, 0.1, size=n), rng, first_event)


def _sample(
    bins: np.ndarray, x: np.ndarray, off: np.ndarray, rng: np.random.Generator, first_event: int
) -> Sample:
    n = len(bins)
    m_jj = 3000 + 100 * (bins + rng.random(n) * 0.999)
    rows = np.arange(n)
    event = np.column_stack([x, x.sum(axis=1) + off])
    features = {"event": event, "identity": (first_event + rows)[:, np.newaxis]}
    return Sample(m_jj, {k: v.astype(np.float32) for k, v in features.items()}, rows, n, "toys", first_event)


def pools_of(n: int, n_signal: int = 600, seed: int = 1) -> Pools:
    """Background and resonance."""
    rng = np.random.default_rng(seed)
    return Pools(background(n, rng), BINS, {"signal": resonance(n_signal, rng, n)})


def drawn(pools: Pools, epsilon: int = 0, index: int = 0, kind: Kind = Kind.DOPED) -> DataSet:
    """A data set, by default a pseudo-experiment: a bootstrap of the background, and signal."""
    task = Task(kind if epsilon or kind is Kind.OBSERVED else Kind.BACKGROUND_ONLY, epsilon, index, "signal")
    return draw_data_set(pools, task, 1)


def observed(pools: Pools, epsilon: int = 0) -> DataSet:
    """All background events, each once, and signal."""
    return drawn(pools, epsilon, kind=Kind.OBSERVED)


def inputs_of(pools: Pools) -> Inputs:
    """The whole samples."""
    signals = {name: whole(sample, pools.bins) for name, sample in pools.signals.items()}
    return Inputs({"background": whole(pools.background, pools.bins), **signals})


def search_of(section: CutAndFit, pools: Pools) -> ScoreSearch:
    """The search of a section, as a card makes it."""
    return build("toy", section, Context(toy_card(searches={"toy": section}), pools))

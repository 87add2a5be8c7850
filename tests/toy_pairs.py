"""Toy events of two jets, independent of each other in background, and a resonance of unlike ones.

Feature `jets`, (n, 2, 3): a mass in GeV and two numbers of its substructure; `words`: counts of events; `shapes`:
the numbers alone, of both jets.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from toy_card import toy_card
from toy_views import BINS, CURVE

from hepcs.datasets.bootstrap import EventView, whole
from hepcs.datasets.samples import Pools, Sample
from hepcs.searches.base import Inputs
from hepcs.searches.cut_and_fit.search import CutResult, ScoreSearch, build
from hepcs.searches.cut_and_fit.section import CutAndFit
from hepcs.searches.kinds import Context

COLUMNS = {
    "jets": ("mass", "shape_1", "shape_2"),
    "words": tuple(f"word_{number}" for number in range(12)),
    "shapes": tuple(f"shape_{number}" for number in range(4)),
}
_MIXED = np.linspace(3.0, 0.1, 12)
_SIGNAL = np.linspace(0.1, 3.0, 12)


def _events(
    bins: np.ndarray, jets: np.ndarray, words: np.ndarray, rng: np.random.Generator, first: int
) -> Sample:
    n = len(bins)
    m_jj = 3000 + 100 * (bins + rng.random(n) * 0.999)
    rows = np.arange(n)
    features = {
        "jets": jets,
        "words": words,
        "shapes": jets[..., 1:].reshape(n, 4),
        "identity": np.repeat((first + rows)[:, np.newaxis, np.newaxis], 2, axis=1),
    }
    return Sample(m_jj, {k: v.astype(np.float32) for k, v in features.items()}, rows, n, "toys", first)


def background(n: int, rng: np.random.Generator, first: int = 0, *, shift: float = 0.0) -> Sample:
    """Falling masses, and shapes of which one follows the other; `shift` moves the shapes."""
    bins = rng.choice(16, n, p=CURVE / CURVE.sum())
    mass = (3000 + 100 * bins[:, np.newaxis]) * rng.lognormal(-3.0, 0.4, (n, 2))
    shape = rng.normal(size=(n, 2)) + shift
    jets = np.stack([mass, shape, shape + 0.3 * rng.normal(size=(n, 2))], axis=-1)
    return _events(bins, jets, rng.poisson(_MIXED, (n, 12)), rng, first)


def resonance(n: int, rng: np.random.Generator, first: int) -> Sample:
    """Masses of 500 and 250 GeV in the bins 6 and 7, in any order; shapes off the others' line."""
    mass = rng.normal([500.0, 250.0], 15.0, (n, 2))
    mass = np.where(rng.random((n, 1)) < 0.5, mass, mass[:, ::-1])
    shape = rng.normal(1.0, 0.2, (n, 2))
    jets = np.stack([mass, shape, shape - 1.0 + 0.2 * rng.normal(size=(n, 2))], axis=-1)
    return _events(rng.integers(6, 8, n), jets, rng.poisson(_SIGNAL, (n, 12)), rng, first)


def pairs_of(n: int, n_signal: int = 600, seed: int = 1, *, simulated: int = 0, shift: float = 0.0) -> Pools:
    """Background and resonance, a prior of the resonance, and simulated background."""
    rng = np.random.default_rng(seed)
    others = {"priors.wide": resonance(400, rng, n + n_signal)}
    if simulated:
        others["simulation"] = background(simulated, rng, n + n_signal + 400, shift=shift)
    return Pools(background(n, rng), BINS, {"signal": resonance(n_signal, rng, n)}, None, others)


def inputs_of(pools: Pools) -> Inputs:
    """The whole samples that are no truth."""
    samples = {"background": pools.background, **pools.others}
    return Inputs({role: whole(sample, pools.bins) for role, sample in samples.items()})


def search_of(section: CutAndFit, pools: Pools) -> ScoreSearch:
    """The search of a section, as a card makes it."""
    return build("toy", section, Context(toy_card(searches={"fit": {"kind": "dijet_fit"}}), pools, COLUMNS))


def found_in(search: ScoreSearch, data: EventView, inputs: Inputs | None = None, seed: int = 1) -> CutResult:
    """What a search finds."""
    rng, samples = np.random.default_rng(seed), inputs or Inputs()
    return search.judge(search.fit(data, samples, rng), data, samples, rng)


def shuffled(data: EventView, feature: str, rng: np.random.Generator, jet: Any = slice(None)) -> EventView:
    """A data set whose events have the features of others: no label means anything."""
    (part,) = data.parts
    values = part.sample.features[feature].copy()
    values[:, jet] = values[rng.permutation(len(values))][:, jet]
    sample = replace(part.sample, features={**part.sample.features, feature: values})
    return replace(data, parts=(replace(part, sample=sample),))

"""Toy events for the tests: two back-to-back jets of a few particles each; a signal's jets have two prongs."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np

from hepcs.sources.writing import RootWriter

PARTICLES = 14


def toy_events(n: int, rng: np.random.Generator, *, resonance: float | None = None) -> ak.Array:
    """n events with m_jj falling from 2900 GeV, or around a resonance."""
    mass = 2900 + rng.exponential(560, size=n) if resonance is None else rng.normal(resonance, 50, size=n)
    share = rng.dirichlet(np.full(PARTICLES, 0.6), size=(n, 2))
    pt = np.maximum(share, 1e-4) * (mass / 2)[:, None, None]
    width = rng.choice([0.04, 0.08, 0.15], size=(n, 2, 1)) if resonance is None else 0.03
    eta = rng.normal(size=pt.shape) * width
    phi = rng.normal(size=pt.shape) * width
    if resonance is not None:
        prong = rng.integers(0, 2, size=pt.shape)
        phi += np.where(prong, 0.3, -0.3)
    centre = rng.uniform(-np.pi, np.pi, size=(n, 1, 1)) + np.array([0, np.pi])[None, :, None]
    phi = (phi + centre + np.pi) % (2 * np.pi) - np.pi
    columns = {"pt": pt, "eta": eta, "phi": phi, "mass": np.zeros_like(pt)}
    flat = ak.zip({name: values.reshape(-1) for name, values in columns.items()})
    return ak.unflatten(flat, np.full(n, 2 * PARTICLES))


def write_toys(path: Path, n: int, seed: int, *, resonance: float | None = None) -> Path:
    """A ROOT file of toy events, labelled."""
    rng = np.random.default_rng(seed)
    with RootWriter(path) as writer:
        writer.write(toy_events(n, rng, resonance=resonance), np.full(n, int(resonance is not None)))
    return path


def write_mixture(path: Path, n_background: int, n_signal: int, seed: int) -> Path:
    """A ROOT file of labelled background and signal events, in random order."""
    rng = np.random.default_rng(seed)
    events = ak.concatenate([toy_events(n_background, rng), toy_events(n_signal, rng, resonance=3500.0)])
    labels = np.repeat([0, 1], [n_background, n_signal])
    order = rng.permutation(len(labels))
    with RootWriter(path) as writer:
        writer.write(events[order], labels[order])
    return path

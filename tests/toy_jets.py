"""Toy jets: constituents around a few prongs, and their four-momenta in the forms that packages want."""

from __future__ import annotations

from collections.abc import Sequence

import awkward as ak
import numpy as np

from hepcs.jets.kinematics import four_momenta


def jets_of(*jets: Sequence[tuple[float, float, float]]) -> ak.Array:
    """Jets from (pt, eta, phi) of each constituent."""
    counts = [len(jet) for jet in jets]
    flat = np.array([particle for jet in jets for particle in jet], dtype=float).reshape(-1, 3)
    return ak.unflatten(ak.zip(dict(zip(("pt", "eta", "phi"), flat.T, strict=True))), counts)


def toy_jets(n: int, rng: np.random.Generator, *, prongs: int | None = None, width: float = 0.03) -> ak.Array:
    """n jets of 12 to 80 constituents around one to four prongs at distances of some 0.3; about 1 TeV each."""
    jets = []
    for _ in range(n):
        m, k = rng.integers(12, 81), prongs or rng.integers(1, 5)
        angle = rng.uniform(0, 2 * np.pi) + np.arange(k) * 2 * np.pi / k
        centres = rng.uniform([-1.5, -3], [1.5, 3]) + 0.3 * np.column_stack([np.cos(angle), np.sin(angle)])
        place = centres[rng.integers(0, k, m)] + width * rng.standard_t(3, (m, 2))
        pt = rng.dirichlet(np.full(m, 0.5)) * rng.uniform(800, 2000)
        jets.append(list(zip(np.maximum(pt, 1e-3), *place.T, strict=True)))
    return jets_of(*jets)


def momenta_of(jets: ak.Array) -> tuple[np.ndarray, np.ndarray]:
    """Four-momenta (E, px, py, pz) of massless constituents, jet after jet, and where each jet begins."""
    flat = ak.flatten(jets)
    pt, eta, phi = (ak.to_numpy(flat[name]).astype(float) for name in ("pt", "eta", "phi"))
    offsets = np.concatenate([[0], np.cumsum(ak.to_numpy(ak.num(jets)))])
    return four_momenta(pt, eta, phi, np.zeros_like(pt)), offsets


def fastjet_sequence(jets: ak.Array, algorithm: str):
    """fastjet's own clustering of each jet, for its own functions."""
    import fastjet

    momenta, offsets = momenta_of(jets)
    flat = ak.zip({name: momenta[:, i] for i, name in enumerate(("E", "px", "py", "pz"))})
    kind = {"kt": fastjet.kt_algorithm, "cambridge": fastjet.cambridge_algorithm}[algorithm]
    return fastjet.ClusterSequence(ak.unflatten(flat, np.diff(offsets)), fastjet.JetDefinition(kind, 1000.0))

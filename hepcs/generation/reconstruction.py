"""From generated particles to the objects of an event: a simple reconstruction in the manner of Delphes.

Electrons and muons are found with the efficiency of their tracks and smeared, electrons by the electromagnetic
calorimeter, muons by the tracker. All else passes :mod:`hepcs.generation.detector`. A lepton is isolated if what
lies within 0.3 of it has less than 0.45 of its pT (Cerri et al., JHEP 05 (2019) 036); others are parts of jets.
Jets are those of the anti-kT algorithm with R = 0.4; the missing transverse energy is that of all that is seen.
Simpler than Delphes: no pile-up and none that is taken off, no corrections of energies, no false leptons of jets,
no muons beyond the tracker.
"""

from __future__ import annotations

from typing import Any

import awkward as ak
import fastjet
import numpy as np
from numpy.typing import NDArray

from hepcs.config.event_objects import (
    ELECTRON,
    JET,
    MET,
    MUON,
    N_ROWS,
    OBJECT_TYPES,
    TRIGGER_PT,
    ObjectType,
)
from hepcs.generation import detector

ISOLATION_RADIUS = 0.3
ISOLATION_MAX = 0.45
JET_RADIUS = 0.4
_SPECIES = {ELECTRON: detector.ELECTRON, MUON: detector.MUON}


def may_trigger(particles: Any, pt_min: float = TRIGGER_PT - 3) -> NDArray[np.bool_]:
    """Which events have a lepton that may pass the trigger once it is smeared, shape (n,)."""
    return np.asarray(ak.any(_leptons(particles, pt_min), axis=1))


def passes_trigger(events: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Which events (n, 19, 4) have an electron or a muon above the threshold, shape (n,)."""
    return np.asarray((events[:, ELECTRON.first : MUON.last, 0] > TRIGGER_PT).any(axis=1))


def _leptons(particles: Any, pt_min: float) -> Any:
    """Mask of the particles that are electrons or muons within the limits."""
    abs_eta = np.abs(particles.eta)
    inside = False
    for kind, species in _SPECIES.items():
        inside = inside | ((particles.species == species) & (abs_eta < kind.abs_eta_max))
    return inside & (particles.pt > pt_min)


def reconstruct(
    particles: Any, response: detector.DetectorResponse, rng: np.random.Generator
) -> NDArray[np.float32]:
    """The objects of events.

    Parameters
    ----------
    particles
        As of :func:`hepcs.generation.detector.smear`.
    response
        The numbers of the detector.
    rng
        Source of the random numbers.

    Returns
    -------
    ndarray
        Shape (n, 19, 4): pT in GeV, eta, phi in (-pi, pi], id; the hardest first, and zeros behind them.
    """
    # A little below the limit: leptons are smeared upwards, too.
    candidate = _leptons(particles, 0.8 * ELECTRON.pt_min)
    found = ak.flatten(candidate)
    pt, abs_eta = (ak.to_numpy(ak.flatten(one)) for one in (particles.pt, np.abs(particles.eta)))
    seen = ak.to_numpy(found) & (rng.random(len(pt)) < response.track_efficiency(pt, abs_eta))
    candidate = ak.unflatten(seen, ak.num(particles.pt))
    leptons = _smeared(particles[candidate], response, rng)
    others = detector.smear(particles[~candidate], response, rng)
    isolated = _isolation(leptons, others) < ISOLATION_MAX
    good = isolated & (leptons.pt > np.where(leptons.species == detector.MUON, MUON.pt_min, ELECTRON.pt_min))
    chosen = leptons[good]
    rest = ak.concatenate(
        [others, ak.zip({name: leptons[~good][name] for name in ("pt", "eta", "phi")})], axis=1
    )
    result = np.zeros((len(leptons), N_ROWS, 4), dtype=np.float32)
    for kind, species in _SPECIES.items():
        _fill(result, chosen[chosen.species == species], kind)
    _fill(result, _jets(rest), JET)
    px, py = (
        -ak.sum(rest.pt * f(rest.phi), axis=1) - ak.sum(chosen.pt * f(chosen.phi), axis=1)
        for f in (np.cos, np.sin)
    )
    result[:, MET.first, 0] = np.hypot(px, py)
    result[:, MET.first, 2] = np.arctan2(py, px)
    result[:, MET.first, 3] = MET.code
    return result


def _smeared(leptons: Any, response: detector.DetectorResponse, rng: np.random.Generator) -> Any:
    counts = ak.num(leptons.pt)
    pt, eta, energy, kind = (
        ak.to_numpy(ak.flatten(leptons[name])) for name in ("pt", "eta", "energy", "species")
    )
    relative = np.where(
        kind == detector.MUON,
        response.track_resolution(pt, np.abs(eta)),
        response.ecal.resolution(energy, np.abs(eta)) / energy,
    )
    measured = pt * np.exp(relative * rng.standard_normal(pt.size) - relative**2 / 2)
    return ak.with_field(leptons, ak.unflatten(measured, counts), "pt")


def _isolation(leptons: Any, others: Any) -> Any:
    """Sum of the pT of others near each lepton, in units of its own."""
    pairs = ak.cartesian({"lepton": leptons, "other": others}, axis=1, nested=True)
    phi = np.abs(pairs.lepton.phi - pairs.other.phi)
    distance = np.hypot(pairs.lepton.eta - pairs.other.eta, np.minimum(phi, 2 * np.pi - phi))
    return ak.sum(ak.where(distance < ISOLATION_RADIUS, pairs.other.pt, 0.0), axis=-1) / leptons.pt


def _jets(particles: Any) -> Any:
    """Anti-kT jets, n x var x {pt, eta, phi}."""
    momenta = ak.zip(
        {
            "px": particles.pt * np.cos(particles.phi),
            "py": particles.pt * np.sin(particles.phi),
            "pz": particles.pt * np.sinh(particles.eta),
            "E": particles.pt * np.cosh(particles.eta),
        },
        with_name="Momentum4D",
    )
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, JET_RADIUS)
    jets = fastjet.ClusterSequence(momenta, definition).inclusive_jets(min_pt=JET.pt_min)
    pt = np.hypot(jets.px, jets.py)
    jets = ak.zip({"pt": pt, "eta": np.arcsinh(jets.pz / pt), "phi": np.arctan2(jets.py, jets.px)})
    return jets[np.abs(jets.eta) < JET.abs_eta_max]


def _fill(events: NDArray[np.float32], objects: Any, kind: ObjectType) -> None:
    """Put the hardest objects into their rows."""
    objects = objects[ak.argsort(objects.pt, axis=1, ascending=False)][:, : kind.most]
    rows = events[:, kind.first : kind.last]
    for column, name in enumerate(("pt", "eta", "phi")):
        padded = ak.fill_none(ak.pad_none(objects[name], kind.most, axis=1, clip=True), 0.0)
        rows[..., column] = ak.to_numpy(padded)
    # In single precision pi can be more than pi.
    rows[..., 2] = np.clip(rows[..., 2], *PHI_LIMITS)
    rows[..., 3] = np.where(rows[..., 0] > 0, kind.code, 0)


PHI_LIMITS = (np.nextafter(np.float32(-np.pi), np.float32(0)), np.nextafter(np.float32(np.pi), np.float32(0)))
assert all(kind.last <= N_ROWS for kind in OBJECT_TYPES)

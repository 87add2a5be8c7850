"""Leptons of heavy hadrons, by decaying each hadron often: QCD events with an isolated lepton, at a price.

One hadron in thousands gives an isolated lepton above the trigger's threshold. Of each kind of hadron many decays
are made once, at rest. A hadron is decayed by drawing among them, turning and boosting: so a share f of the
`TRIES` decays of an event passes, an unbiased estimate of its probability to pass. The event is taken with the
probability f / `MOST`, with one of the decays that pass: as often, relative to others, as if each were decayed
once. Events with f above `MOST` are always taken, which is too seldom: a tenth of the sum of all f lies above it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from hepcs.config.event_objects import TRIGGER_PT

HEAVY = (411, 421, 431, 4122, 4132, 4232, 4332, 511, 521, 531, 541, 5122, 5132, 5232, 5332)
"""Hadrons with bottom or charm that decay weakly, by their codes."""

LIBRARY = 500
"""Decays of each kind of hadron that are drawn from."""

NEAR = 0.3
TRIES = 200
MOST = 0.03

# A little below what the reconstruction asks for, after its smearing.
_PT_MIN = TRIGGER_PT - 1.5
_ISOLATION = 0.6
INVISIBLE = (12, 14, 16)
_LEPTONS = (11, 13)

Floats = NDArray[np.float64]


class Decays(NamedTuple):
    """Decays of one kind of hadron at rest: codes (l, p) with 0 behind the last product, and momenta (l, p, 4).

    Momenta are px, py, pz, E in units of the mass of the hadron.
    """

    codes: NDArray[np.int64]
    momenta: Floats


class DecayLibrary:
    """Decays of each kind of hadron, made when the first of the kind is met, by a Pythia without hard process."""

    def __init__(self, decayer: Any, size: int = LIBRARY) -> None:
        self._decayer, self.size = decayer, size
        self._known: dict[int, Decays] = {}

    def __getitem__(self, code: int) -> Decays:
        """Decays of hadrons with a code; particles and antiparticles are two kinds."""
        if code not in self._known:
            self._known[code] = _decays(self._decayer, code, self.size)
        return self._known[code]


def _decays(decayer: Any, code: int, size: int) -> Decays:
    mass = decayer.particleData.m0(code)
    found = []
    for _ in range(size):
        decayer.event.reset()
        decayer.event.append(code, 83, 0, 0, 0.0, 0.0, 0.0, mass, mass)
        decayer.moreDecays()
        particles = map(decayer.event.__getitem__, range(decayer.event.size()))
        found.append([(p.id(), p.px(), p.py(), p.pz(), p.e()) for p in particles if p.isFinal()])
    most = max(map(len, found))
    table = np.zeros((size, most, 5))
    for row, products in zip(table, found, strict=True):
        row[: len(products)] = products
    return Decays(table[..., 0].astype(np.int64), table[..., 1:] / mass)


@dataclass(frozen=True)
class Hadrons:
    """Heavy hadrons of n events.

    Attributes
    ----------
    event, code
        Of each, shape (m,), the events in order.
    momentum
        px, py, pz, E in GeV, shape (m, 4).
    near
        Sum of the pT of what else is seen within `NEAR` of it, GeV, shape (m,).
    """

    event: NDArray[np.int64]
    code: NDArray[np.int64]
    momentum: Floats
    near: Floats


class Products(NamedTuple):
    """Stable particles in flat columns: event (p,), code (p,), px, py, pz, E (p, 4)."""

    event: NDArray[np.int64]
    code: NDArray[np.int64]
    momentum: Floats


def decayed(hadrons: Hadrons, n_events: int, library: DecayLibrary, rng: np.random.Generator) -> Products:
    """What the hadrons of the events that are taken decay to; see the module.

    Parameters
    ----------
    hadrons
        All heavy hadrons of the events.
    n_events
        n.
    library
        Their decays.
    rng
        For decays and events.
    """
    drawn = rng.integers(library.size, size=(len(hadrons.code), TRIES))
    turned = Rotation.random(len(hadrons.code), random_state=rng).as_matrix()
    passes = np.zeros((n_events, TRIES), dtype=np.bool_)
    # No product has more pT than its hadron.
    for i in np.flatnonzero(np.hypot(*hadrons.momentum[:, :2].T) > _PT_MIN):
        decays = library[int(hadrons.code[i])]
        passes[hadrons.event[i]] |= _passes(
            decays, drawn[i], turned[i], hadrons.momentum[i], float(hadrons.near[i])
        )
    share = passes.mean(axis=1)
    taken = np.flatnonzero(rng.random(n_events) < share / MOST)
    # One of the tries that pass, at random.
    tries = np.argmax(passes[taken] * rng.random((len(taken), TRIES)), axis=1)
    of_event = dict(zip(taken.tolist(), tries.tolist(), strict=True))
    parts = []
    for i in np.flatnonzero(np.isin(hadrons.event, taken)):
        decays, event = library[int(hadrons.code[i])], int(hadrons.event[i])
        row = drawn[i, of_event[event]]
        there = decays.codes[row] != 0
        momenta = _boosted(decays.momenta[row][there], turned[i], hadrons.momentum[i])
        parts.append(Products(np.full(there.sum(), event), decays.codes[row][there], momenta))
    if not parts:
        return Products(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 4)))
    return Products(*map(np.concatenate, zip(*parts, strict=True)))


def _passes(
    decays: Decays, rows: NDArray[np.integer[Any]], turned: Floats, hadron: Floats, near: float
) -> NDArray[np.bool_]:
    """Which decays have a lepton that may trigger, and little of the hadron near it, shape (tries,)."""
    kind = np.abs(decays.codes[rows])
    lepton = np.isin(kind, _LEPTONS)
    found = np.zeros(len(rows), dtype=np.bool_)
    some = np.flatnonzero(lepton.any(axis=1))
    momenta = _boosted(decays.momenta[rows[some]], turned, hadron)
    pt = np.hypot(momenta[..., 0], momenta[..., 1])
    hard = lepton[some] & (pt > _PT_MIN)
    for place, product in np.argwhere(hard):
        p, of_all = momenta[place], pt[place]
        visible = (kind[some[place]] > 0) & ~np.isin(kind[some[place]], INVISIBLE)
        visible[product] = False
        eta, phi = np.arcsinh(p[:, 2] / np.maximum(of_all, 1e-12)), np.arctan2(p[:, 1], p[:, 0])
        distance = np.abs(phi - phi[product])
        around = np.hypot(eta - eta[product], np.minimum(distance, 2 * np.pi - distance)) < NEAR
        found[some[place]] |= near + of_all[around & visible].sum() < _ISOLATION * of_all[product]
    return found


def _boosted(momenta: Floats, turned: Floats, hadron: Floats) -> Floats:
    """Momenta (..., 4), in units of the mass, of products at rest; GeV, of those of a hadron with `hadron`."""
    mass = np.sqrt(max(hadron[3] ** 2 - np.square(hadron[:3]).sum(), 0.0))
    space, energy = momenta[..., :3] @ turned.T * mass, momenta[..., 3] * mass
    along = space @ hadron[:3]
    factor = (along / (hadron[3] + mass) + energy) / mass
    return np.concatenate(
        [
            space + factor[..., np.newaxis] * hadron[:3],
            ((along + energy * hadron[3]) / mass)[..., np.newaxis],
        ],
        axis=-1,
    )

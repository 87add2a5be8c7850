"""Blocks of event objects from Pythia 8, of events that pass the lepton trigger.

Those of QCD are made without decays of heavy hadrons, which :mod:`hepcs.generation.heavy_decays` makes.
"""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ComputationError
from hepcs.config.event_objects import GeneratedObjects
from hepcs.generation.heavy_decays import HEAVY, INVISIBLE, NEAR, DecayLibrary, Hadrons, decayed
from hepcs.generation.object_processes import OBJECT_PROCESSES, PROPORTIONS
from hepcs.generation.pythia_events import RESPONSE, seed_of, seen_particles, started, visible_particles
from hepcs.generation.reconstruction import may_trigger, passes_trigger, reconstruct

BATCH = 500
"""Events that are generated at once."""

OBJECT_CODE_VERSION = 1
"""Raised when the same section would give other events."""

_BACKGROUND_CODE = 119
# Batches without any event that passes, after which something is wrong.
_PATIENCE = 100
_COMMON = ("Print:quiet = on", "Check:history = off", "Beams:eCM = 13000.0", "PartonLevel:MPI = off")


def object_settings(process: str) -> tuple[str, ...]:
    """The settings of Pythia for a process, without the seed."""
    one = OBJECT_PROCESSES[process]
    stable = tuple(f"{code}:mayDecay = off" for code in HEAVY) if one.heavy_decays else ()
    return (*_COMMON, *one.settings, *stable)


def processes_of(section: GeneratedObjects) -> tuple[str, ...]:
    """The processes that a sample is made of."""
    return tuple(PROPORTIONS) if section.process == "background" else (section.process,)


def composition(n_events: int, block: int) -> dict[str, int]:
    """Events of each process in a block of the background, by the proportions; what is left over goes around."""
    exact = {name: share * n_events for name, share in PROPORTIONS.items()}
    # So that rare ones are in one block of several, by the fraction that is left over.
    counts = {
        name: int(np.floor((block + 1) * value)) - int(np.floor(block * value))
        for name, value in exact.items()
    }
    counts["w"] = n_events - sum(count for name, count in counts.items() if name != "w")
    return counts


def generate_objects(section: GeneratedObjects, index: int, n_events: int) -> NDArray[np.float32]:
    """The events of a block, shape (n, 19, 4), those of the background in random order.

    Seeds: ``SeedSequence(section.seed, spawn_key=(process, index))``.

    Raises
    ------
    MissingDependencyError, ComputationError
        If pythia8mc is missing, or nothing passes the trigger.
    """
    if section.process != "background":
        return _of_process(section.process, section.seed, index, n_events)
    parts = [
        _of_process(name, section.seed, index, count)
        for name, count in composition(n_events, index).items()
        if count
    ]
    order = np.random.default_rng(np.random.SeedSequence(section.seed, spawn_key=(_BACKGROUND_CODE, index)))
    return order.permutation(np.concatenate(parts))


def _of_process(name: str, seed: int, index: int, n_events: int) -> NDArray[np.float32]:
    process = OBJECT_PROCESSES[name]
    of_pythia, of_detector = np.random.SeedSequence(seed, spawn_key=(process.code, index)).spawn(2)
    pythia = started(object_settings(name), seed_of(of_pythia), process.text)
    rng = np.random.default_rng(of_detector)
    library = None
    if process.heavy_decays:
        settings = ("Print:quiet = on", "ProcessLevel:all = off")
        library = DecayLibrary(started(settings, seed_of(of_pythia.spawn(1)[0]), "decays"))
    found: list[NDArray[np.float32]] = []
    missing, idle = n_events, 0
    while missing > 0:
        events = pythia.nextBatch(BATCH, 1.5)
        particles = visible_particles(events) if library is None else _with_leptons(events, library, rng)
        chosen = particles[may_trigger(particles)]
        objects = reconstruct(chosen, RESPONSE, rng)
        objects = objects[passes_trigger(objects)][:missing]
        idle = 0 if len(objects) else idle + 1
        if idle == _PATIENCE:
            raise ComputationError(
                f"none of {_PATIENCE * BATCH} events of {process.text} has a lepton that passes the trigger"
            )
        missing -= len(objects)
        found.append(objects)
    return np.concatenate(found)


def _with_leptons(events: Any, library: DecayLibrary, rng: np.random.Generator) -> Any:
    """Visible particles of the events that are taken for the leptons of their heavy hadrons."""
    prt = events.prt
    stable = prt.status > 0
    codes = ak.to_numpy(ak.flatten(prt.id[stable])).astype(np.int64)
    momenta = np.stack(
        [ak.to_numpy(ak.flatten(prt.p[name][stable])) for name in ("px", "py", "pz", "e")], axis=1
    )
    event = np.repeat(np.arange(len(events)), ak.to_numpy(ak.sum(stable, axis=1)))
    heavy = np.isin(np.abs(codes), HEAVY)
    near = _near(event, momenta, heavy, ~heavy & ~np.isin(np.abs(codes), INVISIBLE))
    hadrons = Hadrons(event[heavy], codes[heavy], momenta[heavy], near)
    products = decayed(hadrons, len(events), library, rng)
    light = ~heavy & np.isin(event, products.event)
    event, codes, momenta = (
        np.concatenate(pair)
        for pair in zip((event[light], codes[light], momenta[light]), products, strict=True)
    )
    order = np.argsort(event, kind="stable")
    counts = np.unique(event, return_counts=True)[1]
    px, py, pz, energy = momenta[order].T
    return seen_particles(codes[order], px, py, pz, energy, counts)


def _near(
    event: NDArray[np.int64],
    momenta: NDArray[np.float64],
    these: NDArray[np.bool_],
    others: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Sum of the pT of others in the same event within `NEAR` of each of these, GeV; masks of flat particles."""
    pt = np.maximum(np.hypot(momenta[:, 0], momenta[:, 1]), 1e-12)
    eta, phi = np.arcsinh(momenta[:, 2] / pt), np.arctan2(momenta[:, 1], momenta[:, 0])
    found = np.zeros(int(these.sum()))
    candidates = np.flatnonzero(others)
    starts, ends = (np.searchsorted(event[candidates], event[these], side=side) for side in ("left", "right"))
    for i, (row, start, end) in enumerate(zip(np.flatnonzero(these), starts, ends, strict=True)):
        rows = candidates[start:end]
        distance = np.abs(phi[rows] - phi[row])
        inside = np.hypot(eta[rows] - eta[row], np.minimum(distance, 2 * np.pi - distance)) < NEAR
        found[i] = pt[rows][inside].sum()
    return found

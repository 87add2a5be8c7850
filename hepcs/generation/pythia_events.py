"""Events of Pythia 8 with particle-level detector smearing, one block at a time.

The processes of :mod:`hepcs.generation.processes`, generated as those of the LHC Olympics 2020 were: no multiple
parton interactions, no pile-up. A block has seeds of its own, so its content depends on the section of the card
and the number of the block alone, and not on how many processes share the work, nor on what was made before.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ComputationError, MissingDependencyError
from hepcs._core.requirements import pip_install
from hepcs.config.sources import PythiaSource
from hepcs.generation import detector
from hepcs.generation.processes import PROCESSES

log = logging.getLogger(__name__)

ANGLE_STEPS = 1024
"""eta and phi are stored in steps of 1 / ANGLE_STEPS: a fortieth of a pixel of the jet images."""

PT_MANTISSA_BITS = 10
"""pT is stored with a relative rounding error of at most 2^-11, well below every resolution of the detector."""

BATCH = 250
"""Events converted at once: the full event record takes 0.1 MB each."""

RESPONSE = detector.DetectorResponse()
"""The detector that all generated events pass."""

_PYTHIA_SEEDS = 900_000_000
# Pythia gives up an event now and then; one in ten would mean that something is wrong.
_ATTEMPTS_PER_EVENT = 1.1
_SPARE_ATTEMPTS = 20


@dataclass(frozen=True)
class GeneratedBlock:
    """One block of a sample: its number, from which its seeds follow, and how many events it has."""

    index: int
    n_events: int


def pythia_settings(section: PythiaSource) -> tuple[str, ...]:
    """The settings of Pythia for a section of the card, without the seed."""
    return (
        "Print:quiet = on",
        # Costs a twentieth of the time and looks at mothers and daughters only, which nothing here uses.
        "Check:history = off",
        f"Beams:eCM = {section.sqrt_s!r}",
        "PartonLevel:MPI = off",
        *PROCESSES[section.process].settings(section),
        *(line.strip() for line in section.settings or ()),
    )


def start_pythia(section: PythiaSource, seed: int) -> Any:
    """An initialised Pythia for a section of the card.

    Parameters
    ----------
    section
        Section of the card.
    seed
        Pythia's own seed, 1 to 900,000,000.

    Raises
    ------
    MissingDependencyError
        If pythia8mc is not installed.
    ComputationError
        If Pythia refuses a setting, or finds no phase space for them.
    """
    return started(pythia_settings(section), seed, _described(section))


def started(settings: Sequence[str], seed: int, what: str) -> Any:
    """An initialised Pythia with settings for `what`; arguments and errors as of :func:`start_pythia`."""
    try:
        import pythia8mc
    except ImportError as error:
        raise missing_pythia() from error
    pythia = pythia8mc.Pythia("", False)
    settings = (*settings, "Random:setSeed = on", f"Random:seed = {seed}")
    refused = [line for line in settings if not pythia.readString(line)]
    if refused:
        raise ComputationError(f"Pythia does not take the settings {refused}; it said why above")
    if not pythia.init():
        raise ComputationError(
            f"Pythia cannot start {what}: its settings leave no phase space, or contradict each other. Check the "
            "masses, pt_hat_min and sqrt_s of the section"
        )
    return pythia


def seed_of(sequence: np.random.SeedSequence) -> int:
    """Pythia's own seed, 1 to 900,000,000."""
    return 1 + int(sequence.generate_state(1, np.uint64)[0]) % _PYTHIA_SEEDS


def visible_particles(events: Any) -> Any:
    """The particles that a detector could see, from Pythia's event records.

    Parameters
    ----------
    events
        What ``pythia.nextBatch(n)`` returns.

    Returns
    -------
    Awkward array n x var x {pt, eta, phi, energy, species}: stable particles without neutrinos and
    without those exactly along the beam; GeV and radians, float64.
    """
    particles = events.prt
    stable = ak.to_numpy(ak.flatten(particles.status)) > 0
    ids, px, py, pz, energy = (
        ak.to_numpy(ak.flatten(one))[stable]
        for one in (particles.id, *(particles.p[name] for name in ("px", "py", "pz", "e")))
    )
    ends = np.concatenate(([0], np.cumsum(ak.to_numpy(ak.num(particles)))))
    counts = np.diff(np.concatenate(([0], np.cumsum(stable)))[ends])
    return seen_particles(ids, px, py, pz, energy, counts)


def seen_particles(
    ids: NDArray[np.integer[Any]],
    px: NDArray[np.float64],
    py: NDArray[np.float64],
    pz: NDArray[np.float64],
    energy: NDArray[np.float64],
    counts: NDArray[np.integer[Any]],
) -> Any:
    """As :func:`visible_particles`, of stable particles in flat columns (m,), so many of each event, (n,)."""
    kind = detector.species(ids)
    pt = np.hypot(px, py)
    seen = (kind != detector.INVISIBLE) & (pt > 0)
    kind, px, py, pz, energy, pt = (one[seen] for one in (kind, px, py, pz, energy, pt))
    columns = (pt, np.arcsinh(pz / pt), np.arctan2(py, px), energy, kind)
    n_seen = np.diff(np.concatenate(([0], np.cumsum(seen)))[np.concatenate(([0], np.cumsum(counts)))])
    return ak.zip(
        {
            name: ak.unflatten(column, n_seen)
            for name, column in zip(detector.PARTICLE_FIELDS, columns, strict=True)
        }
    )


def round_for_storage(constituents: Any) -> Any:
    """Constituents in float32 without the meaningless last bits, so that files are a third smaller.

    pT keeps PT_MANTISSA_BITS bits of its mantissa (relative error at most 2^-11); eta and phi become multiples of
    1 / ANGLE_STEPS, phi the nearest one inside [-pi, pi].

    Parameters
    ----------
    constituents
        Awkward array n x var x {pt, eta, phi}, GeV and radians.

    Returns
    -------
    Awkward array of the same shape and fields, float32.
    """
    counts = ak.num(constituents)
    pt, eta, phi = (ak.to_numpy(ak.flatten(constituents[name])) for name in ("pt", "eta", "phi"))
    dropped = 23 - PT_MANTISSA_BITS
    # Half a step added before the cut rounds to nearest; a carry into the exponent is the right result.
    bits = pt.astype(np.float32).view(np.uint32) + np.uint32(1 << (dropped - 1))
    last_phi = np.floor(np.pi * ANGLE_STEPS)
    rounded = {
        "pt": ((bits >> np.uint32(dropped)) << np.uint32(dropped)).view(np.float32),
        "eta": (np.rint(eta * ANGLE_STEPS) / ANGLE_STEPS).astype(np.float32),
        "phi": (np.clip(np.rint(phi * ANGLE_STEPS), -last_phi, last_phi) / ANGLE_STEPS).astype(np.float32),
    }
    return ak.zip({name: ak.unflatten(values, counts) for name, values in rounded.items()})


def generate_block(section: PythiaSource, block: GeneratedBlock) -> Any:
    """Generate and smear the events of one block.

    Seeds: ``SeedSequence(section.seed, spawn_key=(process, block.index))``, of which one child seeds Pythia and
    the other the detector. An event that Pythia gives up is replaced by the next one, so the number is exact.

    Returns
    -------
    Awkward array n x var x {pt, eta, phi}, float32, rounded by :func:`round_for_storage`.

    Raises
    ------
    MissingDependencyError, ComputationError
        As :func:`start_pythia`; or if Pythia gives up too many events.
    """
    key = (PROCESSES[section.process].code, block.index)
    of_pythia, of_detector = np.random.SeedSequence(section.seed, spawn_key=key).spawn(2)
    pythia = start_pythia(section, seed_of(of_pythia))
    rng = np.random.default_rng(of_detector)
    batches = []
    for start in range(0, block.n_events, BATCH):
        particles = visible_particles(_next_events(pythia, min(BATCH, block.n_events - start), section))
        batches.append(round_for_storage(detector.smear(particles, RESPONSE, rng)))
    begun, completed = (pythia.infoPython().getCounter(i) for i in (3, 4))
    if begun > completed:
        log.info("block %d: Pythia gave up %d of %d events; replaced", block.index, begun - completed, begun)
    return ak.concatenate(batches)


def _next_events(pythia: Any, n_events: int, section: PythiaSource) -> Any:
    try:
        return pythia.nextBatch(n_events, _ATTEMPTS_PER_EVENT + _SPARE_ATTEMPTS / n_events)
    except RuntimeError as error:
        raise ComputationError(
            f"Pythia gives up too many events of {_described(section)} ({error}). Check the masses, "
            "pt_hat_min and sqrt_s of the section"
        ) from error


def _described(section: PythiaSource) -> str:
    return f"{PROCESSES[section.process].text(section)} at sqrt_s = {section.sqrt_s:g} GeV"


def missing_pythia() -> MissingDependencyError:
    """The error for a missing pythia8mc, ready to be raised."""
    return MissingDependencyError("pythia8mc", "to generate events", pip_install("pythia8mc"))

"""The dijet selection of SPEC section 1: which events are kept, with their two leading jets and m_jj."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError
from hepcs.config.preparation import Jets
from hepcs.jets import defects
from hepcs.jets.backends import (
    PARTICLE_FIELDS,
    LeadingJets,
    leading_jets,
    momenta_of,
    resolve_backend,
)
from hepcs.jets.columns import Columns, flatten
from hepcs.jets.cutflow import Cutflow, Rejection
from hepcs.jets.energy import correct_reclustered, smeared_jets, stored_leading_jets
from hepcs.jets.kinematics import invariant_mass
from hepcs.sources.base import SourceBlock

#: So many rejected events of a chunk are listed one by one; the cutflow counts all of them.
MAX_LISTED_REJECTIONS = 1000

#: Step of the cutflow where jets come from the source.
STORED = "at least two stored jets"

#: Bounds of what a particle can be, in any experiment: beyond them, a value comes from damage. No event of a
#: 100 TeV collider, the largest one planned, has a particle of more than 50 TeV (GeV here); one of them with a
#: pT of 1 MeV is at an eta of 18; and every convention of phi stays below 2 pi, with room for rounding here.
MAX_ENERGY = 50_000.0
MAX_ABS_ETA = 20.0
MAX_ABS_PHI = 7.0


@dataclass(frozen=True)
class DijetChunk:
    """Selected events of one chunk.

    Attributes
    ----------
    file
        The file that the chunk is from.
    m_jj
        Shape (n,), GeV: invariant mass of the two leading jets.
    jets
        Awkward array n x 2 x {pt, eta, phi, mass, constituents: var x {pt, eta, phi}}, leading jet first.
    entry
        Shape (n,): entry of each event in `file`.
    cutflow
        Events left after each step of the selection.
    rejections
        Events with defective input, in order of entry, the first ones only if there are very many.
    n_rejected
        Number of all events with defective input, listed or not.
    shifted
        m_jj, GeV, of the events that pass with the energies of all jets varied by their uncertainty, by the names
        of :func:`~hepcs.jets.energy.smeared_jets`; empty if there is none.
    shifted_entry
        The entry of each of these events in `file`, by the same names.
    varied
        By the same names m_jj of the n selected events themselves, shape (n,), whatever they pass when varied.
    """

    file: str
    m_jj: NDArray[np.float64]
    jets: ak.Array
    entry: NDArray[np.int64]
    cutflow: Cutflow
    rejections: tuple[Rejection, ...]
    n_rejected: int
    shifted: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    shifted_entry: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    varied: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lengths = {self.m_jj.size, len(self.jets), self.entry.size, self.cutflow.counts[-1]}
        if len(lengths) != 1:
            raise ArgumentError(f"a dijet chunk with columns of different lengths: {sorted(lengths)}")

    @property
    def n_events(self) -> int:
        """Number n of selected events."""
        return int(self.m_jj.size)

    def take(
        self, mask: NDArray[np.bool_], step: str, rejections: tuple[Rejection, ...] = (), n_rejected: int = 0
    ) -> DijetChunk:
        """The events of `mask`, shape (n,), as the further step `step` of the cutflow."""
        return DijetChunk(
            self.file,
            self.m_jj[mask],
            self.jets[mask],
            self.entry[mask],
            self.cutflow.then(step, int(mask.sum())),
            # In order of entry, so that where the list is full no kind of defect hides another one.
            tuple(sorted((*self.rejections, *rejections), key=_entry_of)[:MAX_LISTED_REJECTIONS]),
            self.n_rejected + n_rejected,
            self.shifted,
            self.shifted_entry,
            {name: m_jj[mask] for name, m_jj in self.varied.items()},
        )


def _entry_of(rejection: Rejection) -> int:
    return rejection.entry


def select_dijets(constituents: Any, section: Jets, *, file: str, first_entry: int) -> DijetChunk:
    """Recluster the events of a chunk and select dijets.

    The steps, in the order of the cutflow:

    1. entries read;
    2. readable constituents: at least one; pt, eta, phi, mass and the energy finite; pt not negative; the
       energy at most :data:`MAX_ENERGY`, ``|eta|`` :data:`MAX_ABS_ETA` and ``|phi|`` :data:`MAX_ABS_PHI`;
    3. at least two jets;
    4. leading jet pT strictly above ``section.leading_pt_min``;
    5. ``|eta|`` of both leading jets strictly below ``section.abs_eta_max``;
    6. second jet pT strictly above ``section.second_pt_min``, if there is one;
    7. ``|delta eta|`` of the two strictly below ``section.delta_eta_max``, if there is one, and strictly above
       ``section.delta_eta_min``;
    8. m_jj strictly above ``section.m_jj_min``, if there is one.

    Events that fail 2 or 3 are defects of the input, and are listed with the reason; the others are cuts. An
    event exactly at a threshold is not selected.

    Parameters
    ----------
    constituents
        Awkward array n x var x {pt, eta, phi, mass}, GeV and radians: the entries from `first_entry` on of
        `file`. Particles with pt = 0 are padding and are left out.
    section
        The card's section `jets`.
    file, first_entry
        Where the events are from, for `entry` and for the rejections.

    Raises
    ------
    ArgumentError
        If `constituents` has another form.
    InputError
        If eta and phi are likely taken for each other, see :func:`~hepcs.jets.defects.require_azimuths`.
    MissingDependencyError
        If the backend is not installed.
    """
    n_entries = len(constituents) if isinstance(constituents, ak.Array) else 0
    entry = np.arange(first_entry, first_entry + n_entries)
    return select_block(SourceBlock(constituents, entry, (("entries read", n_entries),)), section, file=file)


def select_block(block: SourceBlock, section: Jets, *, file: str) -> DijetChunk:
    """Select dijets among the events that a source gives, of which it may have left some out.

    As :func:`select_dijets`, with the steps of the source before those of the jets in the cutflow. Jets that the
    source gives are taken as they are, with the constituents that it gives them: less than two of them are no
    defect of the input then, but a step of the selection, as is a jet without constituents. Energies are corrected
    and smeared before the cuts.

    Parameters
    ----------
    block
        The events, see :meth:`hepcs.sources.base.EventSource.read_block`.
    section
        The card's section `jets`.
    file
        Where they are from.
    """
    particles = flatten(block.constituents, PARTICLE_FIELDS)
    particles = particles.take_particles(particles.fields["pt"] != 0)
    momenta = momenta_of(particles)
    readable, reasons = _find_unreadable(particles, momenta, may_be_empty=block.jets is not None)
    usable = particles.take_lists(readable)
    defects.require_azimuths(usable, file, int(block.entry[0]) if block.entry.size else 0)
    energy = None if block.energy is None else block.energy.take(readable)
    if block.jets is not None:
        found, missing = stored_leading_jets(block.jets[readable], energy), {}
        two, step = found.n_jets == 2, STORED
    else:
        found = leading_jets(
            usable,
            momenta if readable.all() else momenta[readable[particles.list_index]],
            backend=resolve_backend(section.backend),
            radius=section.radius,
        )
        two, step = found.n_jets == 2, defects.TWO_JETS
        one_jet = f"its particles make one jet of radius {section.radius:g}; expected at least two"
        missing = dict.fromkeys(np.flatnonzero(readable)[~two][:MAX_LISTED_REJECTIONS].tolist(), one_jet)
        if energy is not None:
            found = correct_reclustered(found, energy, section.radius)
    reasons |= missing
    index, jets = np.flatnonzero(readable)[two], found.take_events(two)
    variations: dict[str, LeadingJets] = {}
    if energy is not None:
        jets, variations = smeared_jets(jets, energy.take(two), section.radius)
    cuts, filled = _cuts(jets, section), np.ones(index.size, dtype=np.bool_)
    if block.jets is not None:
        filled = jets.constituents.counts.reshape(-1, 2).min(axis=1, initial=1) > 0
        cuts = {"constituents of both leading jets": filled, **cuts}
    passed = np.logical_and.accumulate(list(cuts.values()))
    selected = jets.take_events(passed[-1]).to_awkward()
    passing = {
        name: filled & np.logical_and.reduce(list(_cuts(one, section).values()))
        for name, one in variations.items()
    }
    names, counts = zip(*block.steps, strict=True)
    n_rejected = int(particles.n_lists - (two.sum() if block.jets is None else readable.sum()))
    return DijetChunk(
        file,
        invariant_mass(selected),
        selected,
        block.entry[index[passed[-1]]],
        Cutflow(
            (*names, defects.READABLE, step, *cuts),
            (*counts, int(readable.sum()), int(two.sum()), *(int(mask.sum()) for mask in passed)),
        ),
        tuple(
            Rejection(file, int(block.entry[event]), reasons[event])
            for event in sorted(reasons)[:MAX_LISTED_REJECTIONS]
        ),
        n_rejected,
        {name: variations[name].pair_mass[mask] for name, mask in passing.items()},
        {name: block.entry[index[mask]] for name, mask in passing.items()},
        {name: one.pair_mass[passed[-1]] for name, one in variations.items()},
    )


def _cuts(jets: LeadingJets, section: Jets) -> dict[str, NDArray[np.bool_]]:
    """Which events of two jets pass each cut, shape (n,), by the name of the step in the cutflow."""
    leading_pt, second_pt = jets.pt.reshape(-1, 2).T
    eta = jets.eta.reshape(-1, 2)
    central = np.abs(eta).max(axis=1, initial=0.0) < section.abs_eta_max
    cuts: dict[str, NDArray[np.bool_]] = {
        f"leading jet pT > {section.leading_pt_min:g} GeV": leading_pt > section.leading_pt_min,
        f"|eta| < {section.abs_eta_max:g} of both leading jets": central,
    }
    if section.second_pt_min is not None:
        cuts[f"second jet pT > {section.second_pt_min:g} GeV"] = second_pt > section.second_pt_min
    distance = np.abs(eta[:, 0] - eta[:, 1])
    if section.delta_eta_min is not None:
        cuts[f"|delta eta| > {section.delta_eta_min:g} of the two"] = distance > section.delta_eta_min
    if section.delta_eta_max is not None:
        cuts[f"|delta eta| < {section.delta_eta_max:g} of the two"] = distance < section.delta_eta_max
    if section.m_jj_min is not None:
        cuts[f"m_jj > {section.m_jj_min:g} GeV"] = jets.pair_mass > section.m_jj_min
    return cuts


def _find_unreadable(
    particles: Columns, momenta: NDArray[np.float64], *, may_be_empty: bool
) -> tuple[NDArray[np.bool_], dict[int, str]]:
    """Which events are readable, shape (n,), and of the first ones that are not, why."""
    problems = _problems(particles, momenta)
    readable = (particles.counts > 0) | may_be_empty
    bad = np.zeros(len(momenta), dtype=bool)
    for mask in problems.values():
        bad |= mask
    # Nearly always all is well, and which event is bad need not be asked.
    if bad.any():
        readable[particles.list_index[bad]] = False
    reasons = {}
    for event in np.flatnonzero(~readable)[:MAX_LISTED_REJECTIONS].tolist():
        start, stop = particles.offsets[event], particles.offsets[event + 1]
        if start == stop:
            reasons[event] = "no constituents"
            continue
        row = start + int(np.argmax(bad[start:stop]))
        problem = next(name for name, mask in problems.items() if mask[row])
        found = ", ".join(f"{name} = {column[row]:g}" for name, column in particles.fields.items())
        reasons[event] = f"a constituent is unusable, {problem}: {found}"
    return readable, reasons


def _problems(particles: Columns, momenta: NDArray[np.float64]) -> dict[str, NDArray[np.bool_]]:
    """Which particles are unusable, shape (particles,), by what is wrong; the first reason is the one to give."""
    pt, eta, phi = (particles.fields[name] for name in ("pt", "eta", "phi"))
    finite = np.ones(len(pt), dtype=bool)
    for column in particles.fields.values():
        finite &= np.isfinite(column)
    return {
        defects.NOT_FINITE: ~finite,
        defects.NEGATIVE: pt < 0,
        # Before the energy, which is large where eta is no pseudorapidity.
        f"{defects.NO_ETA} {MAX_ABS_ETA:g}": np.abs(eta) > MAX_ABS_ETA,
        f"{defects.NO_PHI} {MAX_ABS_PHI:g}": np.abs(phi) > MAX_ABS_PHI,
        f"{defects.TOO_ENERGETIC} {MAX_ENERGY:g} GeV": ~(momenta[:, 0] <= MAX_ENERGY),
    }

"""Jets that a file holds, with their own constituents, found by tables of indices."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import InputError
from hepcs.config.sources import Units
from hepcs.config.stored_jets import JetTables, StoredJets
from hepcs.sources.packing import IN_GEV, list_nearest, pack_constituents, require_same_counts

log = logging.getLogger(__name__)

#: Reads a branch of lists: counts, shape (n,), and flat values.
Reader = Callable[[str], tuple[NDArray[np.int64], NDArray[Any]]]

# Tables of NanoAOD v15 and of PFNano, after the name of the collection.
_TABLES = (("PFCand_jetIdx", "PFCand_pfCandIdx"), ("PFCands_jetIdx", "PFCands_pFCandsIdx"))
_MOMENTUM = ("pt", "eta", "phi", "mass")
# As Delphes names its jets, which refer to their constituents by TObject::fUniqueID.
_DELPHES = ("PT", "Eta", "Phi", "Mass")
_MISSING = -1  # place of a candidate that was not saved


@dataclass(frozen=True)
class JetBranches:
    """Branches of stored jets in a file; `raw` and `area` where the file has them."""

    momentum: tuple[str, str, str, str]
    tables: JetTables | None
    references: str | None
    identification: str | None
    raw: str | None
    area: str | None

    @property
    def named(self) -> tuple[str, ...]:
        """All of them."""
        optional = (self.identification, self.raw, self.area)
        tables = () if self.tables is None else (self.tables.jet, self.tables.constituent)
        return (*self.momentum, *tables, *(one for one in (self.references, *optional) if one))


def find_jet_branches(section: StoredJets, available: Sequence[str], path: str) -> JetBranches:
    """The branches of the jets in a file.

    Raises
    ------
    InputError
        Some are not there; the text lists the nearest names, of all of them.
    """
    prefix = section.collection
    momentum = tuple(f"{prefix}_{name}" for name in _MOMENTUM)
    tables, references = section.tables, None
    if momentum[0] not in available and f"{prefix}.{_DELPHES[0]}" in available:
        momentum, references = tuple(f"{prefix}.{name}" for name in _DELPHES), f"{prefix}.Constituents"
    elif tables is None:
        usual = [JetTables(jet=prefix + jet, constituent=prefix + other) for jet, other in _TABLES]
        tables = next((one for one in usual if one.jet in available), usual[-1])
    asked = list(momentum)
    asked += [references] if tables is None and references is not None else []
    asked += [] if tables is None else [tables.jet, tables.constituent]
    identification = section.identification.branch if section.identification else None
    if identification is not None:
        asked.append(identification)
    missing = [name for name in asked if name not in available]
    if missing:
        listed = "\n".join(f"  `{name}`; nearest: {list_nearest(name, available)}" for name in missing)
        raise InputError(
            f"{path}: `stored_jets` needs branches that are not there:\n{listed}\n  Name the `collection` and its "
            "`tables` of constituents, or remove `stored_jets` to recluster the candidates"
        )
    raw, area = (name if name in available else None for name in (f"{prefix}_rawFactor", f"{prefix}_area"))
    return JetBranches(momentum, tables, references, identification, raw, area)  # type: ignore[arg-type]


def read_stored_jets(
    section: StoredJets,
    branches: JetBranches,
    candidates: Mapping[str, NDArray[Any]],
    counts: NDArray[np.int64],
    read: Reader,
    *,
    first: str,
    pairs: Pairs | None,
    units: Units,
    uncorrected: bool,
    file: str,
    start: int,
) -> ak.Array:
    """The jets of a chunk that pass the identification, with their constituents.

    Parameters
    ----------
    section, branches
        What the card says, and the branches of the file.
    candidates, counts
        All candidates of the events, flat, by ``pt``, ``eta``, ``phi``, ``mass`` and ``weight`` as far as there
        are any, and their number in each event, shape (n,).
    read
        Reads a branch of the jets or of the tables.
    first
        Branch of the candidates, for messages.
    pairs
        Jets and constituents, where references tell, see :func:`pairs_by_reference`; read from tables if None.
    units
        Of pT and mass in the file.
    uncorrected
        Whether the energy corrections of the file are undone, ``pt (1 - rawFactor)``.
    file, start
        Where the events are from, for messages.

    Returns
    -------
    ak.Array
        n x var x {pt, eta, phi, mass, area, constituents: var x {pt, eta, phi, mass}}, GeV. Where the file has no
        area, it is NaN.

    Raises
    ------
    InputError
        Branches do not fit each other, or a table points to what is not there.
    """
    n_jets, pt = read(branches.momentum[0])
    columns = {"pt": pt}
    for key, name in zip(_MOMENTUM[1:], branches.momentum[1:], strict=True):
        columns[key] = _like(read, name, n_jets, branches.momentum[0], file, start)
    scale = np.full(len(pt), IN_GEV[units])
    if uncorrected and branches.raw is None:
        raise InputError(
            f"{file}: has no `{section.collection}_rawFactor`, so the corrections of its jets cannot be undone; "
            "take `momentum: constituents`, or remove `corrections`"
        )
    if uncorrected and branches.raw is not None:
        scale = scale * (1 - _like(read, branches.raw, n_jets, branches.momentum[0], file, start))
    columns |= {key: columns[key].astype(np.float64) * scale for key in ("pt", "mass")}
    columns["area"] = np.full(len(pt), np.nan)
    if branches.area is not None:
        columns["area"] = _like(read, branches.area, n_jets, branches.momentum[0], file, start)

    if pairs is None:
        assert branches.tables is not None
        pairs = _read_table(read, branches.tables, file, start)
    jet_of, rows = _rows_of(pairs, n_jets, counts, first, file, start)
    order = np.argsort(jet_of, kind="stable")
    taken = {key: values[rows[order]] for key, values in candidates.items()}
    members = np.bincount(jet_of, minlength=len(pt)).astype(np.int64)
    constituents = pack_constituents(members, **taken, units=units)
    if section.momentum == "constituents":
        columns |= _sums(constituents)
    fields = {key: np.asarray(values, dtype=np.float64) for key, values in columns.items()}
    flat = ak.zip({**fields, "constituents": constituents}, depth_limit=1)
    jets = ak.unflatten(flat, n_jets)
    if section.identification is None or branches.identification is None:
        return jets
    quality = _like(read, branches.identification, n_jets, branches.momentum[0], file, start)
    if quality.dtype.kind not in "bui":
        raise InputError(f"{file}: `{branches.identification}` holds {quality.dtype}; expected whole numbers")
    bits = section.identification.bits
    return ak.to_packed(jets[ak.unflatten((quality.astype(np.int64) & bits) == bits, n_jets)])


def _like(
    read: Reader, name: str, counts: NDArray[np.int64], reference: str, file: str, start: int
) -> NDArray[Any]:
    """A branch with one value for each jet."""
    found, values = read(name)
    require_same_counts(found, counts, (name, reference), file, start)
    return values


@dataclass(frozen=True)
class Pairs:
    """Jets and their constituents, shape (rows,): the event of the chunk, and their places in it; -1: missing.

    `names` are those of the branches, for messages.
    """

    event: NDArray[np.int64]
    jet: NDArray[np.int64]
    constituent: NDArray[np.int64]
    names: tuple[str, str]


def pairs_by_reference(references: ak.Array, identities: ak.Array, name: str) -> Pairs:
    """Pairs of jets that refer to their constituents, as TRefArray does.

    Parameters
    ----------
    references
        n x jets x constituents: identities of the constituents of each jet.
    identities
        n x candidates: that of each candidate, which no other one of the event has.
    name
        Branch of the references.
    """
    n_candidates = ak.to_numpy(ak.num(identities, axis=1)).astype(np.int64)
    # An event and an identity, of 32 bits, make one number.
    known = _keys(np.repeat(np.arange(len(n_candidates)), n_candidates), ak.flatten(identities, axis=1))
    place = np.arange(known.size) - np.repeat(np.cumsum(n_candidates) - n_candidates, n_candidates)
    n_members = ak.num(references, axis=2)
    n_jets = ak.to_numpy(ak.num(references, axis=1)).astype(np.int64)
    members = ak.to_numpy(ak.flatten(n_members, axis=1)).astype(np.int64)
    event = np.repeat(np.repeat(np.arange(len(n_jets)), n_jets), members)
    jet = np.repeat(np.arange(n_jets.sum()) - np.repeat(np.cumsum(n_jets) - n_jets, n_jets), members)
    wanted = _keys(event, ak.flatten(references, axis=None))
    order = np.argsort(known)
    at = np.searchsorted(known, wanted, sorter=order)
    found = np.append(order, -1)[np.minimum(at, known.size)]
    there = (found >= 0) & (np.append(known, 0)[found] == wanted)
    constituent = np.where(there, np.append(place, _MISSING)[found], _MISSING)
    return Pairs(event, jet, constituent, (name, name))


def _keys(event: NDArray[np.int64], identity: Any) -> NDArray[np.int64]:
    values: NDArray[np.int64] = np.asarray(ak.to_numpy(identity)).astype(np.int64) & 0xFFFFFFFF
    return event * 2**32 + values


def _read_table(read: Reader, tables: JetTables, file: str, start: int) -> Pairs:
    n_rows, jet = read(tables.jet)
    constituent = _like(read, tables.constituent, n_rows, tables.jet, file, start)
    event = np.repeat(np.arange(len(n_rows)), n_rows)
    names = (tables.jet, tables.constituent)
    return Pairs(event, jet.astype(np.int64), constituent.astype(np.int64), names)


def _rows_of(
    pairs: Pairs,
    n_jets: NDArray[np.int64],
    n_candidates: NDArray[np.int64],
    candidates: str,
    file: str,
    start: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Jet and candidate of each pair, counted over the chunk, shape (rows,)."""
    kept = pairs.constituent != _MISSING
    if not kept.all():
        _tell_of_missing(file, pairs.names[1])
    event, jet, constituent = pairs.event[kept], pairs.jet[kept], pairs.constituent[kept]
    for name, place, number, what in (
        (pairs.names[0], jet, n_jets, "jets"),
        (pairs.names[1], constituent, n_candidates, f"candidates in `{candidates}`"),
    ):
        wrong = np.flatnonzero((place < 0) | (place >= number[event]))
        if wrong.size:
            at = event[wrong[0]]
            raise InputError(
                f"{file}: entry {start + at}: `{name}` points to place {place[wrong[0]]}, and there are "
                f"{number[at]} {what}; expected tables of the same collections. Correct `stored_jets`"
            )
    first_jet, first = (np.cumsum(number) - number for number in (n_jets, n_candidates))
    return first_jet[event] + jet, first[event] + constituent


@cache
def _tell_of_missing(file: str, name: str) -> None:
    log.warning("%s: `%s` names candidates that were not saved; jets are without them", file, name)


def _sums(constituents: ak.Array) -> dict[str, NDArray[np.float64]]:
    """pt, eta, phi and mass of the sums of constituents, GeV; zero for a jet without any."""
    px, py, pz = (
        ak.sum(constituents.pt * function, axis=1)
        for function in (np.cos(constituents.phi), np.sin(constituents.phi), np.sinh(constituents.eta))
    )
    momentum = (constituents.pt * np.cosh(constituents.eta)) ** 2
    energy = ak.to_numpy(ak.sum(np.sqrt(momentum + constituents.mass**2), axis=1))
    px, py, pz = (ak.to_numpy(one) for one in (px, py, pz))
    pt = np.hypot(px, py)
    eta = np.arcsinh(np.divide(pz, pt, out=np.zeros_like(pt), where=pt > 0))
    squared = np.maximum(energy**2 - pt**2 - pz**2, 0.0)
    return {"pt": pt, "eta": eta, "phi": np.arctan2(py, px), "mass": np.sqrt(squared)}

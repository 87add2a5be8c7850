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
from hepcs.config.sources import Branches, Momenta, Units
from hepcs.config.stored_jets import JetTables, StoredJets
from hepcs.sources.packing import IN_GEV, list_nearest, pack_constituents, require_same_counts

log = logging.getLogger(__name__)

#: Reads a branch of lists: counts, shape (n,), and flat values.
Reader = Callable[[str], tuple[NDArray[np.int64], NDArray[Any]]]

# Tables of NanoAOD v15 and of PFNano, after the name of the collection.
_TABLES = (("PFCand_jetIdx", "PFCand_pfCandIdx"), ("PFCands_jetIdx", "PFCands_pFCandsIdx"))
_MOMENTUM = ("pt", "eta", "phi", "mass")
_MISSING = -1  # place of a candidate that was not saved


@dataclass(frozen=True)
class JetBranches:
    """Branches of stored jets in a file; `raw` and `area` where the file has them."""

    momentum: tuple[str, str, str, str]
    tables: JetTables
    identification: str | None
    raw: str | None
    area: str | None

    @property
    def named(self) -> tuple[str, ...]:
        """All of them."""
        optional = (self.identification, self.raw, self.area)
        return (*self.momentum, self.tables.jet, self.tables.constituent, *(one for one in optional if one))


def find_jet_branches(section: StoredJets, available: Sequence[str], path: str) -> JetBranches:
    """The branches of the jets in a file.

    Raises
    ------
    InputError
        Some are not there; the text lists the nearest names, of all of them.
    """
    prefix = section.collection
    momentum = tuple(f"{prefix}_{name}" for name in _MOMENTUM)
    asked = list(momentum)
    tables = section.tables
    if tables is None:
        usual = [JetTables(jet=prefix + jet, constituent=prefix + other) for jet, other in _TABLES]
        tables = next((one for one in usual if one.jet in available), usual[-1])
    asked += [tables.jet, tables.constituent]
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
    return JetBranches(momentum, tables, identification, raw, area)  # type: ignore[arg-type]


def read_stored_jets(
    section: StoredJets,
    branches: JetBranches,
    candidates: Mapping[str, NDArray[Any]],
    counts: NDArray[np.int64],
    read: Reader,
    *,
    names: Branches | Momenta,
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
    names
        Of the candidates' branches, for messages.
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

    jet_of, rows = _table(read, branches.tables, n_jets, counts, names.named[0], file, start)
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


def _table(
    read: Reader,
    tables: JetTables,
    n_jets: NDArray[np.int64],
    n_candidates: NDArray[np.int64],
    candidates: str,
    file: str,
    start: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Jet and candidate of each row of the tables, counted over the chunk, shape (rows,)."""
    n_rows, jet = read(tables.jet)
    constituent = _like(read, tables.constituent, n_rows, tables.jet, file, start)
    event = np.repeat(np.arange(len(n_rows)), n_rows)
    jet, constituent = jet.astype(np.int64), constituent.astype(np.int64)
    if (constituent == _MISSING).any():
        _tell_of_missing(file, tables.constituent)
        kept = constituent != _MISSING
        event, jet, constituent = event[kept], jet[kept], constituent[kept]
    for name, place, number, what in (
        (tables.jet, jet, n_jets, "jets"),
        (tables.constituent, constituent, n_candidates, f"candidates in `{candidates}`"),
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
    log.warning("%s: `%s` is -1 for candidates that were not saved; jets are without them", file, name)


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

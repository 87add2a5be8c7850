"""ROOT files with jagged branches of constituents, TTree or RNTuple, read by uproot.

Known layouts: ``flat`` (what :class:`~hepcs.sources.writing.RootWriter` writes), CMS NanoAOD v15
(``PFCand``), CMS PFNano (``PFCands``), scouting of CMS, and Delphes (energy-flow tracks, photons and neutral
hadrons).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import InputError
from hepcs.config.sources import Branches, Momenta, Units
from hepcs.config.stored_jets import StoredJets
from hepcs.sources.base import Chunk, InputFile, SourceBlock
from hepcs.sources.chunking import limit_chunks, split_entries
from hepcs.sources.event_selection import EVENT_ID, RUN, EventSelection, count_steps
from hepcs.sources.event_weights import checked_weights, find_weights, tell_of_weights
from hepcs.sources.files import as_names, describe_local_file, is_url, reading
from hepcs.sources.friends import Friend, join
from hepcs.sources.jet_corrections import JetCorrections, JetEnergy
from hepcs.sources.layouts import LAYOUTS, Layout
from hepcs.sources.packing import (
    IN_GEV,
    as_labels,
    count_weightless,
    flatten_column,
    pack_constituents,
    polar_columns,
    require_entries,
    require_same_columns,
    require_same_counts,
)
from hepcs.sources.rootio import (
    branch_names,
    count_entries,
    find_branch,
    find_tree,
    has_branch,
    nearest_branches,
    opened,
    read_branch,
    storage_layout,
    stores_checksums,
)
from hepcs.sources.stored_jets import JetBranches, find_jet_branches, pairs_by_reference, read_stored_jets

log = logging.getLogger(__name__)

_TARGET = 20_000  # entries of a chunk
# As stored, uncompressed: three float32 become four float64, so some 120 MB in memory.
_CHUNK_BYTES = 44_000_000


def _tell_of_weights(tree: Any, path: str, n_entries: int) -> None:
    """Warn of event weights among the branches, by the first entries."""
    for name in find_weights(branch_names(tree, path)):
        values = read_branch(tree, find_branch(tree, name, path), 0, n_entries, path)
        with reading(path, f"`{name}`"):
            tell_of_weights(path, name, np.asarray(ak.to_numpy(ak.ravel(values))))


def _joined(
    parts: Sequence[tuple[NDArray[np.int64], dict[str, NDArray[Any]]]],
) -> tuple[NDArray[np.int64], dict[str, NDArray[Any]]]:
    """Several collections as one: counts and flat columns, event after event."""
    if len(parts) == 1:
        return parts[0]
    columns = {
        key: ak.to_numpy(
            ak.flatten(ak.concatenate([ak.unflatten(one[key], each) for each, one in parts], axis=1), axis=1)
        )
        for key in parts[0][1]
    }
    return np.sum([counts for counts, _ in parts], axis=0), columns


_EVERYTHING = EventSelection()
# Density of pile-up: NanoAOD since v10, before, and scouting.
_RHO = ("Rho_fixedGridRhoFastjetAll", "fixedGridRhoFastjetAll", "ScoutingRho")


@dataclass(frozen=True)
class RootFiles:
    """ROOT files as an :class:`~hepcs.sources.base.EventSource`.

    Parameters
    ----------
    files : tuple of str
        Local paths and URLs, or one of them (``root://``, ``https://``), handed to uproot as they are.
    layout : str
        Whose names are used: ``flat``, ``nanoaod``, ``pfnano``, ``scouting`` or ``delphes``.
    tree : str or None
        TTree or RNTuple; the layout's, or else the only one, if None.
    branches : tuple of Branches or Momenta
        Names that replace the layout's; several collections are concatenated.
    label : str or None
        Branch of the truth label; for the flat layout, `label` is used if it is there.
    max_events : int or None
        Read only the first so many entries of all files together.
    digest_memo : Path or None
        Where checksums are remembered, see :func:`~hepcs.sources.files.file_digest`.
    units : "MeV", "GeV" or "TeV"
        Units of pT and mass in the files.
    selection : EventSelection
        What recorded events have to pass to be given by :meth:`read_block`.
    stored_jets : StoredJets or None
        Jets of the file that are taken in place of reclustered ones.
    corrections : JetCorrections or None
        Corrections of the jets' energy.
    rho : str or None
        Branch of the density of pile-up, where the corrections ask for it; as CMS names it if None.
    event_weight : str or None
        Branch of the events' weights; each counts as one if None.
    friends : tuple of Friend
        Friend trees, whose branches are found as if they were of the tree.
    stored_m_jj : str or None
        Branch of the dijet mass that the file holds.
    trees : tuple of str or None
        The tree of each file, where files have trees of their own; `tree` where that is None.
    """

    files: tuple[str, ...]
    layout: Literal["flat", "nanoaod", "pfnano", "scouting", "delphes"] = "flat"
    tree: str | None = None
    branches: tuple[Branches | Momenta, ...] = ()
    label: str | None = None
    max_events: int | None = None
    digest_memo: Path | None = field(default=None, compare=False)
    units: Units = "GeV"
    selection: EventSelection = _EVERYTHING
    stored_jets: StoredJets | None = None
    corrections: JetCorrections | None = None
    rho: str | None = None
    event_weight: str | None = None
    friends: tuple[Friend, ...] = ()
    stored_m_jj: str | None = None
    trees: tuple[str | None, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", as_names(self.files))

    def _tree(self, path: str) -> Any:
        directory = opened(path, 1 + len(self.friends))
        own = self.trees[self.files.index(path)] if self.trees else None
        tree = find_tree(directory, path, own or self.tree, LAYOUTS[self.layout].tree)
        return join(tree, path, self._friends(path)) if self.friends else tree

    def _friends(self, path: str) -> list[tuple[str, str]]:
        """File and name of the friend trees of a file."""
        index = self.files.index(path)
        return [(friend.files[index] if friend.files else path, friend.tree) for friend in self.friends]

    def _layout(self, tree: Any, path: str) -> Layout:
        """The layout, or its other version if the file has the branches of that."""
        layout = LAYOUTS[self.layout]
        other = layout.other
        if other is None or has_branch(tree, layout.collections[0].named[0], path):
            return layout
        return other if has_branch(tree, other.collections[0].named[0], path) else layout

    def _collections(self, tree: Any, path: str) -> tuple[Branches | Momenta, ...]:
        """The collections of a file, with the optional mass branch of the layout if the file has it."""
        if self.branches:
            return self.branches
        layout = self._layout(tree, path)
        if layout.mass is not None and has_branch(tree, layout.mass, path):
            return tuple(names.model_copy(update={"mass": layout.mass}) for names in layout.collections)
        return layout.collections

    def _branches(self, tree: Any, path: str) -> list[Any]:
        """The branches of all collections; raises InputError for those that are missing."""
        collections = self._collections(tree, path)
        for names in collections:
            if names.weight and not self.branches and not has_branch(tree, names.weight, path):
                raise InputError(
                    f"{path}: tree `{tree.name}` has no branch `{names.weight}`, by which layout {self.layout} "
                    f"weights constituents; it has: {nearest_branches(tree, names.weight, path)}. Name all "
                    "branches in the card, with or without one: `branches: {pt: ..., eta: ..., ..., weight: ...}`"
                )
        constituents = [name for one in collections for name in one.named]
        return [find_branch(tree, name, path) for name in (*constituents, *self._jet_names(tree, path))]

    def _jet_branches(self, section: StoredJets, tree: Any, path: str) -> JetBranches:
        return find_jet_branches(section, branch_names(tree, path), path)

    def _jet_names(self, tree: Any, path: str) -> tuple[str, ...]:
        """Branches that stored jets and corrections need."""
        jets: tuple[str, ...] = ()
        if self.stored_jets is not None:
            branches = self._jet_branches(self.stored_jets, tree, path)
            jets = branches.named
            if branches.references is not None:
                jets = (*jets, *self._identities(tree, path))
        return (*jets, *self._correction_branches(tree, path).values())

    def _correction_branches(self, tree: Any, path: str) -> dict[str, str]:
        """Branches of what the corrections ask of an event, by the names that corrections give them."""
        asked = () if self.corrections is None else self.corrections.event_inputs
        found = {"run": RUN} if "run" in asked else {}
        if "Rho" in asked:
            usual = (name for name in _RHO if has_branch(tree, name, path))
            found["Rho"] = self.rho or next(usual, _RHO[0])
        return found

    def _label(self, tree: Any, path: str) -> str | None:
        usual = LAYOUTS[self.layout].label
        if self.label is None and usual is not None and has_branch(tree, usual, path):
            return usual
        return self.label

    def only(self, files: Sequence[str]) -> RootFiles:
        """The same source of some of its files alone."""
        kept = [self.files.index(path) for path in files]
        friends = tuple(one.take(kept) for one in self.friends)
        trees = tuple(self.trees[one] for one in kept) if self.trees else ()
        return replace(self, files=tuple(files), friends=friends, trees=trees)

    @property
    def has_labels(self) -> bool:
        """Whether the card names a label branch, or the first file with events has that of the flat layout."""
        if self.label is not None or LAYOUTS[self.layout].label is None:
            return self.label is not None
        filled = (path for path in self.files if count_entries(self._tree(path), path))
        path = next(filled, self.files[0])
        return self._label(self._tree(path), path) is not None

    def _file_chunks(self) -> Iterator[Chunk]:
        with_mass: dict[bool, str] = {}
        for path in self.files:
            tree = self._tree(path)
            n_entries = count_entries(tree, path)
            if n_entries == 0:  # skims leave files without events, and even without branches
                log.warning("%s: tree `%s` has no entries", path, tree.name)
                continue
            branches = self._branches(tree, path)
            label = self._label(tree, path)
            if label is not None:
                find_branch(tree, label, path)
            if not self.selection.is_empty:
                self.selection.require_branches(branch_names(tree, path), path)
            first = self._collections(tree, path)[0]
            massive = isinstance(first, Momenta) or first.mass is not None
            if self.stored_m_jj is not None:
                find_branch(tree, self.stored_m_jj, path)
            if self.event_weight is not None:
                find_branch(tree, self.event_weight, path)
            elif path == self.files[0]:
                _tell_of_weights(tree, path, min(n_entries, _TARGET))
            require_same_columns(with_mass, massive, self._layout(tree, path).mass, path)
            boundaries, n_bytes = storage_layout(tree, branches, path)
            by_memory = max(1, int(_CHUNK_BYTES / max(n_bytes, 1.0)))
            target = min(_TARGET, by_memory)
            most = min(_TARGET + _TARGET // 2, by_memory)
            for start, stop in split_entries(n_entries, boundaries, target, most):
                yield Chunk(path, start, stop)

    def chunks(self) -> tuple[Chunk, ...]:
        """All chunks: about 20,000 entries each, fewer if they are large, cut at baskets or clusters if possible.

        Raises
        ------
        InputError
            A file is missing, truncated or no ROOT file, a tree or branch is not there, or no file has entries.
        MissingDependencyError
            The package that reads this kind of URL is not installed.
        """
        chunks = limit_chunks(self._file_chunks(), self.max_events)
        if not chunks:
            raise InputError(f"{', '.join(self.files[:20])}: no entries; expected at least one event")
        return chunks

    def _flat(self, tree: Any, name: str, chunk: Chunk) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Counts and flat values of one branch. One branch at a time: only one basket is held decompressed."""
        branch = find_branch(tree, name, chunk.file)
        array = read_branch(tree, branch, chunk.start, chunk.stop, chunk.file)
        with reading(chunk.file, f"entries [{chunk.start}, {chunk.stop}) of `{name}`"):
            counts, values = flatten_column(array, chunk.file, name)
        require_entries(len(counts), chunk.n_entries, chunk.file, chunk.start)
        return counts, values

    def _columns(
        self, tree: Any, names: Branches | Momenta, chunk: Chunk
    ) -> tuple[NDArray[np.int64], dict[str, NDArray[Any]]]:
        """Counts and flat columns of one collection, as they are stored."""
        keys = {key: name for key, name in names.model_dump().items() if name is not None}
        first = names.named[0]
        counts, _ = self._flat(tree, first, chunk)
        columns = {}
        for key, name in keys.items():
            other, columns[key] = self._flat(tree, name, chunk)
            require_same_counts(other, counts, (name, first), chunk.file, chunk.start)
        return counts, polar_columns(columns) if isinstance(names, Momenta) else columns

    def _collection(self, tree: Any, names: Branches | Momenta, chunk: Chunk) -> tuple[Any, int]:
        """One collection, and how many of its constituents are left out for their weight of zero."""
        counts, columns = self._columns(tree, names, chunk)
        n_weightless = count_weightless(columns["pt"], columns.get("weight"))
        return pack_constituents(counts, **columns, units=self.units), n_weightless

    def read(self, chunk: Chunk) -> Any:
        """Constituents of a chunk: n x var x {pt, eta, phi, mass}, float64, GeV and radians.

        Entries with a pT or a weight of exactly zero are left out; without a mass branch particles are massless.

        Raises
        ------
        InputError
            A branch is missing or cannot be read, or branches of a collection differ in length.
        """
        return self._read(self._tree(chunk.file), chunk)[0]

    def read_block(self, chunk: Chunk) -> SourceBlock:
        """The events of a chunk that pass the selection, with what was left out."""
        tree = self._tree(chunk.file)
        available = branch_names(tree, chunk.file)
        passed = self.selection.passes(lambda name: self._numbers(tree, name, chunk), available, chunk.file)
        if self.stored_jets is None:
            constituents, n_weightless = self._read(tree, chunk)
            jets = None
        else:
            jets, n_weightless = self._read_jets(self.stored_jets, tree, chunk)
            constituents = ak.flatten(jets.constituents, axis=2)
        block = SourceBlock(
            constituents,
            np.arange(chunk.start, chunk.stop),
            count_steps(chunk.n_entries, passed),
            n_weightless,
            self._event_ids(tree, available, chunk),
            jets,
            self._energy(tree, chunk),
        )
        return block.take(list(passed.values())[-1]) if passed else block

    def _read_jets(self, section: StoredJets, tree: Any, chunk: Chunk) -> tuple[ak.Array, int]:
        """The jets of a chunk, and how many of all candidates have no weight."""
        collections = self._collections(tree, chunk.file)
        parts = [self._columns(tree, names, chunk) for names in collections]
        branches = self._jet_branches(section, tree, chunk.file)
        counts, candidates = _joined(parts)
        pairs = None
        if branches.references is not None:
            identities = [self._flat(tree, name, chunk) for name in self._identities(tree, chunk.file)]
            pairs = pairs_by_reference(
                self._references(tree, branches.references, chunk),
                ak.concatenate([ak.unflatten(values, each) for each, values in identities], axis=1),
                branches.references,
            )
        jets = read_stored_jets(
            section,
            branches,
            candidates,
            counts,
            lambda name: self._flat(tree, name, chunk),
            first=collections[0].named[0],
            pairs=pairs,
            units=self.units,
            uncorrected=bool(self.corrections and self.corrections.names and section.momentum == "stored"),
            file=chunk.file,
            start=chunk.start,
        )
        return jets, count_weightless(candidates["pt"], candidates.get("weight"))

    def _identities(self, tree: Any, path: str) -> list[str]:
        """Branches of what jets refer to, one a collection: ``EFlowTrack.fUniqueID`` beside ``EFlowTrack.PT``."""
        return [f"{one.named[0].rpartition('.')[0]}.fUniqueID" for one in self._collections(tree, path)]

    def _references(self, tree: Any, name: str, chunk: Chunk) -> ak.Array:
        """References of jets to their constituents, n x jets x constituents."""
        found = read_branch(tree, find_branch(tree, name, chunk.file), chunk.start, chunk.stop, chunk.file)
        with reading(chunk.file, f"entries [{chunk.start}, {chunk.stop}) of `{name}`"):
            return found["refs"]

    def _energy(self, tree: Any, chunk: Chunk) -> JetEnergy | None:
        """Corrections of the jets, with what they ask of the events of a chunk."""
        if self.corrections is None:
            return None
        events = {
            key: self._numbers(tree, name, chunk).astype(np.float64)
            for key, name in self._correction_branches(tree, chunk.file).items()
        }
        return JetEnergy(self.corrections, events)

    def _event_ids(self, tree: Any, available: Sequence[str], chunk: Chunk) -> NDArray[np.int64] | None:
        """Run, section and number of recorded events, as CMS names them; simulated ones are all of run 1."""
        if not set(EVENT_ID) <= set(available):
            return None
        ids = np.stack([self._numbers(tree, name, chunk).astype(np.int64) for name in EVENT_ID], axis=1)
        return ids if (ids[:, 0] > 1).all() else None

    def _read(self, tree: Any, chunk: Chunk) -> tuple[Any, int]:
        parts, left_out = zip(
            *(self._collection(tree, names, chunk) for names in self._collections(tree, chunk.file)),
            strict=True,
        )
        constituents = parts[0] if len(parts) == 1 else ak.to_packed(ak.concatenate(parts, axis=1))
        return constituents, sum(left_out)

    def _numbers(self, tree: Any, name: str, chunk: Chunk) -> NDArray[Any]:
        """One number for each event, shape (n,)."""
        branch = find_branch(tree, name, chunk.file)
        values = read_branch(tree, branch, chunk.start, chunk.stop, chunk.file)
        with reading(chunk.file, f"entries [{chunk.start}, {chunk.stop}) of `{name}`"):
            if values.ndim != 1:
                raise InputError(
                    f"{chunk.file}: `{name}` holds {values.type.content}; expected one number each"
                )
            numbers = ak.to_numpy(values, allow_missing=False)
        require_entries(len(numbers), chunk.n_entries, chunk.file, chunk.start)
        return numbers

    def read_labels(self, chunk: Chunk) -> NDArray[np.int8]:
        """Truth labels of a chunk, shape (n,): 0 for background.

        Raises
        ------
        InputError
            There are none, they cannot be read, or they are no whole numbers.
        """
        tree = self._tree(chunk.file)
        name = self._label(tree, chunk.file)
        if name is None:
            raise InputError(f"{chunk.file}: has no truth labels; name their branch with `label` in the card")
        return as_labels(self._numbers(tree, name, chunk), chunk.file, chunk.start)

    def read_weights(self, chunk: Chunk) -> NDArray[np.float64]:
        """Event weights of all entries of a chunk, shape (n,).

        Raises
        ------
        InputError
            They cannot be read, or one is not finite.
        """
        assert self.event_weight is not None
        values = self._numbers(self._tree(chunk.file), self.event_weight, chunk)
        return checked_weights(values, self.event_weight, chunk.file, chunk.start)

    def read_stored_m_jj(self, chunk: Chunk) -> NDArray[np.float64]:
        """Dijet masses of all entries of a chunk as the file holds them, GeV, shape (n,)."""
        assert self.stored_m_jj is not None
        values = self._numbers(self._tree(chunk.file), self.stored_m_jj, chunk)
        return np.asarray(values, dtype=np.float64) * IN_GEV[self.units]

    def input_files(self) -> tuple[InputFile, ...]:
        """The files with size, entries of the tree and SHA-256, for URLs the UUID in the file; and the mask."""
        described = []
        for path in self.files:
            tree = self._tree(path)
            n_entries = count_entries(tree, path)
            if is_url(path):
                file = opened(path, 1 + len(self.friends)).file
                with reading(path, "its size"):
                    size = int(file.source.num_bytes)
                described.append(InputFile(path, size, n_entries, f"uuid:{file.uuid}"))
            else:
                protected = not n_entries or stores_checksums(tree, self._branches(tree, path), path)
                described.append(describe_local_file(path, n_entries, self.digest_memo, protected=protected))
        described += [
            describe_local_file(path, 0, self.digest_memo, protected=False)
            for friend in self.friends
            for path in friend.files
            if not is_url(path)
        ]
        beside = (self.selection.lumi_mask, self.corrections)
        described += [
            describe_local_file(one.path, 0, self.digest_memo, protected=True)
            for one in beside
            if one is not None
        ]
        return tuple(described)

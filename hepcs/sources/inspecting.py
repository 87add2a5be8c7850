"""What is in a file, and which section of a card reads it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from hepcs._core.errors import ArgumentError, InputError
from hepcs.sources.files import reading
from hepcs.sources.hdf5 import open_hdf5
from hepcs.sources.layouts import LAYOUTS
from hepcs.sources.lhco_tables import find_table
from hepcs.sources.parquet import open_parquet, record_fields
from hepcs.sources.rootio import branch_names, count_entries, find_tree, opened

# Names of a collection's columns, with what stands before them: Particle_pt, jet.constituents.PT, pt.
_COLUMN = re.compile(r"(?P<collection>.*?)(?P<separator>[._]?)(?P<what>pt|eta|phi|mass|m)", re.IGNORECASE)
# Constituents of jets or events, and not jets, leptons or missing momentum, by their names.
_CONSTITUENTS = re.compile(r"pf|part|cand|constit|track|tower|cluster|eflow|puppi|^$", re.IGNORECASE)
_OTHERS = re.compile(r"jet|muon|electron|photon|tau|met|gen|lhe|iso|sv|lepton", re.IGNORECASE)
_ORDER = ("pt", "eta", "phi", "mass")
_LABELS = ("label", "is_signal", "isSignal", "truth_label")
_TREES = ("TTree", "TNtuple", "TNtupleD", "ROOT::RNTuple")


@dataclass(frozen=True)
class Proposal:
    """A section of a card that reads a file.

    Attributes
    ----------
    keys
        Of the section, but for `files`: ``kind``, ``layout`` or ``branches``, ``tree``, ``label``.
    reason
        Why it fits.
    """

    keys: Mapping[str, Any]
    reason: str


@dataclass(frozen=True)
class FileContents:
    """What is in a file.

    Attributes
    ----------
    path, format
        The file: ``ROOT``, ``HDF5`` or ``Parquet``.
    tables
        Trees or datasets, and how many entries or which shape each has.
    columns
        Names of the branches or columns that matter: of collections with pt, eta and phi.
    proposals
        Sections that read it, the best first; none if nothing looks like constituents.
    has_labels
        Whether there is a truth label.
    """

    path: str
    format: str
    tables: Mapping[str, str]
    columns: tuple[str, ...]
    proposals: tuple[Proposal, ...]
    has_labels: bool


def look_into(path: str) -> FileContents:
    """What is in a ROOT, HDF5 or Parquet file; a ``:tree`` may follow the name of a ROOT file.

    Raises
    ------
    ArgumentError
        For another kind of file.
    InputError
        If it cannot be read.
    """
    name, _, tree = path.partition(".root:")
    if tree:
        path = f"{name}.root"
    match Path(path).suffix.lower():
        case ".root":
            return _root(path, tree or None)
        case ".h5" | ".hdf5" | ".hdf":
            return _hdf5(path)
        case ".parquet" | ".pq":
            return _parquet(path)
    raise ArgumentError(
        f"{path}: cannot tell what it is; expected a name in .h5, .hdf5, .root or .parquet. Of another format, "
        "`ak.to_parquet` writes lists of records with pt, eta and phi, or it becomes a source of your own "
        "(docs/extending/source.md)"
    )


def _root(path: str, wanted: str | None) -> FileContents:
    directory = opened(path)
    with reading(path, "its list of objects"):
        classes = directory.classnames(recursive=True, cycle=False)
    names = [key for key, kind in classes.items() if kind in _TREES and wanted in {None, key}]
    tables, proposals, columns, labelled = {}, [], [], False
    for name in names:
        tree = find_tree(directory, path, name, name)
        tables[name] = f"{classes[name]}, {count_entries(tree, path):,} entries"
        branches = branch_names(tree, path)
        label = next((one for one in _LABELS if one in branches), None)
        labelled |= label is not None
        found = list(_of_tree(name, branches, label, only_one=len(names) == 1))
        proposals += found
        columns += [one for one in branches if _COLUMN.fullmatch(one) and _is_collection(one, branches)]
    if wanted is not None and not names:
        raise InputError(f"{path}: has no tree `{wanted}`; it has: {', '.join(classes) or 'nothing'}")
    return FileContents(path, "ROOT", tables, tuple(columns), tuple(proposals), labelled)


def _of_tree(name: str, branches: Sequence[str], label: str | None, *, only_one: bool) -> Iterator[Proposal]:
    """Known layouts that a tree has all branches of, then collections that look like constituents."""
    known = set(branches)
    # Delphes splits its collections, whose leaves are named as in the layout.
    extra = {} if label in {None, "label"} else {"label": label}
    for layout, names in LAYOUTS.items():
        wanted = [one for collection in names.collections for one in collection.named if one != names.mass]
        if known.issuperset(wanted):
            tree = {} if name == names.tree or only_one else {"tree": name}
            keys: dict[str, Any] = {"kind": "root", "layout": layout, **tree, **extra}
            yield Proposal(keys, f"it has the branches of the layout {layout}: {', '.join(wanted[:3])}, ...")
    of_layouts = {one.pt for names in LAYOUTS.values() for one in names.collections}
    for columns in _collections(branches):
        if columns["pt"] in of_layouts:
            continue
        keys = {"kind": "root", "branches": columns, **({} if only_one else {"tree": name}), **extra}
        yield Proposal(keys, f"{columns['pt']} and its neighbours look like constituents")


def _collections(names: Iterable[str]) -> list[dict[str, str]]:
    """Groups of columns with pt, eta and phi that may be constituents, the likeliest first."""
    groups: dict[str, dict[str, str]] = {}
    there = set(names)
    for name in sorted(there):
        found = _COLUMN.fullmatch(name)
        # Some writers put the length of each list beside it, as nPFCand_pt.
        if found is not None and not (name[0] == "n" and name[1:] in there):
            what = found["what"].lower()
            groups.setdefault(found["collection"], {})["mass" if what == "m" else what] = name
    whole = {
        collection: columns
        for collection, columns in groups.items()
        if {"pt", "eta", "phi"} <= set(columns)
        and _CONSTITUENTS.search(collection)
        and not (_OTHERS.search(collection) and not re.search(r"pf|constit", collection, re.IGNORECASE))
    }
    # Short names first: PFCands rather than what is derived of them.
    shortest = sorted(whole, key=lambda name: (len(name), name))
    return [{key: whole[name][key] for key in _ORDER if key in whole[name]} for name in shortest]


def _is_collection(name: str, names: Sequence[str]) -> bool:
    found = _COLUMN.fullmatch(name)
    return found is not None and any(name in columns.values() for columns in _collections(names))


def _hdf5(path: str) -> FileContents:
    shapes: dict[str, str] = {}
    with reading(path, "it as an HDF5 file"), open_hdf5(path) as file:

        def note(name: str, node: object) -> None:
            if isinstance(node, h5py.Dataset):
                shapes[name] = f"shape {node.shape}, {node.dtype}"

        file.visititems(note)
        try:
            table = find_table(file, path)
        except InputError as error:
            return FileContents(path, "HDF5", shapes, (), (), has_labels=False) if shapes else _raise(error)
        reason = f"`{table.name}` has the 2100 columns of an LHC Olympics file, {table.n_rows:,} events"
        return FileContents(path, "HDF5", shapes, (), (Proposal({"kind": "lhco"}, reason),), table.has_labels)


def _raise(error: InputError) -> FileContents:
    raise error


def _parquet(path: str) -> FileContents:
    with open_parquet(path) as file:
        schema, rows = file.schema_arrow, file.metadata.num_rows
    tables = {"rows": f"{rows:,}"}
    lists = [name for name in schema.names if schema.field(name).type.num_fields]
    label = next((one for one in _LABELS if one in schema.names), None)
    extra = {} if label in {None, "label"} else {"label": label}
    proposals = []
    for columns in _collections(lists):
        usual = all(key == value for key, value in columns.items())
        keys = {"kind": "parquet", **({} if usual else {"branches": columns}), **extra}
        proposals.append(Proposal(keys, f"the list columns {', '.join(columns.values())}"))
    for name in lists:
        for columns in _collections(record_fields(schema.field(name).type) or ()):
            # awkward names the column of an array without a record around it by nothing; it is found without.
            named = {"constituents": name} if name else {}
            keys = {"kind": "parquet", **named, "branches": columns, **extra}
            proposals.append(Proposal(keys, f"the column of records `{name}`"))
    return FileContents(path, "Parquet", tables, tuple(lists), tuple(proposals), label is not None)

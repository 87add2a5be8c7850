"""From a section of the card to the source that reads it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hepcs._core.errors import InputError
from hepcs.config.sources import AspenSource, FileSource, FriendTree, LhcoSource, ParquetSource, RootSource
from hepcs.sources.aspen import AspenFiles
from hepcs.sources.base import EventSource
from hepcs.sources.event_selection import EventSelection, LumiMask, read_lumi_mask
from hepcs.sources.files import is_url, named_trees, resolve_files, resolve_patterns
from hepcs.sources.friends import Friend
from hepcs.sources.jet_corrections import JetCorrections
from hepcs.sources.lhco import LhcoFiles
from hepcs.sources.parquet import ParquetFiles
from hepcs.sources.root import RootFiles


def open_files(
    section: LhcoSource | RootSource | ParquetSource | AspenSource,
    search: Sequence[Path],
    memo: Path | None = None,
) -> EventSource:
    """The source for a section of the card that names files; they are found here, and opened when they are read.

    Parameters
    ----------
    section : LhcoSource, RootSource, ParquetSource or AspenSource
        Section of the card.
    search : sequence of Path
        Folders that relative paths are looked for in, in this order.
    memo : Path or None
        Where checksums are remembered, see :func:`~hepcs.sources.files.file_digest`.

    Raises
    ------
    InputError
        A file is missing, see :func:`~hepcs.sources.files.resolve_files`.
    """
    limit, units = section.max_events, section.units
    if isinstance(section, RootSource):
        files = resolve_files(section, search)
        trees = tuple(named_trees(section.files, search)[file] for file in files)
        return RootFiles(
            files,
            section.layout,
            section.tree,
            section.branches or (),
            section.label,
            limit,
            memo,
            units,
            _selection(section, search),
            section.stored_jets,
            _corrections(section, search),
            section.energy_corrections.rho if section.energy_corrections else None,
            section.weight,
            tuple(_friend(friend, files, search) for friend in section.friends or ()),
            section.m_jj,
            trees if any(trees) else (),
        )
    files = resolve_files(section, search)
    if isinstance(section, LhcoSource):
        label_files = resolve_patterns(section.label_files, search) if section.label_files else ()
        return LhcoFiles(files, label_files, limit, memo, units)
    if isinstance(section, AspenSource):
        return AspenFiles(files, section.momentum, _mask(section.lumi_mask, search), limit, memo)
    return ParquetFiles(
        files,
        section.branches,
        section.constituents,
        section.label,
        limit,
        memo,
        units,
        section.weight,
        section.m_jj,
    )


def files_by_entry(section: FileSource, search: Sequence[Path]) -> tuple[tuple[str, ...], ...]:
    """The files of each entry of `files`: a path, a glob, or a list; see :func:`open_files`."""
    return tuple(resolve_patterns((entry,), search) for entry in section.files)


def _selection(section: RootSource, search: Sequence[Path]) -> EventSelection:
    """What the events of a section have to pass; the mask of luminosity sections is found and read."""
    return EventSelection(_mask(section.lumi_mask, search), section.triggers or (), section.flags or ())


def _corrections(section: RootSource, search: Sequence[Path]) -> JetCorrections | None:
    """Corrections of the energy of jets, if the section names any; their file is found and read."""
    named = section.energy_corrections
    if named is None:
        return None
    path = _local("energy_corrections.file", named.file, search)
    return JetCorrections(
        path, named.corrections or (), named.uncertainty, named.resolution, named.scale_factor
    )


def _friend(section: FriendTree, files: Sequence[str], search: Sequence[Path]) -> Friend:
    """A friend tree; its files are found, one for each file of the source."""
    if section.files is None:
        return Friend(section.tree)
    found = resolve_patterns(section.files, search)
    if len(found) != len(files):
        raise InputError(
            f"friends: {len(found)} files of the tree `{section.tree}` for {len(files)} files of the source; "
            "expected one for each, in their order"
        )
    return Friend(section.tree, found)


def _mask(name: str | None, search: Sequence[Path]) -> LumiMask | None:
    return read_lumi_mask(_local("lumi_mask", name, search)) if name else None


def _local(key: str, name: str, search: Sequence[Path]) -> str:
    """The one local file of a key."""
    found = resolve_patterns((name,), search)
    if len(found) > 1 or any(map(is_url, found)):
        raise InputError(f"{key} = {name}: expected one local file, found {', '.join(found)}")
    return found[0]

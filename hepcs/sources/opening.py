"""From a section of the card to the source that reads it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hepcs.config.sources import LhcoSource, ParquetSource, RootSource
from hepcs.sources.base import EventSource
from hepcs.sources.files import resolve_files, resolve_patterns
from hepcs.sources.lhco import LhcoFiles
from hepcs.sources.parquet import ParquetFiles
from hepcs.sources.root import RootFiles


def open_files(
    section: LhcoSource | RootSource | ParquetSource, search: Sequence[Path], memo: Path | None = None
) -> EventSource:
    """The source for a section of the card that names files; they are found here, and opened when they are read.

    Parameters
    ----------
    section : LhcoSource, RootSource or ParquetSource
        Section of the card.
    search : sequence of Path
        Folders that relative paths are looked for in, in this order.
    memo : Path or None
        Where checksums are remembered, see :func:`~hepcs.sources.files.file_digest`.

    Raises
    ------
    InputError
        A file is missing; see :func:`~hepcs.sources.files.resolve_files`.
    """
    files = resolve_files(section, search)
    if isinstance(section, LhcoSource):
        label_files = resolve_patterns(section.label_files, search) if section.label_files else ()
        return LhcoFiles(files, label_files, section.max_events, memo)
    if isinstance(section, ParquetSource):
        return ParquetFiles(
            files, section.branches, section.constituents, section.label, section.max_events, memo
        )
    return RootFiles(
        files, section.layout, section.tree, section.branches or (), section.label, section.max_events, memo
    )

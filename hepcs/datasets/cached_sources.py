"""Where the events of a card's samples come from: files, or the cache that they are generated into."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pooch

from hepcs._core.errors import CardError
from hepcs._core.progress import Mapper, Progress, serial_mapper, silent
from hepcs._core.storage import sweep, try_to_write
from hepcs.config import LocatedCard
from hepcs.config.event_objects import ObjectFiles
from hepcs.config.sources import FileSource, PythiaSource, Source
from hepcs.generation import pythia
from hepcs.sources.base import EventSource
from hepcs.sources.files import checksums_by_file
from hepcs.sources.opening import open_files
from hepcs.sources.skipping import Listing, list_files


def cache_folder(card: LocatedCard) -> Path:
    """Folder of prepared samples: the card's, ``$HEPCS_CACHE``, or the user's cache; an absolute path."""
    return cache_from_environment(card.card.execution.cache)


def cache_from_environment(named: str | None = None) -> Path:
    """A folder that is named, ``$HEPCS_CACHE``, or the user's cache; an absolute path."""
    named = named or os.environ.get("HEPCS_CACHE")
    return Path(named).expanduser().absolute() if named else Path(pooch.os_cache("hepcs"))


def open_source(
    section: Source,
    folders: Sequence[Path],
    cache: Path,
    mapper: Mapper = serial_mapper,
    progress: Progress = silent,
) -> EventSource:
    """The events of a section of the card; generated first, if they come from Pythia and are not there."""
    if not isinstance(section, PythiaSource):
        return open_files(section, folders, cache / "checksums.json")
    generated = pythia.generated_in(cache, section, mapper, progress)
    assert not isinstance(generated, ObjectFiles)
    return open_files(generated, folders, cache / "checksums.json")


def list_source(
    section: Source,
    folders: Sequence[Path],
    cache: Path,
    mapper: Mapper = serial_mapper,
    progress: Progress = silent,
) -> Listing:
    """The files of a section of the card, verified and opened; without those that it says to skip."""
    source, memo = open_source(section, folders, cache, mapper, progress), cache / "checksums.json"
    if not isinstance(section, FileSource):
        return list_files(source, skip=False, checksums={}, memo=memo)
    checksums = checksums_by_file(section, source.files)
    return list_files(source, skip=section.on_bad_file == "skip", checksums=checksums, memo=memo)


def check_cache(card: LocatedCard) -> Path:
    """The cache folder, made and written to, before hours are spent; raises CardError if that cannot be.

    Raises ComputationError if the disk is full.
    """
    cache = cache_folder(card)
    try:
        sweep(cache, below=True)
        try_to_write(cache)
    except OSError as error:
        raise CardError(
            f"{card.where('execution.cache')}: prepared samples cannot be written to {cache}: "
            f"{error.strerror or error}. Name another folder there or in $HEPCS_CACHE"
        ) from error
    return cache

"""Files that cannot be read: found out before anything is computed, and left out if the card says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hepcs._core.errors import InputError
from hepcs.sources.base import Chunk, EventSource, InputFile, SkippedFile
from hepcs.sources.files import verify_checksum


@dataclass(frozen=True)
class Listing:
    """The files of a source, with what can be known of them without reading events.

    Attributes
    ----------
    source
        The source of the files that can be opened.
    inputs
        By file: itself, and a label file beside it.
    chunks
        Of all files together, in order.
    skipped
        The files that cannot be opened.
    """

    source: EventSource
    inputs: Mapping[str, tuple[InputFile, ...]]
    chunks: tuple[Chunk, ...]
    skipped: tuple[SkippedFile, ...]


def list_files(
    source: EventSource, *, skip: bool, checksums: Mapping[str, str], memo: Path | None = None
) -> Listing:
    """Verify and open every file of a source, and list chunks and digests.

    Parameters
    ----------
    source
        The events.
    skip
        Leave out files that are not as their checksum says, or cannot be opened.
    checksums
        What the card names, by file; see :func:`~hepcs.sources.files.checksums_by_file`.
    memo
        Where checksums are remembered, see :func:`~hepcs.sources.files.file_digest`.

    Raises
    ------
    InputError
        If a file is another one or cannot be opened and none is skipped, if none can be opened, or as
        :meth:`~hepcs.sources.base.EventSource.chunks` does.
    """
    inputs: dict[str, tuple[InputFile, ...]] = {}
    skipped = []
    for path in source.files:
        alone = source.only([path])
        try:
            if path in checksums:
                verify_checksum(path, checksums[path], memo)
            described = alone.input_files()
            if skip and described[0].n_entries > 0:
                _ = alone.chunks()  # also finds branches that are missing
            inputs[path] = (_known(described[0], checksums), *described[1:])
        except InputError as error:
            if not skip:
                raise
            skipped.append(SkippedFile(path, None, str(error)))
    if not inputs:
        raise InputError(
            "\n".join(["none of the files can be read:", *(f"  {one.reason}" for one in skipped)])
        )
    readable = source.only(list(inputs)) if skipped else source
    return Listing(readable, inputs, readable.chunks(), tuple(skipped))


def _known(file: InputFile, checksums: Mapping[str, str]) -> InputFile:
    """A file whose checksum the card names is protected, however it stores its data."""
    return replace(file, protected=True) if file.path in checksums else file


def lost_share(skipped: Sequence[SkippedFile], n_entries: Sequence[int]) -> float:
    """Share of the events that skipped files hold; one of unknown size counts as a mean of the readable ones.

    Parameters
    ----------
    skipped
        The files that are left out.
    n_entries
        Entries of each file that is kept.
    """
    if not skipped:
        return 0.0
    kept = sum(n_entries)
    mean = kept / len(n_entries) if n_entries else 1.0
    lost = sum(mean if one.n_entries is None else one.n_entries for one in skipped)
    return lost / (lost + kept)

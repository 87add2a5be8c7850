"""Converting any source into ROOT, the LHC Olympics layout or Parquet, chunk by chunk."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np

from hepcs._core.errors import ArgumentError
from hepcs._core.storage import check_place
from hepcs.sources.base import EventSource
from hepcs.sources.writing import EventWriter, LhcoWriter, ParquetWriter, RootWriter


def open_writer(
    destination: Path, *, kind: Literal["ttree", "rntuple"] = "ttree", mass: bool | None = None
) -> EventWriter:
    """The writer for the suffix of a file: ``.root``, ``.h5`` or ``.hdf5`` (LHC Olympics), ``.parquet``.

    Raises
    ------
    ArgumentError
        Another suffix.
    """
    match Path(destination).suffix.lower():
        case ".root":
            return RootWriter(destination, kind=kind, mass=mass)
        case ".h5" | ".hdf5":
            return LhcoWriter(destination)
        case ".parquet":
            return ParquetWriter(destination, mass=mass)
    raise ArgumentError(
        f"{destination}: cannot tell what to write; expected a name in .root, .h5, .hdf5 or .parquet"
    )


def convert(
    source: EventSource,
    destination: Path,
    progress: Callable[[int, int], None] | None = None,
    *,
    kind: Literal["ttree", "rntuple"] = "ttree",
    mass: bool | None = None,
) -> int:
    """Stream a source into one file, with its labels if it has any.

    Parameters
    ----------
    source : EventSource
        What to read.
    destination : Path
        The file to write; its suffix says which format. It appears when it is complete.
    progress : callable or None
        Called as ``progress(entries done, entries in all)`` after each chunk.
    kind : "ttree" or "rntuple"
        What a ROOT file holds.
    mass : bool or None
        Whether ROOT and Parquet hold masses; None: if the first events have any that is not zero.

    Returns
    -------
    int
        Number of events written.

    Raises
    ------
    ArgumentError
        The suffix is unknown, the destination is one of the files that are read, or no file can be there.
    InputError
        The source cannot be read; no file is left behind.
    ComputationError
        The destination cannot be written to its end, as on a full disk; no file is left behind.
    """
    chunks = source.chunks()
    if os.path.realpath(destination) in {os.path.realpath(chunk.file) for chunk in chunks}:
        raise ArgumentError(f"{destination}: is one of the files that are read; give another name")
    writer = open_writer(destination, kind=kind, mass=mass)
    check_place(writer.destination)
    done = np.cumsum([chunk.n_entries for chunk in chunks]).tolist()
    with writer:
        for chunk, n_done in zip(chunks, done, strict=True):
            writer.write(source.read(chunk), source.read_labels(chunk) if source.has_labels else None)
            if progress is not None:
                progress(n_done, done[-1])
    return writer.n_written

"""What every writer of events does: temporary name, buffering, labels and masses for all events or for none."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, ClassVar, Self

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError
from hepcs._core.storage import atomic_path
from hepcs.sources.packing import FIELDS

log = logging.getLogger(__name__)

_NO_EVENTS = ak.Array([[dict.fromkeys(FIELDS, 0.0)]])[:0]


class EventWriter(ABC):
    """A context manager: what is written takes the place of a file if the block ends well, whole or not at all.

    Parameters
    ----------
    destination : Path
        The file to write; replaced if it exists. Its folder is made.
    mass : bool or None
        Whether masses are written. None: only if the first events have any that is not zero.

    Raises
    ------
    ComputationError
        At the end of the block, if the file cannot be written; nothing of it is left behind.
    """

    # Particles that are gathered before they are written: small blocks make slow files.
    block_particles: ClassVar[int] = 4_000_000

    _temporary: Path

    def __init__(self, destination: Path, *, mass: bool | None = None) -> None:
        self.destination = Path(destination)
        self.n_written = 0
        self._mass = mass
        self._labelled: bool | None = None
        self._buffer: list[tuple[Any, NDArray[np.int8]]] = []
        self._buffered_particles = 0
        self._open_files = ExitStack()
        self._block = self._whole_or_not_at_all()

    @abstractmethod
    def _append(self, events: Any, labels: NDArray[np.int8] | None) -> None:
        """Write one block, which may be empty, after opening `_temporary` in `_open_files` for the first one."""

    def _finish(self) -> None:
        """Write what belongs at the end of a whole file, and say what it holds."""
        log.info("%s: %d events written", self.destination, self.n_written)

    @contextmanager
    def _whole_or_not_at_all(self) -> Iterator[None]:
        with atomic_path(self.destination) as self._temporary, self._open_files:
            yield
            self._flush()
            self._finish()

    def __enter__(self) -> Self:
        self._block.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._block.__exit__(*exception)

    def write(self, constituents: Any, labels: Any = None) -> None:
        """Append events.

        Parameters
        ----------
        constituents : ak.Array
            n x var x {pt, eta, phi} or {pt, eta, phi, mass}, GeV and radians.
        labels : array_like of int or None
            Truth labels, shape (n,), 0 for background; for all chunks of a file or for none.

        Raises
        ------
        ArgumentError
            Labels are given for some chunks only or do not fit, or masses come after a first block without any.
        """
        n = len(constituents)
        truth = np.zeros(n, np.int8) if labels is None else np.asarray(labels).astype(np.int8)
        if truth.shape != (n,):
            raise ArgumentError(f"labels of shape {truth.shape} for {n} events; expected one for each")
        if self._labelled not in (None, labels is not None):
            raise ArgumentError(
                f"{self.destination}: labels for some chunks only; expected them for all or for none"
            )
        self._labelled = labels is not None
        events = ak.from_regular(constituents, axis=1)
        if "mass" not in ak.fields(events):
            events = ak.with_field(events, ak.zeros_like(events["pt"]), "mass")
        # A selection of events is a view of all of them, which would stay in the memory with it.
        self._buffer.append((ak.to_packed(events), truth))
        self._buffered_particles += int(ak.count(events["pt"], axis=None))
        if self._buffered_particles >= self.block_particles:
            self._flush()

    def _flush(self) -> None:
        """Write what is buffered; nothing at all is a block without events."""
        if self.n_written and not self._buffer:
            return
        events = ak.concatenate([events for events, _ in self._buffer] or [_NO_EVENTS])
        labels = np.concatenate([labels for _, labels in self._buffer] or [np.empty(0, np.int8)])
        massive = bool(ak.any(events["mass"] != 0, axis=None))
        if self._mass is None:
            self._mass = massive
        if massive and not self._mass:
            raise ArgumentError(
                f"{self.destination}: particles with mass after {self.n_written} events without; write "
                "with mass=True"
            )
        self._append(events, labels if self._labelled else None)
        self.n_written += len(events)
        self._buffer.clear()
        self._buffered_particles = 0

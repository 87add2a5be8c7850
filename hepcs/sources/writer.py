"""What every writer of events does: temporary name, buffering, labels and masses for all events or for none."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError
from hepcs._core.storage import atomic_path

log = logging.getLogger(__name__)


class EventWriter(ABC):
    """What the writers have in common: the temporary name, buffering, and whether there are labels and masses.

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

    _temporary: Path

    block_entries: ClassVar[int] = 20_000
    block_particles: ClassVar[int] = 4_000_000

    def __init__(self, destination: Path, *, mass: bool | None = None) -> None:
        self.destination = Path(destination)
        self.n_written = 0
        self._mass = mass
        self._labelled: bool | None = None
        self._place = ExitStack()
        self._buffer: list[tuple[Any, NDArray[np.int8] | None]] = []
        self._buffered_entries = 0
        self._buffered_particles = 0

    @abstractmethod
    def _open(self) -> None:
        """Create the temporary file."""

    @abstractmethod
    def _append(self, events: Any, labels: NDArray[np.int8] | None) -> None:
        """Write one block."""

    @abstractmethod
    def _close(self, complete: bool) -> None:
        """Close the temporary file, with what belongs at its end if it is complete."""

    def __enter__(self) -> Self:
        with ExitStack() as place:
            # Outermost, so that a failure of closing is one of writing too.
            self._temporary = place.enter_context(atomic_path(self.destination))
            self._open()
            place.push(self._finish)
            self._place = place.pop_all()
        return self

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
        if labels is not None:
            labels = np.asarray(labels).astype(np.int8)
            if labels.shape != (len(constituents),):
                raise ArgumentError(
                    f"labels of shape {labels.shape} for {len(constituents)} events; expected one for each"
                )
        if self._labelled is None:
            self._labelled = labels is not None
        if self._labelled != (labels is not None):
            raise ArgumentError(
                f"{self.destination}: labels for some chunks only; expected them for all or for none"
            )
        constituents = ak.from_regular(constituents, axis=1)
        self._buffer.append((constituents, labels))
        self._buffered_entries += len(constituents)
        self._buffered_particles += int(ak.count(constituents["pt"], axis=None))
        if self._buffered_entries >= self.block_entries or self._buffered_particles >= self.block_particles:
            self._flush()

    def _flush(self) -> None:
        """Write what is buffered: small blocks make slow files."""
        if not self._buffer:
            return
        events = ak.concatenate([events for events, _ in self._buffer])
        labels = np.concatenate(
            [labels for _, labels in self._buffer if labels is not None] or [np.empty(0, np.int8)]
        )
        massive = "mass" in ak.fields(events) and bool(ak.any(events["mass"] != 0, axis=None))
        if self._mass is None:
            self._mass = massive
        if massive and not self._mass:
            raise ArgumentError(
                f"{self.destination}: particles with mass after {self.n_written} events without; write "
                "with mass=True"
            )
        if "mass" not in ak.fields(events):
            events = ak.with_field(events, ak.zeros_like(events["pt"]), "mass")
        self._append(events, labels if self._labelled else None)
        self.n_written += len(events)
        self._buffer.clear()
        self._buffered_entries = self._buffered_particles = 0

    def _finish(self, kind: type[BaseException] | None, *_: object) -> None:
        """Write what is buffered if the block ended well, and close the temporary file in any case."""
        complete = False
        try:
            if kind is None:
                self._flush()
                complete = True
        finally:
            self._close(complete)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._place.__exit__(kind, error, trace)
        if kind is None:
            log.info("%s: %d events written", self.destination, self.n_written)

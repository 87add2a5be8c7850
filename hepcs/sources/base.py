"""What every source yields: chunks of events with their raw constituents, and nothing else.

A source is a small frozen object that can be sent to another process. It lists its chunks without reading
events, and reads one chunk at a time, so memory does not grow with the files. The truth label travels apart,
through :meth:`EventSource.read_labels`; only the code that injects signal asks for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import awkward as ak
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from hepcs.sources.jet_corrections import JetEnergy


@dataclass(frozen=True)
class Chunk:
    """The entries ``[start, stop)`` of one file (for a generator: of one block)."""

    file: str
    start: int
    stop: int

    @property
    def n_entries(self) -> int:
        """Number of entries."""
        return self.stop - self.start


@dataclass(frozen=True)
class SourceBlock:
    """Events of a chunk, as a selection takes them.

    Attributes
    ----------
    constituents
        Awkward array n x var x {pt, eta, phi, mass}, see :meth:`EventSource.read`.
    entry
        Shape (n,): entry of each event in the file.
    steps
        Names of the steps before these events and numbers of events after each; the first is what was read.
    n_weightless
        Constituents that were left out because their weight is zero.
    event_ids
        Shape (n, 3): run, luminosity section and number of recorded events; None where the source has none, and
        for simulated events, of which samples have the same numbers.
    jets
        Where the jets are not to be reclustered, those of the source: awkward array
        n x var x {pt, eta, phi, mass, area, constituents: var x {pt, eta, phi, mass}}, GeV; `constituents` are
        those of all jets together.
    energy
        Corrections of the jets' energy, if there are any.
    """

    constituents: Any
    entry: NDArray[np.int64]
    steps: tuple[tuple[str, int], ...]
    n_weightless: int = 0
    event_ids: NDArray[np.int64] | None = None
    jets: Any = None
    energy: JetEnergy | None = None

    @classmethod
    def whole(cls, constituents: Any, chunk: Chunk, n_weightless: int = 0) -> SourceBlock:
        """All events of a chunk."""
        entry = np.arange(chunk.start, chunk.stop)
        return cls(constituents, entry, (("entries read", chunk.n_entries),), n_weightless)

    def take(self, mask: NDArray[np.bool_]) -> SourceBlock:
        """The events of `mask`, shape (n,), with the same steps."""
        return replace(
            self,
            constituents=ak.to_packed(self.constituents[mask]),
            entry=self.entry[mask],
            event_ids=None if self.event_ids is None else self.event_ids[mask],
            jets=None if self.jets is None else ak.to_packed(self.jets[mask]),
            energy=None if self.energy is None else self.energy.take(mask),
        )


@dataclass(frozen=True)
class InputFile:
    """One input file as it goes into the provenance.

    Attributes
    ----------
    path, size, n_entries
        The file, its bytes and its events.
    digest
        ``sha256:...``, or ``uuid:...`` for a URL.
    protected
        Whether damage cannot go unseen: the file stores checksums of its data, or the card names one of the file.
    """

    path: str
    size: int
    n_entries: int
    digest: str
    protected: bool = True


@dataclass(frozen=True)
class SkippedFile:
    """A file that was left out because it cannot be read.

    Attributes
    ----------
    path
        The file.
    n_entries
        Events lost with it; None where not even their number can be read.
    reason
        What went wrong.
    """

    path: str
    n_entries: int | None
    reason: str


class EventSource(Protocol):
    """A sample of events with their constituents."""

    @property
    def files(self) -> tuple[str, ...]:
        """The files that events are read from."""
        ...

    def only(self, files: Sequence[str]) -> EventSource:
        """The same source of some of its files alone."""
        ...

    @property
    def has_labels(self) -> bool:
        """Whether :meth:`read_labels` has anything to give."""
        ...

    def chunks(self) -> tuple[Chunk, ...]:
        """All chunks, in a fixed order; raises InputError for files that are missing or unreadable."""
        ...

    def read(self, chunk: Chunk) -> Any:
        """Constituents of a chunk: awkward array n x var x {pt, eta, phi, mass}, float64, GeV and radians.

        Zero-pT entries (padding) are left out. Non-finite and negative values are passed on as they are: the
        selection counts and lists them. Raises InputError, naming file and entries, for what cannot be read.
        """
        ...

    def read_block(self, chunk: Chunk) -> SourceBlock:
        """The events of a chunk that go into the analysis, and what was left out of them."""
        ...

    def read_labels(self, chunk: Chunk) -> NDArray[np.int8]:
        """Truth labels of a chunk, shape (n,), 0 for background; raises InputError if there are none."""
        ...

    def input_files(self) -> tuple[InputFile, ...]:
        """The files with size, entries, digest, and whether they store checksums of their data."""
        ...


@runtime_checkable
class WeightedSource(Protocol):
    """A source whose events can have weights, such as those of a generator, and a dijet mass of their own."""

    @property
    def event_weight(self) -> str | None:
        """Name of the branch or column of the weights; None where each event counts as one."""
        ...

    @property
    def stored_m_jj(self) -> str | None:
        """Name of the branch or column of the dijet mass that the file holds; None for none."""
        ...

    def read_weights(self, chunk: Chunk) -> NDArray[np.float64]:
        """Weights of all entries of a chunk, finite, of either sign, shape (n,); raises InputError."""
        ...

    def read_stored_m_jj(self, chunk: Chunk) -> NDArray[np.float64]:
        """Dijet masses of all entries of a chunk as the file holds them, GeV, shape (n,); raises InputError."""
        ...

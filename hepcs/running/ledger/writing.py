"""Writing a ledger: one process at a time, each line on disk before work goes on."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hepcs._core.errors import CardError, ComputationError
from hepcs._core.storage import FULL
from hepcs.datasets.bootstrap import Task
from hepcs.running.identity import Origin, this_origin
from hepcs.running.ledger.lines import Chunk, Searches, encoded, header_line, line_of
from hepcs.running.ledger.reading import Recorded, is_blank, read_ledger, refuse_unlike
from hepcs.searches.base import Outcome

logger = logging.getLogger(__name__)


class Ledger:
    """A ledger that is open for writing, from :func:`open_ledger`."""

    def __init__(self, descriptor: int, recorded: Recorded) -> None:
        self._descriptor, self._recorded, self._size = descriptor, recorded, recorded.size
        self._done = recorded.by_family()
        self._origins = recorded.origins

    @property
    def path(self) -> Path:
        """Its file."""
        return self._recorded.path

    @property
    def n_found(self) -> int:
        """Pseudo-experiments that it held when it was opened, each counted once for every family."""
        return self._recorded.n_tasks

    @property
    def origins(self) -> tuple[Origin, ...]:
        """Machines and program texts that took part so far, those of this process included."""
        return self._origins

    def done(self, searches: Searches) -> Mapping[Task, tuple[Outcome, ...]]:
        """Outcomes of the finished tasks of a family."""
        return self._done.get(searches, {})

    def append(self, searches: Searches, outcomes: Sequence[tuple[Outcome, ...]]) -> None:
        """Record a finished chunk; it is on disk when this returns.

        Raises
        ------
        ComputationError
            If it cannot be written. What is there before stays good.
        """
        chunk = Chunk(searches, tuple(outcomes))
        self.write(line_of(self._recorded.key, encoded(chunk)))
        self._done.setdefault(searches, {}).update(zip(chunk.tasks, chunk.outcomes, strict=True))

    def join(self, origin: Origin) -> None:
        """Record what computes from here on; nothing is done for an origin that is known."""
        if origin not in self._origins:
            self.write(line_of(self._recorded.key, {"origin": asdict(origin)}))
            self._origins = (*self._origins, origin)

    def write(self, line: bytes) -> None:
        """Write a line; it is on disk when this returns. Raises ComputationError if it cannot be written."""
        try:
            if os.write(self._descriptor, line) < len(line):
                raise OSError("the disk took only a part of it")
            os.fsync(self._descriptor)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._descriptor, self._size)
            raise ComputationError(
                f"{self.path}: the ledger cannot be written ({error.strerror or error}). Free some space, and go "
                "on with --resume"
            ) from error
        self._size += len(line)


@contextmanager
def open_ledger(
    path: Path,
    identity: Mapping[str, Any],
    *,
    resume: bool = True,
    guard: Callable[[], None] = lambda: None,
) -> Iterator[Ledger]:
    """Open a ledger for writing, and lock it against other processes.

    Parameters
    ----------
    path
        Its file; made, with its folder, if it is missing.
    identity
        What the run is, from :func:`hepcs.running.identity.run_identity`.
    resume
        Go on from what the ledger holds, and refuse one of another run. If false, what it holds is lost.
    guard
        Called once the ledger is locked, before anything in it is lost; it raises what refuses that.

    Raises
    ------
    CardError
        If the ledger is of another run, another process writes it, or it cannot be at that place.
    InputError
        If it is damaged before its last line.
    ComputationError
        If the disk is full, or writing fails later.
    """
    with _opened(path) as descriptor:
        guard()
        blank = is_blank(path)
        if blank and path.stat().st_size:
            logger.warning("%s: cut inside its first line, nothing was recorded: begun anew", path)
        origin = this_origin()
        if resume and not blank:
            recorded = read_ledger(path)
            refuse_unlike(recorded, identity)
            if recorded.damage:
                logger.warning(recorded.damage)
                os.ftruncate(descriptor, recorded.size)
            ledger = Ledger(descriptor, recorded)
        else:
            os.ftruncate(descriptor, 0)
            line, key = header_line(identity, origin)
            ledger = Ledger(descriptor, Recorded(path, identity, (origin,), (), key, 0, ""))
            ledger.write(line)
        ledger.join(origin)
        yield ledger


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """Descriptor of a file that is made if need be, to append to it alone."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
    except OSError as error:
        problem = f"{path}: the ledger cannot be written ({error.strerror or error})"
        if error.errno in FULL:
            raise ComputationError(f"{problem}. Free some space, or use another --output") from error
        raise CardError(f"{problem}. Use another --output") from error
    try:
        lock(descriptor, path)
        yield descriptor
    finally:
        os.close(descriptor)


def lock(descriptor: int, path: Path, *, shared: bool = False) -> None:
    """Lock a file until its descriptor is closed, which the system does for a killed process too.

    Raises CardError if another process writes it; warns where the file system knows no locks.
    """
    try:
        import fcntl

        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise CardError(
            f"{path}: another process is at this ledger. Wait until it has ended, or use another --output"
        ) from error
    except (ImportError, OSError) as error:
        logger.warning("%s: cannot be locked (%s): let no other run write there", path, error)

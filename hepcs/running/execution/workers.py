"""The workers of a Dask cluster, which come and go, looked at from time to time while they work."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import time
from collections.abc import Callable
from typing import TypeVar

from distributed import Client

from hepcs._core.errors import ComputationError
from hepcs.running.execution.local import GO_ON
from hepcs.running.execution.machines import compare_workers
from hepcs.running.identity import Origin

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

# What waiting for a cluster raises when tasks or the connection are given up meanwhile.
CANCELLED = (asyncio.CancelledError, concurrent.futures.CancelledError)

# Seconds between looks at the cluster.
HEARTBEAT = 5.0


class Workers:
    """The workers of a client's cluster; `patience` is how many seconds to wait for some where there are none.

    Attributes
    ----------
    threads
        Of each worker, by its address, when they were last looked at.
    notes
        How workers are unlike this process or each other.
    origins
        Where the results that came so far were computed.
    """

    def __init__(self, client: Client, patience: float) -> None:
        self.client, self.patience = client, patience
        self.heartbeat = min(HEARTBEAT, patience)
        self.threads: dict[str, int] = {}
        self.notes: list[str] = []
        self.origins: list[Origin] = []
        self._known: set[str] = set()
        self._looked_at = time.monotonic()

    @property
    def address(self) -> str:
        """Of the scheduler."""
        scheduler = self.client.scheduler
        return str(scheduler.address) if scheduler is not None else "the Dask scheduler"

    @property
    def room(self) -> int:
        """Tasks that keep all workers busy: one at work in each thread, and another at hand."""
        return 2 * max(1, sum(self.threads.values()))

    def look(self) -> None:
        """Count the workers, and compare new ones with this process.

        Raises
        ------
        ComputationError
            If the scheduler is gone, or a new worker has no hepcs, or another version.
        """
        self.threads = dict(self.ask(self.client.nthreads))
        self._looked_at = time.monotonic()
        new = self.threads.keys() - self._known
        for note in self.ask(lambda: tuple(compare_workers(self.client, new))) if new else ():
            self.note(note)
        self._known |= new

    def note(self, note: str) -> None:
        """Keep a note, and warn of what is new."""
        if note not in self.notes:
            logger.warning(note)
            self.notes.append(note)

    def keep_watch(self) -> None:
        """Look again after a while, and wait for a worker if none is left."""
        if not self.threads or time.monotonic() - self._looked_at > self.heartbeat:
            self.wait_for(1)

    def wait_for(self, workers: int) -> None:
        """Wait until there are so many workers; raises ComputationError if they do not come, and as `look`."""
        deadline = time.monotonic() + self.patience
        self.look()
        if len(self.threads) >= workers:
            return
        logger.info("waiting for %d workers of %s", workers, self.address)
        # A cluster that adapts to its load starts workers only for a task.
        nudge = self.ask(lambda: self.client.submit(int, pure=False))
        while len(self.threads) < workers:
            if time.monotonic() > deadline:
                raise ComputationError(
                    f"{self.address}: {len(self.threads)} Dask workers after {self.patience:.0f} s, expected "
                    f"{workers} or more. Start some, ask the cluster for them, wait for fewer (--workers, "
                    f"execution.workers), or for longer (execution.patience). {GO_ON}"
                )
            time.sleep(0.2)
            self.look()
        nudge.release()

    def ask(self, question: Callable[[], Answer]) -> Answer:
        """What the scheduler answers; raises ComputationError if it is gone.

        Where the connection was lost, Dask tries for a while to connect again.
        """
        reason: BaseException | str = "the connection was lost"
        while self.client.status == "connecting":
            time.sleep(0.1)
        if self.client.status == "running":
            try:
                return question()
            except (OSError, *CANCELLED) as error:
                reason = error
        raise ComputationError(
            f"{self.address}: the Dask scheduler does not answer ({reason}). Start it again. {GO_ON}"
        )

"""The workers of a Dask cluster, looked at from time to time while they work."""

from __future__ import annotations

import logging
import time
from asyncio import CancelledError
from collections.abc import Callable
from typing import TypeVar

from distributed import Client

from hepcs.errors import ComputationError
from hepcs.execution.machines import compare_workers

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

# Seconds without a single worker before a run is given up.
PATIENCE = 600.0

# Seconds between looks at the cluster.
HEARTBEAT = 5.0

GO_ON = "What was finished is kept: the same command goes on from there, with --resume"


class Crew:
    """The workers of a cluster, which may come and go.

    Parameters
    ----------
    client
        Of the cluster.
    notes
        Where workers that are unlike this process are noted, besides the log.
    patience
        Seconds to wait for workers where there are none.
    """

    def __init__(self, client: Client, notes: list[str], patience: float = PATIENCE) -> None:
        self.client, self.notes, self.patience = client, notes, patience
        self.threads: dict[str, int] = {}
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
        new = set(self.threads) - self._known
        if new:
            for note in self.ask(lambda: tuple(compare_workers(self.client, new))):
                if note not in self.notes:
                    logger.warning(note)
                    self.notes.append(note)
        self._known |= new

    def keep_watch(self) -> None:
        """Look again after a while, and wait for a worker if none is left."""
        if time.monotonic() - self._looked_at > min(HEARTBEAT, self.patience):
            self.wait_for(1)

    def wait_for(self, workers: int) -> None:
        """Wait until there are so many workers.

        Raises
        ------
        ComputationError
            If they do not come, or as for :meth:`look`.
        """
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
                    f"{workers} or more. Start some, ask the cluster for them, or wait for fewer (--workers, "
                    f"execution.workers). {GO_ON}"
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
            except (OSError, CancelledError) as error:
                reason = error
        raise ComputationError(
            f"{self.address}: the Dask scheduler does not answer ({reason}). Start it again. {GO_ON}"
        )

"""Work on the workers of a Dask cluster: a bag of tasks, each done once, whatever becomes of the workers.

What all tasks share is sent to every worker. If it is lost with them, it is sent again, and the tasks that were
under way are handed in again.
"""

from __future__ import annotations

import logging
from asyncio import CancelledError
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from distributed import Client, Future, KilledWorker, as_completed

from hepcs.errors import ComputationError
from hepcs.execution.crew import GO_ON, HEARTBEAT, PATIENCE, Crew
from hepcs.execution.parcel import Parcel, Refusal, pack, run_on_worker
from hepcs.progress import Mapper

logger = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")

# Times that Dask tries a task again whose failure is no error of ours, such as a file system that was away.
RETRIES = 2

# Times that what all tasks share may be lost, with no result in between.
LOSSES = 3

# Results that may wait for an earlier one, for each task under way.
HELD = 4


def dask_mapper(
    client: Client,
    transfer: str = "path",
    *,
    notes: list[str] | None = None,
    patience: float = PATIENCE,
) -> Mapper:
    """A Mapper over the workers of a Dask cluster.

    Parameters
    ----------
    client
        Of the cluster; it stays open.
    transfer
        ``path``: workers open memory-mapped arrays from their path; ``broadcast``: they are sent them.
    notes
        Where workers that differ from this process in processor or versions are noted, besides the log.
    patience
        Seconds to wait for a first worker, or for another when the last one is gone.

    Returns
    -------
    A Mapper whose results do not depend on the workers; none is lost or doubled if some of them are killed.
    Errors of ours are raised as they are, and ComputationError if the scheduler is gone, no worker is left, a
    task kills one worker after the other, or a worker has another version of hepcs.
    """
    crew = Crew(client, [] if notes is None else notes, patience)

    def mapper(
        function: Callable[[Item], Result], items: Sequence[Item], *, ordered: bool = True
    ) -> Iterator[Result]:
        if not items:
            return
        bag = _Bag(crew, pack(function, transfer), items)
        held: dict[int, Result] = {}
        n_yielded = 0
        try:
            while bag.n_left:
                crew.keep_watch()
                bag.hand_in(max(1, min(crew.room, HELD * crew.room - len(held))))
                for index, result in bag.take():
                    if not ordered:
                        yield result
                        continue
                    held[index] = result
                    while n_yielded in held:
                        yield held.pop(n_yielded)
                        n_yielded += 1
        finally:
            bag.abandon()

    return mapper


class _Bag:
    """The tasks for all items: waiting, or under way with what they share."""

    def __init__(self, crew: Crew, parcel: Parcel, items: Sequence[Any]) -> None:
        self.crew, self.parcel, self.items = crew, parcel, items
        self.waiting = deque(range(len(items)))
        self.under_way: dict[Future, tuple[int, Future]] = {}
        self.shared: Future | None = None
        self.losses = 0
        self.completed = self._watch()

    @property
    def n_left(self) -> int:
        """Tasks without a result."""
        return len(self.waiting) + len(self.under_way)

    def hand_in(self, limit: int) -> None:
        """Hand in tasks until so many are under way."""
        client = self.crew.client
        while self.waiting and len(self.under_way) < limit:
            if self.shared is None:
                self.shared = self._send()
            index = self.waiting.popleft()
            future = client.submit(run_on_worker, self.shared, self.items[index], pure=False, retries=RETRIES)
            self.under_way[future] = (index, self.shared)
            self.completed.add(future)

    def take(self) -> Iterator[tuple[int, Any]]:
        """Wait a while for a task to end: its index and result, or nothing."""
        try:
            future, result = next(self.completed)
        except TimeoutError:
            self.completed = self._watch()
            return
        index, shared = self.under_way.pop(future)
        if future.status == "finished":
            self.losses = 0
            if isinstance(result, Refusal):
                raise result.error
            yield index, result
        elif future.status == "error":
            raise _explained(result[1], self.crew.address).with_traceback(result[2])
        else:
            self.waiting.appendleft(index)
            self._lost(shared)

    def abandon(self) -> None:
        """Take back what is under way."""
        client = self.crew.client
        if self.under_way and client.status == "running":
            with suppress(OSError, CancelledError):
                client.cancel(list(self.under_way))
        self.under_way.clear()
        self.shared = None

    def _watch(self) -> as_completed:
        return as_completed(
            list(self.under_way),
            loop=self.crew.client.loop,
            with_results=True,
            raise_errors=False,
            timeout=min(HEARTBEAT, self.crew.patience),
        )

    def _send(self) -> Future:
        """What all tasks share, sent to every worker: a single copy would be lost with its worker."""
        self.crew.wait_for(1)
        client = self.crew.client
        future: Future = self.crew.ask(lambda: client.scatter(self.parcel, broadcast=True, hash=False))
        return future

    def _lost(self, shared: Future) -> None:
        """Take note that a task was lost with what it shares with others, which is to be sent again."""
        if shared is not self.shared:
            return
        self.losses += 1
        if self.losses > LOSSES:
            raise ComputationError(
                f"{self.crew.address}: all Dask workers were lost {self.losses} times in a row, most likely for "
                f"want of memory. Give each of them more. {GO_ON}"
            )
        logger.info("Dask workers were lost with what they were sent: sending it again")
        self.shared = None


def _explained(error: BaseException, address: str) -> BaseException:
    """What the failure of a task means."""
    if isinstance(error, KilledWorker):
        return ComputationError(
            f"{address}: Dask workers died one after the other at the same task, most likely for want of memory. "
            f"Give each of them more, or run fewer on a machine. {GO_ON}"
        )
    return error

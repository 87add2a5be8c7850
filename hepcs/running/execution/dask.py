"""Work on the workers of a Dask cluster: a bag of tasks, each done once, whatever becomes of the workers.

What all tasks share is sent to every worker. If it is lost with them, it is sent again, and the tasks that were
under way are handed in again.
"""

from __future__ import annotations

import logging
from asyncio import CancelledError
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, TypeVar
from uuid import uuid4

from dask.sizeof import sizeof
from distributed import Future, KilledWorker
from numpy.typing import NDArray

from hepcs._core.errors import ComputationError
from hepcs._core.progress import Mapper
from hepcs.running.execution.crew import HEARTBEAT, Crew
from hepcs.running.execution.local import GO_ON
from hepcs.running.execution.parcel import Done, Parcel, Refusal, Unfit, pack, run_on_worker

logger = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")

# Times that Dask tries a task again whose failure is no error of ours, such as a file system that was away.
RETRIES = 2

# Times that a task is handed in again whose workers died, or could not unpack it. It need not be the task's fault:
# Dask counts all that were queued on a worker that died.
SECOND_CHANCES = 2

# Times that what all tasks share may be lost, with no result in between.
LOSSES = 3

# Seconds that sending to all workers may take: at least, and for each megabyte more. A worker that dies meanwhile
# can leave Dask waiting for ever.
SENDING, SENDING_A_MEGABYTE = 60.0, 1.0

# Results that may wait for an earlier one, for each task under way.
HELD = 4


def dask_mapper(crew: Crew, transfer: str = "path") -> Mapper:
    """A Mapper over the workers of a Dask cluster.

    Parameters
    ----------
    crew
        The workers. It notes those that are unlike this process, and the origins of the results.
    transfer
        ``path``: workers open memory-mapped arrays from their path; ``broadcast``: they are sent them, once for
        all calls of the mapper.

    Returns
    -------
    A Mapper whose results do not depend on the workers; none is lost or doubled if some of them are killed.
    Errors of ours are raised as they are, and ComputationError if the scheduler is gone, no worker is left, a
    task kills one worker after the other, or a worker has another version of hepcs.
    """
    shipment = _Shipment(crew)

    def mapper(
        function: Callable[[Item], Result], items: Sequence[Item], *, ordered: bool = True
    ) -> Iterator[Result]:
        if not items:
            return
        bag = _Bag(crew, shipment, pack(function, transfer), items)
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


class _Shipment:
    """What is sent to every worker: a single copy would be lost with its worker."""

    def __init__(self, crew: Crew) -> None:
        self.crew = crew
        self.arrays: dict[str, Future] = {}

    def send(self, parcel: Parcel, arrays: Mapping[str, NDArray[Any]]) -> tuple[Future, list[Future]]:
        """Send a parcel, and the arrays of it that are not there yet."""
        for digest, array in arrays.items():
            if digest not in self.arrays or self.arrays[digest].status != "finished":
                self.arrays[digest] = self._broadcast(array)
        return self._broadcast(parcel), [self.arrays[digest] for digest in parcel.digests]

    def _broadcast(self, content: Any) -> Future:
        client = self.crew.client
        limit = SENDING + SENDING_A_MEGABYTE * sizeof(content) / 1e6

        def send() -> Future:
            key = f"hepcs-{uuid4().hex}"

            async def scatter() -> Future:
                sent: dict[str, Future] = await client.scatter(
                    {key: content}, broadcast=True, asynchronous=True
                )
                return sent[key]

            try:
                return client.sync(scatter, callback_timeout=limit)
            except TimeoutError:
                # The scheduler tries for ever to copy to a worker that died meanwhile, and sends nothing else
                # until it may forget what it copies.
                Future(key, client).release()
                raise

        return self.crew.ask_workers(send)


class _Bag:
    """The tasks for all items: waiting, or under way with what they share."""

    def __init__(
        self,
        crew: Crew,
        shipment: _Shipment,
        packed: tuple[Parcel, Mapping[str, NDArray[Any]]],
        items: Sequence[Any],
    ) -> None:
        self.crew, self.shipment, self.packed, self.items = crew, shipment, packed, items
        self.waiting = deque(range(len(items)))
        self.under_way: dict[Future, tuple[int, Future]] = {}
        self.ended: SimpleQueue[Future] = SimpleQueue()
        self.shared: tuple[Future, list[Future]] | None = None
        self.losses = 0
        self.second_chances: Counter[int] = Counter()
        self.unfit: set[str] = set()

    @property
    def n_left(self) -> int:
        """Tasks without a result."""
        return len(self.waiting) + len(self.under_way)

    def hand_in(self, limit: int) -> None:
        """Hand in tasks until so many are under way."""
        while self.waiting and len(self.under_way) < limit:
            if self.shared is None:
                self.shared = self.shipment.send(*self.packed)
            parcel, arrays = self.shared
            index = self.waiting.popleft()
            future = self.crew.client.submit(
                run_on_worker,
                parcel,
                arrays,
                self.items[index],
                pure=False,
                retries=RETRIES,
                **self._preferred(),
            )
            self.under_way[future] = (index, parcel)
            future.add_done_callback(self.ended.put)

    def take(self) -> Iterator[tuple[int, Any]]:
        """Wait a while for a task to end: its index and result, or nothing."""
        try:
            future = self.ended.get(timeout=self.crew.heartbeat)
        except Empty:
            return
        try:
            answer: Done | Refusal | Unfit = future.result(timeout=HEARTBEAT)
        except (Exception, CancelledError) as error:
            self._no_answer(future, error)
            return
        index, _ = self.under_way.pop(future)
        match answer:
            case Refusal():
                raise answer.error
            case Unfit():
                self._pass_on(index, answer)
            case Done(result, origin):
                self.losses = 0
                if origin not in self.crew.origins:
                    self.crew.origins.append(origin)
                yield index, result

    def abandon(self) -> None:
        """Take back what is under way."""
        client = self.crew.client
        if self.under_way and client.status == "running":
            with suppress(OSError, CancelledError):
                client.cancel(list(self.under_way))
        self.under_way.clear()
        self.shared = None

    def _no_answer(self, future: Future, error: BaseException) -> None:
        """Hand a task in again whose answer was lost with its worker; raise the error of one that failed."""
        if future.status == "error":
            index, _ = self.under_way.pop(future)
            if not isinstance(error, KilledWorker):
                raise error
            if not self._has_second_chance(index):
                raise ComputationError(
                    f"{self.crew.address}: Dask workers died one after the other at the same task, most likely "
                    f"for want of memory. Give each of them more, or run fewer on a machine. {GO_ON}"
                ) from error
        elif future.status in ("cancelled", "lost"):
            index, parcel = self.under_way.pop(future)
            self.waiting.appendleft(index)
            self._lost(parcel)
        else:  # it takes its time, or Dask runs the task again
            future.add_done_callback(self.ended.put)

    def _pass_on(self, index: int, answer: Unfit) -> None:
        """Give a task to other workers than one that cannot unpack it; raise its error if there are none."""
        self.crew.note(f"the Dask worker {answer.worker} was left out: {answer.error}")
        self.unfit.add(answer.worker)
        self.crew.look()
        if self.unfit.issuperset(self.crew.threads) or not self._has_second_chance(index):
            raise answer.error

    def _has_second_chance(self, index: int) -> bool:
        """Whether a task may be handed in again; then it waits for that."""
        self.second_chances[index] += 1
        if self.second_chances[index] > SECOND_CHANCES:
            return False
        self.waiting.appendleft(index)
        return True

    def _preferred(self) -> dict[str, Any]:
        """Which workers a task should go to: all, or those that can unpack it, best on other machines."""
        if not self.unfit:
            return {}
        fit = [worker for worker in self.crew.threads if worker not in self.unfit]
        machines = {_machine(worker) for worker in self.unfit}
        elsewhere = [worker for worker in fit if _machine(worker) not in machines]
        # If these leave, Dask may give it to any.
        return {"workers": elsewhere or fit, "allow_other_workers": True} if fit else {}

    def _lost(self, parcel: Future) -> None:
        """Take note that a task was lost with what it shares with others, which is to be sent again."""
        if self.shared is None or parcel is not self.shared[0]:
            return
        self.losses += 1
        if self.losses > LOSSES:
            raise ComputationError(
                f"{self.crew.address}: all Dask workers were lost {self.losses} times in a row, most likely for "
                f"want of memory. Give each of them more. {GO_ON}"
            )
        logger.info("Dask workers were lost with what they were sent: sending it again")
        self.shared = None


def _machine(worker: str) -> str:
    """The machine of a worker's address."""
    return worker.rpartition(":")[0]

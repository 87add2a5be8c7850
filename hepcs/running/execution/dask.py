"""Tasks on the workers of a Dask cluster, each done once, whatever becomes of the workers.

What all tasks share is the result of a task too: Dask copies it from worker to worker, and makes it again if it is
lost with those that hold it, unlike data that a client scatters.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import dask
import numpy as np
from distributed import Future, KilledWorker, wait

from hepcs._core.errors import ComputationError, HepcsError
from hepcs._core.progress import Mapper
from hepcs.running.execution.local import GO_ON
from hepcs.running.execution.payload import Arrays, Done, Payload, Unfit, pack, run_on_worker
from hepcs.running.execution.workers import CANCELLED, HEARTBEAT, Workers

Item = TypeVar("Item")
Result = TypeVar("Result")

# Times that Dask tries a task again whose failure is no error of ours, such as a file system that was away.
RETRIES = 2

# Times that a task is handed in again whose workers died. It need not be the task's fault: Dask counts all that
# were queued on a worker that died.
SECOND_CHANCES = 2

# Results that may wait for an earlier one, for each task under way.
HELD = 4


def dask_mapper(workers: Workers, transfer: str = "path") -> Mapper:
    """A Mapper over the workers of a Dask cluster.

    Parameters
    ----------
    workers
        The workers. They note those that are unlike this process, and the origins of the results.
    transfer
        ``path``: workers open memory-mapped arrays from their path; ``broadcast``: they are sent them, once for
        all calls of the mapper.

    Returns
    -------
    A Mapper whose results do not depend on the workers; none is lost or doubled if some of them are killed.
    Errors of ours are raised as they are, and ComputationError if the scheduler is gone, no worker is left, a
    task kills one worker after the other, or a worker has another version of hepcs.
    """
    arrays_there: dict[str, Future] = {}

    def mapper(
        function: Callable[[Item], Result], items: Sequence[Item], *, ordered: bool = True
    ) -> Iterator[Result]:
        tasks = _Tasks(workers, *pack(function, transfer), arrays_there, items)
        held: dict[int, Result] = {}
        n_yielded = 0
        try:
            while tasks.n_left:
                workers.keep_watch()
                tasks.hand_in(max(1, min(workers.room, HELD * workers.room - len(held))))
                for index, result in tasks.take():
                    if not ordered:
                        yield result
                        continue
                    held[index] = result
                    while n_yielded in held:
                        yield held.pop(n_yielded)
                        n_yielded += 1
        finally:
            tasks.abandon()

    return mapper


class _Tasks:
    """The tasks for all items, waiting or under way, and what they share on the cluster."""

    def __init__(
        self,
        workers: Workers,
        payload: Payload,
        arrays: Arrays,
        there: dict[str, Future],
        items: Sequence[Any],
    ) -> None:
        self.workers, self.payload, self.arrays, self.items = workers, payload, arrays, items
        self.arrays_there, self.payload_there = there, None
        self.waiting = deque(range(len(items)))
        self.under_way: dict[Future, tuple[int, str | None]] = {}
        self.deaths: Counter[int] = Counter()
        self.unfit: set[str] = set()

    @property
    def n_left(self) -> int:
        """Tasks without a result."""
        return len(self.waiting) + len(self.under_way)

    def hand_in(self, limit: int) -> None:
        """Hand in tasks until so many are under way, each to the worker that has the fewest for its threads.

        Dask would give them to those that hold already what all share, and little to workers that join.
        """
        threads = {worker: n for worker, n in self.workers.threads.items() if worker not in self.unfit}
        busy = Counter(worker for _, worker in self.under_way.values())
        while self.waiting and len(self.under_way) < limit:
            worker = min(threads, key=lambda one: busy[one] / threads[one], default=None)
            # If it has left, Dask may give the task to any.
            place = {} if worker is None else {"workers": [worker], "allow_other_workers": True}
            index = self.waiting.popleft()
            future = self._submit(run_on_worker, *self._shared(), self.items[index], **place)
            self.under_way[future] = (index, worker)
            busy[worker] += 1

    def take(self) -> Iterator[tuple[int, Any]]:
        """Wait a while for tasks to end: their indices and results, or nothing."""
        with suppress(TimeoutError, *CANCELLED), self.workers.client.as_current():
            wait(list(self.under_way), timeout=self.workers.heartbeat, return_when="FIRST_COMPLETED")
        for future in [one for one in self.under_way if one.done()]:
            try:
                answer = future.result(timeout=HEARTBEAT)
            except (Exception, *CANCELLED) as error:
                self._no_answer(future, error)
                continue
            index, _ = self.under_way.pop(future)
            match answer:
                case HepcsError():
                    raise answer
                case Unfit():
                    self._pass_on(index, answer)
                case Done(result, origin):
                    if origin not in self.workers.origins:
                        self.workers.origins.append(origin)
                    yield index, result

    def abandon(self) -> None:
        """Take back what is under way."""
        client = self.workers.client
        if self.under_way and client.status == "running":
            with suppress(OSError, *CANCELLED):
                client.cancel(list(self.under_way))
        self.under_way.clear()

    def _shared(self) -> tuple[Future, dict[str, Future]]:
        """The payload and its arrays on the cluster; sent again if it gave them up."""
        there = self.arrays_there
        for digest, array in self.arrays.items():
            there[digest] = self._kept(there.get(digest), np.asarray, array)
        self.payload_there = self._kept(self.payload_there, Payload, self.payload.content)
        return self.payload_there, {digest: there[digest] for digest in self.arrays}

    def _kept(self, future: Future | None, *call: Any) -> Future:
        return (
            future if future is not None and future.status in ("pending", "finished") else self._submit(*call)
        )

    def _submit(self, *call: Any, **place: Any) -> Future:
        # Dask warns of what is large, since most programs had better load it on the workers.
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 PB"}):
            return self.workers.client.submit(*call, pure=False, retries=RETRIES, **place)

    def _no_answer(self, future: Future, error: BaseException) -> None:
        """Hand a task in again that was lost with its workers; raise the error of one that failed."""
        if future.status in ("pending", "finished"):  # it takes its time, or Dask runs the task again
            return
        index, _ = self.under_way.pop(future)
        if future.status == "error" and not isinstance(error, KilledWorker):
            raise error
        self.workers.look()  # a scheduler that is gone has lost them all
        self.deaths[index] += 1
        if self.deaths[index] > SECOND_CHANCES:
            raise ComputationError(
                f"{self.workers.address}: Dask workers died one after the other at the same task, most likely for "
                f"want of memory. Give each of them more, or run fewer on a machine. {GO_ON}"
            ) from error
        self.waiting.appendleft(index)

    def _pass_on(self, index: int, answer: Unfit) -> None:
        """Leave a worker out that cannot unpack a task; raise its error if there is no other."""
        self.unfit.add(answer.worker)
        self.workers.note(f"the Dask worker {answer.worker} was left out: {answer.error}")
        self.workers.look()
        if self.unfit.issuperset(self.workers.threads):
            raise answer.error
        self.waiting.appendleft(index)

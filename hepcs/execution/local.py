"""Processes on this machine, through joblib's loky: big arrays are memory-mapped, not copied to each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import joblib
from joblib.externals.loky.process_executor import TerminatedWorkerError
from threadpoolctl import threadpool_limits

from hepcs.errors import ComputationError
from hepcs.progress import Mapper

Item = TypeVar("Item")
Result = TypeVar("Result")


def available_cores() -> int:
    """Cores that this process may use: the affinity or container limit, not the machine's size."""
    return int(joblib.cpu_count()) or os.cpu_count() or 1


def _on_one_thread(function: Callable[[Item], Result], item: Item) -> Result:
    """Results must not depend on the number of threads, and processes must not fight over cores."""
    with threadpool_limits(limits=1):
        return function(item)


def local_mapper(workers: int) -> Mapper:
    """A Mapper over so many processes; one worker works in this process."""

    def mapper(function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        parallel = joblib.Parallel(
            n_jobs=min(workers, max(len(items), 1)), return_as="generator", batch_size=1
        )
        try:
            yield from parallel(joblib.delayed(_on_one_thread)(function, item) for item in items)
        except TerminatedWorkerError as error:
            raise ComputationError(
                "a worker process was killed, most likely for want of memory. Try fewer --workers; "
                "--dry-run says what the run needs"
            ) from error

    return mapper

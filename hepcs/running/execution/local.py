"""Processes on this machine, through joblib's loky.

Features go to them as a path and a digest (:mod:`hepcs.features.feature_file`), and all share one copy in memory;
everything else is sent through pipes. Nothing is left in files, which joblib would make of larger arrays.
"""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TypeVar

import joblib
from joblib.externals.loky.process_executor import TerminatedWorkerError

from hepcs._core.errors import ComputationError
from hepcs._core.progress import Mapper
from hepcs._core.threads import one_thread

GO_ON = "What was finished is kept: the same command goes on from there, with --resume"

# Seconds between two looks of a worker at its parent.
PAUSE = 1.0

Item = TypeVar("Item")
Result = TypeVar("Result")


def available_cores() -> int:
    """Cores that this process may use: the affinity or container limit, not the machine's size."""
    return int(joblib.cpu_count()) or os.cpu_count() or 1


def local_mapper(workers: int) -> Mapper:
    """A Mapper over so many processes; one worker works in this process."""

    def mapper(
        function: Callable[[Item], Result], items: Sequence[Item], *, ordered: bool = True
    ) -> Iterator[Result]:
        parallel = joblib.Parallel(
            n_jobs=min(workers, max(len(items), 1)),
            return_as="generator" if ordered else "generator_unordered",
            batch_size=1,
            max_nbytes=None,  # else joblib writes larger arrays into pickles, to map them
        )
        try:
            with ignoring_interrupts():
                results = parallel(
                    joblib.delayed(_on_one_thread)(os.getpid(), function, item) for item in items
                )
            try:
                for result in results:  # noqa: UP028 - `yield from` would close them itself, and
                    yield result
            finally:
                with warnings.catch_warnings():  # joblib would warn that nobody wants the other results
                    warnings.simplefilter("ignore", UserWarning)
                    results.close()
        except TerminatedWorkerError as error:
            raise ComputationError(
                "a worker process was killed, most likely for want of memory. Try fewer --workers; --dry-run says "
                f"what the run needs. {GO_ON}"
            ) from error

    return mapper


def _on_one_thread(parent: int, function: Callable[[Item], Result], item: Item) -> Result:
    if os.getpid() != parent:
        watch_parent()
    with one_thread():
        return function(item)


@cache
def watch_parent() -> None:
    """End this process when its parent has ended, as after a kill -9 of a run; calls after the first do nothing.

    A worker that waits for work does not see that nobody is left to send any, and would hold its memory.
    """
    threading.Thread(target=_end_with, args=(os.getppid(),), name="parent watch", daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PAUSE)
    os._exit(1)


@contextmanager
def ignoring_interrupts() -> Iterator[None]:
    """Processes that start inside ignore Ctrl-C, and leave it to this one to end them.

    A terminal sends it to all of them, and one that is just starting would die with a traceback and could leave
    the others waiting. Only the main thread may do this; elsewhere nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)

"""One thread for linear algebra: results must not depend on their number, nor processes fight over cores."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from threadpoolctl import threadpool_limits


class _Limit:
    """The limit of this process, held as long as any of its threads works under it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.holders = 0
        self.limits: Any = None

    def take(self) -> None:
        with self.lock:
            if self.holders == 0:
                self.limits = threadpool_limits(limits=1)
            self.holders += 1

    def give_back(self) -> None:
        with self.lock:
            self.holders -= 1
            if self.holders == 0:
                self.limits.restore_original_limits()
                self.limits = None


_LIMIT = _Limit()


@contextmanager
def one_thread() -> Iterator[None]:
    """Inside, the numerical libraries of this process use one thread.

    The limit is the process's: where several threads work under it, the last one out lifts it.
    """
    _LIMIT.take()
    try:
        yield
    finally:
        _LIMIT.give_back()

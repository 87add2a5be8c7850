"""Compiled functions."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from hepcs._core import compilation


def test_compiles_where_nothing_can_be_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_folder(*args: object, **options: object) -> object:
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: ("compiled", function)

    monkeypatch.setattr(compilation, "njit", no_folder)
    assert compilation.compiled(len) == ("compiled", len)


def steps(n: int) -> int:
    """Some nanoseconds for each step, one after the other."""
    value = 1
    for _ in range(n):
        value = (value * 1103515245 + 12345) & 0x7FFFFFFF
    return value


def test_other_threads_go_on_meanwhile() -> None:
    """Threads of a Dask worker share one interpreter: compiled code must not hold its lock."""
    function: Any = compilation.compiled(steps)
    assert function(3) == steps(3)
    thread = threading.Thread(target=function, args=(200_000_000,))
    ticks = 0
    thread.start()
    while thread.is_alive():
        time.sleep(0.005)
        ticks += 1
    assert ticks > 5

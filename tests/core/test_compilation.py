"""Compiled functions."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from hepcs._core import compilation


def test_compiles_where_nothing_can_be_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_folder(*args: object, **options: object) -> object:
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: ("compiled", function)

    monkeypatch.setattr(compilation, "njit", no_folder)
    assert compilation.compiled(steps) == ("compiled", steps)


def steps(n: int) -> int:
    """Some nanoseconds for each step, one after the other."""
    value = 1
    for _ in range(n):
        value = (value * 1103515245 + 12345) & 0x7FFFFFFF
    return value


def test_a_change_of_what_is_compiled_into_a_function_is_seen(tmp_path: Path) -> None:
    """Numba looks at the file of the outer function alone, and would take the old machine code."""
    outer = "from hepcs._core.compilation import compiled\nfrom inner import two\n"
    outer += "@compiled\ndef twice(x):\n    return two() * x\nprint(twice(3), twice.__name__)\n"
    (tmp_path / "outer.py").write_text(outer)
    for number in (2, 5):
        (tmp_path / "inner.py").write_text(
            f"from numba import njit\n@njit\ndef two():\n    return {number}\n"
        )
        ended = subprocess.run(
            [sys.executable, "-B", "outer.py"], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        assert ended.stdout == f"{3 * number} twice\n"


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

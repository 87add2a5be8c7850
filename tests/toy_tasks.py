"""What the tests of engines have workers do; it imports little, since each new worker imports it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

from hepcs._core.errors import InputError, MissingDependencyError


def slow_square(x: int) -> int:
    time.sleep(0.2 if x == 0 else 0.01)
    return x * x


def plain(item: tuple[Any, ...]) -> tuple[Any, ...]:
    return item


def threads(_: int) -> int:
    return max(one["num_threads"] for one in threadpool_info())


def leave_mark(folder: Path, x: int) -> int:
    (folder / str(x)).touch()
    return x


def die_once(folder: Path, victims: int, x: int) -> int:
    """The square of x; the first processes that get to the fourth item or beyond are killed by it."""
    if x >= 3:
        for victim in range(victims):
            try:
                (folder / str(victim)).touch(exist_ok=False)
            except FileExistsError:
                continue
            os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.02)
    return x * x


def die(x: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return x


def fail(folder: Path, x: int) -> int:
    (folder / f"{x}-{time.monotonic_ns()}").touch()
    if x == 1:
        raise InputError("the first one")
    if x == 2:
        raise MissingDependencyError("thing", "for this", "pip install thing")
    if x == 3 and len(list(folder.glob("3-*"))) < 2:
        raise OSError("the file system was away")
    if x == 4:
        raise ValueError("a bug")
    return x


def process_number(_: int) -> int:
    time.sleep(0.3)
    return os.getpid()


class Sum:
    """The sum of an array, sent to a worker as searches are."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __call__(self, x: int) -> float:
        return float(self.array.sum()) + x


class WhoseSum(Sum):
    """The process that took the sum, with it."""

    def __call__(self, x: int) -> tuple[int, float]:
        time.sleep(0.1)
        return os.getpid(), super().__call__(x)


class Picky:
    """The square of x; the first process that unpacks it cannot, nor can it ever after."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __setstate__(self, state: dict[str, Any]) -> None:
        victim = state["folder"] / "victim"
        try:
            with victim.open("x") as file:
                file.write(str(os.getpid()))
        except FileExistsError:
            time.sleep(0.1)  # until it is written
        if victim.read_text() == str(os.getpid()):
            raise InputError("its disk is full")
        self.__dict__.update(state)

    def __call__(self, x: int) -> int:
        time.sleep(0.02)
        return x * x

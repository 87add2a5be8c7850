"""Processes on this machine."""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from hepcs._core.errors import ComputationError, InputError, MissingDependencyError
from hepcs.running.execution import local_mapper


def slow_square(x: int) -> int:
    time.sleep(0.05 * (x % 3))
    return x * x


def process(_: int) -> int:
    time.sleep(0.2)
    return os.getpid()


def threads(_: int) -> int:
    return max((library["num_threads"] for library in threadpool_info()), default=1)


def fail(x: int) -> int:
    if x == 3:
        raise InputError("the third one")
    if x == 9:
        raise MissingDependencyError("thing", "for this", "pip install thing")
    return x


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_items(workers: int) -> None:
    assert list(local_mapper(workers)(slow_square, range(7))) == [x * x for x in range(7)]


def test_several_processes_work_each_on_one_thread() -> None:
    assert len(set(local_mapper(2)(process, range(8)))) == 2
    assert set(local_mapper(2)(threads, range(3))) == {1}


@pytest.mark.parametrize("workers", [1, 2])
def test_errors_keep_their_type_and_text(workers: int) -> None:
    with pytest.raises(InputError, match="the third one"):
        list(local_mapper(workers)(fail, range(5)))
    with pytest.raises(MissingDependencyError, match="thing is needed for this"):
        list(local_mapper(workers)(fail, range(8, 11)))


def test_nothing_to_do() -> None:
    assert list(local_mapper(2)(slow_square, [])) == []


def test_results_that_are_not_wanted_are_given_up_without_a_warning() -> None:
    results = local_mapper(2)(slow_square, range(40), ordered=False)
    assert next(results) in {x * x for x in range(40)}
    results.close()
    assert list(local_mapper(2)(slow_square, range(4))) == [0, 1, 4, 9]


def die(x: int) -> int:
    if x == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def test_a_killed_worker_is_no_bug() -> None:
    with pytest.raises(ComputationError, match=r"most likely for want of memory.*--resume"):
        list(local_mapper(2)(die, range(6)))


def ignores_interrupts(_: int) -> bool:
    time.sleep(0.1)
    return signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_workers_leave_control_c_to_the_parent() -> None:
    before = signal.getsignal(signal.SIGINT)
    assert set(local_mapper(3)(ignores_interrupts, range(6))) == {True}
    assert signal.getsignal(signal.SIGINT) is before


def doubled(values: np.ndarray, folder: Path, item: int) -> tuple[np.ndarray, list[str]]:
    """A large array from a large one, and the files of a folder meanwhile."""
    time.sleep(0.1)
    return values * (2 + item), [str(path) for path in folder.rglob("*") if path.is_file()]


def test_large_arrays_leave_no_pickles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBLIB_TEMP_FOLDER", str(tmp_path))
    values = np.arange(500_000.0)
    results = list(local_mapper(2)(partial(doubled, values, tmp_path), range(4)))
    for item, (found, files) in enumerate(results):
        np.testing.assert_array_equal(found, values * (2 + item))
        assert not files

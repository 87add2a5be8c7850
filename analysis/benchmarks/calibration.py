"""Point 3: a slice of the full calibration, as a run does it, with one process and with two."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from functools import partial

import numpy as np
import psutil

from hepcs._core.progress import Mapper
from hepcs.running.execution import local_mapper
from hepcs.running.pseudo_experiments import CHUNKS_A_WORKER, run_items

from .report import Figure, Measured
from .sample import FEATURES, PaperSample
from .searching import ScanOn, section_of
from .sizes import Sizes
from .timing import Laps, median_ratio

# The paper's calibration.
PSEUDO_EXPERIMENTS = 3900
PROCESSES = 2
# Pauses between two looks at the memory, in seconds.
PAUSE = 0.05


class MemoryWatch:
    """The most memory that any process below this one holds, and all of them together, looked at now and then.

    Memory that several processes share, such as mapped features, counts in parts that add up to one (PSS), where
    the system tells it; elsewhere in each (RSS).
    """

    def __init__(self) -> None:
        self.largest = 0
        self.together = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> MemoryWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.look()

    def _watch(self) -> None:
        while not self._stop.wait(PAUSE):
            self.look()

    def look(self) -> None:
        """Look now."""
        this = psutil.Process()
        held = [memory_of(child) for child in this.children(recursive=True) if not _is_copy_of(child, this)]
        self.largest = max([self.largest, *held])
        self.together = max(self.together, sum(held) + memory_of(this))


def _is_copy_of(child: psutil.Process, parent: psutil.Process) -> bool:
    """Whether a child is only on its way to its own program: until then its parent's memory shows as its own."""
    try:
        return child.cmdline() == parent.cmdline()
    except psutil.NoSuchProcess:
        return True


def memory_of(process: psutil.Process) -> int:
    """Bytes that a process holds, its part of what is shared included; 0 for one that has ended."""
    try:
        full = process.memory_full_info()
    except psutil.NoSuchProcess:
        return 0
    return int(getattr(full, "pss", full.rss))


def run(sample: PaperSample, sizes: Sizes) -> Measured:
    """Time pseudo-experiments with one process and with two, in turn."""
    campaign = ScanOn(sample.pools, section_of(sizes.k, sizes.ensemble)).campaign(PSEUDO_EXPERIMENTS)
    (name,) = campaign.wanted
    every = campaign.tasks(name)
    mappers = {1: local_mapper(1), PROCESSES: local_mapper(PROCESSES)}

    def search(first: int, n: int, processes: int) -> None:
        """As a run does it, in chunks of its size."""
        mapper: Mapper = mappers[processes]
        items = [(task, (name,)) for task in every[first : first + n]]
        size = max(1, min(20, n // (CHUNKS_A_WORKER * processes)))
        chunks = [tuple(items[start : start + size]) for start in range(0, n, size)]
        for _ in mapper(partial(run_items, campaign), chunks, ordered=False):
            pass

    start = time.perf_counter()
    with MemoryWatch() as memory:
        search(0, max(sizes.tasks // 2, PROCESSES), PROCESSES)
    warm_up = time.perf_counter() - start
    search(0, 1, 1)
    one, two, workers = Laps(), Laps(), 0.0
    for repetition in range(sizes.rounds):
        first = repetition * sizes.tasks
        one.time(search, first, sizes.tasks, 1)
        before = processor_seconds_of_children()
        two.time(search, first, sizes.tasks, PROCESSES)
        workers += processor_seconds_of_children() - before
    shared = sample.pools.background.features[FEATURES].nbytes
    return _measured(sizes, one, two, workers, memory, warm_up, shared)


def processor_seconds_of_children() -> float:
    """Processor time of all processes below this one so far."""
    total = 0.0
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            times = child.cpu_times()
            total += times.user + times.system
    return total


def _measured(
    sizes: Sizes, one: Laps, two: Laps, workers: float, memory: MemoryWatch, warm_up: float, shared: int
) -> Measured:
    n_slice = sizes.rounds * sizes.tasks
    share = n_slice / PSEUDO_EXPERIMENTS
    minutes = sum(two.wall) / share / 60
    speedup = median_ratio(one, two)
    efficiency = speedup / PROCESSES
    gigabytes = memory.largest / 1e9
    figures = (
        Figure(
            f"{PSEUDO_EXPERIMENTS:,} x {sizes.ensemble} scans with {PROCESSES} processes, projected",
            minutes,
            f"{minutes:.1f} min",
            f"from {n_slice} pseudo-experiments x {sizes.ensemble} scans ({share:.1%}) in {sum(two.wall):.1f} s; "
            f"with one process {sum(one.wall):.1f} s",
            "<= 15 min",
            minutes <= 15,
            "full_calibration_minutes",
        ),
        Figure(
            f"speed-up of {PROCESSES} processes over one / {PROCESSES}",
            efficiency,
            f"{efficiency:.2f}",
            f"speed-up {speedup:.2f}, median of {sizes.rounds} rounds run in turn (of the sums "
            f"{sum(one.wall) / sum(two.wall):.2f}); the same work took the processes "
            f"{workers / sum(one.processor):.2f} x the processor time of one",
            ">= 0.9",
            efficiency >= 0.9,
            "parallel_efficiency_2",
        ),
        Figure(
            "most memory of a process",
            gigabytes,
            f"{gigabytes:.2f} GB",
            f"shared features ({shared / 1e9:.2f} GB) counted once; with the parent, "
            f"{memory.together / 1e9:.2f} GB in all",
            "<= 1 GB",
            gigabytes <= 1,
            "process_memory_gigabytes",
        ),
    )
    raw = {
        "one_process": one.to_json(),
        f"{PROCESSES}_processes": two.to_json(),
        "pseudo_experiments_a_round": sizes.tasks,
        "processor_seconds_of_the_processes": workers,
        "speed_ups": [float(a / b) for a, b in zip(one.wall, two.wall, strict=True)],
        "first_round_with_starting_processes_seconds": warm_up,
        "largest_process_bytes": memory.largest,
        "all_processes_bytes": memory.together,
        "shared_features_bytes": shared,
        "cores": os.cpu_count(),
        "load": list(np.round(os.getloadavg(), 2)) if hasattr(os, "getloadavg") else None,
    }
    return Measured("3. The full calibration", figures, raw)

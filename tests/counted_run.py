"""The command with searches that take their time, and write down each finished pseudo-experiment."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hepcs import pipeline
from hepcs.analysis.__main__ import main
from hepcs.config import LocatedCard
from hepcs.datasets.bootstrap import Task
from hepcs.datasets.samples import Pools
from hepcs.searches.base import SearchFamily
from hepcs.results import Observation, Outcome

# Seconds that a pseudo-experiment takes, so that there is time to kill it.
PAUSE = 0.02


@dataclass(frozen=True)
class Counted:
    """A family of searches; each finished pseudo-experiment becomes a line of the log, with the time."""

    family: SearchFamily
    log: Path

    @property
    def searches(self) -> tuple[tuple[str, str], ...]:
        return self.family.searches

    def run(self, task: Task) -> tuple[Outcome, ...]:
        outcomes = self.family.run(task)
        time.sleep(PAUSE)
        with self.log.open("a") as file:
            file.write(f"{time.time()} {self.searches[0][0]} {' '.join(map(str, task.key))}\n")
        return outcomes

    def observe(self, task: Task) -> tuple[Observation, ...]:
        return self.family.observe(task)


@dataclass(frozen=True)
class Finished:
    """Pseudo-experiments that a log holds, with the time of each."""

    times: tuple[float, ...]
    keys: tuple[str, ...]

    def before(self, when: float) -> set[str]:
        return {key for key, at in zip(self.keys, self.times, strict=True) if at < when}


def finished(log: Path) -> Finished:
    lines = log.read_text().splitlines() if log.exists() else []
    pairs = [line.partition(" ") for line in lines]
    return Finished(tuple(float(at) for at, _, _ in pairs), tuple(key for _, _, key in pairs))


def counted_run(log: Path, folder: Path, arguments: Sequence[str]) -> None:
    """Run the command in a folder, in a process group of its own."""
    if os.getpgrp() != os.getpid():
        os.setsid()
    os.chdir(folder)
    build = pipeline.build_families

    def counted(card: LocatedCard, pools: Pools) -> tuple[SearchFamily, ...]:
        return tuple(Counted(family, log) for family in build(card, pools))

    pipeline.build_families = counted
    sys.exit(main(arguments))


if __name__ == "__main__":
    counted_run(Path(sys.argv[1]), Path.cwd(), sys.argv[2:])

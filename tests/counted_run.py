"""The command with searches that take their time, and write down each finished pseudo-experiment."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hepcs import pipeline
from hepcs.analysis.__main__ import main
from hepcs.datasets.bootstrap import Task
from hepcs.running.checkpoint import is_blank, read_checkpoint
from hepcs.running.pseudo_experiments import Campaign, Row

# Seconds that a pseudo-experiment takes, so that there is time to kill it.
PAUSE = 0.02


@dataclass(frozen=True, kw_only=True)
class Counted(Campaign):
    """Searches of a card; each outcome of a finished pseudo-experiment is a line of the log, with the time."""

    log: Path

    def run(self, task: Task, names: Sequence[str]) -> Iterator[tuple[Row, float]]:
        rows = [*super().run(task, names)]
        time.sleep(PAUSE)
        with self.log.open("a") as file:
            file.write("".join(f"{time.time()} {name_of(row)}\n" for row, _ in rows))
        yield from rows


def name_of(row: Row) -> str:
    """An outcome of a search, as the log names it."""
    search, null, outcome = row
    return " ".join(map(str, (search, null, *outcome.task.key)))


@dataclass(frozen=True)
class Finished:
    """Outcomes that a log holds, with the time of each."""

    times: tuple[float, ...]
    keys: tuple[str, ...]

    def before(self, when: float) -> set[str]:
        return {key for key, at in zip(self.keys, self.times, strict=True) if at < when}


def finished(log: Path) -> Finished:
    """What a log holds; its last line may have been cut as the process was killed."""
    lines = log.read_text().splitlines() if log.exists() else []
    pairs = [line.partition(" ") for line in lines]
    return Finished(tuple(float(at) for at, _, _ in pairs), tuple(key for _, _, key in pairs))


def recorded(checkpoint: Path) -> set[str]:
    """Outcomes in a checkpoint, named as in the log."""
    if not checkpoint.exists() or is_blank(checkpoint):
        return set()
    return {name_of(row) for row in read_checkpoint(checkpoint).rows()}  # type: ignore[arg-type]


def counted_run(log: Path, folder: Path, arguments: Sequence[str]) -> None:
    """Run the command in a folder, in a process group of its own."""
    if os.getpgrp() != os.getpid():
        os.setsid()
    os.chdir(folder)
    campaign_of = pipeline.campaign_of

    def counted(*given: Any) -> Campaign:
        return Counted(**vars(campaign_of(*given)), log=log)

    pipeline.campaign_of = counted
    sys.exit(main(arguments))


if __name__ == "__main__":
    counted_run(Path(sys.argv[1]), Path.cwd(), sys.argv[2:])

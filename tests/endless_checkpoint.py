"""A process that records chunks, and writes down what is on disk, until it is killed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hepcs.datasets.bootstrap import Kind, Task
from hepcs.results.outcomes import Outcome
from hepcs.running.checkpoint import open_checkpoint

CHUNK = 20


def made(index: int) -> Outcome:
    """An outcome like that of an ensemble."""
    members = tuple(index / (member + 3) for member in range(15))
    return Outcome(
        Task(Kind.BACKGROUND_ONLY, 0, index), members[0], members, index, details={"clusters": index / 7}
    )


def record_endlessly(path: Path, log: Path, identity: dict[str, Any]) -> None:
    """Go on with a checkpoint; each chunk that is on disk becomes a line of the log."""
    with open_checkpoint(path, identity) as checkpoint, log.open("a") as said:
        while True:
            start = len(checkpoint.done("scan", "shared"))
            checkpoint.record([("scan", "shared", made(start + i)) for i in range(CHUNK)])
            said.write(f"{start + CHUNK}\n")
            said.flush()

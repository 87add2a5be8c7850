"""Joining the ledgers of independent jobs."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from hepcs._core.errors import CardError, InputError
from hepcs._core.storage import atomic_path
from hepcs.datasets.bootstrap import Task
from hepcs.running.identity import differences, likely_cause, shortened
from hepcs.running.ledger.lines import Searches, encoded, header_line, in_words, line_of
from hepcs.running.ledger.reading import Recorded, read_ledger
from hepcs.running.ledger.writing import lock

logger = logging.getLogger(__name__)


def merge_ledgers(paths: Sequence[Path], destination: Path) -> Recorded:
    """Join the ledgers of independent jobs into a new one, written whole or not at all.

    Parameters
    ----------
    paths
        Ledgers of one run, with no task in common.
    destination
        The new ledger.

    Returns
    -------
    What it holds.

    Raises
    ------
    CardError
        If the ledgers are of different runs, if two hold the same tasks, or if one is still being written.
    InputError
        If one cannot be read.
    ComputationError
        If the new one cannot be written.
    """
    ledgers = [_read_shared(path) for path in paths]
    first = ledgers[0]
    for other in ledgers[1:]:
        names = ("in the first", "in the second")
        unlike = differences(first.identity, other.identity, names)
        if unlike:
            cause = likely_cause(unlike, first.origins, other.origins, names)
            raise CardError(
                f"{first.path} and {other.path} are of different runs:\n{shortened(unlike)}{cause}"
            )
    _refuse_overlap(ledgers)
    for ledger in ledgers:
        if ledger.damage:
            logger.warning("%s once the merged ledger is resumed", ledger.damage)
    origins = tuple(dict.fromkeys(origin for ledger in ledgers for origin in ledger.origins))
    line, key = header_line(first.identity, origins[0])
    with atomic_path(destination) as temporary, temporary.open("wb") as file:
        file.write(line)
        file.writelines(line_of(key, {"origin": asdict(origin)}) for origin in origins[1:])
        file.writelines(line_of(key, encoded(chunk)) for ledger in ledgers for chunk in ledger.chunks)
        file.flush()
        os.fsync(file.fileno())
    return read_ledger(destination)


def _read_shared(path: Path) -> Recorded:
    """Read a ledger that nobody is writing."""
    try:
        with path.open("rb") as file:
            lock(file.fileno(), path, shared=True)
            return read_ledger(path)
    except OSError as error:
        raise InputError(f"{path}: the ledger cannot be read: {error.strerror or error}") from error


def _refuse_overlap(ledgers: Sequence[Recorded]) -> None:
    """Refuse tasks that two ledgers hold."""
    owner: dict[tuple[Searches, Task], int] = {}
    for number, ledger in enumerate(ledgers):
        twice = []
        for searches, outcomes in ledger.by_family().items():
            for task in outcomes:
                before = owner.setdefault((searches, task), number)
                if before != number:
                    twice.append(f"{in_words(task)} of {', '.join(searches)}, also in {ledgers[before].path}")
        if twice:
            raise CardError(
                f"{ledger.path}: {len(twice)} of its {ledger.n_tasks} pseudo-experiments are in another of the "
                f"ledgers too:\n{shortened(tuple(twice))}\nName each ledger once, and run disjoint parts"
            )

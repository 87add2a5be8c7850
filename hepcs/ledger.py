"""The ledger: what every finished pseudo-experiment gave, on disk as soon as it is there.

One file of JSON lines. The first says what the run is (:mod:`hepcs.identity`); each of the others is one finished
chunk of tasks with the outcomes of every search of a family, or says that another machine or program text took
over. A line carries the SHA-256 of the first line and its own content. Lines are only ever appended, each in one
write that is on disk before work goes on, so a killed run leaves at most its last line cut.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hepcs.bootstrap import Kind, Task
from hepcs.errors import CardError, ComputationError, InputError
from hepcs.identity import Origin, differences, likely_cause, shortened, this_origin
from hepcs.search import Outcome
from hepcs.storage import atomic_path

logger = logging.getLogger(__name__)

# Name of the ledger in the folder of a run.
LEDGER = "ledger.jsonl"

# Raised when the content of a line changes its meaning.
FORMAT = 1

_START = b'{"sha256":"'
_LINE = re.compile(rb'\{"sha256":"([0-9a-f]{64})","content":(\{.*\})\}')

# JSON has no words for these.
_NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}

Searches = tuple[str, ...]
"""Names of the searches of a family, in the order of its outcomes."""


@dataclass(frozen=True)
class Chunk:
    """Finished tasks of a family of searches: for each the outcome of every search.

    Attributes
    ----------
    searches
        Names of the searches of the family.
    outcomes
        One entry for each task, with one outcome for each search.
    """

    searches: Searches
    outcomes: tuple[tuple[Outcome, ...], ...]

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks."""
        return tuple(members[0].task for members in self.outcomes)


@dataclass(frozen=True)
class Recorded:
    """What a ledger holds.

    Attributes
    ----------
    path
        Its file.
    identity
        What the run is, in plain JSON types.
    origins
        Machines and program texts that took part, in the order of the file.
    chunks
        The finished chunks, in the order of the file.
    key
        SHA-256 of the first line's content, which the checksums of all others include.
    size
        Bytes of all good lines; what follows is the cut end of a killed run.
    damage
        What is wrong with the end of the file; empty if nothing is.
    """

    path: Path
    identity: Mapping[str, Any]
    origins: tuple[Origin, ...]
    chunks: tuple[Chunk, ...]
    key: bytes
    size: int
    damage: str

    @property
    def n_tasks(self) -> int:
        """Finished pseudo-experiments, each counted once for every family of searches."""
        return sum(len(chunk.outcomes) for chunk in self.chunks)

    def by_family(self) -> dict[Searches, dict[Task, tuple[Outcome, ...]]]:
        """Outcomes of each family by task."""
        found: dict[Searches, dict[Task, tuple[Outcome, ...]]] = {}
        for chunk in self.chunks:
            found.setdefault(chunk.searches, {}).update(zip(chunk.tasks, chunk.outcomes, strict=True))
        return found


# ------------------------------------------------------------------------------------------------ lines


def _line(key: bytes, content: Mapping[str, Any]) -> bytes:
    """A line with its checksum."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False).encode()
    return b'%s%s","content":%s}\n' % (_START, _checksum(key, text), text)


def _checksum(key: bytes, text: bytes) -> bytes:
    return hashlib.sha256(key + text).hexdigest().encode()


def _header(identity: Mapping[str, Any], origin: Origin) -> tuple[bytes, bytes]:
    """The first line, and the key of the others."""
    line = _line(b"", {"format": FORMAT, "identity": identity, "origin": asdict(origin)})
    return line, line[len(_START) : len(_START) + 64]


def _content(key: bytes, line: bytes) -> Any:
    """The content of a line; raises ValueError if it is not as it was written."""
    found = _LINE.fullmatch(line)
    if found is None:
        raise ValueError("not a line of a ledger")
    if _checksum(key, found[2]) != found[1]:
        raise ValueError("its checksum does not fit")
    return json.loads(found[2])


def _encoded(chunk: Chunk) -> dict[str, Any]:
    return {
        "searches": chunk.searches,
        "tasks": [task.key for task in chunk.tasks],
        "outcomes": [
            [
                {
                    "statistic": _plain(outcome.statistic),
                    "members": [_plain(member) for member in outcome.members],
                    "n_events": _plain(outcome.n_events),
                    "valid": bool(outcome.valid),
                    "details": {name: _plain(value) for name, value in outcome.details.items()},
                }
                for outcome in members
            ]
            for members in chunk.outcomes
        ],
    }


def _decoded(content: Any) -> Chunk:
    """A chunk; raises ValueError, KeyError or TypeError if the content is none."""
    searches = tuple(str(name) for name in content["searches"])
    outcomes = []
    for (kind, epsilon, index), members in zip(content["tasks"], content["outcomes"], strict=True):
        task = Task(Kind(kind), int(epsilon), int(index))
        if len(members) != len(searches):
            raise ValueError(f"{len(members)} outcomes for {len(searches)} searches")
        outcomes.append(
            tuple(
                Outcome(
                    task=task,
                    statistic=_number(entry["statistic"]),
                    members=tuple(_number(member) for member in entry["members"]),
                    n_events=int(entry["n_events"]),
                    valid=bool(entry["valid"]),
                    details={name: _number(value) for name, value in entry["details"].items()},
                )
                for entry in members
            )
        )
    return Chunk(searches, tuple(outcomes))


def _plain(value: float) -> float | str:
    """A number for JSON, exact to the last bit; integers stay integers."""
    number = value.item() if isinstance(value, np.generic) else value
    return number if math.isfinite(number) else str(number)


def _number(value: float | str) -> float:
    return _NOT_FINITE[value] if isinstance(value, str) else value


# ---------------------------------------------------------------------------------------------- reading


def is_blank(path: Path) -> bool:
    """Whether a file holds nothing, or not even the whole first line of a ledger: a run was killed as it began."""
    data = _read(path)
    return _START.startswith(data[: len(_START)]) and b"\n" not in data


def read_ledger(path: Path) -> Recorded:
    """Read a ledger.

    A last line that is cut or damaged is left out, and `damage` says so: its tasks have to be done again.

    Raises
    ------
    InputError
        With file and line, if there is no first line that can be read, if a line before the last is damaged, or
        if a task is there twice.
    """
    data = _read(path)
    *lines, end = data.split(b"\n")
    if not lines:
        raise InputError(f"{path}:1: no ledger: expected a whole first line, found {len(data)} bytes")
    identity, first, key = _read_header(path, lines[0])
    origins, chunks = [first], []
    size, damage = len(lines[0]) + 1, ""
    done: dict[tuple[Searches, Task], int] = {}
    for number, line in enumerate(lines[1:], start=2):
        try:
            content = _content(key, line)
        except ValueError as error:
            if number < len(lines) or end:
                raise InputError(
                    f"{path}:{number}: damaged, and not the last line: {error}. What follows cannot be trusted: "
                    "take the file from a copy, or start the run anew with --overwrite"
                ) from error
            damage = f"{path}:{number}: the last line is damaged ({error}): its tasks are done again"
            break
        try:
            if "origin" in content:
                origins.append(_origin(content["origin"]))
            else:
                chunks.append(_decoded(content))
                _note(done, path, number, chunks[-1])
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise InputError(
                f"{path}:{number}: not understood ({type(error).__name__}: {error}), though it is undamaged: "
                "another version wrote it. Start the run anew with --overwrite"
            ) from error
        size += len(line) + 1
    if end:
        damage = f"{path}:{len(lines) + 1}: the last line is cut short: its tasks are done again"
    return Recorded(path, identity, tuple(origins), tuple(chunks), key, size, damage)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: the ledger cannot be read: {error.strerror or error}") from error


def _read_header(path: Path, line: bytes) -> tuple[Mapping[str, Any], Origin, bytes]:
    """Identity, origin and key of the first line."""
    advice = "Take the file from a copy, or start the run anew with --overwrite"
    try:
        content = _content(b"", line)
        if content["format"] != FORMAT:
            raise InputError(
                f"{path}:1: a ledger of format {content['format']}, expected {FORMAT}: another version of hepcs "
                f"wrote it. {advice}"
            )
        return content["identity"], _origin(content["origin"]), line[len(_START) : len(_START) + 64]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}:1: the first line of the ledger is damaged: {error}. {advice}") from error


def _origin(content: Any) -> Origin:
    blas = tuple(str(kernel) for kernel in content["blas"])
    return Origin(str(content["processor"]), blas, str(content["code"]))


def _note(done: dict[tuple[Searches, Task], int], path: Path, line: int, chunk: Chunk) -> None:
    """Keep the line of each task of a chunk; raises InputError if one is there already."""
    for task in chunk.tasks:
        first = done.setdefault((chunk.searches, task), line)
        if first != line or chunk.tasks.count(task) > 1:
            raise InputError(
                f"{path}:{line}: {in_words(task)} of {', '.join(chunk.searches)} is there twice, first in line "
                f"{first}. Lines were copied: take the file from before that, or start anew with --overwrite"
            )


def in_words(task: Task) -> str:
    """A task in words."""
    what = task.kind.name.lower().replace("_", "-")
    return f"{what} pseudo-experiment {task.index}" + (
        f" with epsilon = {task.epsilon}" if task.epsilon else ""
    )


# ---------------------------------------------------------------------------------------------- writing


class Ledger:
    """A ledger that is open for writing, from :func:`open_ledger`."""

    def __init__(self, descriptor: int, recorded: Recorded) -> None:
        self._descriptor, self._recorded, self._size = descriptor, recorded, recorded.size
        self._done = recorded.by_family()
        self._origins = recorded.origins

    @property
    def path(self) -> Path:
        """Its file."""
        return self._recorded.path

    @property
    def n_found(self) -> int:
        """Pseudo-experiments that it held when it was opened, each counted once for every family."""
        return self._recorded.n_tasks

    @property
    def origins(self) -> tuple[Origin, ...]:
        """Machines and program texts that took part so far, those of this process included."""
        return self._origins

    def done(self, searches: Searches) -> Mapping[Task, tuple[Outcome, ...]]:
        """Outcomes of the finished tasks of a family."""
        return self._done.get(searches, {})

    def append(self, searches: Searches, outcomes: Sequence[tuple[Outcome, ...]]) -> None:
        """Record a finished chunk; it is on disk when this returns.

        Raises
        ------
        ComputationError
            If it cannot be written. What is there before stays good.
        """
        chunk = Chunk(searches, tuple(outcomes))
        self.write(_line(self._recorded.key, _encoded(chunk)))
        self._done.setdefault(searches, {}).update(zip(chunk.tasks, chunk.outcomes, strict=True))

    def join(self, origin: Origin) -> None:
        """Record what computes from here on; nothing is done for an origin that is known."""
        if origin not in self._origins:
            self.write(_line(self._recorded.key, {"origin": asdict(origin)}))
            self._origins = (*self._origins, origin)

    def write(self, line: bytes) -> None:
        """Write a line; it is on disk when this returns. Raises ComputationError if it cannot be written."""
        try:
            if os.write(self._descriptor, line) < len(line):
                raise OSError("the disk took only a part of it")
            os.fsync(self._descriptor)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._descriptor, self._size)
            raise ComputationError(
                f"{self.path}: the ledger cannot be written ({error.strerror or error}). Free some space, and go "
                "on with --resume"
            ) from error
        self._size += len(line)


@contextmanager
def open_ledger(path: Path, identity: Mapping[str, Any], *, resume: bool = True) -> Iterator[Ledger]:
    """Open a ledger for writing, and lock it against other processes.

    Parameters
    ----------
    path
        Its file; made, with its folder, if it is missing.
    identity
        What the run is, from :func:`hepcs.identity.run_identity`.
    resume
        Go on from what the ledger holds, and refuse one of another run. If false, what it holds is lost.

    Raises
    ------
    CardError
        If the ledger is of another run, or another process writes it.
    InputError
        If it is damaged before its last line.
    ComputationError
        If it cannot be written.
    """
    with _opened(path) as descriptor:
        blank = is_blank(path)
        if blank and path.stat().st_size:
            logger.warning("%s: cut inside its first line, nothing was recorded: begun anew", path)
        origin = this_origin()
        if resume and not blank:
            recorded = read_ledger(path)
            refuse_unlike(recorded, identity)
            if recorded.damage:
                logger.warning(recorded.damage)
                os.ftruncate(descriptor, recorded.size)
            ledger = Ledger(descriptor, recorded)
        else:
            os.ftruncate(descriptor, 0)
            line, key = _header(identity, origin)
            ledger = Ledger(descriptor, Recorded(path, identity, (origin,), (), key, 0, ""))
            ledger.write(line)
        ledger.join(origin)
        yield ledger


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """Descriptor of a file that is made if need be, to append to it alone."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
    except OSError as error:
        raise ComputationError(
            f"{path}: the ledger cannot be written ({error.strerror or error}). Use another --output"
        ) from error
    try:
        _lock(descriptor, path)
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(descriptor: int, path: Path, *, shared: bool = False) -> None:
    """Lock a file until its descriptor is closed, which the system does for a killed process too.

    Raises CardError if another process writes it; warns where the file system knows no locks.
    """
    try:
        import fcntl

        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise CardError(
            f"{path}: another process is at this ledger. Wait until it has ended, or use another --output"
        ) from error
    except (ImportError, OSError) as error:
        logger.warning("%s: cannot be locked (%s): let no other run write there", path, error)


def refuse_unlike(recorded: Recorded, identity: Mapping[str, Any]) -> None:
    """Refuse a ledger of another run; only the parts of the identity that are given are compared.

    Raises
    ------
    CardError
        With the keys that differ, and both values of each.
    """
    known = {key: recorded.identity.get(key, {}) for key in identity}
    unlike = differences(known, identity, ("in the ledger", "now"))
    if unlike:
        cause = likely_cause(unlike, recorded.origins, (this_origin(),), ("in the ledger", "now"))
        raise CardError(
            f"{recorded.path}: its {recorded.n_tasks} pseudo-experiments are of another run:\n"
            f"{shortened(unlike)}{cause}\nPut this back, or use another --output, or start anew with --overwrite"
        )


# ---------------------------------------------------------------------------------------------- merging


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
    line, key = _header(first.identity, origins[0])
    with atomic_path(destination) as temporary, temporary.open("wb") as file:
        file.write(line)
        file.writelines(_line(key, {"origin": asdict(origin)}) for origin in origins[1:])
        file.writelines(_line(key, _encoded(chunk)) for ledger in ledgers for chunk in ledger.chunks)
        file.flush()
        os.fsync(file.fileno())
    return read_ledger(destination)


def _read_shared(path: Path) -> Recorded:
    """Read a ledger that nobody is writing."""
    try:
        with path.open("rb") as file:
            _lock(file.fileno(), path, shared=True)
            return read_ledger(path)
    except OSError as error:
        raise InputError(f"{path}: the ledger cannot be read: {error.strerror or error}") from error


def _refuse_overlap(ledgers: Sequence[Recorded]) -> None:
    """Refuse tasks that two ledgers hold."""
    owner: dict[tuple[Searches, Task], Path] = {}
    for ledger in ledgers:
        twice = []
        for searches, outcomes in ledger.by_family().items():
            for task in outcomes:
                before = owner.setdefault((searches, task), ledger.path)
                if before is not ledger.path:
                    twice.append(f"{in_words(task)} of {', '.join(searches)}, also in {before}")
        if twice:
            raise CardError(
                f"{ledger.path}: {len(twice)} of its {ledger.n_tasks} pseudo-experiments are in another of the "
                f"ledgers too:\n{shortened(tuple(twice))}\nName each ledger once, and run disjoint parts"
            )

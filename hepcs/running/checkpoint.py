"""The checkpoint: what every finished pseudo-experiment gave, on disk as soon as it is there.

One SQLite file in the folder of a run. Its table `outcomes` has a row for each search and data set, and nothing
that was observed. Its table `notes` says what the run is (:mod:`hepcs.running.identity`), which machines and
program texts took part, and when observed data were looked at. Numbers are JSON as Python writes it, exact to the
last bit, with NaN and Infinity. Each row has the SHA-256 of run and content: SQLite has no checksums of its own.

A finished chunk of work is one transaction, on disk before work goes on (synchronous=FULL). What a killed run
leaves half written is undone from SQLite's rollback journal when the file is next opened. SQLite's other journal,
WAL, needs memory that processes share, which network file systems have not. Nor are SQLite's locks used: they end
once anything in the process closes the file, and a file system without locks stops it. There is a `flock`, or a
warning.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from hepcs._core.differences import differences, shortened
from hepcs._core.errors import ArgumentError, CardError, ComputationError, InputError
from hepcs._core.storage import FULL, atomic_path, writing
from hepcs.datasets.bootstrap import Kind, Task
from hepcs.results.outcomes import Outcome
from hepcs.running.identity import Origin, likely_cause, this_origin

logger = logging.getLogger(__name__)

# Name of the checkpoint in the folder of a run.
CHECKPOINT = "checkpoint.sqlite"

# Raised when the content changes its meaning.
FORMAT = 1

_TABLES = (
    "CREATE TABLE notes (number INTEGER PRIMARY KEY, what TEXT, content TEXT, checksum BLOB)",
    """CREATE TABLE outcomes (search TEXT, null_from TEXT, kind INTEGER, signal TEXT, epsilon INTEGER,
    task_index INTEGER, outcome TEXT, checksum BLOB, UNIQUE (search, null_from, kind, signal, epsilon, task_index),
    CONSTRAINT "not observed" CHECK (kind > 0), CONSTRAINT "known null" CHECK (null_from IN ('shared', 'own')))""",
)

# What SQLite says of damage; Python cannot read it where it quotes damaged bytes.
_FAULTS = (sqlite3.Error, UnicodeDecodeError)

Row = tuple[str, str, Outcome]
"""Name of a search; ``shared`` for a data set that all searches see, ``own`` for a toy of its own; the outcome."""


@dataclass(frozen=True)
class Recorded:
    """What a checkpoint holds.

    Attributes
    ----------
    path, identity
        Its file; what the run is, in plain JSON types.
    origins
        Machines and program texts that took part, in the order in which they came.
    openings
        When observed data were looked at (UTC, ISO 8601), and what.
    outcomes
        Of each search, in ``shared`` data sets or in its ``own``, by data set.
    lost
        Numbers of the rows of outcomes that are damaged, and left out.
    """

    path: Path
    identity: Mapping[str, Any]
    origins: tuple[Origin, ...] = ()
    openings: tuple[tuple[str, str], ...] = ()
    outcomes: Mapping[tuple[str, str], Mapping[Task, Outcome]] = field(default_factory=dict)
    lost: tuple[int, ...] = ()

    @property
    def n_tasks(self) -> int:
        """Outcomes of all searches."""
        return sum(map(len, self.outcomes.values()))

    @property
    def damage(self) -> str:
        """What is wrong with outcomes that are left out; empty if nothing is."""
        of = f"{len(self.lost)} of {self.n_tasks + len(self.lost)} outcomes"
        return f"{self.path}: {of} are damaged, and are computed again" if self.lost else ""

    def rows(self) -> Iterator[Row]:
        """All outcomes, as they were recorded."""
        for (search, null), found in self.outcomes.items():
            yield from ((search, null, outcome) for outcome in found.values())


class Checkpoint:
    """A checkpoint that is open for writing, from :func:`open_checkpoint`.

    `path` is its file, and `n_found` the outcomes that it held when it was opened. `origins` and `openings` are as
    in :class:`Recorded`, those of this process included.
    """

    def __init__(self, connection: sqlite3.Connection, recorded: Recorded) -> None:
        self._connection, self._key = connection, _key(recorded.identity)
        self._done = {key: dict(found) for key, found in recorded.outcomes.items()}
        self.path, self.n_found = recorded.path, recorded.n_tasks
        self.origins, self.openings = recorded.origins, recorded.openings

    def done(self, search: str, null: str) -> Mapping[Task, Outcome]:
        """Outcomes of a search in the data sets that all searches see (``shared``), or in toys of its ``own``."""
        return self._done.get((search, null), {})

    def record(self, rows: Sequence[Row]) -> None:
        """Record a finished chunk, all of it or nothing; it is on disk when this returns.

        Raises
        ------
        ArgumentError
            For what was observed, and for an outcome that is there already.
        ComputationError
            If it cannot be written. What is there before stays good.
        """
        with _transaction(self._connection, self.path):
            for search, null, outcome in rows:
                task, content = outcome.task, _json({**vars(outcome), "task": None})
                columns = (
                    search,
                    null,
                    int(task.kind),
                    task.signal,
                    int(task.epsilon),
                    int(task.index),
                    content,
                )
                _insert(self._connection, "outcomes", self._key, columns)
        for search, null, outcome in rows:
            self._done.setdefault((search, null), {})[outcome.task] = outcome

    def join(self, origin: Origin) -> None:
        """Record what computes from here on; nothing is done for an origin that is known."""
        if origin not in self.origins:
            self._note("origin", asdict(origin))
            self.origins = (*self.origins, origin)

    def opened(self, what: str, when: str = "") -> None:
        """Record, before observed data are looked at, that they are: now, or `when` (UTC, ISO 8601)."""
        opening = (when or datetime.now(UTC).isoformat(timespec="seconds"), what)
        self._note("opening", opening)
        self.openings = (*self.openings, opening)

    def _note(self, what: str, content: object) -> None:
        number = 2 + len(self.origins) + len(self.openings)
        with _transaction(self._connection, self.path):
            _insert(self._connection, "notes", self._key, (number, what, _json(content)))


@contextmanager
def open_checkpoint(
    path: Path, identity: Mapping[str, Any], *, resume: bool = True, guard: Callable[[], None] = lambda: None
) -> Iterator[Checkpoint]:
    """Open a checkpoint for writing, and lock it against other processes.

    Parameters
    ----------
    path
        Its file; made, with its folder, if it is missing.
    identity
        What the run is, from :func:`hepcs.running.identity.run_identity`.
    resume
        Go on from what the checkpoint holds, and refuse one of another run. If false, what it holds is lost.
    guard
        Called once the checkpoint is locked, before anything in it is lost; it raises what refuses that.

    Raises
    ------
    CardError
        If the checkpoint is of another run, another process writes it, or it cannot be at that place.
    InputError
        If it is damaged.
    ComputationError
        If the disk is full, or writing fails later.
    """
    with _locked(path) as descriptor:
        _connect(path).close()  # so that the guard can read what a killed run left
        guard()
        if not resume:
            with writing(path):
                os.ftruncate(descriptor, 0)  # first: SQLite does not apply a journal to an empty file
                _journal(path).unlink(missing_ok=True)
        with closing(_connect(path)) as connection:
            is_new = os.fstat(descriptor).st_size == 0
            recorded = _begun(connection, path, identity) if is_new else _read(connection, path)
            refuse_unlike(recorded, identity)
            if recorded.damage:
                logger.warning(recorded.damage)
                with _transaction(connection, path):
                    rowids = [(rowid,) for rowid in recorded.lost]
                    connection.executemany("DELETE FROM outcomes WHERE rowid = ?", rowids)
            checkpoint = Checkpoint(connection, recorded)
            checkpoint.join(this_origin())
            yield checkpoint


def is_blank(path: Path) -> bool:
    """Whether a file holds nothing: a run was killed as it began. Raises InputError if it cannot be read."""
    with _reading(path):
        return path.stat().st_size == 0


def read_checkpoint(path: Path) -> Recorded:
    """Read a checkpoint, one that is being written between two chunks.

    Outcomes that are damaged are left out, and `damage` says so: they have to be computed again.

    Raises
    ------
    InputError
        If it cannot be read, if more than outcomes is damaged, or if another version wrote it.
    CardError
        If another process changes it all the while.
    """
    with _reading(path) as connection:
        return _read(connection, path)


def refuse_unlike(recorded: Recorded, identity: Mapping[str, Any]) -> None:
    """Refuse a checkpoint of another run; only the parts of the identity that are given are compared.

    Raises
    ------
    CardError
        With the keys that differ, and both values of each.
    """
    known = {key: recorded.identity.get(key, {}) for key in identity}
    now = Recorded(recorded.path, identity, (this_origin(),))
    unlike = _unlike(replace(recorded, identity=known), now, ("in the checkpoint", "now"))
    if unlike:
        raise CardError(
            f"{recorded.path}: its {recorded.n_tasks} outcomes are of another run:\n{unlike}\n"
            "Put this back, or use another --output, or start anew with --overwrite"
        )


def merge_checkpoints(paths: Sequence[Path], destination: Path) -> Recorded:
    """Join the checkpoints of independent jobs into a new one, written whole or not at all; returns what it holds.

    Raises
    ------
    CardError
        If the checkpoints are of different runs, if two hold the same outcomes, or if one is still being written.
    InputError
        If one cannot be read.
    ComputationError
        If the new one cannot be written.
    """
    parts: list[Recorded] = []
    for path in paths:
        with _reading(path, alone=True) as connection:
            parts.append(_read(connection, path))
        unlike = _unlike(parts[0], parts[-1], ("in the first", "in the second"))
        if unlike:
            raise CardError(f"{paths[0]} and {path} are of different runs:\n{unlike}")
        _refuse_overlap(parts)
    with (
        _locked(destination) if destination.exists() else nullcontext(),
        atomic_path(destination) as temporary,
    ):
        with closing(_connect(temporary, "mode=rwc&nolock=1")) as connection:
            connection.execute("PRAGMA journal_mode=MEMORY")
            merged = Checkpoint(connection, _begun(connection, destination, parts[0].identity))
            for origin in (origin for part in parts for origin in part.origins):
                merged.join(origin)
            for when, what in sorted(opening for part in parts for opening in part.openings):
                merged.opened(what, when)
            for part in parts:
                merged.record([*part.rows()])
                if part.damage:
                    logger.warning("%s once the merged checkpoint is resumed", part.damage)
        _journal(destination).unlink(missing_ok=True)  # of a file that is replaced
    return read_checkpoint(destination)


def _unlike(one: Recorded, other: Recorded, names: tuple[str, str]) -> str:
    """What tells two runs apart, and why it may; empty if nothing does."""
    unlike = differences(one.identity, other.identity, names)
    return shortened(unlike) + likely_cause(unlike, one.origins, other.origins, names) if unlike else ""


def _refuse_overlap(parts: Sequence[Recorded]) -> None:
    """Refuse the last part if another holds any of its outcomes."""
    *others, part = parts
    twice = tuple(
        f"{_in_words(search, null, outcome.task)}, also in {other.path}"
        for search, null, outcome in part.rows()
        for other in others
        if outcome.task in other.outcomes.get((search, null), {})
    )
    if twice:
        raise CardError(
            f"{part.path}: {len(twice)} of its {part.n_tasks} outcomes are in another of the checkpoints too:\n"
            f"{shortened(twice)}\nName each checkpoint once, and run disjoint parts"
        )


def _in_words(search: str, null: str, task: Task) -> str:
    what = f"{task.kind.name.lower().replace('_', '-')} {'toy' if null == 'own' else 'pseudo-experiment'}"
    signal = f" with epsilon = {task.epsilon}" + (f" of {task.signal}" if task.signal else "")
    return f"{what} {task.index}{signal if task.epsilon else ''} of {search}"


def _begun(connection: sqlite3.Connection, path: Path, identity: Mapping[str, Any]) -> Recorded:
    """A new checkpoint, which holds the identity of its run alone."""
    with _transaction(connection, path):
        for statement in (f"PRAGMA user_version={FORMAT}", *_TABLES):
            connection.execute(statement)
        _insert(connection, "notes", "", (1, "identity", _json(identity)))
    return Recorded(path, identity)


def _insert(connection: sqlite3.Connection, table: str, key: str, columns: Sequence[str | int]) -> None:
    marks = ", ".join("?" * (len(columns) + 1))
    connection.execute(f"INSERT INTO {table} VALUES ({marks})", (*columns, _checksum(key, columns)))


def _json(content: object) -> str:
    return json.dumps(content, separators=(",", ":"), default=np.generic.item)


def _key(identity: Mapping[str, Any]) -> str:
    """Checksum of the first note. Those of all other rows include it: rows of another run are not believed."""
    return _checksum("", (1, "identity", _json(identity))).hex()


def _checksum(key: str, columns: Sequence[object]) -> bytes:
    # Damage can turn a text into bytes, for which JSON has no words.
    return hashlib.sha256(json.dumps([key, *columns], default=repr).encode()).digest()


def _read(connection: sqlite3.Connection, path: Path) -> Recorded:
    """All content; raises InputError if it is damaged, apart from single outcomes."""
    try:
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        if found != FORMAT:
            by = "another version or another program wrote it"
            raise sqlite3.DatabaseError(f"format {found}, expected {FORMAT}: {by}")
        (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
        notes = connection.execute("SELECT * FROM notes ORDER BY number").fetchall()
        rows = connection.execute("SELECT rowid, * FROM outcomes ORDER BY rowid").fetchall()
        key = ""
        for number, (*columns, checksum) in enumerate(notes, start=1):
            if columns[0] != number or _checksum(key, columns) != checksum:
                raise sqlite3.DatabaseError(f"note {number} is not as it was")
            key = key or checksum.hex()
    except _FAULTS as error:
        raise InputError(
            f"{path}: no checkpoint, or a damaged one: {error}. Take the file from a copy, or start the run "
            "anew with --overwrite"
        ) from error
    sound = {rowid: columns for rowid, *columns, checksum in rows if _checksum(key, columns) == checksum}
    outcomes: dict[tuple[str, str], dict[Task, Outcome]] = {}
    try:
        (_, identity), *later = [(what, json.loads(content)) for _, what, content, _ in notes]
        origins = [Origin(**{**one, "blas": tuple(one["blas"])}) for what, one in later if what == "origin"]
        openings = [(one[0], one[1]) for what, one in later if what == "opening"]
        for search, null, kind, signal, epsilon, index, content in sound.values():
            task, found = Task(Kind(kind), epsilon, index, signal), json.loads(content)
            outcome = Outcome(**{**found, "task": task, "members": tuple(found["members"])})
            outcomes.setdefault((search, null), {})[task] = outcome
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise InputError(
            f"{path}: not understood ({type(error).__name__}: {error}), though it is undamaged: another version "
            "of hepcs wrote it. Start the run anew with --overwrite"
        ) from error
    lost = tuple(rowid for rowid, *_ in rows if rowid not in sound)
    return Recorded(path, identity, tuple(origins), tuple(openings), outcomes, lost)


def _connect(path: Path, options: str = "mode=rw&nolock=1") -> sqlite3.Connection:
    """A file, without what a killed process left half written."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?{options}", uri=True, isolation_level=None)
    connection.text_factory = lambda text: text.decode(errors="replace")  # of damaged text the checksum tells
    with suppress(*_FAULTS):  # of what is no such file: whoever reads it says so
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        connection.execute("PRAGMA synchronous=FULL")  # a power cut can undo the last transaction, no more
    return connection


def _journal(path: Path) -> Path:
    """What SQLite needs to undo a transaction; it is there while one is written."""
    return path.with_name(f"{path.name}-journal")


@contextmanager
def _transaction(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    """All of the block is on disk at its end, or nothing; raises ComputationError if it cannot be."""
    try:
        with connection:
            connection.execute("BEGIN")
            yield
    except sqlite3.IntegrityError as error:
        raise ArgumentError(f"{path}: outcomes cannot be recorded: {error}") from error
    except sqlite3.Error as error:
        raise ComputationError(
            f"{path}: the checkpoint cannot be written ({error}). Free some space, and go on with --resume"
        ) from error


@contextmanager
def _reading(path: Path, *, alone: bool = False) -> Iterator[sqlite3.Connection]:
    """A file that nobody writes or, unless it must be read `alone`, what is there between two transactions."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise InputError(f"{path}: the checkpoint cannot be read: {error.strerror or error}") from error
    with file:
        is_free = _lock(file.fileno(), path, shared=True)
        if alone and not is_free:
            raise _busy(path)
        header = os.pread(file.fileno(), 100, 0)  # in which SQLite counts transactions
        try:
            # The journal of a process that is writing is no matter of ours: it is ignored.
            with closing(_connect(path, *([] if is_free else ["mode=ro&immutable=1"]))) as connection:
                yield connection
        except InputError as error:
            if is_free or not (_journal(path).exists() or os.pread(file.fileno(), 100, 0) != header):
                raise
            raise _busy(path) from error


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Descriptor of a file that is made if need be, to write it alone."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        problem = f"{path}: the checkpoint cannot be written ({error.strerror or error})"
        if error.errno in FULL:
            raise ComputationError(f"{problem}. Free some space, or use another --output") from error
        raise CardError(f"{problem}. Use another --output") from error
    try:
        if not _lock(descriptor, path):
            raise _busy(path)
        yield descriptor
    finally:
        os.close(descriptor)


def _busy(path: Path) -> CardError:
    problem = "another process is at this checkpoint"
    return CardError(f"{path}: {problem}. Wait until it has ended, or use another --output")


def _lock(descriptor: int, path: Path, *, shared: bool = False) -> bool:
    """Lock a file until its descriptor is closed, which the system does for a killed process too.

    Returns False if another process stands against it; warns where the file system knows no locks.
    """
    try:
        import fcntl

        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError) as error:
        if not shared:
            logger.warning("%s: cannot be locked (%s): let no other run write there", path, error)
    return True

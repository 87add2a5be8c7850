"""Reading a ledger: whole, or up to the line that a killed run cut."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hepcs._core.errors import CardError, InputError
from hepcs.datasets.bootstrap import Task
from hepcs.running.identity import Origin, differences, likely_cause, shortened, this_origin
from hepcs.running.ledger.lines import FORMAT, START, Chunk, Searches, content_of, decoded, in_words
from hepcs.searches.base import Outcome

# Name of the ledger in the folder of a run.
LEDGER = "ledger.jsonl"


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


def is_blank(path: Path) -> bool:
    """Whether a file holds nothing, or not even the whole first line of a ledger: a run was killed as it began."""
    data = _read(path)
    return START.startswith(data[: len(START)]) and b"\n" not in data


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
            content = content_of(key, line)
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
                chunks.append(decoded(content))
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
        content = content_of(b"", line)
        if content["format"] != FORMAT:
            raise InputError(
                f"{path}:1: a ledger of format {content['format']}, expected {FORMAT}: another version of hepcs "
                f"wrote it. {advice}"
            )
        return content["identity"], _origin(content["origin"]), line[len(START) : len(START) + 64]
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

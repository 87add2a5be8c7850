"""The lines of a ledger: a finished chunk of tasks as JSON, exact to the last bit, with its checksum."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hepcs.datasets.bootstrap import Kind, Task
from hepcs.running.identity import Origin
from hepcs.searches.base import Outcome

# Raised when the content of a line changes its meaning.
FORMAT = 1

START = b'{"sha256":"'
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


def line_of(key: bytes, content: Mapping[str, Any]) -> bytes:
    """A line with its checksum."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False).encode()
    return b'%s%s","content":%s}\n' % (START, _checksum(key, text), text)


def _checksum(key: bytes, text: bytes) -> bytes:
    return hashlib.sha256(key + text).hexdigest().encode()


def header_line(identity: Mapping[str, Any], origin: Origin) -> tuple[bytes, bytes]:
    """The first line, and the key of the others."""
    line = line_of(b"", {"format": FORMAT, "identity": identity, "origin": asdict(origin)})
    return line, line[len(START) : len(START) + 64]


def content_of(key: bytes, line: bytes) -> Any:
    """The content of a line; raises ValueError if it is not as it was written."""
    found = _LINE.fullmatch(line)
    if found is None:
        raise ValueError("not a line of a ledger")
    if _checksum(key, found[2]) != found[1]:
        raise ValueError("its checksum does not fit")
    return json.loads(found[2])


def encoded(chunk: Chunk) -> dict[str, Any]:
    """The content of a chunk's line."""
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


def decoded(content: Any) -> Chunk:
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


def in_words(task: Task) -> str:
    """A task in words."""
    what = task.kind.name.lower().replace("_", "-")
    return f"{what} pseudo-experiment {task.index}" + (
        f" with epsilon = {task.epsilon}" if task.epsilon else ""
    )

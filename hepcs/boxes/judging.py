"""Answers against keys: found, missed, false alarms, masses and numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from hepcs._core.errors import InputError
from hepcs._core.storage import digest_of, file_sha256, read_json, write_json
from hepcs.boxes.answers import Answer
from hepcs.boxes.keys import Key, read_key
from hepcs.boxes.making import BOX, EVENTS

#: What an answer came to.
Verdict = Literal["found", "missed", "false alarm", "rightly empty", "no answer"]
_OPENED = "opened.json"


@dataclass(frozen=True)
class Judged:
    """A box, its key, the answer, and what it came to.

    Attributes
    ----------
    mass_is_right
        Whether the mass is within the resolution of the signal's median m_jj; None if there is nothing to compare.
    number_is_right
        Whether the interval holds the number of signal events inside the region; None likewise.
    """

    box: str
    key: Key
    answer: Answer | None
    verdict: Verdict
    mass_is_right: bool | None
    number_is_right: bool | None


@dataclass(frozen=True)
class Judgement:
    """All boxes, and how often their keys had been opened before with other answers."""

    boxes: tuple[Judged, ...]
    n_opened_before: int

    def count(self, verdict: Verdict) -> int:
        """Boxes with a verdict."""
        return sum(one.verdict == verdict for one in self.boxes)


def judge(folder: Path, keys: Path, answers: Mapping[str, Answer]) -> Judgement:
    """Compare answers with the keys; that these were opened is written beside them.

    Answers that come after the keys were opened for others may know them, and the judgement says how often that
    was.

    Raises
    ------
    InputError
        If a key or a box was changed, a key is missing, an answer is of no box, or a folder holds no boxes.
    """
    boxes = {path.parent.name: path for path in sorted(folder.glob(f"*/{BOX}"))}
    if not boxes:
        raise InputError(f"{folder}: holds no boxes; expected a folder that `boxes make` wrote")
    if unknown := sorted(answers.keys() - boxes):
        raise InputError(
            f"answers of {', '.join(unknown)}, and there are only the boxes {', '.join(boxes)} in {folder}"
        )
    judged = tuple(
        _judged(name, _checked_key(path, keys / f"{name}.json"), answers.get(name))
        for name, path in boxes.items()
    )
    return Judgement(judged, _open(keys, answers))


def _checked_key(box: Path, path: Path) -> Key:
    """The key of a box, if neither was changed."""
    sealed, events = read_json(box), box.parent / EVENTS
    key = read_key(path, sealed["key_sha256"])
    if file_sha256(events) != key.events:
        raise InputError(f"{events}: is not the file that was sealed: its SHA-256 is not that of the key")
    return key


def _judged(name: str, key: Key, answer: Answer | None) -> Judged:
    if answer is None:
        return Judged(name, key, None, "no answer", None, None)
    if key.signal is None:
        return Judged(name, key, answer, "false alarm" if answer.found else "rightly empty", None, None)
    if not answer.found:
        return Judged(name, key, answer, "missed", None, None)
    mass = number = None
    if answer.mass is not None and key.m_jj is not None and key.resolution is not None:
        mass = abs(answer.mass - key.m_jj) <= key.resolution
    if answer.events is not None:
        number = answer.events[0] <= key.n_inside <= answer.events[1]
    return Judged(name, key, answer, "found", mass, number)


def _open(keys: Path, answers: Mapping[str, Answer]) -> int:
    """Record that the keys were opened; returns how often they had been for other answers."""
    path = keys / _OPENED
    before = read_json(path) if path.exists() else []
    # As text: an interval may be open, and JSON knows no infinity.
    digest = digest_of({box: repr(answer) for box, answer in answers.items()})
    others = sum(one["answers"] != digest for one in before)
    write_json(path, [*before, {"time": datetime.now(UTC).isoformat(timespec="seconds"), "answers": digest}])
    return others

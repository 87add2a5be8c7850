"""Which recorded events are analysed: certified luminosity sections, triggers (any of), quality flags (all of).

Everything here works on columns of one number an event; :class:`~hepcs.sources.root.RootFiles` reads them.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hepcs._core.errors import ArgumentError, InputError
from hepcs.sources.files import reading
from hepcs.sources.packing import list_nearest

#: Branches of CMS NanoAOD that say where an event was recorded.
RUN, LUMI = "run", "luminosityBlock"
#: Branches that together tell a recorded event from all others.
EVENT_ID = (RUN, LUMI, "event")
_SHIFT = 32  # bits of the number of a luminosity section
_LONGEST_STEP = 60  # characters, in the cutflow

#: Reads one branch: one number for each event of a chunk, shape (n,).
Reader = Callable[[str], NDArray[Any]]


@dataclass(frozen=True)
class LumiMask:
    """Certified luminosity sections.

    Attributes
    ----------
    path
        The file that they are from.
    first, last
        Shape (s,): first and last section of each range, as ``run * 2^32 + section``, sorted, without overlaps.
    """

    path: str
    first: tuple[int, ...]
    last: tuple[int, ...]

    def certified(self, run: ArrayLike, section: ArrayLike) -> NDArray[np.bool_]:
        """Whether events are in certified sections.

        Parameters
        ----------
        run, section
            Numbers of run and luminosity section of each event, shape (n,).

        Returns
        -------
        Shape (n,).
        """
        runs, sections = np.asarray(run), np.asarray(section)
        if runs.shape != sections.shape or runs.ndim != 1:
            raise ArgumentError(
                f"runs of shape {runs.shape}, sections of {sections.shape}; expected (n,) for both"
            )
        place = _place(runs.astype(np.int64), sections.astype(np.int64))
        last = np.array([-1, *self.last], dtype=np.int64)
        within: NDArray[np.bool_] = place <= last[np.searchsorted(self.first, place, side="right")]
        return within


def read_lumi_mask(path: str | Path) -> LumiMask:
    """Certified sections from JSON as CMS publishes it: ``{"273158": [[1, 1283]], ...}``, both ends included.

    Raises
    ------
    InputError
        The file cannot be read, or holds something else; the text names the run.
    """
    with reading(str(path), "it as JSON of certified luminosity sections"):
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    if not isinstance(content, dict) or not content:
        raise InputError(
            f"{path}: holds {type(content).__name__}; expected certified sections by run, "
            '{"273158": [[1, 1283]], ...}'
        )
    ranges = sorted(pair for run, pairs in content.items() for pair in _ranges(path, run, pairs))
    first: list[int] = []
    last: list[int] = []
    for begin, end in ranges:
        if last and begin <= last[-1]:
            last[-1] = max(last[-1], end)
        else:
            first.append(begin)
            last.append(end)
    return LumiMask(str(path), tuple(first), tuple(last))


def _ranges(path: str | Path, run: str, pairs: object) -> list[tuple[int, int]]:
    """Ranges of sections of one run, as places."""
    right = isinstance(pairs, list) and all(
        isinstance(pair, list)
        and len(pair) == 2
        and all(type(number) is int and 0 <= number < 2**_SHIFT for number in pair)
        and pair[0] <= pair[1]
        for pair in pairs
    )
    if not right or not run.isdecimal() or int(run) >= 2 ** (63 - _SHIFT):
        raise InputError(
            f"{path}: run {run}: {str(pairs)[:80]}; expected pairs [first, last] of luminosity sections"
        )
    assert isinstance(pairs, list)
    return [(_place(int(run), begin), _place(int(run), end)) for begin, end in pairs]


def _place(run: Any, section: Any) -> Any:
    return run * 2**_SHIFT + section


@dataclass(frozen=True)
class EventSelection:
    """What recorded events have to pass, in this order.

    Attributes
    ----------
    lumi_mask
        Certified luminosity sections; None for all.
    triggers
        Names of branches, or wildcards: at least one of them must have fired.
    flags
        Names of branches, or wildcards: all of them must be set.
    """

    lumi_mask: LumiMask | None = None
    triggers: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether all events pass without a question."""
        return self.lumi_mask is None and not self.triggers and not self.flags

    @property
    def steps(self) -> tuple[str, ...]:
        """Names of the steps, as the cutflow has them."""
        certified = () if self.lumi_mask is None else ("certified luminosity section",)
        triggers = (_short("trigger: ", self.triggers),) if self.triggers else ()
        return (*certified, *triggers, *(f"flag: {name}" for name in self.flags))

    def require_branches(self, available: Sequence[str], path: str) -> None:
        """Refuse a file that lacks a branch that is asked for.

        Raises
        ------
        InputError
            The text lists the nearest names; for a luminosity mask, it says that the file has no run and section.
        """
        if self.lumi_mask is not None:
            missing = [name for name in (RUN, LUMI) if name not in available]
            if missing:
                listed = " and ".join(f"`{name}`" for name in missing)
                raise InputError(
                    f"{path}: has no branch {listed}, so nobody knows which of its events {self.lumi_mask.path} "
                    f"certifies; it has: {list_nearest(missing[0], available)}. Simulated events need no mask"
                )
        for key, patterns in (("triggers", self.triggers), ("flags", self.flags)):
            _expanded(patterns, available, path, key)

    def passes(self, read: Reader, available: Sequence[str], path: str) -> dict[str, NDArray[np.bool_]]:
        """Which events are left after each step.

        Parameters
        ----------
        read
            Reads a branch of the events, shape (n,).
        available
            Names of all branches.
        path
            Of the file, for messages.

        Returns
        -------
        dict
            By the names of :attr:`steps`, in order: events that passed this step and all before, shape (n,).

        Raises
        ------
        InputError
            A branch is missing, or does not hold one number or truth value for each event.
        """
        masks: list[NDArray[np.bool_]] = []
        if self.lumi_mask is not None:
            masks.append(self.lumi_mask.certified(read(RUN), read(LUMI)))
        if self.triggers:
            fired = _expanded(self.triggers, available, path, "triggers")
            masks.append(np.any([_truth(read, name, path) for name in fired], axis=0))
        for flag in self.flags:
            names = _expanded((flag,), available, path, "flags")
            masks.append(np.all([_truth(read, name, path) for name in names], axis=0))
        return dict(zip(self.steps, np.logical_and.accumulate(masks) if masks else (), strict=True))


def count_steps(n_read: int, passed: Mapping[str, NDArray[np.bool_]]) -> tuple[tuple[str, int], ...]:
    """Lines of the cutflow: the events that were read, and those left after each step."""
    return (("entries read", n_read), *((name, int(mask.sum())) for name, mask in passed.items()))


def _short(what: str, names: Sequence[str]) -> str:
    """Names in one line of the cutflow; where they are too long for one, how many there are."""
    text = what + " or ".join(names)
    return text if len(text) <= _LONGEST_STEP else f"{what}one of {len(names)}, {names[0]} or another"


def _expanded(patterns: Iterable[str], available: Sequence[str], path: str, key: str) -> list[str]:
    """The branches that names and wildcards stand for, each once; raises InputError for one that finds none."""
    found: dict[str, None] = {}
    for pattern in patterns:
        names = fnmatch.filter(available, pattern) if any(sign in pattern for sign in "*?[") else []
        if pattern in available:
            names = [pattern]
        if not names:
            raise InputError(
                f"{path}: no branch is named as `{pattern}` of `{key}`; it has: {list_nearest(pattern, available)}"
                ". Correct the name, or take a wildcard (`*`) where files of several periods differ"
            )
        found |= dict.fromkeys(names)
    return list(found)


def _truth(read: Reader, name: str, path: str) -> NDArray[np.bool_]:
    values = read(name)
    if values.dtype.kind not in "bui":
        raise InputError(f"{path}: `{name}` holds {values.dtype}; expected a truth value for each event")
    return values != 0

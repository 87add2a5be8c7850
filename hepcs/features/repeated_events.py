"""Events that come more than once: in a sample, or in two samples of a run.

A recorded event is known by its run, luminosity section and number, also where it was reconstructed again. Any
event is known by the bits of its masses, see :func:`~hepcs.jets.repetition.event_keys`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import InputError
from hepcs._core.storage import stored_arrays
from hepcs.jets.repetition import event_keys, find_repeated
from hepcs.sources.overlap import may_share

EVENT_ID = "event_id"


def read_event_ids(files: Sequence[Path]) -> NDArray[np.int64] | None:
    """Run, luminosity section and number of the dijets in some files, shape (n, 3); None where they have none."""
    found = []
    for file in files:
        with stored_arrays(file) as arrays:
            if EVENT_ID not in arrays:
                return None
            found.append(arrays[EVENT_ID])
    return np.concatenate(found)


def read_event_keys(files: Sequence[Path]) -> NDArray[np.uint64]:
    """What tells the dijets in some files apart by their masses, shape (n,)."""
    found = []
    for file in files:
        with stored_arrays(file) as arrays:
            found.append(event_keys(arrays["m_jj"], arrays["mass"]))
    return np.concatenate(found)


def repeated_rows(files: Sequence[Path]) -> tuple[int, ...]:
    """The dijets in some files that came before in them, counted over all files."""
    repeated = find_repeated(read_event_keys(files))
    ids = read_event_ids(files)
    if ids is not None:
        repeated |= find_repeated(ids)
    return tuple(np.flatnonzero(repeated).tolist())


def refuse_repeated(name: str, rows: Sequence[int], n_dijets: int) -> None:
    """Refuse a sample in which dijets come more than once, as in a merged file beside its parts."""
    if rows:
        raise InputError(
            f"{name}: {len(rows):,} of {n_dijets:,} dijets come more than once, with the same masses to the last "
            "bit or as the same recorded event, and would count several times. Is a merged file named beside its "
            "parts, one merged with itself, or an event in two primary datasets? Correct `files`, or say "
            "`on_repeated: drop` in the source, to keep the first of each"
        )


def refuse_shared(files: Mapping[str, Sequence[Path]]) -> None:
    """Refuse events that are in two samples: they would be searched against themselves.

    Parameters
    ----------
    files
        The dijets of each sample, by its role.

    Raises
    ------
    InputError
        Two samples share events; the text names all such pairs. Priors may share theirs with signals.
    """
    ids = {role: read_event_ids(one) for role, one in files.items()}
    keys = {role: read_event_keys(one) for role, one in files.items()}
    problems = []
    for first, second in combinations(files, 2):
        if may_share(first, second):
            continue
        shared = len(np.intersect1d(keys[first], keys[second]))
        one, other = ids[first], ids[second]
        if one is not None and other is not None:
            shared = max(shared, len(np.intersect1d(_records(one), _records(other))))
        if shared:
            sizes = f"{len(keys[first]):,} and {len(keys[second]):,}"
            problems.append(f"{first} and {second} share {shared:,} of their {sizes} dijets")
    if problems:
        raise InputError(
            "\n".join(
                [*problems, "Expected different events in each sample: correct `files` of one of the two"]
            )
        )


def _records(ids: NDArray[np.int64]) -> NDArray[Any]:
    """Each row as one value, shape (n,)."""
    rows = np.ascontiguousarray(ids)
    return rows.view([(f"f{column}", np.int64) for column in range(rows.shape[1])])[:, 0]

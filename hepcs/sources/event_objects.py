"""Files of event objects, in the format of the ADC 2021: HDF5, key `Particles`, (N, 19, 4), read in chunks.

What :mod:`hepcs.config.event_objects` says of the rows is checked of every event: a number that is none, an id in
a row of another kind, an object beyond its limits or without momentum, something behind an empty row, or no lepton
that passes the trigger ends the reading, with the file and the first event.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import InputError
from hepcs._core.storage import atomic_path
from hepcs.config.event_objects import (
    ELECTRON,
    KEY,
    MET,
    MUON,
    N_ROWS,
    OBJECT_TYPES,
    TRIGGER_PT,
    ObjectFiles,
)
from hepcs.sources.files import resolve_patterns
from hepcs.sources.hdf5 import open_hdf5, require_blocks, require_filters

Events = NDArray[np.float32]

CHUNK = 50_000
"""Events in memory at a time."""

_GEV = {"MeV": 1e-3, "GeV": 1.0, "TeV": 1e3}
# Rounding of single precision, and of limits that were applied in double.
_TOLERANCE = 1e-3
# GeV: no object has more.
_MOST = 7000.0


def write_objects(path: Path, events: Events) -> None:
    """Write events (n, 19, 4) as one file; raises ComputationError if it cannot be written."""
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        options = {"chunks": (min(len(events), 4096), N_ROWS, 4), "compression": "gzip", "shuffle": True}
        file.create_dataset(KEY, data=np.asarray(events, dtype=np.float32), **options)


def read_objects(section: ObjectFiles, folders: Sequence[Path] = (Path(),)) -> Events:
    """All events of a section of the card, shape (n, 19, 4): pT in GeV, eta, phi, id.

    Raises
    ------
    InputError
        If a file is missing, is of another format, or holds what no event can be.
    """
    chunks, left = [], section.max_events
    for path in resolve_patterns(section.files, folders):
        for events in chunks_of(Path(path), section.units):
            chunks.append(events if left is None else events[:left])
            left = None if left is None else left - len(chunks[-1])
            if left == 0:
                return np.concatenate(chunks)
    return np.concatenate(chunks)


def chunks_of(path: Path, units: str = "GeV", size: int = CHUNK) -> Iterator[Events]:
    """The events of a file, checked, in arrays (m, 19, 4) of at most `size`; see :func:`read_objects`."""
    try:
        with open_hdf5(str(path)) as file:
            if KEY not in file or not isinstance(file[KEY], h5py.Dataset):
                raise InputError(
                    f"{path}: no dataset `{KEY}`, found {sorted(file)}; expected the ADC 2021 format"
                )
            data = file[KEY]
            if data.ndim != 3 or data.shape[1:] != (N_ROWS, 4) or data.dtype.kind != "f":
                raise InputError(
                    f"{path}: `{KEY}` is of shape {data.shape} and type {data.dtype}, expected floats of shape "
                    f"(N, {N_ROWS}, 4): pT, eta, phi, id"
                )
            if not len(data):
                raise InputError(f"{path}: `{KEY}` holds no event")
            require_filters(data, str(path))
            require_blocks(data, str(path))
            for start in range(0, len(data), size):
                events = np.asarray(data[start : start + size], dtype=np.float32)
                events[..., 0] *= _GEV[units]
                _check(events, f"{path}: `{KEY}`", start, units)
                yield events
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error}. Is it an HDF5 file, and whole?") from error


def _check(events: Events, where: str, start: int, units: str) -> None:
    """Raise InputError for the first event that is none."""
    pt, eta, phi, code = np.moveaxis(events, -1, 0)

    def refuse(bad: Any, what: str) -> None:
        rows = np.argwhere(bad)
        if len(rows):
            event, *row = rows[0]
            place = f"event {start + event}" + (f", row {row[0]}" if row else "")
            raise InputError(
                f"{where}: {place}: {what}, found {events[tuple(rows[0])].tolist() if row else 'none'} (pT, eta, "
                f"phi, id); so do {len(np.unique(rows[:, 0]))} of {len(events)} events"
            )

    refuse(~np.isfinite(events).all(axis=-1), "expected finite numbers")
    largest = float(pt.max())
    leading = pt[:, ELECTRON.first : MUON.last].max(axis=1)
    if largest > _MOST or leading.max() < TRIGGER_PT / 10:
        raise InputError(
            f"{where}: pT up to {largest:g} GeV, leptons up to {leading.max():g} GeV: no energies of the LHC in "
            f"{units}; check `units`"
        )
    for kind in OBJECT_TYPES:
        rows = np.zeros(N_ROWS, dtype=np.bool_)
        rows[kind.first : kind.last] = True
        must = kind is MET
        expected = f"expected the id {kind.code} ({kind.name})" + ("" if must else " or 0")
        refuse(rows & (code != kind.code) & ((code != 0) | must), expected)
        there = rows & (code == kind.code)
        soft = (pt < kind.pt_min * (1 - _TOLERANCE)) | ((pt <= 0) & (not must))
        refuse(there & soft, f"expected a pT of at least {kind.pt_min:g} GeV of each {kind.name}")
        far = np.abs(eta) > kind.abs_eta_max + _TOLERANCE
        refuse(there & far, f"expected |eta| up to {kind.abs_eta_max:g} of each {kind.name}")
        after_gap = rows.copy()
        after_gap[kind.first] = False
        gap = after_gap & there & (np.roll(code, 1, axis=1) == 0)
        refuse(gap, f"expected no {kind.name} behind an empty row")
    refuse(np.abs(phi) > np.pi + _TOLERANCE, "expected phi between -pi and pi")
    empty = (code == 0) & (np.abs(events[..., :3]).max(axis=-1) > 0)
    refuse(empty, "expected zeros where there is no object")
    refuse(leading < TRIGGER_PT * (1 - _TOLERANCE), f"expected a lepton above {TRIGGER_PT:g} GeV")

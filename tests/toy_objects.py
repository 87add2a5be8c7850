"""Event objects at random, in the format of the ADC 2021, and files of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hepcs.config.event_objects import ELECTRON, JET, MET, MUON, N_ROWS, TRIGGER_PT
from hepcs.sources.event_objects import write_objects


def events(n: int, seed: int = 1, *, mean_pt: float = 20.0, more: int = 0) -> NDArray[np.float32]:
    """A lepton that passes the trigger, a few other objects or `more`, and what balances them, (n, 19, 4)."""
    rng = np.random.default_rng(seed)
    result = np.zeros((n, N_ROWS, 4), dtype=np.float32)
    for event in result:
        for kind, most in ((ELECTRON, 2), (MUON, 2), (JET, 4)):
            count = min(int(rng.integers(most)) + more, kind.most)
            if kind is MUON and count == 0 and event[ELECTRON.first, 3] == 0:
                count = 1
            pt = np.sort(kind.pt_min + rng.exponential(mean_pt, count))[::-1]
            rows = event[kind.first : kind.first + count]
            rows[:, 0], rows[:, 3] = pt, kind.code
            rows[:, 1] = rng.uniform(-kind.abs_eta_max, kind.abs_eta_max, count)
            rows[:, 2] = rng.uniform(-3.14, 3.14, count)
        leading = ELECTRON.first if event[ELECTRON.first, 3] else MUON.first
        event[leading, 0] += TRIGGER_PT
        px, py = (-(event[:, 0] * f(event[:, 2])).sum() for f in (np.cos, np.sin))
        event[MET.first] = np.hypot(px, py), 0.0, np.arctan2(py, px), MET.code
    return result


def file_of(path: Path, *args: int, **options: float) -> Path:
    """The same as a file."""
    write_objects(path, events(*args, **options))  # type: ignore[arg-type]
    return path

"""Event weights of a file: checked where the card names them, told of where nobody uses them."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import InputError

log = logging.getLogger(__name__)

# As generators, CMS NanoAOD, ATLAS DAOD and PHYSLITE ntuples, Delphes and users name them; in small letters.
_NAMES = frozenset(
    (
        "genweight",
        "generator_weight",
        "event.weight",
        "mceventweight",
        "mceventweights",
        "mc_weight",
        "mcweight",
        "eventweight",
        "event_weight",
        "evtweight",
        "evt_weight",
        "weight",
        "weights",
        "w",
        "sample_weight",
        "xsec_weight",
        "xsweight",
    )
)


def find_weights(names: Iterable[str]) -> list[str]:
    """The columns that are event weights by their names."""
    return [name for name in dict.fromkeys(names) if name.lower() in _NAMES]


def tell_of_weights(path: str, name: str, values: NDArray[np.number]) -> None:
    """Warn, once for each column of a file, of event weights that are not all the same.

    Parameters
    ----------
    path, name
        The file, and the column.
    values
        Weights of some of its events, shape (n,).
    """
    if values.size and not np.all(values == values.flat[0]):
        negative = float(np.mean(values < 0))
        _warn(path, name, float(np.min(values)), float(np.max(values)), negative)


@functools.lru_cache(maxsize=1000)
def _warn(path: str, name: str, low: float, high: float, negative: float) -> None:
    log.warning(
        "%s: `%s` holds event weights from %g to %g, %.1f %% of them negative. They are not used: every event "
        "counts as one. Name them as `weight` of the source, or give unweighted events",
        path,
        name,
        low,
        high,
        100 * negative,
    )


def checked_weights(values: NDArray[np.number], name: str, path: str, start: int) -> NDArray[np.float64]:
    """Event weights as float64, shape (n,); raises InputError for one that is not finite, with its entry."""
    weights = np.asarray(values, dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(weights))
    if bad.size:
        raise InputError(
            f"{path}: entry {start + int(bad[0])}: `{name}` = {weights[bad[0]]:g}, and {bad.size - 1} more of "
            f"{weights.size}; expected finite event weights"
        )
    return weights

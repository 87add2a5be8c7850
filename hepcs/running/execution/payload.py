"""A function on its way to Dask workers, and what they do with it.

The client puts it into bytes, and a task takes it out of them, not Dask as it arrives: what fails then, such as
features that are not where the path says, is told as the failure of that worker, and another one may manage.
"""

from __future__ import annotations

import platform
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from distributed import get_worker
from distributed.protocol import deserialize_bytes, serialize_bytes
from numpy.typing import NDArray

from hepcs import __version__
from hepcs._core.errors import ComputationError, HepcsError
from hepcs._core.threads import one_thread
from hepcs.features.feature_file import values_beside
from hepcs.running.identity import Origin, this_origin

Arrays = dict[str, NDArray[Any]]

# Seconds that a worker which cannot unpack its tasks waits with each: it must not take them all from the others.
PAUSE = 0.5

_this_origin = cache(this_origin)


class Payload:
    """A function as bytes, from that version of hepcs; unpacked once in a worker, which then keeps it."""

    def __init__(self, content: bytes, version: str = __version__) -> None:
        self.content, self.version = content, version
        self._lock = threading.Lock()
        self._function: Callable[[Any], Any] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return Payload, (self.content, self.version)

    def unpacked(self, arrays: Arrays) -> Callable[[Any], Any]:
        """The function, with arrays that came beside it; raises InputError if one that it maps is not there."""
        with self._lock:
            if self._function is None:
                with values_beside(arrays):
                    self._function = deserialize_bytes(self.content)
        return self._function


def pack(function: Callable[[Any], Any], transfer: str) -> tuple[Payload, Arrays]:
    """Put a function into bytes: mapped arrays as paths, and for ``transfer="broadcast"`` beside it, by digest."""
    arrays: dict[str, NDArray[Any]] = {}
    with values_beside(arrays):
        payload = Payload(serialize_bytes(function, compression=False))
    return payload, arrays if transfer == "broadcast" else {}


@dataclass(frozen=True)
class Done:
    """A result, and where it was computed."""

    result: Any
    origin: Origin


@dataclass(frozen=True)
class Unfit:
    """A worker could not unpack what it was sent, and the task was not begun: another one may manage."""

    worker: str
    error: HepcsError


def run_on_worker(payload: Payload, arrays: Arrays, item: Any) -> Done | Unfit | HepcsError:
    """What a task comes to on a worker. Errors that are none of ours are raised, for Dask to try again."""
    if payload.version != __version__:
        return ComputationError(
            f"a Dask worker on {platform.node()} has hepcs {__version__}, and the client {payload.version}. "
            "Install the same version where the workers run"
        )
    try:
        function = payload.unpacked(arrays)  # first, since it loads the libraries that are to be limited
    except Exception as error:
        time.sleep(PAUSE)
        return Unfit(get_worker().address, _explained(error))
    try:
        with one_thread():
            return Done(function(item), _this_origin())
    except HepcsError as error:
        return error


def _explained(error: Exception) -> HepcsError:
    """An error of unpacking for the user."""
    if isinstance(error, HepcsError):
        return error
    return ComputationError(
        f"a Dask worker on {platform.node()} cannot unpack what it was sent ({type(error).__name__}: {error}). "
        "Install the same packages where the workers run"
    )

"""A function on its way to Dask workers, and what they do with it.

It is put into bytes by the client and taken out of them in a task, not by Dask as they arrive: what fails then,
such as features that are not where the path says, is told as the worker's failure, and another one may manage.
"""

from __future__ import annotations

import platform
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from distributed import get_worker
from distributed.protocol import deserialize_bytes, serialize_bytes
from numpy.typing import NDArray

from hepcs import __version__
from hepcs._core.errors import ComputationError, HepcsError
from hepcs._core.threads import one_thread
from hepcs.features.feature_file import apart, arrived
from hepcs.running.identity import Origin, this_origin

# Seconds that a worker which cannot unpack its tasks waits with each: it must not take them all from the others.
PAUSE = 0.5

_this_origin = cache(this_origin)


class Parcel:
    """A function as bytes; unpacked once in a worker, which then keeps it.

    Parameters
    ----------
    content
        The function.
    digests
        Of the arrays that it needs besides, which come apart.
    version
        Of the hepcs that packed it.
    """

    def __init__(self, content: NDArray[np.uint8], digests: tuple[str, ...], version: str) -> None:
        self.content, self.digests, self.version = content, digests, version
        self._lock = threading.Lock()
        self._function: Callable[[Any], Any] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return Parcel, (self.content, self.digests, self.version)

    def __sizeof__(self) -> int:
        return int(self.content.nbytes)

    def unpacked(self, arrays: Sequence[NDArray[Any]]) -> Callable[[Any], Any]:
        """The function, with the arrays that came apart, in the order of `digests`.

        Raises
        ------
        InputError
            If an array that it maps is not there, or not the same.
        """
        with self._lock:
            if self._function is None:
                with arrived(dict(zip(self.digests, arrays, strict=True))):
                    self._function = deserialize_bytes(self.content.data)
        return self._function


def pack(function: Callable[[Any], Any], transfer: str) -> tuple[Parcel, Mapping[str, NDArray[Any]]]:
    """Put a function into bytes: mapped arrays as paths or, for ``transfer="broadcast"``, apart, by digest."""
    arrays: dict[str, NDArray[Any]] = {}
    with apart(arrays) if transfer == "broadcast" else nullcontext():
        content = serialize_bytes(function, compression=False)
    return Parcel(np.frombuffer(content, dtype=np.uint8), tuple(arrays), __version__), arrays


@dataclass(frozen=True)
class Done:
    """A result, and where it was computed."""

    result: Any
    origin: Origin


@dataclass(frozen=True)
class Refusal:
    """An error that is meant for the user: no result, and no reason to try again."""

    error: HepcsError


@dataclass(frozen=True)
class Unfit:
    """A worker could not unpack what it was sent, and the task was not begun: another one may manage."""

    worker: str
    error: HepcsError


def run_on_worker(parcel: Parcel, arrays: Sequence[NDArray[Any]], item: Any) -> Done | Refusal | Unfit:
    """What a task comes to on a worker; errors that are none of ours are raised."""
    if parcel.version != __version__:
        return Refusal(
            ComputationError(
                f"a Dask worker on {platform.node()} has hepcs {__version__}, and the client {parcel.version}. "
                "Install the same version where the workers run"
            )
        )
    try:
        function = parcel.unpacked(arrays)  # first, since it loads the libraries that are to be limited
    except Exception as error:
        time.sleep(PAUSE)
        return Unfit(get_worker().address, _explained(error))
    try:
        with one_thread():
            return Done(function(item), _this_origin())
    except HepcsError as error:
        return Refusal(error)


def _explained(error: Exception) -> HepcsError:
    """An error of unpacking for the user."""
    if isinstance(error, HepcsError):
        return error
    return ComputationError(
        f"a Dask worker on {platform.node()} cannot unpack what it was sent ({type(error).__name__}: {error}). "
        "Install the same packages where the workers run"
    )

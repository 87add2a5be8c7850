"""A function on its way to Dask workers, and what they do with it.

It is put into bytes by the client and taken out of them in a task, not by Dask as they arrive: what fails then,
such as features that are not where the path says, is told as an error of that task.
"""

from __future__ import annotations

import platform
import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from distributed.protocol import deserialize_bytes, serialize_bytes
from numpy.typing import NDArray

from hepcs import __version__
from hepcs.errors import ComputationError, HepcsError
from hepcs.execution.threads import one_thread
from hepcs.mapped import by_value


class Parcel:
    """A function as bytes, with the version that packed it; unpacked once in a worker, which then keeps it."""

    def __init__(self, content: NDArray[np.uint8], version: str) -> None:
        self.content, self.version = content, version
        self._lock = threading.Lock()
        self._function: Callable[[Any], Any] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return Parcel, (self.content, self.version)

    def __sizeof__(self) -> int:
        return int(self.content.nbytes)

    def unpacked(self) -> Callable[[Any], Any]:
        """The function.

        Raises
        ------
        InputError
            If an array that it maps is not there, or not the same.
        ComputationError
            If another version of hepcs packed it.
        """
        if self.version != __version__:
            raise ComputationError(
                f"a Dask worker on {platform.node()} has hepcs {__version__}, and the client {self.version}. "
                "Install the same version where the workers run"
            )
        with self._lock:
            if self._function is None:
                self._function = deserialize_bytes(self.content.data)
        return self._function


def pack(function: Callable[[Any], Any], transfer: str) -> Parcel:
    """Put a function into bytes, mapped arrays as paths or, for ``transfer="broadcast"``, by value."""
    with by_value() if transfer == "broadcast" else nullcontext():
        content = serialize_bytes(function, compression=False)
    return Parcel(np.frombuffer(content, dtype=np.uint8), __version__)


@dataclass(frozen=True)
class Refusal:
    """An error that is meant for the user: no result, and no reason to try again."""

    error: HepcsError


def run_on_worker(parcel: Parcel, item: Any) -> Any:
    """The result for an item, or a Refusal."""
    try:
        function = parcel.unpacked()  # first, since it loads the libraries that are to be limited
        with one_thread():
            return function(item)
    except HepcsError as error:
        return Refusal(error)

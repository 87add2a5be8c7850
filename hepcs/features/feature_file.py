"""Arrays that stay on disk: memory-mapped read-only, and sent to other processes as a path and a digest.

All processes of a machine share one copy in memory, whatever pool they belong to. Where the array arrives, its
file is opened again and its SHA-256 compared, so that another file under the same path is never searched.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import InputError
from hepcs._core.storage import file_sha256

_APART: ContextVar[dict[str, NDArray[Any]] | None] = ContextVar("apart", default=None)
_ARRIVED: ContextVar[Mapping[str, NDArray[Any]]] = ContextVar("arrived")

_WHAT_TO_DO = (
    "Workers on other machines open prepared samples from their path: put execution.cache on a file system that "
    "all of them share, or set execution.transfer: broadcast. If the cache was changed, delete {folder} and run "
    "again"
)


class MappedArray(np.ndarray[Any, np.dtype[Any]]):
    """A read-only array whose values stay in an ``.npy`` file; made by :func:`open_mapped`.

    Only the whole array knows its file. What is taken out of it is a plain array.
    """

    path: Path | None
    digest: str | None

    def __array_finalize__(self, array: NDArray[Any] | None) -> None:
        self.path = self.digest = None

    def __getitem__(self, index: Any) -> Any:
        return self.view(np.ndarray)[index]

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        return array[()] if return_scalar else array.view(np.ndarray)

    def __reduce_ex__(self, protocol: Any) -> Any:
        if self.path is None or self.digest is None:
            return self.view(np.ndarray).__reduce_ex__(protocol)
        sent = _APART.get()
        if sent is None:
            return open_mapped, (self.path, self.digest)
        sent[self.digest] = self.view(np.ndarray)
        return _arrived, (self.digest,)


def open_mapped(path: Path, digest: str) -> MappedArray:
    """Open an ``.npy`` file memory-mapped and read-only.

    Parameters
    ----------
    path
        The file.
    digest
        SHA-256 of the whole file, as hexadecimal digits. It is compared once in a process, and again if the
        file has changed.

    Raises
    ------
    InputError
        If the file is absent, no array, or not the one that was digested; the text says what to do.
    """
    path = path.absolute()
    advice = _WHAT_TO_DO.format(folder=path.parent)
    try:
        found = mapped_digest(path)
        if found != digest:
            raise InputError(
                f"{path}: on {platform.node()} it is not the file that was prepared (SHA-256 {found[:16]}..., "
                f"expected {digest[:16]}...). {advice}"
            )
        array = np.load(path, mmap_mode="r", allow_pickle=False).view(MappedArray)
    except (OSError, ValueError, EOFError) as error:
        what = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be opened on {platform.node()} ({what}). {advice}") from error
    array.path, array.digest = path, digest
    return array


def mapped_digest(path: Path) -> str:
    """SHA-256 of a file; a process computes it once, as long as the file stays as it is."""
    state = path.stat()
    return _mapped_digest(path, state.st_ino, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=256)
def _mapped_digest(path: Path, inode: int, size: int, modified: int) -> str:  # noqa: ARG001
    return file_sha256(path)


@contextmanager
def apart(arrays: dict[str, NDArray[Any]]) -> Iterator[None]:
    """Inside, mapped arrays are pickled as their digest alone, for processes that cannot open the file.

    Their values are added to `arrays` by digest. They have to be sent apart, and be there in :func:`arrived`.
    """
    token = _APART.set(arrays)
    try:
        yield
    finally:
        _APART.reset(token)


@contextmanager
def arrived(arrays: Mapping[str, NDArray[Any]]) -> Iterator[None]:
    """Inside, what was pickled in :func:`apart` is unpickled with these arrays, by digest."""
    token = _ARRIVED.set(arrays)
    try:
        yield
    finally:
        _ARRIVED.reset(token)


def _arrived(digest: str) -> NDArray[Any]:
    return _ARRIVED.get()[digest]

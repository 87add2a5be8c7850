"""Features that stay on disk: memory-mapped read-only, and sent to other processes as a path and a digest.

All processes of a machine share one copy in memory, whatever pool they belong to. Where they arrive, the file is
opened again and its SHA-256 compared, so that another file under the same path is never searched.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import InputError
from hepcs._core.storage import file_sha256

_BESIDE: ContextVar[dict[str, NDArray[Any]] | None] = ContextVar("beside", default=None)


@dataclass(frozen=True)
class FeatureFile:
    """An ``.npy`` file.

    Attributes
    ----------
    path
        Of the file, absolute.
    digest
        SHA-256 of the whole file, as hexadecimal digits.
    """

    path: Path
    digest: str

    def open(self) -> MappedArray:
        """The array, memory-mapped and read-only.

        The digest is compared once in a process, and again if the file has changed.

        Raises
        ------
        InputError
            If the file is absent, no array, or not the one that was digested; the text says what to do.
        """
        advice = (
            "Workers on other machines open prepared samples from their path: put execution.cache on a file "
            "system that all of them share, or set execution.transfer: broadcast. If the cache was changed, "
            f"delete {self.path.parent} and run again"
        )
        try:
            found = mapped_digest(self.path)
            if found != self.digest:
                raise InputError(
                    f"{self.path}: on {platform.node()} it is not the file that was prepared (SHA-256 "
                    f"{found[:16]}..., expected {self.digest[:16]}...). {advice}"
                )
            array = np.load(self.path, mmap_mode="r", allow_pickle=False).view(MappedArray)
        except (OSError, ValueError, EOFError) as error:
            what = getattr(error, "strerror", None) or error
            raise InputError(
                f"{self.path}: cannot be opened on {platform.node()} ({what}). {advice}"
            ) from error
        array.file = self
        return array


class MappedArray(np.ndarray[Any, np.dtype[Any]]):
    """The values of a :class:`FeatureFile`, which are pickled as the file that they come from.

    Only the whole array has a file. What is taken out of it, or computed from it, is pickled with its values.
    """

    file: FeatureFile | None = None

    def __getitem__(self, index: Any) -> Any:
        return self.view(np.ndarray)[index]

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        return array[()] if return_scalar else array.view(np.ndarray)

    def __reduce_ex__(self, protocol: Any) -> Any:
        if self.file is None:
            return self.view(np.ndarray).__reduce_ex__(protocol)
        if (values := _BESIDE.get()) is not None:
            values[self.file.digest] = self.view(np.ndarray)
        return _arrived, (self.file,)


@contextmanager
def values_beside(arrays: dict[str, NDArray[Any]]) -> Iterator[None]:
    """Inside, mapped arrays that are pickled leave their values in `arrays`, by digest, and take them from there.

    For processes that cannot open the file, to which `arrays` is sent too; what is not in it is opened.
    """
    token = _BESIDE.set(arrays)
    try:
        yield
    finally:
        _BESIDE.reset(token)


def _arrived(file: FeatureFile) -> NDArray[Any]:
    beside = (_BESIDE.get() or {}).get(file.digest)
    return file.open() if beside is None else beside


def open_mapped(path: Path, digest: str) -> MappedArray:
    """Open an ``.npy`` file as :meth:`FeatureFile.open` does, from any path."""
    return FeatureFile(path.absolute(), digest).open()


def mapped_digest(path: Path) -> str:
    """SHA-256 of a file; a process computes it once, as long as the file stays as it is."""
    state = path.stat()
    return _mapped_digest(path, state.st_ino, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=256)
def _mapped_digest(path: Path, inode: int, size: int, modified: int) -> str:  # noqa: ARG001
    return file_sha256(path)

"""Compiled functions, by numba."""

from __future__ import annotations

import hashlib
import logging
from functools import lru_cache
from pathlib import Path
from typing import Any

from numba import njit

logger = logging.getLogger(__name__)


def compiled(function: Any) -> Any:
    """Compile for native speed, and keep the machine code where it can be kept.

    Numba caches next to the source, or, in a read-only installation, in the user's cache folder
    (NUMBA_CACHE_DIR names another). Where no folder is writable it refuses to cache, and the function compiles
    in each process. What is kept serves only the same sources: numba looks at the file of the function, and not at
    those of the functions compiled into it, so all files of its folder are part of the name it is kept by.
    """
    name = function.__qualname__
    file = Path(function.__code__.co_filename)
    if file.is_file():
        function.__qualname__ = f"{name}-{_digest(file.parent)}"
    try:
        return njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError as error:
        logger.debug("no folder to cache machine code: %s", error)
        return njit(nogil=True, error_model="numpy")(function)
    finally:
        function.__qualname__ = name


@lru_cache
def _digest(folder: Path) -> str:
    """Of the sources in a folder."""
    found = hashlib.sha256()
    for file in sorted(folder.glob("*.py")):
        found.update(file.read_bytes())
    return found.hexdigest()[:12]

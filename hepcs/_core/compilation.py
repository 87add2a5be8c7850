"""Compiled functions, by numba."""

from __future__ import annotations

import logging
from typing import Any

from numba import njit

logger = logging.getLogger(__name__)


def compiled(function: Any) -> Any:
    """Compile for native speed, and keep the machine code where it can be kept.

    Numba caches next to the source, or, in a read-only installation, in the user's cache folder
    (NUMBA_CACHE_DIR names another). Where no folder is writable it refuses to cache, and the function compiles
    in each process.
    """
    try:
        return njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError as error:
        logger.debug("no folder to cache machine code: %s", error)
        return njit(nogil=True, error_model="numpy")(function)

"""Memory that this process may use, whether a run can fit into it, and words for when it did not.

Little is imported here: where memory is short, the large libraries may not load.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from hepcs._core.errors import ComputationError

logger = logging.getLogger(__name__)

WHAT_TO_DO = (
    "Raise the limit or take a machine with more memory, use fewer --workers, or smaller features; fewer "
    "pseudo-experiments or a smaller ensemble do not help"
)

# What the libraries' loaders, and threads, say where memory is short and not the installation at fault.
COMPLAINTS = (
    "cannot allocate memory",
    "failed to map segment",
    "could not find/load shared object file",
    "can't start new thread",
)

# Bytes that are held back for words.
SPARE = 10_000_000

# Address space that libraries and compiled kernels of the smallest run take on one thread of an x86-64 Linux
# (0.75 GB to load, 1 GB at the end). With much less, linear algebra can wait for memory for ever while it loads.
LIBRARIES = 1_000_000_000

# Share of a limit from which it is close.
CLOSE = 0.9

# Control groups of version 1 say "no limit" with a number near 2^63.
UNLIMITED = 2**60


@dataclass(frozen=True)
class MemoryLimit:
    """A limit on memory: name, bytes, whether all processes share it, and bytes that this process uses of it."""

    name: str
    size: int
    shared: bool
    used: int


def memory_limits() -> tuple[MemoryLimit, ...]:
    """The limits of this process: of its address space and data, its control group, and the free memory."""
    info = psutil.Process().memory_info()
    resident = info.rss - getattr(info, "shared", 0)  # pages of libraries are shared, and count once
    free = psutil.virtual_memory().available + resident  # this process holds its own part already
    found = (
        ("the address space of a process (ulimit -v)", _resource("RLIMIT_AS"), False, info.vms),
        ("the data of a process (ulimit -d)", _resource("RLIMIT_DATA"), False, getattr(info, "data", 0)),
        ("the control group's memory", _control_group(), True, resident),
        ("the memory available on this machine", free, True, resident),
    )
    return tuple(
        MemoryLimit(name, size, shared, used) for name, size, shared, used in found if size is not None
    )


def require_room_for_libraries() -> None:
    """Refuse to load libraries that cannot fit into the address space.

    Raises
    ------
    ComputationError
        With what they need, and the limit.
    """
    size = _resource("RLIMIT_AS")
    if size is not None and size < LIBRARIES:
        raise ComputationError(
            f"the address space of a process (ulimit -v) is limited to {_size(size)}, and libraries and kernels "
            f"of a run alone need {_size(LIBRARIES)}. Raise the limit"
        )


def check_memory(workers: int) -> None:
    """Refuse a run that cannot fit into memory, and warn of one that may not; call it once libraries are loaded.

    Each of the `workers` processes needs at least what this one holds now.

    Raises
    ------
    ComputationError
        With what is needed, and the limit.
    """
    for limit in memory_limits():
        least = limit.used * (workers if limit.shared else 1)
        whose = f"{workers} processes" if limit.shared else "each process"
        problem = f"{limit.name} is limited to {_size(limit.size)}, and {whose} need at least {_size(least)}"
        if least > limit.size:
            raise ComputationError(f"{problem}. {WHAT_TO_DO}")
        if least > CLOSE * limit.size:
            logger.warning("%s. %s", problem, WHAT_TO_DO)


@contextmanager
def shortage_in_words() -> Iterator[None]:
    """Inside, an error that comes of too little memory becomes a ComputationError that names the limits.

    What is said is made ready before, with some memory to say it with: afterwards there is none.
    """
    limits = "; ".join(f"{one.name}: {_size(one.size)}" for one in memory_limits())
    spare = bytearray(SPARE)
    try:
        yield
    except (MemoryError, OSError, ImportError, RuntimeError) as error:
        del spare
        if not is_shortage(error):
            raise
        raise ComputationError(
            f"memory ran out ({type(error).__name__}: {error}). Limits: {limits}. {WHAT_TO_DO}"
        ) from error


def is_shortage(error: BaseException) -> bool:
    """Whether an error comes of too little memory; a loader's complaint counts only under a limit."""
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
        return True
    limited = any(_resource(name) is not None for name in ("RLIMIT_AS", "RLIMIT_DATA"))
    return limited and any(complaint in str(error).lower() for complaint in COMPLAINTS)


def _resource(name: str) -> int | None:
    """A soft limit of this process in bytes; None if there is none, or no such thing on this system."""
    if not hasattr(psutil, name):
        return None
    size = psutil.Process().rlimit(getattr(psutil, name))[0]
    return None if size == psutil.RLIM_INFINITY else int(size)


def _control_group() -> int | None:
    """The least limit of the control groups, version 1 or 2, that this process is in."""
    top, sizes = Path("/sys/fs/cgroup"), []
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and "memory" not in controllers.split(","):
                continue
            innermost = (top / "memory" if controllers else top) / path.lstrip("/")
            for group in (innermost, *innermost.parents):
                with suppress(OSError, ValueError):  # no group, or "max"
                    name = "memory.limit_in_bytes" if controllers else "memory.max"
                    sizes.append(int((group / name).read_text(encoding="utf-8")))
    return min((size for size in sizes if size < UNLIMITED), default=None)


def _size(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:.2f} GB"

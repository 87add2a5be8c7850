"""Memory that this process may use, whether a run can fit into it, and words for when it did not.

Only the standard library is needed here: where memory is short, the others may not load.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hepcs._core.errors import ComputationError
from hepcs.config import LocatedCard
from hepcs.config.sources import PythiaSource

logger = logging.getLogger(__name__)

WHAT_TO_DO = (
    "Raise the limit or take a machine with more memory, use fewer --workers, or features.kind: pca; "
    "fewer pseudo-experiments or a smaller ensemble do not help"
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


@dataclass(frozen=True)
class Limit:
    """A limit on memory: name, bytes, whether all processes share it, and bytes that this process uses of it."""

    name: str
    size: int
    shared: bool
    used: int


def memory_limits() -> tuple[Limit, ...]:
    """The limits of this process: of its address space and data, its control group, and the free memory."""
    status = _kilobytes(Path("/proc/self/status"))
    resident = status.get("RssAnon", 0)  # pages of libraries are shared, and count once
    limits = [
        Limit(name, size, False, status.get(key, 0))
        for name, size, key in (
            ("the address space of a process (ulimit -v)", _resource("RLIMIT_AS"), "VmSize"),
            ("the data of a process (ulimit -d)", _resource("RLIMIT_DATA"), "VmData"),
        )
        if size is not None
    ]
    limits += [Limit("the control group's memory", size, True, resident) for size in _group_limits()]
    available = _kilobytes(Path("/proc/meminfo")).get("MemAvailable")
    if available is not None:
        # This process holds its own part already.
        limits.append(Limit("the memory available on this machine", available + resident, True, resident))
    return tuple(limits)


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


def check_memory(card: LocatedCard, workers: int) -> None:
    """Refuse a run that cannot fit into memory, and warn of one that may not; call it once libraries are loaded.

    The least is what each process holds now; the most that is known before events are read adds features for
    every entry that the card names.

    Raises
    ------
    ComputationError
        With what is needed, and the limit.
    """
    features = _most_features(card)
    for limit in memory_limits():
        least = limit.used * (workers if limit.shared else 1)
        numbers = f"{limit.name} is limited to {_size(limit.size)}"
        whose = f"{workers} processes" if limit.shared else "each process"
        if least > limit.size:
            raise ComputationError(f"{numbers}, and {whose} need at least {_size(least)}. {WHAT_TO_DO}")
        if least + features > CLOSE * limit.size:
            logger.warning("%s, and %s may need %s. %s", numbers, whose, _size(least + features), WHAT_TO_DO)


@contextmanager
def shortage_in_words() -> Iterator[None]:
    """Inside, an error that comes of too little memory becomes a ComputationError that names the limits.

    What is said is made ready before, with some memory to say it with: afterwards there is none.
    """
    limits = "; ".join(f"{one.name}: {_size(one.size)}" for one in memory_limits()) or "none is known"
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


def _most_features(card: LocatedCard) -> int:
    """Bytes of the float32 features of two jets, if every entry that the card names were selected."""
    sections = card.card
    dimension = sections.images.pixels**2 if sections.features.kind == "pixels" else 0
    entries = sum(
        (section.events if isinstance(section, PythiaSource) else section.max_events) or 0
        for section in sections.samples.by_role().values()
    )
    return entries * 2 * dimension * 4


def _resource(name: str) -> int | None:
    """A soft limit of this process in bytes; None if there is none, or no such thing on this system."""
    try:
        import resource
    except ImportError:
        return None
    size = resource.getrlimit(getattr(resource, name))[0]
    return None if size == resource.RLIM_INFINITY else int(size)


def _group_limits() -> Iterator[int]:
    """Limits of this process's control groups, of versions 1 and 2, and of the groups around them."""
    root = Path("/sys/fs/cgroup")
    for line in _text(Path("/proc/self/cgroup")).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            top, name = root, "memory.max"
        elif "memory" in controllers.split(","):
            top, name = root / "memory", "memory.limit_in_bytes"
        else:
            continue
        group = top / path.lstrip("/")
        found = [
            _text(folder / name).strip()
            for folder in (group, *group.parents)
            if top in (folder, *folder.parents)
        ]
        # Version 1 says "no limit" with a number near 2^63.
        sizes = [int(text) for text in found if text.isdigit() and int(text) < 2**60]
        if sizes:
            yield min(sizes)


def _kilobytes(path: Path) -> dict[str, int]:
    """Bytes by name, from a file of lines such as ``VmSize: 12 kB``."""
    words = [line.split() for line in _text(path).splitlines()]
    return {one[0].rstrip(":"): 1024 * int(one[1]) for one in words if len(one) == 3 and one[2] == "kB"}


def _text(path: Path) -> str:
    """Contents of a file of the system, empty where there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def _size(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:.2f} GB"

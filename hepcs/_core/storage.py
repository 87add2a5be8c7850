"""Files written whole or not at all, JSON, and digests."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import platform
import re
import secrets
import shutil
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from hepcs._core.errors import ArgumentError, ComputationError, InputError

logger = logging.getLogger(__name__)

# Seconds that a network file system may take to show a new file: NFS looks at a folder again after 60.
VISIBLE_AFTER = 90.0

# Bytes that a trial writes: a full disk still takes an empty file.
TRIAL = 2**20

# The file of a folder that is written last.
COMPLETE = "complete.json"

# Temporary names: those of this module, and of run folders. After so many seconds no process is at such a one.
TEMPORARY = re.compile(r"\..+\.(?P<pid>\d+)\.[0-9a-f]{8}(\.\w+)?|\.writing-\w+")
STALE_AFTER = 86400.0

# How the system says that a disk is full, or the share of it that a user may fill.
FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Inside, what the system cannot do is a ComputationError that names `path`: the place was right before."""
    try:
        yield
    except OSError as error:
        raise ComputationError(
            f"{path}: cannot be written ({error.strerror or error}). Free some space, or choose another folder"
        ) from error


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, which takes its place if the block ends well, and is removed if not.

    The suffix is kept, since writers choose formats by it. Raises ComputationError where nothing can be written.
    """
    # Processes of two machines can have the same number.
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.{secrets.token_hex(4)}{path.suffix}")
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            _to_disk(temporary)
            temporary.replace(path)
            with suppress(OSError):
                _to_disk(path.parent)  # some file systems cannot do this for a folder
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder beside `folder`, which takes its place, whole, if the block ends well.

    If another process was first, its folder stays, so that files others have opened are not replaced. A folder
    without ``complete.json``, the last file to be written, is no such one, and is replaced. Raises
    ComputationError where nothing can be written.
    """
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with writing(folder):
            temporary.mkdir(parents=True)
            yield temporary
            for path in temporary.iterdir():
                _to_disk(path)
            if folder.exists() and not (folder / COMPLETE).exists():
                shutil.rmtree(folder)
            try:
                temporary.rename(folder)
            except OSError:
                if not (folder / COMPLETE).exists():
                    raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def sweep(folder: Path, *, below: bool = False) -> None:
    """Remove what killed processes left in a folder, and in those below it: temporary files and folders.

    Most of their names hold the number of the process. What a living process of this machine may own stays, and
    so does what is not a day old: a process of another machine may be at it, where a folder is shared.
    """
    for path in list(folder.rglob(".*") if below else folder.glob(".*")):
        found = TEMPORARY.fullmatch(path.name)
        if found is None or (found["pid"] and _lives(int(found["pid"]))):
            continue
        with suppress(OSError):
            if time.time() - path.lstat().st_mtime < STALE_AFTER:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
            logger.info("%s: removed, a process that was killed left it", path)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def try_to_write(folder: Path, size: int = TRIAL) -> None:
    """Make a folder and write `size` bytes into it for a trial, before hours are spent.

    Raises
    ------
    OSError
        If nothing can be written there, whatever is done about the space: the place is wrong.
    ComputationError
        If the disk is full.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(size))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise ComputationError(
            f"{folder}: cannot be written ({error.strerror}). Free some space, or choose another folder"
        ) from error


def check_place(destination: Path) -> None:
    """Refuse, before the work, a place where no file can be; the folder is made if it is missing.

    Raises
    ------
    ArgumentError
        If it is a folder, or nothing can be written beside it.
    ComputationError
        If the disk is full.
    """
    problem = "it is a folder" if destination.is_dir() else ""
    try:
        try_to_write(destination.parent, size=0)
    except OSError as error:
        problem = error.strerror or str(error)
    if problem:
        raise ArgumentError(
            f"{destination}: cannot be written ({problem}); give another name, or check the folder and its rights"
        )


def reserve(path: Path, size: int) -> None:
    """Reserve the space of a file that is filled through a memory map, where a full disk would end the process.

    Raises
    ------
    ComputationError
        If there is not as much; the text says how much is needed and free.
    """
    if not hasattr(os, "posix_fallocate"):
        return
    free = shutil.disk_usage(path.parent).free
    try:
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        if error.errno not in FULL:
            return  # a file system that cannot reserve
        raise ComputationError(
            f"{path.parent}: {size / 1e6:,.1f} MB are needed there and {free / 1e6:,.1f} MB are free "
            f"({error.strerror}). Free some space, or choose another folder"
        ) from error


def _to_disk(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def wait_for_files(paths: Sequence[Path], patience: float = VISIBLE_AFTER) -> None:
    """Wait until files that workers wrote are seen here: network file systems show them with a delay.

    Raises InputError if one is still not there after `patience` seconds.
    """
    deadline = time.monotonic() + patience
    for path in paths:
        while not path.exists():
            if time.monotonic() > deadline:
                raise InputError(
                    f"{path}: a worker wrote it, and it is not seen on {platform.node()}. execution.cache must "
                    "lie on a file system that all workers share; without one, set execution.transfer: broadcast"
                )
            time.sleep(0.2)
            with suppress(OSError, StopIteration):
                next(path.parent.iterdir())  # makes NFS ask its server again


def write_text(path: Path, text: str) -> None:
    r"""Write a text file whole or not at all; names of files that are no UTF-8 have ``\udce9`` in it."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: Path, value: Any) -> None:
    """Write JSON whole or not at all; NaN and infinities are refused, since JSON has none."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """JSON from a file; raises OSError, or ValueError for what is no JSON: NaN, infinities, endless nesting."""

    def refuse(name: str) -> None:
        raise ValueError(f"it holds {name}, which is no JSON")

    try:
        return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def digest_of(value: Any) -> str:
    """SHA-256 of a value of plain JSON types, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def stored_arrays(path: Path) -> Iterator[Any]:
    """The arrays of an ``.npz`` file of the cache; raises InputError, naming the file, if it is damaged."""
    try:
        # Opened here: np.load leaves a damaged file open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            yield arrays
    except (OSError, ValueError, KeyError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path}: a prepared sample is damaged ({type(error).__name__}: {error}). "
            f"Delete {path.parent} and run again"
        ) from error

"""Why a file cannot be read: each cause told as what it is, and what passes tried again a few times."""

from __future__ import annotations

import errno
import logging
import re
import socket
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import uproot

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds without an answer after which a server is given up, and how often it is asked.
PATIENCE, TRIES = 30.0, 3
_WAIT = 1.0  # seconds before the second try, three times as many before the next

_BUSY = (408, 425, 429, 500, 502, 503, 504)  # HTTP statuses that may pass
_DAMAGED = (
    "The file is truncated or damaged, or not of the kind that the card says: compare its size and checksum with "
    "the original, or fetch it again"
)
_BY_ERRNO = {
    errno.ENOLCK: "The disk that it is on cannot lock files, as some network file systems: set "
    "HDF5_USE_FILE_LOCKING=FALSE, or copy the file to another disk",
    errno.EIO: "The disk, or the network file system, fails: try again, or copy the file to another disk",
    errno.ESTALE: "The network file system has lost it: try again, or copy the file to another disk",
    errno.EACCES: "You may not read it: check its rights",
    errno.EPERM: "You may not read it: check its rights",
    errno.EMFILE: "Too many files are open: raise the limit with `ulimit -n`",
}
_LOCKED = "Another program has it open for writing, or has locked it: wait until it is written"
_UNKNOWN_TYPE = (
    "It is of a type that cannot be read here, or damaged: store it as numbers, or lists of them (var * float32), "
    "as RDataFrame's Snapshot writes them"
)
_REFUSED = "Nothing answers there (connection refused): check host and port, and whether you need a VPN"
_NO_HOST = "No host has this name, or the network is down: check the URL"
_BROKEN = f"The connection broke, {TRIES} times: try later, or fetch the file first"
_SILENT = f"No answer within {PATIENCE:g} s, asked {TRIES} times: try later, or fetch the file first"
_BUSY_SERVER = (
    "The server is overloaded or out of order, asked {tries} times: try later, or fetch the file first"
)
_NO_FILE = "There is no such file: check its name"
_FORBIDDEN = "The server does not let you read it: check your rights, proxy or token"
_BY_CLASS: tuple[tuple[type[BaseException], str], ...] = (
    (uproot.interpretation.identify.UnknownInterpretation, _UNKNOWN_TYPE),
    (NotImplementedError, _UNKNOWN_TYPE),
    (TimeoutError, _SILENT),
    (ConnectionRefusedError, _REFUSED),
    (ConnectionError, _BROKEN),
    (socket.gaierror, _NO_HOST),
    (BlockingIOError, _LOCKED),
    (FileNotFoundError, _NO_FILE),
)
# What libraries only say in words; of XRootD, its error codes.
_BY_TEXT = (
    (re.compile(r"unable to lock file.*errno = 11\b|Resource temporarily unavailable", re.S), _LOCKED),
    (re.compile(r"unable to lock file.*errno = 37\b|No locks available", re.S), _BY_ERRNO[errno.ENOLCK]),
    (re.compile(r"\[3011\]|No such file"), _NO_FILE),
    (re.compile(r"\[3010\]|Auth failed|Permission denied"), _FORBIDDEN),
    (re.compile(r"Connection refused|Socket error"), _REFUSED),
    (re.compile(r"Invalid address"), _NO_HOST),
    (re.compile(r"Server disconnected"), _BROKEN),
    (re.compile(r"Operation expired|timed? ?out", re.I), _SILENT),
    (
        re.compile(r"required filter|filter.*not (registered|available)", re.S),
        "It is compressed in a way that is not installed here: write it again with gzip, or Blosc",
    ),
)


def explain(error: BaseException) -> str:
    """What is behind an error of a reading library, and what to do; damage, if nothing else is known."""
    for one in _chain(error):
        told = _by_kind(one)
        if told is not None:
            return told
    text = " ".join(str(one) for one in _chain(error))
    return next((told for pattern, told in _BY_TEXT if pattern.search(text)), _DAMAGED)


def lacks_locks(error: BaseException) -> bool:
    """Whether a file could not be locked because its disk has no locks, rather than because it is in use."""
    return explain(error) == _BY_ERRNO[errno.ENOLCK]


def passes(error: BaseException) -> bool:
    """Whether a failure may be gone at the next try: a server that is busy or silent, a connection that broke."""
    return explain(error) in (_SILENT, _BROKEN) or any(_status(one) in _BUSY for one in _chain(error))


def persistently(read: Callable[[], T], path: str) -> T:
    """What a function reads from a server; asked again, a few times, where the failure may pass."""
    for attempt in range(1, TRIES):
        try:
            return read()
        except Exception as error:
            if not passes(error):
                raise
            log.warning("%s: %s (%s); try %d of %d", path, type(error).__name__, error, attempt, TRIES)
            time.sleep(_WAIT * 3 ** (attempt - 1))
    return read()


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and those that led to it."""
    one: BaseException | None = error
    while one is not None:
        yield one
        one = one.__cause__ or one.__context__


def _status(error: BaseException) -> int | None:
    """The HTTP status of an error of aiohttp or requests."""
    status = getattr(error, "status", None)
    return status if isinstance(status, int) else None


def _by_kind(error: BaseException) -> str | None:
    status = _status(error)
    if status is not None:
        return f"HTTP status {status}: {_by_status(status)}"
    by_class = next((told for kind, told in _BY_CLASS if isinstance(error, kind)), None)
    if by_class is None and isinstance(error, OSError) and error.errno is not None:
        return _BY_ERRNO.get(error.errno)
    return by_class


def _by_status(status: int) -> str:
    if status in (401, 403, 407):
        return _FORBIDDEN
    if status in (404, 410):
        return _NO_FILE
    return _BUSY_SERVER.format(tries=TRIES) if status in _BUSY else "check the URL"

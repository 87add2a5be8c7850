"""How the command speaks: logging, and progress as bars in a terminal or as lines in a log."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import time
from collections.abc import Iterator
from typing import Any, TextIO

from rich.console import Console
from rich.logging import RichHandler

from hepcs._core.progress import Progress, silent
from hepcs._core.terminal import BarProgress, terminal_bars

logger = logging.getLogger(__name__)

# In a log, a line at least every so many seconds while something runs.
LOG_SECONDS = 15.0

# Columns of a log.
LOG_WIDTH = 110


class PatientConsole(Console):
    """A console that goes on where nobody reads, or no room is left: results are in files, not in its text."""

    def print(self, *objects: Any, **options: Any) -> None:
        """As of rich; what cannot be written is lost, and that is told in the log."""
        try:
            super().print(*objects, **options)
        except OSError as error:
            self._give_up(error.strerror or str(error))

    def on_broken_pipe(self) -> None:
        """What rich calls where nobody reads."""
        self._give_up("nobody reads it any more")

    def _give_up(self, reason: str) -> None:
        if not self.quiet:
            self.quiet = True
            logger.warning("what is printed is lost from here on: %s. Files are written all the same", reason)
        with contextlib.suppress(OSError, ValueError):  # so that nothing fails when the stream is closed
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())


def console_for(stream: TextIO | None) -> Console:
    """A console on a stream, or on none; a log has room for the tables, whatever width is assumed for it."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    console = PatientConsole(file=stream)
    return console if console.is_terminal else PatientConsole(file=stream, width=LOG_WIDTH)


def hold_standard_streams() -> None:
    """Open what is closed of the first three descriptors, so that no file has one that libraries print to."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)


def set_up_logging(verbosity: int, console: Console) -> None:
    """Log to the console: warnings at -1 (quiet), information at 0, everything at 1 and above."""
    level = {-1: logging.WARNING, 0: logging.INFO}.get(verbosity, logging.DEBUG)
    handler = RichHandler(
        console=console, show_path=False, show_time=False, show_level=verbosity > 0, markup=False
    )
    package = logging.getLogger("hepcs")
    package.handlers[:] = [handler]
    package.setLevel(level)
    package.propagate = False


@contextlib.contextmanager
def progress_on(console: Console, quiet: bool) -> Iterator[Progress]:
    """A Progress for the console: bars in a terminal, lines in a log, nothing if quiet."""
    if quiet:
        yield silent
    elif console.is_terminal:
        with terminal_bars(console) as bars:
            yield BarProgress(bars)
    else:
        yield _LogProgress()


class _LogProgress:
    """A line at the start, at the end, and every few seconds between, with the time that is left."""

    def __init__(self) -> None:
        self._started: dict[str, tuple[float, int]] = {}
        self._last = 0.0

    def __call__(self, description: str, done: int, total: int) -> None:
        now = time.monotonic()
        first = description not in self._started
        # Some of it may have been there before.
        started, before = self._started.setdefault(description, (now, done))
        if first and done < total:
            return  # nothing to tell the pace from
        if done == total:
            logger.info("%s: %d of %d done in %.0f s", description, done, total, now - started)
        elif done > before and now - self._last > LOG_SECONDS:
            left = (now - started) / (done - before) * (total - done)
            logger.info("%s: %d of %d, about %.0f s left", description, done, total, left)
        else:
            return
        self._last = now

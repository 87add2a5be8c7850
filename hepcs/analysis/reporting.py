"""How the command speaks: logging, and progress as bars in a terminal or as lines in a log."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.logging import RichHandler

from hepcs._core.progress import Progress, silent
from hepcs._core.terminal import BarProgress, terminal_bars

logger = logging.getLogger(__name__)

# In a log, a line at least every so many seconds while something runs.
LOG_SECONDS = 15.0

# Columns of a log.
LOG_WIDTH = 110


def console_for(stream: TextIO) -> Console:
    """A console on a stream; a log has room for the tables, whatever width is assumed for it."""
    console = Console(file=stream)
    return console if console.is_terminal else Console(file=stream, width=LOG_WIDTH)


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


@contextmanager
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

"""Being stopped: SIGTERM, which batch systems send before they kill, ends a command as Ctrl-C does."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

# As shells count a process that a signal ended.
SIGNALLED = 128


@dataclass
class Stop:
    """What asks a command to stop: Ctrl-C, or SIGTERM once that has come."""

    signal: signal.Signals = signal.SIGINT

    @property
    def exit_code(self) -> int:
        """130 for Ctrl-C, 143 for SIGTERM."""
        return SIGNALLED + self.signal

    def describe(self) -> str:
        """How the command ended, in the first words of what it says about it."""
        return "stopped" if self.signal is signal.SIGINT else f"stopped by {self.signal.name}"


@contextmanager
def sigterm_as_interrupt() -> Iterator[Stop]:
    """SIGTERM raises KeyboardInterrupt inside, and is noted in what is yielded; further ones are ignored.

    So everything that a Ctrl-C cleans up is cleaned up. Only the main thread may do this, and a process that is to
    ignore SIGTERM goes on to; elsewhere nothing is done.
    """
    stop = Stop()
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) is signal.SIG_IGN:
        yield stop
        return

    def interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        stop.signal = signal.SIGTERM
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGTERM, before)

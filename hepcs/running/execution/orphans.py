"""Worker processes end soon after the process that they work for, however that one ended."""

from __future__ import annotations

import os
import threading
import time

# Seconds between two looks at the parent.
PAUSE = 1.0


class _Watch:
    """The watch of this process, which is begun once."""

    begun: int | None = None


def end_with_parent(pause: float = PAUSE) -> None:
    """End this process when its parent has ended, as after a kill -9 of a run; calls after the first do nothing.

    A worker that waits for work does not see that nobody is left to send any, and would hold its memory for ever.
    """
    if _Watch.begun == os.getpid():
        return
    _Watch.begun = os.getpid()
    threading.Thread(target=_watch, args=(os.getppid(), pause), daemon=True).start()


def _watch(parent: int, pause: float) -> None:
    while os.getppid() == parent:
        time.sleep(pause)
    os._exit(1)

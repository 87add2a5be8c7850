"""Workers do not outlive the process that they work for."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import psutil
import pytest

from hepcs.running.execution import local_mapper

SCRIPT = """
import os, sys, time
from hepcs.running.execution import local_mapper

def work(item):
    return os.getpid()

if __name__ == "__main__":
    mapper = local_mapper(2)
    print(*set(mapper(work, range(8))), flush=True)
    time.sleep(60)
"""


@pytest.mark.slow
def test_workers_end_after_a_kill_of_their_parent(tmp_path) -> None:  # type: ignore[no-untyped-def]
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        workers = [psutil.Process(int(pid)) for pid in process.stdout.readline().split()]
        assert workers
        assert process.pid not in {worker.pid for worker in workers}
        assert all(worker.is_running() for worker in workers)
        time.sleep(2)
        assert all(worker.is_running() for worker in workers), "they ended while their parent lives"
        process.kill()
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert not [worker for worker in alive if worker.status() != psutil.STATUS_ZOMBIE]


def test_this_process_is_not_watched() -> None:
    """A run with one worker works in its own process, whose parent is a shell that may end."""
    assert list(local_mapper(1)(str, [1, 2])) == ["1", "2"]
    assert "parent watch" not in {thread.name for thread in threading.enumerate()}

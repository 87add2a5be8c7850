"""Prepare the samples of a card in this process, and print events, seconds and the most memory as JSON.

python -m analysis.benchmarks.ingest_once CARD
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

from threadpoolctl import threadpool_limits

from hepcs.config import read_card
from hepcs.datasets.loading import load


def most_memory() -> int:
    """Bytes that this process held at most.

    Linux says it of the program that runs; what getrusage says there includes the process that started it.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(card: str) -> None:
    """Prepare and print."""
    with threadpool_limits(1):
        start = time.perf_counter()
        loaded = load(read_card(card))
        seconds = time.perf_counter() - start
    n_events = sum(report.cutflow.counts[0] for report in loaded.reports)
    print(json.dumps({"events": n_events, "seconds": seconds, "bytes": most_memory()}))


if __name__ == "__main__":
    main(*sys.argv[1:])

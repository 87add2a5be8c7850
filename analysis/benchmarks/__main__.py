"""Run the benchmarks, print their table, and write it as JSON and Markdown.

examples:
  python -m analysis.benchmarks
  python -m analysis.benchmarks --full --output full.json
  python -m analysis.benchmarks --only fits scan
"""

from __future__ import annotations

import argparse
import logging
import os
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from threadpoolctl import threadpool_limits

from hepcs._core.storage import write_json, write_text
from hepcs.running.execution import local_mapper
from hepcs.running.execution.local import available_cores
from hepcs.running.provenance import blas_kernels, code_digest, processor, versions

from . import calibration, fits, growth, ingest, physics, scan
from .report import Measured, markdown, terminal_tables, to_json
from .sample import constituents, generated_events, generated_jets, make_sample
from .sizes import FULL, REDUCED, SMOKE, Sizes

logger = logging.getLogger("benchmarks")

PARTS = ("scan", "physics", "calibration", "ingest", "fits", "growth")
HERE = Path(__file__).parent


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m analysis.benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument(
        "--full", action="store_true", help="more repetitions; some forty minutes, and 6 GB of disk"
    )
    size.add_argument(
        "--smoke", action="store_true", help="only see that everything runs; the figures mean nothing"
    )
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="some of the benchmarks")
    parser.add_argument(
        "--output", type=Path, help="JSON file; Markdown goes beside it (latest.json, or full.json)"
    )
    return parser


def measure(sizes: Sizes, only: Sequence[str], folder: Path) -> tuple[list[Measured], dict[str, Any]]:
    """Make the sample and run the benchmarks; returns their results, and how long each took under which load."""
    times: dict[str, Any] = {}
    mapper = local_mapper(min(2, available_cores()))
    cache = Path(os.environ.get("HEPCS_CACHE", "cache")).absolute()

    def timed(name: str, function: Callable[[], Any]) -> Any:
        logger.info("%s ...", name)
        start, load, stolen = time.perf_counter(), _load(), _stolen()
        result = function()
        seconds = time.perf_counter() - start
        times[name] = {
            "seconds": seconds,
            "load_before": load,
            "load_after": _load(),
            "stolen_seconds": _stolen() - stolen,
        }
        logger.info("%s: %.0f s", name, seconds)
        return result

    def make() -> Any:
        events = constituents(generated_events("qcd", sizes.generated, cache, mapper))
        signal = constituents(generated_events("zprime", sizes.generated_signal, cache, mapper))
        jets, signal_jets = generated_jets(events), generated_jets(signal)
        return events, make_sample(sizes.n_events, sizes.n_signal, jets, signal_jets, folder)

    events, sample = timed("sample", make)
    functions: dict[str, Callable[[], Measured]] = {
        "scan": lambda: scan.run(sample, sizes),
        "physics": lambda: physics.run(sample, sizes, folder, mapper),
        "calibration": lambda: calibration.run(sample, sizes),
        "ingest": lambda: ingest.run(sample, events, sizes, folder),
        "fits": lambda: fits.run(sample, sizes),
        "growth": lambda: growth.run(sample, sizes),
    }
    return [timed(part, functions[part]) for part in PARTS if part in only], times


def _load() -> list[float]:
    return [round(one, 2) for one in psutil.getloadavg()]


def _stolen() -> float:
    """Seconds of processor time that the machine below a virtual one gave to others."""
    return float(getattr(psutil.cpu_times(), "steal", 0.0))


def machine() -> dict[str, Any]:
    """What the benchmarks ran on."""
    return {
        "processor": processor(),
        "cores": available_cores(),
        "memory_bytes": psutil.virtual_memory().total,
        "platform": platform.platform(),
        "blas": list(blas_kernels()),
    }


def heading(about: dict[str, Any]) -> list[str]:
    """What the table is of, as Markdown."""
    found = about["machine"]
    loads = [one["load_before"][0] for one in about["times"].values()]
    return [
        f"# Benchmarks, {about['size']} size",
        "",
        f"{found['processor']}, {found['cores']} cores, {found['memory_bytes'] / 1e9:.0f} GB; "
        f"{found['platform']}; Python {about['versions']['python']}, hepcs {about['versions'].get('hepcs', '?')} "
        f"({about['code'][:12]}); {about['started']}.",
        f"One thread a process. Load average before each part: {', '.join(f'{load:.1f}' for load in loads)}. "
        "Times are of the wall clock.",
    ]


def main() -> None:
    """Measure, print, write."""
    parsed = arguments().parse_args()
    sizes = FULL if parsed.full else SMOKE if parsed.smoke else REDUCED
    output: Path = parsed.output or HERE / ("full.json" if parsed.full else "latest.json")
    logging.basicConfig(format="%(message)s")
    logger.setLevel(logging.INFO)
    started = datetime.now(UTC)
    # All libraries are loaded by now: what is loaded later would not be held to one thread.
    with threadpool_limits(1), tempfile.TemporaryDirectory(prefix="hepcs-benchmarks-") as folder:
        parts, times = measure(sizes, parsed.only, Path(folder))
    about = {
        "size": sizes.name,
        "machine": machine(),
        "versions": versions(),
        "code": code_digest(),
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "times": times,
    }
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    for table in terminal_tables(parts):
        console.print(table)
    write_json(output, to_json(parts, about))
    write_text(output.with_suffix(".md"), markdown(parts, heading(about)) + "\n")
    console.print(
        f"Written to {output} and {output.with_suffix('.md').name}", highlight=False, soft_wrap=True
    )


if __name__ == "__main__":
    main()

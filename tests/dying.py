"""Processes that end as by kill -9, each time at the same moment."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hepcs import output
from hepcs.analysis.__main__ import main
from hepcs.output import write_run
from hepcs.results import RunResult


def die_as(event: str, step: int, below: Path, besides: str = "") -> None:
    """Kill this process before it does something for the `step`-th time; the events are those of :pep:`578`.

    ``os.rename`` is the move of a file, ``os.remove`` its removal, ``open`` its opening for writing. Those of
    files below a folder are counted, but for those with `besides` in their path.
    """
    left = step

    def watch(happening: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        if happening != event:
            return
        path = str(arguments[1] if event == "os.rename" else arguments[0])
        if event == "open" and not (
            isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        ):
            return
        if Path(path).absolute().is_relative_to(below) and not (besides and besides in path):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def write_and_die(event: str, step: int, result: RunResult, folder: Path) -> None:
    """Write a run; its files in the hidden folder do not count."""
    die_as(event, step, folder, besides=".writing-")
    write_run(result, folder)


def run_and_die(event: str, step: int, below: Path, folder: Path, arguments: Sequence[str]) -> None:
    """Run the command in a folder; it draws no figures."""
    os.setsid()
    os.chdir(folder)
    output.make_figures = lambda result, **_: iter(())  # type: ignore[assignment]
    die_as(event, step, below, besides=".writing-")
    sys.exit(main(arguments))

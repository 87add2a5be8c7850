"""Progress and logging of the command."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from hepcs.analysis import reporting
from hepcs.analysis.reporting import LOG_WIDTH, console_for, progress_on, set_up_logging


@pytest.fixture
def log() -> io.StringIO:
    """What a log file would hold."""
    stream = io.StringIO()
    set_up_logging(0, console_for(stream))
    return stream


def test_a_log_has_lines_with_the_time_left(log: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 20.0, 21.0, 40.0])
    monkeypatch.setattr(reporting.time, "monotonic", lambda: next(clock))
    with progress_on(console_for(log), quiet=False) as progress:
        for done in (0, 10, 11, 20):
            progress("work", done, 20)
    lines = [line.strip() for line in log.getvalue().splitlines()]
    assert lines == ["work: 10 of 20, about 20 s left", "work: 20 of 20 done in 40 s"]


def test_the_first_report_tells_no_pace(log: io.StringIO) -> None:
    with progress_on(console_for(log), quiet=False) as progress:
        progress("work", 5, 20)
    assert not log.getvalue()


def test_what_was_there_before_tells_no_pace(log: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([100.0, 101.0, 120.0])
    monkeypatch.setattr(reporting.time, "monotonic", lambda: next(clock))
    with progress_on(console_for(log), quiet=False) as progress:
        for done in (10, 10, 12):
            progress("work", done, 20)
    assert log.getvalue().strip() == "work: 12 of 20, about 80 s left"


def test_quiet_says_nothing(log: io.StringIO) -> None:
    with progress_on(console_for(log), quiet=True) as progress:
        progress("work", 20, 20)
    assert not log.getvalue()


def test_a_terminal_has_bars() -> None:
    stream = io.StringIO()
    terminal = Console(file=stream, force_terminal=True, width=90)
    with progress_on(terminal, quiet=False) as progress:
        progress("work", 3, 7)
        progress("work", 7, 7)
    assert "7/7" in stream.getvalue()


def test_a_log_is_wide_enough_for_the_table() -> None:
    assert console_for(io.StringIO()).width == LOG_WIDTH


PRINTING = """
import sys
from hepcs.analysis.reporting import console_for, hold_standard_streams, set_up_logging
hold_standard_streams()
console = console_for(sys.stdout)
set_up_logging(0, console_for(sys.stderr))
for _ in range(3):
    console.print("row\\n" * 20_000, highlight=False)
with open(sys.argv[1], "w") as file:
    file.write(str(file.fileno() > 2))
console.print("a name that is no UTF-8: \\udce9")
"""


@pytest.mark.parametrize(
    ("redirected", "told"),
    [
        ("| head -c 1 > /dev/null", "lost from here on: nobody reads it any more. Files are written"),
        ("> /dev/full", "lost from here on: No space left on device. Files are written"),
        (">&-", ""),
        ("> /dev/null", ""),
    ],
)
def test_nothing_is_lost_where_nobody_reads(tmp_path: Path, redirected: str, told: str) -> None:
    file = tmp_path / "results"
    command = f'set -o pipefail; "{sys.executable}" -c "$PROGRAM" "{file}" {redirected}'
    environment = {**os.environ, "PROGRAM": PRINTING, "COLUMNS": "200"}
    ended = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, check=False, env=environment
    )
    assert ended.returncode == 0, ended.stderr
    assert file.read_text() == "True"
    said = " ".join(ended.stderr.split())
    assert said.count("lost") == bool(told)
    assert told in said

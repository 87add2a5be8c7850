"""``compare``: what differs between two runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from hepcs._core.errors import DifferenceError

DESCRIPTION = """\
Say what differs between two finished runs: card, input files, cutflow, versions, machine, statistics and Z.
Exit code 0 if their results agree to the last digit, 5 if they do not."""
EXAMPLES = "  python -m hepcs.analysis compare runs/demo runs/demo_again"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("first", type=Path, help="folder of a finished run")
    parser.add_argument("second", type=Path, help="folder of another one")


def execute(parsed: argparse.Namespace, console: Console, errors: Console) -> None:  # noqa: ARG001
    """Compare two runs.

    Raises
    ------
    DifferenceError
        If their results differ; exit code 5.
    InputError
        If one of them is no finished run, or was altered; exit code 3.
    """
    from hepcs.output.comparison import compare_runs, comparison_lines

    comparison = compare_runs(parsed.first, parsed.second)
    for line in comparison_lines(comparison):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    if not comparison.agree:
        raise DifferenceError(f"the results of {parsed.first} and {parsed.second} differ")

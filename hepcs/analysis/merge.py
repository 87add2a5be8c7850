"""``merge``: one ledger from those of independent jobs."""

from __future__ import annotations

import argparse
from contextlib import suppress
from pathlib import Path

from rich.console import Console

DESCRIPTION = "Join the ledgers of independent jobs that ran disjoint parts of a run (--part I/N)."
EXAMPLES = """\
  python -m hepcs.analysis merge parts/1 parts/2 parts/3 --output runs/all
  python -m hepcs.analysis lhco.yaml --output runs/all --resume"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "ledgers",
        type=Path,
        nargs="+",
        metavar="LEDGER_OR_FOLDER",
        help="ledgers, or the folders they are in",
    )
    parser.add_argument("--output", type=Path, required=True, help="folder for the joined ledger")


def execute(parsed: argparse.Namespace, console: Console, errors: Console) -> None:  # noqa: ARG001
    """Join the ledgers of independent jobs.

    Raises
    ------
    CardError
        If the destination holds what must not be replaced or cannot be written, or the ledgers do not fit.
    InputError
        If a ledger is missing or damaged.
    ComputationError
        If the disk is full, or writing fails later.
    """
    from hepcs.output import prepare_folder
    from hepcs.running.ledger import LEDGER, merge_ledgers

    prepare_folder(parsed.output, overwrite=False)
    paths = [path / LEDGER if path.is_dir() else path for path in parsed.ledgers]
    try:
        merged = merge_ledgers(paths, parsed.output / LEDGER)
    finally:
        with suppress(OSError):
            parsed.output.rmdir()  # empty after ledgers that do not fit; not removed if it holds anything
    console.print(
        f"{merged.n_tasks} pseudo-experiments of {len(paths)} ledgers are in {merged.path}. "
        f"`python -m hepcs.analysis CARD --output {parsed.output} --resume` runs what is missing, and writes the "
        "results",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )

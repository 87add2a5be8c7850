"""``verify``: whether a run folder is complete and unaltered."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from hepcs._core.errors import InputError

DESCRIPTION = (
    "Check that a run folder is complete and unaltered: all checksums, and the digest of the results."
)
EXAMPLES = "  python -m hepcs.analysis verify runs/demo"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("folder", type=Path, help="folder of a finished run")


def execute(parsed: argparse.Namespace, console: Console, errors: Console) -> None:  # noqa: ARG001
    """Verify a folder.

    Raises
    ------
    InputError
        If a file is missing or altered, or the digest is not that of the results; exit code 3.
    """
    from hepcs.output.verification import verify_folder

    check = verify_folder(parsed.folder)
    for name in check.foreign:
        console.print(
            f"{check.folder / name}: not written by the run", highlight=False, markup=False, soft_wrap=True
        )
    if not check.is_sound:
        raise InputError("\n".join((*check.faults(), "Restore these files, or run the card again")))
    console.print(
        f"{check.folder}: all {check.n_files} files are as they were written, and the results have the digest "
        f"{check.digest}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )

"""``merge``: one checkpoint from those of independent jobs."""

from __future__ import annotations

import argparse
from contextlib import suppress
from pathlib import Path

from rich.console import Console

from hepcs.analysis.card_arguments import program

DESCRIPTION = "Join the checkpoints of independent jobs that ran disjoint parts of a run (--part I/N)."
EXAMPLES = """\
  python -m hepcs.analysis merge parts/1 parts/2 parts/3 --output runs/all
  python -m hepcs.analysis lhco.yaml --output runs/all --resume"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "checkpoints",
        type=Path,
        nargs="+",
        metavar="CHECKPOINT_OR_FOLDER",
        help="checkpoints, or the folders they are in",
    )
    parser.add_argument("--output", type=Path, required=True, help="folder for the joined checkpoint")


def execute(parsed: argparse.Namespace, console: Console, errors: Console) -> None:  # noqa: ARG001
    """Join the checkpoints of independent jobs.

    Raises
    ------
    CardError
        If the destination holds what must not be replaced or cannot be written, or the checkpoints do not fit.
    InputError
        If a checkpoint is missing or damaged.
    ComputationError
        If the disk is full, or writing fails later.
    """
    from hepcs.output import prepare_folder
    from hepcs.running.checkpoint import CHECKPOINT, merge_checkpoints

    prepare_folder(parsed.output, overwrite=False)
    paths = [path / CHECKPOINT if path.is_dir() else path for path in parsed.checkpoints]
    try:
        merged = merge_checkpoints(paths, parsed.output / CHECKPOINT)
    finally:
        with suppress(OSError):
            parsed.output.rmdir()  # empty after checkpoints that do not fit; not removed if it holds anything
    console.print(
        f"{merged.n_tasks} outcomes of {len(paths)} checkpoints are in {merged.path}. "
        f"`{program()} run CARD --output {parsed.output} --resume` runs what is missing, and writes the "
        "results",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )

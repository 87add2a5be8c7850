"""``export``: a finished run for HEPData and pyhf."""

from __future__ import annotations

import argparse
from contextlib import suppress
from pathlib import Path

from rich.console import Console

from hepcs._core.errors import ArgumentError

DESCRIPTION = "Export a finished run: tables for HEPData, a workspace of the spectrum of a search for pyhf."
EXAMPLES = """\
  python -m hepcs.analysis export runs/demo --hepdata submission/
  python -m hepcs.analysis export runs/demo --pyhf workspace.json --epsilon 850"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("folder", type=Path, help="folder of a finished run")
    parser.add_argument("--hepdata", type=Path, metavar="FOLDER", help="write a HEPData submission there")
    parser.add_argument("--pyhf", type=Path, metavar="FILE", help="write a pyhf workspace there")
    parser.add_argument("--search", help="pyhf: name of the search (the first one that compares a spectrum)")
    parser.add_argument("--epsilon", type=int, help="pyhf: injected signal events (the most there are)")
    parser.add_argument("--signal", help="pyhf: which signal, where several are injected")
    parser.add_argument("--overwrite", action="store_true", help="replace what is there")


def execute(parsed: argparse.Namespace, console: Console, errors: Console) -> None:  # noqa: ARG001
    """Export a run.

    Raises
    ------
    ArgumentError
        If nothing is asked for, or a destination exists already, or cannot be written.
    ComputationError
        If the disk is full, or writing fails later.
    """
    if parsed.hepdata is None and parsed.pyhf is None:
        raise ArgumentError("nothing to export: give --hepdata FOLDER, --pyhf FILE, or both")
    if parsed.pyhf is not None and parsed.pyhf.exists() and not parsed.overwrite:
        raise ArgumentError(f"{parsed.pyhf}: exists already; give another name, or --overwrite")

    from hepcs._core.storage import check_place, write_json, writing
    from hepcs.datasets.bootstrap import Injection
    from hepcs.output.hepdata import write_hepdata
    from hepcs.output.pyhf_export import pyhf_workspace
    from hepcs.output.reading import read_run

    run = read_run(parsed.folder)
    written = []
    if parsed.pyhf is not None:
        check_place(parsed.pyhf)
        injection = parsed.epsilon
        if parsed.signal is not None:
            if parsed.epsilon is None:
                raise ArgumentError("--signal: say how many events of it by --epsilon")
            injection = Injection(parsed.epsilon, parsed.signal)
        workspace = pyhf_workspace(run, parsed.search, injection)
        write_json(parsed.pyhf, workspace)
        written.append(f"The pyhf workspace is in {parsed.pyhf}: {workspace['measurements'][0]['name']}")
    if parsed.hepdata is not None:
        check_place(parsed.hepdata / "submission.yaml")
        try:
            with writing(parsed.hepdata):
                archive = write_hepdata(run, parsed.hepdata, overwrite=parsed.overwrite)
        finally:
            with suppress(OSError):
                parsed.hepdata.rmdir()  # empty after a failure; not removed if it holds anything
        written.append(f"The HEPData submission is in {parsed.hepdata}; upload {archive}")
    for line in written:
        console.print(line, highlight=False, markup=False, soft_wrap=True)

"""``doctor``: what this installation can do, and how to get the rest."""

from __future__ import annotations

import argparse
import logging

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hepcs._core.errors import ComputationError
from hepcs._core.progress import tracked
from hepcs.analysis.reporting import progress_on

DESCRIPTION = "Try every part of this installation, and say how to get what is missing."
EXAMPLES = "  python -m hepcs.analysis doctor"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments of its own."""


def execute(parsed: argparse.Namespace, console: Console, errors: Console) -> None:
    """Examine the installation; exit code 0 if searches can run.

    Raises
    ------
    ComputationError
        If something does not work without which no search can run; exit code 4.
    """
    from hepcs.analysis.installation import all_parts, core_works, describe, examine, what_mends

    if not parsed.verbose:
        # The parts tell what they do; here only whether they can counts.
        logging.getLogger("hepcs").setLevel(logging.WARNING)
    console.print(describe(), highlight=False, markup=False, soft_wrap=True)
    parts = all_parts()
    with progress_on(errors, parsed.quiet or not errors.is_terminal) as progress:
        findings = list(tracked(examine(parts), "trying", len(parts), progress))
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in ("", "part", "for", "found, or how to get it"):
        table.add_column(name, no_wrap=name in ("", "part"), overflow="fold")
    for finding in findings:
        mark, style = (
            ("yes", "green") if finding.works else ("no", "red" if finding.part.is_core else "yellow")
        )
        detail = finding.detail if finding.works else f"{finding.detail}\nget it: {finding.part.install}"
        table.add_row(
            Text(mark, style=style), Text(finding.part.name), Text(finding.part.purpose), Text(detail)
        )
    console.print(table)
    mend = what_mends(findings)
    if mend:
        console.print(
            f"What is missing, in one command:\n  {mend}", highlight=False, markup=False, soft_wrap=True
        )
    if not core_works(findings):
        missing = [finding.part.name for finding in findings if finding.part.is_core and not finding.works]
        raise ComputationError(
            f"no search can run with this installation: {', '.join(missing) or 'pyjet and fastjet'} cannot be "
            "used. The table above says how to get it"
        )
    console.print("Searches can run.", highlight=False, markup=False)

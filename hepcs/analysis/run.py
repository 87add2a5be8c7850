"""``run``, the command that needs no name: run a card, or say what would run.

The card is read before the libraries are loaded, which takes seconds: its problems are told at once.
"""

from __future__ import annotations

import argparse
import logging
from contextlib import suppress
from pathlib import Path

from rich.console import Console

from hepcs.analysis.reporting import progress_on
from hepcs.datacard import LocatedCard, read_card
from hepcs.datacard.schema import FileSource
from hepcs.errors import ArgumentError, InputError

logger = logging.getLogger(__name__)

DESCRIPTION = "Run a data card: from constituents to a calibrated excess."
EXAMPLES = """\
  python -m hepcs.analysis demo.yaml
  python -m hepcs.analysis lhco.yaml --fetch --workers 8
  python -m hepcs.analysis root.yaml --set samples.background.files="qcd_*.root"
  python -m hepcs.analysis lhco.yaml --dry-run"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "card", help="a card, or the name of one in ./data_cards/ or among the installed ones"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        dest="overrides",
        help="change the card",
    )
    parser.add_argument("--output", type=Path, help="folder for the results (runs/<name>)")
    parser.add_argument("--overwrite", action="store_true", help="replace the results of an earlier run")
    parser.add_argument("--workers", type=int, help="processes (all cores); results do not depend on them")
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would run, and how long it would take"
    )
    parser.add_argument(
        "--fetch", action="store_true", help="download missing input files that have a URL in the card"
    )


def execute(parsed: argparse.Namespace, console: Console, errors: Console) -> None:
    """Run a card or estimate it.

    Raises
    ------
    ArgumentError
        For an argument out of range.
    """
    if parsed.workers is not None and parsed.workers < 1:
        raise ArgumentError(f"--workers: found {parsed.workers}, expected 1 or more")
    (dry_run if parsed.dry_run else run_card)(parsed, console, errors)


def run_card(parsed: argparse.Namespace, console: Console, errors: Console) -> None:
    """Run a card, write its results, and print the table."""
    card = read_card(parsed.card, parsed.overrides)

    from hepcs.output import prepare_folder, render_table, write_run
    from hepcs.pipeline import run
    from hepcs.plots import make_figures

    folder = output_folder(card, parsed.output)
    prepare_folder(folder, parsed.overwrite)
    try:
        if parsed.fetch:
            fetch_missing(card)
        with progress_on(errors, parsed.quiet) as progress:
            result = run(card, workers=parsed.workers, progress=progress)
        write_run(result, folder, make_figures(result))
    finally:
        with suppress(OSError):
            folder.rmdir()  # empty after a run that failed; not removed if it holds anything
    for warning in result.warnings:
        logger.warning(warning)
    console.print(render_table(result))
    console.print(f"Results are in {folder}", highlight=False, markup=False, soft_wrap=True)


def dry_run(parsed: argparse.Namespace, console: Console, errors: Console) -> None:
    """Say what a card would run: events, tasks, time and memory."""
    card = read_card(parsed.card, parsed.overrides)

    from hepcs.estimate import estimate, render_estimate

    with progress_on(errors, parsed.quiet) as progress:
        console.print(render_estimate(estimate(card, workers=parsed.workers, progress=progress)))


def output_folder(card: LocatedCard, named: Path | None) -> Path:
    """Folder of the results: the command's, the card's, or ``runs/<name>``."""
    return Path(named or card.card.output.folder or Path("runs") / card.card.name)


def fetch_missing(card: LocatedCard) -> None:
    """Download the missing files that have a URL in the card, to where the card looks for them."""
    from hepcs.loading import search_folders
    from hepcs.sources.files import fetch, resolve_files

    for section in card.card.samples.by_role().values():
        if not isinstance(section, FileSource) or section.url is None:
            continue
        try:
            resolve_files(section, search_folders(card))
        except InputError:
            fetch(section, (Path.cwd() / Path(section.files[0]).expanduser()).parent)

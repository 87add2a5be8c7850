"""What the command does: run a card, say what would run, convert files.

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
from hepcs.datacard.schema import FileSource, LhcoSource, ParquetSource, RootSource
from hepcs.errors import ArgumentError, InputError

logger = logging.getLogger(__name__)


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


def convert_file(parsed: argparse.Namespace, console: Console, errors: Console) -> None:
    """Convert events between LHCO HDF5, ROOT and Parquet."""
    from hepcs.sources.convert import convert
    from hepcs.sources.files import resolve_files
    from hepcs.sources.opening import open_files

    if parsed.destination.exists() and not parsed.overwrite:
        raise ArgumentError(f"{parsed.destination}: exists already; give another name, or --overwrite")
    section = section_for(parsed.source, parsed.tree, parsed.layout, parsed.label)
    resolve_files(section, [Path.cwd()])
    with progress_on(errors, parsed.quiet) as progress:
        n_events = convert(
            open_files(section, [Path.cwd()]),
            parsed.destination,
            lambda done, total: progress("converting", done, total),
            kind="rntuple" if parsed.rntuple else "ttree",
        )
    console.print(
        f"{n_events} events are in {parsed.destination}", highlight=False, markup=False, soft_wrap=True
    )


def section_for(
    name: str, tree: str | None, layout: str, label: str | None
) -> LhcoSource | RootSource | ParquetSource:
    """The section of a card that would read a file, by its suffix."""
    match Path(name).suffix.lower():
        case ".h5" | ".hdf5" | ".hdf":
            return LhcoSource(kind="lhco", files=(name,))
        case ".parquet" | ".pq":
            return ParquetSource(kind="parquet", files=(name,), label=label)
        case ".root":
            keys = {"kind": "root", "files": [name], "tree": tree, "layout": layout, "label": label}
            return RootSource.model_validate(keys)
    raise ArgumentError(f"{name}: cannot tell what it is; expected a name in .h5, .hdf5, .root or .parquet")

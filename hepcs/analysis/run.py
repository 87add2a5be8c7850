"""``run``, the command that needs no name: run a card, or say what would run.

The card is read before the libraries are loaded, which takes seconds: its problems are told at once. What reads it
is not loaded for ``--help``.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hepcs._core.errors import ArgumentError, HepcsError, InputError
from hepcs.analysis.card_arguments import add_card_arguments, program

if TYPE_CHECKING:
    from rich.console import Console

    from hepcs._core.progress import Progress
    from hepcs.config import LocatedCard
    from hepcs.pipeline import Where

logger = logging.getLogger(__name__)

DESCRIPTION = "Run a data card: from constituents to a calibrated excess."
EXAMPLES = """\
  python -m hepcs.analysis demo.yaml
  python -m hepcs.analysis lhco.yaml --fetch --workers 8
  python -m hepcs.analysis root.yaml --set samples.background.files="qcd_*.root"
  python -m hepcs.analysis demo.yaml --resume
  python -m hepcs.analysis blackbox.yaml --blind
  python -m hepcs.analysis lhco.yaml --part 3/20 --output parts/3
  python -m hepcs.analysis lhco.yaml --scheduler tcp://host:8786
  python -m hepcs.analysis lhco.yaml --dry-run"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    add_card_arguments(parser)
    parser.add_argument("--output", type=Path, help="folder for the results (runs/<name>)")
    parser.add_argument("--overwrite", action="store_true", help="replace the results of an earlier run")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on from the pseudo-experiments in the output folder's checkpoint; the result is the same",
    )
    parser.add_argument(
        "--blind",
        action="store_true",
        help="stop before the observed data are looked at; --resume then opens them",
    )
    parser.add_argument(
        "--calibrated-by",
        type=Path,
        metavar="FOLDER",
        help="take the pseudo-experiments of a finished run of other data, whose card is the same beside them",
    )
    parser.add_argument(
        "--part",
        type=part_of,
        metavar="I/N",
        help="run the I-th of N parts of the pseudo-experiments, and write only its checkpoint, for `merge`",
    )
    parser.add_argument("--workers", type=int, help="processes (all cores); results do not depend on them")
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="run on a Dask cluster: tcp://host:port or tls://host:port; --workers says how many to wait for",
    )
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
    ComputationError
        If memory is too little.
    """
    from hepcs.analysis.memory import require_room_for_libraries

    if parsed.workers is not None and parsed.workers < 1:
        raise ArgumentError(f"--workers: found {parsed.workers}, expected 1 or more")
    require_room_for_libraries()
    if parsed.dry_run and (parsed.part or parsed.resume or parsed.blind):
        raise ArgumentError("--dry-run estimates a whole run: leave out --part, --blind and --resume")
    if parsed.part and parsed.blind:
        raise ArgumentError("--part looks at no observed data anyway: leave out --blind")
    if parsed.calibrated_by and (parsed.dry_run or parsed.part or parsed.blind):
        raise ArgumentError("--calibrated-by leaves only the data to be searched: leave out the other option")
    if parsed.dry_run:
        dry_run(parsed, console, errors)
    elif parsed.part:
        run_one_part(parsed, console, errors)
    else:
        run_card(parsed, console, errors)


def part_of(text: str) -> tuple[int, int]:
    """The I and N of ``I/N``."""
    which, _, n_parts = text.partition("/")
    try:
        part = int(which), int(n_parts)
    except ValueError:
        part = 0, 0
    if not 1 <= part[0] <= part[1]:
        raise argparse.ArgumentTypeError(f"found {text}, expected I/N with 1 <= I <= N, such as 3/20")
    return part


def run_card(parsed: argparse.Namespace, console: Console, errors: Console) -> None:
    """Run a card, write its results, and print the table."""
    from hepcs.analysis.memory import check_memory
    from hepcs.analysis.reporting import progress_on
    from hepcs.config import read_card
    from hepcs.sources.files import require_files

    card = read_card(parsed.card, parsed.overrides)
    if not parsed.fetch:
        require_files(card)

    from hepcs.output import make_figures, read_run, render_table, write_run
    from hepcs.pipeline import run

    other = None if parsed.calibrated_by is None else read_run(parsed.calibrated_by).result
    folder = output_folder(card, parsed.output)
    check_memory(processes_here(card, parsed))
    with recorded_in(folder, parsed) as (checkpoint, guard):
        if parsed.fetch:
            fetch_missing(card)
        with progress_on(errors, parsed.quiet) as progress:
            where = _where(parsed, progress, checkpoint, guard)
            result = run(card, where, blind=parsed.blind, calibrated_by=other)
            write_run(result, folder, make_figures(result, progress=progress))
    for warning in result.warnings:
        logger.warning(warning)
    console.print(render_table(result))
    if parsed.blind:
        console.print(
            "The observed data were not looked at. Once the searches are fixed, the same command with --resume in "
            "place of --blind opens them.",
            highlight=False,
            soft_wrap=True,
        )
    from hepcs.output.advice import next_steps

    for step in next_steps(result):
        console.print(f"Next: {step}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"Results are in {folder}", highlight=False, markup=False, soft_wrap=True)


def run_one_part(parsed: argparse.Namespace, console: Console, errors: Console) -> None:
    """Run one part of the pseudo-experiments of a card, and say how it becomes a result."""
    from hepcs.analysis.memory import check_memory
    from hepcs.analysis.reporting import progress_on
    from hepcs.config import read_card

    card = read_card(parsed.card, parsed.overrides)

    from hepcs.pipeline import run_part

    which, n_parts = parsed.part
    whole = output_folder(card, None)
    folder = parsed.output or whole.with_name(f"{whole.name}-part-{which}-of-{n_parts}")
    check_memory(processes_here(card, parsed))
    with recorded_in(folder, parsed) as (checkpoint, guard):
        if parsed.fetch:
            fetch_missing(card)
        with progress_on(errors, parsed.quiet) as progress:
            n_tasks = run_part(card, parsed.part, _where(parsed, progress, checkpoint, guard))
    console.print(
        f"{n_tasks} outcomes, part {which} of {n_parts}, are in {checkpoint}. Once all parts are there:\n"
        f"  {program()} merge PART... --output FOLDER\n"
        f"  {program()} run {parsed.card} --output FOLDER --resume",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def _where(
    parsed: argparse.Namespace, progress: Progress, checkpoint: Path, guard: Callable[[], None]
) -> Where:
    """Where the command says that the work is done."""
    from hepcs.pipeline import Where

    return Where(
        workers=parsed.workers,
        scheduler=parsed.scheduler,
        client=parsed.client,
        progress=progress,
        checkpoint=checkpoint,
        resume=parsed.resume,
        guard=guard,
    )


@contextmanager
def recorded_in(folder: Path, parsed: argparse.Namespace) -> Iterator[tuple[Path, Callable[[], None]]]:
    """The checkpoint of a folder that may be written to; if the work is stopped, it is said how to go on.

    With it comes what refuses the folder once the checkpoint is locked: samples take long to prepare, and another
    run may have ended there meanwhile.

    Raises
    ------
    CardError
        If the folder holds what must not be replaced, or cannot be written to.
    """
    from hepcs.output import prepare_folder, refuse_replacing
    from hepcs.running.checkpoint import CHECKPOINT, is_blank, read_checkpoint

    prepare_folder(folder, parsed.overwrite, parsed.resume)
    checkpoint = folder / CHECKPOINT
    if parsed.resume and not checkpoint.is_file():
        logger.warning("%s: not there, so the run starts from the beginning", checkpoint)
    try:
        yield checkpoint, partial(refuse_replacing, folder, parsed.overwrite, parsed.resume)
    except KeyboardInterrupt as stop:
        if not checkpoint.is_file() or is_blank(checkpoint):
            raise KeyboardInterrupt(
                "Prepared samples are kept: the same command goes on from there."
            ) from stop
        n_tasks = read_checkpoint(checkpoint).n_tasks
        how = "the same command" if parsed.resume else "the same command with --resume"
        raise KeyboardInterrupt(
            f"{n_tasks} outcomes of pseudo-experiments are in {checkpoint}: {how} goes on from there."
        ) from stop
    finally:
        with suppress(OSError):
            folder.rmdir()  # empty after a run that failed; not removed if it holds anything


def dry_run(parsed: argparse.Namespace, console: Console, errors: Console) -> None:
    """Say what a card would run: events, tasks, time and memory."""
    from hepcs.analysis.reporting import progress_on
    from hepcs.config import read_card
    from hepcs.sources.files import require_files

    card = read_card(parsed.card, parsed.overrides)
    require_files(card)

    from hepcs.output import refuse_replacing
    from hepcs.output.drawing import lacks_figures
    from hepcs.running.dry_run import estimate, render_estimate

    with progress_on(errors, parsed.quiet) as progress:
        found = estimate(card, workers=parsed.workers, progress=progress)
    console.print(render_estimate(found))
    for warning in filter(None, (*found.warnings, lacks_figures())):
        logger.warning(warning)
    try:
        refuse_replacing(output_folder(card, parsed.output), parsed.overwrite)
    except HepcsError as error:
        logger.warning("a run would be refused: %s", error)


def processes_here(card: LocatedCard, parsed: argparse.Namespace) -> int:
    """Processes of this machine that a run takes; those of a Dask cluster have limits of their own."""
    from hepcs.running.execution.local import available_cores

    if parsed.scheduler or parsed.client is not None or card.card.execution.kind == "dask":
        return 1
    return int(parsed.workers or card.card.execution.workers or available_cores())


def output_folder(card: LocatedCard, named: Path | None) -> Path:
    """Folder of the results: the command's, the card's, or ``runs/<name>``."""
    return Path(named or card.card.output.folder or Path("runs") / card.card.name)


def fetch_missing(card: LocatedCard) -> None:
    """Download the missing files that have a URL in the card, to where the card looks for them."""
    from hepcs.config.sources import FileSource
    from hepcs.datasets.cached_sources import cache_folder
    from hepcs.sources.files import fetch, fetch_folder, resolve_files, search_folders

    folders = search_folders(card)
    for role, section in card.card.samples.by_role().items():
        if not isinstance(section, FileSource) or section.url is None:
            continue
        try:
            resolve_files(section, folders)
        except InputError:
            key = card.where(f"samples.{role}")
            fetch(section, fetch_folder(section, folders, cache_folder(card), key))

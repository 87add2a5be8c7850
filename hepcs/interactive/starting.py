"""From a card or a folder to results, in one call."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from hepcs.config import Card, LocatedCard, located, read_card
from hepcs.interactive.progress import shown_progress
from hepcs.interactive.results import Run
from hepcs.output import make_figures, prepare_folder, read_run, write_run
from hepcs.pipeline import Where
from hepcs.pipeline import run as run_pipeline
from hepcs.running.checkpoint import CHECKPOINT


def run(
    card: str | Path | Card | LocatedCard | Mapping[str, Any],
    *overrides: str,
    folder: Path | str | None = None,
    workers: int | None = None,
    blind: bool = False,
    resume: bool = False,
    overwrite: bool = False,
    progress: Literal["auto", "none"] = "auto",
) -> Run:
    """Run a card, and give what it found.

    Parameters
    ----------
    card
        A :class:`hepcs.Card`, a mapping of its keys, a path, or the name of an installed card such as
        ``"demo.yaml"``.
    overrides
        ``section.key=value`` strings that change the card, as ``--set`` does.
    folder
        Where the results are written, as the command does, with a checkpoint that `resume` goes on from. Nothing
        is written if None: :meth:`Run.save` does it later.
    workers
        Processes; the card's, or all cores, if None. Results do not depend on them.
    blind
        Whether to stop before the observed data are looked at.
    resume, overwrite
        As the options of the command: go on from the checkpoint in `folder`, or replace what is there.
    progress
        Bars in a notebook or a terminal, or none.

    Raises
    ------
    CardError, InputError, ComputationError
        With what is wrong and what to do.
    """
    found = _located(card, overrides)
    with shown_progress(progress == "none") as bars:
        if folder is None:
            return Run(run_pipeline(found, Where(workers=workers, progress=bars), blind=blind))
        folder = Path(folder)
        prepare_folder(folder, overwrite, resume)
        where = Where(workers=workers, progress=bars, checkpoint=folder / CHECKPOINT, resume=resume)
        result = run_pipeline(found, where, blind=blind)
        write_run(result, folder, make_figures(result, progress=bars))
        return Run(result, folder)


def open_run(folder: Path | str) -> Run:
    """Open the folder of a finished run.

    Raises
    ------
    InputError
        If there is no finished run, or a file is missing, damaged or of another version.
    """
    return Run(read_run(folder).result, Path(folder))


def _located(
    card: str | Path | Card | LocatedCard | Mapping[str, Any], overrides: tuple[str, ...]
) -> LocatedCard:
    """The card with places; overrides change one that is read from a file, or a card by its keys."""
    if isinstance(card, LocatedCard):
        return card
    if isinstance(card, str | Path):
        return read_card(card, overrides)
    made = card if isinstance(card, Card) else Card(**card)
    return located(made, overrides)

"""The run folder: everything that leaves a run, put in place only once all of it is written."""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hepcs._core.errors import CardError, ComputationError, InputError
from hepcs._core.storage import FULL, file_sha256, sweep, try_to_write, write_json, write_text
from hepcs.output.histograms import histograms_json, run_histograms
from hepcs.output.metadata import METADATA, describe_run
from hepcs.output.report import render_report, report_picture
from hepcs.output.root import write_root
from hepcs.output.summary import summarise
from hepcs.output.summary_file import (
    HISTOGRAMS,
    REPLACED,
    SUMMARY,
    TREES,
    SummaryFile,
    load_summary,
    write_summary,
)
from hepcs.results import RunResult
from hepcs.running.checkpoint import CHECKPOINT, is_blank, read_checkpoint

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from hepcs.searches.kinds import Drawing

logger = logging.getLogger(__name__)

REPORT, FIGURES = "report.html", "figures"
# Files in the way that a message lists.
LISTED = 5
# Dots per inch of the PNG files.
RESOLUTION = 200


def prepare_folder(folder: Path | str, overwrite: bool, resume: bool = False) -> None:
    """Check, before hours are spent, that a run can be written into a folder; it is made if it is missing.

    Raises
    ------
    CardError
        As for :func:`refuse_replacing`, if it is no folder, or if nothing can be written there.
    InputError
        If a checkpoint there is damaged.
    """
    folder = Path(folder)
    refuse_replacing(folder, overwrite, resume)
    try:
        sweep(folder)
        try_to_write(folder)
        if (folder / CHECKPOINT).exists():
            (folder / CHECKPOINT).open("ab").close()
    except OSError as error:
        raise CardError(
            f"{folder}: results cannot be written there: {error.strerror or error}. Use another --output"
        ) from error


def refuse_replacing(folder: Path | str, overwrite: bool, resume: bool = False) -> None:
    """Refuse a folder with what must not be replaced; another run may put it there at any time.

    Raises
    ------
    CardError
        If the folder holds a finished run and `overwrite` is false (a blind one may be opened by `resume`), if it
        holds the checkpoint of an unfinished one and `overwrite` and `resume` are false, or if it holds files that
        the run would replace and there is neither `overwrite` nor an unfinished run to `resume`.
    InputError
        If that checkpoint is damaged.
    """
    folder = Path(folder)
    is_blind = _is_blind(folder)
    if (folder / SUMMARY).exists() and not overwrite and not (resume and is_blind):
        again = " --overwrite with --resume writes them again from the checkpoint." if resume else ""
        again = " It is blind: --resume opens the observed data." if is_blind else again
        raise CardError(
            f"{folder}: holds a finished run{_name_of(folder)}. Use --overwrite to replace it (its checkpoint at "
            f"once, its results when the new ones are there), or another --output.{again}"
        )
    if not (overwrite or resume) and (folder / CHECKPOINT).is_file():
        _refuse_unfinished(folder / CHECKPOINT)
    if not (overwrite or (resume and _is_begun(folder / CHECKPOINT))):
        _refuse_results(folder)


def _refuse_unfinished(checkpoint: Path) -> None:
    """Raise CardError if a checkpoint holds anything, and InputError if it is damaged."""
    found = 0 if is_blank(checkpoint) else read_checkpoint(checkpoint).n_tasks
    if found:
        raise CardError(
            f"{checkpoint.parent}: holds {found} outcomes of an unfinished run. Use --resume to go "
            "on from there, --overwrite to start anew, or another --output"
        )


def _is_begun(checkpoint: Path) -> bool:
    return checkpoint.is_file() and not is_blank(checkpoint)


def _refuse_results(folder: Path) -> None:
    """Raise CardError if a folder holds files of the names that a run writes, and no run to which they belong.

    The names of the figures are known only once they are drawn, so every file among the figures is in the way.
    """
    found = [name for name in (TREES, HISTOGRAMS, METADATA, REPORT) if _is_there(folder / name)]
    figures = folder / FIGURES
    if figures.is_dir():
        found += sorted(path.relative_to(folder).as_posix() for path in figures.iterdir())
    elif _is_there(figures):
        found.append(FIGURES)
    if found:
        more = f" and {len(found) - LISTED} more" if len(found) > LISTED else ""
        raise CardError(
            f"{folder}: holds {', '.join(found[:LISTED])}{more}, which this run would replace, and no run that it "
            "could belong to. Move it away, use another --output, or --overwrite to replace it"
        )


def _is_there(path: Path) -> bool:
    """Whether there is anything of a name, a broken link too."""
    return path.is_symlink() or path.exists()


def write_run(result: RunResult, folder: Path | str, drawings: Iterable[Drawing] = ()) -> tuple[Path, ...]:
    """Write a run into a folder, which :func:`prepare_folder` has made.

    All files are written to a hidden folder inside it first, and then take their places one by one, the summary
    last; if the numbers cannot be written, an older run stays as it was. A folder without a summary holds no
    finished run: if this is killed among the moves, ``--resume`` writes all files anew. Files of the older run
    that have no successor are removed; files that no run wrote are left alone. So is the checkpoint, which is not
    among the files listed in the summary: its rows carry checksums of their own, and their order changes from
    run to run.

    Parameters
    ----------
    result
        The run.
    folder
        Where to write: ``results.root``, ``histograms.json``, ``summary.json``, ``metadata.json``, ``report.html``
        and ``figures/``.
    drawings
        Figures, taken one at a time, from :func:`hepcs.output.make_figures`; the card says in which
        formats they are saved. If one cannot be drawn, the numbers, the report and the figures before it are
        in the folder all the same.

    Returns
    -------
    The files, the summary first.

    Raises
    ------
    ComputationError
        If the disk is full, or the folder cannot be written for another reason.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder))
        try:
            paths = _write_numbers(result, staging)
            try:
                result = _write_figures_and_report(result, staging, drawings, paths)
            finally:
                # A figure that cannot be drawn must not cost the numbers, which may have taken hours.
                names = _write_summary(result, staging, paths, _is_begun(folder / CHECKPOINT))
                _put_in_place(staging, folder, names)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except (OSError, ComputationError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        if not isinstance(cause, OSError):
            raise
        raise ComputationError(_not_written(folder, cause)) from error
    logger.info("results written to %s", folder)
    return tuple(folder / name for name in (SUMMARY, *names))


def _not_written(folder: Path, error: OSError) -> str:
    """Why the results of finished work are not in a folder that was right before, and what to do."""
    kept = False
    with suppress(OSError):
        kept = (folder / CHECKPOINT).is_file()
    why, what = error.strerror or str(error), "Mend that"
    if error.errno in FULL:
        why, what = "the disk is full", "Free some space"
    again = (
        f"; the finished pseudo-experiments are kept in {CHECKPOINT}: go on from there with --resume"
        if kept
        else ", and run again"
    )
    return f"{folder}: the results cannot be written, {why}. {what}{again}"


def save_figure(figure: Figure, folder: Path, name: str, formats: Iterable[str]) -> tuple[Path, ...]:
    """Save a figure, once for each format, with nothing in the files that changes from day to day."""
    from hepcs.plots.style import tight_box

    paths, box = [], tight_box(figure)
    folder.mkdir(parents=True, exist_ok=True)
    for extension in formats:
        path = folder / f"{name}.{extension}"
        metadata = {"CreationDate": None, "ModDate": None} if extension == "pdf" else None
        figure.savefig(path, dpi=RESOLUTION, bbox_inches=box, metadata=metadata)
        paths.append(path)
    return tuple(paths)


def _write_numbers(result: RunResult, staging: Path) -> list[Path]:
    """Write the histograms and the trees."""
    histograms = run_histograms(result)
    root, uhi = staging / TREES, staging / HISTOGRAMS
    write_root(root, result, histograms)
    uhi.write_text(histograms_json(histograms), encoding="utf-8")
    return [root, uhi]


def _write_figures_and_report(
    result: RunResult, staging: Path, drawings: Iterable[Drawing], paths: list[Path]
) -> RunResult:
    """Save the figures and a report with those that could be drawn; `paths` gets the files as they are written.

    Returns the run with the time that this took.
    """
    pictures, start = [], time.perf_counter()
    try:
        for one in drawings:
            saved = save_figure(one.figure, staging / FIGURES, one.name, result.card.card.output.figures)
            paths += saved
            png = next((path for path in saved if path.suffix == ".png"), None)
            pictures.append(report_picture(one, png))
    finally:
        seconds = {**result.provenance.seconds, "figures": time.perf_counter() - start}
        result = replace(result, provenance=replace(result.provenance, seconds=seconds))
        write_text(staging / REPORT, render_report(result, pictures))
        paths.append(staging / REPORT)
    return result


def _write_summary(
    result: RunResult, staging: Path, paths: Iterable[Path], has_checkpoint: bool
) -> list[str]:
    """Write the metadata and the summary, with the checksums of all files; returns the names in the folder."""
    names = [path.relative_to(staging).as_posix() for path in paths]
    digests = {name: file_sha256(staging / name) for name in names}
    described = [
        {"name": name, "size": (staging / name).stat().st_size, "sha256": digest}
        for name, digest in digests.items()
    ]
    write_json(staging / METADATA, describe_run(result, run_histograms(result), described))
    names.append(METADATA)
    digests[METADATA] = file_sha256(staging / METADATA)
    files = {name: f"sha256:{digest}" for name, digest in digests.items()}
    write_summary(staging / SUMMARY, {**summarise(result), "checkpoint": has_checkpoint, "files": files})
    return names


def _put_in_place(staging: Path, folder: Path, names: Iterable[str]) -> None:
    """Move the files to their places, the summary last, and remove what an older run left.

    The summary of the older run goes first: wherever this is killed, each file is an old or a new one, and the
    folder holds no finished run until it holds the new one alone.
    """
    replaced = folder / REPLACED
    if (folder / SUMMARY).exists():
        (folder / SUMMARY).replace(replaced)
    for name in names:
        target = folder / name
        target.parent.mkdir(exist_ok=True)
        (staging / name).replace(target)
    older, root = _sound_summary(replaced), folder.resolve()
    for name in set(older.files if older else ()) - set(names):
        stale = (folder / name).resolve()
        # A checksum tells accidents alone: the list could have been altered.
        if stale.is_relative_to(root) and stale.is_file():
            stale.unlink()
    replaced.unlink(missing_ok=True)
    (staging / SUMMARY).replace(folder / SUMMARY)


def _sound_summary(path: Path) -> SummaryFile | None:
    """A summary, or None if there is none that is as it was written."""
    try:
        found = load_summary(path)
    except InputError:
        return None
    return found if found.is_sound else None


def _is_blind(folder: Path) -> bool:
    """Whether a folder holds a run that has not looked at the observed data."""
    found = _sound_summary(folder / SUMMARY)
    return found is not None and found.content.get("blind") is True


def _name_of(folder: Path) -> str:
    """Name and time of the run in a folder, for a message."""
    found = _sound_summary(folder / SUMMARY)
    match found.content if found else {}:
        case {"name": str(name), "provenance": {"started": str(started)}}:
            return f" ({name}, started {started})"
    return ""

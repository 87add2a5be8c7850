"""Whether a run folder is as it was written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hepcs._core.differences import differences, shortened
from hepcs._core.errors import HepcsError
from hepcs._core.storage import file_sha256
from hepcs.config.sources import FileSource
from hepcs.datasets.bootstrap import Kind, Task
from hepcs.output.reading import StoredRun, read_run
from hepcs.output.summary import plain, results_digest
from hepcs.output.summary_file import SUMMARY, load_summary
from hepcs.results import Outcome, RunResult
from hepcs.running.checkpoint import CHECKPOINT, Recorded, is_blank, read_checkpoint
from hepcs.running.identity import card_identity


@dataclass(frozen=True)
class FolderCheck:
    """What became of the files of a run.

    Attributes
    ----------
    folder
        The run folder.
    n_files
        Files that the run wrote, the summary included.
    missing, altered
        Those that are gone, and those whose content is another one; names relative to the folder.
    foreign
        Files that the run did not write. They are no fault: notes may lie there.
    problems
        What else is wrong, one sentence each.
    digest
        The digest of the results, as the summary has it.
    """

    folder: Path
    n_files: int
    missing: tuple[str, ...]
    altered: tuple[str, ...]
    foreign: tuple[str, ...]
    problems: tuple[str, ...]
    digest: str

    @property
    def is_sound(self) -> bool:
        """Whether all files are there, as they were written, and the digest is that of the stored results."""
        return not (self.missing or self.altered or self.problems)

    def faults(self) -> tuple[str, ...]:
        """One line for each fault."""
        return (
            *(f"{self.folder / name}: missing" for name in self.missing),
            *(f"{self.folder / name}: altered since it was written" for name in self.altered),
            *self.problems,
        )


def verify_folder(folder: Path | str) -> FolderCheck:
    """Compare every file of a run with its checksum, and the digest and the checkpoint with the stored results.

    The summary carries the checksums of all files, and one of its own content. They tell damage and changes by
    accident; whoever wants to deceive can write new ones.

    Raises
    ------
    InputError
        If there is no summary, or it cannot be read.
    """
    folder = Path(folder)
    summary = load_summary(folder / SUMMARY)
    missing, altered, problems = [], [], []
    for name, checksum in summary.files.items():
        path = (folder / name).resolve()
        if Path(name).is_absolute() or ".." in Path(name).parts:
            altered.append(SUMMARY)  # no run lists a file outside of its folder
        elif not path.is_relative_to(folder.resolve()):
            problems.append(f"{folder / name}: leads out of the folder by a link, to {path}")
        elif not path.is_file():
            missing.append(name)
        elif f"sha256:{file_sha256(path)}" != checksum:
            altered.append(name)
    if not summary.is_sound:
        altered.append(SUMMARY)
    # Of what is not as it was written nothing more is believed.
    is_sound = not (missing or altered or problems)
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    result = None
    if is_sound:
        try:
            stored = read_run(folder)
            result = stored.result
            problems += _digest_problems(stored)
        except HepcsError as error:
            problems.append(str(error))
    problems += _checkpoint_problems(folder / CHECKPOINT, summary.content.get("checkpoint") is True, result)
    return FolderCheck(
        folder=folder,
        n_files=len(summary.files) + 1,
        missing=tuple(missing),
        altered=tuple(dict.fromkeys(altered)),
        foreign=tuple(sorted(there - {*summary.files, SUMMARY, CHECKPOINT})),
        problems=tuple(problems),
        digest=str(summary.content.get("digest")),
    )


def _digest_problems(stored: StoredRun) -> Iterator[str]:
    """Whether the results of an unaltered folder give the digest that it claims."""
    found = results_digest(stored.result)
    if found != stored.digest:
        yield (
            f"{stored.folder / SUMMARY}: the digest is {stored.digest}, and that of the stored results is "
            f"{found}: they are not of one run, or this version of hepcs takes the digest in another way"
        )


def _checkpoint_problems(checkpoint: Path, kept: bool, result: RunResult | None) -> Iterator[str]:
    """Whether one is there if it was `kept`, is whole, and is that of the stored results, if they are known.

    Its rows carry checksums of their own, and may come in any order.
    """
    try:
        recorded = None if not checkpoint.is_file() or is_blank(checkpoint) else read_checkpoint(checkpoint)
    except HepcsError as error:
        yield str(error)
        return
    if recorded is None:
        if kept:
            yield f"{checkpoint}: missing or empty, though the run recorded its pseudo-experiments there"
        return
    if recorded.damage:
        yield recorded.damage
    elif result is not None:
        yield from _differences_from(recorded, result)


def _differences_from(recorded: Recorded, result: RunResult) -> Iterator[str]:
    """What tells a checkpoint from that of a run: card and seed, input files, and the outcome of each task."""
    sources = result.card.card.samples.by_role()
    identity = {
        "card": card_identity(result.card)["card"],
        "inputs": {
            sample.role: [file.digest for file in sample.inputs]
            for sample in result.samples
            if isinstance(sources[sample.role], FileSource)
        },
    }
    known = {key: recorded.identity.get(key, {}) for key in identity}
    unlike = differences(known, identity, ("in the checkpoint", "in the results"))
    if unlike:
        yield f"{recorded.path}: of another run than the results:\n{shortened(unlike)}"
        return
    there = {(search, null, outcome.task): _numbers(outcome) for search, null, outcome in recorded.rows()}
    stored: dict[tuple[str, str, Task], Any] = {}
    for search in result.searches:
        shared, used = _by_task(search.shared), _by_task(search.outcomes)
        stored |= {(search.name, "shared", task): numbers for task, numbers in shared.items()}
        if used != shared:  # calibrated by toys of its own
            stored |= {(search.name, "own", task): numbers for task, numbers in used.items()}
    absent, more = stored.keys() - there.keys(), there.keys() - stored.keys()
    changed = [key for key in there.keys() & stored.keys() if there[key] != stored[key]]
    if absent or more or changed:
        yield (
            f"{recorded.path}: of the {len(stored)} outcomes of pseudo-experiments among the results "
            f"{len(absent)} are not in the checkpoint and {len(changed)} have other numbers there, and "
            f"{len(more)} are in the checkpoint alone"
        )


def _by_task(outcomes: Iterable[Outcome]) -> dict[Task, Any]:
    """The numbers of each pseudo-experiment."""
    return {one.task: _numbers(one) for one in outcomes if one.task.kind is not Kind.OBSERVED}


def _numbers(outcome: Outcome) -> Any:
    """The numbers of an outcome as files keep them: those that are not finite are None."""
    return plain((outcome.statistic, outcome.members, outcome.n_events, outcome.valid, outcome.details))

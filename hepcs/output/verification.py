"""Whether a run folder is as it was written, and what differs between two runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hist
import numpy as np

from hepcs.errors import HepcsError
from hepcs.identity import differences
from hepcs.ledger import LEDGER, is_blank, read_ledger
from hepcs.output.histograms import run_histograms
from hepcs.output.reading import StoredRun, read_run
from hepcs.output.summary import axis_key, kind_name, plain, results_digest
from hepcs.output.summary_file import SUMMARY, load_summary
from hepcs.output.table import NOTHING, p_text, z_text
from hepcs.results import Observed, SearchResult
from hepcs.search import Outcome
from hepcs.storage import file_sha256

# Differences of one kind that are listed.
LISTED = 20


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


def verify_folder(folder: Path) -> FolderCheck:
    """Compare every file of a run with its checksum, and the digest with the one of the stored results.

    The summary carries the checksums of all files, and one of its own content. They tell damage and changes by
    accident; whoever wants to deceive can write new ones.

    Raises
    ------
    InputError
        If there is no summary, or it cannot be read.
    """
    summary = load_summary(folder / SUMMARY)
    files = summary.files
    missing, altered = [], []
    for name, checksum in files.items():
        path = (folder / name).resolve()
        if not path.is_relative_to(folder.resolve()):
            altered.append(SUMMARY)  # no run lists a file outside of its folder
        elif not path.is_file():
            missing.append(name)
        elif f"sha256:{file_sha256(path)}" != checksum:
            altered.append(name)
    if not summary.is_sound:
        altered.append(SUMMARY)
    known = {*files, SUMMARY, LEDGER}
    foreign = sorted(name for name in _names(folder) if name not in known)
    problems = () if missing or altered else tuple(_digest_problems(folder))
    problems += tuple(_ledger_problems(folder / LEDGER))
    return FolderCheck(
        folder=folder,
        n_files=len(files) + 1,
        missing=tuple(missing),
        altered=tuple(dict.fromkeys(altered)),
        foreign=tuple(foreign),
        problems=problems,
        digest=str(summary.content.get("digest")),
    )


def _ledger_problems(ledger: Path) -> Iterator[str]:
    """Whether a ledger, if there is one, is whole: its lines carry checksums of their own."""
    if not ledger.is_file() or is_blank(ledger):
        return
    try:
        damage = read_ledger(ledger).damage
    except HepcsError as error:
        damage = str(error)
    if damage:
        yield damage


def _names(folder: Path) -> Iterator[str]:
    """Files in a folder by their name relative to it."""
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.relative_to(folder).as_posix()


def _digest_problems(folder: Path) -> Iterator[str]:
    """Whether the results of an unaltered folder give the digest that it claims."""
    try:
        stored = read_run(folder)
    except HepcsError as error:
        yield str(error)
        return
    found = results_digest(stored.result)
    if found != stored.digest:
        yield (
            f"{folder / SUMMARY}: the digest is {stored.digest}, and that of the stored results is {found}: they "
            "are not of one run, or this version of hepcs takes the digest in another way"
        )


# ------------------------------------------------------------------------------------------- comparison


@dataclass(frozen=True)
class Comparison:
    """What differs between two runs.

    Attributes
    ----------
    folders, digests
        Of both runs.
    sections
        Title and lines of each part in which they differ; a line each for a key, a file or a number.
    """

    folders: tuple[Path, Path]
    digests: tuple[str, str]
    sections: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def agree(self) -> bool:
        """Whether the results are the same, to the last digit."""
        return self.digests[0] == self.digests[1]


def compare_runs(first: Path, second: Path) -> Comparison:
    """Compare the results of two finished runs, and what they were made from.

    The digests compared are those of the stored results, not those that the summaries claim.

    Raises
    ------
    InputError
        If one of them is no finished run, or was altered.
    """
    runs = read_run(first), read_run(second)
    both = [
        ("Card", _card(*runs)),
        ("Input files", _inputs(*runs)),
        ("Versions", _versions(*runs)),
        ("Machine", _machine(*runs)),
        ("Observed data sets", _observed(*runs)),
        ("Pseudo-experiments", _outcomes(*runs)),
        ("Histograms", _histograms(*runs)),
    ]
    return Comparison(
        folders=(first, second),
        digests=(results_digest(runs[0].result), results_digest(runs[1].result)),
        sections=tuple((title, tuple(lines)) for title, lines in both if lines),
    )


_NAMES = ("in the first", "in the second")


def _card(first: StoredRun, second: StoredRun) -> list[str]:
    """Keys of the cards with all defaults, but for those that say where things lie."""
    return list(differences(first.card.model_dump(mode="json"), second.card.model_dump(mode="json"), _NAMES))


def _inputs(first: StoredRun, second: StoredRun) -> list[str]:
    """Files by their content: the same file elsewhere is the same."""
    here, there = _by_content(first), _by_content(second)
    return [
        f"{role}: only {name}: {path} ({digest})"
        for mine, theirs, name in ((here, there, _NAMES[0]), (there, here, _NAMES[1]))
        for (role, digest), path in mine.items()
        if (role, digest) not in theirs
    ]


def _by_content(run: StoredRun) -> dict[tuple[str, str], str]:
    """Paths of the input files by role and digest."""
    return {(sample.role, one.digest): one.path for sample in run.result.samples for one in sample.inputs}


def _versions(first: StoredRun, second: StoredRun) -> list[str]:
    one, two = first.result.provenance, second.result.provenance
    return list(
        differences(
            {**one.versions, "program text of hepcs": one.code},
            {**two.versions, "program text of hepcs": two.code},
            _NAMES,
        )
    )


def _machine(first: StoredRun, second: StoredRun) -> list[str]:
    keys = ("processor", "blas", "platform", "workers")
    one, two = ({key: getattr(run.result.provenance, key) for key in keys} for run in (first, second))
    return list(differences(plain(one), plain(two), _NAMES))


def _pairs(first: StoredRun, second: StoredRun) -> Iterator[tuple[SearchResult, SearchResult]]:
    """Searches that both runs have."""
    others = {search.name: search for search in second.result.searches}
    for search in first.result.searches:
        if search.name in others:
            yield search, others[search.name]


def _observed(first: StoredRun, second: StoredRun) -> list[str]:
    """Statistic, p and Z of each observed data set."""
    lines = []
    for names, others, where in (
        (first.names, second.names, _NAMES[0]),
        (second.names, first.names, _NAMES[1]),
    ):
        lines += [f"{name}: only {where}" for name in names if name not in others]
    for one, two in _pairs(first, second):
        there = {observed.epsilon: observed for observed in two.observed}
        for observed in one.observed:
            other = there.pop(observed.epsilon, None)
            subject = f"{one.title}, {observed.epsilon} signal events"
            if other is None:
                lines.append(f"{subject}: only {_NAMES[0]}")
            elif _words(observed) != _words(other) or _statistic(observed) != _statistic(other):
                lines.append(f"{subject}: {_change(observed, other)}")
        lines += [f"{one.title}, {epsilon} signal events: only {_NAMES[1]}" for epsilon in there]
    return lines


def _statistic(observed: Observed) -> float | None:
    """The statistic, or None for one that is no number, which compares equal to itself."""
    outcome = observed.observation.outcome
    return outcome.statistic if outcome.valid else None


def _words(observed: Observed) -> tuple[str, str]:
    if observed.calibration is None:
        return NOTHING, NOTHING
    return p_text(observed.calibration), z_text(observed.calibration)


def _change(one: Observed, two: Observed) -> str:
    before, after = _statistic(one), _statistic(two)
    if before is None or after is None:
        shown = [NOTHING if value is None else f"{value:.6g}" for value in (before, after)]
        statistic = f"statistic {shown[0]} and {shown[1]}"
    else:
        statistic = f"statistic {before:.6g} and {after:.6g} (difference {after - before:+.3g})"
    (p_one, z_one), (p_two, z_two) = _words(one), _words(two)
    return f"{statistic}; p {p_one} and {p_two}; Z {z_one} and {z_two}"


def _outcomes(first: StoredRun, second: StoredRun) -> list[str]:
    """For each kind of data set: how many both have, how many of them differ, and by how much."""
    lines = []
    for one, two in _pairs(first, second):
        there = {outcome.task: outcome for outcome in two.outcomes}
        here = {outcome.task: outcome for outcome in one.outcomes}
        kinds = dict.fromkeys((task.kind, task.epsilon) for task in (*here, *there))
        for kind, epsilon in kinds:
            mine, theirs = (
                {task for task in side if (task.kind, task.epsilon) == (kind, epsilon)}
                for side in (here, there)
            )
            common = sorted(mine & theirs, key=lambda task: task.index)
            changed = [task for task in common if not _same(here[task], there[task])]
            subject = f"{one.title}, {kind_name(kind)}, {epsilon} signal events"
            if mine != theirs:
                lines.append(f"{subject}: {len(mine)} {_NAMES[0]}, {len(theirs)} {_NAMES[1]}")
            if changed:
                shifts = [abs(here[task].statistic - there[task].statistic) for task in changed]
                lines.append(
                    f"{subject}: {len(changed)} of {len(common)} that both have differ, the first with index "
                    f"{changed[0].index}; the largest change of the statistic is {np.nanmax([0.0, *shifts]):.3g}"
                )
    return lines


def _same(one: Outcome, two: Outcome) -> bool:
    """Whether two outcomes agree to the last digit, where no number is equal to no number."""

    def numbers(outcome: Outcome) -> Any:
        return plain(
            (outcome.statistic, outcome.members, outcome.n_events, outcome.valid, dict(outcome.details))
        )

    return bool(numbers(one) == numbers(two))


def _histograms(first: StoredRun, second: StoredRun) -> list[str]:
    """Histograms that only one run has, or with other bins or contents."""
    one, two = run_histograms(first.result), run_histograms(second.result)
    lines = [f"{path}: only {_NAMES[0]}" for path in one if path not in two]
    lines += [f"{path}: only {_NAMES[1]}" for path in two if path not in one]
    lines += [f"{path}: {change}" for path in one if path in two and (change := _bins(one[path], two[path]))]
    more = len(lines) - LISTED
    return [*lines[:LISTED], f"and {more} more"] if more > 0 else lines


def _bins(one: hist.Hist, two: hist.Hist) -> str:
    """How the contents of two histograms differ; empty if they do not."""
    if [axis_key(axis) for axis in one.axes] != [axis_key(axis) for axis in two.axes]:
        return "other bins"
    values, others = np.asarray(one.values(flow=True)), np.asarray(two.values(flow=True))
    if values.shape != others.shape:
        return "other bins"
    if np.array_equal(values, others, equal_nan=True):
        return ""
    return f"contents differ by up to {np.nanmax(np.abs(values - others)):.3g}"


def comparison_lines(comparison: Comparison) -> Iterator[str]:
    """A comparison as text: a headline, then each section with its lines indented."""
    first, second = comparison.folders
    if comparison.agree:
        yield f"{first} and {second} agree in every result: digest {comparison.digests[0]}"
    else:
        yield f"{first} and {second} differ in their results:"
        yield f"  digests {comparison.digests[0]} and {comparison.digests[1]}"
    for title, lines in comparison.sections:
        yield f"{title}:"
        yield from (f"  {line}" for line in lines)

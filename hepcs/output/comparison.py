"""What differs between two runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hist
import numpy as np

from hepcs.calibration import Quantile
from hepcs.output.histograms import run_histograms
from hepcs.output.reading import StoredRun, read_run
from hepcs.output.summary import axis_key, kind_name, plain, results_digest
from hepcs.output.table import NOTHING, SIGNS, p_text, z_text
from hepcs.results import Doped, Observed, Outcome, SearchResult
from hepcs.running.identity import differences

# Differences of one kind that are listed.
LISTED = 20


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
        ("Skipped files", _skipped(*runs)),
        ("Cutflow", _cutflow(*runs)),
        ("Unusable events", _rejections(*runs)),
        ("Versions", _versions(*runs)),
        ("Machine", _machine(*runs)),
        ("Observed data sets", _observed(*runs)),
        ("Pseudo-experiments", _outcomes(*runs)),
        ("Doped pseudo-experiments", _doped(*runs)),
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


def _skipped(first: StoredRun, second: StoredRun) -> list[str]:
    """Files that only one run left out, with what it lost by them."""
    here, there = (
        {(sample.role, file.path): file for sample in run.result.samples for file in sample.skipped}
        for run in (first, second)
    )
    lines = []
    for mine, theirs, name in ((here, there, _NAMES[0]), (there, here, _NAMES[1])):
        for (role, path), file in mine.items():
            if (role, path) not in theirs:
                lost = "an unknown number of" if file.n_entries is None else f"{file.n_entries:,}"
                lines.append(f"{role}: only {name}: {path}, with {lost} events ({file.reason})")
    return lines


def _cutflow(first: StoredRun, second: StoredRun) -> list[str]:
    """Events after each step of the selection, and in each region."""

    def counts(run: StoredRun) -> dict[str, dict[str, int]]:
        return {
            sample.role: {
                **sample.cutflow.as_dict(),
                "selected": sample.n_selected,
                "evaluation region": sample.n_evaluation,
                "training region": sample.n_training,
            }
            for sample in run.result.samples
        }

    return list(differences(counts(first), counts(second), _NAMES))


def _rejections(first: StoredRun, second: StoredRun) -> list[str]:
    """How many events could not be used, and those that only one run lists."""
    here, there = ({sample.role: sample for sample in run.result.samples} for run in (first, second))
    before, after = ({role: one.n_unusable for role, one in side.items()} for side in (here, there))
    lines = list(differences(before, after, _NAMES))
    for mine, theirs, name in ((here, there, _NAMES[0]), (there, here, _NAMES[1])):
        for role in mine:
            known = set(theirs[role].rejections) if role in theirs else set()
            lines += [
                f"{role}: only {name}: {found}" for found in mine[role].rejections if found not in known
            ]
    return _shortened(lines)


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
    keys = ("processor", "blas", "platform", "workers", "execution", "origins")
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


def _doped(first: StoredRun, second: StoredRun) -> list[str]:
    """Median and quartiles of the statistic and of Z over the doped pseudo-experiments."""
    lines = []
    for one, two in _pairs(first, second):
        here, there = ({doped.epsilon: doped for doped in search.doped} for search in (one, two))
        for epsilon in dict.fromkeys((*here, *there)):
            subject = f"{one.title}, {epsilon} signal events"
            if epsilon not in here or epsilon not in there:
                lines.append(f"{subject}: only {_NAMES[0] if epsilon in here else _NAMES[1]}")
            elif here[epsilon] != there[epsilon]:
                before, after = _doped_words(here[epsilon]), _doped_words(there[epsilon])
                lines.append(f"{subject}: {before} {_NAMES[0]}, {after} {_NAMES[1]}")
    return lines


def _doped_words(doped: Doped) -> str:
    """Median and quartiles with six digits, so that more than the last ones of a difference show."""
    lower, median, upper = doped.statistic_quartiles
    z = doped.z
    return (
        f"statistic {median:.6g} [{lower:.6g}, {upper:.6g}], "
        f"Z {_z(z.median)} [{_z(z.lower_quartile)}, {_z(z.upper_quartile)}] of {doped.n_used}"
    )


def _z(quantile: Quantile) -> str:
    return f"{SIGNS[quantile.bound]}{quantile.z:.6g}"


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
    return _shortened(lines)


def _shortened(lines: list[str]) -> list[str]:
    """The first lines, and how many more there are."""
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

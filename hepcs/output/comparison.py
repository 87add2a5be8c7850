"""What differs between two runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import hist
import numpy as np

from hepcs._core.differences import differences
from hepcs.config.samples import SIGNAL
from hepcs.datasets.bootstrap import Injection
from hepcs.output.histograms import run_histograms
from hepcs.output.reading import StoredRun, read_run
from hepcs.output.summary import axis_key, kind_name, plain, results_digest
from hepcs.output.table import SIGNS, p_text, z_text
from hepcs.results import Doped, Outcome
from hepcs.results.wording import NOTHING

# Differences of one kind that are listed.
LISTED = 20

_NAMES = ("in the first", "in the second")

Runs = tuple[StoredRun, StoredRun]


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
    sections = {
        "Card": _values(runs, lambda run: run.card.model_dump(mode="json")),
        "Input files": _changes(runs, _inputs),
        "Skipped files": _changes(runs, _skipped),
        "Cutflow": _values(runs, _cutflow),
        "Unusable events": chain(_values(runs, _n_unusable), _changes(runs, _rejections)),
        "Versions": _values(runs, _versions),
        "Machine": _values(runs, _machine),
        "Observed data sets": _values(runs, _observed),
        "Pseudo-experiments": _changes(runs, _outcomes, _outcomes_change),
        "Doped pseudo-experiments": _values(runs, _doped),
        "All searches together": _values(runs, _together),
        "Histograms": _changes(runs, lambda run: run_histograms(run.result), _histogram_change),
    }
    told = ((title, tuple(lines)) for title, lines in sections.items())
    return Comparison(
        folders=(first, second),
        digests=(results_digest(runs[0].result), results_digest(runs[1].result)),
        sections=tuple((title, _shortened(lines)) for title, lines in told if lines),
    )


def _values(runs: Runs, of: Callable[[StoredRun], Mapping[str, Any]]) -> Iterator[str]:
    """Keys of plain values that differ."""
    one, two = map(of, runs)
    yield from differences(one, two, _NAMES)


def _changes(
    runs: Runs,
    of: Callable[[StoredRun], Mapping[str, Any]],
    change: Callable[[Any, Any], str] = lambda *_: "",
) -> Iterator[str]:
    """Subjects that only one run has, and how those of both changed: an empty text says that they did not."""
    one, two = map(of, runs)
    for subject in dict.fromkeys((*one, *two)):
        if subject in one and subject in two:
            text = change(one[subject], two[subject])
        else:
            found = one.get(subject, two.get(subject))
            text = f"only {_NAMES[subject in two]}" + (f": {found}" if isinstance(found, str) else "")
        if text:
            yield f"{subject}: {text}"


# ------------------------------------------------------------------------------- what is compared of a run


def _inputs(run: StoredRun) -> dict[str, str]:
    """Files by their content: the same file elsewhere is the same."""
    samples = run.result.samples
    return {f"{sample.role}, {file.digest}": file.path for sample in samples for file in sample.inputs}


def _skipped(run: StoredRun) -> dict[str, str]:
    """Files that were left out, with what is lost by them."""
    return {
        f"{sample.role}, {file.path}": (
            f"{'an unknown number of' if file.n_entries is None else f'{file.n_entries:,}'} events ({file.reason})"
        )
        for sample in run.result.samples
        for file in sample.skipped
    }


def _n_unusable(run: StoredRun) -> dict[str, int]:
    return {sample.role: sample.n_unusable for sample in run.result.samples}


def _rejections(run: StoredRun) -> dict[str, None]:
    """Those of the events that could not be used that are listed."""
    samples = run.result.samples
    return {f"{sample.role}, {found}": None for sample in samples for found in sample.rejections}


def _cutflow(run: StoredRun) -> dict[str, Any]:
    """Events after each step of the selection, and in each region."""
    return {
        sample.role: {
            **sample.cutflow.as_dict(),
            "selected": sample.n_selected,
            "evaluation region": sample.n_evaluation,
            **{f"without {feature}": n for feature, n in sample.lacking.items()},
            "repeated": sample.n_repeated,
            "weightless constituents": sample.n_weightless,
        }
        for sample in run.result.samples
    }


def _versions(run: StoredRun) -> dict[str, Any]:
    provenance = run.result.provenance
    return {**provenance.versions, "program text of hepcs": provenance.code}


def _machine(run: StoredRun) -> dict[str, Any]:
    keys = ("processor", "blas", "platform", "workers", "execution", "origins")
    return {key: plain(getattr(run.result.provenance, key)) for key in keys}


def _subject(search: str, injection: Injection) -> str:
    signal = "signal" if injection.signal in {"", SIGNAL} else injection.signal
    return f"{search}, {injection.epsilon} {signal} events"


def _observed(run: StoredRun) -> dict[str, str]:
    """Statistic, p and Z of each observed data set; further digits of a statistic are among the outcomes."""
    told = {}
    for search in run.result.searches:
        for found in search.observed:
            statistic = f"{found.outcome.statistic:.6g}" if found.outcome.valid else NOTHING
            p = p_text(found.calibration) if found.calibration else NOTHING
            z = z_text(found.calibration) if found.calibration else NOTHING
            told[_subject(search.name, found.injection)] = f"statistic {statistic}, p {p}, Z {z}"
    return told


def _doped(run: StoredRun) -> dict[str, str]:
    return {
        _subject(search.name, doped.injection): _quartiles(doped)
        for search in run.result.searches
        for doped in search.doped
    }


def _together(run: StoredRun) -> dict[str, str]:
    """All searches together, on observed and on doped data sets."""
    told = {}
    for found in run.result.combined:
        subject = _subject("all searches", found.injection)
        if found.combination is not None:
            calibration = found.combination.calibration
            told[subject] = f"p {p_text(calibration)}, Z {z_text(calibration)}"
        if found.doped is not None:
            told[f"{subject}, doped"] = _quartiles(found.doped)
    return told


def _quartiles(doped: Doped) -> str:
    """Median and quartiles with six digits, so that more than the last ones of a difference show."""
    lower, median, upper = (f"{value:.6g}" for value in doped.statistic_quartiles)
    quantiles = (doped.z.lower_quartile, doped.z.median, doped.z.upper_quartile)
    z_lower, z_median, z_upper = (f"{SIGNS[one.bound]}{one.z:.6g}" for one in quantiles)
    return f"statistic {median} [{lower}, {upper}], Z {z_median} [{z_lower}, {z_upper}] of {doped.n_used}"


def _outcomes(run: StoredRun) -> dict[str, Any]:
    """The outcomes of each kind of data set by the number of the data set, toys of a search's own apart."""
    found: dict[str, dict[int, Outcome]] = {}
    for search in run.result.searches:
        data_sets = {search.name: search.outcomes}
        if list(map(_numbers, search.shared)) != list(map(_numbers, search.outcomes)):
            data_sets[f"{search.name} on shared data sets"] = search.shared
        for name, outcomes in data_sets.items():
            for outcome in outcomes:
                subject = _subject(f"{name}, {kind_name(outcome.task.kind)}", outcome.task.injection)
                found.setdefault(subject, {})[outcome.task.index] = outcome
    return found


def _outcomes_change(one: dict[int, Outcome], two: dict[int, Outcome]) -> str:
    """How many data sets each run has, how many of both differ, and by how much."""
    common = sorted(one.keys() & two.keys())
    changed = [index for index in common if _numbers(one[index]) != _numbers(two[index])]
    parts = []
    if one.keys() != two.keys():
        parts.append(f"{len(one)} {_NAMES[0]}, {len(two)} {_NAMES[1]}")
    if changed:
        shift = np.nanmax([0.0, *(abs(one[index].statistic - two[index].statistic) for index in changed)])
        parts.append(
            f"{len(changed)} of {len(common)} that both have differ, the first with index {changed[0]}; the "
            f"largest change of the statistic is {shift:.3g}"
        )
    return "; ".join(parts)


def _numbers(outcome: Outcome) -> Any:
    """The numbers of an outcome, where no number is equal to no number."""
    return plain((outcome.statistic, outcome.members, outcome.n_events, outcome.valid, outcome.details))


def _histogram_change(one: hist.Hist, two: hist.Hist) -> str:
    values, others = np.asarray(one.values(flow=True)), np.asarray(two.values(flow=True))
    if [axis_key(axis) for axis in one.axes] != [axis_key(axis) for axis in two.axes] or (
        values.shape != others.shape
    ):
        return "other bins"
    if np.array_equal(values, others, equal_nan=True):
        return ""
    return f"contents differ by up to {np.nanmax(np.abs(values - others)):.3g}"


def _shortened(lines: tuple[str, ...]) -> tuple[str, ...]:
    """The first lines, and how many more there are."""
    more = len(lines) - LISTED
    return (*lines[:LISTED], f"and {more} more") if more > 0 else lines


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

"""The statistics of runs that are compared: what ``comparison.json`` and the page are computed from.

A search that takes long has a run of its own: runs of the same samples, seed and injections hold the same data
sets, if their features leave out the same events.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from study import study_of

from hepcs._core.errors import ArgumentError, HepcsError, InputError
from hepcs._core.progress import serial_mapper
from hepcs.config.sources import Source
from hepcs.datasets.bootstrap import Kind
from hepcs.datasets.loading import load
from hepcs.output.reading import StoredRun, read_run
from hepcs.output.summary import plain
from hepcs.results import Outcome, SearchResult
from hepcs.searches.cut_and_fit.report import bias_of
from hepcs.searches.cut_and_fit.section import CutAndFit
from hepcs.studies.sensitivity import SearchStatistics

# What decides which events a data set holds.
DATA_SETS = (
    *(f"samples.{key}" for key in ("background", "signal", "signals", "background_half", "pseudo_data")),
    *("regions", "jets", "seed", "injection.epsilon"),
)
# The event features that jet masses are read from: the lighter one, and the difference, TeV.
_MASSES = "event"


@dataclass(frozen=True)
class Stored:
    """Statistics of all searches of some runs, on the data sets that they share.

    Attributes
    ----------
    content
        As in ``comparison_statistics.json``.
    """

    content: Mapping[str, Any]

    @property
    def signals(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(self.content["signals"])

    @property
    def searches(self) -> Mapping[str, Mapping[str, Any]]:
        """What is known of each search, by name."""
        found: Mapping[str, Mapping[str, Any]] = self.content["searches"]
        return found

    def of(self, search: str, signal: str) -> SearchStatistics:
        """Statistics of a search with and without a signal, NaN where others have more data sets."""
        entry = self.searches[search]
        n = max(len(one["null"]) for one in self.searches.values())
        doped = {}
        for epsilon, values in entry["doped"][signal].items():
            m = max(len(one["doped"][signal][epsilon]) for one in self.searches.values())
            doped[int(epsilon)] = _padded(values, m)
        return SearchStatistics(search, _padded(entry["null"], n), doped)


def _padded(values: Sequence[float | None], n: int) -> NDArray[np.float64]:
    found = np.full(n, np.nan)
    found[: len(values)] = np.array(values, dtype=np.float64)
    return found


def collect(runs: Sequence[StoredRun], *, masses: bool = False) -> Stored:
    """What runs of the same data sets hold.

    Parameters
    ----------
    runs
        With doped pseudo-experiments.
    masses
        Read the signal samples again, for the medians of their jet masses.

    Raises
    ------
    ArgumentError
        If the runs do not hold the same data sets, by their cards or numbers of events, or two of them a search of
        one name, or none doped ones.
    """
    first = runs[0].card
    for run in runs[1:]:
        differ = [key for key in DATA_SETS if attrgetter(key)(first) != attrgetter(key)(run.card)]
        if differ:
            raise ArgumentError(
                f"{run.folder} and {runs[0].folder} hold different data sets: their cards differ in "
                f"{', '.join(differ)}"
            )
        _same_events(run, runs[0])
    searches: dict[str, Any] = {}
    for run in runs:
        for search in run.result.searches:
            if search.name in searches:
                raise ArgumentError(
                    f"{run.folder}: another run has a search {search.name!r}, too; rename one"
                )
            searches[search.name] = _entry(run, search)
        for signal in run.card.samples.signal_names:
            for one in study_of(run, signal, shared=True).searches:
                entry = searches[one.name]
                entry["null"] = one.null
                entry["doped"][signal] = {str(epsilon): values for epsilon, values in one.doped.items()}
    content = {
        "runs": [{"name": run.card.name, "digest": run.digest} for run in runs],
        "n_background": np.mean([one.n_events for one in _null(runs[0].result.searches[0])]),
        "n_pool": _pool(runs[0]),
        "signals": _signals(runs[0], masses=masses),
        "priors": _priors(runs),
        "searches": searches,
    }
    found = plain(content)
    assert isinstance(found, dict)
    return Stored(found)


def _same_events(run: StoredRun, first: StoredRun) -> None:
    """Cards do not tell which events lack a feature of theirs; the number of events of a data set does."""
    here, there = ({one.task: one.n_events for one in of.result.searches[0].shared} for of in (run, first))
    differ = [task for task in here.keys() & there.keys() if here[task] != there[task]]
    if differ:
        task = min(differ)
        raise ArgumentError(
            f"{run.folder} and {first.folder} hold different data sets: {here[task]} and {there[task]} events in "
            f"{task}, and so in {len(differ)}; their features leave out different events"
        )


def _priors(runs: Sequence[StoredRun]) -> dict[str, list[str]]:
    """Signal hypotheses that searches are told of, each with the signals whose physics is its own."""
    samples = [run.card.samples for run in runs]
    return {
        name: sorted(
            {
                signal
                for one in samples
                for signal in one.signal_names
                if _physics(one.signals[signal]) == _physics(prior)
            }
        )
        for of in samples
        for name, prior in of.priors.items()
    }


def _physics(source: Source) -> dict[str, Any]:
    """What a source is of, whatever events it holds."""
    return source.model_dump(exclude={"events", "seed"})


def _null(search: SearchResult) -> list[Outcome]:
    return [one for one in search.shared if one.task.kind is Kind.BACKGROUND_ONLY and one.valid]


def _pool(run: StoredRun) -> int:
    """Background events that pseudo-experiments are drawn from."""
    n = next(one.n_evaluation for one in run.result.samples if one.role == "background")
    apart = run.card.samples.pseudo_data
    return n if apart is None else round(n * (1 - 1 / apart.one_in))


def _entry(run: StoredRun, search: SearchResult) -> dict[str, Any]:
    section = run.card.searches[search.name]
    return {
        "title": search.title,
        "kind": section.kind,
        "needs_truth": section.needs_truth,
        "is_told_of_priors": "priors" in section.roles,
        "retrain": not (isinstance(section, CutAndFit) and section.is_trained_once),
        "is_cut": isinstance(section, CutAndFit),
        "seconds": search.seconds,
        "n_failed": sum(not one.valid for one in search.shared),
        "delta_sys": {
            f"{one.efficiency:g}": {
                "value": one.delta,
                "error": one.error,
                "statistical": one.statistical,
                "jsd": one.jsd,
                "chi2_ndof": one.chi2_ndof,
            }
            for one in bias_of(search.outcomes)
        },
        "doped": {},
    }


def _signals(run: StoredRun, *, masses: bool) -> dict[str, Any]:
    """Acceptance of each signal, and medians of its jet masses, GeV."""
    found: dict[str, Any] = {}
    pools = load(run.result.card, serial_mapper).pools if masses else None
    for name in run.card.samples.signal_names:
        report = next(one for one in run.result.samples if one.role.rpartition(".")[2] == name)
        n = report.cutflow.counts[0]
        found[name] = {
            "generated": n,
            "selected": report.n_selected / n,
            "in_region": report.n_evaluation / n,
        }
        if pools is not None:
            lighter, difference = 1000 * np.asarray(pools.signals[name].features[_MASSES])[:, :2].T
            found[name] |= {"lighter": np.median(lighter), "heavier": np.median(lighter + difference)}
    return found


def read_statistics(path: Path) -> Stored:
    """From its file.

    Raises
    ------
    InputError
        If it is none.
    """
    try:
        stored = Stored(json.loads(path.read_text(encoding="utf-8")))
        for search in stored.searches:
            for signal in stored.signals:
                stored.of(search, signal)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, HepcsError) as error:
        raise InputError(
            f"{path}: no statistics of a comparison ({type(error).__name__}: {error}); expected the "
            "comparison_statistics.json of analysis/comparison.py"
        ) from error
    return stored


def opened(paths: Sequence[Path], *, masses: bool) -> Stored:
    """From the folders of runs, or from the file of their statistics; raises as the two above."""
    if len(paths) == 1 and paths[0].suffix == ".json":
        return read_statistics(paths[0])
    return collect([read_run(path) for path in paths], masses=masses)

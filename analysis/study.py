"""The statistics of all pseudo-experiments of a run: what studies are made from, and how they are stored."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError, InputError
from hepcs._core.storage import write_text
from hepcs.datasets.bootstrap import Kind, Task
from hepcs.output.reading import StoredRun, read_run
from hepcs.output.summary import plain
from hepcs.results import Outcome
from hepcs.searches.cluster_scanning.section import ClusterScanning
from hepcs.studies.sensitivity import SearchStatistics


@dataclass(frozen=True)
class Study:
    """Statistics of all pseudo-experiments of a run.

    Attributes
    ----------
    name
        Of the run.
    searches
        In the order of the run.
    titles
        Names for people.
    realistic
        Searches that need no truth.
    digest
        Of the results of the run.
    n_background
        Background events in the evaluation region of a data set.
    k, ensemble
        Clusters, and scans of a data set, of Cluster Scanning; None for a run without it.
    """

    name: str
    searches: tuple[SearchStatistics, ...]
    titles: Mapping[str, str]
    realistic: tuple[str, ...]
    digest: str
    n_background: int
    k: int | None
    ensemble: int | None

    @property
    def n_null(self) -> int:
        """Background-only pseudo-experiments."""
        return int(self.searches[0].null.size)

    @property
    def n_doped(self) -> int:
        """Doped pseudo-experiments for each epsilon."""
        return min(values.size for values in self.searches[0].doped.values())


def study_of(run: StoredRun, signal: str | None = None, *, shared: bool = False) -> Study:
    """The statistics of a finished run: of its searches that have doped pseudo-experiments.

    Of one `signal`, where the run has several; of the data sets that calibrate each search, or of those `shared`
    by all.

    Searches with fewer pseudo-experiments than others have NaN in place of the others, so that entry i is the same
    pseudo-experiment in all.

    Raises
    ------
    ArgumentError
        If it has no doped pseudo-experiments, or several signals and none is named.
    """
    signals = run.card.samples.signal_names
    if signal is None:
        if len(signals) > 1:
            raise ArgumentError(
                f"{run.folder}: its pseudo-experiments hold several signals, {', '.join(signals)}, and a study is "
                "of one. Run the card with one of them as samples.signal"
            )
        signal = "".join(signals)
    found = [search for search in run.result.searches if search.doped]
    names = [search.name for search in found]
    epsilons = sorted(
        {one.injection.epsilon for search in found for one in search.doped if one.injection.signal == signal}
    )
    if not found:
        raise ArgumentError(
            f"{run.folder}: no doped pseudo-experiments, so nothing tells how Z rises with the signal: "
            "ask for some by pseudo_experiments.doped and injection.epsilon, and run again"
        )
    searches = tuple(
        SearchStatistics(
            search.name,
            _in_order(run, names, search.name, Task(Kind.BACKGROUND_ONLY, 0, 0), shared=shared),
            {
                epsilon: _in_order(
                    run, names, search.name, Task(Kind.DOPED, epsilon, 0, signal), shared=shared
                )
                for epsilon in epsilons
            },
        )
        for search in found
    )
    outcomes = found[0].outcomes
    # Of the observed data set without signal, if there is one; the pseudo-experiments fluctuate around it.
    n_events = [one.n_events for one in outcomes if one.task.kind is Kind.OBSERVED and one.task.epsilon == 0]
    n_events = n_events or [one.n_events for one in outcomes if one.task.kind is Kind.BACKGROUND_ONLY]
    scanning = run.card.searches.get("cluster_scanning")
    return Study(
        name=run.card.name,
        searches=searches,
        titles={search.name: search.title for search in found},
        realistic=tuple(search.name for search in found if not run.result.knows_truth(search.name)),
        digest=run.digest,
        n_background=round(float(np.mean(n_events))),
        k=scanning.k if isinstance(scanning, ClusterScanning) else None,
        ensemble=scanning.ensemble if isinstance(scanning, ClusterScanning) else None,
    )


def _in_order(
    run: StoredRun, names: Sequence[str], name: str, like: Task, *, shared: bool
) -> NDArray[np.float64]:
    """Statistics of a search by index of the data sets `like` a task, as far as any of `names` goes; else NaN."""

    def outcomes(of: str) -> tuple[Outcome, ...]:
        return run.outcomes(of, like.kind, like.epsilon, like.signal, shared=shared)

    size = max(1 + max((one.task.index for one in outcomes(name)), default=-1) for name in names)
    values = np.full(size, np.nan)
    for outcome in outcomes(name):
        if outcome.valid:
            # Six digits: what counting can tell apart, in a third of the space of a file.
            values[outcome.task.index] = float(f"{outcome.statistic:.6g}")
    return values


def to_json(study: Study) -> dict[str, Any]:
    """A study in plain JSON types; NaN is null."""
    content = {
        "name": study.name,
        "digest": study.digest,
        "n_background": study.n_background,
        "k": study.k,
        "ensemble": study.ensemble,
        "realistic": study.realistic,
        "titles": dict(study.titles),
        "searches": {
            search.name: {
                "background_only": search.null,
                "doped": {str(epsilon): values for epsilon, values in search.doped.items()},
            }
            for search in study.searches
        },
    }
    found = plain(content)
    assert isinstance(found, dict)
    return found


def from_json(path: Path) -> Study:
    """A study from its file; raises InputError if it is not one."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        searches = tuple(
            SearchStatistics(
                name,
                np.array(entry["background_only"], dtype=np.float64),
                {int(e): np.array(values, dtype=np.float64) for e, values in entry["doped"].items()},
            )
            for name, entry in content["searches"].items()
        )
        return Study(
            content["name"],
            searches,
            content["titles"],
            tuple(content["realistic"]),
            content["digest"],
            content["n_background"],
            content["k"],
            content["ensemble"],
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: no statistics of a study ({type(error).__name__}: {error}). Give the folder of a run, or a "
            "statistics.json that this script wrote"
        ) from error


def open_study(path: Path) -> Study:
    """A study from the folder of a run or from a file of statistics."""
    return from_json(path) if path.suffix == ".json" else study_of(read_run(path))


def write_statistics(path: Path, study: Study) -> None:
    """Store the statistics of a study, for :func:`open_study`."""
    write_compact(path, to_json(study))


def write_compact(path: Path, content: Any) -> None:
    """Compact JSON: there are many numbers."""
    write_text(path, json.dumps(content, separators=(",", ":"), allow_nan=False) + "\n")

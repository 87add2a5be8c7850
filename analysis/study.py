"""The statistics of all pseudo-experiments of a run: what studies are made from, and how they are stored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hepcs._core.errors import ArgumentError, InputError
from hepcs._core.storage import write_text
from hepcs.calibration.sensitivity import SearchStatistics
from hepcs.config.samples import SIGNAL
from hepcs.config.schema import Card
from hepcs.datasets.bootstrap import Kind
from hepcs.output.reading import StoredRun, read_run
from hepcs.output.summary import plain
from hepcs.searches.cluster_scanning.restoring import StoredEnsemble
from hepcs.searches.cluster_scanning.section import ClusterScanning


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
        Clusters, and scans of a data set.
    """

    name: str
    searches: tuple[SearchStatistics, ...]
    titles: Mapping[str, str]
    realistic: tuple[str, ...]
    digest: str
    n_background: int
    k: int
    ensemble: int

    @property
    def n_null(self) -> int:
        """Background-only pseudo-experiments."""
        return int(self.searches[0].null.size)

    @property
    def n_doped(self) -> int:
        """Doped pseudo-experiments for each epsilon."""
        return min(values.size for values in self.searches[0].doped.values())


def study_of(run: StoredRun) -> Study:
    """The statistics of a finished run.

    Raises
    ------
    ArgumentError
        If it has no doped pseudo-experiments.
    """
    epsilons = [epsilon for epsilon in run.card.injection.of(SIGNAL) if epsilon > 0]
    if not epsilons or run.card.pseudo_experiments.doped == 0:
        raise ArgumentError(
            f"{run.folder}: no doped pseudo-experiments, so nothing tells how Z rises with the signal: "
            "ask for some by pseudo_experiments.doped and injection.epsilon, and run again"
        )
    searches = tuple(
        SearchStatistics(
            name,
            _in_order(run, name, Kind.BACKGROUND_ONLY, 0),
            {epsilon: _in_order(run, name, Kind.DOPED, epsilon) for epsilon in epsilons},
        )
        for name in run.names
    )
    outcomes = run.search(run.names[0]).outcomes
    # Of the observed data set without signal, if there is one; the pseudo-experiments fluctuate around it.
    n_events = [one.n_events for one in outcomes if one.task.kind is Kind.OBSERVED and one.task.epsilon == 0]
    n_events = n_events or [one.n_events for one in outcomes if one.task.kind is Kind.BACKGROUND_ONLY]
    scanning = section_of(run, "cluster_scanning")
    return Study(
        name=run.card.name,
        searches=searches,
        titles={search.name: search.title for search in run.result.searches},
        realistic=tuple(name for name in run.names if not needs_truth(run.card, name)),
        digest=run.digest,
        n_background=round(float(np.mean(n_events))),
        k=scanning.k,
        ensemble=scanning.ensemble,
    )


def _in_order(run: StoredRun, name: str, kind: Kind, epsilon: int) -> np.ndarray:
    """Statistics by the index of the pseudo-experiment; NaN where there is none."""
    found = [
        outcome
        for outcome in run.search(name).outcomes
        if outcome.task.kind is kind and outcome.task.epsilon == epsilon
    ]
    found.sort(key=lambda outcome: outcome.task.index)
    # Six digits: what counting can tell apart, in a third of the space of a file.
    return np.array([float(f"{outcome.statistic:.6g}") if outcome.valid else np.nan for outcome in found])


def section_of(run: StoredRun, name: str) -> ClusterScanning:
    """The section of a search that scans clusters."""
    section = run.card.searches[name]
    assert isinstance(section, ClusterScanning)
    return section


def ensemble_of(run: StoredRun, name: str, epsilon: int) -> StoredEnsemble:
    """The cluster scans of an observed data set."""
    ensemble = run.observed(name, epsilon).observation.result
    assert isinstance(ensemble, StoredEnsemble)
    return ensemble


def needs_truth(card: Card, name: str) -> bool:
    """Whether a search could not be done with real data."""
    return card.searches[name].needs_truth


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

"""Cluster Scanning as a search."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from toys import BINS, toy_pools

from hepcs._core.errors import ComputationError
from hepcs.config.searches import ClusterScanning, Statistic
from hepcs.datasets.bootstrap import Kind, Task, draw_data_set, spectrum
from hepcs.searches.cluster_scanning.search import ClusterScanSearch

SECTION = ClusterScanning(k=16, ensemble=3)


def search(**changes: object) -> ClusterScanSearch:
    return replace(ClusterScanSearch(toy_pools(), SECTION, Statistic(), 1), **changes)  # type: ignore[arg-type]


def test_an_event_counts_with_both_its_jets() -> None:
    one = search()
    task = Task(Kind.DOPED, 200, 0)
    data = draw_data_set(one.pools, task, one.seed)
    for scan in one.scan(task).scans:
        np.testing.assert_array_equal(scan.spectra.sum(axis=0), 2 * spectrum(data, BINS))


def test_the_statistic_is_the_mean_of_the_ensemble() -> None:
    outcome = search().run(Task(Kind.DOPED, 200, 0))
    assert len(outcome.members) == 3
    assert outcome.statistic == pytest.approx(np.mean(outcome.members))
    assert len(set(outcome.members)) > 1, "members with the same seed"


def test_a_task_gives_the_same_whenever_it_is_run() -> None:
    tasks = [Task(Kind.BACKGROUND_ONLY, 0, index) for index in range(3)]
    forward = [search().run(task) for task in tasks]
    backward = [search().run(task) for task in reversed(tasks)][::-1]
    assert forward == backward


def test_observing_gives_what_running_gives() -> None:
    task = Task(Kind.OBSERVED, 300, 0)
    observation = search().observe(task)
    assert observation.outcome == search().run(task)
    paths = {named.path for named in observation.histograms}
    assert {"member_00/spectra", "member_02/background_estimate"} <= paths
    for named in observation.histograms:
        if named.path.endswith("/spectra"):
            assert named.histogram.sum() == 2 * observation.outcome.n_events


def test_an_injected_signal_raises_the_statistic() -> None:
    one = search()
    null = [one.run(Task(Kind.BACKGROUND_ONLY, 0, i)).statistic for i in range(30)]
    doped = [one.run(Task(Kind.DOPED, 400, i)).statistic for i in range(5)]
    assert min(doped) > max(null)


def test_too_few_training_jets() -> None:
    with pytest.raises(ComputationError, match=r"fewer than cluster_scanning\.k = 5000"):
        search(section=ClusterScanning(k=5000)).run(Task(Kind.BACKGROUND_ONLY, 0, 0))

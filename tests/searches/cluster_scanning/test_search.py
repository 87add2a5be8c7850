"""Cluster Scanning as a search."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from toys import BINS, POOLS, doped, null, toy_pools

from hepcs._core.errors import ComputationError
from hepcs.datasets.bootstrap import DataSet, whole
from hepcs.searches.base import Inputs
from hepcs.searches.cluster_scanning.clustering import scale_of
from hepcs.searches.cluster_scanning.search import ClusterScanSearch, ScanEnsemble
from hepcs.searches.cluster_scanning.section import ClusterScanning, TrendWindows

SECTION = ClusterScanning(k=16, ensemble=3)


def search(**changes: object) -> ClusterScanSearch:
    return ClusterScanSearch("cluster_scanning", "Cluster Scanning", SECTION.model_copy(update=changes))


def scan(one: ClusterScanSearch, data: DataSet, seed: int = 1) -> ScanEnsemble:
    inputs = Inputs(injected=data.injected)
    rng = np.random.default_rng(seed)
    return one.judge(one.fit(data.view, inputs, rng), data.view, inputs, rng)


def test_an_event_counts_with_both_its_jets() -> None:
    data = doped(200)
    for one in scan(search(), data).scans:
        np.testing.assert_array_equal(one.spectra.sum(axis=0), 2 * data.view.spectrum)


def test_the_statistic_is_that_of_the_ensemble() -> None:
    found = scan(search(), doped(200))
    assert len(found.members) == 3
    assert found.statistic == pytest.approx(np.mean(found.members))
    assert len(set(found.members)) > 1, "members with the same seed"
    by_median = scan(search(combination="median"), doped(200))
    assert by_median.statistic == pytest.approx(np.median(found.members))
    by_window = scan(search(combination="by_window", windows=TrendWindows()), doped(200))
    windows = np.mean([one.by_window for one in by_window.scans], axis=0)
    assert by_window.statistic == pytest.approx(windows.max())
    assert by_window.statistic <= np.mean(by_window.members)


def test_the_generator_alone_decides() -> None:
    assert scan(search(), null(0)).members == scan(search(), null(0)).members
    assert scan(search(), null(0)).members != scan(search(), null(0), seed=2).members


def test_what_is_observed_is_what_was_found() -> None:
    data = doped(300)
    found = scan(search(), data)
    observation = search().observe(found, data.view, data.injected)
    by_path = {named.path: named.histogram for named in observation.histograms}
    assert {"member_00/spectra", "member_02/background_estimate"} <= set(by_path)
    assert by_path["member_01/spectra"].sum() == 2 * data.view.n_events
    injected = by_path["member_00/signal_spectra"].values()
    np.testing.assert_array_equal(
        injected.sum(axis=0), 2 * data.view.bins.counts(data.view.m_jj[data.injected])
    )
    chosen = found.scans[found.representative]
    assert observation.spectrum is not None
    np.testing.assert_array_equal(observation.spectrum.observed, chosen.observed)
    np.testing.assert_array_equal(observation.spectrum.expected, chosen.expected)
    assert observation.summary["selected_clusters"][0]["sfi"] > 1, (
        "the signal lifts the most deviating cluster"
    )


def test_clusters_of_events_say_that_they_are() -> None:
    data, one = doped(300), search(features="event")
    observation = one.observe(scan(one, data), data.view, data.injected)
    assert observation.spectrum is not None
    assert observation.spectrum.unit == "events"
    assert "events of the signal-rich clusters" in observation.spectrum.what
    assert all("events" in row and "jets" not in row for row in observation.summary["selected_clusters"])
    spectra = next(one.histogram for one in observation.histograms if one.path == "member_00/spectra")
    assert spectra.sum() == data.view.n_events


def test_a_real_search_says_nothing_of_the_truth() -> None:
    data = doped(300)
    observation = search().observe(scan(search(), data), data.view, None)
    assert not [named for named in observation.histograms if "signal_spectra" in named.path]
    assert {row["sfi"] for row in observation.summary["selected_clusters"]} == {None}


def test_others_of_the_same_clusterings_keep_the_essentials() -> None:
    data, one = doped(300), search()
    found = scan(one, data)
    other = ClusterScanSearch("theta", "theta", one.section, shows_all=False)
    assert other.fit_key == one.fit_key
    folders = {named.path.split("/")[0] for named in other.observe(found, data.view, None).histograms}
    assert folders == {f"member_{found.representative:02d}"}


def test_clusters_are_found_once_of_the_background() -> None:
    one = search(features="event", retrain=False, scale="each", windows=TrendWindows(combination="largest"))
    assert one.section.roles == ("background",)
    assert not one.cost.retrain
    one = dataclasses.replace(one, scale=scale_of(POOLS.background, one.section))
    prepared = one.prepare(Inputs({"background": whole(POOLS.background, BINS)}), np.random.default_rng(1))
    models = [scan(prepared, null(i)).clusterings[0].model for i in range(2)]
    assert models[0] is models[1]
    without = [scan(prepared, null(i)).statistic for i in range(20)]
    with_signal = [scan(prepared, doped(300, i)).statistic for i in range(5)]
    assert min(with_signal) > max(without)
    data = doped(300)
    held = prepared.observe(scan(prepared, data), data.view, data.injected)
    selected = held.summary["selected_clusters"]
    sizes = {row["cluster"]: row["events"] for row in selected}
    assert [len(group.jets) for group in held.groups] == [2 * sizes[one] for one in sorted(sizes)]


def test_an_injected_signal_raises_the_statistic() -> None:
    one = search()
    without = [scan(one, null(i), i).statistic for i in range(30)]
    with_signal = [scan(one, doped(400, i), i).statistic for i in range(5)]
    assert min(with_signal) > max(without)


def test_what_is_judged_otherwise_shares_its_clusterings() -> None:
    for change in ({"theta": 2.5}, {"neighbours": 2}, {"combination": "median"}, {"idealised": True}):
        assert search(**change).fit_key == search().fit_key, change
    for change in (
        {"k": 12},
        {"training": (3400.0, 3600.0)},
        {"jets": "leading"},
        {"train_on_injected": False},
        {"scale": "each"},
        {"weights": (1.0, 0.5)},
        {"retrain": False},
    ):
        assert search(**change).fit_key != search().fit_key, change


def test_too_few_training_jets() -> None:
    with pytest.raises(ComputationError, match=r"fewer than k = 5000"):
        scan(search(k=5000), null(0))
    assert toy_pools().background.n_events == 6000

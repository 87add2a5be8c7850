"""The summary and the digest."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from toy_run import toy_run

from hepcs.datasets.bootstrap import Kind
from hepcs.output.summary import plain, results_digest, summarise
from hepcs.results import NamedHistogram, RunResult, SearchResult


def changed_search(change: Callable[[SearchResult], SearchResult]) -> RunResult:
    """The toy run with its first search changed."""
    result = toy_run()
    return dataclasses.replace(result, searches=(change(result.searches[0]), *result.searches[1:]))


def invalid_first(search: SearchResult) -> SearchResult:
    """The first observed data set without a statistic."""
    outcome = dataclasses.replace(search.outcomes[0], statistic=math.nan, valid=False)
    observed = dataclasses.replace(search.observed[0], outcome=outcome, calibration=None)
    return dataclasses.replace(
        search, outcomes=(outcome, *search.outcomes[1:]), observed=(observed, *search.observed[1:])
    )


def test_it_is_strict_json_and_stays_the_same_when_read() -> None:
    content = summarise(toy_run())
    assert json.loads(json.dumps(content, allow_nan=False)) == content


def test_the_table_has_every_search_and_epsilon() -> None:
    result = toy_run()
    table = summarise(result)["table"]
    assert [(entry["search"], entry["epsilon"]) for entry in table] == [
        (search, epsilon) for search in ("cluster_scanning", "fit_3", "fit_4") for epsilon in (0, 150)
    ]
    entry, calibration = table[0], result.searches[0].observed[0].calibration
    assert calibration is not None
    assert entry["statistic"] == calibration.observed
    assert entry["p"] == calibration.n_above / 40
    assert entry["p_interval_68"] == [calibration.p_low, calibration.p_high]
    assert entry["z_interval_68"] == [calibration.z_low, calibration.z_high]
    assert entry["valid"] is True
    # The injected signal lies above all pseudo-experiments.
    assert table[1]["bound"] == "lower"
    assert table[1]["p"] == 1 / 40
    assert table[1]["z_interval_68"][1] is None


def test_doped_pseudo_experiments_have_quartiles() -> None:
    entry = summarise(toy_run())["doped"][0]
    statistics = toy_run().searches[0].statistics(Kind.DOPED, 150, "signal")
    assert (entry["search"], entry["epsilon"], entry["n_used"]) == ("cluster_scanning", 150, 5)
    assert entry["statistic_quartiles"][1] == pytest.approx(np.median(statistics))
    assert entry["z"]["median"]["bound"] == "lower"


def test_where_the_numbers_come_from() -> None:
    content = summarise(toy_run())
    sample = content["samples"]["labelled"]
    assert sample["inputs"] == [
        {"path": "events.h5", "size": 1234, "n_entries": 9000, "digest": "sha256:00ff", "protected": True}
    ]
    assert sample["cutflow"][1] == {"step": "leading jet pT > 1200 GeV", "events": 6000}
    assert sample["rejections"] == [{"file": "events.h5", "entry": 17, "reason": "no constituents"}]
    assert content["card"]["given"]["searches"]["cluster_scanning"] == {"k": 8, "ensemble": 2}
    assert content["card"]["resolved"]["searches"]["cluster_scanning"]["theta"] == 3.0
    assert content["seeds"] == {"run": 7, "generators": {}}
    assert content["provenance"]["versions"] == {"python": "3.11"}
    assert content["warnings"] == ["a warning"]
    assert content["features"]["image_pca"]["dimension"] == 6
    assert sample["lacking"] == {"image_pca": 3}
    assert (sample["n_weightless_constituents"], sample["n_repeated"]) == (7, 2)
    assert content["provenance"]["openings"] == ["2024-02-27T12:30:00+00:00: pseudo-data"]
    assert content["bins"]["edges"] == list(range(3000, 4601, 100))


def test_searches_say_what_they_counted() -> None:
    search = summarise(toy_run())["searches"][1]
    assert search["data_sets"] == [
        {"kind": "observed", "epsilon": 0, "signal": "", "n": 1, "n_invalid": 0},
        {"kind": "observed", "epsilon": 150, "signal": "signal", "n": 1, "n_invalid": 0},
        {"kind": "background-only", "epsilon": 0, "signal": "", "n": 40, "n_invalid": 0},
        {"kind": "doped", "epsilon": 150, "signal": "signal", "n": 5, "n_invalid": 0},
    ]
    assert search["observed"][0]["summary"]["fit"]["ndof"] == 13


def test_a_failed_data_set_is_counted_and_has_no_number() -> None:
    content = summarise(changed_search(invalid_first))
    entry = content["table"][0]
    assert entry["statistic"] is None
    assert entry["valid"] is False
    assert entry["p"] is None
    assert content["searches"][0]["n_invalid"] == 1
    assert content["searches"][0]["data_sets"][0]["n_invalid"] == 1
    json.dumps(content, allow_nan=False)


def test_the_digest_depends_on_the_numbers_alone() -> None:
    result = toy_run()
    provenance = dataclasses.replace(result.provenance, workers=7, started="later", processor="another")
    searches = tuple(dataclasses.replace(search, seconds=99.0) for search in result.searches)
    elsewhere = dataclasses.replace(result, provenance=provenance, searches=searches, warnings=())
    assert results_digest(elsewhere) == results_digest(result) == summarise(result)["digest"]
    assert len(results_digest(result)) == 64
    assert results_digest(toy_run.__wrapped__()) == results_digest(result)


def nudge_member(search: SearchResult) -> SearchResult:
    last = search.outcomes[-1]
    members = (np.nextafter(last.members[0], 9.0), *last.members[1:])
    return dataclasses.replace(
        search, outcomes=(*search.outcomes[:-1], dataclasses.replace(last, members=members))
    )


def nudge_histogram(search: SearchResult) -> SearchResult:
    first = search.observed[0]
    named = first.observation.histograms[0]
    histogram = named.histogram.copy()
    histogram.view()[0] += 1
    histograms = (NamedHistogram(named.path, named.title, histogram), *first.observation.histograms[1:])
    observation = dataclasses.replace(first.observation, histograms=histograms)
    changed = dataclasses.replace(first, observation=observation)
    return dataclasses.replace(search, observed=(changed, *search.observed[1:]))


def nudge_calibration(search: SearchResult) -> SearchResult:
    first = search.observed[0]
    assert first.calibration is not None
    calibration = dataclasses.replace(first.calibration, p=0.123)
    return dataclasses.replace(
        search, observed=(dataclasses.replace(first, calibration=calibration), *search.observed[1:])
    )


def nudge_shared(search: SearchResult) -> SearchResult:
    last = search.shared[-1]
    nudged = dataclasses.replace(last, statistic=last.statistic + 1e-9)
    return dataclasses.replace(search, shared=(*search.shared[:-1], nudged))


def test_all_searches_together() -> None:
    entry, combined = summarise(toy_run())["combined"][1], toy_run().combined[1]
    assert combined.combination is not None
    assert (entry["epsilon"], entry["signal"]) == (150, "signal")
    assert entry["searches"] == ["cluster_scanning", "fit_3", "fit_4"]
    assert entry["best_search"] == "cluster_scanning"
    assert entry["bound"] == "lower"
    assert entry["p_smoothed"] == combined.combination.p
    assert entry["doped"]["z"]["median"]["z"] == combined.doped.z.median.z  # type: ignore[union-attr]


def test_a_blind_run_says_so_and_has_nothing_observed() -> None:
    content = summarise(toy_run(blind=True))
    assert content["blind"] is True
    assert content["table"] == []
    assert [search["observed"] for search in content["searches"]] == [[], [], []]
    assert {one["p"] for one in content["combined"]} == {None}
    assert len(content["doped"]) == 3
    assert summarise(toy_run())["blind"] is False


def test_studies_are_marked() -> None:
    searches = "{fit_3: {kind: dijet_fit, parameters: 3}, idealised_fit: {}}"
    content = summarise(toy_run(searches=searches))
    for part in ("table", "doped", "searches"):
        marks = {entry["search"]: entry["needs_truth"] for entry in content[part]}
        assert marks == {"fit_3": False, "idealised_fit": True}


@pytest.mark.parametrize(
    "change", [invalid_first, nudge_member, nudge_histogram, nudge_calibration, nudge_shared]
)
def test_any_other_number_changes_the_digest(change: Callable[[SearchResult], SearchResult]) -> None:
    assert results_digest(changed_search(change)) != results_digest(toy_run())


def test_plain() -> None:
    assert plain({"a": np.float32(0.5), 3: (np.int64(2), np.nan, -np.inf, True, None)}) == {
        "a": 0.5,
        "3": [2, None, None, True, None],
    }
    assert plain(np.array([[1.0, np.nan]])) == [[1.0, None]]
    assert plain(Path("a") / "b") == "a/b"

"""The comparison of searches: from a finished run to its numbers, table and figure."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest
from toy_command import toy_folder
from toy_events import write_toys

from hepcs import pipeline
from hepcs._core.errors import ArgumentError
from hepcs.config import read_card
from hepcs.datasets.bootstrap import Kind
from hepcs.output import StoredRun, read_run, write_run

ANALYSIS = Path(__file__).parents[2] / "analysis"
CARD = """\
name: toy
samples:
  background: {kind: root, files: background.root}
  signals:
    near: {kind: root, files: signal.root}
    far: {kind: root, files: far.root}
injection: {epsilon: {near: [0, 40, 150], far: [60]}}
searches:
  fit_4: {kind: dijet_fit, parameters: 4}
  fit_3: {kind: dijet_fit, parameters: 3}
  idealised_fit: {}
pseudo_experiments: {background_only: 110, doped: 20}
execution: {cache: cache, workers: 1}
output: {figures: [png]}
"""
SCRIPTS = (
    *("study", "sensitivity", "paper_numbers", "comparison_statistics", "comparison_rows"),
    *("comparison_null_page", "comparison_page"),
    *("comparison_figures", "comparison"),
)
RESULTS = ANALYSIS / "results"
UNIFORMITY = {
    **{"n_parts": 100, "n_folds": 4, "n_null": 1000, "n_events": 500},
    "searches": {
        "fit_3": {"p": [0.005, 0.03, *np.linspace(0.06, 1, 98)], "kolmogorov_smirnov": 0.7},
        "together": {"p": [None, *np.linspace(0, 1, 99)], "kolmogorov_smirnov": 0.6},
    },
}


@pytest.fixture(scope="module")
def module() -> Iterator[ModuleType]:
    """The script, which imports others beside it as it does when it is run."""
    sys.path.insert(0, str(ANALYSIS))
    loaded: list[str] = []
    for name in SCRIPTS:
        spec = importlib.util.spec_from_file_location(name, ANALYSIS / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
        loaded.append(name)
    # The bootstrap is tested elsewhere.
    sys.modules["comparison"].BOOTSTRAPS = 20  # type: ignore[attr-defined]
    sys.modules["comparison"].LEAST_TOGETHER = 100  # type: ignore[attr-defined]
    yield sys.modules["comparison"]
    sys.path.remove(str(ANALYSIS))
    for name in loaded:
        del sys.modules[name]


def collect(runs: list[StoredRun]) -> Any:
    return sys.modules["comparison_statistics"].collect(runs)


def read_statistics(path: Path) -> Any:
    return sys.modules["comparison_statistics"].read_statistics(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = toy_folder(tmp_path_factory.mktemp("comparison"), CARD)
    write_toys(folder / "far.root", 300, 5, resonance=4000.0)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        patched.setattr("hepcs.output.make_figures", lambda result, **_: ())
        write_run(pipeline.run(read_card("toy.yaml")), folder / "run")
    return folder / "run"


@pytest.fixture(scope="module")
def content(module: ModuleType, folder: Path) -> dict[str, Any]:
    return module.compare(collect([read_run(folder)]), UNIFORMITY)


def test_every_search_against_every_signal(content: dict[str, Any], folder: Path) -> None:
    assert [*content["signals"]] == ["near", "far"]
    assert {*content["searches"]} == {"fit_4", "fit_3", "idealised_fit"}
    run = read_run(folder)
    for name, entry in content["searches"].items():
        null = [one.statistic for one in run.outcomes(name, Kind.BACKGROUND_ONLY, shared=True) if one.valid]
        assert entry["null"]["n"] == len(null) >= 109
        assert entry["null"]["mean"] == pytest.approx(np.mean(null))
        assert entry["seconds"] > 0
        assert {*entry["n3sigma"]} == {"near", "far"}
        for found in entry["n3sigma"].values():
            if found["value"] is None:
                assert found["reason"]
            else:
                assert 0 < found["value"] <= 150
                assert found["low"] is None or found["low"] <= found["value"] + 1e-9
    # A narrow resonance of 150 among 2,000 events is seen by a fit.
    assert content["searches"]["fit_3"]["n3sigma"]["near"]["value"] < 150
    assert content["searches"]["idealised_fit"]["needs_truth"]
    assert content["best"]["near"] != "idealised_fit"


def test_the_size_of_the_signal_is_measured(content: dict[str, Any]) -> None:
    found = content["searches"]["idealised_fit"]["signal_size"]["near"]
    assert found["epsilon"] == [40, 150]
    assert found["median"][0] < found["median"][1] <= 150
    assert found["coverage"] == pytest.approx([0.68, 0.68], abs=0.35)


def test_what_counting_cannot_reach_is_no_number(content: dict[str, Any]) -> None:
    """110 background-only data sets reach 2.4, and a combination is never read as if it were normal."""
    assert {*content["combined"]} == {"smallest_p", "fisher", "rank_sum"}
    for entry in content["combined"].values():
        for signal, found in entry["n3sigma"].items():
            assert found["value"] is None
            assert "reaches Z = 2.37, not 3" in found["reason"]
            assert entry["over_best"][signal] is None


def test_a_combination_over_the_best_search(module: ModuleType) -> None:
    searches = {
        "one": {"n3sigma": {"a": {"value": 80.0, "bound": None}, "b": {"value": 50.0, "bound": "upper"}}}
    }
    found = {"value": 100.0, "bound": None}
    assert module._over(found, searches, "one", "a") == 1.25
    assert module._over(found, searches, "one", "b") is None, "the best needs 50 or fewer"
    assert module._over({"value": None, "bound": None}, searches, "one", "a") is None
    entry = {"title": "both", "over_best": {"a": 1.25, "b": None}}
    assert sys.modules["comparison_rows"].over_text(entry) == (
        "both, at most 1.25 times what the best of its searches for a signal needs; no value for b"
    )


def test_the_size_of_null_p_values_is_given_with_its_interval(content: dict[str, Any]) -> None:
    entry = content["searches"]["fit_3"]
    assert entry["null_ks_p"] == 0.7
    assert entry["size"]["0.05"]["value"] == pytest.approx(0.02)
    exact = binomtest(2, 100).proportion_ci(0.6827, method="exact")
    assert (entry["size"]["0.05"]["low"], entry["size"]["0.05"]["high"]) == pytest.approx(exact, abs=1e-5)
    assert entry["size"]["0.01"]["value"] == pytest.approx(0.01)
    assert content["searches"]["fit_4"]["null_ks_p"] is None


def test_a_run_of_other_data_sets_is_refused(module: ModuleType, folder: Path) -> None:
    run = read_run(folder)
    with pytest.raises(ArgumentError, match="another run has a search 'fit_4', too"):
        collect([run, run])
    card = run.card.model_copy(update={"seed": 2})
    other = replace(run, result=replace(run.result, card=replace(run.result.card, card=card)))
    with pytest.raises(ArgumentError, match="their cards differ in seed"):
        collect([run, other])
    first, *rest = run.result.searches
    moved = replace(first, shared=tuple(replace(one, n_events=one.n_events + 1) for one in first.shared))
    other = replace(run, result=replace(run.result, searches=(moved, *rest)))
    with pytest.raises(ArgumentError, match="their features leave out different events"):
        collect([run, other])


def test_gain_over_a_fixed_search(module: ModuleType) -> None:
    together = {"a": {"value": 100.0}, "b": {"value": 50.0}, "c": {"value": None}}
    alone = {
        "a": {"value": 90.0, "beyond": None},
        "b": {"value": None, "beyond": 200.0},
        "c": {"value": 10.0, "beyond": None},
    }
    found = module._gain(together, alone)
    assert found == {"mean": pytest.approx((0.9 * 4) ** 0.5), "least": 0.9, "most": 4.0, "is_least": True}


def test_the_command_writes_numbers_page_and_figures(
    module: ModuleType,
    folder: Path,
    content: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "opened", lambda paths, **_: opened(paths, masses=False))
    output, uniformity = tmp_path / "results", tmp_path / "uniformity.json"
    opened = sys.modules["comparison_statistics"].opened
    output.mkdir()
    uniformity.write_text(json.dumps(UNIFORMITY))
    assert module.main([str(folder), "--output", str(output), "--uniformity", str(uniformity)]) == 0
    assert json.loads((output / "comparison.json").read_text()) == json.loads(json.dumps(content))
    for name in ("n3sigma", "curves", "cost", "null"):
        assert (output / "figures" / f"comparison_{name}.png").stat().st_size > 10_000
    shown = capsys.readouterr().out
    for word in ("4-parameter fit", "near", "far", "needs the truth", "all together: smallest p"):
        assert word in shown
    # What is stored is enough.
    stored = read_statistics(output / "comparison_statistics.json")
    assert json.dumps(module.compare(stored, UNIFORMITY)) == json.dumps(content)
    uniformity.write_text("{}")
    assert module.main([str(folder), "--uniformity", str(uniformity)]) == 3
    assert "no p-values of independent data sets" in capsys.readouterr().out
    assert module.main([str(uniformity)]) == 3
    assert "no statistics of a comparison" in capsys.readouterr().out


def test_the_stored_page_is_that_of_the_stored_numbers(module: ModuleType) -> None:
    """Every number of the page comes from ``comparison.json``, and every value there from the statistics."""
    content = json.loads((RESULTS / "comparison.json").read_text())
    boxes = json.loads((RESULTS / "boxes.json").read_text())
    page = sys.modules["comparison_page"].page(content, boxes)
    assert (ANALYSIS / "COMPARISON.md").read_text() == page
    stored = read_statistics(RESULTS / "comparison_statistics.json")
    uniformity = json.loads((RESULTS / "uniformity.json").read_text())
    again = module.compare(stored, uniformity)
    assert {*again["searches"]} == {*content["searches"]}
    for name, entry in again["searches"].items():
        for signal, found in entry["n3sigma"].items():
            # The intervals need more replicas than a test has time for.
            kept = {key: value for key, value in found.items() if key not in {"low", "high"}}
            assert kept.items() <= content["searches"][name]["n3sigma"][signal].items(), (name, signal)
        for key in ("null", "null_ks_p", "size"):
            assert entry[key] == content["searches"][name][key], (name, key)
    assert again["best"] == content["best"]

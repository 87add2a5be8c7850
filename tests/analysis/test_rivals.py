"""The searches of the LHC Olympics: the page holds the stored numbers, and they are right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rivals
import rivals_page
from scipy.stats import norm
from toy_command import toy_folder

from hepcs.config import read_card
from hepcs.datasets.bootstrap import DataSet, EventView, Kind, Part
from hepcs.datasets.samples import MassBins, Sample
from hepcs.searches.cut_and_fit.training import Scores
from hepcs.searches.cut_and_fit.windows import sliding_windows

ANALYSIS = Path(__file__).parents[2] / "analysis"
CARD = """\
name: toy
samples:
  background: {kind: root, files: background.root}
  signals: {olympics: {kind: root, files: signal.root}}
injection: {epsilon: [0, 60, 150]}
searches:
  fit: {kind: dijet_fit, parameters: 3, toys: false}
  bound: {kind: idealised_fit}
pseudo_experiments: {background_only: 20, doped: 4}
execution: {cache: cache, workers: 1}
"""


def test_the_page_holds_the_stored_numbers() -> None:
    stored, compared, *lhco = (
        json.loads((ANALYSIS / "results" / name).read_text(encoding="utf-8"))
        for name in (
            rivals.RESULTS,
            "comparison_statistics.json",
            rivals.LHCO_TREES.name,
            rivals.LHCO_AUTOENCODERS.name,
        )
    )
    text = (ANALYSIS / "RIVALS.md").read_text(encoding="utf-8")
    assert rivals_page.page(stored, compared, *lhco) == text
    for entry in rivals_page.with_compared(stored, compared).values():
        null = [one for one in entry["null"] if one is not None]
        assert f"{np.mean(null):.2f} ± {np.std(null, ddof=1):.2f} ({len(null)}, " in text


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_folder(tmp_path_factory.mktemp("rivals"), CARD)


def test_a_study_that_was_stopped_goes_on_to_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    for name in ("whole", "parts"):
        (folder / name / "results").mkdir(parents=True)

    def run(name: str, *more: str) -> int:
        output = folder / name / "results"
        return rivals.main(
            ["toy.yaml", "--folder", str(folder / name / "runs"), "--output", str(output), *more]
        )

    def found(name: str, *more: str) -> dict[str, Any]:
        assert run(name, *more) == 0
        return dict(json.loads((folder / name / "results" / rivals.RESULTS).read_text()))

    whole = found("whole")
    assert run("parts", "--only", "fit", "--seconds", "1e-9") != 0
    assert "too few data sets yet" in capsys.readouterr().out
    parts = found("parts")
    assert list(parts) == list(whole) == ["fit", "bound"]
    for name, entry in whole.items():
        assert entry["null"] == parts[name]["null"]
        assert entry["doped"] == parts[name]["doped"]
        assert len(entry["null"]) == 20
        assert {epsilon: len(values) for epsilon, values in entry["doped"]["olympics"].items()} == {
            "60": 4,
            "150": 4,
        }
    assert whole["bound"]["needs_truth"]
    assert not whole["fit"]["needs_truth"]
    # What is there is taken as it is, though the data sets are not all there.
    assert found("parts", "--seconds", "0") == parts
    assert "3-parameter" in (folder / "parts" / "RIVALS.md").read_text()


def test_every_beginning_has_all_kinds_in_proportion(folder: Path) -> None:
    card = read_card(folder / "toy.yaml")
    tasks = rivals.missing(card, "fit", {})
    assert len(tasks) == len(set(tasks)) == 28
    first = tasks[:7]
    assert sum(one.kind is Kind.BACKGROUND_ONLY for one in first) == 5
    assert sorted(one.epsilon for one in first if one.epsilon) == [60, 150]


@pytest.mark.parametrize(("tagged", "expected"), [(30, 1 / np.sqrt(20 / 400)), (15, 0.5 / np.sqrt(20 / 400))])
def test_the_improvement_of_a_score_that_knows_some_signal(tagged: int, expected: float) -> None:
    """Of 30 signal events in the window so many score highest, the others lowest: 20 of 400 are cut at."""
    bins, events = MassBins(3000.0, 4200.0, 12), np.random.default_rng(1)
    background = Sample(np.repeat(bins.centres, 200), {}, np.arange(2400), 2400, "background")
    signal = Sample(np.full(30, bins.centres[6]), {}, np.arange(30), 30, "signal", first_event=2400)
    parts = tuple(Part(one, np.ones(one.n_events, dtype=np.int64)) for one in (background, signal))
    data = DataSet(EventView(parts, bins), n_injected=1)
    values = np.concatenate([events.random(2400), np.where(np.arange(30) < tagged, 2.0, -1.0)])
    fit = Scores(values[np.newaxis], np.zeros(2430, dtype=np.int64))
    assert rivals.improvement(fit, data, sliding_windows(12, 2, None), events) == pytest.approx(expected)


@pytest.mark.parametrize("far", [0.0, 9.0])
def test_a_z_that_nothing_lies_above_is_a_bound(far: float) -> None:
    null = np.random.default_rng(2).normal(size=400)
    entry = {"null": [*null], "doped": {"olympics": {"250": [0.0, 0.0], "500": [far + 0.01, far - 0.01]}}}
    found = rivals_page.measured(entry)
    assert found.epsilon == 500
    assert rivals_page.z_text(found).startswith("> ") == bool(far)
    z = norm.isf((np.sum(null >= far) + 1) / 401)
    assert found.counted[0] == pytest.approx(z, abs=0.05)
    assert found.gaussian == pytest.approx((far - null.mean()) / null.std(ddof=1), abs=1e-6)
    assert found.counted[1] == ("lower" if far else None)

"""The bounds on real features of the LHC Olympics: a toy whose answer is known, the real files, what is stored."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from hepcs._core.errors import ArgumentError, InputError
from hepcs.searches.cut_and_fit.classifier import BoostedTrees

ANALYSIS = Path(__file__).parents[2] / "analysis"
NAME = "lhco_signal_region"
TREES = BoostedTrees(rounds=30, bagging=0.5, members=2)


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location(NAME, ANALYSIS / f"{NAME}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[NAME] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules[NAME]


@pytest.fixture(scope="module")
def stored() -> dict[str, Any]:
    return json.loads((ANALYSIS / "results" / f"{NAME}.json").read_text(encoding="utf-8"))


def toy_rows(rng: np.random.Generator, n_background: int, n_signal: int, shift: float = 3.0) -> np.ndarray:
    """Rows as in the files: unit normal features, of which the first is shifted for the signal."""
    rows = rng.normal(size=(n_background + n_signal, 6))
    rows[:, 0] = 3.5
    rows[:, 5] = np.arange(len(rows)) >= n_background
    rows[:, 1] += shift * rows[:, 5]
    return rows


@pytest.fixture(scope="module")
def toy_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("toy"), np.random.default_rng(1)
    np.save(folder / "innerdata_train.npy", toy_rows(rng, 10_000, 150))
    np.save(folder / "innerdata_test.npy", toy_rows(rng, 10_000, 150))
    np.save(folder / "extra_qcd_and_signal.npy", toy_rows(rng, 10_000, 5_000))
    np.save(folder / "extra_signal.npy", toy_rows(rng, 0, 5_000))
    return folder


def test_efficiencies_by_hand(script: ModuleType) -> None:
    # Cuts at 4, 3, 3, 1: of the two equal scores, both pass.
    found = script.efficiencies(np.array([1.0, 3.0, 4.0, 3.0]), np.array([0.0, 3.0, 5.0, 5.0]))
    np.testing.assert_array_equal(found.thresholds, [4, 3, 3, 1])
    np.testing.assert_array_equal(found.eps_b, [0.25, 0.75, 0.75, 1])
    np.testing.assert_array_equal(found.eps_s, [0.5, 0.75, 0.75, 0.75])
    best = found.best(0.0)
    assert (best.sic, best.eps_b, best.eps_s, best.threshold) == (1.0, 0.25, 0.5, 4.0)
    # "Above" 0.25, not at it.
    assert found.best(0.25).eps_b == 0.75
    np.testing.assert_allclose(found.sic_at(np.array([0.1, 0.3, 1.0])), [np.nan, 1.0, 0.75])


def test_efficiencies_need_both_classes(script: ModuleType) -> None:
    with pytest.raises(ArgumentError, match="3 background and 0 signal"):
        script.efficiencies(np.zeros(3), np.zeros(0))


def test_the_other_half_has_no_part_of_the_fluctuation(script: ModuleType) -> None:
    """eps_S = sqrt(eps_B): SIC is 1 for each cut, while the largest of a curve is above it."""
    rng = np.random.default_rng(2)
    largest, other = [], []
    for _ in range(20):
        background, signal = rng.random(20_000), 1 - rng.random(5000) ** 2
        largest.append(script.efficiencies(background, signal).best().sic)
        other.append(script.sic_of_other_half(background, signal, rng, 10))
    assert np.mean(largest) > 1.1
    assert np.mean(other) == pytest.approx(1.0, abs=0.08)


def test_nobody_is_judged_by_trees_that_saw_it(script: ModuleType, toy_folder: Path) -> None:
    """Features that carry nothing but the identity of an event: out of folds, there is nothing to be found."""
    rng = np.random.default_rng(3)
    events = [script.Events(rng.normal(size=(1500, 5)), np.arange(1500) < n) for n in (0, 750, 1500)]
    layout = script.layout("supervised", events[0], (), events[1], events[2])
    deep = script.Candidate(BoostedTrees(rounds=100, leaves=200, min_leaf=1, bins=255), False)
    background, signal = script.folded_scores(layout, deep, np.random.default_rng(4))
    assert (background.size, signal.size) == (750, 1500)
    # AUC by the ranks.
    auc = np.searchsorted(np.sort(background), signal).mean() / background.size
    assert auc == pytest.approx(0.5, abs=0.05)


def test_the_fifth_feature_is_the_mass_of_the_heavier_jet(script: ModuleType, toy_folder: Path) -> None:
    found = script.read_samples(toy_folder).train.features
    rows = np.load(toy_folder / "innerdata_train.npy")
    np.testing.assert_array_equal(found[:, :4], rows[:, 1:5])
    np.testing.assert_array_equal(found[:, 4], rows[:, 1] + rows[:, 2])


def test_smooth_trees_are_the_same_for_the_same_generator(script: ModuleType) -> None:
    rng = np.random.default_rng(7)
    x, weights = rng.normal(size=(2000, 3)), np.ones(2000)
    trees, labels = script.SmoothTrees(rounds=10, members=2), rng.random(2000) < 0.5
    first, again, other = (
        trees.fit(x, weights, labels, np.random.default_rng(seed)).score(x) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_what_the_bounds_are_trained_on(script: ModuleType, toy_folder: Path) -> None:
    samples = script.read_samples(toy_folder)
    ideal, supervised = (script.to_judge(bound, samples) for bound in ("idealised", "supervised"))
    for layout in (ideal, supervised):
        # Background of the tested half of the window, and the signal that nothing else uses.
        assert (layout.judged & ~layout.folded.signal).sum() == 10_000
        assert (layout.judged & layout.folded.signal).sum() == 5_000
    # Idealised: the window, with its signal, against background; the judged signal is no part of it.
    assert ideal.always_labels.sum() == 10_150
    assert ideal.trained.sum() == 10_150
    assert ideal.labels[ideal.trained].all()
    # Supervised: truth, everywhere.
    assert supervised.always_labels.sum() == 150 + 5_000
    assert supervised.trained.all()
    np.testing.assert_array_equal(supervised.labels, supervised.folded.signal)
    # What trees are chosen on shares no event with what is judged.
    for bound in ("idealised", "supervised"):
        chosen = script.to_choose(bound, samples)
        used = set(np.concatenate([chosen.always[:, 0], chosen.folded.features[:, 0]]))
        judged = script.to_judge(bound, samples)
        assert used.isdisjoint(judged.folded.features[judged.judged, 0])


@pytest.mark.slow
@pytest.mark.parametrize("smooth", [False, True])
def test_both_bounds_come_near_the_likelihood_ratio(
    script: ModuleType, toy_folder: Path, smooth: bool
) -> None:
    """Signal 3 standard deviations away in one feature: SIC of a cut on it is known."""
    samples = script.read_samples(toy_folder)
    grid = np.array([0.01])
    # A cut at 2.326 keeps 1 % of background and 75 % of signal.
    best = 0.75 / 0.1
    found = {}
    for bound in script.BOUNDS:
        candidate = script.Candidate(script.SmoothTrees(l2=10.0) if smooth else TREES, smooth)
        scores = script.folded_scores(script.to_judge(bound, samples), candidate, np.random.default_rng(5))
        found[bound] = float(script.efficiencies(*scores).sic_at(grid)[0])
    assert 0.88 * best < found["supervised"] < 1.1 * best
    assert 0.55 * best < found["idealised"] < 1.1 * best


def test_command_on_toys(script: ModuleType, toy_folder: Path, tmp_path: Path, monkeypatch: Any) -> None:
    blind = BoostedTrees(min_leaf=10**6, bagging=0.5)
    monkeypatch.setattr(script, "CANDIDATES", [script.Candidate(one, False) for one in (blind, TREES)])
    for name in ("MEMBERS", "MEMBERS_TO_CHOOSE"):
        monkeypatch.setattr(script, name, dict.fromkeys(script.BOUNDS, 1))
    for name in ("BOOTSTRAPS", "HALVES"):
        monkeypatch.setattr(script, name, 5)
    assert script.main([str(toy_folder), "--trainings", "2", "--output", str(tmp_path)]) == 0
    found = json.loads((tmp_path / f"{NAME}.json").read_text(encoding="utf-8"))
    for entry in found["bounds"].values():
        # Trees that cannot split give one score to all, and no cut.
        assert entry["trees"]["min_leaf"] == TREES.min_leaf
        assert entry["choice"][0]["mean_sic"] == 0
        assert entry["eps_b"] > found["least_eps_b"]
        assert len(entry["of_trainings"]) == 2
    assert (tmp_path / "figures" / f"{NAME}.png").stat().st_size > 0


def test_bad_input(script: ModuleType, tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    with pytest.raises(InputError, match=r"extra_qcd_and_signal\.npy: cannot be read"):
        script.read_samples(tmp_path)
    np.save(tmp_path / "extra_qcd_and_signal.npy", np.zeros((3, 2)))
    with pytest.raises(InputError, match=r"expected finite numbers of shape \(n, 6\), found \(3, 2\)"):
        script.read_samples(tmp_path)
    monkeypatch.delenv("HEPCS_TEST_DATA", raising=False)
    assert script.main(["--output", str(tmp_path)]) == 2
    assert "set HEPCS_TEST_DATA" in capsys.readouterr().out
    assert script.main(["--output", str(tmp_path), "--trainings", "0"]) == 2


def test_the_stored_results_reach_the_goals(stored: dict[str, Any], script: ModuleType) -> None:
    assert stored["least_eps_b"] == 4e-4
    for name, entry in stored["bounds"].items():
        assert entry["goal"] == script.GOALS[name]
        assert entry["eps_b"] > 4e-4
        assert entry["background_events"] >= 20
        assert entry["max_sic"] == np.median(entry["of_trainings"])
        assert entry["max_sic"] >= entry["goal"]
        low, high = entry["interval"]
        assert low < entry["max_sic"] < high
    with_truth, without = (stored["bounds"][name]["max_sic"] for name in script.BOUNDS)
    assert without < with_truth


def test_the_figure_is_drawn_from_what_is_stored(stored: dict[str, Any], script: ModuleType) -> None:
    figure = script.draw(stored)
    assert isinstance(figure, Figure)
    lines = {line.get_label(): np.asarray(line.get_ydata()) for line in figure.axes[0].get_lines()}
    (label,) = (label for label in lines if str(label).startswith("idealised"))
    np.testing.assert_allclose(
        lines[label], np.array(stored["bounds"]["idealised"]["curve"]["sic"], dtype=float)
    )


@pytest.mark.slow
@pytest.mark.parametrize(("bound", "least", "members"), [("supervised", 11.5, 1), ("idealised", 9.0, 3)])
def test_the_real_files(script: ModuleType, real_data: Path, bound: str, least: float, members: int) -> None:
    """A few members, and so a little less than the stored results."""
    folder = real_data / NAME
    if not folder.is_dir():
        pytest.skip(f"HEPCS_TEST_DATA does not hold {NAME}, the features of the LHC Olympics R&D set")
    samples = script.read_samples(folder)
    candidate = script.Candidate(script.SmoothTrees(rounds=60, learning_rate=0.1, members=members), True)
    scores = script.folded_scores(script.to_judge(bound, samples), candidate, np.random.default_rng(6))
    best = script.efficiencies(*scores).best()
    assert best.sic > least
    assert best.eps_b > 4e-4

"""All figures of the paper from stored results, and plain words where the results do not hold them."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy import stats
from toy_run import FITS, SCAN, toy_run

from hepcs._core.errors import ArgumentError
from hepcs._core.storage import read_json
from hepcs.output import write_run
from hepcs.results import RunResult

SCRIPTS = Path(__file__).parents[2] / "analysis"
FIGURES = [
    "figure_01_average_images",
    "figure_02_normalised_spectra",
    "figure_03_standardised_spectra",
    "figure_04_signal_rich",
    "figure_05a_sensitivity",
    "figure_05b_idealised_sensitivity",
    "figure_06_nonzero_pixels",
    "figure_07_smallest_cluster_bin",
    "figure_08_deviations",
    "figure_09_minus_total",
    "figure_10_calibration",
    "figure_11_training_region",
]

TRAININGS = (
    "training_without_signal: {like: cluster_scanning, title: training without signal, train_on_injected: false}, "
    'training_3450_3550: {like: cluster_scanning, title: "training 3450 3550", training: [3450, 3550]}'
)
OTHERS = (
    "idealised_cluster_scanning: {like: cluster_scanning, title: idealised cluster scanning, idealised: true}, "
    "fit_5: {kind: dijet_fit, parameters: 5}, idealised_fit: {}"
)


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    sys.path.insert(0, str(SCRIPTS))
    try:
        yield importlib.import_module("paper_figures")
    finally:
        sys.path.remove(str(SCRIPTS))


def whole_run() -> RunResult:
    """A run with all searches of the paper."""
    return toy_run(searches=f"{{{SCAN}, {FITS}, {TRAININGS}, {OTHERS}}}", epsilon="[0, 80, 150]")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run")
    write_run(whole_run(), path)
    return path


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with Cluster Scanning alone, and no doped pseudo-experiments."""
    path = tmp_path_factory.mktemp("few")
    write_run(toy_run(searches=f"{{{SCAN}}}", background_only=150, doped=0), path)
    return path


def drawn(script: ModuleType, path: Path, epsilon: int | None = None) -> dict[str, Any]:
    return dict(script.draw_all(script.open_stored(path, epsilon), "plain"))


def legend_texts(axes: Any) -> list[str]:
    legend = axes.get_legend()
    return [legend.get_title().get_text(), *(text.get_text() for text in legend.get_texts())]


@pytest.mark.slow
def test_a_whole_run_gives_every_figure_and_the_table(
    script: ModuleType, folder: Path, tmp_path: Path
) -> None:
    written, lacking = script.write_all(script.open_stored(folder, None), tmp_path, "plain")
    (few,) = lacking
    assert few.startswith("upper_limits: 5 doped pseudo-experiments for each epsilon resolve CLs down to")
    assert "too few" in few
    assert [line.split(" ")[0] for line in written] == [
        *FIGURES, "signal_fraction_improvement", "table_1_hyperparameters",
    ]  # fmt: skip
    names = {path.name for path in tmp_path.iterdir()}
    assert {f"{name}.{extension}" for name in FIGURES for extension in ("pdf", "png")} <= names
    assert "| $k$" in (tmp_path / "table_1_hyperparameters.md").read_text(encoding="utf-8")
    assert r"\begin{tabular}" in (tmp_path / "table_1_hyperparameters.tex").read_text(encoding="utf-8")


def test_figures_show_the_stored_results(script: ModuleType, folder: Path) -> None:
    found = drawn(script, folder)
    run = whole_run()
    sensitivity = found["figure_05a_sensitivity"].figure.axes[0]
    texts = legend_texts(sensitivity)
    assert texts[0] == "40 background-only pseudo-experiments"
    assert [text.split(",")[0] for text in texts[1:5]] == [
        "Cluster Scanning", "4-parameter fit", "3-parameter fit", "5-parameter fit",
    ]  # fmt: skip
    # p is k / 40 in a run, and (k + 1) / 41 in a study.
    medians = [
        float(stats.norm.isf((40 * stats.norm.sf(doped.z.median.z) + 1) / 41))
        for doped in run.searches[0].doped
    ]
    points = np.asarray(sensitivity.lines[2].get_ydata(), dtype=float)
    exact = [
        value for value, doped in zip(medians, run.searches[0].doped, strict=True) if not doped.z.median.bound
    ]
    np.testing.assert_allclose(points[np.isfinite(points)], exact)
    training = found["figure_11_training_region"].figure.axes[0]
    assert any("training without signal" in text for text in legend_texts(training))
    panels = found["figure_10_calibration"].figure.axes
    assert [legend_texts(axes)[0] for axes in panels] == [
        "(a) Cluster Scanning, one scan", "(b) Cluster Scanning, ensembles of 2",
        "(c) idealised cluster scanning",
    ]  # fmt: skip
    single = [outcome.members[0] for outcome in run.searches[0].outcomes if outcome.task.kind == 1]
    edges = panels[0].patches[0].get_data().edges
    np.testing.assert_array_equal(panels[0].patches[0].get_data().values, np.histogram(single, edges)[0])
    smallest = found["figure_07_smallest_cluster_bin"]
    assert smallest.remark.startswith("the smallest of the 2 scans")


def test_signal_over_background_is_that_of_the_injected_events(script: ModuleType, folder: Path) -> None:
    run = script.open_stored(folder, None).run
    outcomes = whole_run().searches[0].outcomes
    inside = {outcome.task.epsilon: outcome.n_events for outcome in outcomes if outcome.task.kind == 0}
    background = np.mean([outcome.n_events for outcome in outcomes if outcome.task.kind == 1])
    assert inside[0] == 3000
    expected = (inside[150] - 3000) / 150 / background
    assert script.sensitivity.signal_to_background(run) == pytest.approx(expected)
    assert 0.95 / 3000 < expected < 1.05 / 3000


@pytest.mark.parametrize(("epsilon", "shown"), [(None, 150), (80, 80), (0, 0)])
def test_the_scan_that_is_drawn_can_be_chosen(
    script: ModuleType, folder: Path, epsilon: int | None, shown: int
) -> None:
    _, scan, title = script.method.shown_scan(script.open_stored(folder, epsilon))
    ensemble = next(
        observed.observation.result
        for observed in whole_run().searches[0].observed
        if observed.injection.epsilon == shown
    )
    member = ensemble.representative
    np.testing.assert_array_equal(scan.spectra, ensemble.scans[member].spectra)
    assert f"scan {member + 1} of 2" in title
    assert ("background only" in title) == (shown == 0)


def test_an_epsilon_that_is_not_there_is_named(script: ModuleType, folder: Path) -> None:
    with pytest.raises(
        ArgumentError, match=r"no observed data set with epsilon = 7; there are .*epsilon_0080"
    ):
        script.open_stored(folder, 7)


def test_what_a_run_lacks_is_said(script: ModuleType, few: Path) -> None:
    found = drawn(script, few, 0)
    lacking = {name: text for name, text in found.items() if isinstance(text, str)}
    assert set(lacking) == {
        "figure_05a_sensitivity",
        "figure_05b_idealised_sensitivity",
        "figure_10_calibration",
        "figure_11_training_region",
        "signal_fraction_improvement",
        "upper_limits",
    }
    assert lacking["figure_10_calibration"].startswith(
        "no doped pseudo-experiments. Set pseudo_experiments.doped"
    )
    assert "injection.epsilon" in lacking["signal_fraction_improvement"]


def test_missing_searches_are_named(script: ModuleType, tmp_path: Path) -> None:
    write_run(toy_run(epsilon="[0, 80, 150]"), tmp_path)
    found = drawn(script, tmp_path)
    assert "no search idealised_cluster_scanning." in found["figure_05b_idealised_sensitivity"]
    assert (
        "no search training_without_signal and no training_3450_3550." in found["figure_11_training_region"]
    )
    assert found["figure_05a_sensitivity"].remark == "without fit_5, which the run does not have"
    assert (
        found["figure_10_calibration"].remark
        == "without idealised_cluster_scanning, which the run does not have"
    )


def test_statistics_alone_give_what_they_can(script: ModuleType, folder: Path, tmp_path: Path) -> None:
    from study import to_json  # type: ignore[import-not-found]

    from hepcs._core.storage import write_json

    stored = script.open_stored(folder, None)
    write_json(tmp_path / "statistics.json", to_json(stored.study))
    written, lacking = script.write_all(
        script.open_stored(tmp_path / "statistics.json", None), tmp_path / "figures", "plain"
    )
    names = [line.split(" ")[0] for line in written]
    assert names == [name for name in FIGURES if name[7:9] in {"05", "10", "11"}]
    assert sum("Give the folder of the run" in line for line in lacking) == len(lacking) - 1
    assert len(lacking) == len(FIGURES) - 4 + 3


def test_limits_are_drawn_where_they_can_be_resolved(script: ModuleType, folder: Path) -> None:
    stored = script.open_stored(folder, None)
    rng = np.random.default_rng(8)
    searches = tuple(
        replace(
            search, null=rng.normal(0, 1, 6000), doped={e: rng.normal(e / 60, 1, 6000) for e in search.doped}
        )
        for search in stored.study.searches
    )
    figure = script.sensitivity.limits(replace(stored, study=replace(stored.study, searches=searches))).figure
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [
        "Cluster Scanning", "3-parameter fit", "4-parameter fit", "5-parameter fit", "idealised cluster scanning",
        "idealised fit",
    ]  # fmt: skip
    # t < 0 for half of the background: CLs = 2 Phi(-epsilon / 60), and 0.05 at 117.6.
    dashed = [line.get_xdata()[0] for line in figure.axes[0].lines if line.get_linestyle() == "--"]
    np.testing.assert_allclose(dashed, 117.6, atol=5)


def test_the_trainings_may_come_from_another_run(script: ModuleType, folder: Path, tmp_path: Path) -> None:
    main = toy_run(epsilon="[0, 80, 150]")
    write_run(main, tmp_path / "main")
    training = toy_run(searches=f"{{{SCAN}, {TRAININGS}}}", epsilon="[0, 80, 150]")
    write_run(training, tmp_path / "training")
    with_fits = script.sensitivity.training(script.open_stored(tmp_path / "main", None, folder))
    assert with_fits.remark == ""
    found = script.sensitivity.training(script.open_stored(tmp_path / "main", None, tmp_path / "training"))
    assert found.remark.startswith("SI over Cluster Scanning itself")
    texts = [text.split(",")[0] for text in legend_texts(found.figure.axes[0])[1:6]]
    assert texts == [
        "Cluster Scanning", "training without signal", "training 3450 3550", "3-parameter fit", "4-parameter fit",
    ]  # fmt: skip
    assert "Cluster Scanning" in found.figure.axes[1].texts[0].get_text()


@pytest.mark.slow
def test_the_facts_of_a_run(script: ModuleType, folder: Path, tmp_path: Path) -> None:
    facts = importlib.import_module("paper_facts")
    assert facts.main([str(folder), "--others", str(folder), "--output", str(tmp_path)]) == 0
    found = read_json(tmp_path / "facts.json")
    run = whole_run()
    scan = run.searches[0]
    observed = {one.injection.epsilon: one for one in scan.observed}
    assert sum(found["spectrum"]["counts"]) == 3000
    assert found["spectrum"]["sqrt_s"] == 13_000
    assert found["null"]["n"] == 40
    assert found["null"]["single_scans"] == 80
    assert set(found["scans"]) == {"0", "80", "150"}
    for epsilon, one in observed.items():
        ensemble = one.observation.result
        entry = found["scans"][str(epsilon)]
        assert entry["statistic"] == one.outcome.statistic
        assert entry["selected_clusters"] == [scan.n_signal_rich for scan in ensemble.scans]
        assert ("best_sfi" in entry) == (epsilon > 0)
    assert set(found["others"]["toy"]["searches"]) == {search.name for search in run.searches}
    study = importlib.import_module("study").open_study(tmp_path / "statistics_toy.json")
    assert (study.k, study.ensemble, study.n_background, study.n_doped) == (8, 2, 3000, 5)
    assert set(study.titles) - set(study.realistic) == {
        "idealised_cluster_scanning", "idealised_fit", "training_without_signal",
    }  # fmt: skip


def test_searches_with_fewer_pseudo_experiments_have_none_in_place_of_the_others(
    script: ModuleType, tmp_path: Path
) -> None:
    few = "{background_only: 30, doped: 3}"
    searches = f"{{{FITS}, few: {{like: fit_3, pseudo_experiments: {few}}}}}"
    write_run(toy_run(searches=searches), tmp_path)
    study = importlib.import_module("study").open_study(tmp_path)
    assert (study.k, study.ensemble) == (None, None)
    sizes = {
        one.name: (np.isfinite(one.null).sum(), np.isfinite(one.doped[150]).sum()) for one in study.searches
    }
    assert sizes == {"fit_3": (40, 5), "fit_4": (40, 5), "few": (30, 3)}
    assert {one.null.size for one in study.searches} == {40}
    missing = [np.flatnonzero(np.isnan(one.null)).tolist() for one in study.searches]
    assert missing == [[], [], [*range(30, 40)]]
    assert importlib.import_module("sensitivity").measure(study)["few"].n_null == 30


def test_a_study_is_of_one_signal(script: ModuleType, tmp_path: Path) -> None:
    samples = (
        "{background: {kind: lhco, files: events.h5}, "
        "signals: {near: {kind: lhco, files: near.h5}, far: {kind: lhco, files: far.h5}}}"
    )
    write_run(toy_run(searches=f"{{{FITS}}}", samples=samples), tmp_path)
    with pytest.raises(ArgumentError, match="several signals, near, far, and a study is of one"):
        importlib.import_module("study").open_study(tmp_path)


def test_epsilons_end_at_the_first_beyond_the_null(script: ModuleType) -> None:
    null = np.arange(100.0)
    doped = {e: np.full(3, float(e)) for e in (10, 20, 30, 40, 50, 150, 200)}
    assert script.calibration.shown_epsilons(null, doped) == (10, 30, 40, 150)
    assert script.calibration.shown_epsilons(null, {10: np.ones(2)}) == (10,)
    assert script.calibration.shown_epsilons(null, {200: np.full(3, 200.0), 300: np.full(3, 300.0)}) == (200,)


def run_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPTS / "paper_figures.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_command(
    script: ModuleType, few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = run_command(
        "--run", str(few), "--output", str(tmp_path / "out"), "--epsilon", "0", "--style", "CMS"
    )
    assert done.returncode == 0, done.stderr
    assert "figure_08_deviations" in done.stdout
    not_made = done.stdout.partition("not made:")[2]
    assert "figure_10_calibration: no doped pseudo-experiments" in not_made
    assert (tmp_path / "out" / "figure_08_deviations.pdf").exists()
    (tmp_path / "file").write_text("", encoding="utf-8")
    for arguments, code, words in (
        (("--run", str(tmp_path / "nowhere")), 3, "no finished run there"),
        (("--run", str(few), "--output", str(tmp_path / "file")), 2, "cannot be written"),
    ):
        assert script.main(arguments) == code
        assert words in capsys.readouterr().err

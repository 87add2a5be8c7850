"""Several signals, each injected on its own with numbers of its own: in results, files, table and report."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import uproot
from rich.console import Console
from toy_command import command_here, toy_folder
from toy_events import write_toys

from hepcs.analysis.__main__ import main
from hepcs.datasets.bootstrap import Injection, Kind
from hepcs.output import StoredRun, read_histograms, read_run, render_table

CARD = """\
name: toy
samples:
  background: {kind: root, files: background.root}
  signals:
    near: {kind: root, files: signal.root}
    far: {kind: root, files: far.root}
features: {image_pca: {kept_variance: 0.8}}
injection: {epsilon: {near: [0, 150], far: [100, 150]}}
searches:
  cluster_scanning: {k: 8, ensemble: 2}
  fit_3: {kind: dijet_fit, parameters: 3}
pseudo_experiments: {background_only: 20, doped: 3}
execution: {cache: cache, workers: 1}
output: {figures: [png]}
"""
INJECTIONS = (Injection(), Injection(150, "near"), Injection(100, "far"), Injection(150, "far"))
DOPED = INJECTIONS[1:]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = toy_folder(tmp_path_factory.mktemp("signals"), CARD)
    write_toys(folder / "far.root", 300, 5, resonance=4000.0)
    return folder


@pytest.fixture
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="module")
def out(folder: Path) -> Path:
    """The run folder."""
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        patched.setattr(
            "hepcs.output.make_figures", lambda result, **_: ()
        )  # most of the work, and not tested here
        assert main(["toy.yaml", "--quiet"]) == 0
    return folder / "runs" / "toy"


@pytest.fixture(scope="module")
def stored(out: Path) -> StoredRun:
    return read_run(out)


def test_each_signal_has_its_own_numbers_of_events(stored: StoredRun) -> None:
    assert stored.result.observed_injections == INJECTIONS
    for search in stored.result.searches:
        assert [one.injection for one in search.observed] == list(INJECTIONS)
        assert [(one.injection, one.n_used) for one in search.doped] == [(one, 3) for one in DOPED]
        # The same background, and a signal of which all events lie inside.
        sizes = [one.outcome.n_events for one in search.observed]
        assert [size - sizes[0] for size in sizes] == [0, 150, 100, 150]
    assert [one.injection for one in stored.result.combined] == list(INJECTIONS)


def test_the_excess_is_where_the_signal_is(stored: StoredRun) -> None:
    edges = stored.bins.edges
    for injection, mass in ((Injection(150, "near"), 3500), (Injection(150, "far"), 4000)):
        spectrum = stored.observed("fit_3", injection).observation.spectrum
        assert spectrum is not None
        excess = spectrum.largest_excess(edges)
        assert abs((excess.low + excess.high) / 2 - mass) < 150


def test_root_and_histograms_tell_the_signals_apart(out: Path) -> None:
    names = [one.label for one in INJECTIONS]
    assert names == ["epsilon_0000", "near_epsilon_0150", "far_epsilon_0100", "far_epsilon_0150"]
    histograms = read_histograms(out / "histograms.json")
    with uproot.open(out / "results.root") as file:
        for search in ("cluster_scanning", "fit_3"):
            for name in names:
                path = f"{search}/observed/{name}/spectrum"
                np.testing.assert_array_equal(file[path].values(), histograms[path].values())
            tree = file[f"{search}/pseudo_experiments"].arrays(["kind", "signal", "epsilon"], library="ak")
            found = [(row["kind"], row["signal"], row["epsilon"]) for row in tree.to_list()]
            for one in DOPED:
                assert found.count((Kind.DOPED, one.signal, one.epsilon)) == 3
                assert found.count((Kind.OBSERVED, one.signal, one.epsilon)) == 1
            assert found.count((Kind.BACKGROUND_ONLY, "", 0)) == 20
            rows = file[f"{search}/results"].arrays(["data_set", "signal", "epsilon"], library="ak").to_list()
            assert [(row["signal"], row["epsilon"]) for row in rows if row["data_set"] == "observed"] == [
                (one.signal, one.epsilon) for one in INJECTIONS
            ]
        near, far = (file[f"fit_3/observed/{name}/spectrum"].values() for name in names[1::2])
        assert not np.array_equal(near, far)


def test_summary_table_and_report_name_the_signals(out: Path, stored: StoredRun) -> None:
    summary = json.loads((out / "summary.json").read_text())
    assert set(summary["samples"]) == {"background", "signals.near", "signals.far"}
    for key, wanted in (("table", INJECTIONS), ("doped", DOPED)):
        found = [
            (one["epsilon"], one["signal"]) for one in summary[key] if one["search"] == "cluster_scanning"
        ]
        assert found == [(one.epsilon, one.signal) for one in wanted]
    report = (out / "report.html").read_text()
    for words in (
        "the background with 150 injected events of the signal near",
        "the background with 100 injected events of the signal far",
        "near 0, near 150, far 100, far 150",
    ):
        assert words in report
    console = Console(width=110, file=io.StringIO(), record=True)
    console.print(render_table(stored.result))
    table = console.export_text()
    for one in DOPED:
        lines = [line for line in table.splitlines() if one.signal in line and str(one.epsilon) in line]
        # Observed and doped, of two searches and of both together.
        assert len(lines) == 6, table


def test_one_signal_is_exported_by_its_name(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export = ["export", "runs/toy", "--search", "fit_3", "--epsilon", "150", "--overwrite"]
    data = []
    for signal in ("near", "far"):
        ended = command_here(capsys, *export, "--signal", signal, "--pyhf", f"{signal}.json")
        assert ended.returncode == 0, ended.stderr
        data.append(json.loads((inside / f"{signal}.json").read_text())["observations"][0]["data"])
    assert data[0] != data[1]
    for wrong in (["--signal", "wide"], []):
        ended = command_here(capsys, *export, *wrong, "--pyhf", "never.json")
        assert ended.returncode == 2, ended.stdout
        assert "near" in ended.stderr
        assert "far" in ended.stderr
    assert not (inside / "never.json").exists()


def test_a_signal_that_there_is_not(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ended = command_here(
        capsys, "toy.yaml", "--output", "never", "--set", "injection.epsilon={near: 150, wide: 100}"
    )
    assert ended.returncode == 2
    assert "wide" in ended.stderr
    assert not (inside / "never").exists()

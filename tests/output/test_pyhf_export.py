"""The pyhf workspace, and that pyhf can do statistics with it."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
from toy_run import toy_run

from hepcs._core.errors import ArgumentError
from hepcs._core.requirements import pip_install
from hepcs.output.pyhf_export import pyhf_workspace, signal_template, significance_notice
from hepcs.output.reading import StoredRun, StoredScan

# pyhf's, of the library that validates its schema.
pytestmark = pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")


def scan(signal: Any = None) -> StoredScan:
    """Four clusters, of which the first two are signal-rich."""
    spectra = np.array(
        [[30, 20, 25, 8, 5], [30, 20, 25, 8, 5], [300, 200, 150, 80, 50], [300, 200, 150, 80, 50]]
    )
    rich = np.array([True, True, False, False])
    poor = spectra[~rich].sum(axis=0)
    observed = spectra[rich].sum(axis=0).astype(float)
    expected = poor * observed.sum() / poor.sum()
    z = np.maximum(observed - expected, 0) / np.sqrt(expected)
    return StoredScan(spectra, np.zeros(spectra.shape), rich, observed, expected, z, float(z.max()), signal)


def samples(workspace: dict[str, Any]) -> dict[str, Any]:
    return {sample["name"]: sample for sample in workspace["channels"][0]["samples"]}


def test_the_workspace_has_the_numbers_of_the_scan(run: StoredRun) -> None:
    workspace = pyhf_workspace(run)
    ensemble = toy_run().searches[0].observed[1].observation.result
    member = ensemble.scans[ensemble.representative]
    assert workspace["observations"][0]["data"] == list(member.observed)
    background = samples(workspace)["background"]
    np.testing.assert_allclose(background["data"], member.expected)
    norm, statistics = background["modifiers"]
    assert (norm["name"], norm["type"]) == ("background_norm", "normfactor")
    poor = member.spectra[~member.signal_rich].sum(axis=0)
    np.testing.assert_allclose(statistics["data"], member.expected / np.sqrt(poor))
    which = f"150 signal events, scan {ensemble.representative + 1} of 2 (member_0{ensemble.representative})"
    name = workspace["measurements"][0]["name"]
    assert which in name
    assert "left out" not in name
    title = run.histograms[
        f"cluster_scanning/observed/epsilon_0150/member_0{ensemble.representative}/signal_rich"
    ].name
    assert title is not None
    assert title.startswith(f"scan {ensemble.representative + 1} of 2: ")
    assert json.loads(json.dumps(workspace, allow_nan=False)) == workspace


def test_the_signal_is_the_injected_one_where_it_is_known() -> None:
    signal = np.array([[0, 3, 9, 2, 0], [1, 0, 4, 0, 0], [5, 5, 5, 5, 5], [0, 0, 0, 0, 0]])
    template = signal_template(scan(signal), 40)
    assert template.jets.tolist() == [1, 3, 13, 2, 0]
    assert "40 injected" in template.description
    # Nothing of it in the signal-rich clusters, or nothing known: one bin.
    for unknown in (None, np.zeros_like(signal)):
        template = signal_template(scan(unknown), 0)
        assert np.flatnonzero(template.jets).tolist() == [2]
        assert template.jets[2] == pytest.approx(np.sqrt(scan().expected[2]))


def test_a_scan_that_selected_nothing_is_refused_with_those_that_did(run: StoredRun) -> None:
    prefix = "cluster_scanning/observed/epsilon_0150/member_00/background_estimate"
    estimate = run.histograms[prefix].copy()
    estimate.reset()
    empty = dataclasses.replace(run, histograms={**run.histograms, prefix: estimate})
    with pytest.raises(
        ArgumentError,
        match=r"scan 1 of 2 \(member_00\) has no background estimate.* of 8 clusters.*that have one: scan 2 of 2",
    ):
        pyhf_workspace(empty, "cluster_scanning", 150, 0)


def test_what_is_not_there_is_named(run: StoredRun) -> None:
    for arguments, message in (
        (("nothing",), "no search is named 'nothing'"),
        ((None, 77), "epsilon = 77"),
        ((None, 150, 9), "number 9"),
    ):
        with pytest.raises(ArgumentError, match=message):
            pyhf_workspace(run, *arguments)
    only_fits = dataclasses.replace(run.result, searches=run.result.searches[1:])
    with pytest.raises(ArgumentError, match="no search of the run scans clusters"):
        pyhf_workspace(dataclasses.replace(run, result=only_fits))


def test_the_nearest_scan_with_an_estimate_is_taken(run: StoredRun, caplog: pytest.LogCaptureFixture) -> None:
    """A scan that selected nothing has nothing to export; another one of the ensemble may."""
    nearest = run.representative("cluster_scanning", 150)
    other = 1 - nearest
    assert run.scan("cluster_scanning", 150, other).expected.any(), "the toy must have another"
    path = f"cluster_scanning/observed/epsilon_0150/member_{nearest:02d}/background_estimate"
    empty = run.histograms[path].copy().reset()
    without = dataclasses.replace(run, histograms={**run.histograms, path: empty})
    spec = pyhf_workspace(without, epsilon=150)
    assert f"150 signal events, scan {other + 1} of 2 (member_0{other});" in spec["measurements"][0]["name"]
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert f"scan {nearest + 1} of 2" in record.getMessage()
    assert f"scan {other + 1} of 2 (member_0{other}), the next that has one" in record.getMessage()
    assert samples(spec)["background"]["data"] == run.scan("cluster_scanning", 150, other).expected.tolist()
    with pytest.raises(ArgumentError, match=f"cluster_scanning.*scan {nearest + 1} of 2"):
        pyhf_workspace(without, epsilon=150, member=nearest)


def test_pyhf_fits_it_and_tests_hypotheses(run: StoredRun) -> None:
    pyhf = pytest.importorskip("pyhf", reason=f"needs pyhf: {pip_install('pyhf')}")
    workspace = pyhf.Workspace(pyhf_workspace(run))
    model = workspace.model()
    data = workspace.data(model)
    best, twice_nll = pyhf.infer.mle.fit(data, model, return_fitted_val=True)
    fitted = {name: best[model.config.par_slice(name)] for name in model.config.par_order}
    # The toy's signal stands out: its strength is found, within what the background allows.
    assert 0.3 < fitted["mu"][0] < 3
    assert 0.7 < fitted["background_norm"][0] < 1.1
    _, without = pyhf.infer.mle.fixed_poi_fit(0.0, data, model, return_fitted_val=True)
    assert without - twice_nll > 9
    cls, tails = pyhf.infer.hypotest(1.0, data, model, test_stat="qtilde", return_tail_probs=True)
    assert 0 < float(cls) <= 1
    assert len(tails) == 2


def test_pyhf_takes_a_scan_without_known_signal(run: StoredRun) -> None:
    pyhf = pytest.importorskip("pyhf", reason=f"needs pyhf: {pip_install('pyhf')}")
    able = [
        member
        for member in range(run.n_scans("cluster_scanning", 150))
        if run.scan("cluster_scanning", 150, member).expected.any()
    ]
    kept = {path: one for path, one in run.histograms.items() if not path.endswith("signal_spectra")}
    spec = pyhf_workspace(dataclasses.replace(run, histograms=kept), epsilon=150, member=able[0])
    signal = samples(spec)["signal"]["data"]
    assert np.count_nonzero(signal) == 1
    workspace = pyhf.Workspace(spec)
    model = workspace.model()
    best = pyhf.infer.mle.fit(workspace.data(model), model)
    # In units of sqrt(B) in the most significant bin: about its local significance.
    z = run.scan("cluster_scanning", 150, able[0]).local_significance.max()
    assert best[model.config.poi_index] == pytest.approx(z, rel=0.4)


def test_the_workspace_says_that_its_p_value_is_not_the_calibrated_one(run: StoredRun) -> None:
    observed = run.observed("cluster_scanning", 150)
    assert observed.calibration is not None
    name = pyhf_workspace(run)["measurements"][0]["name"]
    assert "p-value of this workspace is not the calibrated significance" in name
    # None of the toy's 40 background-only pseudo-experiments is above: Z is a bound.
    assert f"is Z > {observed.calibration.z:.2f} (95 %: > {observed.calibration.z_lower_95:.2f})" in name
    exact = dataclasses.replace(observed.calibration, bound=None, z=1.0, z_low=0.5, z_high=1.5)
    counted = significance_notice(dataclasses.replace(observed, calibration=exact))
    assert counted.endswith("is Z = 1.00 [0.50, 1.50]")
    assert significance_notice(dataclasses.replace(observed, calibration=None)).endswith("found none")


def without_background(run: StoredRun, wanted: int) -> StoredRun:
    """The run without background estimate in one bin of the scan that is exported."""
    member = run.representative("cluster_scanning", 150)
    path = f"cluster_scanning/observed/epsilon_0150/member_{member:02d}/background_estimate"
    estimate = run.histograms[path].copy()
    estimate[wanted] = (0.0, 0.0)
    return dataclasses.replace(run, histograms={**run.histograms, path: estimate})


def test_bins_without_background_are_left_out(run: StoredRun, caplog: pytest.LogCaptureFixture) -> None:
    """A signal there makes pyhf's fit without signal fail: an event of no expectation."""
    full, spec = pyhf_workspace(run), pyhf_workspace(without_background(run, 5))
    assert samples(full)["signal"]["data"][5] > 0, "the toy must have signal there"
    assert spec["observations"][0]["data"] == np.delete(full["observations"][0]["data"], 5).tolist()
    for name in ("background", "signal"):
        assert samples(spec)[name]["data"] == np.delete(samples(full)[name]["data"], 5).tolist()
    (record,) = caplog.records
    for text in (record.getMessage(), spec["measurements"][0]["name"]):
        assert "left out, without background estimate: [3500, 3600) GeV" in text
    pyhf = pytest.importorskip("pyhf", reason=f"needs pyhf: {pip_install('pyhf')}")
    workspace = pyhf.Workspace(spec)
    model = workspace.model()
    data = workspace.data(model)
    assert np.isfinite(pyhf.infer.mle.fit(data, model)).all()
    assert 0 < float(pyhf.infer.hypotest(1.0, data, model, test_stat="qtilde")) <= 1


def test_a_signal_only_where_there_is_no_background_is_no_template(run: StoredRun) -> None:
    signal = np.zeros((4, 5), dtype=np.int64)
    signal[0, 4] = 3
    alone = scan(signal)
    expected = np.where(np.arange(5) == 4, 0.0, alone.expected)
    template = signal_template(dataclasses.replace(alone, expected=expected), 3)
    assert template.jets[4] == 0
    assert np.count_nonzero(template.jets) == 1
    assert "most significant bin" in template.description

"""The pyhf workspace, and that pyhf can do statistics with it."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
from toy_run import toy_run

from hepcs.errors import ArgumentError
from hepcs.output.pyhf_export import pyhf_workspace, signal_template
from hepcs.output.reading import StoredRun, StoredScan
from hepcs.requirements import pip_install

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
    assert f"150 signal events, scan {ensemble.representative}" in workspace["measurements"][0]["name"]
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
        ArgumentError, match=r"scan 0 .*no background estimate.* of 8 clusters.*that have one: 1"
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


def test_the_nearest_scan_with_an_estimate_is_taken(run: StoredRun) -> None:
    """A scan that selected nothing has nothing to export; another one of the ensemble may."""
    nearest = run.representative("cluster_scanning", 150)
    other = 1 - nearest
    assert run.scan("cluster_scanning", 150, other).expected.any(), "the toy must have another"
    path = f"cluster_scanning/observed/epsilon_0150/member_{nearest:02d}/background_estimate"
    empty = run.histograms[path].copy().reset()
    without = dataclasses.replace(run, histograms={**run.histograms, path: empty})
    spec = pyhf_workspace(without, epsilon=150)
    assert f"150 signal events, scan {other};" in spec["measurements"][0]["name"]
    assert samples(spec)["background"]["data"] == run.scan("cluster_scanning", 150, other).expected.tolist()
    with pytest.raises(ArgumentError, match=f"scan {nearest} of cluster_scanning"):
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


def test_bins_without_background_are_taken(run: StoredRun) -> None:
    pyhf = pytest.importorskip("pyhf", reason=f"needs pyhf: {pip_install('pyhf')}")
    spec = pyhf_workspace(run)
    background = samples(spec)["background"]
    background["data"][-1] = background["modifiers"][1]["data"][-1] = 0.0
    spec["observations"][0]["data"][-1] = 0.0
    samples(spec)["signal"]["data"][-1] = 0.1
    workspace = pyhf.Workspace(spec)
    best = pyhf.infer.mle.fit(workspace.data(workspace.model()), workspace.model())
    assert np.isfinite(best).all()

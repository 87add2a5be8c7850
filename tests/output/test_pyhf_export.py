"""The pyhf workspace, and that pyhf can do statistics with it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_run import toy_run
from toys import BINS

from hepcs._core.errors import ArgumentError
from hepcs._core.requirements import pip_install
from hepcs.datasets.bootstrap import Injection
from hepcs.datasets.spectra import mass_histogram
from hepcs.output import StoredRun, read_run, write_run
from hepcs.output.pyhf_export import pyhf_workspace, signal_template, significance_notice
from hepcs.results import MassSpectrum, NamedHistogram, Observation

# pyhf's, of the library that validates its schema.
pytestmark = pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")


SCAN = "cluster_scanning"


def spectrum(**changes: Any) -> MassSpectrum:
    """An excess in the fifth and sixth bin."""
    expected = np.linspace(160.0, 10.0, 16)
    observed = expected + np.isin(np.arange(16), (4, 5)) * 40.0
    z = np.maximum(observed - expected, 0) / np.sqrt(expected)
    return dataclasses.replace(
        MassSpectrum(observed, expected, expected / 4, z, "events", "a guess"), **changes
    )


def samples(workspace: dict[str, Any]) -> dict[str, Any]:
    return {sample["name"]: sample for sample in workspace["channels"][0]["samples"]}


def changed(run: StoredRun, change: Callable[[Observation], Observation], name: str = SCAN) -> StoredRun:
    """The run with another observation of its last data set."""
    searches = [
        dataclasses.replace(
            search,
            observed=(
                *search.observed[:-1],
                dataclasses.replace(search.observed[-1], observation=change(search.observed[-1].observation)),
            ),
        )
        if search.name == name
        else search
        for search in run.result.searches
    ]
    return dataclasses.replace(run, result=dataclasses.replace(run.result, searches=tuple(searches)))


def with_spectrum(run: StoredRun, **changes: Any) -> StoredRun:
    """The run with another spectrum of its last data set."""
    return changed(
        run,
        lambda one: dataclasses.replace(one, spectrum=dataclasses.replace(one.spectrum, **changes)),  # type: ignore[type-var]
    )


def test_the_workspace_has_the_numbers_of_the_spectrum(run: StoredRun) -> None:
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
    signal = ensemble.clusterings[ensemble.representative].by_part[1][member.signal_rich].sum(axis=0)
    assert samples(workspace)["signal"]["data"] == signal.tolist()
    name = workspace["measurements"][0]["name"]
    assert (
        f"150 signal events: scan {ensemble.representative + 1} of 2: jets of the signal-rich clusters"
        in name
    )
    assert "left out" not in name
    assert json.loads(json.dumps(workspace, allow_nan=False)) == workspace


def test_any_search_that_compares_a_spectrum_has_a_workspace(run: StoredRun) -> None:
    workspace = pyhf_workspace(run, "fit_4", 0)
    observed = toy_run().searches[2].observed[0].observation
    assert observed.spectrum is not None
    assert workspace["observations"][0]["data"] == observed.spectrum.observed.tolist()
    assert "fit_4, no signal: events; mu = 1: one standard deviation" in workspace["measurements"][0]["name"]


def test_an_estimate_without_error_has_none(tmp_path: Path) -> None:
    write_run(toy_run(searches="{idealised_fit: {}}"), tmp_path)
    workspace = pyhf_workspace(read_run(tmp_path))
    assert [one["name"] for one in samples(workspace)["background"]["modifiers"]] == ["background_norm"]
    assert sum(samples(workspace)["signal"]["data"]) == pytest.approx(150, abs=15)


def test_the_signal_is_the_injected_one_where_it_is_known() -> None:
    counts = np.arange(16.0)
    known = Observation(
        spectrum(), histograms=(NamedHistogram("injected", "", mass_histogram(counts, BINS, "events")),)
    )
    template = signal_template(known, spectrum(), Injection(40, "wide"), BINS.edges)
    assert template.counts.tolist() == counts.tolist()
    assert template.description.startswith("40 events of wide that were injected")


@pytest.mark.parametrize("window", [None, (3400.0, 3600.0)])
def test_else_it_is_a_bump_in_the_most_significant_window(window: tuple[float, float] | None) -> None:
    nothing = NamedHistogram("injected", "", mass_histogram(np.zeros(16), BINS, "events"))
    for observation in (Observation(spectrum()), Observation(spectrum(), histograms=(nothing,))):
        found = spectrum(window=window, local_z=None if window is None else 4.5)
        template = signal_template(observation, found, Injection(), BINS.edges)
        inside = np.flatnonzero(template.counts)
        assert inside.tolist() == ([5] if window is None else [4, 5])
        # One standard deviation of the background there.
        assert template.counts.sum() == pytest.approx(np.sqrt(spectrum().expected[inside].sum()))
        assert template.largest == 10 * (found.local_significance.max() if window is None else 4.5)


def test_what_is_not_there_is_named(run: StoredRun, tmp_path: Path) -> None:
    for arguments, message in (
        (("nothing",), "no search is named 'nothing'"),
        ((None, 77), "epsilon = 77"),
        ((None, Injection(150, "wide")), "wide_epsilon_0150"),
    ):
        with pytest.raises(ArgumentError, match=message):
            pyhf_workspace(run, *arguments)
    with pytest.raises(
        ArgumentError, match="cluster_scanning, 150 signal events: there is no background estimate"
    ):
        pyhf_workspace(with_spectrum(run, expected=np.zeros(16)))
    with pytest.raises(ArgumentError, match="there is no spectrum"):
        pyhf_workspace(changed(run, lambda one: dataclasses.replace(one, spectrum=None)), SCAN)
    write_run(toy_run(blind=True), tmp_path)
    with pytest.raises(ArgumentError, match="no search of the run compares a spectrum of observed data"):
        pyhf_workspace(read_run(tmp_path))


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


def test_pyhf_takes_a_spectrum_without_known_signal(run: StoredRun) -> None:
    pyhf = pytest.importorskip("pyhf", reason=f"needs pyhf: {pip_install('pyhf')}")
    spec = pyhf_workspace(changed(run, lambda one: dataclasses.replace(one, histograms=())))
    assert np.count_nonzero(samples(spec)["signal"]["data"]) == 1
    workspace = pyhf.Workspace(spec)
    model = workspace.model()
    best = pyhf.infer.mle.fit(workspace.data(model), model)
    # In units of sqrt(B) in the most significant bin: about its local significance.
    observed = run.observed(SCAN, 150).observation.spectrum
    assert observed is not None
    assert best[model.config.poi_index] == pytest.approx(observed.local_significance.max(), rel=0.4)


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
    """The run without background estimate in one bin of the spectrum that is exported."""
    observed = run.observed(SCAN, 150).observation.spectrum
    assert observed is not None
    expected = observed.expected.copy()
    expected[wanted] = 0.0
    return with_spectrum(run, expected=expected)


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


def test_a_signal_only_where_there_is_no_background_is_no_template() -> None:
    alone = np.where(np.arange(16) == 15, 3.0, 0.0)
    observation = Observation(
        spectrum(), histograms=(NamedHistogram("injected", "", mass_histogram(alone, BINS, "events")),)
    )
    expected = np.where(np.arange(16) == 15, 0.0, spectrum().expected)
    template = signal_template(observation, spectrum(expected=expected), Injection(3, "signal"), BINS.edges)
    assert template.counts[15] == 0
    assert np.flatnonzero(template.counts).tolist() == [5]
    assert "most significant window" in template.description

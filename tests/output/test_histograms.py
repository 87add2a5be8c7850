"""Histograms of a run, and their JSON file."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import hist
import numpy as np
import pytest
from toy_run import toy_run

from hepcs._core.errors import ArgumentError, InputError
from hepcs.datasets.bootstrap import Kind
from hepcs.features.image_summary import AverageImages
from hepcs.output.histograms import (
    calibration_histogram,
    class_histogram,
    cutflow_histogram,
    histograms_json,
    image_histograms,
    read_histograms,
    round_width,
    run_histograms,
)
from hepcs.results import SearchResult

FIT = "{fit_3: {kind: dijet_fit, parameters: 3}}"
SIGNALS = (
    "{background: {kind: root, files: b.root}, "
    "signals: {wide: {kind: root, files: s.root}, narrow: {kind: root, files: n.root}}}"
)


def with_observed(search: SearchResult, statistic: float) -> SearchResult:
    """A search that observed another statistic."""
    first = search.observed[0]
    outcome = dataclasses.replace(first.outcome, statistic=statistic)
    return dataclasses.replace(search, observed=(dataclasses.replace(first, outcome=outcome),))


def test_paths_say_search_epsilon_and_member() -> None:
    paths = set(run_histograms(toy_run()))
    assert "cluster_scanning/observed/epsilon_0150/member_01/spectra" in paths
    assert "fit_4/observed/epsilon_0000/background_estimate" in paths
    assert {"cluster_scanning/calibration", "fit_3/calibration", "samples/labelled/cutflow"} <= paths
    assert {
        "samples/labelled/average_images/signal_heavier",
        "samples/labelled/nonzero_pixels/signal",
    } <= paths
    # 2 epsilons x 2 members x 5 histograms, 2 members with signal, 3 searches x 2 epsilons x 3 and the injected
    # signal of each, 3 calibrations, 4 x 3 quartiles with those of all searches together; of the sample cutflow,
    # classes, 2 x 2 average images, 2 distributions of filled pixels and 3 spectra with shifted energies.
    assert len(paths) == 20 + 2 + 18 + 3 + 3 + 12 + 8 + 3


def test_every_search_has_its_spectrum_with_the_estimate_and_its_variance() -> None:
    found = run_histograms(toy_run())
    for search in toy_run().searches:
        for observed in search.observed:
            spectrum, folder = (
                observed.observation.spectrum,
                f"{search.name}/observed/{observed.injection.label}",
            )
            assert spectrum is not None
            np.testing.assert_array_equal(found[f"{folder}/spectrum"].values(), spectrum.observed)
            np.testing.assert_array_equal(found[f"{folder}/background_estimate"].values(), spectrum.expected)
            np.testing.assert_array_equal(
                found[f"{folder}/background_estimate"].variances(), spectrum.variance
            )
            local = found[f"{folder}/local_significance"]
            np.testing.assert_array_equal(local.values(), spectrum.local_significance)
            assert found[f"{folder}/spectrum"].name == spectrum.what
            assert found[f"{folder}/background_estimate"].name == spectrum.estimate


def test_injections_of_several_signals_have_names_of_their_own() -> None:
    result = toy_run(searches=FIT, samples=SIGNALS, epsilon="{wide: [0, 150], narrow: [100]}")
    found = run_histograms(result)
    folders = {path.split("/")[2] for path in found if path.startswith("fit_3/observed")}
    assert folders == {"epsilon_0000", "wide_epsilon_0150", "narrow_epsilon_0100"}
    assert list(found["fit_3/sensitivity/median"].axes[0]) == ["wide 150", "narrow 100"]


def test_quartiles_by_the_number_of_injected_events() -> None:
    found = run_histograms(toy_run())
    for search in toy_run().searches:
        (doped,) = search.doped
        for name in ("lower_quartile", "median", "upper_quartile"):
            histogram = found[f"{search.name}/sensitivity/{name}"]
            assert list(histogram.axes[0]) == ["150"]
            assert histogram.values().tolist() == [getattr(doped.z, name).z]


def test_every_axis_says_its_unit() -> None:
    """Jets, clusters, steps and classes are counted; masses and angles have units."""
    counted = {"cluster", "step", "class", "pixels", "statistic", "epsilon", "eta"}
    for path, histogram in run_histograms(toy_run()).items():
        for axis in histogram.axes:
            assert axis.label, path
            assert axis.name in counted or "[" in axis.label, f"{path}: {axis.label}"


def test_histograms_hold_what_the_search_found() -> None:
    result = toy_run()
    found = run_histograms(result)["cluster_scanning/observed/epsilon_0150/member_00/spectra"]
    scan = result.searches[0].observed[1].observation.result.scans[0]
    np.testing.assert_array_equal(found.values(), scan.spectra)
    assert found.name == "scan 1 of 2: jets of each cluster in each m_jj bin"
    assert found.label == "jets"
    assert [axis.name for axis in found.axes] == ["cluster", "m_jj"]


def test_the_originals_keep_their_titles() -> None:
    result = toy_run()
    run_histograms(result)
    named = result.searches[0].observed[0].observation.histograms[0]
    assert named.histogram.name is None


def test_two_histograms_of_one_path_are_refused() -> None:
    result = toy_run()
    with pytest.raises(ArgumentError, match="fit_4/observed/epsilon_0000"):
        run_histograms(dataclasses.replace(result, searches=(*result.searches, result.searches[-1])))


def test_calibration_counts_every_pseudo_experiment() -> None:
    search = toy_run().searches[0]
    histogram = calibration_histogram(search)
    null = search.statistics(Kind.BACKGROUND_ONLY)
    assert histogram.sum(flow=True) == null.size == 40
    assert histogram.sum() == 40
    counts, _ = np.histogram(null, histogram.axes[0].edges)
    np.testing.assert_array_equal(histogram.values(), counts)
    statistics = [entry.outcome.statistic for entry in search.observed]
    assert histogram.axes[0].edges[0] == 0
    assert max(statistics) < histogram.axes[0].edges[-1] < 2 * max(statistics)
    assert 20 <= np.ptp(null) / histogram.axes[0].widths[0] <= 50


def test_calibration_of_far_and_degenerate_statistics() -> None:
    search = toy_run().searches[0]
    assert len(calibration_histogram(with_observed(search, 1e9)).axes[0]) == 500
    zeros = tuple(dataclasses.replace(outcome, statistic=0.0) for outcome in search.outcomes)
    histogram = calibration_histogram(with_observed(dataclasses.replace(search, outcomes=zeros), 0.0))
    assert histogram.values()[0] == 40
    assert calibration_histogram(dataclasses.replace(search, outcomes=())).sum(flow=True) == 0


@pytest.mark.parametrize(
    ("width", "expected"),
    [(0.03, 0.05), (0.05, 0.05), (0.21, 0.25), (0.6, 1.0), (1.2, 2.0), (60, 100), (0, 1)],
)
def test_round_width(width: float, expected: float) -> None:
    assert round_width(width) == pytest.approx(expected)


def test_json_round_trip_is_exact(tmp_path: Path) -> None:
    written = run_histograms(toy_run())
    path = tmp_path / "histograms.json"
    path.write_text(histograms_json(written), encoding="utf-8")
    found = read_histograms(path)
    assert list(found) == list(written)
    for key, histogram in written.items():
        assert found[key] == histogram
        assert isinstance(found[key], hist.Hist)
        assert (found[key].name, found[key].label) == (histogram.name, histogram.label)
        for axis, expected in zip(found[key].axes, histogram.axes, strict=True):
            assert (axis.name, axis.label) == (expected.name, expected.label)
    changed = found["cluster_scanning/calibration"].copy()
    changed.view()[0] += 1
    assert changed != written["cluster_scanning/calibration"]


def test_cutflow_keeps_the_order_of_the_steps() -> None:
    cutflow = toy_run().samples[0].cutflow
    histogram = cutflow_histogram(cutflow)
    assert list(histogram.axes[0]) == list(cutflow.names)
    np.testing.assert_array_equal(histogram.values(), cutflow.counts)


def test_average_images_have_axes_and_no_errors() -> None:
    sample = toy_run().samples[0]
    found = run_histograms(toy_run())["samples/labelled/average_images/signal_heavier"]
    np.testing.assert_array_equal(found.values(), sample.averages[1].heavier)
    np.testing.assert_array_equal(found.variances(), 0)
    assert [(axis.name, axis.edges[0], axis.edges[-1], len(axis)) for axis in found.axes] == [
        ("eta", -0.8, 0.8, 40),
        ("phi", -0.8, 0.8, 40),
    ]
    assert found.name == f"signal: average image of the heavier jets of {sample.averages[1].n_events} events"


def test_filled_pixels_are_counted_to_the_last_one() -> None:
    counts = toy_run().samples[0].nonzero_pixels[0]
    found = run_histograms(toy_run())["samples/labelled/nonzero_pixels/background"]
    last = int(np.flatnonzero(counts)[-1])
    assert len(found.axes[0]) == last + 1
    assert found[{"pixels": hist.loc(40)}] == counts[40] > 0
    assert found.sum() == counts.sum() == 6000


def test_classes_say_how_many_events_are_of_which() -> None:
    sample = toy_run().samples[0]
    histogram = run_histograms(toy_run())["samples/labelled/classes"]
    assert list(histogram.axes[0]) == ["background", "signal"]
    np.testing.assert_array_equal(histogram.values(), [one.n_events for one in sample.averages])
    unlabelled = dataclasses.replace(sample, role="data", averages=sample.averages[:1])
    assert list(class_histogram(unlabelled).axes[0]) == ["data"]


def test_a_class_without_events_has_no_images() -> None:
    sample = toy_run().samples[0]
    nothing = AverageImages(0, np.zeros((40, 40)), np.zeros((40, 40)))
    empty = dataclasses.replace(
        sample, averages=(sample.averages[0], nothing), nonzero_pixels=(np.zeros(1601, dtype=np.int64),) * 2
    )
    assert [named.path for named in image_histograms(empty, 0.8)] == [
        "average_images/background_lighter",
        "average_images/background_heavier",
    ]


@pytest.mark.parametrize("text", ["{", "[1]", '{"a": 1}', '{"a": {"axes": []}}'])
def test_reading_something_else_names_the_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "histograms.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"histograms\.json: not a JSON file of histograms"):
        read_histograms(path)


def test_reading_a_missing_file_names_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.json"):
        read_histograms(tmp_path / "nothing.json")

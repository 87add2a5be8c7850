"""A finished run, opened again."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot
from toy_run import toy_run

from hepcs._core.errors import ArgumentError, InputError
from hepcs._core.storage import file_sha256
from hepcs.datasets.bootstrap import Injection, Kind
from hepcs.output import StoredRun, read_run, render_table, results_digest, run_histograms, write_run
from hepcs.output.root import write_root
from hepcs.output.summary import plain
from hepcs.output.summary_file import write_summary
from hepcs.plots import average_panels, calibration_distribution
from hepcs.results import RunResult


def change_summary(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Another summary, with a checksum that is right, as another version of hepcs would write it."""
    path = folder / "summary.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["checksum"]
    change(content)
    write_summary(path, content)


# ----------------------------------------------------------------------------------- what was written is read


def test_the_digest_of_what_is_read_is_that_of_the_run(run: StoredRun) -> None:
    # It covers every statistic, calibration, quantile and histogram.
    assert results_digest(run.result) == run.digest == results_digest(toy_run())


def test_searches_are_as_they_were(run: StoredRun) -> None:
    assert run.names == ("cluster_scanning", "fit_3", "fit_4")
    for name, written in zip(run.names, toy_run().searches, strict=True):
        found = run.search(name)
        assert (found.title, found.seconds) == (written.title, written.seconds)
        assert found.outcomes == written.outcomes
        assert found.shared == written.shared
        assert found.doped == written.doped
        for mine, theirs in zip(found.observed, written.observed, strict=True):
            for part in ("injection", "outcome", "calibration", "extrapolation"):
                assert getattr(mine, part) == getattr(theirs, part)
            assert plain(mine.observation.summary) == plain(theirs.observation.summary)
            assert plain(mine.observation.spectrum) == plain(theirs.observation.spectrum)
            named = [one.path for one in mine.observation.histograms]
            assert named == [one.path for one in theirs.observation.histograms]


def test_a_tail_extrapolation_is_as_it_was(tmp_path: Path) -> None:
    result = toy_run(background_only=150, doped=0, searches="{cluster_scanning: {k: 8, ensemble: 2}}")
    written = result.searches[0].observed[1].extrapolation
    assert written is not None
    write_run(result, tmp_path)
    found = read_run(tmp_path).search("cluster_scanning").observed[1].extrapolation
    assert found == written
    assert found.z_conservative == written.z_conservative


def test_card_samples_and_provenance_are_as_they_were(run: StoredRun) -> None:
    written = toy_run()
    assert run.card == written.card.card
    assert run.bins == written.bins
    assert run.result.card.given == written.card.given
    # Drawing takes its time, too, which is known once it is done.
    seconds = dict(run.result.provenance.seconds)
    assert seconds.pop("figures") > 0
    assert dataclasses.replace(run.result.provenance, seconds=seconds) == written.provenance
    assert run.result.warnings == written.warnings
    assert run.result.features == written.features
    assert plain(run.result.combined) == plain(written.combined)
    found, sample = run.result.samples[0], written.samples[0]
    for name in (
        "role",
        "inputs",
        "cutflow",
        "rejections",
        "n_selected",
        "n_evaluation",
        "lacking",
        "n_weightless",
        "n_repeated",
        "reused",
    ):
        assert getattr(found, name) == getattr(sample, name)
    assert found.energy_spectra.keys() == sample.energy_spectra.keys() == {"nominal", "up", "down"}
    for name, spectrum in sample.energy_spectra.items():
        np.testing.assert_array_equal(found.energy_spectra[name], spectrum)
    for mine, theirs in zip(found.averages, sample.averages, strict=True):
        assert mine.n_events == theirs.n_events
        np.testing.assert_array_equal(mine.lighter, theirs.lighter)
        np.testing.assert_array_equal(mine.heavier, theirs.heavier)
    for counts, expected in zip(found.nonzero_pixels, sample.nonzero_pixels, strict=True):
        np.testing.assert_array_equal(counts, expected[: len(counts)])
        assert counts.sum() == expected.sum()


def test_what_takes_a_run_takes_a_stored_one(run: StoredRun) -> None:
    assert [title for title, _ in average_panels(run.result.samples)] == [
        "background, all jets\nof 3,000 events", "signal, lighter jets\nof 2,000 events",
        "signal, heavier jets\nof 2,000 events",
    ]  # fmt: skip
    assert len(render_table(run.result).rows) == len(render_table(toy_run()).rows) == 12
    figure = calibration_distribution(run.search("fit_4"))
    assert "3-parameter" not in figure.axes[0].get_xlabel()


# -------------------------------------------------------------------------------------------------- access


def test_members_are_those_of_the_ensemble(run: StoredRun) -> None:
    null = run.members("cluster_scanning", Kind.BACKGROUND_ONLY)
    assert null.shape == (40, 2)
    statistics = run.search("cluster_scanning").statistics(Kind.BACKGROUND_ONLY)
    np.testing.assert_allclose(null.mean(axis=1), statistics)
    assert run.members("cluster_scanning", Kind.DOPED, 150).shape == (5, 2)
    assert run.members("fit_3", Kind.OBSERVED).shape == (1, 1)
    assert run.members("fit_3", Kind.DOPED, 777).shape[0] == 0


def test_details_are_the_further_numbers_of_a_search(run: StoredRun) -> None:
    outcomes = toy_run().searches[0].outcomes
    expected = [
        outcome.details["smallest_cluster_bin"]
        for outcome in outcomes
        if outcome.task.kind is Kind.BACKGROUND_ONLY
    ]
    found = run.details("cluster_scanning", "smallest_cluster_bin", Kind.BACKGROUND_ONLY)
    np.testing.assert_array_equal(found, expected)
    assert run.details("fit_3", "smallest_cluster_bin", Kind.BACKGROUND_ONLY).size == 0


def test_names_and_epsilons_that_are_not_there_are_named(run: StoredRun) -> None:
    with pytest.raises(
        ArgumentError, match="no search is named 'fit_5'; there are cluster_scanning, fit_3, fit_4"
    ):
        run.search("fit_5")
    there = "no observed data set with epsilon = 7; there are epsilon_0000, epsilon_0150"
    with pytest.raises(ArgumentError, match=there):
        run.observed("fit_3", 7)
    assert run.observed("fit_3", 150) is run.observed("fit_3", Injection(150, "signal"))


def test_a_number_of_events_may_be_that_of_several_signals(tmp_path: Path) -> None:
    signals = "signals: {wide: {kind: root, files: s.root}, narrow: {kind: root, files: n.root}}"
    samples = f"{{background: {{kind: root, files: b.root}}, {signals}}}"
    result = toy_run(
        searches="{fit_3: {kind: dijet_fit, parameters: 3}}", samples=samples, epsilon="[0, 150]"
    )
    write_run(result, tmp_path)
    run = read_run(tmp_path)
    assert results_digest(run.result) == run.digest == results_digest(result)
    assert run.observed("fit_3", Injection(150, "narrow")).injection.label == "narrow_epsilon_0150"
    assert run.observed("fit_3", 0).injection == Injection()
    with pytest.raises(ArgumentError, match=r"several .* epsilon = 150; there are .*, wide_epsilon_0150, "):
        run.observed("fit_3", 150)


def test_a_blind_run_is_read_as_one(tmp_path: Path) -> None:
    write_run(toy_run(blind=True), tmp_path)
    run = read_run(tmp_path)
    assert run.result.is_blind
    assert results_digest(run.result) == run.digest
    with pytest.raises(ArgumentError, match="there are none: the run is blind"):
        run.observed("fit_3", 150)


def test_numbers_that_are_none_stay_none(tmp_path: Path) -> None:
    result = toy_run()
    search = result.searches[1]
    outcome = dataclasses.replace(search.outcomes[0], statistic=float("nan"), valid=False)
    observed = dataclasses.replace(search.observed[0], outcome=outcome, calibration=None)
    search = dataclasses.replace(
        search, outcomes=(outcome, *search.outcomes[1:]), observed=(observed, *search.observed[1:])
    )
    write_run(dataclasses.replace(result, searches=(search,)), tmp_path)
    found = read_run(tmp_path)
    assert found.search("fit_3").observed[0].calibration is None
    assert np.isnan(found.search("fit_3").outcomes[0].statistic)
    assert results_digest(found.result) == found.digest


# -------------------------------------------------------------------------------------------------- faults


def copy_of(folder: Path, to: Path) -> Path:
    for name in ("summary.json", "histograms.json", "results.root"):
        (to / name).write_bytes((folder / name).read_bytes())
    return to


def test_a_folder_without_a_run_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"no finished run there, summary\.json is missing\. Give the folder"
    ):
        read_run(tmp_path)
    with pytest.raises(InputError, match="nowhere: no finished run"):
        read_run(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["results.root", "histograms.json"])
def test_a_missing_file_is_named(written: Path, tmp_path: Path, name: str) -> None:
    (copy_of(written, tmp_path) / name).unlink()
    with pytest.raises(InputError, match=f"{name}: cannot be read: No such file.*Restore it"):
        read_run(tmp_path)


@pytest.mark.parametrize("name", ["results.root", "histograms.json"])
def test_one_altered_byte_is_refused(written: Path, tmp_path: Path, name: str) -> None:
    path = copy_of(written, tmp_path) / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"{name}: altered or damaged since the run wrote it"):
        read_run(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", "", "null"])
def test_a_summary_that_is_none_is_refused(written: Path, tmp_path: Path, text: str) -> None:
    (copy_of(written, tmp_path) / "summary.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"summary\.json: (cannot be read|found format None)"):
        read_run(tmp_path)


@pytest.mark.parametrize(
    "text", ['{"files": {}, "x": NaN}', '{"files": {}, "x": 1e999}', "[" * 5000 + "]" * 5000]
)
def test_what_is_no_json_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "summary.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"summary\.json: cannot be read"):
        read_run(tmp_path)


def test_an_altered_summary_is_refused(written: Path, tmp_path: Path) -> None:
    path = copy_of(written, tmp_path) / "summary.json"
    summary = json.loads(path.read_text(encoding="utf-8"))
    summary["table"][0]["z"] = 6.0
    path.write_text(json.dumps(summary), encoding="utf-8")
    with pytest.raises(
        InputError, match=r"summary\.json: altered or damaged since the run wrote it.*Restore it"
    ):
        read_run(tmp_path)


def test_another_format_is_refused(written: Path, tmp_path: Path) -> None:
    copy_of(written, tmp_path)
    change_summary(tmp_path, lambda content: content.update(format=999))
    with pytest.raises(InputError, match=r"summary\.json: found format 999"):
        read_run(tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda content: content["table"].clear(), "KeyError"),
        (
            lambda content: content["card"]["resolved"]["searches"]["cluster_scanning"].update(k="many"),
            "cluster_scanning.k",
        ),
        (lambda content: content.pop("bins"), "bins"),
        (lambda content: content.update(samples=3), "AttributeError"),
        (lambda content: content["provenance"].pop("blas"), "blas"),
    ],
)
def test_a_summary_of_another_version_is_refused(
    written: Path, tmp_path: Path, change: Callable[[dict[str, Any]], object], words: str
) -> None:
    copy_of(written, tmp_path)
    change_summary(tmp_path, change)
    with pytest.raises(InputError, match=rf"summary\.json: not as this version.*{words}"):
        read_run(tmp_path)


def test_a_tree_that_is_not_there_is_named(written: Path, tmp_path: Path) -> None:
    copy_of(written, tmp_path)
    few: RunResult = dataclasses.replace(toy_run(), searches=toy_run().searches[:2])
    write_root(tmp_path / "results.root", few, run_histograms(few))
    with uproot.open(tmp_path / "results.root") as file:
        assert "fit_4" not in file
    checksum = f"sha256:{file_sha256(tmp_path / 'results.root')}"
    change_summary(tmp_path, lambda content: content["files"].update({"results.root": checksum}))
    with pytest.raises(InputError, match=r"KeyError: 'fit_4/pseudo_experiments'"):
        read_run(tmp_path)

"""The ROOT file, read back with uproot."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hist
import numpy as np
import pytest
import uproot
import yaml
from toy_run import toy_run

from hepcs._core.errors import ArgumentError
from hepcs.calibration import Quantile
from hepcs.datasets.bootstrap import Kind, Task
from hepcs.output.histograms import run_histograms, sensitivity_histograms
from hepcs.output.root import (
    outcome_columns,
    result_columns,
    root_histogram,
    root_text,
    search_rows,
    write_root,
)
from hepcs.output.summary import results_digest
from hepcs.results import Outcome

QUARTILES = ("lower_quartile", "median", "upper_quartile")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    path = tmp_path_factory.mktemp("root") / "results.root"
    result = toy_run()
    write_root(path, result, run_histograms(result))
    with uproot.open(path) as opened:
        yield opened


def round_trip(histogram: hist.Hist, folder: Path) -> Any:
    path = folder / "one.root"
    with uproot.recreate(path) as file:
        file["h"] = root_histogram(histogram)
    with uproot.open(path) as file:
        return file["h"]


def test_every_histogram_has_its_values_and_titles(file: Any) -> None:
    for key, histogram in run_histograms(toy_run()).items():
        found = file[key]
        assert found.classname == f"TH{histogram.ndim}D"
        np.testing.assert_array_equal(found.values(), histogram.values())
        assert found.title == root_text(histogram.name)
        titles = [found.member(name).member("fTitle") for name in ("fXaxis", "fYaxis", "fZaxis")]
        labels = [root_text(label) for label in (*(axis.label for axis in histogram.axes), histogram.label)]
        assert titles[: len(labels)] == labels
        assert "$" not in "".join(titles) + found.title
        if not isinstance(histogram.axes[0], hist.axis.StrCategory):
            for number, axis in enumerate(histogram.axes):
                np.testing.assert_allclose(found.axis(number).edges(), axis.edges)


def test_units_are_on_the_mass_axis(file: Any) -> None:
    spectrum = file["fit_3/observed/epsilon_0150/spectrum"]
    assert spectrum.member("fXaxis").member("fTitle") == "m_{jj} [GeV]"
    assert spectrum.member("fYaxis").member("fTitle") == "events"
    assert spectrum.axis().edges()[[0, -1]].tolist() == [3000, 4600]
    # No stored variances: ROOT takes the square root of counts.
    np.testing.assert_allclose(spectrum.errors(), np.sqrt(spectrum.values()))


def test_the_cutflow_has_labelled_bins(file: Any) -> None:
    cutflow = file["samples/labelled/cutflow"]
    assert cutflow.axis().labels() == ["entries read", "leading jet pT > 1200 GeV"]
    assert cutflow.values().tolist() == [9000, 6000]


def test_the_tree_has_every_data_set(file: Any) -> None:
    search = toy_run().searches[0]
    tree = file["cluster_scanning/pseudo_experiments"]
    assert tree.classname == "TTree"
    assert tree.num_entries == len(search.outcomes) == 2 + 40 + 5
    columns = tree.arrays(library="np")
    assert set(columns) == {
        "kind", "signal", "epsilon", "index", "statistic", "n_events", "valid", "members",
        "mean_signal_rich_clusters", "smallest_cluster_bin",
    }  # fmt: skip
    for row, outcome in enumerate(search.outcomes):
        task = tuple(columns[name][row] for name in ("kind", "epsilon", "index", "signal"))
        assert task == outcome.task.key
        assert columns["statistic"][row] == outcome.statistic
        assert columns["n_events"][row] == outcome.n_events
        assert columns["valid"][row] == outcome.valid
        assert tuple(columns["members"][row]) == outcome.members
    null = columns["statistic"][columns["kind"] == 1]
    np.testing.assert_array_equal(null, search.statistics(Kind.BACKGROUND_ONLY))


def test_the_results_are_a_tree(file: Any) -> None:
    """With nothing but ROOT: p, Z, intervals and bounds of every data set."""
    for search in toy_run().searches:
        tree = file[f"{search.name}/results"]
        assert "bound: 1 if Z is a lower bound" in tree.title
        assert "bound_low and bound_high: the same of z_low and z_high" in tree.title
        columns = tree.arrays(library="np")
        assert columns["kind"].tolist() == [0, 0, 2]
        assert columns["data_set"].tolist() == ["observed", "observed", "doped"]
        assert columns["epsilon"].tolist() == [0, 150, 150]
        for row, observed in enumerate(search.observed):
            calibration = observed.calibration
            assert calibration is not None
            for name in ("p", "p_low", "p_high", "z", "z_low", "z_high", "z_lower_95", "n_null", "n_above"):
                expected = getattr(calibration, name)
                found = columns[name][row]
                assert np.isnan(found) if expected is None else found == expected
            assert columns["statistic"][row] == observed.outcome.statistic
            assert columns["signal"][row] == observed.injection.signal
            assert columns["z_is"][row] == (
                "value" if calibration.bound is None else f"{calibration.bound} bound"
            )
            assert columns["bound"][row] == {None: 0, "lower": 1, "upper": -1}[calibration.bound]
            assert columns["bound_low"][row] == columns["bound_high"][row] == 0
        z = search.doped[0].z
        assert (columns["z_low"][2], columns["z"][2], columns["z_high"][2]) == (
            z.lower_quartile.z, z.median.z, z.upper_quartile.z,
        )  # fmt: skip
        assert np.isnan(columns["p"][2])
    assert 1 in file["cluster_scanning/results"]["bound"].array().to_list(), "the toy must have a bound"


def test_all_searches_together_have_a_tree(file: Any) -> None:
    columns = file["_combined/results"].arrays(library="np")
    for row, combined in enumerate(toy_run().combined):
        assert combined.combination is not None
        assert columns["p"][row] == combined.combination.calibration.p
        assert columns["p_smoothed"][row] == combined.combination.p
        assert -columns["statistic"][row] == combined.combination.smallest_p
        assert columns["epsilon"][row] == combined.injection.epsilon
    assert columns["data_set"].tolist() == ["observed", "observed", "doped"]


def test_shared_data_sets_are_kept_beside_toys(file: Any) -> None:
    fit = toy_run().searches[1]
    assert fit.shared != fit.outcomes
    tree = file["fit_3/shared_data_sets"].arrays(library="np")
    np.testing.assert_array_equal(tree["statistic"], [one.statistic for one in fit.shared])
    assert "cluster_scanning/shared_data_sets" not in file


def test_each_quartile_has_a_bound_of_its_own() -> None:
    """A median that is exact does not make its upper quartile so: 2.76 [2.07, > 2.94]."""
    search = toy_run().searches[0]
    quartiles = (Quantile(2.07, None), Quantile(2.76, None), Quantile(2.94, "lower"))
    z = dataclasses.replace(search.doped[0].z, **dict(zip(QUARTILES, quartiles, strict=True)))
    open_above = dataclasses.replace(search, observed=(), doped=(dataclasses.replace(search.doped[0], z=z),))
    columns = result_columns(search_rows(open_above))
    found = {name: columns[name].tolist() for name in ("bound_low", "bound", "bound_high")}
    assert found == {"bound_low": [0], "bound": [0], "bound_high": [1]}
    named = sensitivity_histograms(open_above.title, open_above.doped)
    titles = {one.path: one.title for one in named}
    assert "bound" not in titles["sensitivity/lower_quartile"] + titles["sensitivity/median"]
    assert titles["sensitivity/upper_quartile"].endswith(", lower bounds at 150")


def test_a_data_set_without_statistic_has_no_numbers() -> None:
    search = toy_run().searches[0]
    lacking = dataclasses.replace(search.observed[0], calibration=None)
    columns = result_columns(search_rows(dataclasses.replace(search, observed=(lacking,), doped=())))
    assert columns["n_null"].tolist() == [-1]
    assert columns["bound"].tolist() == [0]
    assert np.isnan(columns["p"]).all()


def test_card_and_digest_are_texts(file: Any) -> None:
    assert file["card"].classname == "TObjString"
    assert yaml.safe_load(str(file["card"]))["name"] == "toy"
    assert yaml.safe_load(str(file["card_with_defaults"]))["searches"]["cluster_scanning"]["theta"] == 3.0
    assert str(file["digest"]) == results_digest(toy_run())


def test_columns_of_failed_and_uneven_data_sets(tmp_path: Path) -> None:
    task = Task(Kind.BACKGROUND_ONLY, 0, 0)
    outcomes = (
        Outcome(task, 1.5, (1.0, 2.0), 10, details={"chi2/ndof": 0.9}),
        Outcome(dataclasses.replace(task, index=1), math.nan, (), 11, valid=False),
    )
    columns = outcome_columns(outcomes)
    assert columns["chi2_ndof"][0] == 0.9
    assert np.isnan(columns["chi2_ndof"][1])
    result = toy_run()
    searches = (dataclasses.replace(result.searches[0], outcomes=outcomes, shared=outcomes),)
    path = tmp_path / "uneven.root"
    write_root(path, dataclasses.replace(result, searches=searches), {})
    with uproot.open(path) as file:
        tree = file["cluster_scanning/pseudo_experiments"].arrays()
    assert tree["members"].to_list() == [[1.0, 2.0], []]
    assert tree["valid"].to_list() == [True, False]
    assert np.isnan(tree["statistic"][1])


def test_a_detail_cannot_hide_a_column() -> None:
    outcome = Outcome(Task(Kind.OBSERVED, 0, 0), 1.0, (1.0,), 5, details={"index": 3.0})
    with pytest.raises(ArgumentError, match="'index'"):
        outcome_columns([outcome])


def test_flow_bins_of_one_axis_survive(tmp_path: Path) -> None:
    x = hist.axis.Regular(2, 0, 2, underflow=False, overflow=True, name="x")
    y = hist.axis.Variable([0, 1, 5], underflow=False, overflow=False, name="y")
    histogram = hist.Hist(x, y, storage=hist.storage.Int64())
    histogram.fill([0.5, 1.5, 9.0, 9.0], [0.5, 2.0, 0.5, 3.0])
    found = round_trip(histogram, tmp_path)
    assert found.classname == "TH2D"
    assert found.values().tolist() == [[1, 0], [0, 1]]
    assert found.values(flow=True)[3, 1:3].tolist() == [1, 1]
    assert found.axis("y").edges().tolist() == [0, 1, 5]


def test_moments_and_variances(tmp_path: Path) -> None:
    histogram = hist.Hist(hist.axis.Regular(2, 0, 4, name="x"), storage=hist.storage.Weight())
    histogram.fill([1.0, 1.0, 3.0], weight=[2.0, 2.0, 4.0])
    found = round_trip(histogram, tmp_path)
    assert found.variances().tolist() == [8.0, 16.0]
    assert found.member("fTsumw") == 8
    assert found.member("fTsumw2") == 24
    # Mean (4 x 1 + 4 x 3) / 8 and mean square (4 + 36) / 8.
    assert found.member("fTsumwx") / found.member("fTsumw") == 2
    assert found.member("fTsumwx2") / found.member("fTsumw") == 5


def test_moments_in_two_dimensions(tmp_path: Path) -> None:
    axes = (hist.axis.Regular(2, 0, 2, name="x"), hist.axis.Regular(3, 0, 30, name="y"))
    histogram = hist.Hist(*axes, storage=hist.storage.Double())
    histogram.fill([0.5, 1.5, 1.5], [5.0, 15.0, 25.0])
    found = round_trip(histogram, tmp_path)
    assert found.member("fTsumwx") == pytest.approx(3.5)
    assert found.member("fTsumwy") == pytest.approx(45)
    assert found.member("fTsumwy2") == pytest.approx(25 + 225 + 625)
    assert found.member("fTsumwxy") == pytest.approx(0.5 * 5 + 1.5 * 15 + 1.5 * 25)


@pytest.mark.parametrize(
    "histogram",
    [
        hist.Hist(*(hist.axis.Regular(2, 0, 1, name=name) for name in "xyz"), name="cube"),
        hist.Hist(hist.axis.Regular(2, 0, 1), storage=hist.storage.Mean(), name="cube"),
    ],
)
def test_what_root_cannot_hold_is_named(histogram: hist.Hist) -> None:
    with pytest.raises(ArgumentError, match="cube"):
        root_histogram(histogram)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$m_{jj}$ [GeV]", "m_{jj} [GeV]"),
        (r"$\chi^2$, $p_\mathrm{T}$", "#chi^2, p_T"),
        ("in each m_jj bin; sum", "in each m_{jj} bin, sum"),
    ],
)
def test_root_text(text: str, expected: str) -> None:
    assert root_text(text) == expected

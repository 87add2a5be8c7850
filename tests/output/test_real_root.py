"""The ROOT file as ROOT itself sees it, where a Python with ROOT is found; the other tests read it with uproot."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from real_root import run_root
from toy_run import toy_run

from hepcs.bootstrap import Kind
from hepcs.output.histograms import run_histograms
from hepcs.output.root import root_text, write_root
from hepcs.output.summary import results_digest

# What a TBrowser would show: every object with its titles, and numbers that ROOT computes.
LOOK = """
import json, sys, warnings
warnings.simplefilter("ignore")
import ROOT
ROOT.gROOT.SetBatch(True)
ROOT.gErrorIgnoreLevel = ROOT.kInfo
file = ROOT.TFile.Open(sys.argv[1])
found = {}

def look(folder, above):
    for key in folder.GetListOfKeys():
        name, item = above + key.GetName(), key.ReadObj()
        entry = found[name] = {"class": item.ClassName(), "title": item.GetTitle()}
        if item.InheritsFrom("TDirectory"):
            look(item, name + "/")
        elif item.InheritsFrom("TTree"):
            entry["entries"] = item.GetEntries()
            entry["branches"] = [branch.GetName() for branch in item.GetListOfBranches()]
            n = item.Draw("statistic", "kind == 1", "goff")
            entry["null"] = [item.GetV1()[i] for i in range(n)]
            columns = {"pseudo_experiments": "Sum$(members)", "results": "p:z:bound"}
            n = item.Draw(columns[item.GetName()], "kind == 0", "goff")
            dimensions = range(item.GetPlayer().GetDimension())
            entry["drawn"] = [[item.GetVal(j)[i] for i in range(n)] for j in dimensions]
        elif item.InheritsFrom("TObjString"):
            entry["text"] = str(item.GetString())
        else:
            axes = [item.GetXaxis(), item.GetYaxis(), item.GetZaxis()]
            entry["axes"] = [axis.GetTitle() for axis in axes]
            entry["labels"] = [label.GetName() for label in axes[0].GetLabels() or []]
            entry["bins"] = [[axis.GetNbins(), axis.GetXmin(), axis.GetXmax()] for axis in axes]
            entry["contents"] = [item.GetBinContent(i + 1) for i in range(axes[0].GetNbins())]
            entry["errors"] = [item.GetBinError(i + 1) for i in range(axes[0].GetNbins())]
            entry["integral"], entry["mean"], entry["entries"] = item.Integral(), item.GetMean(), item.GetEntries()
            canvas = ROOT.TCanvas()
            item.Draw()
            canvas.Update()

look(file, "")
print(json.dumps(found))
"""


@functools.cache
def seen(folder: Path) -> dict[str, Any]:
    path = folder / "results.root"
    write_root(path, toy_run(), run_histograms(toy_run()))
    ended = run_root(LOOK, str(path))
    for complaint in ("Error", "Warning"):
        assert complaint not in ended.stderr, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout.strip().splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return seen(tmp_path_factory.mktemp("real_root"))


def test_root_sees_every_histogram_with_titles_and_contents(found: dict[str, Any]) -> None:
    for path, histogram in run_histograms(toy_run()).items():
        entry = found[path]
        assert entry["class"] == f"TH{histogram.ndim}D"
        assert entry["title"] == root_text(histogram.name)
        assert entry["title"]
        titles = [root_text(axis.label) for axis in histogram.axes] + [root_text(histogram.label)]
        assert entry["axes"][: len(titles)] == titles
        assert all(titles), f"an axis of {path} has no title"
        assert entry["integral"] == pytest.approx(float(histogram.values().sum()))
        assert entry["entries"] >= 0
        if histogram.ndim == 1:
            assert entry["contents"] == histogram.values().tolist()


def test_root_knows_units_bins_errors_and_labels(found: dict[str, Any]) -> None:
    estimate = found["fit_3/observed/epsilon_0150/background_estimate"]
    assert estimate["axes"][0] == "m_{jj} [GeV]"
    assert estimate["bins"][0] == [16, 3000, 4600]
    fit = toy_run().searches[1].observed[1].observation.result.fit
    assert estimate["errors"] == pytest.approx(fit.expected_error.tolist())
    spectrum = found["fit_3/observed/epsilon_0150/spectrum"]
    assert spectrum["errors"] == pytest.approx([count**0.5 for count in spectrum["contents"]])
    assert found["samples/labelled/cutflow"]["labels"] == ["entries read", "leading jet pT > 1200 GeV"]
    spectra = found["cluster_scanning/observed/epsilon_0150/member_00/spectra"]
    assert spectra["axes"] == ["cluster", "m_{jj} [GeV]", "jets"]
    assert spectra["bins"][:2] == [[8, 0, 8], [16, 3000, 4600]]


def test_root_draws_the_tree(found: dict[str, Any]) -> None:
    for search in toy_run().searches:
        tree = found[f"{search.name}/pseudo_experiments"]
        assert tree["class"] == "TTree"
        assert "1 background-only" in tree["title"]
        assert tree["entries"] == len(search.outcomes)
        assert tree["null"] == search.statistics(Kind.BACKGROUND_ONLY).tolist()
        sums = [sum(observed.observation.outcome.members) for observed in search.observed]
        assert tree["drawn"][0] == pytest.approx(sums)
        assert {"kind", "epsilon", "index", "statistic", "valid", "members"} <= set(tree["branches"])


def test_root_reads_the_results_and_the_card(found: dict[str, Any]) -> None:
    for search in toy_run().searches:
        tree = found[f"{search.name}/results"]
        calibrations = [observed.calibration for observed in search.observed]
        bounds = {None: 0, "lower": 1, "upper": -1}
        expected = [[one.p, one.z, bounds[one.bound]] for one in calibrations if one is not None]
        assert np.transpose(tree["drawn"]).tolist() == pytest.approx(expected)
    assert found["card"]["class"] == "TObjString"
    assert "name: toy" in found["card"]["text"]
    assert found["digest"]["text"] == results_digest(toy_run())


def test_the_folders_tell_the_story(found: dict[str, Any]) -> None:
    folders = [name for name, entry in found.items() if entry["class"] == "TDirectoryFile"]
    for name in (
        "cluster_scanning/observed/epsilon_0000/member_00",
        "fit_4/observed/epsilon_0150",
        "samples/labelled",
    ):
        assert name in folders

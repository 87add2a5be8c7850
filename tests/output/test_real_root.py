"""Our ROOT files as ROOT itself sees them, where a Python with ROOT is found; the other tests read with uproot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import awkward as ak
import numpy as np
import pytest
from real_root import run_root
from toy_events import toy_events
from toy_run import toy_run

from hepcs.datasets.bootstrap import Kind
from hepcs.output.histograms import run_histograms
from hepcs.output.root import outcome_columns, result_columns, root_text, search_rows, write_root
from hepcs.output.summary import results_digest
from hepcs.sources.convert import convert
from hepcs.sources.root import RootFiles
from hepcs.sources.writing import RootWriter

# ROOT takes seconds to start.
pytestmark = pytest.mark.slow

START = """
import json, sys, warnings
warnings.simplefilter("ignore")
import ROOT
ROOT.gROOT.SetBatch(True)
ROOT.gErrorIgnoreLevel = ROOT.kInfo
found = {}
"""

# What a TBrowser would show: every object with its titles, and numbers that ROOT computes.
LOOK = """
file = ROOT.TFile.Open(sys.argv[1])

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
            drawn = "p:z:bound:bound_low" if item.GetName() == "results" else "Sum$(members)"
            n = item.Draw(drawn, "kind == 0", "goff")
            dimensions = range(item.GetPlayer().GetDimension())
            entry["drawn"] = [[item.GetVal(j)[i] for i in range(n)] for j in dimensions]
            frame = ROOT.RDataFrame(name, sys.argv[1])
            names = list(map(str, frame.GetColumnNames()))
            # A word is a C string: an array of characters of the longest one's length, with a zero at its end.
            texts = [name for name in names if "Char_t" in frame.GetColumnType(name)]
            for name in texts:
                frame = frame.Define("text_of_" + name, f"std::string({name}.data())")
            entry["means"] = {name: frame.Mean(name) for name in names if name not in texts}
            entry["texts"] = {name: frame.Take["std::string"]("text_of_" + name) for name in texts}
            kinds = [frame.Filter(f"kind == {kind}") for kind in range(3)]
            entry["kinds"] = [[one.Count(), one.Mean("statistic")] for one in kinds]
            entry["means"] = {column: mean.GetValue() for column, mean in entry["means"].items()}
            entry["texts"] = {name: [str(text) for text in taken] for name, taken in entry["texts"].items()}
            entry["kinds"] = [[number.GetValue() for number in numbers] for numbers in entry["kinds"]]
        elif item.InheritsFrom("TObjString"):
            entry["text"] = str(item.GetString())
        else:
            axes = [item.GetXaxis(), item.GetYaxis(), item.GetZaxis()]
            entry["axes"] = [axis.GetTitle() for axis in axes]
            entry["labels"] = [label.GetName() for label in axes[0].GetLabels() or []]
            entry["bins"] = [[axis.GetNbins(), axis.GetXmin(), axis.GetXmax()] for axis in axes]
            columns = range(1, axes[0].GetNbins() + 1)
            if item.GetDimension() == 1:
                entry["contents"] = [item.GetBinContent(i) for i in columns]
                entry["errors"] = [item.GetBinError(i) for i in columns]
            else:
                rows = range(1, axes[1].GetNbins() + 1)
                entry["contents"] = [[item.GetBinContent(i, j) for j in rows] for i in columns]
                entry["errors"] = [[item.GetBinError(i, j) for j in rows] for i in columns]
                profile = item.ProfileX()
                entry["profile"] = [profile.GetBinContent(i) for i in columns]
            entry["integral"], entry["mean"], entry["entries"] = item.Integral(), item.GetMean(), item.GetEntries()
            canvas = ROOT.TCanvas()
            item.Draw()
            canvas.Update()

look(file, "")
"""

# Events that the converter wrote, as a TTree or as an RNTuple.
EVENTS = """
file = ROOT.TFile.Open(sys.argv[1])
if "RNTuple" in file.GetKey("Events").GetClassName() and ROOT.gROOT.GetVersionInt() < 63400:
    sys.exit(print("{}"))
frame = ROOT.RDataFrame("Events", sys.argv[1])
particles = [f"Particle_{name}" for name in ("pt", "eta", "phi")]
frame = frame.Define("n", "int(Particle_pt.size())")
frame = frame.Define("hardest", "Particle_pt.empty() ? 0.f : float(Max(Particle_pt))")
for name in particles:
    frame = frame.Define(f"sum_of_{name}", f"std::accumulate({name}.begin(), {name}.end(), 0.)")
numbers = ["n", "label", "event", "hardest", *(f"sum_of_{name}" for name in particles)]
booked = {name: frame.Sum(name) for name in numbers}
booked |= {"entries": frame.Count(), "empty": frame.Filter("n == 0").Count()}
found |= {name: number.GetValue() for name, number in booked.items()}
"""
# Columns of the trees that are words.
TEXTS = ("signal", "data_set", "p_is", "z_is")
END = "\nprint(json.dumps(found))\n"


def root_says(program: str, path: Path) -> dict[str, Any]:
    """What ROOT finds in a file."""
    ended = run_root(START + program + END, str(path))
    for complaint in ("Error", "Warning"):
        assert complaint not in ended.stderr, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout.strip().splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("real_root") / "results.root"
    write_root(path, toy_run(), run_histograms(toy_run()))
    return root_says(LOOK, path)


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
    np.testing.assert_allclose(spectra["errors"], np.sqrt(spectra["contents"]))
    means = np.array(spectra["contents"]) @ np.arange(3050, 4600, 100) / np.sum(spectra["contents"], axis=1)
    assert spectra["profile"] == pytest.approx(means.tolist()), "the mean m_jj of each cluster, in GeV"


def test_root_shows_significances_and_images(found: dict[str, Any]) -> None:
    for search in toy_run().searches:
        for quartile in ("lower_quartile", "median", "upper_quartile"):
            shown = found[f"{search.name}/sensitivity/{quartile}"]
            assert shown["labels"] == [str(doped.injection.epsilon) for doped in search.doped] == ["150"]
            assert shown["axes"][:2] == ["injected signal events", "Z [standard deviations]"]
            assert shown["contents"] == [getattr(doped.z, quartile).z for doped in search.doped]
        calibration = found[f"{search.name}/calibration"]
        assert calibration["axes"][:2] == ["test statistic", "pseudo-experiments"]
        assert calibration["integral"] == len(search.statistics(Kind.BACKGROUND_ONLY))
    (sample,) = toy_run().samples
    image = found["samples/labelled/average_images/signal_heavier"]
    assert image["bins"][:2] == [[40, -0.8, 0.8]] * 2
    assert image["contents"] == sample.averages[1].heavier.tolist()
    assert image["integral"] == pytest.approx(1)


def test_root_draws_the_tree(found: dict[str, Any]) -> None:
    for search in toy_run().searches:
        tree = found[f"{search.name}/pseudo_experiments"]
        assert tree["class"] == "TTree"
        assert "1 background-only" in tree["title"]
        assert tree["entries"] == len(search.outcomes)
        assert tree["null"] == search.statistics(Kind.BACKGROUND_ONLY).tolist()
        sums = [sum(observed.outcome.members) for observed in search.observed]
        assert tree["drawn"][0] == pytest.approx(sums)
        assert {"kind", "epsilon", "index", "statistic", "valid", "members"} <= set(tree["branches"])


def test_rdataframe_reads_the_trees(found: dict[str, Any]) -> None:
    """Every column, and each kind of data sets apart."""
    for search in toy_run().searches:
        for name, columns in (
            ("pseudo_experiments", outcome_columns(search.outcomes)),
            ("shared_data_sets", outcome_columns(search.shared)),
            ("results", result_columns(search_rows(search))),
        ):
            if name == "shared_data_sets" and search.shared == search.outcomes:
                continue
            tree = found[f"{search.name}/{name}"]
            texts = {key: values.to_list() for key, values in columns.items() if key in TEXTS}
            assert tree["texts"] == texts
            expected = {key: float(np.mean(values)) for key, values in columns.items() if key not in TEXTS}
            assert tree["means"] == pytest.approx(expected, nan_ok=True)
            kinds = [columns["statistic"][columns["kind"] == kind] for kind in Kind]
            assert tree["kinds"] == [
                [len(statistics), pytest.approx(np.mean(statistics) if len(statistics) else 0)]
                for statistics in kinds
            ]


def test_root_reads_the_results_and_the_card(found: dict[str, Any]) -> None:
    for search in toy_run().searches:
        tree = found[f"{search.name}/results"]
        calibrations = [observed.calibration for observed in search.observed]
        bounds = {None: 0, "lower": 1, "upper": -1}
        expected = [[one.p, one.z, bounds[one.bound], 0] for one in calibrations if one is not None]
        np.testing.assert_allclose(np.transpose(tree["drawn"]), expected)
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


@pytest.mark.parametrize("kind", ["ttree", "rntuple"])
def test_root_reads_converted_events(kind: Literal["ttree", "rntuple"], tmp_path: Path) -> None:
    """Labelled events of two files, so in more than one chunk; some of them have no particles left."""
    rng, originals = np.random.default_rng(1), []
    for label, n in enumerate((300, 100)):
        events = toy_events(n, rng)
        originals.append(events[events["pt"] > 500])
        with RootWriter(tmp_path / f"{label}.root") as writer:
            writer.write(originals[-1], np.full(n, label))
    source = RootFiles(tuple(str(tmp_path / f"{label}.root") for label in (0, 1)))
    assert convert(source, tmp_path / "events.root", kind=kind) == 400
    found = root_says(EVENTS, tmp_path / "events.root")
    if not found:
        pytest.skip("RNTuples of the final format are read by ROOT 6.34 and later")
    events = ak.values_astype(ak.concatenate(originals), np.float32)
    assert found["entries"] == 400
    assert found["label"] == 100
    assert found["event"] == 400 * 399 / 2
    assert found["n"] == ak.count(events["pt"])
    assert found["empty"] == ak.sum(ak.num(events) == 0) > 10
    assert found["hardest"] == pytest.approx(float(ak.sum(ak.max(events["pt"], axis=1))), rel=1e-5)
    for name in ("pt", "eta", "phi"):
        values = ak.to_numpy(ak.flatten(events[name])).astype(float)
        assert found[f"sum_of_Particle_{name}"] == pytest.approx(values.sum(), rel=1e-9)

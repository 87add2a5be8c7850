"""Layouts whose versions differ, constituents by their four-momenta, and what ROOT's own classes write."""

from __future__ import annotations

import shutil
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot
from real_root import run_root

from hepcs._core.errors import CardError, InputError
from hepcs.config import read_card
from hepcs.config.sources import RootSource
from hepcs.sources.opening import open_files
from hepcs.sources.root import RootFiles
from hepcs.sources.stored_jets import pairs_by_reference

PT = [[100.0, 20.0], [], [50.0, 0.0, 5.0]]
ETA = [[0.5, -1.0], [], [2.0, 0.0, -0.1]]
PHI = [[0.1, 3.0], [], [-2.0, 0.0, 1.0]]
MASS = [[0.14, 0.0], [], [0.5, 0.0, 0.0]]


def write(path: Path, columns: dict[str, list[list[float]]]) -> Path:
    with uproot.recreate(path) as file:
        tree = file.mktree("Events", dict.fromkeys(columns, "var * float64"))
        tree.extend(
            {name: ak.values_astype(ak.Array(values), np.float64) for name, values in columns.items()}
        )
    return path


def opened(path: Path, **keys: object) -> RootFiles:
    section = RootSource.model_validate({"kind": "root", "files": [str(path)], **keys})
    source = open_files(section, [path.parent])
    assert isinstance(source, RootFiles)
    return source


@pytest.mark.parametrize("collection", ["ScoutingPFCandidate", "ScoutingParticle"])
@pytest.mark.parametrize("massive", [True, False])
def test_scouting_has_two_names_for_its_candidates(tmp_path: Path, collection: str, massive: bool) -> None:
    columns = {f"{collection}_{name}": values for name, values in (("pt", PT), ("eta", ETA), ("phi", PHI))}
    if massive:
        columns[f"{collection}_mass"] = MASS
    source = opened(write(tmp_path / "a.root", columns), layout="scouting")
    found = source.read(source.chunks()[0])
    assert found.pt.to_list() == [[100.0, 20.0], [], [50.0, 5.0]]
    assert found.mass.to_list() == (
        [[0.14, 0.0], [], [0.5, 0.0]] if massive else [[0.0, 0.0], [], [0.0, 0.0]]
    )


def test_scouting_without_candidates_is_told(real_data: Path) -> None:
    """As the official files of some periods, which hold jets alone."""
    with pytest.raises(InputError, match=r"no branch `ScoutingPFCandidate_pt`.*ScoutingPFJet_pt"):
        opened(real_data / "cms" / "scouting_nano.root", layout="scouting").chunks()


def momenta(**others: list[list[float]]) -> dict[str, list[list[float]]]:
    pt, eta, phi, mass = (ak.Array(values) for values in (PT, ETA, PHI, MASS))
    columns = {"px": pt * np.cos(phi), "py": pt * np.sin(phi), "pz": pt * np.sinh(eta)}
    energy = np.sqrt((pt * np.cosh(eta)) ** 2 + mass**2)
    return {name: column.to_list() for name, column in {**columns, "e": energy}.items()} | others


@pytest.mark.parametrize("units", ["GeV", "MeV"])
def test_constituents_by_their_momenta(tmp_path: Path, units: str) -> None:
    path = write(tmp_path / "a.root", momenta())
    source = opened(path, branches={"px": "px", "py": "py", "pz": "pz", "energy": "e"}, units=units)
    found = source.read(source.chunks()[0])
    scale = 1e-3 if units == "MeV" else 1.0
    kept = ak.Array(PT) != 0
    for name, values, factor in (("pt", PT, scale), ("eta", ETA, 1), ("phi", PHI, 1), ("mass", MASS, scale)):
        expected = ak.flatten(ak.Array(values)[kept]) * factor
        np.testing.assert_allclose(ak.flatten(found[name]), expected, atol=3e-5)
    massless = opened(path, branches={"px": "px", "py": "py", "pz": "pz"})
    assert not ak.any(massless.read(massless.chunks()[0]).mass)


def test_weights_multiply_momenta_too(tmp_path: Path) -> None:
    weight = [[0.5, 0.0], [], [1.0, 1.0, 1.0]]
    path = write(tmp_path / "a.root", momenta(w=weight))
    names = {"px": "px", "py": "py", "pz": "pz", "energy": "e", "weight": "w"}
    source = opened(path, branches=names)
    block = source.read_block(source.chunks()[0])
    np.testing.assert_allclose(ak.flatten(block.constituents.pt), [50.0, 50.0, 5.0])
    assert block.n_weightless == 1


@pytest.mark.parametrize(
    ("branches", "text"),
    [
        ("{px: a, py: b}", "branches.*pz.*missing"),
        ("{px: a, py: a, pz: c}", "py: `a` is named for px already"),
        ("{pt: a, eta: b}", "branches.*phi.*missing"),
        ("{px: a, py: b, pz: c, mass: d}", "branches.*mass"),
    ],
)
def test_names_that_do_not_make_a_momentum(tmp_path: Path, branches: str, text: str) -> None:
    card = tmp_path / "card.yaml"
    card.write_text(f"name: x\nsamples:\n  background: {{kind: root, files: a.root, branches: {branches}}}\n")
    with pytest.raises(CardError, match=text) as caught:
        read_card(card)
    assert "momenta" not in str(caught.value)
    assert "polar" not in str(caught.value)


def test_references_find_their_candidates_in_the_same_event() -> None:
    references = ak.Array([[[3, 1], []], [], [[1, 9]]])
    identities = ak.Array([[1, 2, 3], [4], [2, 1]])
    found = pairs_by_reference(references, identities, "Jet.Constituents")
    assert found.event.tolist() == [0, 0, 2, 2]
    assert found.jet.tolist() == [0, 0, 0, 0]
    assert found.constituent.tolist() == [2, 0, 1, -1]  # 9 is in no collection
    nothing = pairs_by_reference(references[1:2], identities[1:2], "Jet.Constituents")
    assert nothing.event.size == nothing.constituent.size == 0


# Classes as those of Delphes (classes/DelphesClasses.h): their branches are split, in a TClonesArray each.
CLASSES = """
#include "TClonesArray.h"
#include "TObject.h"
#include "TRefArray.h"
class Tower : public TObject { public: Float_t ET, Eta, Phi, E; ClassDef(Tower, 1) };
class Track : public TObject { public: Int_t PID, Charge; Float_t PT, Eta, Phi; ClassDef(Track, 1) };
class Jet : public TObject { public: Float_t PT, Eta, Phi, Mass; TRefArray Constituents; ClassDef(Jet, 1) };
"""
WRITE = """
import sys, pathlib, ROOT
pathlib.Path("classes.h").write_text(sys.argv[2])
assert ROOT.gROOT.ProcessLine(".L classes.h+") == 0
ROOT.gInterpreter.Declare('''
#include "TFile.h"
#include "TProcessID.h"
#include "TTree.h"
void write(const char* path) {
  TFile file(path, "RECREATE");
  TTree tree("Delphes", "");
  TClonesArray tracks("Track"), photons("Tower"), neutrals("Tower"), jets("Jet");
  tree.Branch("EFlowTrack", &tracks, 64000, 99);
  tree.Branch("EFlowPhoton", &photons, 64000, 99);
  tree.Branch("EFlowNeutralHadron", &neutrals, 64000, 99);
  tree.Branch("Jet", &jets, 64000, 99);
  for (int event = 0; event < 4; event++) {
    auto before = TProcessID::GetObjectCount();
    for (auto* array : {&tracks, &photons, &neutrals, &jets}) array->Clear("C");
    for (int i = 0; i < 3; i++) {
      auto* one = (Track*)tracks.ConstructedAt(i);
      one->PT = 100 * (i + 1) + event; one->Eta = 0.1 * i; one->Phi = 0.2 * i;
    }
    for (int i = 0; i < 2 + event; i++) {
      auto* one = (Tower*)(i < 2 ? photons.ConstructedAt(i) : neutrals.ConstructedAt(i - 2));
      one->ET = 50 * (i + 1); one->Eta = -0.1 * i; one->Phi = 3.0;
    }
    for (int j = 0; j < 2; j++) {
      auto* jet = (Jet*)jets.ConstructedAt(j);
      jet->PT = 500 - j; jet->Eta = 0.1 * j; jet->Phi = 3.0 * j; jet->Mass = 40;
      jet->Constituents.Clear();
      if (j == 0) for (int i = 2; i >= 0; i--) jet->Constituents.Add(tracks.At(i));
      else for (auto* array : {&photons, &neutrals})
        for (int i = 0; i < array->GetEntriesFast(); i++) jet->Constituents.Add(array->At(i));
    }
    tree.Fill();
    TProcessID::SetObjectCount(before);
  }
  tree.Write();
}
''')
ROOT.write(sys.argv[1])
"""


@pytest.mark.slow
def test_delphes_as_its_own_classes_write_it(tmp_path: Path) -> None:
    if shutil.which("g++") is None:
        pytest.skip("no compiler for the dictionary of the classes")
    path = tmp_path / "delphes.root"
    run_root(WRITE, str(path), CLASSES)
    source = opened(path, layout="delphes")
    found = source.read(source.chunks()[0])
    assert ak.num(found).to_list() == [5, 6, 7, 8]
    assert found.pt[1].to_list() == [101.0, 201.0, 301.0, 50.0, 100.0, 150.0]
    by_name = opened(path, branches={"pt": "EFlowTrack.PT", "eta": "EFlowTrack.Eta", "phi": "EFlowTrack.Phi"})
    full = {"pt": "EFlowTrack/EFlowTrack.PT", "eta": "EFlowTrack.Eta", "phi": "EFlowTrack.Phi"}
    by_path = opened(path, branches=full, tree="Delphes")
    jets = opened(path, layout="delphes", stored_jets={"collection": "Jet"})
    block = jets.read_block(jets.chunks()[0])
    assert block.jets.pt.to_list() == [[500.0, 499.0]] * 4
    # In the order of the references; photons, and neutral hadrons behind them, by number.
    assert block.jets.constituents.pt[1].to_list() == [[301.0, 201.0, 101.0], [50.0, 100.0, 150.0]]
    assert ak.num(block.jets.constituents, axis=2).to_list() == [[3, 2], [3, 3], [3, 4], [3, 5]]
    for one in (by_name, by_path):
        assert one.read(one.chunks()[0]).pt[0].to_list() == [100.0, 200.0, 300.0]

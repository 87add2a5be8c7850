"""Jets that a file holds, and corrections of their energy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
import yaml
from toy_corrections import LARGE, write_large_jets

from hepcs._core.errors import CardError, InputError
from hepcs.config import read_card
from hepcs.config.preparation import Jets
from hepcs.config.sources import RootSource
from hepcs.jets import DijetChunk, pair_mass, select_block
from hepcs.sources.jet_corrections import JetCorrections
from hepcs.sources.opening import open_files
from hepcs.sources.root import RootFiles

SECTION = Jets(backend="fastjet", leading_pt_min=100.0, radius=0.8)
# Candidates of an event: two of each of three jets, and one of pile-up, which is in no jet.
PT = [800.0, 200.0, 50.0, 600.0, 300.0, 90.0, 110.0]
ETA = [0.1, 0.2, 2.0, -0.5, -0.4, 1.0, 1.1]
PHI = [0.0, 0.1, 1.5, 3.0, 2.9, -1.5, -1.4]
WEIGHT = [1.0, 1.0, 0.0, 1.0, 0.5, 1.0, 1.0]
JET = [1, 1, 0, 0, 2, 2]
CANDIDATE = [0, 1, 3, 4, 5, 6]


def sums(jet: int) -> tuple[float, float, float, float]:
    """pt, eta, phi, mass of the weighted candidates of a jet."""
    total = np.zeros(4)
    for row, where in zip(CANDIDATE, JET, strict=True):
        if where == jet:
            pt = PT[row] * WEIGHT[row]
            place = np.cosh(ETA[row]), np.cos(PHI[row]), np.sin(PHI[row]), np.sinh(ETA[row])
            total += pt * np.array(place)
    energy, px, py, pz = total
    pt = np.hypot(px, py)
    squared = energy**2 - pt**2 - pz**2
    return pt, float(np.arcsinh(pz / pt)), float(np.arctan2(py, px)), float(np.sqrt(squared))


def write(path: Path, n: int = 3, **changed: Any) -> Path:
    """n equal events of three jets; the stored jets have 1.25 times the momentum of their candidates."""
    jets = np.array([sums(jet) for jet in range(3)])
    columns: dict[str, Any] = {
        "PFCands_pt": PT,
        "PFCands_eta": ETA,
        "PFCands_phi": PHI,
        "PFCands_mass": [0.0] * len(PT),
        "PFCands_puppiWeight": WEIGHT,
        "FatJet_pt": 1.25 * jets[:, 0],
        "FatJet_eta": jets[:, 1],
        "FatJet_phi": jets[:, 2],
        "FatJet_mass": 1.25 * jets[:, 3],
        "FatJet_rawFactor": [0.2] * 3,
        "FatJet_area": [2.0] * 3,
        "FatJet_jetId": [6, 2, 6],
        "FatJetPFCands_jetIdx": JET,
        "FatJetPFCands_pFCandsIdx": CANDIDATE,
        **changed,
    }
    arrays = {name: ak.Array([list(values)] * n) for name, values in columns.items() if values is not None}
    arrays["fixedGridRhoFastjetAll"] = np.full(n, 20.0)
    with uproot.recreate(path) as file:
        types = {
            name: f"var * {'int32' if 'Id' in name else 'float64'}" if array.ndim == 2 else "float64"
            for name, array in arrays.items()
        }
        file.mktree("Events", types).extend(arrays)
    return path


def opened(path: Path, jets: dict[str, Any], **keys: Any) -> RootFiles:
    section = RootSource.model_validate(
        {"kind": "root", "files": [str(path)], "layout": "pfnano", "stored_jets": jets, **keys}
    )
    source = open_files(section, [path.parent])
    assert isinstance(source, RootFiles)
    return source


def select(source: RootFiles, section: Jets = SECTION) -> DijetChunk:
    return select_block(source.read_block(source.chunks()[0]), section, file="a.root")


def test_stored_jets_come_with_their_own_constituents(tmp_path: Path) -> None:
    source = opened(write(tmp_path / "a.root"), {})
    block = source.read_block(source.chunks()[0])
    assert block.n_weightless == 3
    assert ak.num(block.jets.constituents, axis=2).to_list() == [[2, 2, 2]] * 3
    assert block.jets.constituents.pt[0].to_list() == [[600.0, 150.0], [800.0, 200.0], [90.0, 110.0]]
    found = select(source)
    assert found.cutflow.names[2] == "at least two stored jets"
    np.testing.assert_allclose(found.jets.pt[0], [1.25 * sums(1)[0], 1.25 * sums(0)[0]])
    assert found.jets.constituents.pt[0].to_list() == [[800.0, 200.0], [600.0, 150.0]]


def test_the_momentum_may_be_the_sum_of_the_constituents(tmp_path: Path) -> None:
    found = select(opened(write(tmp_path / "a.root"), {"momentum": "constituents"}))
    expected = np.array([sums(1), sums(0)])
    for index, name in enumerate(("pt", "eta", "phi", "mass")):
        np.testing.assert_allclose(found.jets[name][0], expected[:, index], rtol=1e-9)
    columns = (tuple(expected[:, [i]]) for i in range(4))
    np.testing.assert_allclose(found.m_jj, pair_mass(*columns)[0])  # type: ignore[arg-type]


def test_jets_that_fail_the_identification_are_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "a.root")
    tight = {"identification": {"branch": "FatJet_jetId", "bits": 4}}
    found = select(opened(path, tight))
    np.testing.assert_allclose(found.jets.pt[0], [1.25 * sums(0)[0], 1.25 * sums(2)[0]])
    found = select(opened(write(tmp_path / "b.root", FatJet_jetId=[2, 2, 6]), tight))
    # One jet is no defect of the input.
    assert found.cutflow.counts[:3] == (3, 3, 0)
    assert (found.n_rejected, found.rejections) == (0, ())


def test_a_jet_without_constituents_is_a_step_of_the_cutflow(tmp_path: Path) -> None:
    tables = {"FatJetPFCands_jetIdx": [1, 1, 2, 2], "FatJetPFCands_pFCandsIdx": [0, 1, 5, 6]}
    found = select(opened(write(tmp_path / "a.root", **tables), {}))
    assert found.cutflow.as_dict()["constituents of both leading jets"] == 0


def test_candidates_that_were_not_saved_are_left_out_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    candidates = [0, -1, 3, 4, 5, 6]
    source = opened(write(tmp_path / "a.root", FatJetPFCands_pFCandsIdx=candidates), {})
    block = source.read_block(source.chunks()[0])
    assert ak.num(block.jets.constituents, axis=2)[0].to_list() == [2, 1, 2]
    assert "not saved" in caplog.text


@pytest.mark.parametrize(
    ("changed", "parts"),
    [
        ({"FatJetPFCands_pFCandsIdx": [0, 1, 3, 4, 5, 7]}, ["entry 0", "place 7", "7 candidates"]),
        ({"FatJetPFCands_jetIdx": [1, 1, 0, 0, 2, 3]}, ["entry 0", "place 3", "3 jets"]),
        ({"FatJetPFCands_jetIdx": [1, 1, 0, 0, 2]}, ["entry 0", "FatJetPFCands_pFCandsIdx", "6", "5"]),
    ],
)
def test_tables_that_do_not_fit_are_refused(tmp_path: Path, changed: Any, parts: list[str]) -> None:
    source = opened(write(tmp_path / "a.root", **changed), {})
    with pytest.raises(InputError) as caught:
        source.read_block(source.chunks()[0])
    for part in ("a.root", *parts):
        assert part in str(caught.value)


def test_branches_that_are_not_there_are_named_all_at_once(tmp_path: Path) -> None:
    source = opened(write(tmp_path / "a.root", FatJetPFCands_jetIdx=None, FatJet_mass=None), {})
    with pytest.raises(InputError) as caught:
        source.chunks()
    for part in ("`FatJet_mass`", "`FatJetPFCands_jetIdx`", "FatJetPFCands_pFCandsIdx", "`stored_jets`"):
        assert part in str(caught.value)


def test_several_collections_have_no_table(tmp_path: Path) -> None:
    text = "name: x\nsamples:\n  background: {kind: root, files: a.root, stored_jets: {}, branches: "
    text += "[{pt: x, eta: b, phi: c}, {pt: y, eta: b, phi: c}]}\n"
    (tmp_path / "card.yaml").write_text(text)
    with pytest.raises(CardError, match="stored_jets: the tables of the jets point to one collection"):
        read_card(tmp_path / "card.yaml")


# ------------------------------------------------------------------------------------------ corrections


def write_corrections(path: Path) -> Path:
    """A factor that depends on the density of pile-up, one on pT, both together, and an uncertainty on eta."""
    pytest.importorskip("correctionlib")
    from correctionlib import schemav2 as schema

    def variable(name: str) -> schema.Variable:
        return schema.Variable(name=name, type="real")

    def formula(name: str, text: str, *names: str) -> schema.Correction:
        content = schema.Formula(
            nodetype="formula", expression=text, parser="TFormula", variables=list(names)
        )
        inputs = [variable(one) for one in names]
        return schema.Correction(name=name, version=1, inputs=inputs, output=variable("factor"), data=content)

    corrections = [
        formula("L1", "1-z*y/x", "JetPt", "JetA", "Rho"),
        formula("L2", "1+100/x", "JetPt"),
        formula("Total", "0.01+0.01*abs(x)", "JetEta"),
        formula("Flavour", "x", "flavour"),
    ]
    compound = schema.CompoundCorrection(
        name="L1L2",
        inputs=[variable(name) for name in ("JetPt", "JetA", "Rho")],
        output=variable("factor"),
        inputs_update=["JetPt"],
        input_op="*",
        output_op="*",
        stack=["L1", "L2"],
    )
    found = schema.CorrectionSet(schema_version=2, corrections=corrections, compound_corrections=[compound])
    path.write_text(found.model_dump_json(exclude_unset=True))
    return path


@pytest.mark.parametrize("names", [["L1", "L2"], ["L1L2"]])
def test_corrections_follow_each_other_from_the_uncorrected_momentum(
    tmp_path: Path, names: list[str]
) -> None:
    write_corrections(tmp_path / "c.json")
    energy = {"file": "c.json", "corrections": names}
    found = select(opened(write(tmp_path / "a.root"), {}, energy_corrections=energy))
    raw = np.array([sums(1)[0], sums(0)[0]])
    once = raw - 20.0 * 2.0  # rho times area
    np.testing.assert_allclose(found.jets.pt[0], once + 100)
    np.testing.assert_allclose(found.jets.mass[0], np.array([sums(1)[3], sums(0)[3]]) * (once + 100) / raw)
    assert found.shifted == {}


def test_reclustered_jets_are_corrected_with_the_area_of_a_circle(tmp_path: Path) -> None:
    write_corrections(tmp_path / "c.json")
    energy = {"file": "c.json", "corrections": "L1L2", "uncertainty": "Total"}
    section = RootSource.model_validate(
        {"kind": "root", "files": "a.root", "layout": "pfnano", "energy_corrections": energy}
    )
    write(tmp_path / "a.root")
    source = open_files(section, [tmp_path])
    assert isinstance(source, RootFiles)
    found = select(source)
    expected = [sums(jet)[0] - 20 * np.pi * 0.8**2 + 100 for jet in (1, 0)]
    np.testing.assert_allclose(found.jets.pt[0], expected)
    # The mask of the events and the corrections are inputs too.
    assert [Path(file.path).name for file in source.input_files()] == ["a.root", "c.json"]


def test_m_jj_goes_up_and_down_with_the_energies_and_cuts_go_with_it(tmp_path: Path) -> None:
    write_corrections(tmp_path / "c.json")
    energy = {"file": "c.json", "uncertainty": "Total"}
    source = opened(write(tmp_path / "a.root"), {}, energy_corrections=energy)
    found = select(source)
    pt, eta, mass = (ak.to_numpy(found.jets[name][0]) for name in ("pt", "eta", "mass"))
    np.testing.assert_allclose(
        pt, [1.25 * sums(1)[0], 1.25 * sums(0)[0]]
    )  # the file's own corrections are kept
    phi = ak.to_numpy(found.jets.phi[0])
    for name, sign in (("up", 1), ("down", -1)):
        factor = 1 + sign * (0.01 + 0.01 * np.abs(eta))
        columns = (tuple(one[:, None]) for one in (pt * factor, eta, phi, mass * factor))
        np.testing.assert_allclose(found.shifted[name], np.repeat(pair_mass(*columns), 3))  # type: ignore[arg-type]
    between = select(source, SECTION.model_copy(update={"leading_pt_min": float(pt[0]) * 1.005}))
    assert (between.n_events, len(between.shifted["up"]), len(between.shifted["down"])) == (0, 3, 0)


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"corrections": "L3"}, r"has no correction `L3`; it has: .*L1L2"),
        ({"uncertainty": "Flavour"}, r"`Flavour` asks for flavour, which no jet here has"),
    ],
)
def test_corrections_that_are_not_there_or_ask_for_more(tmp_path: Path, keys: Any, text: str) -> None:
    write_corrections(tmp_path / "c.json")
    with pytest.raises(InputError, match=text):
        opened(write(tmp_path / "a.root"), {}, energy_corrections={"file": "c.json", **keys})


def test_corrections_of_a_file_that_cannot_be_undone(tmp_path: Path) -> None:
    write_corrections(tmp_path / "c.json")
    energy = {"file": "c.json", "corrections": "L2"}
    path = write(tmp_path / "a.root", FatJet_rawFactor=None)
    source = opened(path, {}, energy_corrections=energy)
    with pytest.raises(InputError, match=r"no `FatJet_rawFactor`.*momentum: constituents"):
        source.read_block(source.chunks()[0])
    found = select(opened(path, {"momentum": "constituents"}, energy_corrections=energy))
    np.testing.assert_allclose(found.jets.pt[0], np.array([sums(1)[0], sums(0)[0]]) + 100)


def test_the_turn_on_of_m_jj_is_a_step_of_the_cutflow(tmp_path: Path) -> None:
    source = opened(write(tmp_path / "a.root"), {})
    m_jj = float(select(source).m_jj[0])
    for cut, left in ((m_jj - 1, 3), (m_jj + 1, 0)):
        found = select(source, SECTION.model_copy(update={"m_jj_min": cut}))
        assert found.cutflow.names[-1] == f"m_jj > {cut:g} GeV"
        assert found.cutflow.counts[-1] == left


def test_large_jets_are_corrected_smeared_and_varied(tmp_path: Path) -> None:
    write_large_jets(tmp_path / "fatJet_jerc.json")
    source = opened(write(tmp_path / "a.root"), {}, energy_corrections=LARGE)
    found, plain = (
        select(opened(tmp_path / "a.root", {}, energy_corrections=one))
        for one in (LARGE, {key: LARGE[key] for key in ("file", "corrections")})
    )
    raw, eta = np.array([sums(1)[0], sums(0)[0]]), np.array([sums(1)[1], sums(0)[1]])
    np.testing.assert_allclose(
        np.sort(plain.jets.pt[0]), np.sort((1.05 * raw + 10) * (1 + 0.01 * np.abs(eta)))
    )
    assert source.corrections is not None
    # Of the same jets with the same random numbers, widths grow as the scale factors say; that of 1 does nothing.
    jets = {"JetPt": ak.to_numpy(plain.jets.pt[0]), "JetEta": ak.to_numpy(plain.jets.eta[0])}
    jets |= {"JetPhi": ak.to_numpy(plain.jets.phi[0]), "Rho": np.full(2, 20.0)}
    factors = source.corrections.smearing(jets)
    np.testing.assert_allclose(factors["down"], 1)
    np.testing.assert_allclose(factors["up"] - 1, (factors["nom"] - 1) * np.sqrt(0.44 / 0.21))
    np.testing.assert_allclose(np.sort(found.jets.pt[0]), np.sort(jets["JetPt"] * factors["nom"]))
    np.testing.assert_allclose(found.varied["up"], 1.02 * found.m_jj)
    np.testing.assert_allclose(found.varied["down"], 0.98 * found.m_jj)
    np.testing.assert_allclose(found.varied["resolution_down"], plain.m_jj)
    for name, m_jj in found.varied.items():  # all pass
        np.testing.assert_allclose(found.shifted[name], m_jj)


def test_smearing_has_the_width_of_the_resolution_and_belongs_to_the_jet(tmp_path: Path) -> None:
    path = write_large_jets(tmp_path / "fatJet_jerc.json")
    corrections = JetCorrections(str(path), (), None, LARGE["resolution"], LARGE["scale_factor"])
    assert corrections.event_inputs == ("Rho",)
    rng, n = np.random.default_rng(3), 20_000
    jets = {
        "JetPt": rng.uniform(500, 600, n),
        "JetEta": rng.uniform(-2, 2, n),
        "JetPhi": rng.uniform(-3, 3, n),
        "Rho": np.full(n, 20.0),
    }
    factors = corrections.smearing(jets)
    x = (factors["nom"] - 1) / ((5 / jets["JetPt"] + 0.02) * np.sqrt(1.1**2 - 1))
    assert (x.mean(), x.std()) == (
        pytest.approx(0, abs=4 / np.sqrt(n)),
        pytest.approx(1, abs=4 / np.sqrt(2 * n)),
    )
    assert abs(np.corrcoef(x[1:], x[:-1])[0, 1]) < 4 / np.sqrt(n)
    order = rng.permutation(n)
    again = corrections.smearing({name: one[order] for name, one in jets.items()})
    np.testing.assert_array_equal(again["nom"], factors["nom"][order])


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"resolution": LARGE["resolution"]}, "scale_factor: is missing"),
        ({"scale_factor": LARGE["scale_factor"]}, "resolution: is missing"),
        ({}, "neither `corrections` nor `uncertainty` nor `resolution`"),
    ],
)
def test_smearing_needs_both(tmp_path: Path, keys: dict[str, str], text: str) -> None:
    energy = {"file": "c.json", **keys}
    source = {"kind": "root", "files": "a.root", "energy_corrections": energy}
    (tmp_path / "card.yaml").write_text(yaml.safe_dump({"name": "x", "samples": {"background": source}}))
    with pytest.raises(CardError, match=text):
        read_card(tmp_path / "card.yaml")


def test_a_scale_factor_without_uncertainty_is_told(tmp_path: Path) -> None:
    path = write_large_jets(tmp_path / "c.json")
    with pytest.raises(
        InputError, match=r"has no input `systematic`, and so no uncertainty; it asks for: JetEta"
    ):
        JetCorrections(str(path), (), None, LARGE["resolution"], LARGE["uncertainty"])


# ------------------------------------------------------------------------------------------- real files


def test_jets_of_pfnano_are_the_sums_of_their_candidates(real_data: Path) -> None:
    """The jets that the file stores, before their corrections, are those of the tables with PUPPI's weights."""
    pytest.importorskip("correctionlib")
    path = real_data / "cms_pfnano.root"
    wide = Jets(backend="fastjet", leading_pt_min=100.0, abs_eta_max=5.0)
    of_sums = select(opened(path, {"momentum": "constituents"}), wide)
    jerc = str(real_data / "cms" / "jet_jerc_Summer22_V3.json.gz")
    energy = {"file": jerc, "uncertainty": "Summer22_22Sep2023_V3_MC_Total_AK4PFPuppi"}
    stored = select(opened(path, {}, energy_corrections=energy), wide)
    assert of_sums.n_events == stored.n_events == 10
    with uproot.open(path) as file:
        raw = file["Events"].arrays(["FatJet_pt", "FatJet_rawFactor"])
    expected = ak.to_numpy((raw.FatJet_pt * (1 - raw.FatJet_rawFactor))[:, :2])
    np.testing.assert_allclose(np.sort(of_sums.jets.pt), np.sort(expected), rtol=3e-3)
    # One to five per cent, as the calibration of such jets is known.
    ratio = stored.shifted["up"] / stored.m_jj
    assert ((ratio > 1.003) & (ratio < 1.05)).all()
    np.testing.assert_allclose(stored.shifted["up"] + stored.shifted["down"], 2 * stored.m_jj, rtol=1e-3)


def test_the_corrections_of_cms_are_evaluated_as_correctionlib_does(real_data: Path) -> None:
    correctionlib = pytest.importorskip("correctionlib")
    path = str(real_data / "cms" / "jet_jerc_Summer22_V3.json.gz")
    prefix, levels = "Summer22_22Sep2023_V3_MC", ("L1FastJet", "L2Relative", "L3Absolute", "L2L3Residual")
    rng = np.random.default_rng(1)
    jets = {
        "JetPt": rng.uniform(300, 2000, 50),
        "JetEta": rng.uniform(-2.5, 2.5, 50),
        "JetPhi": rng.uniform(-3, 3, 50),
        "JetMass": rng.uniform(10, 200, 50),
        "JetA": np.full(50, 2.0),
        "Rho": rng.uniform(10, 40, 50),
    }
    compound = JetCorrections(path, (f"{prefix}_L1L2L3Res_AK4PFPuppi",))
    single = JetCorrections(path, tuple(f"{prefix}_{level}_AK4PFPuppi" for level in levels))
    assert compound.event_inputs == single.event_inputs == ("Rho",)
    expected = correctionlib.CorrectionSet.from_file(path).compound[compound.names[0]]
    values = expected.evaluate(jets["JetA"], jets["JetEta"], jets["JetPt"], jets["Rho"])
    np.testing.assert_allclose(compound.factor(jets), values)
    np.testing.assert_allclose(single.factor(jets), values, rtol=1e-9)

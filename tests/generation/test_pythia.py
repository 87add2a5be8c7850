"""Generated events: seeds, physics, files; a few hundred events of each process."""

from __future__ import annotations

import importlib.metadata
import json
import logging
import sys
from functools import partial
from pathlib import Path
from typing import Any

import awkward as ak
import joblib
import numpy as np
import pytest
from numpy.typing import NDArray

from hepcs._core.errors import ComputationError, InputError, MissingDependencyError
from hepcs.config.sources import LhcoSource, PythiaSource, RootSource
from hepcs.generation import detector, pythia, pythia_events
from hepcs.generation.pythia import GeneratedBlock
from hepcs.sources.lhco import LhcoFiles
from hepcs.sources.opening import open_files

pythia8mc = pytest.importorskip("pythia8mc", reason="pythia8mc is not installed")


def section(process: str = "qcd", events: int = 30, **keys: Any) -> PythiaSource:
    return PythiaSource(kind="pythia", process=process, events=events, **keys)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pythia, "BLOCK_EVENTS", 20)


@pytest.fixture(scope="module")
def raw_qcd() -> Any:
    """Event records of 50 QCD events."""
    return pythia_events.start_pythia(section(), 17).nextBatch(50)


@pytest.fixture(scope="module")
def qcd_dijets() -> NDArray[np.float64]:
    return dijets(pythia.generate_block(section(), GeneratedBlock(0, 500)))


@pytest.fixture(scope="module")
def zprime_dijets() -> NDArray[np.float64]:
    return dijets(pythia.generate_block(section("zprime"), GeneratedBlock(0, 300)))


def dijets(events: ak.Array) -> NDArray[np.float64]:
    """Rows of (constituents of the event, leading pT, m_jj, heavier mass, lighter mass) of selected events."""
    pyjet = pytest.importorskip("pyjet", reason="pyjet is not installed")
    rows = []
    for event in events:
        columns = [ak.to_numpy(event[name]).astype(np.float64) for name in ("pt", "eta", "phi")]
        vectors = np.zeros(len(columns[0]), dtype=[(name, "f8") for name in ("pT", "eta", "phi", "mass")])
        vectors["pT"], vectors["eta"], vectors["phi"] = columns
        first, second = pyjet.cluster(vectors, R=1.0, p=-1).inclusive_jets(ptmin=20)[:2]
        total = [getattr(first, name) + getattr(second, name) for name in ("e", "px", "py", "pz")]
        m_jj = np.sqrt(total[0] ** 2 - sum(x**2 for x in total[1:]))
        if first.pt > 1200 and max(abs(first.eta), abs(second.eta)) < 2.5:
            masses = sorted((first.mass, second.mass), reverse=True)
            rows.append((len(vectors), first.pt, m_jj, *masses))
    return np.array(rows)


# --------------------------------------------------------------------------------------------------- seeds


def test_a_block_is_fixed_by_its_section_and_number() -> None:
    first = {i: pythia.generate_block(section(), GeneratedBlock(i, 20)) for i in (0, 1)}
    again = {i: pythia.generate_block(section(), GeneratedBlock(i, 20)) for i in (1, 0)}
    for i in (0, 1):
        assert first[i].to_list() == again[i].to_list()
    assert len(first[0]) == 20
    other_seed = pythia.generate_block(section(seed=2), GeneratedBlock(0, 20))
    assert len({str(sample.to_list()) for sample in (first[0], first[1], other_seed)}) == 3


def test_seeds_of_pythia_are_in_its_range_and_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = []

    def record(_: PythiaSource, seed: int) -> Any:
        seeds.append(seed)
        raise ComputationError

    monkeypatch.setattr(pythia_events, "start_pythia", record)
    for process in ("qcd", "zprime"):
        for seed in (0, 1):
            for index in range(200):
                with pytest.raises(ComputationError):
                    pythia.generate_block(section(process, seed=seed), GeneratedBlock(index, 1))
    assert len(set(seeds)) == len(seeds) == 800
    assert 1 <= min(seeds) <= max(seeds) <= 900_000_000
    assert max(seeds) > 890_000_000


def test_blocks_cover_the_sample() -> None:
    assert pythia.blocks(section(events=9_500)) == (
        GeneratedBlock(0, 4000),
        GeneratedBlock(1, 4000),
        GeneratedBlock(2, 1500),
    )
    assert pythia.blocks(section(events=4_000)) == (GeneratedBlock(0, 4000),)
    assert pythia.blocks(section(events=1)) == (GeneratedBlock(0, 1),)


# ------------------------------------------------------------------------------------------------- physics


def test_settings_are_the_lhc_olympics_ones() -> None:
    qcd = pythia.pythia_settings(section())
    assert {"HardQCD:all = on", "PhaseSpace:pTHatMin = 1050.0", "PartonLevel:MPI = off"} <= set(qcd)
    assert "Beams:eCM = 13000.0" in qcd
    signal = set(pythia.pythia_settings(section("zprime", x_mass=400.0)))
    assert {"34:m0 = 3500.0", "34:onIfMatch = 24 23", "24:m0 = 400.0", "23:m0 = 100.0"} <= signal
    assert not any(line.startswith(("HardQCD", "PhaseSpace")) for line in signal)


def test_momentum_and_energy_are_conserved(raw_qcd: Any) -> None:
    stable = raw_qcd.prt[raw_qcd.prt.status > 0]
    for name in ("px", "py", "pz"):
        assert abs(ak.to_numpy(ak.sum(stable.p[name], axis=1))).max() < 1e-4
    np.testing.assert_allclose(ak.to_numpy(ak.sum(stable.p.e, axis=1)), 13_000, atol=1e-4)


def test_visible_particles_are_those_of_a_plain_loop(raw_qcd: Any) -> None:
    visible = pythia_events.visible_particles(raw_qcd)
    for event, seen in zip(raw_qcd[:5].prt.to_list(), visible[:5].to_list(), strict=True):
        expected = [p for p in event if p["status"] > 0 and abs(p["id"]) not in (12, 14, 16)]
        assert len(seen) == len(expected)
        for got, particle in zip(seen, expected, strict=True):
            p = particle["p"]
            direction = np.cos(got["phi"]), np.sin(got["phi"]), np.sinh(got["eta"])
            np.testing.assert_allclose(
                got["pt"] * np.array(direction), [p["px"], p["py"], p["pz"]], atol=1e-6
            )
            assert got["energy"] == p["e"]
            assert got["species"] == detector.species(np.array([particle["id"]]))[0]


def test_missing_momentum_is_that_of_the_neutrinos(raw_qcd: Any) -> None:
    visible = pythia_events.visible_particles(raw_qcd)
    codes = abs(raw_qcd.prt.id)
    neutrinos = raw_qcd.prt[(raw_qcd.prt.status > 0) & ((codes == 12) | (codes == 14) | (codes == 16))]
    assert ak.sum(ak.num(neutrinos)) > 0
    seen_px = ak.to_numpy(ak.sum(visible.pt * np.cos(visible.phi), axis=1))
    np.testing.assert_allclose(seen_px, -ak.to_numpy(ak.sum(neutrinos.p.px, axis=1)), atol=1e-4)


def test_charges_are_those_of_pythia() -> None:
    data = pythia_events.start_pythia(section(), 1).particleData
    for kind, codes in detector._CODES.items():
        charged = kind in (detector.ELECTRON, detector.MUON, detector.CHARGED_HADRON)
        assert [bool(data.chargeType(code)) for code in codes] == [charged] * len(codes)


def test_rounding_keeps_what_matters() -> None:
    rng = np.random.default_rng(4)
    pt = np.append(rng.exponential(50, 5000) + 0.1, [1.0, 1023.9999, 2047.7])
    eta = rng.uniform(-5, 5, pt.size)
    phi = np.append(rng.uniform(-np.pi, np.pi, pt.size - 2), [np.pi, -np.pi])
    counts = [3, 0, pt.size - 3]
    columns = {"pt": pt, "eta": eta, "phi": phi}
    events = ak.zip({name: ak.unflatten(values, counts) for name, values in columns.items()})
    rounded = pythia_events.round_for_storage(events)
    assert ak.num(rounded).to_list() == counts
    got = {name: ak.to_numpy(ak.flatten(rounded[name])) for name in columns}
    assert {values.dtype for values in got.values()} == {np.dtype(np.float32)}
    np.testing.assert_allclose(got["pt"], pt, rtol=2.0**-11)
    mantissa = np.frexp(got["pt"].astype(np.float64))[0] * 2**11
    np.testing.assert_array_equal(mantissa, np.rint(mantissa))
    assert got["pt"][-2] == 1024  # the carry into the exponent
    np.testing.assert_allclose(got["eta"], eta, atol=0.5 / 1024)
    np.testing.assert_allclose(got["phi"], phi, atol=1 / 1024)
    assert (abs(got["phi"].astype(np.float64)) <= np.pi).all()


def test_constituents_are_physical() -> None:
    events = pythia.generate_block(section(), GeneratedBlock(3, 50))
    assert ak.fields(events) == ["pt", "eta", "phi"]
    assert ak.all(events.pt > 0)
    assert ak.all(np.isfinite(events.pt))
    assert ak.all(abs(events.eta) <= 5 + np.pi / 18)
    assert ak.min(ak.num(events)) > 10
    # pTHat above 1050 GeV: the scalar sum is twice that or more, but for the hardest neutrinos
    assert np.median(ak.to_numpy(ak.sum(events.pt, axis=1))) > 2100


def test_detector_keeps_the_momentum_of_dijet_events(raw_qcd: Any) -> None:
    generated = pythia_events.visible_particles(raw_qcd)
    generated = generated[abs(generated.eta) < 3]
    seen = detector.smear(generated, detector.DetectorResponse(), np.random.default_rng(1))
    response = ak.to_numpy(ak.sum(seen.pt, axis=1) / ak.sum(generated.pt, axis=1))
    assert response.mean() == pytest.approx(1.0, abs=0.02)
    assert response.std() < 0.05


def test_zprime_makes_two_jets_of_the_right_masses(zprime_dijets: NDArray[np.float64]) -> None:
    assert 0.80 < len(zprime_dijets) / 300 < 0.93
    m_jj, heavy, light = zprime_dijets[:, 2:].T
    assert np.median(m_jj) == pytest.approx(3500, abs=50)
    assert np.median(heavy) == pytest.approx(500, abs=15)
    assert np.median(light) == pytest.approx(105, abs=12)
    assert ((m_jj >= 3000) & (m_jj < 4600)).mean() > 0.93  # about 95 % in the published sample


def test_zprime_follows_the_masses_of_the_card() -> None:
    masses = {"resonance_mass": 4200.0, "x_mass": 250.0, "y_mass": 250.0}
    found = dijets(pythia.generate_block(section("zprime", **masses), GeneratedBlock(0, 100)))
    m_jj, heavy, light = np.median(found[:, 2:], axis=0)
    assert m_jj == pytest.approx(4200, abs=100)
    assert light < 260 < heavy + 20 < 300


OTHER_SIGNALS: dict[str, dict[str, Any]] = {
    "zprime_qq": {},
    "zprime_tt": {},
    "qstar": {"x_mass": 200.0},
    "hidden_valley": {"dark_mass": 30.0},
}


@pytest.fixture(scope="module")
def other_dijets() -> dict[str, NDArray[np.float64]]:
    """150 events of each further signal at 3.5 TeV."""
    return {
        process: dijets(pythia.generate_block(section(process, **keys), GeneratedBlock(0, 150)))
        for process, keys in OTHER_SIGNALS.items()
    }


@pytest.mark.parametrize("process", OTHER_SIGNALS)
def test_every_signal_is_a_resonance_in_m_jj(
    process: str, other_dijets: dict[str, NDArray[np.float64]]
) -> None:
    found = other_dijets[process]
    assert len(found) > 0.5 * 150, "passes the selection"
    m_jj = found[:, 2]
    # What is radiated, or outside of the jets, makes it a little lighter.
    assert 3300 < np.median(m_jj) < 3600
    assert np.subtract(*np.quantile(m_jj, [0.84, 0.5])) < 300


def test_their_jets_have_the_masses_of_what_decays(other_dijets: dict[str, NDArray[np.float64]]) -> None:
    heavy, light = (
        {name: np.median(found[:, column]) for name, found in other_dijets.items()} for column in (3, 4)
    )
    tops = other_dijets["zprime_tt"][:, 3:]
    assert 165 < light["zprime_tt"] < 230, "both jets hold a top quark, with its radiation"
    assert (np.abs(tops - 175) < 30).any(axis=1).mean() > 0.5
    jets_of_x = other_dijets["qstar"][:, 3:]
    assert (np.abs(jets_of_x - 200) < 25).any(axis=1).mean() > 0.6
    assert (np.abs(jets_of_x - 200) < 25).all(axis=1).mean() < 0.3, "one anomalous jet alone"
    assert light["zprime_qq"] < 130 < heavy["hidden_valley"]
    constituents = {name: np.median(found[:, 0]) for name, found in other_dijets.items()}
    assert constituents["hidden_valley"] > 1.3 * constituents["zprime_qq"], "many soft particles"


def test_dark_mesons_all_decay_to_what_is_seen() -> None:
    event = pythia_events.start_pythia(section("hidden_valley", dark_mass=40.0), 3).nextBatch(20)
    particles = ak.flatten(event.prt)
    dark = abs(particles.id) // 100_000 == 49
    mesons = particles[dark & (abs(particles.id) % 1000 > 110)]
    assert len(mesons) > 20 * 10
    assert ak.all(mesons.status < 0)
    assert ak.all(abs(mesons.p.e**2 - mesons.p.px**2 - mesons.p.py**2 - mesons.p.pz**2 - 40.0**2) < 5.0)


def test_qcd_is_a_falling_spectrum(qcd_dijets: NDArray[np.float64]) -> None:
    assert 0.45 < len(qcd_dijets) / 500 < 0.65
    counts, _ = np.histogram(qcd_dijets[:, 2], (2600, 3200, 3800, 4400))
    assert counts[0] > counts[1] > counts[2] > 0


def test_qcd_looks_like_the_lhc_olympics(qcd_dijets: NDArray[np.float64], real_data: Path) -> None:
    source = LhcoFiles((str(real_data / "lhco_rnd_1000_events.h5"),), ())
    (chunk,) = source.chunks()
    real = dijets(source.read(chunk)[source.read_labels(chunk) == 0])
    n_constituents, leading_pt, m_jj, heavy, light = np.median(qcd_dijets, axis=0) / np.median(real, axis=0)
    assert n_constituents == pytest.approx(1, abs=0.15)
    assert leading_pt == pytest.approx(1, abs=0.03)
    assert m_jj == pytest.approx(1, abs=0.07)
    # the medians of 280 events are known to some 7 %
    assert heavy == pytest.approx(1, abs=0.20)
    assert light == pytest.approx(1, abs=0.20)


# --------------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize(("process", "label"), [("qcd", 0), ("zprime", 1)])
def test_labels_travel_with_the_files(tmp_path: Path, process: str, label: int) -> None:
    generated = pythia.generate(section(process, events=10), tmp_path)
    assert isinstance(generated, RootSource)
    source = open_files(generated, [])
    (chunk,) = source.chunks()
    assert source.has_labels
    assert source.read_labels(chunk).tolist() == [label] * 10


@pytest.mark.usefixtures("small_blocks")
def test_formats_hold_the_same_events(tmp_path: Path) -> None:
    samples = {}
    for name in ("root", "lhco"):
        generated = pythia.generate(section(format=name), tmp_path / name)
        assert isinstance(generated, RootSource if name == "root" else LhcoSource)
        source = open_files(generated, [])
        assert [chunk.n_entries for chunk in source.chunks()] == [20, 10]
        samples[name] = ak.concatenate([source.read(chunk) for chunk in source.chunks()])
    assert samples["root"].to_list() == samples["lhco"].to_list()
    expected = pythia.generate_block(section(), GeneratedBlock(1, 10))
    assert samples["root"][20:][["pt", "eta", "phi"]].to_list() == expected.to_list()


@pytest.mark.usefixtures("small_blocks")
def test_generation_goes_on_where_it_stopped(tmp_path: Path) -> None:
    progress: list[tuple[int, int]] = []
    pythia.generate(section(), tmp_path, progress=lambda done, total: progress.append((done, total)))
    assert progress == [(0, 30), (20, 30), (30, 30)], "from the start, which tells the pace"
    files = pythia.block_files(section(), tmp_path)
    before = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}
    content = open_files(pythia.generated_source_section(section(), tmp_path), [])
    events = content.read(content.chunks()[0]).to_list()
    files[0].unlink()
    assert pythia.missing_blocks(section(), tmp_path) == (GeneratedBlock(0, 20),)

    made: list[GeneratedBlock] = []

    def recording_map(function: Any, items: Any) -> Any:
        made.extend(items)
        return map(function, items)

    pythia.generate(section(), tmp_path, map_blocks=recording_map)
    assert made == [GeneratedBlock(0, 20)]
    after = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}
    assert [path for path in files if before[path] != after[path]] == [files[0]]
    assert content.read(content.chunks()[0]).to_list() == events
    assert pythia.missing_blocks(section(), tmp_path) == ()
    # a larger sample keeps the whole blocks
    assert pythia.missing_blocks(section(events=40), tmp_path) == (GeneratedBlock(1, 20),)


@pytest.mark.usefixtures("small_blocks")
def test_nothing_half_written_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise ComputationError("stopped")

    monkeypatch.setattr(pythia.RootWriter, "_append", fail)
    with pytest.raises(ComputationError, match="stopped"):
        pythia.generate_block_file(section(), GeneratedBlock(0, 5), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["generation.json"]


def test_processes_make_the_same_files(tmp_path: Path) -> None:
    chosen = (GeneratedBlock(0, 20), GeneratedBlock(1, 20))
    make = partial(pythia.generate_block_file, section(), folder=tmp_path / "processes")
    paths = joblib.Parallel(n_jobs=2)(joblib.delayed(make)(block) for block in chosen)
    for block, path in zip(chosen, paths, strict=True):
        source = open_files(RootSource(kind="root", files=(str(path),)), [])
        (chunk,) = source.chunks()
        expected = pythia.generate_block(section(), block)
        assert source.read(chunk)[["pt", "eta", "phi"]].to_list() == expected.to_list()


def test_folder_of_other_settings_is_refused(tmp_path: Path) -> None:
    pythia.generate(section(events=2), tmp_path)
    marker = json.loads((tmp_path / "generation.json").read_text())
    assert marker["seed"] == 1
    assert marker["pythia8mc"] == importlib.metadata.version("pythia8mc")
    other = section(events=2, seed=2, pt_hat_min=900.0)
    with pytest.raises(InputError, match=r"generation.json.*\['seed', 'settings'\]"):
        pythia.missing_blocks(other, tmp_path)
    with pytest.raises(InputError, match="other settings"):
        pythia.generate_block_file(other, GeneratedBlock(0, 2), tmp_path)
    (tmp_path / "generation.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        pythia.missing_blocks(section(events=2), tmp_path)


def test_cache_key_follows_what_the_events_depend_on(monkeypatch: pytest.MonkeyPatch) -> None:
    key = pythia.cache_key(section())
    assert key == pythia.cache_key(section(events=10_000, x_mass=300.0))  # QCD has no X
    others = [
        section(seed=2),
        section(format="lhco"),
        section(pt_hat_min=1000.0),
        section(sqrt_s=14_000.0),
        section("zprime"),
        section("zprime", y_mass=120.0),
        *(section(process, **keys) for process, keys in OTHER_SIGNALS.items()),
        section("hidden_valley", dark_mass=31.0),
        section(settings=["TimeShower:alphaSvalue = 0.12"]),
    ]
    assert len({key, *map(pythia.cache_key, others)}) == 13
    assert pythia.cache_key(section("zprime")) == pythia.cache_key(section("zprime", pt_hat_min=1.0))
    monkeypatch.setattr(pythia, "_CODE_VERSION", 0)
    assert pythia.cache_key(section()) != key


# -------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("process", "keys", "what"),
    [
        ("zprime", {"x_mass": 3450.0}, r"x_mass \+ y_mass = 3550 GeV"),
        ("zprime_tt", {"resonance_mass": 300.0}, "twice the mass of the top quark = 346 GeV"),
        ("qstar", {"x_mass": 3600.0}, "x_mass = 3600 GeV"),
        ("hidden_valley", {"dark_mass": 2000.0}, "twice dark_mass = 4000 GeV"),
    ],
)
def test_decays_without_room_are_refused(process: str, keys: dict[str, Any], what: str) -> None:
    with pytest.raises(ValueError, match=what + " leaves no room below resonance_mass"):
        section(process, **keys)


def test_settings_of_ones_own_change_the_shower() -> None:
    """With a final-state shower of weaker coupling, jets have fewer constituents."""
    lines = ["TimeShower:alphaSvalue = 0.10 ", "PartonLevel:MPI = off"]
    weaker = section(settings=lines)
    assert pythia.pythia_settings(weaker)[-2:] == ("TimeShower:alphaSvalue = 0.10", "PartonLevel:MPI = off")
    counts = [
        np.mean(ak.to_numpy(ak.num(pythia.generate_block(one, GeneratedBlock(0, 60))["pt"])))
        for one in (section(), weaker)
    ]
    assert counts[1] < 0.93 * counts[0]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("TimeShower alphaSvalue 0.1", "is no setting of Pythia, expected `Word:name = value`"),
        ("TimeShower:alphaSvalue", "is no setting of Pythia"),
        ("Main:numberOfEvents = 3 = 4", "is no setting of Pythia"),
        ("Beams:eCM = 8000", "`Beams:eCM` is what `sqrt_s` of the source sets"),
        ("random:seed = 7", "`random:seed` is what `seed` of the source sets"),
        ("PhaseSpace:pTHatMin = 10", "is what `pt_hat_min` of the source sets"),
    ],
)
def test_settings_that_are_none_or_have_keys_are_refused(line: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        section(settings=[line])
    with pytest.raises(ValueError, match="is set twice"):
        section(settings=["TimeShower:alphaSvalue = 0.1", "timeshower:ALPHASVALUE = 0.2"])


def test_a_setting_that_pythia_does_not_know_is_named() -> None:
    with pytest.raises(
        ComputationError, match=r"Pythia does not take the settings \['TimeShower:nothing = 1'\]"
    ):
        pythia.generate_block(section(settings=["TimeShower:nothing = 1"]), GeneratedBlock(0, 1))


def test_settings_without_phase_space_are_named() -> None:
    with pytest.raises(ComputationError, match=r"QCD dijets with pt_hat_min = 7000 GeV.*no phase space"):
        pythia.generate_block(section(pt_hat_min=7000.0), GeneratedBlock(0, 1))


def test_events_that_pythia_gives_up_are_replaced(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    usual = pythia_events.pythia_settings
    # so strict a check of energy and momentum that rounding fails it now and then
    strict = ("Check:epTolErr = 1e-12", "Check:epTolWarn = 1e-13")
    monkeypatch.setattr(pythia_events, "pythia_settings", lambda card: (*usual(card), *strict))
    with caplog.at_level(logging.INFO, logger="hepcs"):
        assert len(pythia.generate_block(section(), GeneratedBlock(0, 80))) == 80
    assert "gave up" in caplog.text
    strict = ("Check:epTolErr = 1e-18", "Check:epTolWarn = 1e-19")
    with pytest.raises(ComputationError, match="gives up too many events of QCD dijets"):
        pythia.generate_block(section(), GeneratedBlock(0, 1))


def test_refused_settings_are_named(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pythia_events, "pythia_settings", lambda _: ("HardQCD:al = on",))
    with pytest.raises(ComputationError, match="HardQCD:al = on"):
        pythia_events.start_pythia(section(), 1)
    assert "HardQCD:al" in capfd.readouterr().out


def test_missing_pythia_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_version(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setitem(sys.modules, "pythia8mc", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'pythia8mc>=8\.311,<8\.318'"):
        pythia.generate_block(section(), GeneratedBlock(0, 1))
    monkeypatch.setattr(pythia.metadata, "version", no_version)
    with pytest.raises(MissingDependencyError, match="pythia8mc is needed to generate events"):
        pythia.cache_key(section())

"""Generated event objects: kinematics of decays, reconstruction, composition, and a few events of Pythia."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest

from hepcs._core.errors import InputError
from hepcs.config.event_objects import ELECTRON, JET, MET, MUON, GeneratedObjects, ObjectFiles
from hepcs.generation import detector, heavy_decays, pythia
from hepcs.generation.heavy_decays import Decays, Hadrons, decayed
from hepcs.generation.object_events import composition, generate_objects
from hepcs.generation.reconstruction import may_trigger, passes_trigger, reconstruct
from hepcs.sources.event_objects import read_objects

# Of a detector that sees everything and measures it well.
SHARP = detector.DetectorResponse(tracks=(detector.TrackRegion(2.5, 1e-4, 0.0, 1.0, 1.0),))


def particles(*events: list[tuple[float, float, float, int]]) -> ak.Array:
    """Events of (pT, eta, phi, species), massless."""
    rows = [
        [
            {"pt": pt, "eta": eta, "phi": phi, "energy": pt * np.cosh(eta), "species": kind}
            for pt, eta, phi, kind in event
        ]
        for event in events
    ]
    return ak.Array(rows)


def test_isolated_leptons_are_objects_and_others_are_parts_of_jets() -> None:
    muon, pion = detector.MUON, detector.CHARGED_HADRON
    alone = [(40.0, 0.5, 0.0, muon), (60.0, -1.0, 3.0, pion)]
    in_jet = [(40.0, 0.5, 0.0, muon), (30.0, 0.6, 0.1, pion)]
    found = reconstruct(particles(alone, in_jet), SHARP, np.random.default_rng(1))
    assert (found[:, MUON.first, 3] == [MUON.code, 0]).all()
    np.testing.assert_allclose(found[0, MUON.first], [40, 0.5, 0, MUON.code], rtol=1e-3)
    # Hadrons leave a track and a deposit; the excess of it over the track is a fluctuation.
    assert found[1, JET.first, 0] == pytest.approx(70, rel=0.3)
    assert (found[:, JET.first + 1 :] == 0).all()
    for event in found:
        px, py = ((event[1:, 0] * f(event[1:, 2])).sum() for f in (np.cos, np.sin))
        assert event[MET.first, 0] == pytest.approx(np.hypot(px, py), rel=0.02)
    assert passes_trigger(found).tolist() == [True, False]


def test_the_first_look_lets_all_pass_that_may_trigger() -> None:
    electron, pion = detector.ELECTRON, detector.CHARGED_HADRON
    events = [[(21.0, 2.9, 0.0, electron)], [(21.0, 3.1, 0.0, electron)], [(90.0, 0.0, 0.0, pion)]]
    assert may_trigger(particles(*events)).tolist() == [True, False, False]


def test_the_background_is_of_the_challenge_s_proportions() -> None:
    blocks = [composition(100, i) for i in range(50)]
    assert {sum(one.values()) for one in blocks} == {100}
    total = {name: sum(one[name] for one in blocks) for name in blocks[0]}
    assert total == {"w": 2960, "qcd": 1690, "z": 335, "tt": 15}


class TwoBody:
    """Decays of a hadron at rest to a muon and a neutrino, isotropic."""

    size = 400

    def __getitem__(self, code: int) -> Decays:
        direction = np.random.default_rng(abs(code)).normal(size=(self.size, 3))
        direction /= 2 * np.linalg.norm(direction, axis=1, keepdims=True)
        half = np.full((self.size, 1), 0.5)
        momenta = np.stack([np.hstack([direction, half]), np.hstack([-direction, half])], axis=1)
        return Decays(np.tile([13, -14], (self.size, 1)), momenta)


def test_decays_conserve_momentum_and_are_taken_by_their_probability() -> None:
    mass = 5.0
    # Half of the decays of the second have more than its threshold of the muon: cos > 0 along the boost.
    pt = np.array([10.0, 2 * heavy_decays._PT_MIN])
    energy = np.hypot(pt, mass)
    n = 400
    hadrons = Hadrons(
        np.arange(2 * n),
        np.full(2 * n, 511),
        np.tile(np.column_stack([pt, 0 * pt, 0 * pt, energy]), (n, 1)),
        np.zeros(2 * n),
    )
    products = decayed(hadrons, 2 * n, TwoBody(), np.random.default_rng(1))  # type: ignore[arg-type]
    # The soft ones never, and of the others, far above `MOST`, all.
    taken = np.unique(products.event)
    assert (taken % 2 == 1).all()
    assert len(taken) > 0.95 * n
    for column in range(4):
        sums = np.bincount(products.event, products.momentum[:, column], minlength=2 * n)
        np.testing.assert_allclose(sums[taken], hadrons.momentum[taken, column], rtol=1e-9, atol=1e-9)
    muons = products.code == 13
    assert (np.hypot(*products.momentum[muons, :2].T) > heavy_decays._PT_MIN).all()


def test_what_lies_near_a_hadron_spoils_the_isolation() -> None:
    hadrons = Hadrons(
        np.arange(20),
        np.full(20, 511),
        np.tile([60.0, 0.0, 0.0, np.hypot(60.0, 5.0)], (20, 1)),
        np.repeat([0.0, 50.0], 10),
    )
    products = decayed(hadrons, 20, TwoBody(), np.random.default_rng(1))  # type: ignore[arg-type]
    assert set(products.event) <= set(range(10))
    assert len(set(products.event)) > 5


pythia8mc = pytest.importorskip("pythia8mc", reason="pythia8mc is not installed")


@pytest.mark.slow
def test_blocks_are_files_that_are_read_and_depend_on_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pythia, "OBJECT_BLOCK_EVENTS", 15)
    section = GeneratedObjects(kind="pythia", process="w", events=30, seed=3)
    files = pythia.generate(section, tmp_path)
    assert isinstance(files, ObjectFiles)
    # Reading checks limits and trigger.
    events = read_objects(files)
    np.testing.assert_array_equal(events[15:], generate_objects(section, 1, 15))
    assert len(np.unique(events, axis=0)) == 30
    leptons = (events[:, ELECTRON.first : MUON.last, 3] > 0).sum(axis=1)
    assert (leptons == 1).mean() > 0.8
    # A transverse mass at the W's, where lepton and neutrino are back to back.
    assert 30 < np.median(events[:, ELECTRON.first : MUON.last, 0].max(axis=1) + events[:, 0, 0]) < 90
    other = section.model_copy(update={"seed": 4})
    with pytest.raises(InputError, match=r"differ in \['seed'\]"):
        pythia.generate(other, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("process", ["qcd", "z", "tt", "a_4l", "lq_btau", "h0_tautau", "hpm_taunu"])
def test_every_process_gives_what_it_is(process: str) -> None:
    section = GeneratedObjects(kind="pythia", process=process, events=25)
    events = generate_objects(section, 0, 25)
    leptons = (events[:, ELECTRON.first : MUON.last, 3] > 0).sum(axis=1).mean()
    jets = (events[:, JET.first :, 3] > 0).sum(axis=1).mean()
    met = events[:, MET.first, 0].mean()
    assert passes_trigger(events).all()
    expected = {
        "qcd": met < 20 and jets > 0.7,
        "z": leptons > 1.3 and met < 20,
        "tt": jets > 3.5 and met > 35,
        "a_4l": leptons > 2.2,
        "lq_btau": jets > 2 and met > 20,
        "h0_tautau": met > 25 and jets > 1,
        "hpm_taunu": leptons < 1.3 and met > 15,
    }
    assert expected[process], (leptons, jets, met)

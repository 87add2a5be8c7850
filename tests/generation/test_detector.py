"""Detector response: what is seen, how well, where; against numbers worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import awkward as ak
import numpy as np
import pytest

from hepcs._core.errors import ArgumentError
from hepcs.generation import detector
from hepcs.generation.detector import (
    CHARGED_HADRON,
    ELECTRON,
    INVISIBLE,
    MUON,
    NEUTRAL_HADRON,
    PHOTON,
    Calorimeter,
    CalorimeterRegion,
    DetectorResponse,
    TrackRegion,
    smear,
    species,
)

ECAL_CELL = 2 * np.pi / 360
HCAL_CELL = 2 * np.pi / 72


def perfect_calorimeter(phi_cells: int) -> Calorimeter:
    region = CalorimeterRegion(5.0, phi_cells, stochastic=0.0, constant=1e-9)
    return Calorimeter((region,), energy_min=0.01, significance_min=0.0)


# Nothing is smeared, nothing is lost: what is left is the logic.
PERFECT = DetectorResponse(
    track_pt_min=0.5,
    tracks=(TrackRegion(2.5, 1e-9, 0.0, efficiency_soft=1.0, efficiency=1.0),),
    ecal=perfect_calorimeter(360),
    hcal=perfect_calorimeter(72),
)


def particles(*events: list[tuple[float, float, float, int]]) -> ak.Array:
    """Massless particles from (pt, eta, phi, species)."""
    counts = [len(event) for event in events]
    flat = np.array([particle for event in events for particle in event], dtype=float).reshape(-1, 4)
    pt, eta, phi, kind = flat.T
    columns = {"pt": pt, "eta": eta, "phi": phi, "energy": pt * np.cosh(eta), "species": kind.astype(np.int8)}
    return ak.zip({name: ak.unflatten(column, counts) for name, column in columns.items()})


def one_in_each(n: int, energy: float, eta: float, kind: int) -> ak.Array:
    """n events of one particle each, phi spread out."""
    phi = np.linspace(-3, 3, n)
    return particles(*[[(energy / np.cosh(eta), eta, x, kind)] for x in phi])


def energies(seen: ak.Array) -> np.ndarray:
    return ak.to_numpy(ak.flatten(seen.pt * np.cosh(seen.eta)))


def generator() -> np.random.Generator:
    return np.random.default_rng(20)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (22, PHOTON),
        (-11, ELECTRON),
        (13, MUON),
        (211, CHARGED_HADRON),
        (-321, CHARGED_HADRON),
        (-2212, CHARGED_HADRON),
        (2112, NEUTRAL_HADRON),
        (130, NEUTRAL_HADRON),
        (-14, INVISIBLE),
    ],
)
def test_species_of_a_code(code: int, expected: int) -> None:
    assert species(np.array([code])) == [expected]


@pytest.mark.parametrize("code", [0, 23, 3333, 1000022, -9900041])
def test_unknown_codes_are_refused_by_name(code: int) -> None:
    with pytest.raises(ArgumentError, match=str(code)):
        species(np.array([22, code]))


def test_missing_fields_are_named() -> None:
    with pytest.raises(ArgumentError, match=r"\['energy'\]"):
        smear(particles([(1, 0, 0, PHOTON)])[["pt", "eta", "phi", "species"]], PERFECT, generator())


def test_result_depends_on_the_generator_alone() -> None:
    events = particles([(5.0 + i, 0.1 * i, 0.2 * i, 1 + i % 5) for i in range(15)])
    first, again = (smear(events, DetectorResponse(), np.random.default_rng(1)) for _ in range(2))
    other = smear(events, DetectorResponse(), np.random.default_rng(2))
    assert first.to_list() == again.to_list() != other.to_list()


def test_empty_events_stay_in_their_place() -> None:
    seen = smear(particles([], [(5, 0, 0, PHOTON)], [], [(5, 0, 0, INVISIBLE)]), PERFECT, generator())
    assert ak.num(seen).to_list() == [0, 1, 0, 0]
    assert ak.num(smear(particles([], []), PERFECT, generator())).to_list() == [0, 0]


# ----------------------------------------------------------------------------------------------- tracks


@pytest.mark.parametrize("kind", [CHARGED_HADRON, ELECTRON, MUON])
def test_tracks_keep_their_direction(kind: int) -> None:
    seen = smear(particles([(40, 1.2345, -2.3456, kind)]), PERFECT, generator())
    assert seen.eta.to_list() == [[1.2345]]
    assert seen.phi.to_list() == [[-2.3456]]
    assert seen.pt[0, 0] == pytest.approx(40, rel=1e-6)


def test_track_resolution() -> None:
    n = 20_000
    # at 100 GeV and |eta| < 0.5: sqrt(0.01^2 + (1.5e-4 * 100)^2) = 0.018028
    response = replace(DetectorResponse(), tracks=(TrackRegion(2.5, 0.01, 1.5e-4, 1.0, 1.0),))
    seen = smear(one_in_each(n, 100 * np.cosh(0.2), 0.2, MUON), response, generator())
    pt = ak.to_numpy(ak.flatten(seen.pt))
    assert pt.size == n
    assert pt.mean() == pytest.approx(100, abs=5 * 1.8028 / np.sqrt(n))
    assert pt.std() == pytest.approx(1.8028, rel=0.03)


@pytest.mark.parametrize(
    ("pt", "eta", "efficiency"),
    [(0.8, 0.0, 0.70), (5, 1.4, 0.95), (5, -1.6, 0.85), (0.4, 0, 0.0), (5, 2.6, 0.0)],
)
def test_track_efficiency(pt: float, eta: float, efficiency: float) -> None:
    n = 8000
    seen = smear(one_in_each(n, pt * np.cosh(eta), eta, MUON), DetectorResponse(), generator())
    sigma = np.sqrt(efficiency * (1 - efficiency) / n)
    assert ak.sum(ak.num(seen)) / n == pytest.approx(efficiency, abs=5 * sigma + 1e-12)


def test_what_curls_up_reaches_nothing() -> None:
    events = particles([(0.49, 2.4, 0, CHARGED_HADRON)], [(0.51, 2.4, 0, CHARGED_HADRON)])
    assert ak.num(smear(events, PERFECT, generator())).to_list() == [0, 1]


# ------------------------------------------------------------------------------------------- calorimeters


@pytest.mark.parametrize(
    ("kind", "energy", "eta", "sigma"),
    [
        (PHOTON, 100, 0.3, 1.7664),  # sqrt(0.14^2 100 + (0.010 100)^2 + 0.40^2)
        (PHOTON, 400, -2.0, 9.6902),  # sqrt(0.27^2 400 + (0.020 400)^2 + 0.90^2)
        (NEUTRAL_HADRON, 200, 1.0, 23.452),  # sqrt(1.50^2 200 + (0.050 200)^2)
        (CHARGED_HADRON, 900, 3.5, 142.31),  # sqrt(2.70^2 900 + (0.130 900)^2)
    ],
)
def test_energy_response_and_resolution(kind: int, energy: float, eta: float, sigma: float) -> None:
    n = 20_000
    seen = energies(smear(one_in_each(n, energy, eta, kind), DetectorResponse(), generator()))
    assert seen.size == n
    assert seen.mean() == pytest.approx(energy, abs=5 * sigma / np.sqrt(n))
    assert seen.std() == pytest.approx(sigma, rel=0.04)


@pytest.mark.parametrize(("kind", "cell"), [(PHOTON, ECAL_CELL), (NEUTRAL_HADRON, HCAL_CELL)])
def test_towers_sum_what_falls_into_them(kind: int, cell: float) -> None:
    inside, neighbour = 0.5 * cell, 1.1 * cell
    events = particles(
        [(10, inside, inside, kind), (7, 0.9 * cell, 0.1 * cell, kind), (5, inside, neighbour, kind)],
        [(3, inside, inside, kind)],
    )
    seen = smear(events, PERFECT, generator())
    assert ak.num(seen).to_list() == [2, 1]
    expected = [10 * np.cosh(inside) + 7 * np.cosh(0.9 * cell), 5 * np.cosh(inside), 3 * np.cosh(inside)]
    np.testing.assert_allclose(energies(seen), expected, rtol=1e-6)


def test_calorimeters_share_no_towers() -> None:
    events = particles([(10, 0.01, 0.01, PHOTON), (10, 0.01, 0.01, NEUTRAL_HADRON)])
    assert ak.num(smear(events, PERFECT, generator())).to_list() == [2]


@pytest.mark.parametrize(("kind", "cell"), [(PHOTON, ECAL_CELL), (NEUTRAL_HADRON, HCAL_CELL)])
@pytest.mark.parametrize("place", [0.3, -0.3])
def test_places_are_uniform_inside_the_tower(kind: int, cell: float, place: float) -> None:
    n = 4000
    events = particles(*[[(50, place, place, kind)]] * n)
    seen = smear(events, PERFECT, generator())
    for values in (ak.to_numpy(ak.flatten(seen.eta)), ak.to_numpy(ak.flatten(seen.phi))):
        low = np.floor(place / cell) * cell
        assert values.min() >= low - 1e-12
        assert values.max() <= low + cell + 1e-12
        assert values.mean() == pytest.approx(low + cell / 2, abs=5 * cell / np.sqrt(12 * n))
        assert values.std() == pytest.approx(cell / np.sqrt(12), rel=0.05)


def test_thresholds_hold_for_measured_energies() -> None:
    # hadrons: E > sigma(E) means E (1 - 0.05^2) > 1.5^2, E > 2.2556 GeV
    hadrons = energies(smear(one_in_each(8000, 4.0, 0.5, NEUTRAL_HADRON), DetectorResponse(), generator()))
    assert 2.2556 < hadrons.min() < 2.30
    assert 0.3 < hadrons.size / 8000 < 0.9
    # photons: E > 2 sigma(E) means E^2 (1 - 4 0.01^2) > 4 (0.14^2 E + 0.40^2), E > 0.8404 GeV
    photons = energies(smear(one_in_each(8000, 0.9, 0.5, PHOTON), DetectorResponse(), generator()))
    assert 0.8404 < photons.min() < 0.8450


def test_minimum_energy() -> None:
    calorimeter = replace(perfect_calorimeter(360), energy_min=0.5)
    events = particles([(0.49, 0, 0, PHOTON)], [(0.51, 0, 0, PHOTON)])
    assert ak.num(smear(events, replace(PERFECT, ecal=calorimeter), generator())).to_list() == [0, 1]


def test_azimuth_stays_in_its_range() -> None:
    events = particles(
        *[[(50, 0.02, phi, kind)] for phi in (np.pi, -np.pi, 3.14) for kind in (PHOTON, NEUTRAL_HADRON)] * 50
    )
    phi = ak.to_numpy(ak.flatten(smear(events, PERFECT, generator()).phi))
    assert phi.size == 300
    assert (np.abs(phi) <= np.pi).all()
    assert (np.abs(phi) > np.pi - HCAL_CELL - 1e-12).all()


@pytest.mark.parametrize(
    ("eta", "kind", "seen"),
    [
        (3.0, CHARGED_HADRON, 1),
        (4.9, PHOTON, 1),
        (5.1, PHOTON, 0),
        (-5.1, NEUTRAL_HADRON, 0),
        (2.6, MUON, 0),
        (0.0, INVISIBLE, 0),
    ],
)
def test_acceptance(eta: float, kind: int, seen: int) -> None:
    assert ak.num(smear(particles([(50, eta, 0.1, kind)]), PERFECT, generator())).to_list() == [seen]


def test_tracks_are_taken_off_their_tower() -> None:
    place = HCAL_CELL / 2
    events = particles(
        [(200, place, place, CHARGED_HADRON), (300, place, place, NEUTRAL_HADRON)],
        [(200, place, place, CHARGED_HADRON)],
    )
    seen = smear(events, PERFECT, generator())
    assert ak.num(seen).to_list() == [2, 1]
    expected = np.cosh(place) * np.array([200, 300, 200])
    np.testing.assert_allclose(energies(seen), expected, rtol=1e-6)


def test_excess_over_tracks_must_be_significant() -> None:
    # At 100 GeV sigma = sqrt(1.5^2 100 + 5^2) = 15.81 GeV. 15.9 % of single pions fluctuate up by one sigma; a
    # little fewer pass, since sigma grows with what is measured and the distribution leans to the low side.
    n = 8000
    events = one_in_each(n, 100.0, 0.2, CHARGED_HADRON)
    response = replace(DetectorResponse(), tracks=(TrackRegion(2.5, 1e-6, 0.0, 1.0, 1.0),))
    counts = ak.to_numpy(ak.num(smear(events, response, generator())))
    assert set(counts) == {1, 2}
    assert 0.10 < (counts == 2).mean() < 0.159


def test_a_lost_track_is_measured_by_the_calorimeter() -> None:
    blind = replace(PERFECT, tracks=(TrackRegion(2.5, 1e-9, 0.0, efficiency_soft=0.0, efficiency=0.0),))
    seen = smear(particles([(30, 0.3, 0.3, CHARGED_HADRON), (30, 0.9, 0.3, ELECTRON)]), blind, generator())
    np.testing.assert_allclose(energies(seen), [30 * np.cosh(0.9), 30 * np.cosh(0.3)], rtol=1e-6)


def test_jet_momentum_is_kept_within_a_few_per_cent() -> None:
    rng = generator()
    jet = [
        (float(pt), 0.3 * float(x), 0.3 * float(y), int(kind))
        for pt, x, y, kind in zip(
            rng.exponential(30, 60) + 1,
            rng.standard_normal(60),
            rng.standard_normal(60),
            rng.choice([PHOTON, CHARGED_HADRON, NEUTRAL_HADRON], 60, p=[0.25, 0.6, 0.15]),
            strict=True,
        )
    ]
    events = particles(*[jet] * 400)
    seen = smear(events, DetectorResponse(), rng)
    response = ak.to_numpy(ak.sum(seen.pt, axis=1) / ak.sum(events.pt, axis=1))
    # Only upward fluctuations are reported, so soft and spread-out jets gain some 3 %.
    assert response.mean() == pytest.approx(1.0, abs=0.05)
    assert 0.01 < response.std() < 0.06


def test_resolution_of_a_region_ends_at_its_edge() -> None:
    ecal = detector.DetectorResponse().ecal
    inner, outer = ecal.resolution(np.array([100.0, 100.0]), np.array([1.4999, 1.5]))
    assert inner == pytest.approx(np.sqrt(0.14**2 * 100 + 1.0 + 0.16))
    assert outer == pytest.approx(np.sqrt(0.27**2 * 100 + 4.0 + 0.81))

"""A particle-level detector response: from generated particles to what a particle-flow detector reports.

The response is the one of a CMS-like detector in the manner of Delphes (arXiv:1307.6346), reduced to what jets
and their images can see.

1. Charged particles inside the tracker and above `track_pt_min` leave a track with a given efficiency. Tracks
   keep their direction; their pT is smeared. Softer ones curl up in the field and are lost.
2. Photons and electrons deposit their energy in the electromagnetic calorimeter, hadrons in the hadronic one,
   whether they left a track or not. Energies are summed in towers and the sum is smeared.
3. The measured energy of the tracks that point to a tower is taken off it. The excess is a neutral constituent
   if it passes the thresholds; otherwise the tracks alone are reported. This confusion is what widens the m_jj
   of a resonance; as only upward fluctuations count, it also makes up for energy below the thresholds.
4. A neutral constituent is massless and lies at a place drawn uniformly inside its tower, which is all that
   is known of it: tower centres would print a lattice of 5-degree towers on jet images of 2.3-degree
   pixels, and energy-weighted means would keep an angular resolution that the detector lacks.

Smearing is log-normal with the wanted mean and standard deviation: unbiased, never negative, and a normal
distribution where the resolution is good. Neutrinos, muons without a track and everything beyond the
calorimeters are lost. There is no bending in the field, no material, no pile-up and no noise in empty towers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

INVISIBLE, PHOTON, ELECTRON, MUON, CHARGED_HADRON, NEUTRAL_HADRON = range(6)
"""The species that the detector tells apart."""

PARTICLE_FIELDS = ("pt", "eta", "phi", "energy", "species")
_CODES = {
    INVISIBLE: (12, 14, 16),
    PHOTON: (22, 111),
    ELECTRON: (11,),
    MUON: (13,),
    CHARGED_HADRON: (211, 321, 2212, 3112, 3222, 3312, 3334),
    NEUTRAL_HADRON: (130, 310, 311, 2112, 3122, 3322),
}
_TABLE = np.full(2 + max(max(codes) for codes in _CODES.values()), -1, dtype=np.int8)
for _species, _codes in _CODES.items():
    _TABLE[list(_codes)] = _species
_CELLS = 1 << 13  # more than there are towers along eta or phi in any calorimeter


@dataclass(frozen=True)
class TrackRegion:
    """A range of abs(eta), up to `abs_eta_max`, of the tracker.

    The relative resolution is sqrt(constant^2 + (linear pT)^2), pT in GeV; `efficiency_soft` holds below 1 GeV.
    """

    abs_eta_max: float
    constant: float
    linear: float
    efficiency_soft: float
    efficiency: float


@dataclass(frozen=True)
class CalorimeterRegion:
    """A range of abs(eta), up to `abs_eta_max`, of one calorimeter.

    Towers are squares of 2 pi / `phi_cells` in eta and phi. The resolution is
    sigma^2 = stochastic^2 E + constant^2 E^2 + noise^2, E in GeV.
    """

    abs_eta_max: float
    phi_cells: int
    stochastic: float
    constant: float
    noise: float = 0.0


@dataclass(frozen=True)
class Calorimeter:
    """One calorimeter: its regions from the centre outwards, and what an excess needs to be reported.

    Energy E over the tracks of a tower is kept if E > `energy_min` (GeV) and E > `significance_min` sigma, where
    sigma holds the resolutions of the tower, at its measured energy, and of its tracks.
    """

    regions: tuple[CalorimeterRegion, ...]
    energy_min: float
    significance_min: float

    def resolution(self, energy: Floats, abs_eta: Floats) -> Floats:
        """Standard deviation of the measured energy, GeV, of towers of `energy` at `abs_eta`; same shapes."""
        stochastic, constant, noise = (
            _by_region(self.regions, name, abs_eta) for name in ("stochastic", "constant", "noise")
        )
        return np.sqrt(stochastic**2 * energy + (constant * energy) ** 2 + noise**2)


@dataclass(frozen=True)
class DetectorResponse:
    """The numbers of the response; the defaults describe a CMS-like detector.

    Tracks: arXiv:1405.6569 as parametrised in the CMS card of Delphes. Electromagnetic calorimeter: crystals of
    0.0174 x 0.0174 (2008 JINST 3 S08004); resolution of arXiv:1306.2016 and arXiv:1502.02701, its eta dependence
    averaged over barrel and endcap. Hadronic calorimeter: towers of 0.087 x 0.087 (S08004), resolution of the
    same card. Forward calorimeter beyond 3.0: towers of 0.175 x 0.175, resolutions of the same card.

    With these thresholds QCD dijets have as many constituents, within 7 %, as those of the LHC Olympics.
    """

    track_pt_min: float = 0.5
    tracks: tuple[TrackRegion, ...] = (
        TrackRegion(0.5, 0.010, 1.5e-4, efficiency_soft=0.70, efficiency=0.95),
        TrackRegion(1.5, 0.015, 2.5e-4, efficiency_soft=0.70, efficiency=0.95),
        TrackRegion(2.5, 0.025, 5.5e-4, efficiency_soft=0.60, efficiency=0.85),
    )
    ecal: Calorimeter = Calorimeter(
        regions=(
            CalorimeterRegion(1.5, 360, stochastic=0.14, constant=0.010, noise=0.40),
            CalorimeterRegion(3.0, 360, stochastic=0.27, constant=0.020, noise=0.90),
            CalorimeterRegion(5.0, 36, stochastic=2.08, constant=0.107),
        ),
        energy_min=0.5,
        significance_min=2.0,
    )
    hcal: Calorimeter = Calorimeter(
        regions=(
            CalorimeterRegion(3.0, 72, stochastic=1.50, constant=0.050),
            CalorimeterRegion(5.0, 36, stochastic=2.70, constant=0.130),
        ),
        energy_min=1.0,
        significance_min=1.0,
    )

    def track_resolution(self, pt: Floats, abs_eta: Floats) -> Floats:
        """Relative standard deviation of the pT (GeV) of tracks at `abs_eta`; same shapes."""
        constant, linear = (_by_region(self.tracks, name, abs_eta) for name in ("constant", "linear"))
        return np.sqrt(constant**2 + (linear * pt) ** 2)

    def track_efficiency(self, pt: Floats, abs_eta: Floats) -> Floats:
        """Probability that a charged particle of `pt` (GeV) at `abs_eta` leaves a track; same shapes."""
        soft, hard = (_by_region(self.tracks, name, abs_eta) for name in ("efficiency_soft", "efficiency"))
        inside = (pt > self.track_pt_min) & (abs_eta < self.tracks[-1].abs_eta_max)
        return np.where(inside, np.where(pt < 1.0, soft, hard), 0.0)


def species(pdg_codes: NDArray[np.integer[Any]]) -> NDArray[np.int8]:
    """What the detector sees of each particle code.

    Parameters
    ----------
    pdg_codes
        PDG codes of stable particles, shape (m,).

    Returns
    -------
    Species, shape (m,), numbered as INVISIBLE to NEUTRAL_HADRON.

    Raises
    ------
    ArgumentError
        For codes that are no stable particles of the Standard Model; the text gives them.
    """
    found: NDArray[np.int8] = _TABLE[np.minimum(np.abs(pdg_codes), len(_TABLE) - 1)]
    if found.min(initial=0) < 0:
        unknown = np.unique(pdg_codes[found < 0])
        known = "expected stable particles of the Standard Model"
        raise ArgumentError(f"the detector does not know the particle codes {unknown[:10].tolist()}; {known}")
    return found


class _Flat(NamedTuple):
    """Constituents of all events in flat columns."""

    event: Integers
    pt: Floats
    eta: Floats
    phi: Floats


def smear(particles: Any, response: DetectorResponse, rng: np.random.Generator) -> Any:
    """What the detector reports for generated events.

    Parameters
    ----------
    particles
        Stable particles with pT above zero, awkward array n x var x {pt, eta, phi, energy, species}: GeV and
        radians, phi in [-pi, pi], species from :func:`species`.
    response
        The numbers of the detector.
    rng
        Source of the random numbers; the result depends on its state and on nothing else.

    Returns
    -------
    Awkward array n x var x {pt, eta, phi}, float64: massless constituents, tracks before towers, not
    sorted. An event of which nothing is seen is an empty list.

    Raises
    ------
    ArgumentError
        If the particles lack a field.
    """
    missing = sorted(set(PARTICLE_FIELDS) - set(ak.fields(particles)))
    if missing:
        raise ArgumentError(f"the particles to smear lack {missing}; expected the fields {PARTICLE_FIELDS}")
    counts = ak.to_numpy(ak.num(particles))
    event = np.repeat(np.arange(len(counts)), counts)
    pt, eta, phi, energy, kind = (ak.to_numpy(ak.flatten(particles[name])) for name in PARTICLE_FIELDS)
    abs_eta = np.abs(eta)

    charged = (kind == CHARGED_HADRON) | (kind == ELECTRON) | (kind == MUON)
    candidates = np.flatnonzero(charged & (abs_eta < response.tracks[-1].abs_eta_max))
    efficiency = response.track_efficiency(pt[candidates], abs_eta[candidates])
    tracks = candidates[rng.random(candidates.size) < efficiency]
    reaches = np.ones(pt.size, dtype=np.bool_)
    reaches[candidates[pt[candidates] <= response.track_pt_min]] = False

    relative = response.track_resolution(pt[tracks], abs_eta[tracks])
    measured = _log_normal(pt[tracks], relative * pt[tracks], rng)
    parts = [_Flat(event[tracks], measured, eta[tracks], phi[tracks])]
    tracked, track_sigma = np.zeros(pt.size), np.zeros(pt.size)
    tracked[tracks] = measured * np.cosh(eta[tracks])
    track_sigma[tracks] = relative * tracked[tracks]

    for calorimeter, seen_by_it in (
        (response.ecal, (kind == PHOTON) | (kind == ELECTRON)),
        (response.hcal, (kind == NEUTRAL_HADRON) | (kind == CHARGED_HADRON)),
    ):
        hit = np.flatnonzero(reaches & seen_by_it & (abs_eta < calorimeter.regions[-1].abs_eta_max))
        deposits = (energy[hit], tracked[hit], track_sigma[hit])
        parts.append(_neutral_excess(event[hit], eta[hit], phi[hit], deposits, calorimeter, rng))
    return _assemble(parts, len(counts))


def _neutral_excess(
    event: Integers,
    eta: Floats,
    phi: Floats,
    deposits: tuple[Floats, Floats, Floats],
    calorimeter: Calorimeter,
    rng: np.random.Generator,
) -> _Flat:
    """Towers with more energy than their tracks, from each particle's energy, track energy and its sigma."""
    phi_cells = np.array([region.phi_cells for region in calorimeter.regions])
    region = _region_index(calorimeter.regions, np.abs(eta))
    per_radian = phi_cells[region] / (2 * np.pi)
    row = np.floor(eta * per_radian).astype(np.int64) + _CELLS // 2
    # phi = pi, and what rounding puts beyond the edges, belongs to the cells there.
    column = np.clip(np.floor((phi + np.pi) * per_radian).astype(np.int64), 0, phi_cells[region] - 1)
    keys = ((event * len(phi_cells) + region) * _CELLS + row) * _CELLS + column
    tower, of_particle = np.unique(keys, return_inverse=True)
    energy, tracked, track_variance = (
        np.bincount(of_particle, weights=weights, minlength=tower.size).astype(np.float64, copy=False)
        for weights in (deposits[0], deposits[1], deposits[2] ** 2)
    )

    tower, column = np.divmod(tower, _CELLS)
    tower, row = np.divmod(tower, _CELLS)
    event, region = np.divmod(tower, len(phi_cells))
    width = 2 * np.pi / phi_cells[region]
    abs_eta = np.abs((row - _CELLS // 2 + 0.5) * width)
    measured = _log_normal(energy, calorimeter.resolution(energy, abs_eta), rng)
    excess = measured - tracked
    sigma = np.sqrt(calorimeter.resolution(measured, abs_eta) ** 2 + track_variance)
    seen = (excess > calorimeter.energy_min) & (excess > calorimeter.significance_min * sigma)
    place = rng.random((2, tower.size))
    eta = ((row - _CELLS // 2 + place[0]) * width)[seen]
    phi = ((column + place[1]) * width - np.pi)[seen]
    return _Flat(event[seen], excess[seen] / np.cosh(eta), eta, phi)


def _region_index(regions: tuple[Any, ...], abs_eta: Floats) -> Integers:
    """Index of the region of each `abs_eta`; the last region holds what lies beyond it, too."""
    return np.searchsorted([region.abs_eta_max for region in regions[:-1]], abs_eta, side="right")


def _by_region(regions: tuple[Any, ...], name: str, abs_eta: Floats) -> Floats:
    values: Floats = np.array([getattr(region, name) for region in regions])
    return values[_region_index(regions, abs_eta)]


def _log_normal(mean: Floats, deviation: Floats, rng: np.random.Generator) -> Floats:
    """Log-normal values of the given means and standard deviations."""
    variance = np.log1p((deviation / mean) ** 2)
    return mean * np.exp(np.sqrt(variance) * rng.standard_normal(mean.size) - 0.5 * variance)


def _assemble(parts: list[_Flat], n_events: int) -> Any:
    """All parts event by event, those of an event in the order of the parts."""
    event, *columns = (np.concatenate(values) for values in zip(*parts, strict=True))
    order = np.argsort(event, kind="stable")
    counts = np.bincount(event, minlength=n_events)
    fields = zip(("pt", "eta", "phi"), columns, strict=True)
    return ak.zip({name: ak.unflatten(values[order], counts) for name, values in fields})

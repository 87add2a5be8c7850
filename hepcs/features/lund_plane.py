"""The Lund plane of jets: how often each kind of splitting comes along the harder branch of a declustering.

The recombinations of Cambridge/Aachen are undone from the whole jet on, each time following the harder of the two
(Dreyer, Salam, Soyez, JHEP 12 (2018) 064, section 2). Each splitting is a word of a binned vocabulary, and a jet
the number of times that it says each: what topics are found in (Dillon, Faroughy, Kamenik, Szewc, JHEP 10 (2020)
206).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from hepcs._core.compilation import compiled
from hepcs._core.errors import ArgumentError
from hepcs.features.constituents import read_constituents
from hepcs.features.making import EventBlock
from hepcs.features.recombination import Trees, rapidity_azimuth, recombine, wrapped
from hepcs.jets.kinematics import four_momenta

if TYPE_CHECKING:
    from hepcs.config.schema import Card
    from hepcs.features import sections

# Part of the key of what is on disk: raised when the same jets would give other values.
VERSION = 1

#: Range of ln(1 / DeltaR): from the edge of an R = 1 jet to about two cells of an electromagnetic calorimeter.
#: Splittings at wider angles count in the first bin, those closer are left out.
ANGLE = (0.0, 3.5)
#: Range of ln(k_T / pT of the jet), k_T being pT of the softer subjet times DeltaR: at 1 TeV from 1.5 GeV on,
#: below which hadronisation decides; left out there, and in the last bin above.
KT = (-6.5, -0.5)
#: Range of ln(mass / pT of the jet) of what splits; below in the first bin, above in the last one.
MASS = (-4.0, -0.5)


@dataclass(frozen=True)
class LundBins:
    """Numbers of bins of a splitting's angle, transverse momentum and mass, see :data:`ANGLE` and so on."""

    angles: int
    kts: int
    masses: int

    def __post_init__(self) -> None:
        if min(self.angles, self.kts, self.masses) < 1:
            raise ArgumentError(f"a Lund plane needs a bin at least in each direction, found {self}")

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the words: ``splitting_2_0_1`` of the angle's third bin, and so on."""
        return tuple(
            f"splitting_{a}_{k}_{m}"
            for a in range(self.angles)
            for k in range(self.kts)
            for m in range(self.masses)
        )


def lund_plane(constituents: Any, bins: LundBins) -> NDArray[np.float32]:
    """Splittings along the harder branch of each jet, counted in bins.

    Angles are in rapidity and azimuth, momenta and masses in units of the jet's pT, so that they do not tell m_jj.

    Parameters
    ----------
    constituents
        Awkward array n x var x {pt, eta, phi}, massless, GeV and radians. Those of pt = 0 are padding.
    bins
        The vocabulary.

    Returns
    -------
    ndarray
        Shape (n, d), in the order of :attr:`LundBins.columns`; zeros for a jet that does not split.

    Raises
    ------
    ArgumentError
        If the input has another form, or values that are not finite or negative pt.
    """
    particles = read_constituents(constituents)
    filled = particles.counts > 0
    counts = np.zeros((filled.size, bins.angles, bins.kts, bins.masses), dtype=np.float32)
    if filled.any():
        pt, eta, phi = particles.fields.values()
        momenta = four_momenta(pt, eta, phi, np.zeros_like(pt))
        offsets = np.concatenate([[0], np.cumsum(particles.counts[filled])])
        of_filled = counts[filled]
        _count(recombine(momenta, offsets, "cambridge"), of_filled)
        counts[filled] = of_filled
    return counts.reshape(filled.size, -1)


def _count(trees: Trees, counts: NDArray[np.float32]) -> None:
    _decluster(trees.offsets, trees.momenta, trees.parents, np.array([ANGLE, KT, MASS]), counts)


@compiled
def _decluster(offsets, momenta, parents, ranges, counts):  # type: ignore[no-untyped-def]
    sizes = counts.shape[1:]
    for j in range(offsets.size - 1):
        m, first = offsets[j + 1] - offsets[j], 2 * offsets[j]
        node = 2 * m - 2
        jet_pt = np.hypot(momenta[first + node, 1], momenta[first + node, 2])
        while node >= m:
            harder, softer = parents[first + node, 0], parents[first + node, 1]
            pt = np.hypot(momenta[first + harder, 1], momenta[first + harder, 2])
            soft_pt = np.hypot(momenta[first + softer, 1], momenta[first + softer, 2])
            if soft_pt > pt:
                harder, softer, soft_pt = softer, harder, pt
            y_a, phi_a = rapidity_azimuth(momenta[first + harder])
            y_b, phi_b = rapidity_azimuth(momenta[first + softer])
            distance = max(np.hypot(y_a - y_b, wrapped(phi_a - phi_b)), 1e-12)
            whole = momenta[first + node]
            absolute = np.sqrt(whole[1] ** 2 + whole[2] ** 2 + whole[3] ** 2)
            squared = max((whole[0] - absolute) * (whole[0] + absolute), 0.0)
            angle = _bin(-np.log(distance), ranges[0], sizes[0])
            kt = _bin(np.log(max(soft_pt * distance / jet_pt, 1e-12)), ranges[1], sizes[1])
            mass = _bin(0.5 * np.log(max(squared / jet_pt**2, 1e-12)), ranges[2], sizes[2])
            if angle < sizes[0] and kt >= 0:
                counts[j, max(angle, 0), min(kt, sizes[1] - 1), min(max(mass, 0), sizes[2] - 1)] += 1
            node = harder


@compiled
def _bin(value, span, n):  # type: ignore[no-untyped-def]
    """Bin of a value, below 0 and from n on outside of the range."""
    return int(np.floor((value - span[0]) / (span[1] - span[0]) * n))


@dataclass(frozen=True)
class LundPlaneMaker:
    """Makes the counted splittings of the lighter and then of the heavier jet."""

    bins: LundBins

    per: ClassVar[Literal["event"]] = "event"
    about: ClassVar[Mapping[str, Any]] = {}
    base: ClassVar[None] = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The words of both jets."""
        return tuple(f"{name}_{jet}" for jet in ("lighter", "heavier") for name in self.bins.columns)

    @property
    def key(self) -> Mapping[str, Any]:
        """All that decides them beside their names."""
        return {"version": VERSION, "fastjet": version("fastjet"), "ranges": [*ANGLE, *KT, *MASS]}

    def make(self, block: EventBlock) -> NDArray[np.float32]:
        """Shape (m, 2d)."""
        jets = lund_plane(block.constituents, self.bins).reshape(len(block), 2, -1)
        swap = block.mass[:, 0] > block.mass[:, 1]
        return np.where(swap[:, np.newaxis, np.newaxis], jets[:, ::-1], jets).reshape(len(block), -1)


def maker(section: sections.LundPlane, card: Card) -> LundPlaneMaker:  # noqa: ARG001
    """The maker of a section of the card."""
    return LundPlaneMaker(LundBins(section.angles, section.kts, section.masses))

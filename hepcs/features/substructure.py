"""Substructure of jets: mass, N-subjettiness, multiplicity and soft drop, from their constituents.

The columns are named by :data:`COLUMNS`; :data:`SUBSTRUCTURE` are those that do not tell where the jet is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from hepcs.features.constituents import read_constituents
from hepcs.features.making import EventBlock
from hepcs.features.n_subjettiness import n_subjettiness, squared_width
from hepcs.features.recombination import recombine
from hepcs.features.soft_drop import soft_drop
from hepcs.jets.kinematics import four_momenta, mass, polar_coordinates

if TYPE_CHECKING:
    from hepcs.config.schema import Card
    from hepcs.features.sections import Substructure

# Part of the key of what is on disk: raised when the same jets would give other values.
VERSION = 1

# Of soft drop; and the angle below which a splitting is no prong, about a tower of a hadronic calorimeter.
Z_CUT = 0.1
SMALLEST_ANGLE = 0.1

#: The largest N of tau_N.
MOST_AXES = 5

#: The columns, in order. Where a jet has no value it is NaN.
#:
#: ======================  ====  ==================================================================================
#: name                    unit  what
#: ======================  ====  ==================================================================================
#: mass                    GeV   of the E-scheme sum of the constituents
#: pt                      GeV   of that sum. With pt, eta and phi of both jets a search knows m_jj
#: tau_1 ... tau_5         1     N-subjettiness, beta = 1, R0 = 1, one-pass kT axes; 0 for N constituents or fewer
#: width_ratio             1     sqrt(tau_1 for beta = 2) / tau_1, at least about 1; NaN where tau_1 is 0
#: multiplicity            1     number of constituents
#: softdrop_mass           GeV   z_cut = 0.1, beta = 0; 0 where no splitting passes
#: softdrop_prongs         1     1 + splittings along the harder branch that pass, at DeltaR of 0.1 or more (the
#:                               multiplicity of iterated soft drop)
#: eta                     1     pseudorapidity of the jet
#: phi                     rad   azimuth of the jet, in [-pi, pi]
#: ======================  ====  ==================================================================================
COLUMNS = (
    "mass",
    "pt",
    *(f"tau_{n}" for n in range(1, MOST_AXES + 1)),
    "width_ratio",
    "multiplicity",
    "softdrop_mass",
    "softdrop_prongs",
    "eta",
    "phi",
)

#: The columns of the jet itself, whatever its direction.
SUBSTRUCTURE = COLUMNS[:-2]


@dataclass(frozen=True)
class JetSubstructure:
    """Substructure of n jets.

    Attributes
    ----------
    values
        Shape (n, d), float32: :data:`COLUMNS`.
    incomplete
        Jets that lack a value, which is NaN; shape (n,).
    """

    values: NDArray[np.float32]
    incomplete: NDArray[np.bool_]


def jet_substructure(constituents: Any) -> JetSubstructure:
    """Substructure of jets, see :data:`COLUMNS`.

    A jet of one constituent lacks the width ratio, one of none all but its multiplicity.

    Parameters
    ----------
    constituents
        Awkward array n x var x {pt, eta, phi}, massless, GeV and radians. Those of pt = 0 are padding.

    Raises
    ------
    ArgumentError
        If the input has another form, or values that are not finite or negative pt.
    """
    particles = read_constituents(constituents)
    counts = particles.counts
    filled = counts > 0
    values = np.full((counts.size, len(COLUMNS)), np.nan, dtype=np.float32)
    values[:, COLUMNS.index("multiplicity")] = counts
    if filled.any():
        pt, eta, phi = particles.fields.values()
        momenta = four_momenta(pt, eta, phi, np.zeros_like(pt))
        offsets = np.concatenate([[0], np.cumsum(counts[filled])])
        values[filled] = _of_filled(momenta, offsets)
    return JetSubstructure(values, np.any(np.isnan(values), axis=1))


def _of_filled(momenta: NDArray[np.float64], offsets: NDArray[np.int64]) -> NDArray[np.float64]:
    """The columns of jets with a constituent at least, shape (n, d)."""
    by_kt, by_angle = recombine(momenta, offsets, "kt"), recombine(momenta, offsets, "cambridge")
    pt, eta, phi = polar_coordinates(by_kt.jet_momenta)
    tau = n_subjettiness(by_kt, MOST_AXES)
    groomed = soft_drop(by_angle, Z_CUT, SMALLEST_ANGLE)
    with np.errstate(invalid="ignore", divide="ignore"):
        width_ratio = np.where(tau[:, 0] > 0, np.sqrt(squared_width(by_kt)) / tau[:, 0], np.nan)
    return np.column_stack(
        [
            mass(by_kt.jet_momenta),
            pt,
            tau,
            width_ratio,
            np.diff(offsets),
            groomed.mass,
            groomed.n_splittings + 1,
            eta,
            phi,
        ]
    )


@dataclass(frozen=True)
class AllColumnsMaker:
    """Makes all columns, also those of the direction: what other features are made from."""

    per: ClassVar[Literal["jet"]] = "jet"
    columns: ClassVar[tuple[str, ...]] = COLUMNS
    about: ClassVar[Mapping[str, Any]] = {}
    base: ClassVar[None] = None

    @property
    def key(self) -> Mapping[str, Any]:
        """All that decides them."""
        return {"version": VERSION, "fastjet": version("fastjet")}

    def make(self, block: EventBlock) -> NDArray[np.float32]:
        """Shape (m, 2, d)."""
        return jet_substructure(block.constituents).values.reshape(-1, 2, len(COLUMNS))


@dataclass(frozen=True)
class SubstructureMaker:
    """Makes :data:`SUBSTRUCTURE`."""

    per: ClassVar[Literal["jet"]] = "jet"
    columns: ClassVar[tuple[str, ...]] = SUBSTRUCTURE
    key: ClassVar[Mapping[str, Any]] = {}
    about: ClassVar[Mapping[str, Any]] = {}
    base: ClassVar[AllColumnsMaker] = AllColumnsMaker()

    def make(self, block: EventBlock) -> NDArray[np.float32]:
        """Shape (m, 2, d)."""
        return block.base[:, :, [COLUMNS.index(name) for name in SUBSTRUCTURE]]


def maker(section: Substructure, card: Card) -> SubstructureMaker:  # noqa: ARG001
    """The maker of a section of the card."""
    return SubstructureMaker()

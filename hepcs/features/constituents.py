"""Constituents of jets: read from jagged arrays, and padded for models that work on particles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError
from hepcs.features.making import EventBlock
from hepcs.jets.columns import Columns, flatten
from hepcs.jets.kinematics import four_momenta, polar_coordinates

if TYPE_CHECKING:
    from hepcs.config.schema import Card
    from hepcs.features.sections import Constituents

# Part of the key of what is on disk: raised when the same jets would give other values.
VERSION = 1

#: What is kept of each constituent: pt [GeV]; eta and phi relative to the jet axis.
COLUMNS = ("pt", "delta_eta", "delta_phi")


@dataclass(frozen=True)
class PaddedConstituents:
    """Constituents of n jets in one array.

    Attributes
    ----------
    values
        Shape (n, most, 3), float32: :data:`COLUMNS`, by falling pt, zeros behind the last one.
    n_cut
        Constituents of each jet beyond the `most` that are kept, shape (n,).
    incomplete
        Jets without any constituent, which have no axis; shape (n,).
    """

    values: NDArray[np.float32]
    n_cut: NDArray[np.int64]
    incomplete: NDArray[np.bool_]


def padded_constituents(constituents: Any, most: int) -> PaddedConstituents:
    """The hardest constituents of each jet, seen from its axis: the E-scheme sum of all of them.

    Parameters
    ----------
    constituents
        Awkward array n x var x {pt, eta, phi}, massless, GeV and radians. Those of pt = 0 are padding.
    most
        Constituents that are kept of a jet, at least 1.

    Raises
    ------
    ArgumentError
        If `constituents` has another form, or values that are not finite or negative pt.
    """
    if most < 1:
        raise ArgumentError(f"at least one constituent has to be kept of a jet, found most = {most}")
    particles = read_constituents(constituents)
    counts, jet = particles.counts, particles.list_index
    values = np.zeros((particles.n_lists, most, 3), dtype=np.float32)
    if jet.size:
        pt, eta, phi = particles.fields.values()
        axis_eta, axis_phi = _axes(particles)
        place = np.arange(jet.size) - np.repeat(particles.offsets[:-1], counts)
        kept = place < most
        seen = np.stack([pt, eta - axis_eta[jet], _wrapped(phi - axis_phi[jet])], axis=1)
        values[jet[kept], place[kept]] = seen[kept]
    return PaddedConstituents(values, np.maximum(counts - most, 0), counts == 0)


def read_constituents(constituents: Any) -> Columns:
    """Constituents of jets as flat columns pt, eta, phi, by falling pt in each jet, without those of pt = 0.

    So no feature depends on the order in which a file or a package lists them.

    Parameters
    ----------
    constituents
        Awkward array n x var x {pt, eta, phi}, GeV and radians.

    Raises
    ------
    ArgumentError
        If it has another form, or values that are not finite or negative pt; the text names the first such jet.
    """
    particles = flatten(constituents, ("pt", "eta", "phi"))
    pt = particles.fields["pt"]
    bad = ~np.isfinite(np.stack(list(particles.fields.values()))).all(axis=0) | (pt < 0)
    if bad.any():
        row = int(np.argmax(bad))
        found = ", ".join(f"{name} = {column[row]:g}" for name, column in particles.fields.items())
        raise ArgumentError(
            f"jet {particles.list_index[row]} has a constituent with {found}; expected finite values and pt >= 0. "
            "select_dijets rejects such events"
        )
    particles = particles.take_particles(pt > 0)
    pt, eta, phi = particles.fields.values()
    # Equal pt is common where a detector rounds: position decides then.
    order = np.lexsort((phi, eta, -pt, particles.list_index))
    return Columns(particles.offsets, {name: column[order] for name, column in particles.fields.items()})


def _axes(particles: Columns) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pseudorapidity and azimuth of each jet, shape (n,); 0 where it has no constituent."""
    pt, eta, phi = particles.fields.values()
    momenta = four_momenta(pt, eta, phi, np.zeros_like(pt))
    sums = np.zeros((particles.n_lists, 4))
    filled = particles.counts > 0
    sums[filled] = np.add.reduceat(momenta, particles.offsets[:-1][filled], axis=0)
    axis_eta, axis_phi = np.zeros(particles.n_lists), np.zeros(particles.n_lists)
    _, axis_eta[filled], axis_phi[filled] = polar_coordinates(sums[filled])
    return axis_eta, axis_phi


def _wrapped(angle: NDArray[np.float64]) -> NDArray[np.float64]:
    """Angles in [-pi, pi)."""
    return (angle + np.pi) % (2 * np.pi) - np.pi


@dataclass(frozen=True)
class ConstituentsMaker:
    """Makes the hardest constituents of jets, one after the other in one row."""

    most: int

    per: ClassVar[Literal["jet"]] = "jet"
    about: ClassVar[Mapping[str, Any]] = {}
    base: ClassVar[None] = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Constituent by constituent."""
        return tuple(f"{name}_{number}" for number in range(self.most) for name in COLUMNS)

    @property
    def key(self) -> Mapping[str, Any]:
        """All that decides them beside their number."""
        return {"version": VERSION}

    def make(self, block: EventBlock) -> NDArray[np.float32]:
        """Shape (m, 2, 3 most)."""
        found = padded_constituents(block.constituents, self.most)
        found.values[found.incomplete] = np.nan
        return found.values.reshape(-1, 2, 3 * self.most)


def maker(section: Constituents, card: Card) -> ConstituentsMaker:  # noqa: ARG001
    """The maker of a section of the card."""
    return ConstituentsMaker(section.most)

"""Soft drop: what is left of a jet once soft radiation at wide angles is dropped, and how often it splits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hepcs._core.compilation import compiled
from hepcs._core.errors import ArgumentError
from hepcs.features.recombination import Trees, rapidity_azimuth, wrapped


@dataclass(frozen=True)
class SoftDrop:
    """Soft drop of n jets.

    Attributes
    ----------
    mass
        Mass of the groomed jet, GeV, shape (n,); 0 where no splitting passes and one constituent is left.
    n_splittings
        Splittings along the harder branch that pass at wide enough an angle, shape (n,): the multiplicity of
        iterated soft drop.
    """

    mass: NDArray[np.float64]
    n_splittings: NDArray[np.int64]


def soft_drop(trees: Trees, z_cut: float, smallest_angle: float) -> SoftDrop:
    """Soft drop with beta = 0, which is the modified mass drop.

    The recombinations are undone from the whole jet on, following the harder branch. A splitting into subjets 1
    and 2 passes if ``min(pt_1, pt_2) / (pt_1 + pt_2) > z_cut`` (Larkoski et al., JHEP 05 (2014) 146, eq. 1.1, with
    beta = 0; Dasgupta et al., JHEP 09 (2013) 029). The first that passes is the groomed jet. All that pass are
    counted, down to an angle: iterated soft drop (Frye et al., JHEP 09 (2017) 083).

    Parameters
    ----------
    trees
        Cambridge/Aachen recombinations of n jets.
    z_cut
        In (0, 0.5).
    smallest_angle
        DeltaR of 1 and 2, in rapidity and azimuth, at which counting ends; at least 0. Without such an end what
        is counted with beta = 0 is not collinear safe, and depends on the detector's granularity.
    """
    if not 0 < z_cut < 0.5:
        raise ArgumentError(f"z_cut is the smaller share of pt, in (0, 0.5), found {z_cut}")
    if not smallest_angle >= 0:
        raise ArgumentError(f"smallest_angle must not be negative, found {smallest_angle}")
    n = trees.offsets.size - 1
    mass, n_splittings = np.zeros(n), np.zeros(n, dtype=np.int64)
    _decluster(trees.offsets, trees.momenta, trees.parents, z_cut, smallest_angle, mass, n_splittings)
    return SoftDrop(mass, n_splittings)


@compiled
def _decluster(offsets, momenta, parents, z_cut, smallest_angle, mass, n_splittings):  # type: ignore[no-untyped-def]
    for j in range(offsets.size - 1):
        m, first = offsets[j + 1] - offsets[j], 2 * offsets[j]
        node, groomed = 2 * m - 2, False
        while node >= m:
            harder, softer = parents[first + node, 0], parents[first + node, 1]
            pt = np.hypot(momenta[first + harder, 1], momenta[first + harder, 2])
            soft_pt = np.hypot(momenta[first + softer, 1], momenta[first + softer, 2])
            if soft_pt > pt:
                harder, softer, pt, soft_pt = softer, harder, soft_pt, pt
            wide = _distance(momenta[first + harder], momenta[first + softer]) >= smallest_angle
            if soft_pt > z_cut * (pt + soft_pt):
                if not groomed:
                    mass[j], groomed = _mass(momenta[first + node]), True
                n_splittings[j] += wide
            if groomed and not wide:
                break
            node = harder


@compiled
def _distance(a, b):  # type: ignore[no-untyped-def]
    """DeltaR of two momenta in rapidity and azimuth."""
    y_a, phi_a = rapidity_azimuth(a)
    y_b, phi_b = rapidity_azimuth(b)
    return np.hypot(y_a - y_b, wrapped(phi_a - phi_b))


@compiled
def _mass(momentum):  # type: ignore[no-untyped-def]
    """Invariant mass of a four-momentum (E, px, py, pz); see :func:`hepcs.jets.kinematics.mass`."""
    energy, x, y, z = momentum[0], momentum[1], momentum[2], momentum[3]
    absolute = np.sqrt(x * x + y * y + z * z)
    return np.sqrt(max((energy - absolute) * (energy + absolute), 0.0))

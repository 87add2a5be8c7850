"""Relativistic kinematics of particles and jets: one function for each quantity, GeV and radians."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError

Array = NDArray[np.float64]


def four_momenta(pt: Array, eta: Array, phi: Array, mass: Array) -> Array:
    """Four-momenta (E, px, py, pz) from transverse momentum, pseudorapidity, azimuth and mass.

    ``px = pt cos(phi)``, ``py = pt sin(phi)``, ``pz = pt sinh(eta)``, ``E^2 = |p|^2 + mass^2``.

    Parameters
    ----------
    pt, eta, phi, mass
        Each of shape (n,); GeV and radians.

    Returns
    -------
    array
        Shape (n, 4), C-contiguous, GeV. Not finite where an input is not, or where the result overflows.
    """
    momenta = np.empty((pt.size, 4))
    with np.errstate(over="ignore", invalid="ignore"):
        momenta[:, 1] = pt * np.cos(phi)
        momenta[:, 2] = pt * np.sin(phi)
        momenta[:, 3] = pt * np.sinh(eta)
        momenta[:, 0] = np.sqrt(pt**2 + momenta[:, 3] ** 2 + mass**2)
    return momenta


def polar_coordinates(momenta: Array) -> tuple[Array, Array, Array]:
    """Transverse momentum (GeV), pseudorapidity and azimuth of four-momenta (E, px, py, pz), shape (n, 4)."""
    pt = np.hypot(momenta[:, 1], momenta[:, 2])
    with np.errstate(divide="ignore", invalid="ignore"):  # pt = 0: eta is infinite, and the selection cuts it
        eta = np.arcsinh(momenta[:, 3] / pt)
    return pt, eta, np.arctan2(momenta[:, 2], momenta[:, 1])


def mass(momenta: Array) -> Array:
    """Invariant mass (GeV) of four-momenta (E, px, py, pz), shape (n, 4); a negative square is rounding, so 0."""
    momentum = np.sqrt(np.sum(momenta[:, 1:] ** 2, axis=1))
    return np.sqrt(np.maximum((momenta[:, 0] - momentum) * (momenta[:, 0] + momentum), 0.0))


def pair_mass(
    pt: tuple[Array, Array],
    eta: tuple[Array, Array],
    phi: tuple[Array, Array],
    masses: tuple[Array, Array],
) -> Array:
    """Invariant mass of pairs of particles or jets.

    ``M^2 = m1^2 + m2^2 + 2 (E1 E2 - p1 p2) + 2 p1 p2 (1 - cos(theta))`` with p the absolute momenta and theta
    the angle between them; ``p1 p2 (1 - cos(theta)) = pt1 pt2 (cosh(eta1 - eta2) - cos(phi1 - phi2))``. Both
    differences are written without cancellation, so M is accurate for any boost and any opening angle:
    ``E1 E2 - p1 p2 = (m1^2 p2^2 + m2^2 p1^2 + m1^2 m2^2) / (E1 E2 + p1 p2)`` and
    ``cosh(a) - cos(b) = 2 sinh^2(a / 2) + 2 sin^2(b / 2)``.

    Parameters
    ----------
    pt, eta, phi, masses
        For each of the two an array of shape (n,); GeV and radians.

    Returns
    -------
    array
        Shape (n,), GeV.
    """
    m1, m2 = masses[0] ** 2, masses[1] ** 2
    p1, p2 = (pt[0] * np.cosh(eta[0])) ** 2, (pt[1] * np.cosh(eta[1])) ** 2
    boost = (m1 * p2 + m2 * p1 + m1 * m2) / np.maximum(
        np.sqrt((p1 + m1) * (p2 + m2)) + np.sqrt(p1 * p2), np.finfo(np.float64).tiny
    )
    opening = np.sinh((eta[0] - eta[1]) / 2) ** 2 + np.sin((phi[0] - phi[1]) / 2) ** 2
    return np.sqrt(m1 + m2 + 2 * boost + 4 * pt[0] * pt[1] * opening)


def invariant_mass(jets: Any) -> Array:
    """m_jj, the invariant mass of the two leading jets (SPEC section 1).

    Parameters
    ----------
    jets
        Awkward array n x 2 x {pt, eta, phi, mass, ...}, GeV and radians; see :func:`pair_mass`.

    Returns
    -------
    array
        Shape (n,), GeV.

    Raises
    ------
    ArgumentError
        If an event does not have exactly two jets, or the fields are missing.
    """
    if not {"pt", "eta", "phi", "mass"} <= set(ak.fields(jets)):
        raise ArgumentError(f"expected jets with pt, eta, phi and mass, found the fields {ak.fields(jets)}")
    if not bool(ak.all(ak.num(jets, axis=1) == 2)):
        raise ArgumentError("m_jj is defined for exactly two jets an event; found another number")

    def both(name: str) -> tuple[Array, Array]:
        values = ak.to_numpy(ak.to_regular(jets[name], axis=1)).astype(np.float64)
        return values[:, 0], values[:, 1]

    return pair_mass(both("pt"), both("eta"), both("phi"), both("mass"))

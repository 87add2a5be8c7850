"""N-subjettiness of jets, with exclusive kT axes that are refined once ("one-pass kT axes").

J. Thaler and K. Van Tilburg, JHEP 03 (2011) 015 (arXiv:1011.2268), and JHEP 02 (2012) 093 (arXiv:1108.2701), whose
section 3 has the minimisation. As fjcontrib's `NormalizedMeasure(beta, R0)` with `OnePass_KT_Axes`, to rounding.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hepcs._core.compilation import compiled
from hepcs._core.errors import ArgumentError
from hepcs.features.recombination import Trees, rapidity_azimuth, wrapped

# As in fjcontrib: the axes are good once they move by less than this in the mean, in so many steps at most.
# It is also the distance below which a constituent pulls no stronger at its axis.
_PRECISION = 1e-4
_MOST_STEPS = 1000


def n_subjettiness(trees: Trees, most: int) -> NDArray[np.float64]:
    """tau_1 to tau_most of each jet, beta = 1, R0 = 1.

    ``tau_N = sum_i pt_i min_a DeltaR(i, a) / sum_i pt_i R0`` over constituents i and axes a = 1 ... N, with
    DeltaR in rapidity and azimuth (arXiv:1011.2268, section 2). The axes start at the N exclusive kT subjets and
    go to a local minimum of tau_N: in turn each constituent is assigned to its closest axis, and each axis moves
    to the mean of its constituents, weighted with pt / DeltaR (arXiv:1108.2701, section 3).

    Parameters
    ----------
    trees
        kT recombinations of n jets; constituents massless.
    most
        The largest N, at least 1.

    Returns
    -------
    array
        Shape (n, most), not negative. Jets of N or fewer constituents have tau_N = 0.
    """
    if most < 1:
        raise ArgumentError(f"N-subjettiness is defined for one axis at least, found {most}")
    out = np.zeros((trees.offsets.size - 1, most))
    _fill_tau(trees.offsets, trees.momenta, trees.parents, out)
    return out


def squared_width(trees: Trees) -> NDArray[np.float64]:
    """tau_1 of each jet for beta = 2, R0 = 1, shape (n,).

    ``tau_1^(2) = min_a sum_i pt_i DeltaR(i, a)^2 / sum_i pt_i``: for one axis and squares, the minimum is known,
    it lies at the pt-weighted mean in rapidity and azimuth.
    """
    out = np.empty(trees.offsets.size - 1)
    _fill_squared_width(trees.offsets, trees.momenta, out)
    return out


@compiled
def _fill_tau(offsets, momenta, parents, out):  # type: ignore[no-untyped-def]
    most = out.shape[1]
    subjets, seeds = np.empty(most + 1, dtype=np.int64), np.empty((2, most + 1))
    axes, moved, pulls = np.empty((2, most)), np.empty((2, most)), np.empty((3, most))
    for j in range(offsets.size - 1):
        m, first = offsets[j + 1] - offsets[j], 2 * offsets[j]
        pt, rapidity, azimuth = _transverse(momenta[first : first + m])
        subjets[0] = 2 * m - 2
        seeds[0, 0], seeds[1, 0] = rapidity_azimuth(momenta[first + 2 * m - 2])
        for n in range(1, min(most, m - 1) + 1):
            axes[:, :n] = seeds[:, :n]
            out[j, n - 1] = _one_pass(pt, rapidity, azimuth, n, axes, moved, pulls)
            # One subjet more: the last of the recombinations that made these is undone.
            for a in range(n):
                node = subjets[a]
                if node == 2 * m - 1 - n:
                    for place, parent in ((a, parents[first + node, 0]), (n, parents[first + node, 1])):
                        subjets[place] = parent
                        seeds[0, place], seeds[1, place] = rapidity_azimuth(momenta[first + parent])
                    break


@compiled
def _transverse(momenta):  # type: ignore[no-untyped-def]
    """Transverse momentum, rapidity and azimuth of particles."""
    pt, rapidity, azimuth = np.empty(len(momenta)), np.empty(len(momenta)), np.empty(len(momenta))
    for i in range(len(momenta)):
        pt[i] = np.hypot(momenta[i, 1], momenta[i, 2])
        rapidity[i], azimuth[i] = rapidity_azimuth(momenta[i])
    return pt, rapidity, azimuth


@compiled
def _one_pass(pt, rapidity, azimuth, n, axes, moved, pulls):  # type: ignore[no-untyped-def]
    """tau at the local minimum below the first n axes, which are moved there; or at these, should it be less."""
    start = tau = _step(pt, rapidity, azimuth, n, axes, moved, pulls)
    for _ in range(_MOST_STEPS):
        distance = 0.0
        for a in range(n):
            distance += np.hypot(moved[0, a] - axes[0, a], moved[1, a] - axes[1, a])
            axes[0, a], axes[1, a] = moved[0, a], moved[1, a]
        tau = _step(pt, rapidity, azimuth, n, axes, moved, pulls)
        if distance <= _PRECISION * n:
            break
    return min(start, tau)


@compiled
def _step(pt, rapidity, azimuth, n, axes, moved, pulls):  # type: ignore[no-untyped-def]
    """tau for the first n axes; `moved` becomes where each of them goes next."""
    total, distances = 0.0, 0.0
    pulls[:] = 0.0
    for i in range(pt.size):
        closest, best, along, across = 0, np.inf, 0.0, 0.0
        for a in range(n):
            y, phi = rapidity[i] - axes[0, a], wrapped(azimuth[i] - axes[1, a])
            if y * y + phi * phi < best:
                closest, best, along, across = a, y * y + phi * phi, y, phi
        total += pt[i]
        distances += pt[i] * np.sqrt(best)
        weight = pt[i] / np.sqrt(best + _PRECISION**2)
        pulls[0, closest] += weight
        pulls[1, closest] += weight * along
        pulls[2, closest] += weight * across
    for a in range(n):
        moved[0, a], moved[1, a] = axes[0, a], axes[1, a]
        if pulls[0, a] > 0:
            moved[0, a] += pulls[1, a] / pulls[0, a]
            moved[1, a] += pulls[2, a] / pulls[0, a]
    return distances / total


@compiled
def _fill_squared_width(offsets, momenta, out):  # type: ignore[no-untyped-def]
    for j in range(offsets.size - 1):
        m, first = offsets[j + 1] - offsets[j], 2 * offsets[j]
        axis_y, axis_phi = rapidity_azimuth(momenta[first + 2 * m - 2])
        pt, rapidity, azimuth = _transverse(momenta[first : first + m])
        total = y_sum = phi_sum = squares = 0.0
        for i in range(m):
            # Around the jet's axis, so that nothing is lost to the difference of large numbers.
            y, phi = rapidity[i] - axis_y, wrapped(azimuth[i] - axis_phi)
            total += pt[i]
            y_sum += pt[i] * y
            phi_sum += pt[i] * phi
            squares += pt[i] * (y * y + phi * phi)
        out[j] = max(squares / total - (y_sum / total) ** 2 - (phi_sum / total) ** 2, 0.0)

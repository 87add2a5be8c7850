"""The order in which the constituents of a jet recombine, by fastjet: what axes and declusterings follow from.

fastjet clusters; from its history the tree of each jet is taken once, and N-subjettiness of all N and soft drop
are read off the trees. Its own functions for these give the same numbers, and take ten times as long: they cluster
each jet anew for every N.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hepcs._core.compilation import compiled
from hepcs._core.errors import ArgumentError
from hepcs.jets.backends import silence_fastjet

Algorithm = Literal["kt", "cambridge"]

# fastjet's largest jet radius: all constituents end up in one jet.
_RADIUS = 1000.0
# The fastjet interface keeps the clustering history of all jets that it is given, some 25 kB each.
_BLOCK = 500


@dataclass(frozen=True)
class Trees:
    """Binary trees of recombinations, one for each of n jets; jet j has m_j >= 1 constituents.

    Jet j has the nodes ``[2 offsets[j], 2 offsets[j + 1] - 1)``: first its constituents, in their order, then the
    recombinations in the order in which they happen, so that the last one is the whole jet. A row behind it is
    unused.

    Attributes
    ----------
    offsets
        Shape (n + 1,): constituents of jet j are ``[offsets[j], offsets[j + 1])``.
    momenta
        Four-momenta (E, px, py, pz) of the nodes, GeV, shape (2 offsets[-1], 4).
    parents
        The two nodes that each node recombines, counted inside the jet, or -1 for constituents; shape
        (2 offsets[-1], 2).
    """

    offsets: NDArray[np.int64]
    momenta: NDArray[np.float64]
    parents: NDArray[np.int64]

    @property
    def jet_momenta(self) -> NDArray[np.float64]:
        """Four-momenta of the whole jets, shape (n, 4): the E-scheme sums of their constituents."""
        return np.asarray(self.momenta[2 * self.offsets[1:] - 2])


def recombine(momenta: NDArray[np.float64], offsets: NDArray[np.int64], algorithm: Algorithm) -> Trees:
    """Recombine all constituents of each jet, E-scheme.

    Parameters
    ----------
    momenta
        Four-momenta (E, px, py, pz) of the constituents, jet after jet, finite, pt > 0, GeV; shape (p, 4).
    offsets
        Constituents of jet j are ``[offsets[j], offsets[j + 1])``, at least one; shape (n + 1,).
    algorithm
        "kt": Catani et al., NPB 406 (1993) 187, Ellis and Soper, PRD 48 (1993) 3160. "cambridge": Cambridge and
        Aachen, Dokshitzer et al., JHEP 08 (1997) 001, Wobisch and Wengler, hep-ph/9907280.

    Raises
    ------
    ArgumentError
        If a jet has no constituent.
    """
    if (np.diff(offsets) < 1).any():
        raise ArgumentError("each jet needs a constituent to be clustered; leave out the jets that have none")
    trees = Trees(offsets, np.empty((2 * offsets[-1], 4)), np.full((2 * offsets[-1], 2), -1, dtype=np.int64))
    for start in range(0, offsets.size - 1, _BLOCK):
        bounds = offsets[start : start + _BLOCK + 1]
        order = _history(momenta[bounds[0] : bounds[-1]], bounds - bounds[0], algorithm)
        _grow(momenta, bounds, order, trees.momenta, trees.parents)
    return trees


def _history(
    momenta: NDArray[np.float64], offsets: NDArray[np.int64], algorithm: Algorithm
) -> NDArray[np.int64]:
    """Steps of the clustering of each jet, so ordered that the parents of each step come just before it.

    A jet of m constituents has 2 m steps: 0 to m - 1 are its constituents, m to 2 m - 2 the recombinations in the
    order in which they happen, and the last one declares the jet.
    """
    import fastjet

    silence_fastjet(fastjet)
    kind = {"kt": fastjet.kt_algorithm, "cambridge": fastjet.cambridge_algorithm}[algorithm]
    columns: list[Any] = [ak.contents.NumpyArray(np.ascontiguousarray(momenta[:, i])) for i in (1, 2, 3, 0)]
    particles = ak.contents.RecordArray(columns, ["px", "py", "pz", "E"])
    jets = ak.Array(ak.contents.ListOffsetArray(ak.index.Index64(offsets), particles))
    sequence = fastjet.ClusterSequence(jets, fastjet.JetDefinition(kind, _RADIUS))
    return np.asarray(ak.flatten(sequence.unique_history_order()), dtype=np.int64)


@compiled
def _grow(momenta, offsets, order, node_momenta, node_parents):  # type: ignore[no-untyped-def]
    """Fill in the nodes of some jets. Where parents come first, the two of a step are the last that wait."""
    waiting = np.empty(np.max(np.diff(offsets)), dtype=np.int64)
    for j in range(offsets.size - 1):
        m, first = offsets[j + 1] - offsets[j], 2 * offsets[j]
        node_momenta[first : first + m] = momenta[offsets[j] : offsets[j + 1]]
        n_waiting = 0
        for step in order[first - 2 * offsets[0] : first - 2 * offsets[0] + 2 * m]:
            if step >= 2 * m - 1:
                continue
            if step >= m:
                n_waiting -= 2
                node_parents[first + step, 0] = waiting[n_waiting]
                node_parents[first + step, 1] = waiting[n_waiting + 1]
            waiting[n_waiting] = step
            n_waiting += 1
        for node in range(first + m, first + 2 * m - 1):
            a, b = first + node_parents[node, 0], first + node_parents[node, 1]
            for i in range(4):
                node_momenta[node, i] = node_momenta[a, i] + node_momenta[b, i]


@compiled
def rapidity_azimuth(momentum):  # type: ignore[no-untyped-def]
    """Rapidity and azimuth of a four-momentum (E, px, py, pz); without cancellation for massless ones."""
    energy, x, y, z = momentum[0], momentum[1], momentum[2], momentum[3]
    squared = x * x + y * y
    mass_squared = max((energy - z) * (energy + z) - squared, 0.0)
    rapidity = 0.5 * np.log((squared + mass_squared) / (energy + abs(z)) ** 2)
    return -rapidity if z > 0 else rapidity, np.arctan2(y, x)


@compiled
def wrapped(angle):  # type: ignore[no-untyped-def]
    """A difference of two azimuths in (-2 pi, 2 pi), in [-pi, pi]."""
    if angle > np.pi:
        return angle - 2 * np.pi
    if angle < -np.pi:
        return angle + 2 * np.pi
    return angle

"""Anti-kT reclustering with pyjet or fastjet: the two leading jets of each event, with their constituents.

Both packages wrap the same C++ library and are given the same four-momenta; the kinematics of the jets is
computed afterwards for all of them at once, as the E-scheme sum of their constituents.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from itertools import pairwise
from typing import Any, Literal

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError, MissingDependencyError
from hepcs._core.requirements import pip_install
from hepcs.jets.columns import Columns, flatten
from hepcs.jets.kinematics import four_momenta, mass, pair_mass, polar_coordinates

logger = logging.getLogger(__name__)

Backend = Literal["pyjet", "fastjet"]
PARTICLE_FIELDS = ("pt", "eta", "phi", "mass")

# The fastjet interface keeps the whole clustering history of every event that it is given, some 100 kB each.
_FASTJET_BLOCK = 500

# Of the scalar sum of an event's pT: dijets have more, and nearly all other jets of the event have less.
_HARD_JET = 0.15


def how_to_install(backend: str) -> str:
    """The command that installs a package that reclusters jets."""
    if backend == "fastjet":
        return pip_install("fastjet")
    build = pip_install("--no-build-isolation", "--no-deps", "pyjet")
    return (
        f"pip install 'cython<3' setuptools wheel && {build} (needs a C++ compiler and Python 3.11 or 3.12)"
    )


def resolve_backend(backend: str) -> Backend:
    """The package that does the reclustering.

    Parameters
    ----------
    backend
        "pyjet", "fastjet", or "auto": pyjet if it can be imported, else fastjet.

    Raises
    ------
    MissingDependencyError
        If the package asked for, or for "auto" both, cannot be imported.
    ArgumentError
        For another name.
    """
    if backend == "auto":
        return _first_installed()
    if backend not in ("pyjet", "fastjet"):
        raise ArgumentError(f"unknown jet backend {backend!r}; expected auto, pyjet or fastjet")
    problem = _import_problem(backend)
    if problem is not None:
        logger.error("jets: %s cannot be imported: %s", backend, problem)
        raise MissingDependencyError(backend, f"for jets.backend = {backend}", how_to_install(backend))
    return "pyjet" if backend == "pyjet" else "fastjet"


@cache
def _first_installed() -> Backend:
    candidates: tuple[Backend, ...] = ("pyjet", "fastjet")
    for backend in candidates:
        problem = _import_problem(backend)
        if problem is None:
            logger.info("jets: reclustering with %s", backend)
            return backend
        logger.info("jets: %s cannot be imported (%s)", backend, problem)
    raise MissingDependencyError("pyjet or fastjet", "to recluster jets", how_to_install("fastjet"))


def _import_problem(package: str) -> str | None:
    try:
        import_module(package)
    except (ImportError, ValueError) as error:  # ValueError: a pyjet that was compiled against NumPy 1
        return str(error)
    return None


def cluster_jets(constituents: Any, *, backend: Backend, radius: float) -> ak.Array:
    """Recluster events with the anti-kT algorithm, E-scheme, and keep the two jets of highest pT.

    Parameters
    ----------
    constituents
        Awkward array n x var x {pt, eta, phi, mass}, GeV and radians, all finite, pt >= 0. Particles with
        pt = 0 carry no momentum and are left out.
    backend
        "pyjet" or "fastjet"; see :func:`resolve_backend`.
    radius
        Jet radius R.

    Returns
    -------
    ak.Array
        n x var x {pt, eta, phi, mass, constituents: var x {pt, eta, phi}}, at most two jets an event, leading
        first, phi in [-pi, pi]. An event has fewer if its particles end up in fewer jets.

    Raises
    ------
    ArgumentError
        If the input has another form, or values that are not finite or negative pT.
    MissingDependencyError
        If the backend is not installed.
    """
    particles = flatten(constituents, PARTICLE_FIELDS)
    momenta = momenta_of(particles)
    if not np.isfinite(momenta).all() or (particles.fields["pt"] < 0).any():
        raise ArgumentError(
            "constituents with negative pT or non-finite values cannot be clustered; "
            "select_dijets rejects their events"
        )
    return leading_jets(particles, momenta, backend=backend, radius=radius).to_awkward()


@dataclass(frozen=True)
class LeadingJets:
    """Up to two jets for each of n events, flat.

    Attributes
    ----------
    n_jets
        Shape (n,): 0, 1 or 2.
    pt, eta, phi, mass
        Shape (j,), j = sum of `n_jets`: event after event, leading first.
    constituents
        One list for each of the j jets, with pt, eta and phi.
    """

    n_jets: NDArray[np.int64]
    pt: NDArray[np.float64]
    eta: NDArray[np.float64]
    phi: NDArray[np.float64]
    mass: NDArray[np.float64]
    constituents: Columns

    def take_events(self, mask: NDArray[np.bool_]) -> LeadingJets:
        """The events of `mask`, shape (n,)."""
        kept = np.repeat(mask, self.n_jets)
        return LeadingJets(
            self.n_jets[mask],
            self.pt[kept],
            self.eta[kept],
            self.phi[kept],
            self.mass[kept],
            self.constituents.take_lists(kept),
        )

    def take_jets(self, mask: NDArray[np.bool_]) -> LeadingJets:
        """The jets of `mask`, shape (j,), of the same events."""
        event = np.repeat(np.arange(self.n_jets.size), self.n_jets)
        return LeadingJets(
            np.bincount(event[mask], minlength=self.n_jets.size).astype(np.int64),
            self.pt[mask],
            self.eta[mask],
            self.phi[mask],
            self.mass[mask],
            self.constituents.take_lists(mask),
        )

    def scaled(self, factor: NDArray[np.float64]) -> LeadingJets:
        """The same with pT and mass times a factor for each jet, shape (j,), and the order of pT again."""
        pt, mass = self.pt * factor, self.mass * factor
        event = np.repeat(np.arange(self.n_jets.size), self.n_jets)
        order = np.lexsort((-pt, event))
        return LeadingJets(
            self.n_jets,
            pt[order],
            self.eta[order],
            self.phi[order],
            mass[order],
            self.constituents.order_lists(order),
        )

    @property
    def pair_mass(self) -> NDArray[np.float64]:
        """m_jj of events that all have two jets, shape (n,), GeV."""
        columns = (self.pt, self.eta, self.phi, self.mass)
        return pair_mass(*((one[::2], one[1::2]) for one in columns))

    def to_awkward(self) -> ak.Array:
        """The jets as n x var x record; n x 2 x record, a regular array, if every event has two."""
        jets = ak.contents.RecordArray(
            [ak.contents.NumpyArray(x) for x in (self.pt, self.eta, self.phi, self.mass)]
            + [
                ak.contents.ListOffsetArray(
                    ak.index.Index64(self.constituents.offsets),
                    ak.contents.RecordArray(
                        [ak.contents.NumpyArray(x) for x in self.constituents.fields.values()],
                        list(self.constituents.fields),
                    ),
                )
            ],
            ["pt", "eta", "phi", "mass", "constituents"],
        )
        if (self.n_jets == 2).all():
            return ak.Array(ak.contents.RegularArray(jets, 2, zeros_length=0))
        offsets = np.concatenate([[0], np.cumsum(self.n_jets)])
        return ak.Array(ak.contents.ListOffsetArray(ak.index.Index64(offsets), jets))


def momenta_of(particles: Columns) -> NDArray[np.float64]:
    """Four-momenta (E, px, py, pz) of all particles, shape (particles, 4)."""
    return four_momenta(*(particles.fields[name] for name in PARTICLE_FIELDS))


def leading_jets(
    particles: Columns, momenta: NDArray[np.float64], *, backend: Backend, radius: float
) -> LeadingJets:
    """Work of :func:`cluster_jets` on flat columns that are known to be good, with their four-momenta."""
    moving = particles.fields["pt"] > 0
    if not moving.all():
        particles, momenta = particles.take_particles(moving), momenta[moving]
    cluster = _cluster_with_pyjet if resolve_backend(backend) == "pyjet" else _cluster_with_fastjet
    n_jets, sizes, members = cluster(momenta, particles.offsets, radius)

    offsets = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
    # reduceat needs one index that exists; without any jet there is nothing to add up.
    sums = np.add.reduceat(members, offsets[:-1], axis=0) if sizes.size else np.empty((0, 4))
    pt, eta, phi = polar_coordinates(sums)
    fields = dict(zip(("pt", "eta", "phi"), polar_coordinates(members), strict=True))
    return LeadingJets(n_jets, pt, eta, phi, mass(sums), Columns(offsets, fields))


_Clustered = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]


def _cluster_with_pyjet(
    momenta: NDArray[np.float64], offsets: NDArray[np.int64], radius: float
) -> _Clustered:
    """Jets of each event (0-2), constituents of each jet, and these constituents' (E, px, py, pz)."""
    import pyjet

    vectors = momenta.view(pyjet.DTYPE_EP).reshape(-1)
    definition = pyjet.JetDefinition("antikt", R=radius)
    members = np.empty_like(vectors)  # the leading jets share no particle, so there is room for them
    # Wrapping each soft jet in Python costs time; two jets above a part of the event's pT are the leading ones.
    summed = np.concatenate([[0.0], np.cumsum(np.hypot(momenta[:, 1], momenta[:, 2]))])
    hard = _HARD_JET * np.diff(summed[offsets])
    n_jets = np.zeros(offsets.size - 1, dtype=np.int64)
    sizes: list[int] = []
    end = 0
    for event, (start, stop) in enumerate(pairwise(offsets.tolist())):
        if start == stop:
            continue
        sequence = pyjet.cluster(vectors[start:stop], definition, ep=True)
        jets = sequence.inclusive_jets(hard[event])[:2]
        if len(jets) < 2:
            jets = sequence.inclusive_jets()[:2]
        n_jets[event] = len(jets)
        for jet in jets:
            begin, end = end, end + len(jet)
            members[begin:end] = jet.constituents_array(ep=True)
            sizes.append(end - begin)
    return n_jets, np.array(sizes, dtype=np.int64), members[:end].view(np.float64).reshape(-1, 4)


def _cluster_with_fastjet(
    momenta: NDArray[np.float64], offsets: NDArray[np.int64], radius: float
) -> _Clustered:
    """Jets of each event (0-2), constituents of each jet, and these constituents' (E, px, py, pz)."""
    import fastjet

    silence_fastjet(fastjet)
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, radius)
    parts = [
        _fastjet_block(fastjet, definition, momenta, offsets[start : start + _FASTJET_BLOCK + 1])
        for start in range(0, offsets.size - 1, _FASTJET_BLOCK)
    ]
    if not parts:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.empty((0, 4))
    n_jets, sizes, rows = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return n_jets, sizes, momenta[rows]


def _fastjet_block(
    fastjet: Any, definition: Any, momenta: NDArray[np.float64], offsets: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Jets of each event, constituents of each jet, and the rows of `momenta` that these are."""
    block = momenta[offsets[0] : offsets[-1]]
    particles = ak.contents.RecordArray(
        [ak.contents.NumpyArray(np.ascontiguousarray(block[:, i])) for i in (1, 2, 3, 0)],
        ["px", "py", "pz", "E"],
    )
    events = ak.Array(ak.contents.ListOffsetArray(ak.index.Index64(offsets - offsets[0]), particles))
    sequence = fastjet.ClusterSequence(events, definition)
    jets = sequence.inclusive_jets()
    leading = ak.argsort(jets.px**2 + jets.py**2, axis=1, ascending=False, stable=True)[:, :2]
    indices = sequence.constituent_index()[leading] + offsets[:-1]
    sizes = ak.flatten(ak.num(indices, axis=2), axis=1)
    rows = ak.flatten(indices, axis=None)
    return (
        np.asarray(ak.num(leading, axis=1), dtype=np.int64),
        np.asarray(sizes, dtype=np.int64),
        np.asarray(rows, dtype=np.int64),
    )


@cache
def silence_fastjet(fastjet: Any) -> None:
    """Keep fastjet's banner out of the standard output, which belongs to the command."""
    sequence = getattr(getattr(fastjet, "_swig", None), "ClusterSequence", None)
    silence = getattr(sequence, "set_fastjet_banner_stream", None)
    if silence is not None:
        silence(None)
    logger.debug("jets: FastJet, M. Cacciari, G.P. Salam and G. Soyez, EPJC 72 (2012) 1896, arXiv:1111.6097")

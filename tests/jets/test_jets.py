"""Reclustering, dijet selection, cutflow and m_jj."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

from hepcs._core.errors import ArgumentError, MissingDependencyError
from hepcs.config.preparation import Jets
from hepcs.config.sources import Branches
from hepcs.jets import (
    MAX_LISTED_REJECTIONS,
    Cutflow,
    DijetChunk,
    Rejection,
    backends,
    cluster_jets,
    invariant_mass,
    pair_mass,
    resolve_backend,
    select_dijets,
)
from hepcs.sources.lhco import LhcoFiles
from hepcs.sources.root import RootFiles

Particle = tuple[float, ...]

BACKENDS = ("pyjet", "fastjet")


def has_pyjet() -> bool:
    try:
        import pyjet  # noqa: F401
    except (ImportError, ValueError):
        return False
    return True


needs_pyjet = pytest.mark.skipif(not has_pyjet(), reason="pyjet is not installed")
each_backend = pytest.mark.parametrize(
    "backend", [pytest.param("pyjet", marks=needs_pyjet), pytest.param("fastjet")]
)


def events(*particles: Sequence[Particle]) -> ak.Array:
    """Events of (pt, eta, phi) or (pt, eta, phi, mass)."""
    counts = np.array([len(event) for event in particles], dtype=np.int64)
    rows = np.array([(*p, 0.0)[:4] for event in particles for p in event], dtype=np.float64).reshape(-1, 4)
    flat = ak.zip(dict(zip(("pt", "eta", "phi", "mass"), rows.T, strict=True)))
    return ak.unflatten(flat, counts)


def select(constituents: ak.Array, first_entry: int = 0, **jets: Any) -> DijetChunk:
    section = Jets(**({"backend": "fastjet"} | jets))
    return select_dijets(constituents, section, file="file.h5", first_entry=first_entry)


def two_jets(pt1: float, eta1: float, pt2: float, eta2: float) -> list[Particle]:
    return [(pt2, eta2, -2.0), (pt1, eta1, 1.0)]


# ------------------------------------------------------------------------------------------- kinematics


def as_jets(*pairs: Sequence[Particle]) -> ak.Array:
    return events(*pairs)


def test_m_jj_by_hand() -> None:
    jets = as_jets(
        # back to back, massless, central: M = 2 pT
        [(1500.0, 0.0, 0.3), (1500.0, 0.0, 0.3 - np.pi)],
        # M^2 = 2 * 1000 * 800 * (cosh 1 + 1) = 1.6e6 * 2.5430806348152437
        [(1000.0, 0.5, np.pi / 2), (800.0, -0.5, -np.pi / 2)],
        # E = 500 and 300 GeV, no net momentum: M = 800 GeV
        [(300.0, 0.0, 0.0, 400.0), (300.0, 0.0, np.pi, 0.0)],
    )
    expected = [3000.0, 2017.15864912, 800.0]
    assert invariant_mass(jets) == pytest.approx(expected, rel=1e-9)


def test_m_jj_has_no_cancellation() -> None:
    jets = as_jets(
        # massless, 1e-8 apart at rapidity 6: M = pT * 1e-8; from (E, p) sums nothing of it would be left
        [(1000.0, 6.0, 0.0), (1000.0, 6.0, 1e-8)],
        # the same velocity: masses add up
        [(5000.0, 4.0, 1.0, 1.0), (5000.0, 4.0, 1.0, 1.0)],
    )
    assert invariant_mass(jets) == pytest.approx([1e-5, 2.0], rel=1e-7)


def test_m_jj_does_not_depend_on_boost_or_orientation() -> None:
    rng = np.random.default_rng(1)
    pt, eta, phi, m = rng.uniform((10, -2, -3, 0), (2000, 2, 3, 300), size=(100, 2, 4)).transpose(2, 1, 0)

    def mass(shift_eta: float, shift_phi: float, sign: int = 1) -> Any:
        one, two = ((pt[i], sign * eta[i] + shift_eta, phi[i] + shift_phi, m[i]) for i in (0, 1))
        return pair_mass(*zip(one, two, strict=True))

    np.testing.assert_allclose(mass(0, 2.0, -1), mass(0, 0), rtol=1e-12)
    # A longitudinal boost adds a constant to the rapidity, which for massless jets is the pseudorapidity.
    m[:] = 0
    np.testing.assert_allclose(mass(3.5, 0), mass(0, 0), rtol=1e-12)


def test_m_jj_agrees_with_four_momenta() -> None:
    rng = np.random.default_rng(2)
    values = rng.uniform((500, -2, -3, 0), (2000, 2, 3, 300), size=(200, 2, 4))
    pt, eta, phi, m = np.moveaxis(values, -1, 0)
    p = np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)])
    energy = np.sqrt((p**2).sum(axis=0) + m**2).sum(axis=1)
    direct = np.sqrt(energy**2 - (p.sum(axis=2) ** 2).sum(axis=0))
    jets = as_jets(*[[tuple(jet) for jet in event] for event in values])
    np.testing.assert_allclose(invariant_mass(jets), direct, rtol=1e-9)


def test_m_jj_wants_two_jets() -> None:
    with pytest.raises(ArgumentError, match="exactly two"):
        invariant_mass(as_jets([(1.0, 0.0, 0.0)]))
    with pytest.raises(ArgumentError, match="mass"):
        invariant_mass(ak.Array([[{"pt": 1.0}, {"pt": 2.0}]]))


# ------------------------------------------------------------------------------------------- clustering


@each_backend
def test_two_jets_by_hand(backend: Any) -> None:
    # 0.6 apart: one jet. It lies on the x axis: px = 100 + 60 cos 0.6, py = 60 sin 0.6, pz = 0.
    event = [(100.0, 0.0, 0.0), (500.0, 0.2, 3.0), (60.0, 0.0, 0.6), (5.0, 1.9, 0.0), (0.0, 0.0, 0.0)]
    jets = cluster_jets(events(event), backend=backend, radius=1.0)
    assert ak.num(jets, axis=1).to_list() == [2]
    first, second = jets[0]
    assert (first.pt, first.eta, first.phi) == pytest.approx((500.0, 0.2, 3.0))
    assert first.mass == pytest.approx(0.0, abs=1e-4)
    px, py = 100 + 60 * np.cos(0.6), 60 * np.sin(0.6)
    assert (second.pt, second.eta, second.phi) == pytest.approx((np.hypot(px, py), 0.0, np.arctan2(py, px)))
    assert second.mass == pytest.approx(np.sqrt(160**2 - px**2 - py**2))
    assert sorted(second.constituents.pt.to_list()) == pytest.approx([60.0, 100.0])
    # A smaller radius takes them apart, and a larger one takes in the soft particle, 1.9 away.
    assert cluster_jets(events(event), backend=backend, radius=0.5)[0, 1].pt == pytest.approx(100.0)
    assert ak.num(cluster_jets(events(event), backend=backend, radius=2.0).constituents, axis=2)[0, 1] == 3


@each_backend
def test_clustering_of_events_with_few_particles(backend: Any) -> None:
    jets = cluster_jets(
        events([], [(1.0, 0.0, 0.0)], [(1.0, 0.0, 0.0), (2.0, 0.0, 3.0)], []), backend=backend, radius=1.0
    )
    assert ak.num(jets, axis=1).to_list() == [0, 1, 2, 0]
    assert jets.pt[2].to_list() == pytest.approx([2.0, 1.0])
    nothing = cluster_jets(events([], []), backend=backend, radius=1.0)
    assert ak.num(nothing, axis=1).to_list() == [0, 0]
    assert len(cluster_jets(events(), backend=backend, radius=1.0)) == 0


@each_backend
def test_soft_second_jet_is_found(backend: Any) -> None:
    jets = cluster_jets(
        events([(0.5, 0.0, 2.0), (1000.0, 0.0, 0.0), (1.0, 0.0, -2.0)]), backend=backend, radius=1.0
    )
    assert jets.pt.to_list() == [pytest.approx([1000.0, 1.0])]


@each_backend
def test_masses_of_constituents_count(backend: Any) -> None:
    jets = cluster_jets(events([(300.0, 0.0, 0.0, 400.0), (10.0, 0.0, 3.0)]), backend=backend, radius=1.0)
    assert jets.mass[0, 0] == pytest.approx(400.0)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0])
def test_clustering_refuses_bad_values(bad: float) -> None:
    with pytest.raises(ArgumentError, match="select_dijets"):
        cluster_jets(events([(bad, 0.0, 0.0), (1.0, 0.0, 0.0)]), backend="fastjet", radius=1.0)


def test_clustering_refuses_other_arrays() -> None:
    with pytest.raises(ArgumentError, match="pt, eta, phi, mass"):
        cluster_jets(ak.Array([[{"pt": 1.0}]]), backend="fastjet", radius=1.0)
    with pytest.raises(ArgumentError, match="found list"):
        cluster_jets([[1.0]], backend="fastjet", radius=1.0)


def random_events(n: int, particles: int) -> ak.Array:
    rng = np.random.default_rng(3)
    shape = (n * particles,)
    flat = {
        "pt": rng.exponential(5.0, shape),
        "eta": rng.uniform(-3, 3, shape),
        "phi": rng.uniform(-np.pi, np.pi, shape),
        "mass": rng.choice([0.0, 0.1396], shape),
    }
    return ak.unflatten(ak.zip(flat), np.full(n, particles))


def assert_same_jets(constituents: ak.Array) -> None:
    one, two = (cluster_jets(constituents, backend=b, radius=1.0) for b in BACKENDS)
    np.testing.assert_array_equal(ak.num(one, axis=1), ak.num(two, axis=1))
    for name in ("pt", "mass"):
        np.testing.assert_allclose(ak.flatten(one[name]), ak.flatten(two[name]), rtol=1e-6, atol=1e-4)
    for name in ("eta", "phi"):
        np.testing.assert_allclose(ak.flatten(one[name]), ak.flatten(two[name]), rtol=0, atol=1e-6)
    for name in ("pt", "eta", "phi"):
        values = [ak.sort(jets.constituents[name], axis=2) for jets in (one, two)]
        np.testing.assert_array_equal(ak.num(values[0], axis=2), ak.num(values[1], axis=2))
        np.testing.assert_allclose(*(ak.flatten(v, axis=None) for v in values), rtol=1e-6)
    np.testing.assert_allclose(invariant_mass(one), invariant_mass(two), rtol=1e-6)


@needs_pyjet
def test_backends_agree_on_random_events() -> None:
    assert_same_jets(random_events(50, 200))


@needs_pyjet
def test_backends_agree_on_the_extract(real_data: Path) -> None:
    assert_same_jets(extract(real_data)[0])


@needs_pyjet
def test_backends_agree_on_pythia(real_data: Path) -> None:
    names = Branches(pt="Particle_pt", eta="Particle_eta", phi="Particle_phi")
    file = str(real_data / "pythia_qcd_a_0.root")
    source = RootFiles((file,), branches=(names,), max_events=400)
    assert_same_jets(source.read(source.chunks()[0]))


@each_backend
def test_event_of_ten_thousand_particles(backend: Any) -> None:
    event = random_events(1, 10_000)
    jets = cluster_jets(event, backend=backend, radius=1.0)
    assert ak.num(jets, axis=1).to_list() == [2]
    # Uniform in a rapidity range of 6 with 5 GeV each: a disc of radius 1 holds about 1/12 of the 50 TeV.
    assert 3000 < jets.pt[0, 0] < 8000


@needs_pyjet
def test_blocks_of_fastjet_join(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "_FASTJET_BLOCK", 7)
    assert_same_jets(random_events(20, 30))


# -------------------------------------------------------------------------------------------- backends


@pytest.fixture
def forget_backend() -> Iterator[None]:
    backends._first_installed.cache_clear()
    yield
    backends._first_installed.cache_clear()


@pytest.mark.usefixtures("forget_backend")
def test_auto_falls_back_to_fastjet(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "pyjet", None)
    with caplog.at_level(logging.INFO):
        assert resolve_backend("auto") == "fastjet"
    assert "pyjet cannot be imported" in caplog.text
    assert "reclustering with fastjet" in caplog.text


@needs_pyjet
@pytest.mark.usefixtures("forget_backend")
def test_auto_prefers_pyjet(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert resolve_backend("auto") == "pyjet"
    assert "reclustering with pyjet" in caplog.text


@pytest.mark.usefixtures("forget_backend")
def test_without_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyjet", None)
    monkeypatch.setitem(sys.modules, "fastjet", None)
    with pytest.raises(MissingDependencyError, match="pyjet or fastjet"):
        resolve_backend("auto")
    with pytest.raises(MissingDependencyError, match=r"--no-build-isolation --no-deps pyjet==1\.9\.0"):
        resolve_backend("pyjet")
    with pytest.raises(ArgumentError, match="kt-jet"):
        resolve_backend("kt-jet")


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    cluster_jets(random_events(1, 10), backend="fastjet", radius=1.0)
    assert capfd.readouterr() == ("", "")


# ------------------------------------------------------------------------------------------- selection


def test_selection_and_cutflow() -> None:
    chunk = select(
        events(
            two_jets(1300.0, 0.1, 900.0, -0.4),  # kept
            two_jets(1100.0, 0.1, 900.0, -0.4),  # leading pT
            [(np.nan, 0.0, 0.0), (1500.0, 0.0, 1.0), (1400.0, 0.0, -2.0)],
            two_jets(1300.0, 2.6, 900.0, 0.0),  # |eta| of the leading jet
            [(1300.0, 0.0, 0.0), (1200.0, np.inf, 2.0)],
            two_jets(1300.0, 0.0, 900.0, -2.6),  # |eta| of the second jet
            [(1300.0, 0.0, 0.0), (-2.5, 0.0, 2.0)],
            [],
            [(1300.0, 0.0, 0.0)],  # one particle
            [(1500.0, 0.0, 0.5), (1500.0, 0.0, 0.5 - np.pi)],  # back to back
        ),
        first_entry=1000,
    )
    assert chunk.cutflow.as_dict() == {
        "entries read": 10,
        "readable constituents": 6,
        "at least two jets": 5,
        "leading jet pT > 1200 GeV": 4,
        "|eta| < 2.5 of both leading jets": 2,
    }
    assert chunk.entry.tolist() == [1000, 1009]
    assert chunk.entry.dtype == np.int64
    assert chunk.m_jj[1] == pytest.approx(3000.0)
    # 2 * 1300 * 900 * (cosh 0.5 - cos 3)
    assert chunk.m_jj[0] == pytest.approx(np.sqrt(2.34e6 * (1.1276259652063807 + 0.9899924966004454)))
    assert [(r.file, r.entry) for r in chunk.rejections] == [
        ("file.h5", entry) for entry in (1002, 1004, 1006, 1007, 1008)
    ]
    assert chunk.n_rejected == 5
    reasons = [r.reason for r in chunk.rejections]
    assert "not finite: pt = nan" in reasons[0]
    assert "not finite" in reasons[1] and "eta = inf" in reasons[1]
    assert "negative pT: pt = -2.5" in reasons[2]
    assert reasons[3] == "no constituents"
    assert "at least two" in reasons[4]
    assert str(chunk.rejections[3]) == "file.h5: entry 1007: no constituents"


@each_backend
def test_form_of_the_jets(backend: str) -> None:
    chunk = select(events(two_jets(1300.0, 0.1, 900.0, -0.4)), backend=backend)
    assert str(chunk.jets.type) == (
        "1 * 2 * {pt: float64, eta: float64, phi: float64, mass: float64, "
        "constituents: var * {pt: float64, eta: float64, phi: float64}}"
    )
    assert chunk.jets.pt.to_list()[0] == pytest.approx([1300.0, 900.0])
    assert chunk.jets.constituents.phi.to_list()[0] == [pytest.approx([1.0]), pytest.approx([-2.0])]


@pytest.mark.parametrize("column", range(4))
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_every_bad_value_is_seen(column: int, bad: float) -> None:
    particle = [5.0, 0.0, 0.0, 0.0]
    particle[column] = bad
    good = two_jets(1300.0, 0.1, 900.0, -0.4)
    chunk = select(events([*good, tuple(particle)], good))
    assert chunk.cutflow.counts[:2] == (2, 1)
    assert chunk.entry.tolist() == [1]
    assert [r.entry for r in chunk.rejections] == [0]


@pytest.mark.parametrize(
    ("particle", "reason"),
    [
        ((1e39, 0.0, 0.0), "energy above 50000 GeV: pt = 1e+39"),
        ((60.0, 9.0, 0.0), "energy above 50000 GeV"),
        ((1.0, 0.0, 0.0, 1e38), "energy above 50000 GeV"),
        ((1e-9, -20.5, 0.0), r"|eta| above 20"),
        ((1.0, 0.0, -7.5), r"|phi| above 7"),
    ],
)
def test_what_no_particle_can_be_is_listed(particle: Particle, reason: str) -> None:
    good = two_jets(1300.0, 0.1, 900.0, -0.4)
    edge = [*good, (49_000.0, 0.0, 2 * np.pi), (0.001, 18.0, 0.0)]
    chunk = select(events(good, [*good, particle], edge))
    assert chunk.cutflow.counts[:2] == (3, 2)
    assert [(r.entry, reason in r.reason) for r in chunk.rejections] == [(1, True)]


def test_rejections_of_later_steps_are_listed_in_order_of_entry() -> None:
    good = two_jets(1300.0, 0.1, 900.0, -0.4)
    chunk = select(events(good, [], good, []))
    later = chunk.take(np.array([True, False]), "a step", (Rejection("file.h5", 2, "a reason"),), 1)
    assert [r.entry for r in later.rejections] == [1, 2, 3]
    assert later.n_rejected == 3


def test_overflow_and_padding() -> None:
    good = two_jets(1300.0, 0.1, 900.0, -0.4)
    chunk = select(events([*good, (1.0, 1000.0, 0.0)], [(0.0, 0.0, 0.0)], [*good, (0.0, 0.0, 0.0)]))
    assert chunk.cutflow.counts == (3, 1, 1, 1, 1)
    assert "|eta| above 20: pt = 1, eta = 1000" in chunk.rejections[0].reason
    assert chunk.rejections[1].reason == "no constituents"
    assert ak.num(chunk.jets.constituents, axis=2).to_list() == [[1, 1]]


def test_masked_constituents_are_rejected_not_lost() -> None:
    good = two_jets(1300.0, 0.1, 900.0, -0.4)
    plain = events(good, good, good)
    masked = ak.with_field(plain, ak.mask(plain.pt, plain.pt != ak.Array([0.0, 900.0, 0.0])), "pt")
    assert select(masked).cutflow.counts == (3, 2, 2, 2, 2)
    absent = ak.mask(plain, np.array([True, False, True]))
    assert select(absent).rejections[0].reason == "no constituents"


def test_thresholds_are_strict() -> None:
    event = events([(1200.0, 0.0, 0.0), (900.0, 0.0, np.pi / 2)])
    pt = float(cluster_jets(event, backend="fastjet", radius=1.0).pt[0, 0])
    assert select(event, leading_pt_min=pt).n_events == 0
    assert select(event, leading_pt_min=np.nextafter(pt, 0)).n_events == 1
    event = events(two_jets(1300.0, 1.5, 900.0, -2.0))
    eta = abs(float(cluster_jets(event, backend="fastjet", radius=1.0).eta[0, 1]))
    assert select(event, abs_eta_max=eta).n_events == 0
    assert select(event, abs_eta_max=np.nextafter(eta, 3)).n_events == 1


def test_listed_rejections_are_limited_and_counted() -> None:
    n = MAX_LISTED_REJECTIONS + 20
    chunk = select(events(*[[(1.0, 0.0, 0.0)]] * 10, *[[]] * n))
    assert chunk.n_rejected == n + 10
    assert [r.entry for r in chunk.rejections] == list(range(MAX_LISTED_REJECTIONS))
    assert chunk.cutflow.counts == (n + 10, 10, 0, 0, 0)
    assert chunk.n_events == 0
    assert len(chunk.jets) == 0


def test_selecting_in_chunks_is_selecting_at_once() -> None:
    constituents = random_events(30, 100)
    cuts = {"leading_pt_min": 60.0, "abs_eta_max": 2.0}
    whole = select(constituents, **cuts)
    parts = [select(constituents[i : i + 10], first_entry=i, **cuts) for i in range(0, 30, 10)]
    assert 0 < whole.n_events < 30
    assert sum((p.cutflow for p in parts[1:]), parts[0].cutflow) == whole.cutflow
    np.testing.assert_array_equal(np.concatenate([p.m_jj for p in parts]), whole.m_jj)
    np.testing.assert_array_equal(np.concatenate([p.entry for p in parts]), whole.entry)


def test_take_continues_the_cutflow() -> None:
    chunk = select(events(two_jets(1300.0, 0.1, 900.0, -0.4), two_jets(1400.0, 0.0, 900.0, 0.0)))
    part = chunk.take(np.array([False, True]), "second only")
    assert part.cutflow.counts == (2, 2, 2, 2, 2, 1)
    assert part.jets.pt[0, 0] == pytest.approx(1400.0)
    assert part.entry.tolist() == [1]


def test_cutflow_adds_and_checks() -> None:
    one, two = Cutflow(("read", "cut"), (10, 4)), Cutflow(("read", "cut"), (5, 5))
    assert one + two == Cutflow(("read", "cut"), (15, 9))
    assert str(Cutflow(("read", "cut it"), (1234567, 4))) == "read      1,234,567\ncut it            4"
    with pytest.raises(ArgumentError, match="different steps"):
        one + Cutflow(("read", "other"), (5, 5))
    with pytest.raises(ArgumentError, match="cannot rise"):
        Cutflow(("read", "cut"), (4, 10))
    with pytest.raises(ArgumentError, match="cannot rise or be negative"):
        Cutflow(("read",), (-1,))
    with pytest.raises(ArgumentError, match="2 names and 1 counts"):
        Cutflow(("read", "cut"), (4,))
    with pytest.raises(ArgumentError, match="cannot rise"):
        one.then("more", 5)


# ------------------------------------------------------------------------------------------- real data


def extract(real_data: Path) -> tuple[ak.Array, np.ndarray]:
    source = LhcoFiles((str(real_data / "lhco_rnd_1000_events.h5"),))
    chunks = source.chunks()
    return (
        ak.concatenate([source.read(chunk) for chunk in chunks]),
        np.concatenate([source.read_labels(chunk) for chunk in chunks]),
    )


@each_backend
def test_extract_of_the_organisers(real_data: Path, backend: str) -> None:
    constituents, labels = extract(real_data)
    chunk = select(constituents, backend=backend)
    assert chunk.cutflow.counts == (1000, 1000, 1000, 1000, 1000)
    assert chunk.rejections == ()
    pt = ak.to_numpy(chunk.jets.pt)
    assert pt[:, 0].min() == pytest.approx(1200.005, abs=5e-4)
    assert (pt[:, 0] >= pt[:, 1]).all()
    assert int((labels == 1).sum()) == 93
    assert np.median(pt[labels == 0, 0]) == pytest.approx(1354.0, abs=0.5)
    # Z' -> XY at 3.5 TeV: the peak, and the heavier and the lighter of the two jets
    assert np.median(chunk.m_jj[labels == 1]) == pytest.approx(3500.0, abs=150.0)
    masses = np.sort(ak.to_numpy(chunk.jets.mass)[labels == 1], axis=1)
    assert np.median(masses, axis=0) == pytest.approx([100.0, 500.0], rel=0.15)


@pytest.mark.parametrize("name", ["cms_pfnano.root", "cms/pfnano_skim.root"])
def test_weighted_candidates_recluster_into_the_stored_jets(real_data: Path, name: str) -> None:
    import uproot

    source = RootFiles((str(real_data / name),), layout="pfnano")
    jets = cluster_jets(source.read(source.chunks()[0]), backend="fastjet", radius=0.8)
    with uproot.open(real_data / name) as file:
        stored = file["Events"].arrays(["FatJet_pt", "FatJet_mass", "FatJet_rawFactor"])
    raw = 1 - stored.FatJet_rawFactor  # before the corrections, which also change the order
    pt, mass = stored.FatJet_pt * raw, stored.FatJet_mass * raw
    leading = ak.argsort(pt, axis=1, ascending=False)[:, :2]
    difference = ak.to_numpy(ak.flatten(jets.pt / pt[leading])) - 1
    # each jet as far as its pT (10 bits) and correction (6 bits) are stored
    assert np.sqrt(np.mean(difference**2)) < 1e-3
    assert np.abs(difference).max() < 2e-3
    assert np.abs(ak.to_numpy(ak.flatten(jets.mass / mass[leading])) - 1).max() < 1e-2


def test_cuts_on_the_second_jet_and_the_distance_in_eta() -> None:
    chosen = [
        two_jets(1300.0, 0.5, 900.0, -0.5),
        two_jets(1300.0, 0.5, 299.0, -0.5),
        two_jets(1300.0, 0.7, 900.0, -0.7),
        two_jets(1300.0, 0.7, 299.0, -0.7),
    ]
    chunk = select(events(*chosen), second_pt_min=300.0, delta_eta_max=1.3)
    assert chunk.cutflow.as_dict() == {
        "entries read": 4,
        "readable constituents": 4,
        "at least two jets": 4,
        "leading jet pT > 1200 GeV": 4,
        "|eta| < 2.5 of both leading jets": 4,
        "second jet pT > 300 GeV": 2,
        "|delta eta| < 1.3 of the two": 1,
    }
    assert chunk.entry.tolist() == [0]
    assert select(events(*chosen), delta_eta_max=1.3).entry.tolist() == [0, 1]
    control = select(events(*chosen), delta_eta_min=1.3, delta_eta_max=2.0)
    assert control.entry.tolist() == [2, 3]
    assert control.cutflow.names[-2:] == ("|delta eta| > 1.3 of the two", "|delta eta| < 2 of the two")
    assert select(events(*chosen)).cutflow.names[-1] == "|eta| < 2.5 of both leading jets"

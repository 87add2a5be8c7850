"""Soft drop."""

from __future__ import annotations

import awkward as ak
import numpy as np
import pytest
from toy_jets import fastjet_sequence, jets_of, momenta_of, toy_jets

from hepcs._core.errors import ArgumentError
from hepcs.features.recombination import recombine
from hepcs.features.soft_drop import SoftDrop, soft_drop
from hepcs.jets.kinematics import mass


def dropped(jets, z_cut: float = 0.1, smallest_angle: float = 0.0) -> SoftDrop:
    return soft_drop(recombine(*momenta_of(jets), "cambridge"), z_cut, smallest_angle)


def mass_of(*particles) -> float:
    momenta, _ = momenta_of(jets_of(particles))
    return float(mass(momenta.sum(axis=0, keepdims=True))[0])


PRONGS = ((600.0, 0.0, 0.0), (400.0, 0.3, 0.1))


@pytest.mark.parametrize("z_cut", [0.05, 0.1, 0.3])
def test_fastjet_says_the_same(z_cut: float) -> None:
    jets = toy_jets(200, np.random.default_rng(1))
    theirs = fastjet_sequence(jets, "cambridge").exclusive_jets_softdrop_grooming(
        njets=1, beta=0.0, symmetry_cut=z_cut, R0=1.0
    )
    ours = dropped(jets, z_cut)
    np.testing.assert_allclose(ours.mass, ak.to_numpy(theirs.msoftdrop), rtol=1e-6, atol=1e-4)
    assert len(np.unique(ours.n_splittings)) > 3


def test_two_prongs_keep_their_mass_and_soft_radiation_is_dropped() -> None:
    soft = (30.0, -0.6, -0.5)
    found = dropped(jets_of(PRONGS, (*PRONGS, soft)))
    np.testing.assert_allclose(found.mass, mass_of(*PRONGS), rtol=1e-12)
    assert mass_of(*PRONGS, soft) > 1.2 * mass_of(*PRONGS)
    assert found.n_splittings.tolist() == [1, 1]


def test_the_share_of_the_softer_prong_decides() -> None:
    jets = [[(1000.0 - pt, 0.0, 0.0), (pt, 0.0, 0.4)] for pt in (90.0, 99.0, 101.0, 300.0)]
    found = dropped(jets_of(*jets))
    assert found.n_splittings.tolist() == [0, 0, 1, 1]
    np.testing.assert_allclose(found.mass, [0, 0, mass_of(*jets[2]), mass_of(*jets[3])])


def test_splittings_along_the_harder_branch_are_counted() -> None:
    # 0 with 1, then with 2, then with 3; and the softer prong's own splitting, which is not followed.
    jet = [(300.0, 0.0, 0.0), (200.0, 0.05, 0.0), (200.0, 0.2, 0.0), (200.0, 0.6, 0.0), (200.0, 0.6, 0.02)]
    assert dropped(jets_of(jet)).n_splittings.tolist() == [3]
    assert dropped(jets_of(jet), smallest_angle=0.1).n_splittings.tolist() == [2]
    assert dropped(jets_of(jet), smallest_angle=0.3).n_splittings.tolist() == [1]


def test_counting_ends_at_the_angle_and_grooming_goes_on() -> None:
    jets = jets_of([(600.0, 0.0, 0.0), (400.0, 0.02, 0.0), (20.0, 0.5, 0.0)])
    found = dropped(jets, smallest_angle=0.1)
    assert found.n_splittings.tolist() == [0]
    np.testing.assert_allclose(found.mass, mass_of((600.0, 0.0, 0.0), (400.0, 0.02, 0.0)), rtol=1e-9)


def test_one_constituent() -> None:
    found = dropped(jets_of([(500.0, 1.0, 1.0)]))
    assert (found.mass.tolist(), found.n_splittings.tolist()) == ([0.0], [0])


def test_settings_that_mean_nothing() -> None:
    jets = jets_of(PRONGS)
    for z_cut in (0.0, 0.5, np.nan):
        with pytest.raises(ArgumentError, match="smaller share of pt"):
            dropped(jets, z_cut)
    with pytest.raises(ArgumentError, match="smallest_angle"):
        dropped(jets, smallest_angle=-0.1)

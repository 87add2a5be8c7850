"""Trees of recombinations."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from toy_jets import jets_of, momenta_of, toy_jets

from hepcs._core.errors import ArgumentError
from hepcs.features import recombination
from hepcs.features.recombination import Trees, rapidity_azimuth, recombine, wrapped
from hepcs.jets.kinematics import mass


def trees_of(jets, algorithm) -> Trees:
    return recombine(*momenta_of(jets), algorithm)


def test_who_recombines_first_by_hand() -> None:
    # The first two are closest; the softer two have the smallest pt times distance.
    jets = jets_of([(500.0, 0.0, 0.0), (400.0, 0.0, 0.1), (1.0, 0.0, 0.5)])
    assert np.sort(trees_of(jets, "cambridge").parents[3:5]).tolist() == [[0, 1], [2, 3]]
    assert np.sort(trees_of(jets, "kt").parents[3:5]).tolist() == [[1, 2], [0, 3]]
    assert (trees_of(jets, "kt").parents[:3] == -1).all()


@pytest.mark.parametrize("algorithm", ["kt", "cambridge"])
def test_every_node_is_used_once_and_momentum_is_kept(algorithm) -> None:
    jets = toy_jets(30, np.random.default_rng(1))
    momenta, offsets = momenta_of(jets)
    trees = recombine(momenta, offsets, algorithm)
    np.testing.assert_allclose(trees.jet_momenta, np.add.reduceat(momenta, offsets[:-1], axis=0), rtol=1e-12)
    for low, high in pairwise(offsets):
        m, nodes = high - low, slice(2 * low, 2 * high - 1)
        parents, p = trees.parents[nodes], trees.momenta[nodes]
        assert sorted(parents[m:].ravel().tolist()) == list(range(2 * m - 2))
        assert (parents[m:] < np.arange(m, 2 * m - 1)[:, np.newaxis]).all()
        np.testing.assert_array_equal(p[m:], p[parents[m:, 0]] + p[parents[m:, 1]])
        np.testing.assert_array_equal(p[:m], momenta[low:high])


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    jets = toy_jets(30, np.random.default_rng(1))
    whole = trees_of(jets, "kt")
    monkeypatch.setattr(recombination, "_BLOCK", 7)
    parts = trees_of(jets, "kt")
    np.testing.assert_array_equal(parts.parents, whole.parents)


def test_one_constituent_is_its_own_tree() -> None:
    trees = trees_of(jets_of([(500.0, 1.0, 2.0)], [(1.0, 0.0, 0.0), (2.0, 0.1, 0.0)]), "kt")
    assert trees.parents[[0, 2, 3, 4]].tolist() == [[-1, -1], [-1, -1], [-1, -1], [0, 1]]
    np.testing.assert_allclose(trees.jet_momenta[0], [500 * np.cosh(1), *trees.momenta[0, 1:]])


def test_a_jet_without_constituents_is_refused() -> None:
    with pytest.raises(ArgumentError, match="leave out the jets that have none"):
        trees_of(jets_of([(500.0, 1.0, 2.0)], []), "kt")


def test_rapidity_of_massless_and_massive_momenta() -> None:
    (massless,) = momenta_of(jets_of([(3.0, -9.0, 2.5)]))[0]
    np.testing.assert_allclose(rapidity_azimuth(massless), [-9.0, 2.5], rtol=1e-9)
    massive = np.array([10.0, 1.0, 2.0, 3.0])
    assert mass(massive[np.newaxis])[0] > 9
    np.testing.assert_allclose(rapidity_azimuth(massive), [np.arctanh(0.3), np.arctan2(2, 1)])


def test_wrapped() -> None:
    assert [round(wrapped(x), 6) for x in (0.5, 3.5, -3.5)] == [0.5, -2.783185, 2.783185]

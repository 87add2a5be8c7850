"""Constituents of jets, read and padded."""

from __future__ import annotations

import awkward as ak
import numpy as np
import pytest
from toy_jets import jets_of, momenta_of, toy_jets

from hepcs._core.errors import ArgumentError
from hepcs.features.constituents import COLUMNS, padded_constituents, read_constituents
from hepcs.jets.kinematics import polar_coordinates


def test_by_falling_pt_relative_to_the_axis_and_padded() -> None:
    jets = jets_of([(100.0, 1.0, 0.1), (300.0, 1.0, -0.1), (200.0, 1.4, 0.0)], [(50.0, -2.0, 3.0)])
    found = padded_constituents(jets, 4)
    momenta, _ = momenta_of(jets[:1])
    _, eta, phi = polar_coordinates(momenta.sum(axis=0, keepdims=True))
    expected = [
        [300, 1.0 - eta[0], -0.1 - phi[0]],
        [200, 1.4 - eta[0], -phi[0]],
        [100, 1 - eta[0], 0.1 - phi[0]],
    ]
    np.testing.assert_allclose(found.values[0], [*expected, [0, 0, 0]], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(found.values[1], [[50, 0, 0], *[[0, 0, 0]] * 3], atol=1e-6)
    assert found.values.shape == (2, 4, len(COLUMNS))
    assert found.values.dtype == np.float32
    assert found.n_cut.tolist() == [0, 0]


def test_what_is_cut_off_is_the_softest_and_counted() -> None:
    jets = toy_jets(50, np.random.default_rng(1))
    whole, part = padded_constituents(jets, 80), padded_constituents(jets, 20)
    np.testing.assert_array_equal(part.values, whole.values[:, :20])
    assert whole.n_cut.sum() == 0
    np.testing.assert_array_equal(part.n_cut, np.maximum(ak.num(jets) - 20, 0))
    assert (np.diff(whole.values[:, :, 0], axis=1) <= 0).all()


def test_a_jet_across_phi_equal_pi() -> None:
    found = padded_constituents(jets_of([(100.0, 0.0, 3.1), (100.0, 0.0, -3.1)]), 2)
    np.testing.assert_allclose(np.sort(found.values[0, :, 2]), [3.1 - np.pi, np.pi - 3.1], atol=1e-6)


def test_rotation_and_order_change_nothing() -> None:
    rng = np.random.default_rng(2)
    jets = toy_jets(50, rng)
    found = padded_constituents(jets, 30)
    shuffled = jets[ak.argsort(ak.unflatten(rng.random(ak.sum(ak.num(jets))), ak.num(jets)), axis=1)]
    np.testing.assert_array_equal(padded_constituents(shuffled, 30).values[:, :, 0], found.values[:, :, 0])
    np.testing.assert_allclose(padded_constituents(shuffled, 30).values, found.values, atol=1e-6)
    turned = ak.with_field(jets, jets.phi + 2.5, "phi")
    np.testing.assert_allclose(padded_constituents(turned, 30).values, found.values, atol=1e-5)


def test_padding_and_jets_without_constituents() -> None:
    found = padded_constituents(jets_of([(0.0, 9.0, 9.0), (10.0, 1.0, 1.0)], [(0.0, 0.0, 0.0)], []), 2)
    np.testing.assert_allclose(found.values[0], [[10, 0, 0], [0, 0, 0]], atol=1e-6)
    assert not found.values[1:].any()
    assert found.incomplete.tolist() == [False, True, True]


def test_equal_pt_in_any_order() -> None:
    particles = [(5.0, 0.1, 0.2), (5.0, 0.1, -0.2), (5.0, -0.1, 0.0)]
    read = [
        read_constituents(jets_of([particles[i] for i in order])).fields for order in ((0, 1, 2), (2, 0, 1))
    ]
    assert {name: column.tolist() for name, column in read[0].items()} == {
        "pt": [5.0, 5.0, 5.0],
        "eta": [-0.1, 0.1, 0.1],
        "phi": [0.0, -0.2, 0.2],
    }
    for name, column in read[0].items():
        np.testing.assert_array_equal(column, read[1][name])


@pytest.mark.parametrize(
    "particle", [(np.nan, 0.0, 0.0), (1.0, np.inf, 0.0), (1.0, 0.0, np.nan), (-1.0, 0.0, 0.0)]
)
def test_damaged_values_name_the_jet(particle) -> None:
    with pytest.raises(ArgumentError, match=r"jet 1 has a constituent with pt = .*select_dijets rejects"):
        padded_constituents(jets_of([(1.0, 0.0, 0.0)], [(2.0, 0.0, 0.0), particle]), 3)


def test_missing_values_and_other_forms() -> None:
    missing = ak.Array([[{"pt": 1.0, "eta": None, "phi": 0.0}]])
    with pytest.raises(ArgumentError, match="jet 0 has a constituent with pt = 1, eta = nan"):
        padded_constituents(missing, 1)
    with pytest.raises(ArgumentError, match="n x var x record with the fields pt, eta, phi"):
        padded_constituents(ak.Array([[1.0]]), 1)
    with pytest.raises(ArgumentError, match="most = 0"):
        padded_constituents(jets_of([(1.0, 0.0, 0.0)]), 0)


def test_no_jets() -> None:
    assert padded_constituents(toy_jets(1, np.random.default_rng(1))[:0], 7).values.shape == (0, 7, 3)

"""Features of events from those of both jets."""

from __future__ import annotations

import numpy as np
import pytest

from hepcs._core.errors import ArgumentError
from hepcs.features.event import ANGLES, SETS, event_features, feature_names
from hepcs.features.substructure import COLUMNS


def jet(**values: float) -> list[float]:
    """A jet's columns; those that are not given are NaN."""
    return [values.get(name, np.nan) for name in COLUMNS]


LIGHT = {"mass": 100.0, "tau_1": 0.2, "tau_2": 0.1, "tau_3": 0.08, "tau_4": 0.04, "tau_5": 0.03}
HEAVY = {"mass": 500.0, "tau_1": 0.4, "tau_2": 0.1, "tau_3": 0.05, "tau_4": 0.04, "tau_5": 0.02}
JETS = np.array([[jet(**LIGHT, eta=0.5, phi=3.0), jet(**HEAVY, eta=-0.5, phi=-0.5)]])


def test_the_standard_four_by_hand() -> None:
    found = event_features(JETS, "standard")
    assert found.names == ("mass_lighter", "mass_difference", "tau_21_lighter", "tau_21_heavier")
    np.testing.assert_allclose(found.values, [[0.1, 0.4, 0.1 / 0.20001, 0.1 / 0.40001]], rtol=1e-6)
    assert found.values.dtype == np.float32
    assert found.incomplete.tolist() == [False]


def test_the_extended_set_by_hand() -> None:
    found = event_features(JETS, "extended")
    value = dict(zip(found.names, found.values[0].tolist(), strict=True))
    assert len(value) == 10
    assert value["tau_32_lighter"] == pytest.approx(0.08 / 0.10001)
    assert value["tau_43_heavier"] == pytest.approx(0.04 / 0.05001)
    assert value["tau_54_lighter"] == pytest.approx(0.03 / 0.04001)
    standard = event_features(JETS, "standard")
    assert found.names[:4] == standard.names
    np.testing.assert_array_equal(found.values[:, :4], standard.values)


def test_all_tau_by_hand() -> None:
    found = event_features(JETS, "all_tau")
    value = dict(zip(found.names, found.values[0].tolist(), strict=True))
    assert len(value) == 12
    for n in range(1, 6):
        assert value[f"tau_{n}_lighter"] == pytest.approx(LIGHT[f"tau_{n}"])
        assert value[f"tau_{n}_heavier"] == pytest.approx(HEAVY[f"tau_{n}"])


@pytest.mark.parametrize("kind", SETS)
def test_which_jet_comes_first_does_not_matter(kind: str) -> None:
    one, other = (event_features(jets, kind, angles=True) for jets in (JETS, JETS[:, ::-1]))
    np.testing.assert_array_equal(one.values, other.values)


def test_masses_in_units_of_m_jj() -> None:
    found = event_features(JETS, "standard", m_jj=np.array([4000.0]))
    assert found.names[:2] == ("mass_lighter_over_m_jj", "mass_difference_over_m_jj")
    np.testing.assert_allclose(found.values[0, :2], [0.025, 0.1])
    np.testing.assert_array_equal(found.values[0, 2:], event_features(JETS, "standard").values[0, 2:])


def test_angles_go_round_in_phi() -> None:
    found = event_features(JETS, "standard", angles=True)
    assert found.names[-2:] == ANGLES == ("delta_r", "delta_eta")
    np.testing.assert_allclose(found.values[0, -2:], [np.hypot(1.0, 2 * np.pi - 3.5), 1.0], rtol=1e-6)


def test_what_an_event_lacks_counts_where_it_is_used() -> None:
    jets = np.repeat(JETS, 3, axis=0)
    jets[1, 0, COLUMNS.index("tau_3")] = np.nan
    jets[2, 1, COLUMNS.index("mass")] = np.nan
    assert event_features(jets, "standard").incomplete.tolist() == [False, False, True]
    assert event_features(jets, "extended").incomplete.tolist() == [False, True, True]


def test_a_jet_of_one_constituent_has_ratios() -> None:
    bare = jet(mass=0.0, **dict.fromkeys((f"tau_{n}" for n in range(1, 6)), 0.0))
    found = event_features(np.array([[bare, jet(**HEAVY)]]), "extended")
    assert not found.incomplete.any()
    assert found.values[0, 2] == 0


@pytest.mark.parametrize("kind", SETS)
@pytest.mark.parametrize("divided", [False, True])
@pytest.mark.parametrize("angles", [False, True])
def test_names_are_known_before_values(kind: str, divided: bool, angles: bool) -> None:
    m_jj = np.array([3000.0]) if divided else None
    found = event_features(JETS, kind, m_jj=m_jj, angles=angles)
    assert found.names == feature_names(kind, divided=divided, angles=angles)
    assert found.values.shape == (1, len(found.names))
    assert len(set(found.names)) == len(found.names)


def test_columns_by_name_not_place() -> None:
    names = ("tau_2", "mass", "tau_1")
    jets = np.array([[[0.1, 500.0, 0.4], [0.1, 100.0, 0.2]]])
    found = event_features(jets, "standard", columns=names)
    np.testing.assert_array_equal(found.values, event_features(JETS, "standard").values)
    with pytest.raises(ArgumentError, match="need the column 'tau_3'"):
        event_features(jets, "extended", columns=names)


def test_bad_arguments() -> None:
    with pytest.raises(ArgumentError, match=r"'best'; expected one of standard, extended, all_tau"):
        event_features(JETS, "best")
    with pytest.raises(ArgumentError, match=r"\(n, 2, 13\), found \(2, 13\)"):
        event_features(JETS[0], "standard")
    for m_jj in (np.array([0.0]), np.array([1.0, 2.0]), np.array([np.nan])):
        with pytest.raises(ArgumentError, match="m_jj > 0 for each of 1 events"):
            event_features(JETS, "standard", m_jj=m_jj)


def test_no_events() -> None:
    assert event_features(JETS[:0], "standard").values.shape == (0, 4)

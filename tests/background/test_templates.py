"""Signal templates: shares of a signal in bins, at several masses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats

from hepcs._core.errors import ArgumentError
from hepcs.background import SignalTemplates, gaussian_templates, sample_templates

EDGES = np.arange(3000.0, 4601.0, 100.0)


def test_gaussian_is_the_integral_over_the_bins() -> None:
    found = gaussian_templates([3200.0, 3500.0], EDGES, relative_width=0.03)
    np.testing.assert_array_equal(found.masses, [3200, 3500])
    np.testing.assert_array_equal(found.centres, EDGES[:-1] + 50)
    for mass, shares in zip(found.masses, found.shares, strict=True):
        for b in (0, 3, 5, 9):
            area, _ = integrate.quad(stats.norm(mass, 0.03 * mass).pdf, EDGES[b], EDGES[b + 1])
            assert shares[b] == pytest.approx(area, rel=1e-6)
    # All of it is inside at 3500 GeV, 2 sigma of it at 3200.
    assert found.shares[1].sum() == pytest.approx(1, abs=1e-5)
    assert found.shares[0].sum() == pytest.approx(stats.norm.cdf(200 / 96), abs=1e-5)


def test_width_in_gev() -> None:
    found = gaussian_templates([3200.0, 4000.0], EDGES, width=100.0)
    # The same shape in both, eight bins farther.
    np.testing.assert_allclose(found.shares[0, :8], found.shares[1, 8:], rtol=1e-9)
    np.testing.assert_allclose(
        gaussian_templates([4000.0], EDGES, relative_width=0.025).shares, found.shares[1:], rtol=1e-12
    )


@pytest.mark.parametrize("move", ["scaled", "shifted"])
def test_sample_is_histogrammed_where_it_is_moved(move: Any) -> None:
    # Skewed, as radiation makes it, and with events outside of the spectrum.
    m_jj = 3500 * np.random.default_rng(1).beta(30, 2, 5000)
    found = sample_templates(m_jj, 3500.0, [3100.0, 3500.0, 4200.0], EDGES, move=move)
    for mass, shares in zip(found.masses, found.shares, strict=True):
        moved = m_jj * (mass / 3500) if move == "scaled" else m_jj + (mass - 3500)
        np.testing.assert_allclose(shares, np.histogram(moved, EDGES)[0] / 5000, atol=1e-12)
    assert found.shares[0].sum() < 0.9 < found.shares[2].sum()


def test_bins_hold_their_lower_edge_only() -> None:
    found = sample_templates([3000.0, 3100.0, 4600.0, 2900.0], 3500.0, [3500.0], EDGES)
    np.testing.assert_array_equal(found.shares[0, :3], [0.25, 0.25, 0])
    assert found.shares.sum() == 0.5


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({}, "one of relative_width and width"),
        ({"relative_width": 0.03, "width": 100.0}, "one of relative_width and width"),
        ({"relative_width": 0.0}, "must be positive"),
        ({"width": -5.0}, "must be positive"),
        ({"width": np.nan}, "must be positive"),
        ({"masses": [3500.0, 3400.0], "width": 100.0}, "masses must be"),
        ({"masses": [], "width": 100.0}, "masses must be"),
        ({"masses": [np.nan], "width": 100.0}, "masses must be"),
        ({"masses": [5500.0], "width": 100.0}, "5500 GeV lies in the spectrum, 3000 to 4600 GeV"),
        ({"edges": [3000.0], "width": 100.0}, "edges must be 2 or more"),
    ],
)
def test_gaussian_refuses(arguments: dict[str, Any], match: str) -> None:
    with pytest.raises(ArgumentError, match=match):
        gaussian_templates(**{"masses": [3500.0], "edges": EDGES, **arguments})


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"m_jj": []}, "finite m_jj"),
        ({"m_jj": [[3500.0]]}, "finite m_jj"),
        ({"m_jj": [3500.0, np.nan]}, "finite m_jj"),
        ({"sample_mass": 0.0}, "sample_mass"),
        ({"move": "turned"}, "unknown move"),
        ({"masses": [2000.0]}, "less than 0.1% of the signal at 2000 GeV"),
    ],
)
def test_sample_refuses(arguments: dict[str, Any], match: str) -> None:
    with pytest.raises(ArgumentError, match=match):
        sample_templates(
            **{"m_jj": [3500.0], "sample_mass": 3500.0, "masses": [3500.0], "edges": EDGES, **arguments}
        )


def test_shares_are_checked() -> None:
    for shares, match in (
        (np.ones((1, 15)) / 16, "shape"),
        (np.full((1, 16), 0.1), "more than 1"),
        (np.full((1, 16), np.nan), "negative"),
        (np.full((1, 16), -0.01), "negative"),
    ):
        with pytest.raises(ArgumentError, match=match):
            SignalTemplates(np.array([3500.0]), EDGES, shares)


def test_a_weighted_sample_is_one_in_which_events_are_repeated() -> None:
    rng = np.random.default_rng(3)
    m_jj, times = rng.normal(3500, 60, 300), rng.integers(0, 4, 300)
    weighted = sample_templates(m_jj, 3500.0, [3400.0, 3900.0], EDGES, weights=0.5 * times)
    repeated = sample_templates(np.repeat(m_jj, times), 3500.0, [3400.0, 3900.0], EDGES)
    np.testing.assert_allclose(weighted.shares, repeated.shares, atol=1e-12)
    for bad in (-np.ones(300), np.zeros(300), np.ones(3)):
        with pytest.raises(ArgumentError, match="weights must be"):
            sample_templates(m_jj, 3500.0, [3500.0], EDGES, weights=bad)

"""N-subjettiness."""

from __future__ import annotations

import awkward as ak
import numpy as np
import pytest
from scipy.optimize import minimize
from toy_jets import fastjet_sequence, jets_of, momenta_of, toy_jets

from hepcs._core.errors import ArgumentError
from hepcs.features.n_subjettiness import n_subjettiness, squared_width
from hepcs.features.recombination import recombine


def tau_of(jets, most: int = 5) -> np.ndarray:
    return n_subjettiness(recombine(*momenta_of(jets), "kt"), most)


def tau_for_axes(jet, axes: np.ndarray, power: float = 1.0) -> float:
    """The definition: axes (N, 2) in rapidity and azimuth."""
    place = np.stack([jet.eta.to_numpy(), jet.phi.to_numpy()], axis=1)
    difference = place[:, np.newaxis] - axes
    difference[..., 1] = (difference[..., 1] + np.pi) % (2 * np.pi) - np.pi
    distance = np.hypot(difference[..., 0], difference[..., 1]).min(axis=1)
    return float(np.sum(jet.pt.to_numpy() * distance**power) / np.sum(jet.pt.to_numpy()))


def test_fastjet_says_the_same() -> None:
    jets = toy_jets(200, np.random.default_rng(1))
    theirs = fastjet_sequence(jets, "kt").njettiness(
        measure_definition="NormalizedMeasure",
        axes_definition="OnePass_KT_Axes",
        njets=[1, 2, 3, 4, 5],
        beta=1.0,
        R0=1.0,
    )
    np.testing.assert_allclose(tau_of(jets), ak.to_numpy(theirs), rtol=1e-9)


def test_fastjet_says_the_same_for_squared_distances() -> None:
    jets = toy_jets(200, np.random.default_rng(2))
    theirs = fastjet_sequence(jets, "kt").njettiness(njets=[1], beta=2.0, R0=1.0)
    ours = squared_width(recombine(*momenta_of(jets), "kt"))
    np.testing.assert_allclose(ours, ak.to_numpy(theirs)[:, 0], rtol=1e-9)


# fastjet takes any definition for one that is not kT.
@pytest.mark.filterwarnings("ignore:dcut and exclusive jets:UserWarning")
def test_the_axes_are_no_worse_than_those_they_start_from() -> None:
    jets = toy_jets(60, np.random.default_rng(3))
    tau, sequence = tau_of(jets), fastjet_sequence(jets, "kt")
    gain = []
    for n in range(1, 6):
        subjets = sequence.exclusive_jets(n_jets=n)
        rapidity = np.log((subjets.E + subjets.pz) / (subjets.E - subjets.pz)) / 2
        axes = np.stack([ak.to_numpy(rapidity), np.arctan2(subjets.py, subjets.px).to_numpy()], axis=-1)
        start = np.array([tau_for_axes(jet, axes[j]) for j, jet in enumerate(jets)])
        assert (tau[:, n - 1] <= start * (1 + 1e-12)).all()
        gain.append(np.mean(tau[:, n - 1] / start))
    assert max(gain) < 0.95


def test_one_axis_reaches_the_minimum() -> None:
    jets = toy_jets(20, np.random.default_rng(4))
    trees = recombine(*momenta_of(jets), "kt")
    tau, width = n_subjettiness(trees, 1)[:, 0], squared_width(trees)
    for j, jet in enumerate(jets):
        start = np.array([np.average(jet.eta, weights=jet.pt), np.average(jet.phi, weights=jet.pt)])
        for found, power, rtol in ((tau[j], 1.0, 0.01), (width[j], 2.0, 1e-6)):

            def value(axis, jet=jet, power=power):
                return tau_for_axes(jet, axis.reshape(1, 2), power)

            least = minimize(value, start, method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-12}).fun
            assert least * (1 - 1e-9) <= found <= least * (1 + rtol)


@pytest.mark.parametrize("prongs", [2, 3, 4])
def test_as_many_axes_as_prongs_leave_little(prongs: int) -> None:
    tau = tau_of(toy_jets(100, np.random.default_rng(prongs), prongs=prongs, width=0.005))
    ratios = np.median(tau[:, 1:] / tau[:, :-1], axis=0)
    assert ratios[prongs - 2] < 0.2
    assert np.delete(ratios, prongs - 2).min() > 0.35


def test_two_constituents_by_hand() -> None:
    tau = tau_of(jets_of([(600.0, 0.2, 3.1), (400.0, 0.2, -3.1)]))
    # The median of two is the heavier one: 400 of 1000 GeV, at a distance of 2 pi - 6.2.
    np.testing.assert_allclose(tau, [[0.4 * (2 * np.pi - 6.2), 0, 0, 0, 0]], rtol=0.02)
    assert tau[0, 0] >= 0.4 * (2 * np.pi - 6.2)


def test_no_more_constituents_than_axes() -> None:
    jet = [(10.0 * (i + 1), 0.1 * i**2, 0.0) for i in range(5)]
    tau = tau_of(jets_of(*(jet[:m] for m in range(1, 6))))
    m, n = np.arange(1, 6)[:, np.newaxis], np.arange(1, 6)
    np.testing.assert_array_equal(tau == 0, m <= n)


def test_no_axis_at_all() -> None:
    with pytest.raises(ArgumentError, match="one axis at least, found 0"):
        tau_of(jets_of([(1.0, 0.0, 0.0)]), 0)

"""What augmentations of jets conserve, and what they change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hepcs.features.embedding import augmentations as of
from hepcs.neural.backend import jax

N = 24
SIZES = np.array([1, 2, 5, 12, 20, 23, N] * 30)


def toy_jets() -> np.ndarray:
    """Jets around their axis, of falling pT, with zeros behind; some fill their places."""
    rng = np.random.default_rng(1)
    pt = -np.sort(-(rng.exponential(size=(len(SIZES), N)) ** 3) * 50 - 0.5, axis=1)
    where = rng.normal(scale=0.2, size=(len(SIZES), N, 2))
    there = np.arange(N) < SIZES[:, np.newaxis]
    where -= ((pt * there)[..., np.newaxis] * where).sum(axis=1, keepdims=True) / (pt * there).sum(axis=1)[
        :, np.newaxis, np.newaxis
    ]
    jets = np.concatenate([pt[..., np.newaxis], where], axis=2) * there[..., np.newaxis]
    return jets.astype(np.float32)


JETS = toy_jets()
PT = JETS[..., 0].sum(axis=1)


def applied(function: Callable[[Any, Any], Any], seed: int = 3) -> np.ndarray:
    return np.asarray(jax.jit(function)(jax.random.key(seed), JETS), dtype=np.float64)


def number(jets: np.ndarray) -> np.ndarray:
    return (jets[..., 0] > 0).sum(axis=1)


def distances(jets: np.ndarray) -> np.ndarray:
    return np.linalg.norm(jets[:, :, np.newaxis, 1:] - jets[:, np.newaxis, :, 1:], axis=-1)


def momentum(jets: np.ndarray) -> np.ndarray:
    """Sum of the massless four-momenta, shape (n, 4)."""
    pt, eta, phi = np.moveaxis(jets.astype(np.float64), 2, 0)
    parts = np.stack([pt * np.cosh(eta), pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)])
    return parts.sum(axis=2).T


@pytest.mark.parametrize("function", [of.rotated, of.reflected])
def test_turning_a_jet_keeps_all_distances(function: Callable[[Any, Any], Any]) -> None:
    found = applied(function)
    np.testing.assert_array_equal(found[..., 0], JETS[..., 0])
    np.testing.assert_allclose(distances(found), distances(JETS), atol=1e-6)
    assert not np.allclose(found[SIZES > 1], JETS[SIZES > 1])


def test_a_reflection_is_one() -> None:
    found = applied(of.reflected)
    kept = (found == JETS).all(axis=(1, 2))
    np.testing.assert_array_equal(found[~kept][..., 1], -JETS[~kept][..., 1])
    assert 0.35 < kept.mean() < 0.65


def test_collinear_splittings_keep_the_four_momentum() -> None:
    found = applied(of.split)
    np.testing.assert_allclose(momentum(found), momentum(JETS), rtol=1e-5, atol=1e-3)
    more = number(found) - SIZES
    np.testing.assert_array_equal(more, np.minimum(np.minimum(of.MOST_SPLIT, SIZES), N - SIZES))
    assert (found[..., 0] >= 0).all()


def test_soft_constituents_leave_the_others_alone() -> None:
    found = applied(of.noisy)
    there = JETS[..., 0] > 0
    np.testing.assert_array_equal(found[there], JETS[there])
    more = number(found) - SIZES
    assert set(more[SIZES <= N - of.MOST_SOFT]) == set(range(of.MOST_SOFT + 1))
    assert (more <= N - SIZES).all()
    gained = found[..., 0].sum(axis=1) - PT
    assert (gained <= of.SOFT_SHARE * PT * 1.001).all()
    assert np.linalg.norm(found[..., 1:][~there], axis=-1).max() <= 0.8


def test_a_smearing_is_small() -> None:
    found = applied(of.smeared)
    there = JETS[..., 0] > 0
    ratio = found[there][:, 0] / JETS[there][:, 0]
    assert np.abs(ratio - 1).max() <= 3.01 * of.PT_SMEARING
    assert ratio.std() == pytest.approx(of.PT_SMEARING, rel=0.05)
    shift = np.abs(found - JETS)[..., 1:]
    hard = JETS[..., 0] > 20
    assert shift[hard].max() <= 3.01 * of.POSITION_SMEARING / 20
    assert shift.max() <= 3.01 * of.LARGEST_SHIFT


@pytest.mark.parametrize("function", [of.moved, of.added, of.scaled])
def test_anomalies_keep_the_sum_and_the_axis(function: Callable[[Any, Any], Any]) -> None:
    found = applied(function)
    np.testing.assert_allclose(found[..., 0].sum(axis=1), PT, rtol=1e-5)
    centre = (found[..., :1] * found[..., 1:]).sum(axis=1) / PT[:, np.newaxis]
    np.testing.assert_allclose(centre, 0.0, atol=1e-5)


def test_a_moved_prong_is_the_same_prong() -> None:
    found = applied(of.moved)
    np.testing.assert_array_equal(found[..., 0], JETS[..., 0])
    # What was moved, and what was not, keep their distances among themselves.
    change = np.round(found[..., 1:] - JETS[..., 1:], 4)
    for jet, size in zip(change, SIZES, strict=True):
        assert len(np.unique(jet[:size], axis=0)) <= 2
    assert (np.abs(change).max(axis=(1, 2)) > 0.05)[SIZES > 2].mean() > 0.5


def test_an_added_prong_is_hard_narrow_and_away() -> None:
    found = applied(of.added)
    np.testing.assert_array_equal(number(found), np.minimum(SIZES, N - of.PRONG) + of.PRONG)
    for jet, size in zip(found, SIZES, strict=True):
        first = min(size, N - of.PRONG)
        prong = jet[first : first + of.PRONG]
        middle = np.average(prong[:, 1:], axis=0, weights=prong[:, 0])
        others = np.average(jet[:first, 1:], axis=0, weights=jet[:first, 0])
        assert np.linalg.norm(prong[:, 1:] - middle, axis=1).max() < 0.11
        assert np.linalg.norm(middle - others) > 0.1
        # Of the pT of before, a tenth to a half; the whole is scaled back.
        assert 0.1 / 1.1 - 1e-4 <= prong[:, 0].sum() / jet[:, 0].sum() <= 0.5 / 1.0


def test_scaling_a_side_keeps_the_shape() -> None:
    found = applied(of.scaled)
    np.testing.assert_array_equal(number(found), SIZES)
    there = JETS[..., 0] > 0
    pairs = there[:, :, np.newaxis] & there[:, np.newaxis]
    np.testing.assert_allclose(distances(found)[pairs], distances(JETS)[pairs], atol=1e-6)
    ratio = np.where(there, found[..., 0] / np.where(there, JETS[..., 0], 1), np.nan)
    spread = np.nanmax(ratio, axis=1) / np.nanmin(ratio, axis=1)
    assert ((spread < 1.001) | ((spread > 1.499) & (spread < 5.001))).all()


@pytest.mark.parametrize("function", [of.physical, of.anomaly])
def test_padding_stays_behind_and_each_jet_has_its_own(function: Callable[[Any, Any], Any]) -> None:
    found = np.asarray(jax.jit(function)(jax.random.key(1), JETS))
    assert found.shape == JETS.shape
    assert np.isfinite(found).all()
    there = found[..., 0] > 0
    np.testing.assert_array_equal(there, np.arange(N) < there.sum(axis=1)[:, np.newaxis])
    assert not found[~there].any()
    same = np.broadcast_to(JETS[4], JETS.shape)
    views = np.asarray(jax.jit(function)(jax.random.key(1), same))
    assert len(np.unique(views.reshape(len(views), -1), axis=0)) > 0.9 * len(views)

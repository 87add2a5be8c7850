"""Layers and losses: scales of features, gradients that are reversed, and distance correlation."""

from __future__ import annotations

import numpy as np
import pytest

from hepcs.neural.backend import jax
from hepcs.neural.independence import distance_correlation
from hepcs.neural.layers import reversed_gradient, standardised

RNG = np.random.default_rng(1)


def test_features_are_standardised_by_the_events_of_the_group() -> None:
    x = np.column_stack([1e4 + RNG.normal(size=500), 1e-3 * RNG.normal(size=500), np.full(500, 7.0)])
    weights = np.stack([np.ones(500), np.where(np.arange(500) < 200, 3.0, 0.0)])
    found = standardised(x, weights)
    for group, used in enumerate((x, x[:200])):
        np.testing.assert_allclose(found.mean[group], used.mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose(found.scale[group, :2], used.std(axis=0)[:2], rtol=1e-5)
    # A constant feature stays what it is: nothing is blown up.
    assert (found.scale[:, 2] == 1).all()
    together = standardised(x[:, :2], weights, together=True)
    np.testing.assert_allclose(together.scale[0] ** 2, np.var(x[:, :2], axis=0).mean(), rtol=1e-5)
    jets = np.stack([x, x + 1], axis=1)
    np.testing.assert_allclose(standardised(jets, weights).mean[0], x.mean(axis=0) + 0.5, rtol=1e-5)


def test_a_reversed_gradient_is_the_opposite() -> None:
    assert float(reversed_gradient(3.0)) == 3.0
    assert float(jax.grad(lambda x: 5 * reversed_gradient(x))(3.0)) == -5.0


def test_distance_correlation_is_that_of_its_definition() -> None:
    x, y = RNG.normal(size=40), RNG.normal(size=40)
    y += x**2
    weights = RNG.integers(1, 4, 40)
    copies = np.repeat(np.arange(40), weights)

    def centred(values: np.ndarray) -> np.ndarray:
        distance = np.abs(values[:, np.newaxis] - values)
        return distance - distance.mean(axis=0) - distance.mean(axis=1)[:, np.newaxis] + distance.mean()

    a, b = centred(x[copies]), centred(y[copies])
    expected = (a * b).mean() / np.sqrt((a * a).mean() * (b * b).mean())
    found = distance_correlation(x.astype(np.float32), y.astype(np.float32), weights.astype(np.float32))
    assert float(found) == pytest.approx(expected, rel=1e-3)


def test_distance_correlation_sees_any_dependence_and_has_a_slope() -> None:
    x = RNG.normal(size=400).astype(np.float32)
    ones = np.ones(400, dtype=np.float32)
    assert float(distance_correlation(x, x, ones)) == pytest.approx(1, abs=1e-4)
    square = float(distance_correlation(x, x**2, ones))
    alone = float(distance_correlation(x, RNG.normal(size=400).astype(np.float32), ones))
    assert square > 0.15 > 0.05 > alone
    same = np.where(np.arange(400) < 2, x[0], x)
    assert np.isfinite(jax.grad(lambda one: distance_correlation(one, x, ones))(same)).all()

"""Contrastive losses: values by hand, training, and what collapses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hepcs._core.errors import ArgumentError
from hepcs.neural.backend import jax
from hepcs.neural.contrastive import (
    Contrastive,
    anomaly_clr,
    anomaly_clr_plus,
    clr,
    dispersion,
    similarity,
)
from hepcs.neural.layers import Dense
from hepcs.neural.settings import TrainingSettings
from hepcs.neural.stacking import evaluate, stacked
from hepcs.neural.training import fit, split_off

# Along axes and diagonals, of any length: cosines are 0, 1, -1, 0.6 and 0.8.
Z = np.array([[2.0, 0.0], [0.0, 3.0], [-1.0, 0.0]], dtype=np.float32)
PHYSICAL = np.array([[3.0, 4.0], [0.0, 1.0], [-4.0, 3.0]], dtype=np.float32)
ANOMALY = np.array([[0.0, 1.0], [0.0, -2.0], [-5.0, 0.0]], dtype=np.float32)
ONES = np.ones(3, dtype=np.float32)
TAU = 0.5
# s(z, z'), s(z, z*) of each; s with both others and with the augmentations of both.
ALIKE, UNLIKE = np.array([0.6, 1.0, 0.8]), np.array([0.0, -1.0, 1.0])
OTHERS = np.array([[0.0, -1.0, 0.0, -0.8], [0.0, 0.0, 0.8, 0.6], [-1.0, 0.0, -0.6, 0.0]])
NEGATIVES = np.log(np.exp(OTHERS / TAU).sum(axis=1))


def test_losses_of_a_batch_of_three_are_those_by_hand() -> None:
    np.testing.assert_allclose(similarity(Z, PHYSICAL), ALIKE, atol=1e-6)
    expected = -ALIKE / TAU + NEGATIVES
    np.testing.assert_allclose(clr(Z, PHYSICAL, ONES, TAU), expected, atol=1e-5)
    # The first one in plain numbers: -1.2 + log(1 + e^-2 + 1 + e^-1.6).
    assert float(clr(Z, PHYSICAL, ONES, TAU)[0]) == pytest.approx(-0.351033, abs=1e-5)
    expected = (UNLIKE - ALIKE) / TAU + NEGATIVES
    np.testing.assert_allclose(anomaly_clr(Z, PHYSICAL, ANOMALY, ONES, TAU), expected, atol=1e-5)
    np.testing.assert_allclose(anomaly_clr_plus(Z, PHYSICAL, ANOMALY), [-0.6, -2.0, 0.2], atol=1e-6)


def test_a_weight_is_that_many_copies_among_the_negatives() -> None:
    weights = np.array([1.0, 2.0, 0.0], dtype=np.float32)
    found = clr(Z, PHYSICAL, weights, TAU)
    # Twice the second, of which nobody is its own negative, and never the third.
    assert float(found[0]) == pytest.approx(-1.2 + np.log(2 + 2), abs=1e-5)
    assert float(found[1]) == pytest.approx(-2.0 + np.log(1 + np.exp(1.6)), abs=1e-5)


def rolled(key: Any, batch: Any) -> Any:
    """The columns trade places."""
    return jax.numpy.roll(batch, 1, axis=1)


def turned(key: Any, batch: Any) -> Any:
    """The angle is of no matter, only the radius."""
    angle = 2 * np.pi * jax.random.uniform(key, (len(batch), 1))
    c, s = jax.numpy.cos(angle), jax.numpy.sin(angle)
    return jax.numpy.concatenate(
        [c * batch[:, :1] - s * batch[:, 1:], s * batch[:, :1] + c * batch[:, 1:]], 1
    )


def larger(key: Any, batch: Any) -> Any:
    """The radius matters."""
    return 3 * batch


class Net:
    """Hashable by identity."""

    def __call__(self, key: Any) -> Dense:
        return Dense((2, 32, 4), key)


def answer(model: Any, batch: Any) -> Any:
    return model(batch)


def test_what_is_learned_is_blind_to_the_one_and_sees_the_other() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(600, 2)).astype(np.float32)
    train, held_out = split_off(np.ones((1, 600)), 0.2, rng)
    loss = Contrastive("anomaly_clr", turned, larger)
    settings = TrainingSettings(epochs=40, batch=128, learning_rate=5e-3, patience=40)
    fitted = fit(stacked(Net(), 1, rng), loss, x, train, held_out, rng, settings)
    z, z_turned, z_larger = (
        evaluate(fitted.models, answer, one)[0]
        for one in (x, np.asarray(turned(jax.random.key(3), x)), np.asarray(3 * x))
    )
    alike, unlike = np.mean(similarity(z, z_turned)), np.mean(similarity(z, z_larger))
    assert fitted.held_out_losses[-1, 0] < fitted.held_out_losses[0, 0]
    assert alike > 0.7 > alike - 0.5 > unlike


def test_the_loss_of_a_batch_is_the_weighted_mean_of_its_views() -> None:
    weights = np.array([1.0, 2.0, 1.0], dtype=np.float32)
    views = (Z, np.roll(Z, 1, axis=1), 3 * Z)
    expected: dict[Any, Any] = {
        "clr": clr(*views[:2], weights, TAU),
        "anomaly_clr": anomaly_clr(*views, weights, TAU),
        "anomaly_clr_plus": anomaly_clr_plus(*views),
    }
    for kind, values in expected.items():
        found = Contrastive(kind, rolled, larger, TAU)(lambda x: x, Z, weights, jax.random.key(1))
        assert float(found) == pytest.approx(np.average(values, weights=weights), abs=1e-5)


def test_the_first_kind_needs_no_anomalies_and_the_others_do() -> None:
    assert Contrastive("clr", rolled).anomaly is None
    for kind in ("anomaly_clr", "anomaly_clr_plus"):
        with pytest.raises(ArgumentError, match="needs anomaly augmentations"):
            Contrastive(kind, rolled)
    with pytest.raises(ArgumentError, match="temperature above 0, found 'clr' and 0"):
        Contrastive("clr", rolled, temperature=0)


def test_dispersion_is_the_mean_distance_of_all_pairs() -> None:
    z = np.random.default_rng(2).normal(size=(50, 3)) + 1
    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    assert dispersion(z) == pytest.approx(np.mean(1 - unit @ unit.T), rel=1e-10)
    assert dispersion(np.ones((50, 3)) * np.arange(1, 51)[:, np.newaxis]) < 1e-15

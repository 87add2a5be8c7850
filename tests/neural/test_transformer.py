"""The transformer: sets in, whatever their order and what lies behind their end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hepcs._core.errors import ArgumentError
from hepcs.neural.backend import eqx, jax
from hepcs.neural.transformer import Transformers

RNG = np.random.default_rng(1)
N, M, D = 20, 7, 5
X = RNG.normal(size=(N, M, D)).astype(np.float32)
THERE = np.arange(M) < RNG.integers(1, M + 1, N)[:, np.newaxis]
ENCODER = Transformers(D, width=16, heads=4, layers=2, hidden=24, output=6)(jax.random.key(1))


@eqx.filter_jit
def represented(x: Any, there: Any) -> Any:
    return ENCODER.represent(x, there)


def test_any_order_gives_the_same_representation() -> None:
    orders = np.argsort(RNG.random((N, M)), axis=1)
    z = represented(X, THERE)
    assert z.shape == (N, 16)
    other = represented(
        np.take_along_axis(X, orders[..., np.newaxis], axis=1), np.take_along_axis(THERE, orders, axis=1)
    )
    np.testing.assert_allclose(other, z, rtol=1e-5, atol=1e-5)
    # It is no constant: the events differ, and so do the objects of one that are taken away.
    assert np.std(z, axis=0).min() > 0.01
    fewer = THERE & (np.arange(M) > 0)
    assert (np.abs(represented(X, fewer) - z).max(axis=1) > 0.01).all()


def test_what_is_not_there_has_no_effect_whatever_it_holds() -> None:
    z = represented(X, THERE)
    wild = np.where(THERE[..., np.newaxis], X, np.inf)
    np.testing.assert_array_equal(represented(wild, THERE), z)
    longer = np.concatenate([X, np.full((N, 3, D), 9.0, dtype=np.float32)], axis=1)
    there = np.concatenate([THERE, np.zeros((N, 3), dtype=bool)], axis=1)
    np.testing.assert_allclose(represented(longer, there), z, rtol=1e-5, atol=1e-5)
    gradient = jax.jit(jax.grad(lambda x: ENCODER(x, THERE).sum()))(wild)
    assert np.isfinite(gradient).all()


def test_events_of_any_leading_shape_are_judged_alone() -> None:
    answer = eqx.filter_jit(ENCODER)
    found = answer(X.reshape(4, 5, M, D), THERE.reshape(4, 5, M))
    assert found.shape == (4, 5, 6)
    np.testing.assert_allclose(found[1, 2], answer(X[7], THERE[7]), rtol=1e-4, atol=1e-5)
    # Of nothing comes the representation of nothing.
    np.testing.assert_array_equal(represented(X, np.zeros_like(THERE)), 0.0)


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ArgumentError, match="width that the heads divide"):
        Transformers(D, width=10, heads=4)

"""Flows on a manifold: a curved line in the plane."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("jax")

from hepcs._core.errors import ArgumentError
from hepcs.neural.manifolds import ManifoldFlows, train_manifolds
from hepcs.neural.settings import TrainingSettings

SETTINGS = TrainingSettings(epochs=12, batch=256, learning_rate=1e-2, patience=6)


def parabola(n: int, seed: int) -> np.ndarray:
    """Events close to a parabola, standardised."""
    rng = np.random.default_rng(seed)
    along = rng.normal(size=n)
    return np.column_stack([along, (along**2 - 1) / np.sqrt(2) + 0.02 * rng.normal(size=n)])


@pytest.fixture(scope="module")
def flows() -> ManifoldFlows:
    x = parabola(6000, 1)
    return train_manifolds(
        x, np.ones((1, 6000)), np.random.default_rng(2), SETTINGS, n_kept=1, hidden=32, n_layers=4
    )


def test_events_on_it_are_near_and_others_are_not(flows: ManifoldFlows) -> None:
    assert not flows.failed.any()
    group = np.zeros(2000, int)
    near, log_density = flows.judge(parabola(2000, 3), group)
    off, _ = flows.judge(np.add(parabola(2000, 3), [0.0, 2.0]), group)
    assert np.median(near) < 0.05 < 0.2 < np.median(off)
    # A standard normal distribution along it has -ln p of 1.42 in the mean.
    assert -1.6 < log_density.mean() < -1.0


def test_a_point_of_the_manifold_stands_for_itself(flows: ManifoldFlows) -> None:
    """Since the map is invertible."""
    from hepcs.neural.stacking import one_of

    x = parabola(100, 4).astype(np.float32)
    one = one_of(flows.maps, 0)
    there = np.asarray(one.outward(one.inward(x)))
    again = np.asarray(one.outward(one.inward(there)))
    np.testing.assert_allclose(again, there, atol=1e-3)


@pytest.mark.parametrize("n_kept", [0, 2])
def test_other_numbers_of_dimensions_are_refused(n_kept: int) -> None:
    with pytest.raises(ArgumentError, match="a manifold of"):
        train_manifolds(parabola(50, 5), np.ones((1, 50)), np.random.default_rng(1), SETTINGS, n_kept=n_kept)

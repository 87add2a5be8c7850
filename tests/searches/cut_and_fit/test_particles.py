"""Constituents without momentum, direction and orientation of the jet."""

from __future__ import annotations

import numpy as np
import toy_particles

from hepcs.searches.cut_and_fit.particles import particles
from hepcs.searches.particle_graph.network import nearest

X = toy_particles.two_prongs(200, np.random.default_rng(1))


def test_momentum_axis_and_orientation_of_a_jet_are_of_no_matter() -> None:
    found = particles(X, 6)
    assert found.shape == (200, 2, 6, 3)
    np.testing.assert_allclose(found[..., 0].sum(axis=-1), 1, rtol=1e-5)
    jets = X.reshape(200, 2, 6, 3).astype(np.float64)
    angle = 0.7
    turned = jets.copy()
    turned[..., 0] *= 3.3
    turned[..., 1] = 0.1 + np.cos(angle) * jets[..., 1] - np.sin(angle) * jets[..., 2]
    turned[..., 2] = -(-0.2 + np.sin(angle) * jets[..., 1] + np.cos(angle) * jets[..., 2])
    again = particles(turned.reshape(200, 2, 18).astype(np.float32), 6)
    # A third moment near zero may have either sign.
    same = np.isclose(found, again, atol=2e-4).all(axis=(2, 3)).mean()
    assert same > 0.97
    spread = (found[..., :1] * found[..., 1:] ** 2).sum(axis=2)
    assert (spread[..., 0] >= spread[..., 1] - 1e-6).all()


def test_the_hardest_are_kept_and_places_without_any_are_zero() -> None:
    jets = X.reshape(200, 2, 6, 3).copy()
    jets[:, :, 4:] = 0
    found = particles(jets.reshape(200, 2, 18), 5)
    assert found.shape == (200, 2, 5, 3)
    assert (found[:, :, 4] == 0).all()
    assert (found[:, :, :4, 0] > 0).all()


def test_nearest_neighbours() -> None:
    x = np.zeros((1, 2, 4, 3), dtype=np.float32)
    x[0, 0, :, 0] = [0.4, 0.3, 0.2, 0.1]
    x[0, 0, :, 1] = [0.0, 1.0, 1.1, 3.0]
    x[0, 1, :2, 0] = [0.6, 0.4]
    found = nearest(x, 2)
    assert found[0, 0].tolist() == [[1, 2], [2, 0], [1, 0], [2, 1]]
    # Two constituents have but each other.
    assert found[0, 1, :2].tolist() == [[1, 0], [0, 1]]

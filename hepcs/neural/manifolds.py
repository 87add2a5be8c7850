"""Flows on a manifold: an invertible map of which all but a few coordinates are dropped.

Brehmer, Cranmer, NeurIPS 33 (2020) 442 (arXiv:2003.13913): the map is trained to bring events back from the few
coordinates that are kept, and a density is trained on those alone; neither is then spoilt by directions in which
events do not spread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError
from hepcs.neural.backend import eqx, jax, jnp
from hepcs.neural.densities import Flows, train_flows
from hepcs.neural.layers import Dense
from hepcs.neural.settings import TrainingSettings
from hepcs.neural.stacking import evaluate, stacked
from hepcs.neural.training import PerEvent, fit, split_off

_CHUNK = 8192
# Largest logarithm of a scale in one layer.
_MOST = 1.5


class ManifoldMap(eqx.Module):
    """Affine couplings of d features, of which `n_kept` coordinates are kept (Dinh et al., arXiv:1605.08803)."""

    layers: tuple[Dense, ...]
    n_kept: int = eqx.field(static=True)

    def inward(self, x: Any) -> Any:
        """Features (n, d) to the kept coordinates (n, n_kept)."""
        for layer in self.layers:
            size = layer.weights[0].shape[-2]
            same, moved = x[:, :size], x[:, size:]
            log_scale, shift = self._affine(layer, same)
            x = jnp.concatenate([moved * jnp.exp(log_scale) + shift, same], axis=1)
        return x[:, : self.n_kept]

    def outward(self, u: Any) -> Any:
        """Coordinates (n, n_kept) to the features (n, d) of points on the manifold."""
        first = self.layers[0]
        d = first.weights[0].shape[-2] + first.biases[-1].shape[-1] // 2
        x = jnp.concatenate([u, jnp.zeros((len(u), d - self.n_kept))], axis=1)
        for layer in self.layers[::-1]:
            size = d - layer.weights[0].shape[-2]
            moved, same = x[:, :size], x[:, size:]
            log_scale, shift = self._affine(layer, same)
            x = jnp.concatenate([same, (moved - shift) * jnp.exp(-log_scale)], axis=1)
        return x

    @staticmethod
    def _affine(layer: Dense, same: Any) -> tuple[Any, Any]:
        log_scale, shift = jnp.split(layer(same), 2, axis=1)
        return _MOST * jnp.tanh(log_scale / _MOST), shift

    def distance(self, x: Any) -> Any:
        """Squared distance (n,) of features (n, d) from the point of the manifold that stands for them."""
        return jnp.square(x - self.outward(self.inward(x))).sum(axis=1)


@dataclass(frozen=True)
class ManifoldMaker:
    """Makes maps of d features; equal ones share what is compiled."""

    n_features: int
    n_kept: int
    hidden: int
    n_layers: int

    def __call__(self, key: Any) -> ManifoldMap:
        """A map before its training."""
        same = self.n_features // 2
        sizes = (same, self.hidden, 2 * (self.n_features - same))
        keys = jax.random.split(key, self.n_layers)
        return ManifoldMap(tuple(Dense(sizes, one) for one in keys), self.n_kept)


@dataclass(frozen=True)
class ManifoldFlows:
    """A stack of g maps onto manifolds, and of the densities on them.

    Attributes
    ----------
    maps
        In NumPy arrays.
    density
        Of the kept coordinates, each in units of its standard deviation.
    mean, spread
        Of the kept coordinates, shape (g, n_kept).
    failed
        Which diverged or collapsed, shape (g,).
    """

    maps: ManifoldMap
    density: Flows
    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    failed: NDArray[np.bool_]

    def judge(
        self, x: NDArray[np.floating], groups: NDArray[np.integer]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Squared distance from the manifold, and ln p of the coordinates on it, shape (n,) each.

        Standardised features (n, d), the group of each event (n,).
        """
        distance = evaluate(self.maps, _distance, (x,), groups=groups, chunk=_CHUNK)
        kept = evaluate(self.maps, _inward, (x,), groups=groups, chunk=_CHUNK)
        u = ((kept - self.mean[groups]) / self.spread[groups]).astype(np.float32)
        return distance, self.density.log_density(u, np.zeros((len(x), 1), np.float32), groups)


def train_manifolds(
    x: NDArray[np.floating],
    weights: NDArray[np.floating],
    rng: np.random.Generator,
    settings: TrainingSettings,
    *,
    n_kept: int,
    hidden: int = 32,
    n_layers: int = 6,
    components: int = 8,
) -> ManifoldFlows:
    """Train g maps and then the densities on their manifolds.

    Parameters
    ----------
    x
        Standardised features, shape (n, d).
    weights
        Of each training, shape (g, n).
    n_kept
        Dimensions of the manifold, 1 to d - 1.

    Raises
    ------
    ArgumentError
        For shapes that do not match, or another number of dimensions.
    ComputationError
        If a training has no events.
    """
    if x.ndim != 2 or not 1 <= n_kept < x.shape[1]:
        raise ArgumentError(f"a manifold of {n_kept} dimensions in features of shape {x.shape}")
    train, check = split_off(weights, 0.1, rng)
    maps = stacked(ManifoldMaker(x.shape[1], n_kept, hidden, n_layers), len(weights), rng)
    # Of unit variance each: who brings back none of them is so far off.
    fitted = fit(maps, _LOSS, (x,), train, check, rng, settings, trivial=float(x.shape[1]))
    kept = evaluate(fitted.models, _inward, (x,), chunk=_CHUNK)
    share = weights / weights.sum(axis=1, keepdims=True)
    mean = np.einsum("gn,gnk->gk", share, kept)
    spread = np.sqrt(np.einsum("gn,gnk->gk", share, (kept - mean[:, np.newaxis]) ** 2))
    u = (kept - mean[:, np.newaxis]) / spread[:, np.newaxis]
    # Each density is of the coordinates of its own map: the events of all of them, one after the other.
    g, n = weights.shape
    own = np.zeros((g, g, n))
    own[np.arange(g), np.arange(g)] = weights
    density = train_flows(
        u.reshape(g * n, n_kept).astype(np.float32),
        np.zeros((g * n, 1), np.float32),
        own.reshape(g, g * n),
        rng,
        settings,
        hidden=hidden,
        components=components,
    )
    return ManifoldFlows(fitted.models, density, mean, spread, fitted.failed | density.failed)


def _distance(model: Any, batch: Any) -> Any:
    return model.distance(*batch)


def _inward(model: Any, batch: Any) -> Any:
    return model.inward(*batch)


def _minus_score(model: Any, batch: Any, key: Any) -> Any:  # noqa: ARG001
    # Far outliers do not decide where the manifold lies.
    return jnp.minimum(model.distance(*batch), 100.0)


_LOSS = PerEvent(_minus_score)

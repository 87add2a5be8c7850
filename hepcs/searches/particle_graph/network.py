"""The graph autoencoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hepcs.neural.backend import eqx, jax, jnp
from hepcs.neural.layers import Dense, Standardised, standardised
from hepcs.neural.stacking import stacked
from hepcs.neural.training import weighted_mean
from hepcs.searches.cut_and_fit.networks import Arrays, Network
from hepcs.searches.cut_and_fit.particles import constant_error, particles
from hepcs.searches.cut_and_fit.training import Events

# Jets whose distances are in memory at a time.
_BLOCK = 4096


class GraphAutoencoder(eqx.Module):
    """Two convolutions over edges there, and two back."""

    inputs: Standardised
    layers: tuple[Dense, ...]

    def __call__(self, jets: Any, neighbours: Any) -> tuple[Any, Any]:
        """Standardised constituents, and what is left of them, (n, m, 3); neighbours (n, m, k) are places in m."""
        there = (jets[..., :1] > 0).astype(jnp.float32)
        known = self.inputs(_seen(jets, jnp)) * there
        # Of those that are there, one's own place too, which fills up where a jet has few.
        x, last = known, len(self.layers) - 1
        for i, layer in enumerate(self.layers):
            around = jax.vmap(lambda values, places: values[places])(x, neighbours)
            here = jnp.broadcast_to(x[:, :, jnp.newaxis], around.shape)
            x = layer(jnp.concatenate([here, around - here], axis=-1)).mean(axis=2)
            # The latent numbers and the answer are as they are.
            x = (x if i in {1, last} else jax.nn.leaky_relu(x, 0.1)) * there
        return known, x


@dataclass(frozen=True)
class _Layers:
    """Layers of messages, from a key."""

    width: int
    latent: int

    def __call__(self, key: Any) -> tuple[Dense, ...]:
        sizes = (3, self.width, self.latent, self.width, 3)
        keys = jax.random.split(key, 4)
        return tuple(
            Dense((2 * before, self.width, after), one)
            for before, after, one in zip(sizes, sizes[1:], keys, strict=False)
        )


@dataclass(frozen=True)
class ParticleGraphs(Network):
    """Graphs of up to `most` constituents; both jets of an event by one network, and their mean error."""

    most: int
    neighbours: int
    width: int
    latent: int
    chamfer: bool

    def data(self, events: Events) -> Arrays:
        """See :meth:`Network.data`; constituents (n, 2, m, 3), and their neighbours (n, 2, m, k)."""
        x = particles(events.features(), self.most)
        return {"x": x, "neighbours": nearest(x, min(self.neighbours, x.shape[2] - 1))}

    def build(self, data: Arrays, weights: NDArray[np.float64], rng: np.random.Generator) -> GraphAutoencoder:
        """See :meth:`Network.build`."""
        x = _seen(data["x"], np).reshape(len(data["x"]), -1, 3)
        layers = stacked(_Layers(self.width, self.latent), len(weights), rng)
        return GraphAutoencoder(standardised(x, weights), layers)

    def loss(self, model: GraphAutoencoder, batch: Any, weights: Any, key: Any) -> Any:  # noqa: ARG002
        """Mean error."""
        return weighted_mean(self.score(model, batch), weights)

    def trivial(self, models: GraphAutoencoder, data: Arrays) -> float | None:
        """That of one that says the mean of all constituents; none of the chamfer distance."""
        if self.chamfer:
            return None
        jets = data["x"].reshape(-1, *data["x"].shape[-2:])
        known = models.inputs.of_group(_seen(jets, np), 0)
        return 0.98 * constant_error(known, jets[..., 0] > 0)

    def score(self, model: GraphAutoencoder, batch: Any) -> Any:
        """Mean squared error of constituents, mean of both jets."""
        x, near = batch["x"], batch["neighbours"]
        jets = x.reshape(-1, *x.shape[-2:])
        known, said = model(jets, near.reshape(-1, *near.shape[-2:]))
        there = (jets[..., 0] > 0).astype(jnp.float32)
        if self.chamfer:
            squares = jnp.square(known[:, :, jnp.newaxis] - said[:, jnp.newaxis]).mean(axis=-1)
            missing = 1e6 * (1 - there)
            each = (squares + missing[:, jnp.newaxis]).min(axis=2) + (
                squares + missing[:, :, jnp.newaxis]
            ).min(axis=1)
        else:
            each = jnp.square(known - said).mean(axis=-1)
        errors = (each * there).sum(axis=-1) / jnp.maximum(there.sum(axis=-1), 1.0)
        return errors.reshape(len(x), -1).mean(axis=1)


def nearest(x: NDArray[np.float32], k: int) -> NDArray[np.int16]:
    """Places of the k nearest others of each constituent.

    Parameters
    ----------
    x
        Share of pT and coordinates, zeros behind the last one, shape (n, 2, m, 3).
    k
        Fewer than m.

    Returns
    -------
    ndarray
        Shape (n, 2, m, k); its own place where a jet has fewer.
    """
    jets = x.reshape(-1, *x.shape[-2:])
    n, m, _ = jets.shape
    found = np.empty((n, m, k), dtype=np.int16)
    for start in range(0, n, _BLOCK):
        some = jets[start : start + _BLOCK]
        place = some[..., 1:]
        distance = np.square(place[:, :, np.newaxis] - place[:, np.newaxis]).sum(axis=-1)
        alone = (some[..., 0] <= 0)[:, np.newaxis] | np.eye(m, dtype=np.bool_)
        distance = np.where(alone, np.inf, distance)
        order = np.argsort(distance, axis=-1, kind="stable")[..., :k]
        far = np.isinf(np.take_along_axis(distance, order, axis=-1))
        found[start : start + _BLOCK] = np.where(far, np.arange(m)[:, np.newaxis], order)
    return found.reshape(*x.shape[:-1], k)


def _seen(jets: Any, numpy: Any) -> Any:
    """What the network is given of constituents (..., 3): logarithm of the share of pT, and coordinates."""
    share = numpy.log(numpy.maximum(jets[..., :1], 1e-4))
    return numpy.concatenate([share, jets[..., 1:]], axis=-1)

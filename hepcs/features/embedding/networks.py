"""Networks of embeddings and their losses.

UCluster: Mikuni and Canelli, "Unsupervised clustering for collider physics", PRD 103 (2021) 092007: a task, here
the bin of the jet's mass over its pT, and a clustering loss (eq. 2 there) draw jets of one kind together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from hepcs.features.embedding import augmentations
from hepcs.features.embedding.section import Embedding
from hepcs.neural.autoencoders import Autoencoder, DenseHalves, autoencoders
from hepcs.neural.backend import eqx, jax, jnp
from hepcs.neural.contrastive import Contrastive
from hepcs.neural.layers import Dense
from hepcs.neural.stacking import Data, stacked
from hepcs.neural.training import PerEvent, weighted_mean
from hepcs.neural.transformer import TransformerEncoder, Transformers

# Shares of pT range over e^-8 or so, and distances to 1: both of order one.
_LOG_SCALE, _ANGLE_SCALE = 0.25, 4.0


class JetNetwork(eqx.Module):
    """Constituents (..., n, 3) of jets to d numbers each; their pT counts as a share of all of it."""

    encoder: TransformerEncoder

    def __call__(self, jets: Any) -> Any:
        """Shape (..., d)."""
        pt, where = jets[..., 0], jets[..., 1:]
        there = pt > 0
        share = pt / jnp.maximum(pt.sum(axis=-1, keepdims=True), 1e-30)
        size = _LOG_SCALE * jnp.log(jnp.maximum(share, 1e-8)) + 1
        distance = jnp.sqrt(jnp.square(where).sum(axis=-1) + 1e-12)
        seen = [size[..., jnp.newaxis], _ANGLE_SCALE * where, _ANGLE_SCALE * distance[..., jnp.newaxis]]
        return self.encoder(jnp.concatenate(seen, axis=-1), there)


class UCluster(eqx.Module):
    """A network of jets, a classifier of its numbers, and the points to which they are drawn."""

    network: JetNetwork
    classifier: Dense
    centres: Any


@dataclass(frozen=True)
class JetNetworks:
    """From a key to an untrained network of the methods that read constituents."""

    dimension: int
    width: int
    heads: int
    layers: int
    clusters: int = 0
    mass_bins: int = 0

    def __call__(self, key: Any) -> JetNetwork | UCluster:
        """The network; with clusters that of UCluster."""
        keys = jax.random.split(key, 3)
        encoder = Transformers(4, self.width, self.heads, self.layers, 2 * self.width, self.dimension)
        network = JetNetwork(encoder(keys[0]))
        if not self.clusters:
            return network
        classifier = Dense((self.dimension, self.width, self.mass_bins), keys[1])
        return UCluster(network, classifier, jax.random.normal(keys[2], (self.clusters, self.dimension)))


@dataclass(frozen=True)
class UClusterLoss:
    """Cross entropy of the mass bin, plus the mean squared distance to the centres, each as far as it is near."""

    clustering: float

    def __call__(self, model: UCluster, batch: Data, weights: Any, key: Any) -> Any:  # noqa: ARG002
        """See :class:`hepcs.neural.training.Loss`."""
        z = model.network(batch["jets"])
        said = jax.nn.log_softmax(model.classifier(z))
        entropy = -jnp.take_along_axis(said, batch["bin"][:, jnp.newaxis], axis=1)[:, 0]
        squares = jnp.square(z[:, jnp.newaxis] - model.centres).sum(axis=-1)
        drawn = (squares * jax.nn.softmax(-squares)).sum(axis=-1)
        return weighted_mean(entropy + self.clustering * drawn, weights)


def untrained(section: Embedding, x: Any, weights: Any, rng: np.random.Generator) -> Any:
    """A stack of one network; `x` are the features of an autoencoder (n, d), with weights (1, n)."""
    if section.method == "latent":
        return autoencoders(
            DenseHalves(x.shape[-1], (2 * section.width, section.width), section.dimension), x, weights, rng
        )
    sizes = (section.dimension, section.width, section.heads, section.layers)
    if section.method == "ucluster":
        return stacked(JetNetworks(*sizes, section.clusters, section.mass_bins), 1, rng)
    return stacked(JetNetworks(*sizes), 1, rng)


def loss_of(section: Embedding) -> Any:
    """What is minimised."""
    if section.method == "latent":
        return PerEvent(_reconstruction_error)
    if section.method == "ucluster":
        return UClusterLoss(section.clustering)
    return Contrastive(section.loss, augmentations.physical, augmentations.anomaly, section.temperature)


def _reconstruction_error(model: Autoencoder, x: Any, key: Any) -> Any:  # noqa: ARG001
    return model.errors(x)


def embed_contrastive(model: JetNetwork, jets: Any) -> Any:
    """Numbers of jets (b, d), of length one: the losses know their directions alone."""
    z = model(jets)
    return z * jax.lax.rsqrt(jnp.maximum(jnp.square(z).sum(axis=-1, keepdims=True), 1e-12))


def embed_ucluster(model: UCluster, jets: Any) -> Any:
    """Numbers of jets (b, d)."""
    return model.network(jets)


def embed_latent(model: Autoencoder, x: Any) -> Any:
    """Latent numbers of features (b, d)."""
    return model.encoder(model.inputs(x))


#: By method.
EMBED: dict[str, Callable[[Any, Any], Any]] = {
    "contrastive": embed_contrastive,
    "ucluster": embed_ucluster,
    "latent": embed_latent,
}

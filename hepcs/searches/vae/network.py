"""The network of the search by a variational autoencoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hepcs.neural.autoencoders import Autoencoder, DenseHalves, spread
from hepcs.neural.backend import jax, jnp
from hepcs.neural.independence import distance_correlation
from hepcs.neural.layers import Dense, standardised
from hepcs.neural.stacking import stacked
from hepcs.neural.training import weighted_mean
from hepcs.searches.cut_and_fit.networks import Arrays, Network


@dataclass(frozen=True)
class _Halves:
    """As dense halves, but the encoder gives mean and log variance of the latent numbers."""

    dense: DenseHalves

    def __call__(self, key: Any) -> tuple[Dense, Dense]:
        there, back = jax.random.split(key)
        shape = self.dense
        sizes = (shape.n_features, *shape.widths)
        return Dense((*sizes, 2 * shape.latent), there), Dense((*sizes, shape.latent)[::-1], back)


@dataclass(frozen=True)
class Variational(Network):
    """Gaussian encoder and decoder, of events or of jets; an event is the sum of its jets."""

    widths: tuple[int, ...]
    latent: int
    beta_reco: float
    independence: float
    score_of: Literal["likelihood", "reconstruction", "latent"]
    common_scale: bool

    def build(self, data: Arrays, weights: NDArray[np.float64], rng: np.random.Generator) -> Autoencoder:
        """See :meth:`Network.build`."""
        x = data["x"]
        halves = _Halves(DenseHalves(x.shape[-1], self.widths, self.latent))
        inputs = standardised(x, weights, together=self.common_scale)
        return Autoencoder(inputs, *stacked(halves, len(weights), rng))

    def loss(self, model: Autoencoder, batch: Any, weights: Any, key: Any) -> Any:
        """Bound of -log p (arXiv:1312.6114, eq. 10), and the distance correlation of latent means and m_jj."""
        divergence, error, mean = self._terms(model, batch["x"], key)
        found = weighted_mean(divergence + error, weights)
        if self.independence:
            found += self.independence * distance_correlation(mean, batch["m_jj"], weights)
        return found

    def trivial(self, models: Autoencoder, data: Arrays) -> float:
        """That of a decoder which says the mean, and of an encoder which gives the prior."""
        columns = data["x"][0].size
        return 0.98 * 0.5 * self.beta_reco * columns * spread(models, data["x"])

    def score(self, model: Autoencoder, batch: Any) -> Any:
        """See :attr:`score_of`; at the mean of the latent numbers, so that nothing is drawn."""
        divergence, error, _ = self._terms(model, batch["x"], None)
        return {"likelihood": divergence + error, "reconstruction": error, "latent": divergence}[
            self.score_of
        ]

    def _terms(self, model: Autoencoder, x: Any, key: Any) -> tuple[Any, Any, Any]:
        """Of each event: divergence from the prior, error of the reconstruction, latent means."""
        known = model.inputs(x)
        mean, log_variance = jnp.split(model.encoder(known), 2, axis=-1)
        log_variance = jnp.clip(log_variance, -15.0, 5.0)
        z = mean
        if key is not None:
            z = mean + jnp.exp(log_variance / 2) * jax.random.normal(key, mean.shape)
        divergence = 0.5 * (jnp.square(mean) + jnp.exp(log_variance) - log_variance - 1)
        error = 0.5 * self.beta_reco * jnp.square(known - model.decoder(z))
        n = len(x)
        return divergence.reshape(n, -1).sum(axis=1), error.reshape(n, -1).sum(axis=1), mean.reshape(n, -1)

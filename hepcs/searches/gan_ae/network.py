"""The networks of GAN-AE: autoencoder and adversary, trained in the same steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hepcs.neural.autoencoders import Autoencoder, DenseHalves, autoencoders
from hepcs.neural.backend import eqx, jax, jnp
from hepcs.neural.independence import distance_correlation
from hepcs.neural.layers import Dense, reversed_gradient
from hepcs.neural.stacking import stacked
from hepcs.neural.training import weighted_mean
from hepcs.searches.cut_and_fit.networks import Arrays, Network


class Opponents(eqx.Module):
    """An autoencoder, and the adversary that tells true features from its own."""

    autoencoder: Autoencoder
    adversary: Dense


@dataclass(frozen=True)
class _Adversary:
    sizes: tuple[int, ...]

    def __call__(self, key: Any) -> Dense:
        return Dense(self.sizes, key)


@dataclass(frozen=True)
class Adversarial(Network):
    """Binary cross-entropy of the adversary, epsilon times the distance, alpha times DisCo.

    The two sides alternate in the papers; here the gradient of the adversary's loss is reversed where it comes to
    the autoencoder, so that each step trains both.
    """

    widths: tuple[int, ...]
    latent: int
    layers: tuple[int, ...]
    distance: float
    independence: float

    def build(self, data: Arrays, weights: NDArray[np.float64], rng: np.random.Generator) -> Opponents:
        """See :meth:`Network.build`."""
        x = data["x"]
        n = x.shape[-1]
        adversary = stacked(_Adversary((n, *self.layers, 1)), len(weights), rng)
        return Opponents(autoencoders(DenseHalves(n, self.widths, self.latent), x, weights, rng), adversary)

    def loss(self, model: Opponents, batch: Any, weights: Any, key: Any) -> Any:
        """All three terms."""
        known, said = model.autoencoder(batch["x"])
        # -log D of true features and -log(1 - D) of made ones.
        odds = model.adversary(known), model.adversary(reversed_gradient(said))
        entropy = jax.nn.softplus(-odds[0]) + jax.nn.softplus(odds[1])
        each = entropy.reshape(len(known), -1).mean(axis=1)
        return weighted_mean(each, weights) + self.check(model, batch, weights, key)

    def check(self, model: Opponents, batch: Any, weights: Any, key: Any) -> Any:  # noqa: ARG002
        """Distance and DisCo: the adversary's part tells how strong it is, not how good the autoencoder is."""
        distances = self.score(model, batch)
        found = self.distance * weighted_mean(distances, weights)
        if self.independence:
            found += self.independence * distance_correlation(distances, batch["m_jj"], weights)
        return found

    def trivial(self, models: Opponents, data: Arrays) -> float:
        """The distance from the mean of all events."""
        inputs, x = models.autoencoder.inputs, data["x"]
        rows = np.clip((x - inputs.mean[0]) / inputs.scale[0], -10, 10)
        return 0.98 * self.distance * float(np.sqrt(np.square(rows).mean(axis=-1)).mean())

    def score(self, model: Opponents, batch: Any) -> Any:
        """Euclidean distance in units of standard deviations a feature, mean of both jets."""
        known, said = model.autoencoder(batch["x"])
        # A root has no slope at zero.
        distances = jnp.sqrt(jnp.square(known - said).mean(axis=-1) + 1e-12)
        return distances.reshape(len(known), -1).mean(axis=1)

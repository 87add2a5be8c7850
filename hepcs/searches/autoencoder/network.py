"""The network of the autoencoder search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hepcs.neural.autoencoders import Autoencoder, DenseHalves, ImageHalves, autoencoders, spread
from hepcs.neural.training import weighted_mean
from hepcs.searches.cut_and_fit.networks import Arrays, Network


@dataclass(frozen=True)
class Reconstruction(Network):
    """An autoencoder of events, or of jets: one for both, and the mean error of both is that of the event."""

    images: bool
    widths: tuple[int, ...]
    channels: tuple[int, int, int]
    latent: int
    common_scale: bool

    def build(self, data: Arrays, weights: NDArray[np.float64], rng: np.random.Generator) -> Autoencoder:
        """See :meth:`Network.build`."""
        x = data["x"]
        n = x.shape[-1]
        halves = (
            ImageHalves(round(n**0.5), self.channels, self.latent)
            if self.images
            else DenseHalves(n, self.widths, self.latent)
        )
        return autoencoders(halves, x, weights, rng, together=self.common_scale)

    def loss(self, model: Autoencoder, batch: Any, weights: Any, key: Any) -> Any:  # noqa: ARG002
        """Mean error."""
        return weighted_mean(model.errors(batch["x"]), weights)

    def trivial(self, models: Autoencoder, data: Arrays) -> float:
        """That of the mean of all events."""
        return 0.98 * spread(models, data["x"])

    def score(self, model: Autoencoder, batch: Any) -> Any:
        """Error."""
        return model.errors(batch["x"])

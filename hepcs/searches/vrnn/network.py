"""The variational recurrent network."""

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


class Cell(eqx.Module):
    """One step: what is expected of the next constituent, what is believed of it once seen, what is remembered."""

    prior: Dense
    encoder: Dense
    decoder: Dense
    gates: Dense
    news: Dense

    def __call__(self, memory: Any, seen: Any, noise: Any) -> tuple[Any, Any, Any]:
        """Memory after, KL divergence (b,) of belief from expectation, and what the decoder says, (b, 3).

        Memory (b, h), constituents (b, 3), and noise (b, z) of a normal distribution.
        """
        expected, width = _gaussian(self.prior(memory))
        mean, log_width = _gaussian(self.encoder(jnp.concatenate([seen, memory], axis=-1)))
        ratio = jnp.exp(2 * (log_width - width)) + jnp.square(mean - expected) * jnp.exp(-2 * width)
        divergence = 0.5 * (ratio - 1) - (log_width - width)
        z = mean + jnp.exp(log_width) * noise
        said = self.decoder(jnp.concatenate([z, memory], axis=-1))
        # A gated recurrent unit (Cho et al., arXiv:1406.1078).
        inputs = jnp.concatenate([seen, z], axis=-1)
        update, reset = jnp.split(
            jax.nn.sigmoid(self.gates(jnp.concatenate([inputs, memory], axis=-1))), 2, axis=-1
        )
        new = jnp.tanh(self.news(jnp.concatenate([inputs, reset * memory], axis=-1)))
        return (1 - update) * memory + update * new, divergence.sum(axis=-1), said


def _gaussian(numbers: Any) -> tuple[Any, Any]:
    """Means, and logarithms of widths between e^-4 and e^2."""
    mean, log_width = jnp.split(numbers, 2, axis=-1)
    return mean, -1 + 3 * jnp.tanh(log_width / 3)


@dataclass(frozen=True)
class _Cells:
    """A cell, from a key."""

    hidden: int
    latent: int

    def __call__(self, key: Any) -> Cell:
        h, z = self.hidden, self.latent
        keys = jax.random.split(key, 5)
        sizes = ((h, h, 2 * z), (3 + h, h, 2 * z), (z + h, h, 3), (3 + z + h, 2 * h), (3 + z + h, h))
        return Cell(*(Dense(one, key) for one, key in zip(sizes, keys, strict=True)))


class Reader(eqx.Module):
    """A cell that reads standardised constituents."""

    inputs: Standardised
    cell: Cell


@dataclass(frozen=True)
class Recurrent(Network):
    """Reads jets of up to `most` constituents; both jets of an event by one network."""

    most: int
    hidden: int
    latent: int
    divergence: float

    def data(self, events: Events) -> Arrays:
        """See :meth:`Network.data`; constituents (n, 2, m, 3): share of pT, and two coordinates."""
        return {"x": particles(events.features(), self.most)}

    def build(self, data: Arrays, weights: NDArray[np.float64], rng: np.random.Generator) -> Reader:
        """See :meth:`Network.build`."""
        x = _seen(data["x"], np).reshape(len(data["x"]), -1, 3)
        cells = stacked(_Cells(self.hidden, self.latent), len(weights), rng)
        return Reader(standardised(x, weights), cells)

    def loss(self, model: Reader, batch: Any, weights: Any, key: Any) -> Any:
        """Mean over constituents of MSE + 0.1 pT-share KL; the share in units of its mean in the jet."""
        divergence, error, share, there = self._read(model, batch["x"], key)
        count = jnp.maximum(there.sum(axis=-1), 1.0)
        relative = share * count[:, jnp.newaxis]
        each = ((error + self.divergence * relative * divergence) * there).sum(axis=-1) / count
        return weighted_mean(each.reshape(len(weights), -1).mean(axis=1), weights)

    def trivial(self, models: Reader, data: Arrays) -> float:
        """That of one that says the mean of all constituents, and believes what it expected."""
        jets = data["x"].reshape(-1, *data["x"].shape[-2:])
        known = models.inputs.of_group(_seen(jets, np), 0)
        return 0.98 * constant_error(known, jets[..., 0] > 0)

    def score(self, model: Reader, batch: Any) -> Any:
        """Mean KL over constituents and both jets.

        1 - exp(-KL), which is the published score, rises with it, and is 1 in single precision from 17 on.
        """
        divergence, _, _, there = self._read(model, batch["x"], None)
        mean = (divergence * there).sum(axis=-1) / jnp.maximum(there.sum(axis=-1), 1.0)
        return mean.reshape(len(batch["x"]), -1).mean(axis=1)

    def _read(self, model: Reader, x: Any, key: Any) -> tuple[Any, Any, Any, Any]:
        """KL, squared error, share of pT, and whether there is one, of each constituent: (2b, m) all."""
        jets = x.reshape(-1, *x.shape[-2:])
        n, m, _ = jets.shape
        there = (jets[..., 0] > 0).astype(jnp.float32)
        seen = model.inputs(_seen(jets, jnp))
        shape = (m, n, self.latent)
        noise = jnp.zeros(shape) if key is None else jax.random.normal(key, shape)

        def step(memory: Any, inputs: Any) -> Any:
            one, noise = inputs
            memory, divergence, said = model.cell(memory, one, noise)
            return memory, (divergence, jnp.square(one - said).mean(axis=-1))

        start = jnp.zeros((n, self.hidden))
        _, (divergence, error) = jax.lax.scan(step, start, (seen.transpose(1, 0, 2), noise))
        return divergence.T, error.T, jets[..., 0], there


def _seen(jets: Any, numpy: Any) -> Any:
    """What the network is given of constituents (..., 3): logarithm of the share of pT, and coordinates."""
    share = numpy.log(numpy.maximum(jets[..., :1], 1e-4))
    return numpy.concatenate([share, jets[..., 1:]], axis=-1)

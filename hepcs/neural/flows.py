"""Densities of a few features, given m_jj: one autoregressive flow of mixtures.

Each feature is transformed by the distribution function of a mixture of Gaussians, whose weights, means and widths
a small network makes of the features before it and of the condition (Papamakarios et al., JMLR 22 (2021) 57,
section 3.1.3; Uria, Murray, Larochelle, NIPS 2013). One such layer is flexible enough for substructure, has its
density in one pass and a sample in d; stacks of affine layers need many more, and leak between modes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hepcs.neural.backend import eqx, jax, jnp

Array = Any

# Widths of a component in units of the feature's standard deviation: none can collapse onto an event.
_NARROWEST, _WIDEST = -3.5, 1.5
_HALF_LOG_2_PI = 0.5 * np.log(2 * np.pi)


class AutoregressiveFlow(eqx.Module):
    """p(x | c) of d standardised features, given q conditions.

    Attributes
    ----------
    first, second, last
        Weights of the d networks: (d, q + d, h), (d, h, h) and (d, h, 3 k) for k components.
    first_bias, second_bias, last_bias
        Their biases, shape (d, h), (d, h) and (d, 3 k).
    """

    first: Array
    first_bias: Array
    second: Array
    second_bias: Array
    last: Array
    last_bias: Array

    def __init__(
        self, n_features: int, n_conditions: int, key: Array, *, hidden: int = 32, components: int = 8
    ) -> None:
        keys = jax.random.split(key, 3)
        d, q, h, k = n_features, n_conditions, hidden, components
        self.first = jax.random.normal(keys[0], (d, q + d, h)) / jnp.sqrt(q + d)
        self.first_bias = jnp.zeros((d, h))
        self.second = jax.random.normal(keys[1], (d, h, h)) / jnp.sqrt(1.0 * h)
        self.second_bias = jnp.zeros((d, h))
        self.last = 0.3 * jax.random.normal(keys[2], (d, h, 3 * k)) / jnp.sqrt(1.0 * h)
        # Components that begin side by side.
        begin = jnp.concatenate([jnp.zeros(k), jnp.linspace(-2.0, 2.0, k), jnp.zeros(k)])
        self.last_bias = jnp.tile(begin, (d, 1))

    @property
    def n_features(self) -> int:
        """Number d of features."""
        return int(self.last_bias.shape[-2])

    def _mixtures(self, x: Array, condition: Array) -> tuple[Array, Array, Array]:
        """Log weights, means and log widths, each (d, n, k), of n events: features (n, d), condition (n, q)."""
        seen = jnp.concatenate([condition, x], axis=1)
        # Network i sees the conditions and the features before i.
        d = self.n_features
        before = jnp.concatenate([jnp.ones((d, condition.shape[1])), jnp.tril(jnp.ones((d, d)), -1)], axis=1)
        hidden = jax.nn.silu(jnp.matmul(seen, self.first * before[:, :, None]) + self.first_bias[:, None])
        hidden = jax.nn.silu(jnp.matmul(hidden, self.second) + self.second_bias[:, None])
        out = jnp.matmul(hidden, self.last) + self.last_bias[:, None]
        weights, means, widths = jnp.split(out, 3, axis=-1)
        middle, half = (_WIDEST + _NARROWEST) / 2, (_WIDEST - _NARROWEST) / 2
        return jax.nn.log_softmax(weights), means, middle + half * jnp.tanh((widths - middle) / half)

    def log_density(self, x: Array, condition: Array) -> Array:
        """Natural logarithm of p(x | c): features (n, d) and conditions (n, q) to (n,)."""
        weights, means, widths = self._mixtures(x, condition)
        pulls = (x.T[:, :, None] - means) * jnp.exp(-widths)
        return jax.scipy.special.logsumexp(weights - widths - 0.5 * pulls**2 - _HALF_LOG_2_PI, axis=-1).sum(
            axis=0
        )

    def sample(self, condition: Array, uniform: Array, normal: Array) -> Array:
        """Events (n, d) for conditions (n, q): a function of uniform and normal random numbers, (n, d) each."""

        def draw(number: Array, x: Array) -> Array:
            weights, means, widths = (one[number] for one in self._mixtures(x, condition))
            chosen = (jnp.cumsum(jnp.exp(weights), axis=1) < uniform[:, number, None]).sum(axis=1)
            chosen = jnp.minimum(chosen, weights.shape[1] - 1)[:, None]
            mean, width = (jnp.take_along_axis(one, chosen, axis=1)[:, 0] for one in (means, widths))
            return x.at[:, number].set(mean + jnp.exp(width) * normal[:, number])

        return jax.lax.fori_loop(0, self.n_features, draw, jnp.zeros(uniform.shape))


@dataclass(frozen=True)
class FlowMaker:
    """Makes flows of d features and q conditions; equal ones share what is compiled."""

    n_features: int
    n_conditions: int
    hidden: int = 32
    components: int = 8

    def __call__(self, key: Array) -> AutoregressiveFlow:
        """A flow before its training."""
        return AutoregressiveFlow(
            self.n_features, self.n_conditions, key, hidden=self.hidden, components=self.components
        )

"""Layers that networks of searches are made of."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hepcs.neural.backend import eqx, jax, jnp


class Dense(eqx.Module):
    """Fully connected layers, leaky rectifiers between them: one event (d_in,), or any number, to (..., d_out)."""

    weights: tuple[Any, ...]
    biases: tuple[Any, ...]

    def __init__(self, sizes: Sequence[int], key: Any) -> None:
        keys = jax.random.split(key, len(sizes) - 1)
        # He et al., arXiv:1502.01852, for rectifiers.
        self.weights = tuple(
            jax.random.normal(one, (before, after)) * np.sqrt(2 / before)
            for one, (before, after) in zip(keys, pairwise(sizes), strict=True)
        )
        self.biases = tuple(jnp.zeros(after) for after in sizes[1:])

    def __call__(self, x: Any) -> Any:
        """All layers; the last one without a rectifier."""
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = (jax.nn.leaky_relu(x, 0.1) if i else x) @ weight + bias
        return x


class Standardised(eqx.Module):
    """Features in units of their standard deviation, from their mean, and not beyond ten of them."""

    mean: Any
    scale: Any

    def __call__(self, x: Any) -> Any:
        """Features (..., d)."""
        mean, scale = jax.lax.stop_gradient((self.mean, self.scale))
        return jnp.clip((x - mean) / scale, -10.0, 10.0)

    def of_group(self, x: NDArray[np.floating], group: int) -> NDArray[np.floating]:
        """The same of one group of a stack, in NumPy."""
        return np.clip((x - self.mean[group]) / self.scale[group], -10.0, 10.0)


def standardised(
    x: NDArray[np.floating], weights: NDArray[np.floating], *, together: bool = False
) -> Standardised:
    """A stack of :class:`Standardised`, each of the events that its group is trained on.

    Parameters
    ----------
    x
        Features, shape (n, d) of events or (n, j, d) of j jets of each, whose columns mean the same.
    weights
        Shape (g, n).
    together
        Whether all columns have one scale, by which they have a variance of 1 in the mean.
    """
    share = weights / weights.sum(axis=1, keepdims=True)
    rows = np.asarray(x, dtype=np.float64).reshape(len(x), -1, x.shape[-1])
    centre = rows.mean(axis=(0, 1))
    shifted = rows - centre
    distance = share @ shifted.mean(axis=1)
    variance = share @ np.square(shifted).mean(axis=1) - np.square(distance)
    mean = centre + distance
    if together:
        variance = np.broadcast_to(variance.mean(axis=1, keepdims=True), variance.shape)
    scale = np.sqrt(np.maximum(variance, 0.0))
    # A feature that is constant but for rounding tells nothing.
    constant = scale <= 1e-6 * np.maximum(np.abs(mean), 1e-30)
    return Standardised(mean.astype(np.float32), np.where(constant, 1.0, scale).astype(np.float32))


@jax.custom_vjp
def reversed_gradient(x: Any) -> Any:
    """The same, with the opposite gradient: what comes after it is trained against what comes before.

    Ganin et al., JMLR 17 (2016) 59.
    """
    return x


reversed_gradient.defvjp(lambda x: (x, None), lambda _, g: (jax.tree.map(jnp.negative, g),))

"""Distance correlation: zero only for independent numbers, so that as a term of a loss it decorrelates."""

from __future__ import annotations

from typing import Any

from hepcs.neural.backend import jnp


def distance_correlation(x: Any, y: Any, weights: Any) -> Any:
    """Squared distance correlation of weighted events, in [0, 1] (Székely, Rizzo, Bakirov, arXiv:0803.4101).

    As in DisCo, Kasieczka and Shih, PRL 125 (2020) 122001, section II.

    Parameters
    ----------
    x, y
        Numbers (b,) or vectors (b, d) of b events.
    weights
        Shape (b,).
    """
    share = weights / jnp.maximum(weights.sum(), 1e-12)
    a, b = _centred(x, share), _centred(y, share)
    pairs = share[:, jnp.newaxis] * share
    covariance, x_variance, y_variance = ((pairs * product).sum() for product in (a * b, a * a, b * b))
    return covariance / jnp.sqrt(jnp.maximum(x_variance * y_variance, 1e-20))


def _centred(values: Any, share: Any) -> Any:
    """Distances (b, b) of all pairs, without what each event has from all others."""
    flat = values.reshape(len(values), -1)
    square = jnp.square(flat[:, jnp.newaxis] - flat).sum(axis=-1)
    # A root has no slope at zero.
    distance = jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1.0)), 0.0)
    of_each = distance @ share
    return distance - of_each[:, jnp.newaxis] - of_each + of_each @ share

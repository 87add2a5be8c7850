"""Contrastive losses: views of one event alike, and what an anomaly would look like far away.

Dillon et al., "Anomalies, Representations, and Self-Supervision", section 3. Of each event there are its
representation z, that of a physical augmentation z', to which it shall be blind, and that of an anomaly
augmentation z*, which it shall see; s is the cosine similarity of two of them, equation 3.

=====================  ==========================================================================================
`clr`                  -log[e^(s(z, z')/tau) / sum over others of e^(s/tau)], equation 2
`anomaly_clr`          -log[e^((s(z, z') - s(z, z*))/tau) / sum over others of e^(s/tau)], equation 4
`anomaly_clr_plus`     s(z, z*) - s(z, z'), equation 5: no pairs of events, and no trade-off by a temperature
=====================  ==========================================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError
from hepcs.neural.backend import jax, jnp
from hepcs.neural.training import weighted_mean

ContrastiveKind = Literal["clr", "anomaly_clr", "anomaly_clr_plus"]


def similarity(a: Any, b: Any) -> Any:
    """Cosine of the angle between representations (..., d), equation 3; shape (...)."""
    return (_unit(a) * _unit(b)).sum(axis=-1)


def clr(z: Any, physical: Any, weights: Any, temperature: float) -> Any:
    """Loss of each event, equation 2.

    Parameters
    ----------
    z, physical
        Representations of b events, and of an augmentation of each, shape (b, d).
    weights
        Shape (b,): how often an event counts among the negatives of the others.
    temperature
        Above 0: the smaller, the more the nearest of the others count.

    Returns
    -------
    Shape (b,).
    """
    return -similarity(z, physical) / temperature + _negatives(z, physical, weights, temperature)


def anomaly_clr(z: Any, physical: Any, anomaly: Any, weights: Any, temperature: float) -> Any:
    """Loss of each event, equation 4: as :func:`clr`, with an anomaly augmentation of each event, shape (b, d)."""
    return clr(z, physical, weights, temperature) + similarity(z, anomaly) / temperature


def anomaly_clr_plus(z: Any, physical: Any, anomaly: Any) -> Any:
    """Loss of each event, equation 5, in [-2, 2]; representations of shape (b, d)."""
    return similarity(z, anomaly) - similarity(z, physical)


def _unit(z: Any) -> Any:
    # A root has no slope at zero.
    return z * jax.lax.rsqrt(jnp.maximum(jnp.square(z).sum(axis=-1, keepdims=True), 1e-12))


def _negatives(z: Any, physical: Any, weights: Any, temperature: float) -> Any:
    """Logarithm of the sum over all other events and their augmentations, shape (b,)."""
    unit, others = _unit(z), jnp.concatenate([_unit(z), _unit(physical)])
    own = jnp.eye(len(z), dtype=bool)
    counts = jnp.where(jnp.concatenate([own, own], axis=1), 0.0, jnp.concatenate([weights, weights]))
    return jax.scipy.special.logsumexp(unit @ others.T / temperature, axis=1, b=counts)


@dataclass(frozen=True)
class Contrastive:
    """A loss of :func:`hepcs.neural.training.fit`, of networks that make representations (b, d) of a batch.

    Attributes
    ----------
    kind
        Which one.
    physical, anomaly
        From a key and a batch to a batch of the same shapes: all physical augmentations at once, and one anomaly
        augmentation, drawn for each event. Hashable: functions of a module, or frozen dataclasses.
    temperature
        Of the first two kinds.
    """

    kind: ContrastiveKind
    physical: Callable[[Any, Any], Any]
    anomaly: Callable[[Any, Any], Any] | None = None
    temperature: float = 0.1

    def __post_init__(self) -> None:
        if self.kind not in get_args(ContrastiveKind) or not self.temperature > 0:
            raise ArgumentError(
                f"expected one of {get_args(ContrastiveKind)} and a temperature above 0, found {self.kind!r} and "
                f"{self.temperature!r}"
            )
        if self.kind != "clr" and self.anomaly is None:
            raise ArgumentError(f"the loss {self.kind} needs anomaly augmentations")

    def __call__(self, model: Any, batch: Any, weights: Any, key: Any) -> Any:
        """Mean over the events of a batch; see :class:`hepcs.neural.training.Loss`."""
        keys = jax.random.split(key)
        views = [batch, self.physical(keys[0], batch)]
        if self.kind != "clr" and self.anomaly is not None:
            views.append(self.anomaly(keys[1], batch))
        together = jax.tree.map(lambda *arrays: jnp.concatenate(arrays), *views)
        z, physical, *anomaly = jnp.split(model(together), len(views))
        if self.kind == "clr":
            values = clr(z, physical, weights, self.temperature)
        elif self.kind == "anomaly_clr":
            values = anomaly_clr(z, physical, anomaly[0], weights, self.temperature)
        else:
            values = anomaly_clr_plus(z, physical, anomaly[0])
        return weighted_mean(values, weights)


def dispersion(z: NDArray[np.floating]) -> float:
    """Mean of 1 - s over all pairs of representations (n, d): 0 where all are one, and have collapsed."""
    norms = np.linalg.norm(z, axis=1, keepdims=True)
    unit = np.asarray(z, dtype=np.float64) / np.maximum(norms, 1e-30)
    # Of deviations from the mean: 1 - |mean|^2 would lose the last digits.
    return float(np.square(unit - unit.mean(axis=0)).sum(axis=1).mean())

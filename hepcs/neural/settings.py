"""How networks are trained, without JAX."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingSettings:
    """Of :func:`hepcs.neural.training.fit`.

    Attributes
    ----------
    epochs
        Most epochs.
    batch
        Events of a step.
    learning_rate
        Of Adam.
    patience
        Epochs without a lower held-out loss after which a group stops.
    averaged
        Best epochs, by the held-out loss, whose parameters are averaged.
    clip
        Largest norm of the gradient of a net; longer ones are shortened to it.
    """

    epochs: int = 50
    batch: int = 1024
    learning_rate: float = 1e-3
    patience: int = 5
    averaged: int = 3
    clip: float = 10.0

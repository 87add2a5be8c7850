"""Training flows, several at a time, and what they say of events: densities and samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError
from hepcs.neural.backend import jax
from hepcs.neural.flows import AutoregressiveFlow, FlowMaker
from hepcs.neural.settings import TrainingSettings
from hepcs.neural.stacking import evaluate, stacked
from hepcs.neural.training import PerEvent, fit, split_off

# -ln p per feature of a standard normal distribution, and what a training may be worse.
_NORMAL = 0.5 * np.log(2 * np.pi * np.e)
_WORSE = 0.1


@dataclass(frozen=True)
class Flows:
    """A stack of g trained flows of the same d features and q conditions.

    Attributes
    ----------
    models
        The stack, in NumPy arrays.
    loss
        Held-out mean of -ln p, in the best epoch, shape (g,).
    failed
        Which diverged, or know less than that features are standardised, shape (g,).
    """

    models: AutoregressiveFlow
    loss: NDArray[np.float64]
    failed: NDArray[np.bool_]

    def log_density(
        self, x: NDArray[np.floating], conditions: NDArray[np.floating], groups: NDArray[np.integer]
    ) -> NDArray[np.float64]:
        """ln p(x | c), each event by the flow of its group.

        Parameters
        ----------
        x
            Standardised features, shape (n, d).
        conditions
            Shape (n, q), or (q,) of all events.
        groups
            Shape (n,).
        """
        given = np.broadcast_to(conditions, (len(x), np.shape(conditions)[-1]))
        return evaluate(self.models, _log_density, (x, given), groups=groups, chunk=_CHUNK)

    def sample(
        self, conditions: NDArray[np.floating], groups: NDArray[np.integer], rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Standardised features (n, d) drawn from flows: conditions (n, q), the group of each, shape (n,)."""
        shape = (len(conditions), self.models.n_features)
        numbers = (rng.random(shape, np.float32), rng.standard_normal(shape, np.float32))
        drawn = evaluate(self.models, _sample, (conditions, *numbers), groups=groups, chunk=_CHUNK)
        return drawn.astype(np.float32)


_CHUNK = 8192


def joined(stacks: Sequence[Flows]) -> Flows:
    """Several stacks of flows as one."""
    models = jax.tree.map(lambda *arrays: np.concatenate(arrays), *(one.models for one in stacks))
    return Flows(
        models, np.concatenate([one.loss for one in stacks]), np.concatenate([one.failed for one in stacks])
    )


def train_flows(
    x: NDArray[np.floating],
    conditions: NDArray[np.floating],
    weights: NDArray[np.floating],
    rng: np.random.Generator,
    settings: TrainingSettings,
    *,
    hidden: int = 32,
    components: int = 8,
    held_out: float = 0.1,
    start: Flows | None = None,
) -> Flows:
    """Train g flows, each on the events that it has weights for, in one batched computation.

    Parameters
    ----------
    x, conditions
        Standardised features (n, d) and conditions (n, q) of all events.
    weights
        Weights >= 0, such as multiplicities, shape (g, n).
    rng
        For the begin, the events that are held out, and the order of all others.
    settings
        Of the training.
    hidden, components
        Units of a hidden layer, and Gaussians of a mixture, of new flows.
    held_out
        Share of events by which the best epochs are known.
    start
        g trained flows to begin with; new ones if None.

    Raises
    ------
    ArgumentError
        For shapes that do not match.
    ComputationError
        If a flow has no events to train on.
    """
    if x.ndim != 2 or conditions.ndim != 2 or weights.ndim != 2:
        raise ArgumentError(
            f"expected features (n, d), conditions (n, q) and weights (g, n), found {x.shape}, "
            f"{conditions.shape} and {weights.shape}"
        )
    (_, d), q = x.shape, conditions.shape[1]
    train, check = split_off(weights, held_out, rng)
    maker = FlowMaker(d, q, hidden, components)
    models = stacked(maker, len(weights), rng) if start is None else start.models
    trivial = (_NORMAL + _WORSE) * d
    fitted = fit(models, _LOSS, (x, conditions), train, check, rng, settings, trivial=trivial)
    least = np.nanmin(np.where(np.isnan(fitted.held_out_losses), np.inf, fitted.held_out_losses), axis=0)
    return Flows(fitted.models, least, fitted.failed)


def _log_density(flow: Any, batch: Any) -> Any:
    return flow.log_density(*batch)


def _sample(flow: Any, batch: Any) -> Any:
    return flow.sample(*batch)


def _minus_log_density(flow: Any, batch: Any, key: Any) -> Any:  # noqa: ARG001
    return -flow.log_density(*batch)


_LOSS = PerEvent(_minus_log_density)

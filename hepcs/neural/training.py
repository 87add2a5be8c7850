"""The training loop: many networks at once on shared events, each with weights of its own.

Adam on minibatches (Kingma and Ba, arXiv:1412.6980), gradients shortened to a largest norm; a group stops when its
held-out loss has not fallen for a while, and its parameters are averaged over its best epochs. ::

    @dataclass(frozen=True)                  # hashable: what is compiled for it is found again
    class Flow:                              # from a key to an equinox module
        width: int
        def __call__(self, key): ...

    def minus_log_likelihood(model, batch, key):          # (b,) losses of the events of a batch
        return -model.log_prob(batch["x"], batch["m_jj"])

    train, held_out = split_off(weights, 0.2, rng)        # (g, n) each
    models = stacked(Flow(64), len(weights), rng)
    fitted = fit(models, PerEvent(minus_log_likelihood), {"x": x, "m_jj": m}, train, held_out, rng, settings)
    scores = evaluate(fitted.models, log_likelihood, data, groups=folds)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hepcs._core.errors import ArgumentError, ComputationError
from hepcs._core.progress import Progress, silent
from hepcs.neural.backend import eqx, jax, jnp, optax
from hepcs.neural.settings import TrainingSettings
from hepcs.neural.stacking import Data, _narrow, groups_of, host, key_from, keys_of, rounded_up


class Loss(Protocol):
    """A loss of one network. Hashable: a function of a module, or a frozen dataclass; no closure."""

    def __call__(self, model: Any, batch: Data, weights: Any, key: Any) -> Any:
        """A number, of b events with weights (b,); the key is for networks that draw something."""
        ...


@dataclass(frozen=True)
class PerEvent:
    """The weighted mean of what a function says of the events of a batch."""

    function: Callable[[Any, Data, Any], Any]

    def __call__(self, model: Any, batch: Data, weights: Any, key: Any) -> Any:
        """See :class:`Loss`."""
        return weighted_mean(self.function(model, batch, key), weights)


def weighted_mean(values: Any, weights: Any) -> Any:
    """Mean of the events of a batch: both of shape (b,)."""
    return (weights * values).sum() / jnp.maximum(weights.sum(), 1e-12)


@dataclass(frozen=True)
class Fitted:
    """Trained networks.

    Attributes
    ----------
    models
        The stack, in NumPy arrays.
    losses, held_out_losses
        Mean loss of each epoch, shape (e, g); NaN after a group has stopped.
    diverged
        Groups with a loss that is not finite, shape (g,): their networks are of no use.
    collapsed
        Groups that did not get below the loss of a trivial network, shape (g,).
    """

    models: Any
    losses: NDArray[np.float64]
    held_out_losses: NDArray[np.float64]
    diverged: NDArray[np.bool_]
    collapsed: NDArray[np.bool_]

    @cached_property
    def failed(self) -> NDArray[np.bool_]:
        """Groups that diverged or collapsed, shape (g,)."""
        return self.diverged | self.collapsed

    @property
    def n_failed(self) -> int:
        """Number of groups that diverged or collapsed."""
        return int(self.failed.sum())


def split_off(
    weights: NDArray[np.floating], share: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights (g, n) of the training and of a held-out part: a share of the events, the same for all groups.

    Raises ArgumentError for a share out of (0, 1).
    """
    if not 0 < share < 1:
        raise ArgumentError(f"the held-out share must be between 0 and 1, found {share!r}")
    chosen = rng.random(weights.shape[1]) < share
    return np.where(chosen, 0.0, weights), np.where(chosen, weights, 0.0)


def fit(
    models: Any,
    loss: Loss,
    data: Data,
    weights: NDArray[np.floating],
    held_out: NDArray[np.floating],
    rng: np.random.Generator,
    settings: TrainingSettings = TrainingSettings(),  # noqa: B008
    *,
    held_out_loss: Loss | None = None,
    trivial: ArrayLike | None = None,
    progress: Progress = silent,
) -> Fitted:
    """Train a stack of networks together, in one batched computation.

    In an epoch all groups take the same number of steps: that in which the largest one sees each event once. The
    same for the same generator, on one kind of processor.

    Parameters
    ----------
    models
        A stack of g networks (:func:`~hepcs.neural.stacking.stacked`). All arrays of floats are trained, but for
        those that the network itself puts behind ``jax.lax.stop_gradient``.
    loss
        What is minimised; :class:`PerEvent` makes one of a loss of each event.
    data
        Arrays (n, ...) of events, nested at will; floats are taken in single precision.
    weights, held_out
        Weights >= 0 of each group, such as multiplicities, shape (g, n): those that its network is trained on, and
        those by which it stops. Where both are 0, it never sees the event.
    rng
        For the order of events, and for networks that draw something.
    settings
        Epochs, batch and so on.
    held_out_loss
        By which groups stop and epochs are compared; `loss` if None.
    trivial
        Held-out loss of a network that has learned nothing, for all or for each group, shape (g,): those that do
        not get below have collapsed.
    progress
        Told after each epoch.

    Raises
    ------
    ArgumentError
        If the shapes do not match, or weights are negative or not finite.
    ComputationError
        If a group has no event to train on, or none that is held out.
    """
    leaves, g = jax.tree.leaves(data), groups_of(models)
    n = len(leaves[0])
    if any(len(one) != n for one in leaves) or not weights.shape == held_out.shape == (g, n):
        raise ArgumentError(
            f"{g} networks and {n} events do not fit weights of shapes {weights.shape} and {held_out.shape}, or "
            "arrays have different numbers of events"
        )
    for one in (weights, held_out):
        if not (np.isfinite(one) & (one >= 0)).all():
            raise ArgumentError("weights must be finite and not negative")
    batches, checks = _Batches(weights, settings.batch), _Batches(held_out, settings.batch)
    arrays = jax.tree.map(lambda a: _narrow(_padded(a, rounded_up(n))), data)
    judge = loss if held_out_loss is None else held_out_loss
    rates = np.array([settings.learning_rate, settings.clip], dtype=np.float32)
    state, best = _begin(models, settings.averaged)
    fixed_keys = keys_of(rng, checks.room, g)
    fixed_rows = checks.in_order()
    waited, best_loss = np.zeros(g, dtype=np.int64), np.full(g, np.inf)
    stopped, diverged = np.zeros(g, dtype=np.bool_), np.zeros(g, dtype=np.bool_)
    losses: list[NDArray[np.float64]] = []
    found: list[NDArray[np.float64]] = []
    for epoch in range(settings.epochs):
        rows, keys = batches.shuffled(rng), keys_of(rng, batches.room, g)
        models, state, mean = _epoch(
            loss, rates, models, state, arrays, batches.weights, np.int32(batches.steps), *rows, keys
        )
        checked = _checked(
            judge, models, arrays, checks.weights, np.int32(checks.steps), *fixed_rows, fixed_keys
        )
        losses.append(np.where(stopped, np.nan, mean))
        found.append(np.where(stopped, np.nan, checked))
        bad = ~stopped & ~np.isfinite(losses[-1] + found[-1])
        diverged |= bad
        stopped |= bad
        candidate = np.where(stopped, np.inf, found[-1])
        best = _kept(best, models, candidate)
        waited = np.where(candidate < best_loss, 0, waited + 1)
        best_loss = np.minimum(best_loss, candidate)
        stopped |= waited >= settings.patience
        progress("epochs", epoch + 1, settings.epochs)
        if stopped.all():
            break
    collapsed = np.zeros(g, dtype=np.bool_) if trivial is None else ~diverged & (best_loss >= trivial)
    return Fitted(host(_averaged(best)), np.stack(losses), np.stack(found), diverged, collapsed)


class _Batches:
    """Minibatches of the events that each group has weights for, of as few shapes as possible."""

    def __init__(self, weights: NDArray[np.floating], size: int) -> None:
        self.rows = [np.flatnonzero(one) for one in weights]
        if any(rows.size == 0 for rows in self.rows):
            empty = [group for group, rows in enumerate(self.rows) if rows.size == 0]
            raise ComputationError(
                f"no events to train a network on, or none held out, in the groups {empty[:10]} of "
                f"{len(self.rows)}: take fewer folds, wider windows, or more events"
            )
        most = max(rows.size for rows in self.rows)
        self.size = min(size, rounded_up(most, 0))
        self.steps = -(-most // self.size)
        # Of arrays for steps: loops end earlier.
        self.room = rounded_up(self.steps, 0)
        scale = np.array([one[rows].mean() for one, rows in zip(weights, self.rows, strict=True)])
        scaled = weights / scale[:, np.newaxis]
        self.weights = _narrow(_padded(scaled.T, rounded_up(weights.shape[1])).T)

    def shuffled(self, rng: np.random.Generator) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Rows and factors of their weights, of shape (room, g, size); small groups begin anew."""
        total = self.steps * self.size
        rows = np.empty((len(self.rows), total), dtype=np.int32)
        for one, known in zip(rows, self.rows, strict=True):
            for start in range(0, total, known.size):
                one[start : start + known.size] = rng.permutation(known)[: total - start]
        return self._batched(rows), np.ones((self.room, len(self.rows), self.size), dtype=np.float32)

    def in_order(self) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The same with each row once; what fills up the batches has the factor 0."""
        total = self.steps * self.size
        rows = np.stack([np.pad(known, (0, total - known.size), mode="wrap") for known in self.rows])
        once = np.arange(total) < np.array([known.size for known in self.rows])[:, np.newaxis]
        return self._batched(rows.astype(np.int32)), self._batched(once.astype(np.float32))

    def _batched(self, values: NDArray[Any]) -> NDArray[Any]:
        # Neighbours go to different batches, so that each has its part of what fills up.
        batches = values.reshape(len(values), self.size, self.steps).transpose(2, 0, 1)
        return _padded(batches, self.room)


def _padded(array: NDArray[Any], length: int) -> NDArray[Any]:
    """An array (n, ...) with zeros up to a length."""
    return np.pad(array, [(0, length - len(array))] + [(0, 0)] * (array.ndim - 1))


def _optimiser(learning_rate: Any, clip: Any) -> optax.GradientTransformation:
    """Adam; its numbers may be traced, so that others need no compilation."""
    return optax.chain(optax.clip_by_global_norm(clip), optax.adam(learning_rate))


def _parts(models: Any) -> tuple[Any, Any, Any]:
    """What is trained, other arrays, and all else."""
    arrays, rest = eqx.partition(models, eqx.is_array)
    return *eqx.partition(arrays, eqx.is_inexact_array), rest


@eqx.filter_jit
def _begin(models: Any, averaged: int) -> tuple[Any, Any]:
    """The state of the optimiser, and no best epochs yet: their losses (k, g) and networks (k, g, ...)."""
    trained, _, _ = _parts(models)
    losses = jnp.full((averaged, groups_of(models)), jnp.inf)
    copies = jax.tree.map(
        lambda a: jnp.broadcast_to(a, (averaged, *a.shape)) if eqx.is_inexact_array(a) else a, models
    )
    return jax.vmap(_optimiser(0.0, 1.0).init)(trained), (losses, copies)


@eqx.filter_jit
def _epoch(
    loss: Loss,
    rates: Any,
    models: Any,
    state: Any,
    data: Data,
    weights: Any,
    steps: Any,
    rows: Any,
    factors: Any,
    keys: Any,
) -> tuple[Any, Any, Any]:
    """One epoch: networks, state of the optimiser and mean loss (g,)."""
    optimiser = _optimiser(*rates)
    trained, others, rest = _parts(models)

    def of_one(trained: Any, other: Any, state: Any, weights: Any, rows: Any, factor: Any, key: Any) -> Any:
        batch = jax.tree.map(lambda a: a[rows], data)

        def value(trained: Any) -> Any:
            model = eqx.combine(trained, other, rest)
            return loss(model, batch, weights[rows] * factor, key_from(key))

        found, gradient = jax.value_and_grad(value)(trained)
        updates, state = optimiser.update(gradient, state, trained)
        return optax.apply_updates(trained, updates), state, found

    def step(i: Any, carried: Any) -> Any:
        trained, state, total = carried
        trained, state, found = jax.vmap(of_one)(
            trained, others, state, weights, rows[i], factors[i], keys[i]
        )
        return trained, state, total + found

    start = trained, state, jnp.zeros(len(weights))
    trained, state, total = jax.lax.fori_loop(0, steps, step, start)
    return eqx.combine(trained, others, rest), state, total / steps


@eqx.filter_jit
def _checked(
    loss: Loss, models: Any, data: Data, weights: Any, steps: Any, rows: Any, factors: Any, keys: Any
) -> Any:
    """Held-out loss of each group, shape (g,)."""
    trained, others, rest = _parts(models)

    def of_one(trained: Any, other: Any, weights: Any, rows: Any, factor: Any, key: Any) -> Any:
        batch, used = jax.tree.map(lambda a: a[rows], data), weights[rows] * factor
        return loss(eqx.combine(trained, other, rest), batch, used, key_from(key)), used.sum()

    def step(i: Any, totals: Any) -> Any:
        found, weight = jax.vmap(of_one)(trained, others, weights, rows[i], factors[i], keys[i])
        return totals[0] + found * weight, totals[1] + weight

    zeros = jnp.zeros(len(weights))
    total, weight = jax.lax.fori_loop(0, steps, step, (zeros, zeros))
    return total / weight


@eqx.filter_jit
def _kept(best: Any, models: Any, candidate: Any) -> Any:
    """The best epochs after one more, whose losses (g,) are infinite where it does not count."""
    losses, copies = best
    worst = losses.argmax(axis=0)
    groups = jnp.arange(losses.shape[1])
    better = candidate < losses[worst, groups]
    place = (jnp.arange(len(losses))[:, jnp.newaxis] == worst) & better

    def merged(kept: Any, new: Any) -> Any:
        if not eqx.is_inexact_array(new):
            return new
        return jnp.where(place.reshape(*place.shape, *[1] * (new.ndim - 1)), new, kept)

    return jnp.where(place, candidate, losses), jax.tree.map(merged, copies, models)


@eqx.filter_jit
def _averaged(best: Any) -> Any:
    """Mean over the best epochs that there are."""
    losses, copies = best
    used = jnp.isfinite(losses).astype(jnp.float32)
    share = used / jnp.maximum(used.sum(axis=0), 1)
    # Of a group that never had a finite loss, the first state.
    share = jnp.where(used.any(axis=0), share, 1 / len(losses))

    def mean(kept: Any) -> Any:
        if not eqx.is_inexact_array(kept):
            return kept
        return (kept * share.reshape(*share.shape, *[1] * (kept.ndim - 2))).sum(axis=0)

    return jax.tree.map(mean, copies)

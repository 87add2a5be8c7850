"""Data sets drawn from samples: the observed one, and pseudo-experiments (Cluster Scanning, sections 3.1.3 and 4).

A data set says how often each event of the samples is in it. It is drawn once, and all searches are handed the
same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError
from hepcs._core.randomness import Stream, generator
from hepcs.config.running import Nuisances
from hepcs.config.samples import SIGNAL
from hepcs.datasets.nuisances import draw_variation, varied_sample
from hepcs.datasets.samples import MassBins, Pools, Sample


class Kind(IntEnum):
    """What a data set is; the values key the random numbers and never change."""

    OBSERVED = 0
    BACKGROUND_ONLY = 1
    DOPED = 2


@dataclass(frozen=True, order=True)
class Injection:
    """Signal events in a data set: how many, and of which signal (none for 0)."""

    epsilon: int = 0
    signal: str = ""

    @property
    def label(self) -> str:
        """Name for files and paths: ``epsilon_0850``, with the signal where it has a name of its own."""
        epsilon = f"epsilon_{self.epsilon:04d}"
        return epsilon if self.signal in {"", SIGNAL} else f"{self.signal}_{epsilon}"


@dataclass(frozen=True, order=True)
class Task:
    """One data set to be searched: `index` counts the pseudo-experiments of a kind and an injection."""

    kind: Kind
    epsilon: int
    index: int
    signal: str = ""

    @property
    def injection(self) -> Injection:
        """The signal events in it."""
        return Injection(self.epsilon, self.signal)

    @property
    def key(self) -> tuple[int | str, ...]:
        """Key of its random numbers."""
        return (int(self.kind), self.epsilon, self.index, self.signal)


@dataclass(frozen=True)
class Part:
    """A sample, and the multiplicity of each of its events in a data set, shape (n,).

    `weights`, shape (n,), are those of the events of a whole sample, which is no data set that could be observed:
    whatever is drawn has none.
    """

    sample: Sample
    multiplicity: NDArray[np.int64]
    weights: NDArray[np.float64] | None = None

    @cached_property
    def present(self) -> NDArray[np.int64]:
        """The events that are in the data set, shape (m,)."""
        return np.flatnonzero(self.multiplicity)


@dataclass(frozen=True)
class EventView:
    """One data set, as a search sees it: m distinct events, each with its multiplicity.

    Nothing in it tells signal from background. Events come in the order of `parts`, which say where features lie,
    for searches that go through them block by block.
    """

    parts: tuple[Part, ...]
    bins: MassBins

    @cached_property
    def m_jj(self) -> NDArray[np.float64]:
        """Shape (m,), GeV."""
        return np.concatenate([part.sample.m_jj[part.present] for part in self.parts])

    @cached_property
    def multiplicity(self) -> NDArray[np.int64]:
        """How often each event is in the data set, at least once, shape (m,)."""
        return np.concatenate([part.multiplicity[part.present] for part in self.parts])

    @property
    def weights(self) -> NDArray[np.float64]:
        """Weight of each event, >= 0, shape (m,): its multiplicity, times its own in a whole weighted sample."""
        own = [
            np.ones(part.present.size) if part.weights is None else part.weights[part.present]
            for part in self.parts
        ]
        return np.asarray(self.multiplicity * np.concatenate(own), dtype=np.float64)

    @property
    def is_weighted(self) -> bool:
        """Whether its events have weights of their own: those of a whole sample, never those of a data set."""
        return any(part.weights is not None for part in self.parts)

    @cached_property
    def event(self) -> NDArray[np.int64]:
        """Identity of each event, shape (m,): the same in all data sets of a run. Folds go by it."""
        return np.concatenate(
            [part.sample.first_event + part.sample.rows[part.present] for part in self.parts]
        )

    def features(self, name: str) -> NDArray[np.float32]:
        """Features of the events, (m, 2, d) of jets or (m, d) of events."""
        return np.concatenate(
            [part.sample.features[name][part.sample.rows[part.present]] for part in self.parts]
        )

    @cached_property
    def spectrum(self) -> NDArray[np.float64]:
        """Events, or the sum of their weights, in each m_jj bin, shape (b,)."""
        return self.bins.counts(self.m_jj, self.weights if self.is_weighted else self.multiplicity)

    @property
    def n_events(self) -> int:
        """Events of the data set inside the evaluation region."""
        return sum(int(part.multiplicity.sum()) for part in self.parts)


@dataclass(frozen=True)
class DataSet:
    """A drawn data set, and apart from it the truth.

    Attributes
    ----------
    view
        What searches see.
    n_injected
        Parts of it, at its end, that hold injected signal events.
    """

    view: EventView
    n_injected: int = 0

    @property
    def injected(self) -> NDArray[np.bool_]:
        """Which events were injected, shape (m,): the truth, for studies and for what is shown."""
        sizes = [len(part.present) for part in self.view.parts]
        first = len(sizes) - self.n_injected
        return np.repeat([number >= first for number in range(len(sizes))], sizes)


def whole(sample: Sample, bins: MassBins) -> EventView:
    """All events of a sample, each once, with its weight if it has one; without those that weigh nothing."""
    weights = sample.positive_weights
    once = np.ones(sample.n_events, dtype=np.int64) if weights is None else (weights > 0).astype(np.int64)
    return EventView((Part(sample, once, weights),), bins)


def binned(counts: NDArray[Any], bins: MassBins) -> Part:
    """Events without features that have the m_jj spectrum `counts`, shape (b,): toys of a spectrum alone."""
    rows = np.arange(bins.n_bins)
    multiplicity = np.asarray(counts, dtype=np.int64)
    total = int(multiplicity.sum())
    return Part(Sample(bins.centres, {}, rows, max(total, bins.n_bins), "toy"), multiplicity)


def bootstrap(sample: Sample, rng: np.random.Generator, *, inside: float, of: int) -> NDArray[np.int64]:
    """Bootstrap resample of a sample: multiplicity of each of its events, shape (n,).

    Of `of` draws with replacement, each falls inside the evaluation region with probability ``inside / of``,
    so the number inside fluctuates binomially; those inside are uniform over the events. With
    ``inside = n_events`` and ``of = n_selected`` it is the plain bootstrap of all selected events
    (SPEC, section 4), without the events outside having to be kept.
    """
    if not 0 < inside <= of:
        raise ArgumentError(f"a bootstrap needs 0 < inside <= of, found inside = {inside}, of = {of}")
    n_inside = int(rng.binomial(of, inside / of))
    draws = rng.integers(0, sample.n_events, size=n_inside)
    return np.bincount(draws, minlength=sample.n_events)


def poisson_draw(sample: Sample, rng: np.random.Generator, *, expected: float) -> NDArray[np.int64]:
    """Unweighted events of a weighted sample: multiplicity of each of its events, shape (n,).

    The multiplicities are independent Poisson numbers, whose means are the positive weights, scaled to add up to
    `expected`: so each bin is Poisson distributed around its sum of weights.
    """
    if sample.positive_weights is None or not 0 < expected < np.inf:
        raise ArgumentError(f"a draw by weights needs weights and expected > 0, found expected = {expected}")
    return _by_weight(sample.positive_weights, int(rng.poisson(expected)), rng)


def _by_weight(weights: NDArray[np.float64], n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Multiplicity of each event in n draws with replacement, each with a probability as its weight."""
    cumulated = np.cumsum(weights)
    drawn = np.searchsorted(cumulated, cumulated[-1] * rng.random(n), side="right")
    return np.bincount(np.minimum(drawn, weights.size - 1), minlength=weights.size)


def draw_signal(sample: Sample, epsilon: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw epsilon signal events without replacement from all selected ones, inside the region or not.

    Returns the multiplicity, 0 or 1, of each event inside, shape (n,). Events with weights are drawn by them, and
    with replacement, since there is no other way to keep their distribution. Raises ArgumentError for more events
    than there are.
    """
    if epsilon > sample.n_selected:
        raise ArgumentError(
            f"epsilon = {epsilon} is more than the {sample.n_selected} signal events that pass the selection"
        )
    if sample.positive_weights is not None:
        return _by_weight(sample.positive_weights, int(rng.binomial(epsilon, sample.share_inside)), rng)
    drawn = rng.choice(sample.n_selected, size=epsilon, replace=False, shuffle=False)
    return np.bincount(drawn[drawn < sample.n_events], minlength=sample.n_events)


def draw_data_set(pools: Pools, task: Task, seed: int, nuisances: Nuisances | None = None) -> DataSet:
    """The data set of a task.

    The observed one is the data of a real search, or all background events plus epsilon signal events.
    A pseudo-experiment is a bootstrap of the background, plus epsilon signal events if it is doped. In a real
    search it has the size of the data: as many draws as data events were selected, inside the region with
    the data's own fraction. Of a sample with weights, unweighted events are drawn in either case, by Poisson.
    `nuisances` vary the signal of doped ones.
    """
    reference = pools.searched
    source = reference if task.kind is Kind.OBSERVED else pools.background
    if task.kind is Kind.OBSERVED and source.weights is None:
        parts = whole(source, pools.bins).parts
    else:
        rng = generator(seed, Stream.BOOTSTRAP, *task.key)
        if source.weights is None:
            times = bootstrap(source, rng, inside=reference.n_events, of=reference.n_selected)
        else:
            times = poisson_draw(source, rng, expected=reference.n_expected)
        parts = (Part(source, times),)
    if task.epsilon == 0:
        return DataSet(EventView(parts, pools.bins))
    if task.signal not in pools.signals:
        known = ", ".join(pools.signals) or "none"
        raise ArgumentError(
            f"epsilon = {task.epsilon} of the signal {task.signal!r}; the signals are: {known}"
        )
    signal, rng = pools.signals[task.signal], generator(seed, Stream.SIGNAL, *task.key)
    if task.kind is Kind.DOPED and nuisances is not None:
        wider = pools.wider_signals.get(task.signal, signal)
        variation = generator(seed, Stream.NUISANCE, *task.key)
        drawn = _varied(wider, pools.bins, task.epsilon, nuisances, variation, rng)
    else:
        drawn = Part(signal, draw_signal(signal, task.epsilon, rng))
    return DataSet(EventView((*parts, drawn), pools.bins), 1)


def _varied(
    sample: Sample,
    bins: MassBins,
    epsilon: int,
    nuisances: Nuisances,
    variation_rng: np.random.Generator,
    rng: np.random.Generator,
) -> Part:
    """Injected signal events whose number and m_jj are varied."""
    variation = draw_variation(nuisances, variation_rng)
    varied, mask = varied_sample(sample, bins, variation)
    times = draw_signal(varied, variation.events(epsilon, variation_rng), rng)
    inside = replace(varied.masked(mask), weights=None, positive_weights=None)
    return Part(inside, times[mask])


def with_background(data: EventView, background: Part, n_injected: int) -> EventView:
    """A data set with another background in front of its injected events."""
    kept = data.parts[len(data.parts) - n_injected :]
    return replace(data, parts=(background, *kept))

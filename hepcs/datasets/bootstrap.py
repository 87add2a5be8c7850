"""Data sets drawn from samples: the observed one, and pseudo-experiments (paper, sections 3.1.3 and 4).

A data set says how often each event of the samples is in it. All searches see the same data sets.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError
from hepcs._core.randomness import Stream, generator
from hepcs.datasets.samples import MassBins, Pools, Sample


class Kind(IntEnum):
    """What a data set is; the values key the random numbers and never change."""

    OBSERVED = 0
    BACKGROUND_ONLY = 1
    DOPED = 2


@dataclass(frozen=True, order=True)
class Task:
    """One data set to be searched: `index` counts the pseudo-experiments of a kind and an epsilon."""

    kind: Kind
    epsilon: int
    index: int

    @property
    def key(self) -> tuple[int, int, int]:
        """Key of its random numbers."""
        return (int(self.kind), self.epsilon, self.index)


@dataclass(frozen=True)
class Part:
    """A sample, and the multiplicity of each of its events in a data set, shape (n,)."""

    sample: Sample
    multiplicity: NDArray[np.int64]


@dataclass(frozen=True)
class DataSet:
    """Which events of which samples make a data set; one part for each sample that it draws from."""

    parts: tuple[Part, ...]

    @property
    def n_events(self) -> int:
        """Events of the data set inside the evaluation region."""
        return sum(int(part.multiplicity.sum()) for part in self.parts)


@dataclass(frozen=True)
class Events:
    """The distinct events of a data set: m_jj (n,) GeV, features (n, 2, d), multiplicity (n,)."""

    m_jj: NDArray[np.float64]
    features: NDArray[np.float32]
    multiplicity: NDArray[np.int64]


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


def draw_signal(sample: Sample, epsilon: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw epsilon signal events without replacement from all selected ones, inside the region or not.

    Returns the multiplicity, 0 or 1, of each event inside, shape (n,). Raises ArgumentError for more events
    than there are.
    """
    if epsilon > sample.n_selected:
        raise ArgumentError(
            f"epsilon = {epsilon} is more than the {sample.n_selected} signal events that pass the selection"
        )
    drawn = rng.choice(sample.n_selected, size=epsilon, replace=False, shuffle=False)
    return np.bincount(drawn[drawn < sample.n_events], minlength=sample.n_events)


def draw_data_set(pools: Pools, task: Task, seed: int) -> DataSet:
    """The data set of a task.

    The observed one is the data of a real search, or all background events plus epsilon signal events.
    A pseudo-experiment is a bootstrap of the background, plus epsilon signal events if it is doped. In a real
    search it has the size of the data: as many draws as data events were selected, inside the region with
    the data's own fraction.
    """
    reference = pools.background if pools.data is None else pools.data
    if task.kind is Kind.OBSERVED:
        parts = [Part(reference, np.ones(reference.n_events, dtype=np.int64))]
    else:
        rng = generator(seed, Stream.BOOTSTRAP, *task.key)
        times = bootstrap(pools.background, rng, inside=reference.n_events, of=reference.n_selected)
        parts = [Part(pools.background, times)]
    if task.epsilon > 0:
        if pools.signal is None:
            raise ArgumentError(f"epsilon = {task.epsilon}, and there is no signal sample")
        rng = generator(seed, Stream.SIGNAL, *task.key)
        parts.append(Part(pools.signal, draw_signal(pools.signal, task.epsilon, rng)))
    return DataSet(tuple(parts))


def spectrum(data_set: DataSet, bins: MassBins) -> NDArray[np.float64]:
    """Events of a data set in each m_jj bin, shape (b,)."""
    counts = np.zeros(bins.n_bins)
    for part in data_set.parts:
        counts += np.bincount(bins.index(part.sample.m_jj), weights=part.multiplicity, minlength=bins.n_bins)
    return counts


def gather(data_set: DataSet) -> Events:
    """The distinct events of a data set with their features, in the order of its parts."""
    m_jj, features, multiplicity = [], [], []
    for part in data_set.parts:
        present = np.flatnonzero(part.multiplicity)
        m_jj.append(part.sample.m_jj[present])
        features.append(part.sample.features[part.sample.rows[present]])
        multiplicity.append(part.multiplicity[present])
    return Events(np.concatenate(m_jj), np.concatenate(features), np.concatenate(multiplicity))

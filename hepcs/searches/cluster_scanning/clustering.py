"""Clusterings of a data set: trained on its training region, and all its jets counted (paper, section 3.2).

A data set is clustered once for each member of the ensemble; how the counts are judged comes after.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ComputationError
from hepcs.datasets.bootstrap import EventView, Part
from hepcs.datasets.samples import Sample
from hepcs.searches.cluster_scanning.clusterers import Model, count_jets, train
from hepcs.searches.cluster_scanning.kmeans import TrainingJets
from hepcs.searches.cluster_scanning.section import ClusterScanning


@dataclass(frozen=True)
class ColumnScale:
    """Means and deviations of columns as polynomials in m_jj, shape (powers, d) each: see :func:`scale_of`."""

    mean: NDArray[np.float64]
    spread: NDArray[np.float64]

    def applied(self, values: NDArray[np.floating], m_jj: NDArray[np.float64]) -> NDArray[np.float32]:
        """Features (n, j, d) of events with m_jj (n,) in units of their deviation, from their mean."""
        powers = _powers(m_jj, len(self.mean))
        mean, spread = (powers @ one for one in (self.mean, self.spread))
        return ((values - mean[:, np.newaxis]) / spread[:, np.newaxis]).astype(np.float32)


# Powers of m_jj in a mean or a deviation that depends on it, and its unit, GeV.
_POWERS, _UNIT = 3, 1000.0
# A column that is constant but for rounding tells nothing.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Clustering:
    """One clustering of a data set.

    Attributes
    ----------
    model
        The clusters.
    by_part
        Jets of cluster i in m_jj bin b of each part of the data set, shape (parts, k, b).
    """

    model: Model
    by_part: NDArray[np.int64]

    @property
    def spectra(self) -> NDArray[np.int64]:
        """Jets N[i, b] of cluster i in bin b, shape (k, b)."""
        return np.asarray(self.by_part.sum(axis=0))


@dataclass(frozen=True)
class FixedClusters:
    """Clusterings that are the same for all data sets.

    Attributes
    ----------
    models
        One for each member of the ensemble.
    events
        Identities of the events whose clusters are known, rising, shape (n,).
    labels
        Clusters of their j jets by each model, shape (members, n, j).
    """

    models: tuple[Model, ...]
    events: NDArray[np.int64]
    labels: NDArray[np.int32]


# Jets whose cluster is looked up at a time: bounds the memory.
_BLOCK = 1 << 15

#: Jets of an event that count, by the name in the card; the leading one is the first.
JETS = {"both": slice(0, 2), "leading": slice(0, 1), "subleading": slice(1, 2)}


def clustered(
    sample: Sample, section: ClusterScanning, scale: ColumnScale | None = None
) -> NDArray[np.float32]:
    """What is clustered of each event, shape (N, j, d): its jets that count, or with features of events itself.

    With a scale, rows of events that are not in the sample are zero.
    """
    features = sample.features[section.features]
    chosen = features[:, np.newaxis] if features.ndim == 2 else features[:, JETS[section.jets]]
    if scale is None:
        return chosen
    scaled = np.zeros(chosen.shape, dtype=np.float32)
    scaled[sample.rows] = scale.applied(chosen[sample.rows], sample.m_jj)
    return scaled


def scale_of(sample: Sample, section: ClusterScanning) -> ColumnScale | None:
    """What features are shifted and divided by before they are clustered, from the background sample.

    Of each column the standard deviation in the training region, or, locally, mean and mean absolute deviation as
    polynomials in m_jj, fitted to all events.
    """
    scale = _unweighted(sample, section)
    if section.weights is None:
        return scale
    weights = np.array(section.weights)
    if scale is None:
        return ColumnScale(np.zeros((1, weights.size)), 1 / weights[np.newaxis])
    return ColumnScale(scale.mean, scale.spread / weights)


def _unweighted(sample: Sample, section: ClusterScanning) -> ColumnScale | None:
    if section.scale == "none":
        return None
    values, m_jj = clustered(sample, section)[sample.rows].astype(np.float64), sample.m_jj
    low, high = section.training
    if section.scale == "each":
        jets = values[(m_jj >= low) & (m_jj < high)].reshape(-1, values.shape[2])
        spread = jets.std(axis=0) if len(jets) else np.ones(values.shape[2])
        known = np.where(spread > _ROUNDING * _size(values), spread, 1.0).astype(np.float64)
        return ColumnScale(np.zeros((1, known.size)), known[np.newaxis])
    powers = np.repeat(_powers(m_jj, _POWERS), values.shape[1], axis=0)
    all_jets = values.reshape(-1, values.shape[2])
    mean = np.linalg.lstsq(powers, all_jets, rcond=None)[0]
    spread = np.linalg.lstsq(powers, np.abs(all_jets - powers @ mean), rcond=None)[0]
    # Where the polynomial falls to nothing, as of a column that is constant: one scale for all.
    good = (powers @ spread).min(axis=0) > _ROUNDING * _size(values)
    constant = np.eye(_POWERS)[0][:, np.newaxis]
    return ColumnScale(mean.astype(np.float64), np.where(good, spread, constant).astype(np.float64))


def _powers(m_jj: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Powers of m_jj in TeV, from a mass in the middle of a usual region, shape (m, n)."""
    return np.asarray(np.vander(m_jj / _UNIT - 3.8, n, increasing=True))


def _size(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Largest absolute value of each column, (d,)."""
    return np.asarray(np.abs(values).max(axis=(0, 1), initial=1e-30))


def training_jets(
    parts: Sequence[Part], section: ClusterScanning, scale: ColumnScale | None = None
) -> NDArray[np.float32]:
    """Jets, or events, of the training region, each as often as it is in the data set: shape (m, d)."""
    jets, (low, high) = [], section.training
    for part in parts:
        sample, features = part.sample, clustered(part.sample, section, scale)
        inside = np.flatnonzero((part.multiplicity > 0) & (sample.m_jj >= low) & (sample.m_jj < high))
        chosen = np.repeat(sample.rows[inside], part.multiplicity[inside])
        jets.append(features[chosen].reshape(-1, features.shape[2]))
    return np.concatenate(jets)


def cluster_data_set(
    data: EventView,
    section: ClusterScanning,
    generators: Sequence[np.random.Generator],
    *,
    training: Sequence[Part] | None = None,
    scale: ColumnScale | None = None,
) -> tuple[Clustering, ...]:
    """Cluster a data set once for each generator (SPEC, section 3 steps 1 to 3).

    Parameters
    ----------
    data
        The data set.
    section
        The card's numbers.
    generators
        Source of each clustering's seeding and mini-batches.
    training
        Parts of the data set to train on; all, as in any real search, if None (paper, Fig. 11 left, for a training
        without injected events).
    scale
        Of the features, from :func:`scale_of`.

    Raises
    ------
    ComputationError
        If the training region holds fewer jets than clusters.
    """
    jets = training_jets(data.parts if training is None else training, section, scale)
    models = _trained(jets, section, generators)
    counts = np.stack([_count(part, data, models, section, scale) for part in data.parts], axis=1)
    return tuple(Clustering(model, by_part) for model, by_part in zip(models, counts, strict=True))


def fix_clusters(
    background: EventView,
    section: ClusterScanning,
    rng: np.random.Generator,
    scale: ColumnScale | None = None,
) -> FixedClusters:
    """Cluster a whole sample once for each member; of one with weights, events are drawn by them to train on.

    Raises ComputationError as :func:`cluster_data_set` does.
    """
    (part,) = background.parts
    drawn = part
    if part.weights is not None:
        share = part.weights / part.weights.sum()
        rows = rng.choice(len(share), size=len(share), p=share)
        drawn = Part(part.sample, np.bincount(rows, minlength=len(share)))
    jets = training_jets([drawn], section, scale)
    models = _trained(jets, section, rng.spawn(section.ensemble))
    sample, present = part.sample, part.present
    events, rows = sample.first_event + sample.rows[present], sample.rows[present]
    order = np.argsort(events)
    jets = clustered(sample, section, scale)[rows[order]]
    labels = [model.labels(jets.reshape(-1, jets.shape[2])).reshape(jets.shape[:2]) for model in models]
    return FixedClusters(tuple(models), events[order], np.stack(labels).astype(np.int32))


def count_data_set(
    data: EventView, fixed: FixedClusters, section: ClusterScanning, scale: ColumnScale | None = None
) -> tuple[Clustering, ...]:
    """Clusterings of a data set by clusters that were found before."""
    counts = np.stack([_count_known(part, data, fixed, section, scale) for part in data.parts], axis=1)
    return tuple(Clustering(model, by_part) for model, by_part in zip(fixed.models, counts, strict=True))


def _trained(
    jets: NDArray[np.float32], section: ClusterScanning, generators: Sequence[np.random.Generator]
) -> list[Model]:
    if len(jets) < section.k:
        low, high = section.training
        raise ComputationError(
            f"the training region [{low:g}, {high:g}) GeV holds {len(jets)} jets or events to cluster, fewer than "
            f"k = {section.k}. Lower k, or widen the training region"
        )
    shared = TrainingJets(jets)
    return [train(shared, section, rng) for rng in generators]


def _count_known(
    part: Part, data: EventView, fixed: FixedClusters, section: ClusterScanning, scale: ColumnScale | None
) -> NDArray[np.int64]:
    """As :func:`_count`; of events that are known, clusters are looked up."""
    sample, present = part.sample, part.present
    event = sample.first_event + sample.rows[present]
    place = np.minimum(np.searchsorted(fixed.events, event), len(fixed.events) - 1)
    known = fixed.events[place] == event
    others = np.zeros_like(part.multiplicity)
    others[present[~known]] = part.multiplicity[present[~known]]
    counts = _count(Part(sample, others), data, fixed.models, section, scale)
    n = data.bins.n_bins
    cells = data.bins.index(sample.m_jj[present[known]])
    times = part.multiplicity[present[known]]
    for member, labels in enumerate(fixed.labels[:, place[known]]):
        for one in labels.T:
            found = np.bincount(one * n + cells, weights=times, minlength=counts[member].size)
            counts[member] += found.reshape(-1, n).astype(np.int64)
    return counts


def jets_of_clusters(
    data: EventView,
    model: Model,
    clusters: Sequence[int],
    section: ClusterScanning,
    scale: ColumnScale | None = None,
) -> tuple[NDArray[np.int64], ...]:
    """The jets that some clusters hold, each as often as it is in the data set.

    Parameters
    ----------
    data, model
        The data set, and what clusters its jets.
    clusters
        The clusters to list.
    section
        Says which features and which jets of an event count.
    scale
        Of the features, from :func:`scale_of`.

    Returns
    -------
    For each of `clusters` jets of shape (m,), as :class:`hepcs.results.JetGroup` has them: of clusters of events
    both jets of each.
    """
    found: list[list[NDArray[np.int64]]] = [[] for _ in clusters]
    for part in data.parts:
        rows = np.repeat(part.sample.rows, part.multiplicity)
        values = clustered(part.sample, section, scale)
        of_events = part.sample.features[section.features].ndim == 2
        columns = np.arange(2)[slice(0, 2) if of_events else JETS[section.jets]]
        for start in range(0, len(rows), _BLOCK):
            block = rows[start : start + _BLOCK]
            labels = model.labels(values[block].reshape(-1, values.shape[2]))
            labels = np.repeat(labels, len(columns) // values.shape[1])
            jets = (2 * (part.sample.first_event + block)[:, np.newaxis] + columns).ravel()
            for number, cluster in enumerate(clusters):
                found[number].append(jets[labels == cluster])
    return tuple(np.concatenate(jets) for jets in found)


def _count(
    part: Part, data: EventView, models: Sequence[Model], section: ClusterScanning, scale: ColumnScale | None
) -> NDArray[np.int64]:
    """Jets of a part by clustering, cluster and m_jj bin: shape (len(models), k, b)."""
    sample, present = part.sample, part.present
    return count_jets(
        clustered(sample, section, scale),
        sample.rows[present],
        data.bins.index(sample.m_jj[present]),
        part.multiplicity[present],
        models,
        data.bins.n_bins,
        section.engine,
    )

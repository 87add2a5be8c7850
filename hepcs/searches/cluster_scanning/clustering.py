"""Clusterings of a data set: trained on its training region, and all its jets counted (paper, section 3.2).

A data set is clustered once for each member of the ensemble; how the counts are judged comes after.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ComputationError
from hepcs.config.searches import ClusterScanning
from hepcs.datasets.bootstrap import DataSet, Part
from hepcs.datasets.samples import MassBins
from hepcs.searches.cluster_scanning.clusterers import Model, count_jets, train


@dataclass(frozen=True)
class Clustering:
    """One clustering of a data set.

    Attributes
    ----------
    model
        The clusters.
    background
        Jets of cluster i in m_jj bin b, shape (k, b), of all events that were not injected.
    injected
        The same of the injected signal events; for idealised searches and studies alone.
    """

    model: Model
    background: NDArray[np.int64]
    injected: NDArray[np.int64]

    @property
    def spectra(self) -> NDArray[np.int64]:
        """Jets N[i, b] of cluster i in bin b, whatever their origin, shape (k, b)."""
        return self.background + self.injected


# Jets whose cluster is looked up at a time: bounds the memory.
_BLOCK = 1 << 15

#: Jets of an event that count, by the name in the card; the leading one is the first.
JETS = {"both": slice(0, 2), "leading": slice(0, 1), "subleading": slice(1, 2)}


def training_jets(
    parts: Sequence[Part], bins: MassBins, which: Literal["both", "leading", "subleading"] = "both"
) -> NDArray[np.float32]:
    """Jets of the training-region events, each as often as it is in the data set: shape (m, d)."""
    jets = []
    for part in parts:
        sample = part.sample
        inside = np.flatnonzero((part.multiplicity > 0) & bins.in_training(sample.m_jj))
        chosen = np.repeat(sample.rows[inside], part.multiplicity[inside])
        jets.append(sample.features[chosen, JETS[which]].reshape(-1, sample.features.shape[2]))
    return np.concatenate(jets)


def cluster_data_set(
    data_set: DataSet,
    bins: MassBins,
    section: ClusterScanning,
    generators: Sequence[np.random.Generator],
    *,
    train_on_injected: bool = True,
) -> tuple[Clustering, ...]:
    """Cluster a data set once for each generator (SPEC, section 3 steps 1 to 3).

    Parameters
    ----------
    data_set, bins
        The data set, and the m_jj bins with the training region.
    section
        The card's numbers.
    generators
        Source of each clustering's seeding and mini-batches.
    train_on_injected
        Whether the training sees the injected signal events, as in any real search (paper, Fig. 11 left, for a
        training that does not).

    Raises
    ------
    ComputationError
        If the training region holds fewer jets than clusters.
    """
    parts = data_set.parts if train_on_injected else data_set.parts[:1]
    jets = training_jets(parts, bins, section.jets)
    if len(jets) < section.k:
        low, high = bins.training
        raise ComputationError(
            f"the training region [{low:g}, {high:g}) GeV holds {len(jets)} jets of the data set, fewer than "
            f"cluster_scanning.k = {section.k}. Lower k, or widen regions.training"
        )
    models = [train(jets, section, rng) for rng in generators]
    reference, *injected = (_count(part, bins, models, section) for part in data_set.parts)
    none = np.zeros_like(reference)
    signal = injected[0] if injected else none
    return tuple(Clustering(*one) for one in zip(models, reference, signal, strict=True))


def jets_of_clusters(
    data_set: DataSet,
    model: Model,
    clusters: Sequence[int],
    which: Literal["both", "leading", "subleading"] = "both",
) -> tuple[dict[str, NDArray[np.int64]], ...]:
    """The jets that some clusters hold, each as often as it is in the data set.

    Parameters
    ----------
    data_set, model
        The data set, and what clusters its jets.
    clusters
        The clusters to list.
    which
        Jets of an event that count.

    Returns
    -------
    One mapping for each of `clusters`, as :class:`hepcs.searches.base.JetGroup` has them: from the role of a sample to
    jets of shape (m,), ``2 row`` of a leading jet and ``2 row + 1`` of a subleading one.
    """
    columns = np.arange(2)[JETS[which]]
    found: list[dict[str, list[NDArray[np.int64]]]] = [{} for _ in clusters]
    for part in data_set.parts:
        rows = np.repeat(part.sample.rows, part.multiplicity)
        for start in range(0, len(rows), _BLOCK):
            block = rows[start : start + _BLOCK]
            features = part.sample.features[block, JETS[which]]
            labels = model.labels(features.reshape(-1, features.shape[2]))
            jets = (2 * block[:, np.newaxis] + columns).ravel()
            for number, cluster in enumerate(clusters):
                found[number].setdefault(part.sample.role, []).append(jets[labels == cluster])
    return tuple({role: np.concatenate(parts) for role, parts in jets.items()} for jets in found)


def _count(
    part: Part, bins: MassBins, models: Sequence[Model], section: ClusterScanning
) -> NDArray[np.int64]:
    """Jets of a part by clustering, cluster and m_jj bin: shape (len(models), k, b)."""
    present = np.flatnonzero(part.multiplicity)
    sample = part.sample
    return count_jets(
        sample.features[:, JETS[section.jets]],
        sample.rows[present],
        bins.index(sample.m_jj[present]),
        part.multiplicity[present],
        models,
        bins.n_bins,
        section.engine,
    )

"""Clusterings of a data set."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from toys import BINS, toy_pools

from hepcs.config.searches import ClusterScanning
from hepcs.datasets.bootstrap import DataSet, Kind, Part, Task, draw_data_set, spectrum
from hepcs.datasets.samples import Sample
from hepcs.searches.cluster_scanning.clustering import cluster_data_set, training_jets
from hepcs.searches.cluster_scanning.kmeans import Engine, assign

SECTION = ClusterScanning(k=16, ensemble=3)


def generators(n: int = 2) -> list[np.random.Generator]:
    return [np.random.default_rng([4, member]) for member in range(n)]


def drawn(epsilon: int = 0) -> DataSet:
    kind = Kind.DOPED if epsilon else Kind.BACKGROUND_ONLY
    return draw_data_set(toy_pools(), Task(kind, epsilon, 0), 1)


def repeated(part: Part) -> Part:
    """The same data set, every event there once for each time it was drawn."""
    sample, times = part.sample, part.multiplicity
    events = Sample(
        np.repeat(sample.m_jj, times), sample.features, np.repeat(sample.rows, times), int(times.sum())
    )
    return Part(events, np.ones(events.n_events, dtype=np.int64))


def test_an_event_that_was_drawn_twice_weighs_twice() -> None:
    (part,) = drawn().parts
    one = cluster_data_set(DataSet((part,)), BINS, SECTION, generators())
    other = cluster_data_set(DataSet((repeated(part),)), BINS, SECTION, generators())
    for first, second in zip(one, other, strict=True):
        np.testing.assert_array_equal(first.model.centres, second.model.centres)
        np.testing.assert_array_equal(first.spectra, second.spectra)


@pytest.mark.parametrize("engine", ["compiled", "sklearn"])
def test_counts_are_those_of_the_labels(engine: Engine) -> None:
    data_set = drawn(300)
    section = SECTION.model_copy(update={"engine": engine})
    for clustering in cluster_data_set(data_set, BINS, section, generators()):
        for part, found in zip(data_set.parts, (clustering.background, clustering.injected), strict=True):
            expected = np.zeros((SECTION.k, BINS.n_bins), dtype=np.int64)
            jets = part.sample.features[part.sample.rows].reshape(-1, part.sample.features.shape[2])
            labels = assign(jets, clustering.model, engine).reshape(-1, 2)
            columns = BINS.index(part.sample.m_jj)
            for jet in range(2):
                np.add.at(expected, (labels[:, jet], columns), part.multiplicity)
            np.testing.assert_array_equal(found, expected)


def test_an_event_counts_with_both_its_jets() -> None:
    data_set = drawn(300)
    for clustering in cluster_data_set(data_set, BINS, SECTION, generators()):
        np.testing.assert_array_equal(clustering.spectra.sum(axis=0), 2 * spectrum(data_set, BINS))
        injected = spectrum(DataSet(data_set.parts[1:]), BINS)
        np.testing.assert_array_equal(clustering.injected.sum(axis=0), 2 * injected)


def test_one_jet_of_each_event_alone() -> None:
    """Clusters of leading jets count leading jets; the two together are what swapped jets give."""
    data_set = drawn(300)
    leading, subleading = (SECTION.model_copy(update={"jets": which}) for which in ("leading", "subleading"))
    (one,) = cluster_data_set(data_set, BINS, leading, generators(1))
    np.testing.assert_array_equal(one.spectra.sum(axis=0), spectrum(data_set, BINS))
    swapped = DataSet(
        tuple(
            Part(replace(part.sample, features=part.sample.features[:, ::-1].copy()), part.multiplicity)
            for part in data_set.parts
        )
    )
    (other,) = cluster_data_set(swapped, BINS, subleading, generators(1))
    np.testing.assert_array_equal(one.spectra, other.spectra)


def test_the_training_can_leave_the_injected_signal_out() -> None:
    bins = replace(BINS, training=(3400, 3600))  # where the signal is
    with_signal, without = drawn(300), drawn(300).parts[:1]
    assert len(training_jets(with_signal.parts, bins)) > len(training_jets(without, bins))
    seeing, blind, alone = (
        cluster_data_set(data_set, bins, SECTION, generators(1), train_on_injected=sees)[0]
        for data_set, sees in ((with_signal, True), (with_signal, False), (DataSet(without), True))
    )
    np.testing.assert_array_equal(blind.model.centres, alone.model.centres)
    assert not np.array_equal(seeing.model.centres, alone.model.centres)
    np.testing.assert_array_equal(blind.background, alone.background)
    assert blind.injected.sum() > 0


def test_members_share_nothing_but_the_data_set() -> None:
    """A member is the same alone and among others, wherever its sample's rows lie."""
    data_set = drawn(300)
    both = cluster_data_set(data_set, BINS, SECTION, generators(2))
    second = cluster_data_set(data_set, BINS, SECTION, generators(2)[1:])
    np.testing.assert_array_equal(both[1].spectra, second[0].spectra)
    (part,) = drawn().parts
    order = np.random.default_rng(1).permutation(part.sample.n_events)
    scattered = np.zeros_like(part.sample.features)
    scattered[order] = part.sample.features[part.sample.rows]
    moved = Part(replace(part.sample, features=scattered, rows=order), part.multiplicity)
    one = cluster_data_set(DataSet((part,)), BINS, SECTION, generators(1))[0]
    other = cluster_data_set(DataSet((moved,)), BINS, SECTION, generators(1))[0]
    np.testing.assert_array_equal(one.spectra, other.spectra)

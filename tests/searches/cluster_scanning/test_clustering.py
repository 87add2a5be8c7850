"""Clusterings of a data set."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from toys import BINS, POOLS, doped, null

from hepcs.datasets.bootstrap import EventView, Part, whole
from hepcs.datasets.samples import Sample
from hepcs.searches.cluster_scanning.clustering import (
    cluster_data_set,
    clustered,
    count_data_set,
    fix_clusters,
    jets_of_clusters,
    scale_of,
    training_jets,
)
from hepcs.searches.cluster_scanning.kmeans import Engine, assign
from hepcs.searches.cluster_scanning.section import ClusterScanning

SECTION = ClusterScanning(k=16, ensemble=3)


def generators(n: int = 2) -> list[np.random.Generator]:
    return [np.random.default_rng([4, member]) for member in range(n)]


def jets_of(part: Part) -> np.ndarray:
    return part.sample.features["image_pca"]


def view(*parts: Part) -> EventView:
    return EventView(parts, BINS)


def repeated(part: Part) -> Part:
    """The same data set, every event there once for each time it was drawn."""
    sample, times = part.sample, part.multiplicity
    events = replace(
        sample,
        m_jj=np.repeat(sample.m_jj, times),
        rows=np.repeat(sample.rows, times),
        n_selected=int(times.sum()),
    )
    return Part(events, np.ones(events.n_events, dtype=np.int64))


def test_an_event_that_was_drawn_twice_weighs_twice() -> None:
    (part,) = null().view.parts
    one = cluster_data_set(view(part), SECTION, generators())
    other = cluster_data_set(view(repeated(part)), SECTION, generators())
    for first, second in zip(one, other, strict=True):
        np.testing.assert_array_equal(first.model.centres, second.model.centres)
        np.testing.assert_array_equal(first.spectra, second.spectra)


@pytest.mark.parametrize("engine", ["compiled", "sklearn"])
def test_counts_are_those_of_the_labels(engine: Engine) -> None:
    data = doped(300).view
    section = SECTION.model_copy(update={"engine": engine})
    for clustering in cluster_data_set(data, section, generators()):
        for part, found in zip(data.parts, clustering.by_part, strict=True):
            expected = np.zeros((SECTION.k, BINS.n_bins), dtype=np.int64)
            jets = jets_of(part)[part.sample.rows]
            labels = assign(jets.reshape(-1, jets.shape[2]), clustering.model, engine).reshape(-1, 2)
            columns = BINS.index(part.sample.m_jj)
            for jet in range(2):
                np.add.at(expected, (labels[:, jet], columns), part.multiplicity)
            np.testing.assert_array_equal(found, expected)


def test_an_event_counts_with_both_its_jets() -> None:
    data = doped(300).view
    for clustering in cluster_data_set(data, SECTION, generators()):
        np.testing.assert_array_equal(clustering.spectra.sum(axis=0), 2 * data.spectrum)
        np.testing.assert_array_equal(clustering.by_part[1].sum(axis=0), 2 * view(data.parts[1]).spectrum)


def test_one_jet_of_each_event_alone() -> None:
    """Clusters of leading jets count leading jets; the two together are what swapped jets give."""
    data = doped(300).view
    leading, subleading = (SECTION.model_copy(update={"jets": which}) for which in ("leading", "subleading"))
    (one,) = cluster_data_set(data, leading, generators(1))
    np.testing.assert_array_equal(one.spectra.sum(axis=0), data.spectrum)
    swapped = view(
        *(
            replace(part, sample=replace(part.sample, features={"image_pca": jets_of(part)[:, ::-1].copy()}))
            for part in data.parts
        )
    )
    (other,) = cluster_data_set(swapped, subleading, generators(1))
    np.testing.assert_array_equal(one.spectra, other.spectra)


def test_the_training_can_leave_the_injected_signal_out() -> None:
    section = SECTION.model_copy(update={"training": (3400.0, 3600.0)})  # where the signal is
    data = doped(300).view
    background = data.parts[:1]
    assert len(training_jets(data.parts, section)) > len(training_jets(background, section))
    (seeing,) = cluster_data_set(data, section, generators(1))
    (blind,) = cluster_data_set(data, section, generators(1), training=background)
    (alone,) = cluster_data_set(view(*background), section, generators(1))
    np.testing.assert_array_equal(blind.model.centres, alone.model.centres)
    assert not np.array_equal(seeing.model.centres, alone.model.centres)
    np.testing.assert_array_equal(blind.by_part[0], alone.by_part[0])
    assert blind.by_part[1].sum() > 0


def test_members_share_nothing_but_the_data_set() -> None:
    """A member is the same alone and among others, wherever its sample's rows lie."""
    data = doped(300).view
    both = cluster_data_set(data, SECTION, generators(2))
    second = cluster_data_set(data, SECTION, generators(2)[1:])
    np.testing.assert_array_equal(both[1].spectra, second[0].spectra)
    (part,) = null().view.parts
    order = np.random.default_rng(1).permutation(part.sample.n_events)
    scattered = np.zeros_like(jets_of(part))
    scattered[order] = jets_of(part)[part.sample.rows]
    moved = replace(part, sample=replace(part.sample, features={"image_pca": scattered}, rows=order))
    one = cluster_data_set(view(part), SECTION, generators(1))[0]
    other = cluster_data_set(view(moved), SECTION, generators(1))[0]
    np.testing.assert_array_equal(one.spectra, other.spectra)


def test_jets_of_a_cluster_are_named_by_their_event() -> None:
    data = doped(300).view
    (clustering,) = cluster_data_set(data, SECTION, generators(1))
    held = jets_of_clusters(data, clustering.model, range(SECTION.k), SECTION)
    np.testing.assert_array_equal([len(jets) for jets in held], clustering.spectra.sum(axis=1))
    events, times = np.unique(np.concatenate(held) // 2, return_counts=True)
    order = np.argsort(data.event)
    np.testing.assert_array_equal(events, data.event[order])
    np.testing.assert_array_equal(times, 2 * data.multiplicity[order])


def test_features_of_events_cluster_events() -> None:
    data = doped(300).view
    section = SECTION.model_copy(update={"features": "event"})
    (clustering,) = cluster_data_set(data, section, generators(1))
    np.testing.assert_array_equal(clustering.spectra.sum(axis=0), data.spectrum)
    labels = clustering.model.labels(data.features("event"))
    expected = np.bincount(labels, weights=data.multiplicity, minlength=SECTION.k)
    np.testing.assert_array_equal(clustering.spectra.sum(axis=1), expected)
    held = jets_of_clusters(data, clustering.model, [3], section)[0]
    of_cluster = np.repeat(data.event, data.multiplicity)[np.repeat(labels, data.multiplicity) == 3]
    both = np.stack([2 * of_cluster, 2 * of_cluster + 1], axis=1).ravel()
    np.testing.assert_array_equal(held, both)


@pytest.mark.parametrize("features", ["image_pca", "event"])
def test_clusters_that_were_found_before_are_counted(features: str) -> None:
    """Known events by their labels, others, such as a signal, as ever."""
    section = SECTION.model_copy(update={"features": features, "retrain": False})
    fixed = fix_clusters(whole(POOLS.background, BINS), section, np.random.default_rng(1))
    for data in (null().view, doped(300).view):
        found = count_data_set(data, fixed, section)
        assert [one.model for one in found] == list(fixed.models)
        for clustering in found:
            for part, counts in zip(data.parts, clustering.by_part, strict=True):
                jets = part.sample.features[features][part.sample.rows]
                flat = jets.reshape(-1, jets.shape[-1])
                labels = clustering.model.labels(flat).reshape(len(jets), -1)
                expected = np.zeros((SECTION.k, BINS.n_bins), dtype=np.int64)
                for one in labels.T:
                    np.add.at(expected, (one, BINS.index(part.sample.m_jj)), part.multiplicity)
                np.testing.assert_array_equal(counts, expected)


@pytest.mark.parametrize("kind", ["each", "local"])
def test_a_scale_makes_units_irrelevant(kind: str) -> None:
    (part,) = null().view.parts
    section = SECTION.model_copy(update={"scale": kind})
    factors = np.array([1000, 1, 1, 0.01, 1, 1], dtype=np.float32)
    samples = [part.sample, replace(part.sample, features={"image_pca": jets_of(part) * factors})]
    scales = [scale_of(sample, section) for sample in samples]
    assert scales[0] is not None
    assert scales[1] is not None
    np.testing.assert_allclose(scales[1].spread, scales[0].spread * factors, rtol=1e-3)
    jets, other = (
        training_jets([replace(part, sample=sample)], section, scale)
        for sample, scale in zip(samples, scales, strict=True)
    )
    np.testing.assert_allclose(other, jets, rtol=1e-3, atol=1e-3)
    assert scale_of(part.sample, SECTION) is None
    constant = replace(part.sample, features={"image_pca": jets_of(part) * 0 + 3})
    found = scale_of(constant, section)
    assert found is not None
    assert np.isfinite(clustered(constant, section, found)).all()


def test_weights_multiply_the_columns() -> None:
    (part,) = null().view.parts
    weights = (1.0, 1.0, 0.5, 2.0, 1.0, 1.0)
    for kind in ("none", "each", "local"):
        plain = SECTION.model_copy(update={"scale": kind})
        section = plain.model_copy(update={"weights": weights})
        found, other = (training_jets([part], one, scale_of(part.sample, one)) for one in (section, plain))
        np.testing.assert_allclose(found, other * np.array(weights, dtype=np.float32), rtol=1e-5)


def test_a_local_scale_takes_the_trend_with_m_jj_out() -> None:
    """Features that drift and widen with m_jj give clusters that share the background alike everywhere."""
    rng = np.random.default_rng(5)
    m = rng.uniform(3000, 4600, 30_000)
    drift = (m - 3800) / 800
    x = np.stack([drift + rng.normal(size=m.size) * np.exp(0.4 * drift), rng.normal(size=m.size)], axis=1)
    sample = Sample(m, {"event": x.astype(np.float32)}, np.arange(m.size), m.size)
    section = ClusterScanning(features="event", k=8, ensemble=1, training=(3000.0, 4600.0))
    data = view(Part(sample, np.ones(m.size, dtype=np.int64)))

    def spread(kind: str) -> float:
        own = section.model_copy(update={"scale": kind})
        (found,) = cluster_data_set(data, own, generators(1), scale=scale_of(sample, own))
        share = found.spectra / found.spectra.sum(axis=0)
        return float(share.std(axis=1).mean())

    # Of 1,900 events in a bin, an eighth: 0.0076.
    assert spread("local") < 0.01 < 0.05 < spread("each")

"""Average images of groups of jets, from dijets on disk."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
from toys import BINS, toy_pools

from hepcs._core.progress import serial_mapper, silent
from hepcs.config.preparation import Images
from hepcs.config.searches import ClusterScanning, Statistic
from hepcs.datasets.bootstrap import Kind, Task, draw_data_set
from hepcs.features.ingest import Ingested
from hepcs.images import jet_images
from hepcs.jets import Cutflow
from hepcs.results import JetGroup
from hepcs.running.average_images import average_images
from hepcs.searches.cluster_scanning.clustering import jets_of_clusters
from hepcs.searches.cluster_scanning.search import ClusterScanFamily, ClusterScanSearch

IMAGES = Images(pixels=12)


def write_dijets(folder: Path, sizes: tuple[int, ...], seed: int) -> tuple[Ingested, ak.Array]:
    """Jets of a few constituents in files as ingestion leaves them, and all of them."""
    rng = np.random.default_rng(seed)
    files, everything = [], []
    for number, n in enumerate(sizes):
        counts = rng.integers(2, 9, 2 * n)
        columns = {
            "pt": rng.uniform(1, 100, counts.sum()).astype(np.float32),
            "eta": rng.normal(0, 0.2, counts.sum()).astype(np.float32),
            "phi": rng.normal(0, 0.2, counts.sum()).astype(np.float32),
        }
        file = folder / f"{seed}_{number}.npz"
        m_jj, mass = rng.uniform(3000, 4600, n), np.ones((n, 2))
        np.savez(file, m_jj=m_jj, mass=mass, counts=counts, constituents=np.stack(list(columns.values())))
        files.append(file)
        everything.append(ak.unflatten(ak.zip(columns), counts))
    ingested = Ingested(
        key="",
        files=tuple(files),
        inputs=(),
        cutflow=Cutflow((), ()),
        rejections=(),
        skipped=(),
        reused=False,
    )
    return ingested, ak.concatenate(everything)


def test_each_group_is_averaged_over_its_jets(tmp_path: Path) -> None:
    """Across files and samples, with jets that are in two groups, and twice in one."""
    background, of_background = write_dijets(tmp_path, (7, 0, 5), 1)
    signal, of_signal = write_dijets(tmp_path, (4,), 2)
    groups = [
        JetGroup("a", "", {"background": np.array([0, 3, 14, 23, 3]), "signal": np.array([7])}),
        JetGroup("b", "", {"background": np.array([23, 13])}),
        JetGroup("empty", "", {"background": np.zeros(0, dtype=np.int64)}),
    ]
    found = average_images(
        groups, {"background": background, "signal": signal}, IMAGES, serial_mapper, silent
    )
    plain = {
        "background": jet_images(of_background, pixels=12).astype(float),
        "signal": jet_images(of_signal, pixels=12).astype(float),
    }
    wanted = np.concatenate([plain["background"][[0, 3, 14, 23, 3]], plain["signal"][[7]]]).mean(axis=0)
    np.testing.assert_allclose(found[0], wanted, atol=1e-12)
    np.testing.assert_allclose(found[1], plain["background"][[23, 13]].mean(axis=0), atol=1e-12)
    assert found[:2].sum(axis=(1, 2)) == pytest.approx(1, abs=1e-6)
    assert not found[2].any()


def test_many_jets_are_drawn_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ingested, jets = write_dijets(tmp_path, (20,), 3)
    monkeypatch.setattr("hepcs.running.average_images.BLOCK", 7)
    group = JetGroup("a", "", {"data": np.arange(40)})
    found = average_images([group], {"data": ingested}, IMAGES, serial_mapper, silent)[0]
    np.testing.assert_allclose(found, jet_images(jets, pixels=12).astype(float).mean(axis=0), atol=1e-12)


@pytest.mark.parametrize("which", ["both", "leading", "subleading"])
def test_a_search_names_the_jets_that_its_clusters_hold(which: str) -> None:
    """As many as the spectra count, of both samples, in the m_jj bins where they are counted."""
    section = ClusterScanning(k=16, ensemble=2, theta=1.0, jets=which)
    pools = toy_pools()
    search = ClusterScanSearch(pools, section, Statistic(), 1)
    task = Task(Kind.OBSERVED, 300, 0)
    ensemble = search.scan(task)
    member = ensemble.representative
    scan, model = ensemble.scans[member], ensemble.clusterings[member].model
    rich = [int(cluster) for cluster in np.flatnonzero(scan.signal_rich)]
    groups = search.observation(task, ensemble).groups
    assert [group.path for group in groups] == [
        f"member_{member:02d}/average_images/cluster_{cluster:02d}" for cluster in rich
    ]
    assert rich, "the toy must select something"
    rows = {row["cluster"]: row for row in search.observe(task).summary["selected_clusters"]}
    for cluster, group in zip(rich, groups, strict=True):
        n = sum(len(jets) for jets in group.jets.values())
        assert n == scan.spectra[cluster].sum() == rows[cluster]["jets"]
    data_set = draw_data_set(pools, task, search.seed)
    everything = jets_of_clusters(data_set, model, range(16), section.jets)
    # Both toy samples have the role "": the first part counts each event once.
    assert sum(len(jets[""]) for jets in everything) == scan.spectra.sum()


def test_searches_of_a_family_keep_their_essentials() -> None:
    pools = toy_pools()
    first = ClusterScanSearch(pools, ClusterScanning(k=16, ensemble=2), Statistic(), 1)
    other = ClusterScanSearch(
        pools, ClusterScanning(k=16, ensemble=2, theta=2.0), Statistic(), 1, name="other"
    )
    task = Task(Kind.OBSERVED, 300, 0)
    kept, essential = ClusterScanFamily((first, other)).observe(task)
    alone = {named.path: named.histogram for named in other.observe(task).histograms}
    member = f"member_{essential.summary['representative_member']:02d}"
    assert {named.path for named in essential.histograms} == {
        f"{member}/{name}" for name in ("signal_rich", "background_estimate", "local_significance")
    }
    for named in essential.histograms:
        np.testing.assert_array_equal(named.histogram.values(), alone[named.path].values())
    assert kept.groups
    assert len(kept.histograms) > len(essential.histograms)
    assert BINS.n_bins == len(essential.histograms[0].histogram.values())


def test_significance_and_enrichment_of_the_selected_clusters() -> None:
    search = ClusterScanSearch(toy_pools(), ClusterScanning(k=16, ensemble=1), Statistic(), 1)
    task = Task(Kind.OBSERVED, 300, 0)
    ensemble = search.scan(task)
    scan, clustering = ensemble.scans[0], ensemble.clusterings[0]
    rows = search.observe(task).summary["selected_clusters"]
    assert rows
    poor = scan.spectra[~scan.signal_rich].sum(axis=0)
    total = clustering.spectra.sum() - clustering.injected.sum()
    for row in rows:
        spectrum = scan.spectra[row["cluster"]]
        expected = spectrum.sum() * poor / poor.sum()
        local = (spectrum - expected) / np.sqrt(expected)
        assert row["local_significance"] == pytest.approx(local.max())
        assert row["most_significant_bin"] == np.argmax(local)
        signal = clustering.injected[row["cluster"]].sum()
        sfi = signal / (spectrum.sum() - signal) / (clustering.injected.sum() / total)
        assert row["sfi"] == pytest.approx(sfi)
    assert search.observe(Task(Kind.OBSERVED, 0, 0)).summary["selected_clusters"] == [] or all(
        row["sfi"] is None for row in search.observe(Task(Kind.OBSERVED, 0, 0)).summary["selected_clusters"]
    )

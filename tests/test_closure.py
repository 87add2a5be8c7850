"""Closure: null samples give uniform p-values, injected signals are found, and the compression changes little."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
from scipy import stats
from toys import toy_pools

from hepcs.calibration import calibrate_many
from hepcs.config.preparation import Jets
from hepcs.config.searches import ClusterScanning, Fits, Statistic
from hepcs.config.sources import RootSource
from hepcs.datasets.bootstrap import Kind, Task
from hepcs.features.image_pca import compress, image_moments, train_compression
from hepcs.images import image_and_reprocess
from hepcs.jets import select_dijets
from hepcs.searches.base import Search
from hepcs.searches.cluster_scanning.kmeans import ClusterModel, assign, train
from hepcs.searches.cluster_scanning.search import ClusterScanSearch
from hepcs.searches.dijet_fit.search import fit_search
from hepcs.sources.base import Chunk
from hepcs.sources.opening import open_files

POOLS = toy_pools(n_background=3000)
SCAN = ClusterScanSearch(POOLS, ClusterScanning(k=10, ensemble=1), Statistic(), 1)
FIT = fit_search(POOLS, 3, Fits(), Statistic(), 1)


def statistics(search: Search, indices: range) -> np.ndarray:
    return np.array([search.run(Task(Kind.BACKGROUND_ONLY, 0, index)).statistic for index in indices])


@pytest.mark.slow
@pytest.mark.parametrize("search", [SCAN, FIT], ids=lambda search: search.name)
def test_p_values_of_a_null_sample_are_uniform(search: Search) -> None:
    """Independent background-only data sets, calibrated by others of their kind.

    Statistics that are exactly 0 tie at p = 1; above, p must be uniform, so only those are tested there.
    """
    null, test = statistics(search, range(400)), statistics(search, range(400, 700))
    p = np.array([one.p_smoothed for one in calibrate_many(test, null)])
    zero = np.mean(np.concatenate([null, test]) == 0)
    below = p[p < 1 - zero - 0.05] / (1 - zero - 0.05)
    assert len(below) > 100
    # Null and test samples both fluctuate: the two-sample test of the statistics is the fair one.
    assert stats.ks_2samp(null, test).pvalue > 0.01
    assert stats.kstest(below, "uniform").pvalue > 0.001
    for alpha in (0.5, 0.2, 0.05):
        expected_sd = np.sqrt(alpha * (1 - alpha) * (1 / 400 + 1 / 300))
        assert (p <= alpha).mean() == pytest.approx(alpha, abs=4 * expected_sd)


def test_the_observed_data_set_without_signal_is_no_excess() -> None:
    null = statistics(SCAN, range(60))
    (one,) = calibrate_many([SCAN.run(Task(Kind.OBSERVED, 0, 0)).statistic], null)
    assert one.p > 0.01


@pytest.mark.parametrize("search", [SCAN, FIT], ids=lambda search: search.name)
def test_an_injected_signal_is_found(search: Search) -> None:
    null = statistics(search, range(60))
    doped = [search.run(Task(Kind.DOPED, 400, index)).statistic for index in range(5)]
    assert np.median(doped) > np.quantile(null, 0.97)


@pytest.mark.slow
def test_compression_agrees_with_the_full_pixels(real_data: Path) -> None:
    """For the same centroids, labels agree to 99.5 % with 97.3 % of the variance kept (48 components)."""
    source = open_files(RootSource(kind="root", files=(str(real_data / "pythia_qcd_a_0.root"),)), [real_data])
    file = source.chunks()[0].file
    dijets = select_dijets(source.read(Chunk(file, 0, 6000)), Jets(), file=file, first_entry=0)
    inside = dijets.m_jj >= 3000
    jets = ak.flatten(dijets.jets.constituents[inside], axis=1)
    images = image_and_reprocess(jets).reshape(len(jets), -1)
    training = np.repeat(dijets.m_jj[inside] < 3200, 2)
    full = train(images[training], 50, 2048, np.random.default_rng(1))
    agreement = {}
    for kept in (0.957, 0.973, 0.989):
        compression = train_compression(image_moments(images[training]), kept)
        small = ClusterModel(compress(full.centres, compression))
        agreement[kept] = np.mean(assign(images, full) == assign(compress(images, compression), small))
    # A training sample of a tenth of the measured one: a per cent of slack.
    assert agreement[0.957] > 0.975
    assert agreement[0.973] > 0.985
    assert agreement[0.989] > 0.99
    assert agreement[0.957] < agreement[0.989]

"""Closure: null samples give uniform p-values, injected signals are found, and the compression changes little."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
from scipy import stats
from toy_card import toy_card
from toys import doped, null, observed, toy_pools

from hepcs.calibration import calibrate_many
from hepcs.config.preparation import Jets
from hepcs.config.searches import SearchSection
from hepcs.config.sources import RootSource
from hepcs.datasets.bootstrap import DataSet, EventView
from hepcs.features.image_pca import compress, image_moments, train_compression
from hepcs.images import image_and_reprocess
from hepcs.jets import select_dijets
from hepcs.searches.base import Inputs, Search
from hepcs.searches.cluster_scanning.kmeans import ClusterModel, assign, train
from hepcs.searches.cluster_scanning.section import ClusterScanning
from hepcs.searches.cut_and_fit.section import Trees
from hepcs.searches.cwola import Cwola
from hepcs.searches.dijet_fit.section import DijetFitSection
from hepcs.searches.kinds import Context, kind_of
from hepcs.sources.base import Chunk
from hepcs.sources.opening import open_files

POOLS = toy_pools(n_background=3000)


def built(section: SearchSection) -> Search:
    return kind_of(section).build(section.kind, section, Context(toy_card(searches={"one": section}), POOLS))


SCAN = built(ClusterScanning(k=10, ensemble=1))
FIT = built(DijetFitSection(parameters=3))
QUICK = Trees(rounds=5, leaves=6, min_leaf=20)
HUNT = built(Cwola(folds=2, efficiencies=(0.1,), window=4, trees=QUICK))


def statistic(search: Search, view: EventView, seed: int) -> float:
    rng = np.random.default_rng(seed)
    return search.judge(search.fit(view, Inputs(), rng), view, Inputs(), rng).statistic


def view_of(search: Search, data: DataSet, seed: int) -> EventView:
    """What calibrates a search: the data set, or a toy of its own."""
    rng = np.random.default_rng([seed, 1])
    return search.toy(data, rng) if search.is_calibrated_by_toys else data.view


def statistics(search: Search, indices: range) -> np.ndarray:
    views = ((index, view_of(search, null(index, POOLS), index)) for index in indices)
    return np.array([statistic(search, view, index) for index, view in views])


@pytest.mark.slow
@pytest.mark.parametrize("search", [SCAN, FIT, HUNT], ids=lambda search: search.name)
def test_p_values_of_a_null_sample_are_uniform(search: Search) -> None:
    """Independent background-only data sets, calibrated by others of their kind.

    Statistics that are exactly 0 tie at p = 1; above, p must be uniform, so only those are tested there.
    """
    n_null, n_test = (200, 150) if search is HUNT else (400, 300)
    background = statistics(search, range(n_null))
    test = statistics(search, range(n_null, n_null + n_test))
    p = np.array([one.p_smoothed for one in calibrate_many(test, background)])
    zero = np.mean(np.concatenate([background, test]) == 0)
    below = p[p < 1 - zero - 0.05] / (1 - zero - 0.05)
    assert len(below) > 100
    # Null and test samples both fluctuate: the two-sample test of the statistics is the fair one.
    assert stats.ks_2samp(background, test).pvalue > 0.01
    assert stats.kstest(below, "uniform").pvalue > 0.001
    for alpha in (0.5, 0.2, 0.05):
        expected_sd = np.sqrt(alpha * (1 - alpha) * (1 / n_null + 1 / n_test))
        assert (p <= alpha).mean() == pytest.approx(alpha, abs=4 * expected_sd)


def test_the_observed_data_set_without_signal_is_no_excess() -> None:
    background = statistics(SCAN, range(60))
    (one,) = calibrate_many([statistic(SCAN, observed(0, POOLS).view, 1)], background)
    assert one.p > 0.01


@pytest.mark.parametrize("search", [SCAN, FIT, HUNT], ids=lambda search: search.name)
def test_an_injected_signal_is_found(search: Search) -> None:
    background = statistics(search, range(60))
    found = [statistic(search, view_of(search, doped(400, index, POOLS), index), index) for index in range(5)]
    assert np.median(found) > np.quantile(background, 0.97)


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

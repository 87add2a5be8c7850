"""The searches of a card: families, variants, idealised ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hepcs.searches.dijet_fit.idealised import IdealisedFitSearch
from hepcs.searches.registry import build_families
from toys import BINS, toy_pools

from hepcs._core.errors import CardError
from hepcs.config import LocatedCard, read_card
from hepcs.datasets.bootstrap import Kind, Task, spectrum
from hepcs.searches.base import FamilyOfOne
from hepcs.searches.cluster_scanning.search import ClusterScanFamily, ClusterScanSearch

CARD = """
name: toy
samples:
  background: {kind: root, files: background.root}
  signal: {kind: root, files: signal.root}
cluster_scanning: {k: 16, ensemble: 3}
fits: {parameters: [3], idealised: true}
injection: {epsilon: [300]}
variants:
  low_threshold: {cluster_scanning: {theta: 2.5}}
  neighbours: {cluster_scanning: {neighbours: 2}}
  window_scan: {cluster_scanning: {windows: {}}}
  transfer_factor: {cluster_scanning: {background_estimate: transfer_factor}}
  fit_of_the_sum: {cluster_scanning: {background_estimate: dijet_fit}}
  fit_of_each: {cluster_scanning: {background_estimate: dijet_fit_each}}
  bumphunter: {statistic: {kind: bumphunter}}
  by_the_median: {title: median, cluster_scanning: {combination: median}}
  idealised_cluster_scanning: {idealised: true}
  training_without_signal: {train_on_injected: false}
  training_above: {training: [3400, 3600]}
"""


def card_of(folder: Path, text: str = CARD) -> LocatedCard:
    (folder / "card.yaml").write_text(text, encoding="utf-8")
    return read_card(str(folder / "card.yaml"))


def test_variants_share_clusterings_where_they_can(tmp_path: Path) -> None:
    families = build_families(card_of(tmp_path), toy_pools())
    names = [[name for name, _ in family.searches] for family in families]
    assert names == [
        [
            "cluster_scanning",
            "low_threshold",
            "neighbours",
            "window_scan",
            "transfer_factor",
            "fit_of_the_sum",
            "fit_of_each",
            "bumphunter",
            "by_the_median",
            "idealised_cluster_scanning",
        ],
        ["training_without_signal"],
        ["training_above"],
        ["fit_3"],
        ["idealised_fit"],
    ]
    assert families[0].searches[-2] == ("by_the_median", "median")
    assert families[0].searches[1] == ("low_threshold", "low threshold")


def test_a_member_of_a_family_is_what_it_is_alone(tmp_path: Path) -> None:
    family = build_families(card_of(tmp_path), toy_pools())[0]
    assert isinstance(family, ClusterScanFamily)
    for task in (Task(Kind.BACKGROUND_ONLY, 0, 3), Task(Kind.DOPED, 300, 1)):
        assert family.run(task) == tuple(search.run(task) for search in family.scans)
    task = Task(Kind.OBSERVED, 300, 0)
    observed = family.observe(task)
    assert tuple(one.outcome for one in observed) == family.run(task)
    assert len({one.outcome.statistic for one in observed}) == 10, "variants that do not differ"


def test_idealised_clusters_keep_the_signal_and_the_first_bin(tmp_path: Path) -> None:
    """Background shares of a cluster are those of the first bin, within statistics, in every bin."""
    family = build_families(card_of(tmp_path), toy_pools())[0]
    assert isinstance(family, ClusterScanFamily)
    nominal, *_, idealised = family.scans
    task = Task(Kind.DOPED, 300, 0)
    clusterings = nominal.cluster(task)
    plain, ideal = nominal.judge(task, clusterings), idealised.judge(task, clusterings)
    for clustering, real, best in zip(clusterings, plain.scans, ideal.scans, strict=True):
        np.testing.assert_array_equal(best.spectra.sum(axis=0), real.spectra.sum(axis=0))
        background = best.spectra - clustering.injected
        np.testing.assert_array_equal(background[:, 0], clustering.background[:, 0])
        share = clustering.background[:, 0] / clustering.background[:, 0].sum()
        rest = background[:, 1:].sum(axis=1)
        expected = share * rest.sum()
        pulls = (rest - expected) / np.sqrt(np.maximum(expected * (1 - share), 1))
        assert np.abs(pulls).max() < 5


def test_the_idealised_fit_compares_with_the_original_background(tmp_path: Path) -> None:
    pools = toy_pools()
    family = build_families(card_of(tmp_path), pools)[-1]
    assert isinstance(family, FamilyOfOne)
    search = family.search
    assert isinstance(search, IdealisedFitSearch)
    background = np.bincount(BINS.index(pools.background.m_jj), minlength=BINS.n_bins)
    np.testing.assert_array_equal(search.expected, background)
    assert search.run(Task(Kind.OBSERVED, 0, 0)).statistic == 0
    (scan,) = (search.observe(Task(Kind.OBSERVED, 300, 0)).result,)
    signal = scan.observed - background
    assert scan.statistic == pytest.approx(max(signal / np.sqrt(background)))
    null = [search.run(Task(Kind.BACKGROUND_ONLY, 0, i)).statistic for i in range(200)]
    # The largest of 16 Gaussian deviations: 1.77 on the average, 0.53 its standard deviation.
    assert np.mean(null) == pytest.approx(1.77, abs=0.2)


def test_fit_and_scan_see_the_same_data_sets(tmp_path: Path) -> None:
    families = build_families(card_of(tmp_path), toy_pools())
    task = Task(Kind.DOPED, 300, 5)
    assert families[0].run(task)[0].n_events == families[-1].run(task)[0].n_events


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{theta: 2.5}", "{thta: 2.5}", r"variants\.low_threshold\.cluster_scanning\.thta"),
        ("{theta: 2.5}", "{theta: -1}", r"variants\.low_threshold\.cluster_scanning\.theta.*greater than 0"),
        ("low_threshold", "fit_3", r"variants\.fit_3: is the name of another search"),
        ("[3400, 3600]", "[2900, 3600]", r"variants\.training_above\.training: reaches out of"),
        ("[3400, 3600]", "[3600, 3400]", r"variants\.training_above\.training.*empty or inverted"),
        (
            "{cluster_scanning: {theta: 2.5}}",
            "{cluster_scanning: {windows: {}}, statistic: {kind: bumphunter}}",
            r"variants\.low_threshold\.statistic\.kind: a scan by windows",
        ),
        ("{theta: 2.5}", "{windows: {widths: [9]}, trend: {guard: 3}}", "leave 1 of 16 bins to fit"),
        ("{theta: 2.5}", "{neighbours: 16}", r"cluster_scanning\.neighbours: expected fewer than k = 16"),
        ("{idealised: true}", "{idealized: true}", "Did you mean `?idealised"),
    ],
)
def test_bad_variants(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert CARD.count(old) == 1
    with pytest.raises(CardError, match=message):
        card_of(tmp_path, CARD.replace(old, new))


def test_nobody_knows_the_truth_of_data(tmp_path: Path) -> None:
    """Unlabelled data: idealised searches and injections are refused, each by its key."""
    with pytest.raises(CardError) as refused:
        card_of(tmp_path, CARD.replace("signal: {kind", "data: {kind"))
    text = str(refused.value)
    for key in (
        "fits.idealised",
        "variants.idealised_cluster_scanning",
        "variants.training_without_signal",
        "injection.epsilon",
    ):
        assert f"{key}: " in text
    assert "variants.low_threshold" not in text


def test_too_many_clusters_for_a_variant(tmp_path: Path) -> None:
    card = card_of(tmp_path, CARD.replace("{theta: 2.5}", "{k: 50000}"))
    with pytest.raises(CardError, match=r"card\.yaml:\d+: variants\.low_threshold: 50000 clusters from"):
        build_families(card, toy_pools())


def test_a_scan_of_a_real_search(tmp_path: Path) -> None:
    """Without an injection nothing is known of a signal, and no histogram says so."""
    search = ClusterScanSearch(toy_pools(), *(getattr(card_of(tmp_path).card, key) for key in SECTIONS), 1)
    for epsilon, there in ((0, False), (300, True)):
        observation = search.observe(Task(Kind.OBSERVED, epsilon, 0))
        paths = {named.path for named in observation.histograms}
        assert ("member_00/signal_spectra" in paths) is there
    injected = [named for named in observation.histograms if named.path.endswith("signal_spectra")]
    for named in injected:
        drawn = spectrum_of_signal(search, Task(Kind.OBSERVED, 300, 0))
        np.testing.assert_array_equal(named.histogram.values().sum(axis=0), 2 * drawn)


SECTIONS = ("cluster_scanning", "statistic")


def spectrum_of_signal(search: ClusterScanSearch, task: Task) -> np.ndarray:
    from hepcs.datasets.bootstrap import DataSet, draw_data_set

    return spectrum(DataSet(draw_data_set(search.pools, task, search.seed).parts[1:]), BINS)

"""The searches of a card, by families that share work."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from hepcs._core.errors import CardError
from hepcs.config import LocatedCard
from hepcs.datasets.samples import Pools
from hepcs.searches.base import FamilyOfOne, SearchFamily
from hepcs.searches.cluster_scanning.search import ClusterScanFamily, ClusterScanSearch
from hepcs.searches.dijet_fit.idealised import idealised_fit_search
from hepcs.searches.dijet_fit.search import fit_search


def build_families(card: LocatedCard, pools: Pools) -> tuple[SearchFamily, ...]:
    """Cluster Scanning and its variants, then the dijet fits; the search that the run is about comes first.

    Raises
    ------
    CardError
        If k is larger than the number of training jets.
    ComputationError
        If a fit to the original background does not converge.
    """
    sections = card.card
    fits = [
        FamilyOfOne(fit_search(pools, n, sections.fits, sections.statistic, sections.seed))
        for n in sections.fits.parameters
    ]
    if sections.fits.idealised:
        fits.append(FamilyOfOne(idealised_fit_search(pools, sections.statistic, sections.seed)))
    return (*scan_families(card, pools), *fits)


def scan_families(card: LocatedCard, pools: Pools) -> tuple[SearchFamily, ...]:
    """Cluster Scanning and its variants, those with the same clusterings together.

    Raises CardError as :func:`build_families` does.
    """
    families: dict[object, list[ClusterScanSearch]] = {}
    for search in _scans(card, pools):
        families.setdefault(search.clustering_key, []).append(search)
    return tuple(ClusterScanFamily(tuple(searches)) for searches in families.values())


def _scans(card: LocatedCard, pools: Pools) -> Iterator[ClusterScanSearch]:
    """Cluster Scanning as the card wants it, and its variants."""
    sections = card.card
    nominal = ClusterScanSearch(pools, sections.cluster_scanning, sections.statistic, sections.seed)
    _check_k(card, nominal, "cluster_scanning.k")
    yield nominal
    for name, variant in sections.variants.items():
        section, statistic = sections.sections_of(variant)
        search = replace(
            nominal,
            section=section,
            statistic=statistic,
            name=name,
            title=variant.title or name.replace("_", " "),
            idealised=variant.idealised,
            train_on_injected=variant.train_on_injected,
        )
        if variant.training is not None:
            bins = replace(pools.bins, training=variant.training)
            search = replace(search, pools=replace(pools, bins=bins))
        _check_k(card, search, f"variants.{name}")
        yield search


def _check_k(card: LocatedCard, search: ClusterScanSearch, key: str) -> None:
    pools = search.pools
    searched = pools.background if pools.data is None else pools.data
    n_jets = 2 * int(pools.bins.in_training(searched.m_jj).sum())
    if search.section.k > n_jets:
        raise CardError(
            f"{card.where(key)}: {search.section.k} clusters from {n_jets} jets in the training region, "
            "expected fewer clusters than jets"
        )

"""The order of the steps: from a card to a :class:`RunResult`."""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import numpy as np

from hepcs.bootstrap import Kind
from hepcs.campaign import run_family
from hepcs.cluster_scanning import ClusterScanSearch
from hepcs.datacard import LocatedCard
from hepcs.errors import CardError
from hepcs.execution import local_mapper
from hepcs.execution.local import available_cores
from hepcs.fit_search import fit_search
from hepcs.loading import Loaded, load
from hepcs.progress import Progress, silent
from hepcs.provenance import blas_kernels, processor, versions
from hepcs.results import Provenance, RunResult, SearchResult
from hepcs.samples import Pools
from hepcs.search import FamilyOfOne, SearchFamily

logger = logging.getLogger(__name__)

# The paper chooses k so that the smallest cluster-bin holds some 50 jets, and hardly ever fewer than 20.
FEW_JETS = 10

# Bootstraps of a sample of r times the data fluctuate by sqrt(1 + 1/r) as much as data do: 5 % more for r = 10.
AMPLE_BACKGROUND = 10


def run(card: LocatedCard, *, workers: int | None = None, progress: Progress = silent) -> RunResult:
    """Run a card: prepare the samples, search, calibrate.

    Parameters
    ----------
    card
        The card, from :func:`hepcs.datacard.read_card`.
    workers
        Processes; the card's, or all cores, if None. The result does not depend on them.
    progress
        Called with what is done, how many parts are finished, and how many there are.

    Raises
    ------
    CardError, InputError, ComputationError
        With what is wrong and what to do.
    """
    started, clock = datetime.now(UTC), Stopwatch()
    workers = workers or card.card.execution.workers or available_cores()
    mapper = local_mapper(workers)
    with clock("prepare samples"):
        loaded = load(card, mapper, progress)
    with clock("fit background"):
        families = build_families(card, loaded.pools)
    results: list[SearchResult] = []
    for family in families:
        with clock(family.searches[0][1]):
            results += run_family(card, family, mapper, progress, workers)
    return RunResult(
        card=card,
        samples=loaded.reports,
        bins=loaded.pools.bins,
        compression=_compression_numbers(card, loaded),
        searches=tuple(results),
        warnings=tuple(_warnings(card, loaded, results)),
        provenance=Provenance(
            started=started.isoformat(timespec="seconds"),
            versions=versions(),
            platform=platform.platform(),
            processor=processor(),
            blas=blas_kernels(),
            workers=workers,
            seconds=clock.seconds,
        ),
    )


class Stopwatch:
    """Wall-clock seconds of each step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        """Time one step."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[step] = time.perf_counter() - start


def build_families(card: LocatedCard, pools: Pools) -> tuple[SearchFamily, ...]:
    """The searches of a card, by families: Cluster Scanning, then the dijet fits.

    Raises
    ------
    CardError
        If k is larger than the number of training jets.
    ComputationError
        If a fit to the original background does not converge.
    """
    sections = card.card
    searched = pools.background if pools.data is None else pools.data
    n_jets = 2 * int(pools.bins.in_training(searched.m_jj).sum())
    if sections.cluster_scanning.k > n_jets:
        raise CardError(
            f"{card.where('cluster_scanning.k')}: {sections.cluster_scanning.k} clusters from {n_jets} jets "
            "in the training region, expected fewer clusters than jets"
        )
    scan = ClusterScanSearch(pools, sections.cluster_scanning, sections.statistic, sections.seed)
    fits = (
        fit_search(pools, n, sections.fits, sections.statistic, sections.seed)
        for n in sections.fits.parameters
    )
    return (FamilyOfOne(scan), *(FamilyOfOne(fit) for fit in fits))


def _compression_numbers(card: LocatedCard, loaded: Loaded) -> dict[str, Any]:
    """How the features were made, in plain JSON types."""
    dimension = int(loaded.pools.background.features.shape[2])
    numbers: dict[str, Any] = {"kind": card.card.features.kind, "dimension": dimension}
    if loaded.compression is not None:
        numbers["kept_variance"] = loaded.compression.kept_variance
    return numbers


def _warnings(card: LocatedCard, loaded: Loaded, results: Sequence[SearchResult]) -> Iterator[str]:
    """What the reader of the results should know."""
    pools = loaded.pools
    if pools.data is not None and pools.background.n_events < AMPLE_BACKGROUND * pools.data.n_events:
        ratio = pools.data.n_events / pools.background.n_events
        yield (
            f"the background sample ({pools.background.n_events} events in the evaluation region) is not much "
            f"larger than the data ({pools.data.n_events}): pseudo-experiments drawn from it carry its own "
            f"fluctuations too, {np.sqrt(1 + ratio):.2f} times those of the data, so the p-values of Cluster "
            f"Scanning are too large. {AMPLE_BACKGROUND} times the data would be ample"
        )
    for sample in loaded.reports:
        if sample.n_unusable:
            n_read = sample.cutflow.counts[0]
            yield f"{sample.role}: {sample.n_unusable} of {n_read} events could not be used; see the cutflow"
    for result in results:
        if result.n_invalid:
            yield f"{result.title}: {result.n_invalid} data sets gave no statistic, and were left out"
        null = result.statistics(Kind.BACKGROUND_ONLY)
        if np.mean(null == 0) > 0.5:
            yield f"{result.title}: the statistic of most background-only pseudo-experiments is 0: it tells little"
    yield from _thin_clusters(card, results)


def _thin_clusters(card: LocatedCard, results: Sequence[SearchResult]) -> Iterator[str]:
    """Clusters too small for the standardisation to make sense (paper, appendix C)."""
    for result in results:
        smallest = [
            outcome.details["smallest_cluster_bin"]
            for outcome in result.outcomes
            if "smallest_cluster_bin" in outcome.details
        ]
        if smallest and np.median(smallest) < FEW_JETS:
            yield (
                f"{result.title}: the smallest cluster-bin of a data set holds {np.median(smallest):.0f} jets "
                "in the median, and the paper asks for some 50: a smaller cluster_scanning.k than "
                f"{card.card.cluster_scanning.k} would be safer"
            )

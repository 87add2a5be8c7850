"""The order of the steps: from a card to a :class:`RunResult`."""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hepcs._core.progress import Item, Mapper, Progress, Result, silent
from hepcs.config import LocatedCard
from hepcs.datasets.bootstrap import Kind
from hepcs.datasets.loading import Loaded, cache_folder, load
from hepcs.running.average_images import with_pictures
from hepcs.running.execution import Engine, open_execution
from hepcs.running.identity import (
    Origin,
    card_identity,
    describe_origin,
    mixture_warnings,
    run_identity,
    this_origin,
)
from hepcs.running.ledger import Ledger, is_blank, open_ledger, read_ledger, refuse_unlike
from hepcs.running.provenance import blas_kernels, code_digest, processor, versions
from hepcs.running.pseudo_experiments import names_of, pseudo_experiments, run_family, run_pseudo_experiments
from hepcs.searches.results import Provenance, RunResult, SampleReport, SearchResult
from hepcs.searches.base import SearchFamily
from hepcs.searches.registry import build_families

if TYPE_CHECKING:
    from distributed import Client

logger = logging.getLogger(__name__)

# The paper chooses k so that the smallest cluster-bin holds some 50 jets, and hardly ever fewer than 20.
FEW_JETS = 10

# Bootstraps of a sample of r times the data fluctuate by sqrt(1 + 1/r) as much as data do: 5 % more for r = 10.
AMPLE_BACKGROUND = 10


def run(
    card: LocatedCard,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    client: Client | None = None,
    progress: Progress = silent,
    ledger: Path | None = None,
    resume: bool = True,
    guard: Callable[[], None] = lambda: None,
) -> RunResult:
    """Run a card: prepare the samples, search, calibrate.

    Parameters
    ----------
    card
        The card, from :func:`hepcs.config.read_card`.
    workers
        Processes, or Dask workers to wait for; the card's, or all cores, if None. The result does not depend on
        them, nor on where they are.
    scheduler
        Address of a Dask scheduler to use in place of what the card says.
    client
        A `distributed.Client` to use in place of what the card says; it stays open.
    progress
        Called with what is done, how many parts are finished, how many there are, and a note of what came out so
        far: :class:`hepcs._core.progress.Progress`.
    ledger
        File that records the pseudo-experiments as they end (:mod:`hepcs.running.ledger`). Those that it holds are not run
        again: a run that was killed goes on, to the same result. None for no record.
    resume
        False to begin the ledger anew; what it holds is lost.
    guard
        Called once the ledger is locked, before anything in it is lost; it raises what refuses that.

    Raises
    ------
    CardError, InputError, ComputationError
        With what is wrong and what to do; CardError if the ledger is of another run.
    """
    started, clock = datetime.now(UTC), Stopwatch()
    with _engine(card, workers, scheduler, client) as engine:
        loaded, families = _prepare(card, engine.preparation, progress, clock, ledger if resume else None)
        results: list[SearchResult] = []
        with _recording(card, loaded, families, ledger, resume, guard) as record:
            mapper = _joining(engine, record)
            for family in families:
                with clock(family.searches[0][1]):
                    results += run_family(card, family, mapper, progress, engine.most_workers, record)
            with clock("average images"):
                finished = with_pictures(
                    results, loaded.ingested, card.card.images, engine.preparation, progress
                )
            origins = (this_origin(), *engine.origins) if record is None else record.origins
    return RunResult(
        card=card,
        samples=loaded.reports,
        bins=loaded.pools.bins,
        compression=_compression_numbers(card, loaded),
        searches=finished,
        warnings=(*_warnings(card, loaded, results), *mixture_warnings(card, origins), *engine.notes),
        provenance=_provenance(started, clock, engine, origins),
    )


def run_part(
    card: LocatedCard,
    part: tuple[int, int],
    ledger: Path,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    client: Client | None = None,
    progress: Progress = silent,
    resume: bool = True,
    guard: Callable[[], None] = lambda: None,
) -> int:
    """Run one of several disjoint parts of a card's pseudo-experiments, for independent jobs.

    The ledgers of all parts together, merged by :func:`hepcs.running.ledger.merge_ledgers`, leave nothing for :func:`run`
    to do but to search the observed data sets and to calibrate.

    Parameters
    ----------
    card, workers, scheduler, client, progress, resume, guard
        As for :func:`run`.
    part
        I and N: the I-th of N parts, 1 <= I <= N. Each has its share of every kind of pseudo-experiment.
    ledger
        File that records the outcomes.

    Returns
    -------
    Pseudo-experiments in the ledger, each counted once for every family of searches.

    Raises
    ------
    ArgumentError
        For a part that there is not.
    CardError, InputError, ComputationError
        As for :func:`run`.
    """
    tasks, clock = pseudo_experiments(card, part), Stopwatch()
    with _engine(card, workers, scheduler, client) as engine:
        loaded, families = _prepare(card, engine.preparation, progress, clock, ledger if resume else None)
        with _recording(card, loaded, families, ledger, resume, guard) as record:
            mapper = _joining(engine, record)
            for family in families:
                run_pseudo_experiments(
                    family,
                    tasks,
                    mapper,
                    progress,
                    workers=engine.most_workers,
                    ledger=record,
                    n_all=len(pseudo_experiments(card)),
                )
    return read_ledger(ledger).n_tasks


def _engine(
    card: LocatedCard, workers: int | None, scheduler: str | None, client: Client | None
) -> AbstractContextManager[Engine]:
    """Where the work of a card is done."""
    return open_execution(
        card.card.execution, workers=workers, scheduler=scheduler, client=client, cache=cache_folder(card)
    )


def _prepare(
    card: LocatedCard, mapper: Mapper, progress: Progress, clock: Stopwatch, ledger: Path | None
) -> tuple[Loaded, tuple[SearchFamily, ...]]:
    """Samples and searches of a card; a ledger that cannot be resumed is refused before they are prepared."""
    if ledger is not None and ledger.is_file() and not is_blank(ledger):
        refuse_unlike(read_ledger(ledger), card_identity(card))
    with clock("prepare samples"):
        loaded = load(card, mapper, progress)
    with clock("fit background"):
        return loaded, build_families(card, loaded.pools)


@contextmanager
def _recording(
    card: LocatedCard,
    loaded: Loaded,
    families: Sequence[SearchFamily],
    path: Path | None,
    resume: bool,
    guard: Callable[[], None],
) -> Iterator[Ledger | None]:
    """The ledger of a run, open for writing; None if none is kept."""
    if path is None:
        yield None
        return
    inputs = {report.role: tuple(file.digest for file in report.inputs) for report in loaded.reports}
    identity = run_identity(card, loaded.pools, inputs, [names_of(family) for family in families])
    with open_ledger(path, identity, resume=resume, guard=guard) as ledger:
        if ledger.n_found:
            logger.info(
                "%s: %d of %d pseudo-experiments are there, and not run again; the observed data sets are",
                path,
                ledger.n_found,
                len(families) * len(pseudo_experiments(card)),
            )
        yield ledger


def _joining(engine: Engine, ledger: Ledger | None) -> Mapper:
    """The mapper of an engine; the ledger knows the origin of each result before it gets the result."""
    if ledger is None:
        return engine.mapper

    def mapper(
        function: Callable[[Item], Result], items: Sequence[Item], *, ordered: bool = True
    ) -> Iterator[Result]:
        for result in engine.mapper(function, items, ordered=ordered):
            for origin in engine.origins:
                ledger.join(origin)
            yield result

    return mapper


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


def _provenance(started: datetime, clock: Stopwatch, engine: Engine, origins: Sequence[Origin]) -> Provenance:
    """Of a run that ends now."""
    return Provenance(
        started=started.isoformat(timespec="seconds"),
        versions=versions(),
        platform=platform.platform(),
        processor=processor(),
        blas=blas_kernels(),
        workers=engine.workers,
        seconds=clock.seconds,
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        code=code_digest(),
        execution=engine.description,
        origins=tuple(dict.fromkeys(map(describe_origin, origins))),
    )


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
        yield from _sample_warnings(sample)
    for result in results:
        if result.n_invalid:
            yield f"{result.title}: {result.n_invalid} data sets gave no statistic, and were left out"
        null = result.statistics(Kind.BACKGROUND_ONLY)
        if np.mean(null == 0) > 0.5:
            yield f"{result.title}: the statistic of most background-only pseudo-experiments is 0: it tells little"
    yield from _thin_clusters(card, results)


def _sample_warnings(sample: SampleReport) -> Iterator[str]:
    """What was lost of a sample, and what may be damaged unseen."""
    if sample.skipped:
        lost = sum(one.n_entries or 0 for one in sample.skipped)
        unknown = sum(one.n_entries is None for one in sample.skipped)
        more = f" and those of {unknown} whose number cannot be read" if unknown else ""
        names = ", ".join(one.path for one in sample.skipped)
        yield (
            f"{sample.role}: {len(sample.skipped)} of {len(sample.skipped) + len(sample.inputs)} files were "
            f"skipped, with {lost:,} events{more}: {names}"
        )
    unprotected = [file.path for file in sample.inputs if not file.protected]
    if unprotected:
        yield (
            f"{sample.role}: {len(unprotected)} of {len(sample.inputs)} files store no checksum of their data "
            "that is verified when they are read, and the card names none, so damage would go unseen. Give "
            f"their md5 or sha256 as `checksum`: {', '.join(unprotected)}"
        )
    if sample.n_unusable:
        n_read = sample.cutflow.counts[0]
        yield f"{sample.role}: {sample.n_unusable} of {n_read} events could not be used; see the cutflow"


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

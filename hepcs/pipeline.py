"""The order of the steps: from a card to a :class:`RunResult`."""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hepcs._core.progress import Item, Mapper, Progress, Result, silent, tracked
from hepcs.config import LocatedCard
from hepcs.datasets.bootstrap import Kind
from hepcs.datasets.cached_sources import cache_folder
from hepcs.datasets.loading import Loaded, load
from hepcs.datasets.reports import SampleReport
from hepcs.results import Provenance, RunResult
from hepcs.running.average_images import with_average_images
from hepcs.running.borrowing import borrowed_outcomes
from hepcs.running.calibrating import Observations, combined_results, search_results
from hepcs.running.cautions import small_background
from hepcs.running.checkpoint import Checkpoint, is_blank, open_checkpoint, read_checkpoint, refuse_unlike
from hepcs.running.execution import Engine, open_execution
from hepcs.running.identity import (
    Origin,
    card_identity,
    describe_origin,
    mixture_warnings,
    run_identity,
    this_origin,
)
from hepcs.running.provenance import blas_kernels, code_digest, processor, versions
from hepcs.running.pseudo_experiments import Campaign, campaign_of, run_pseudo_experiments
from hepcs.searches.kinds import Context, build_searches, by_kind

if TYPE_CHECKING:
    from distributed import Client

logger = logging.getLogger(__name__)

# From here on a dijet mass of the file and ours differ by more than corrections of jets do.
UNLIKE_MASS = 0.05


@dataclass(frozen=True)
class Where:
    """Where the work of a run is done, and where it is recorded. Nothing here changes a result.

    Attributes
    ----------
    workers
        Processes, or Dask workers to wait for; the card's, or all cores, if None.
    scheduler
        Address of a Dask scheduler to use in place of what the card says.
    client
        A `distributed.Client` to use in place of what the card says; it stays open.
    progress
        Called with what is done, how many parts are finished and how many there are:
        :class:`hepcs._core.progress.Progress`.
    checkpoint
        File that records the pseudo-experiments as they end (:mod:`hepcs.running.checkpoint`). Those that it holds
        are not run again: a run that was killed goes on, to the same result. None for no record.
    resume
        False to begin the checkpoint anew; what it holds is lost.
    guard
        Called once the checkpoint is locked, before anything in it is lost; it raises what refuses that.
    """

    workers: int | None = None
    scheduler: str | None = None
    client: Client | None = None
    progress: Progress = silent
    checkpoint: Path | None = None
    resume: bool = True
    guard: Callable[[], None] = lambda: None


def run(
    card: LocatedCard,
    where: Where = Where(),
    *,
    blind: bool = False,
    calibrated_by: RunResult | None = None,
) -> RunResult:
    """Run a card: prepare the samples, run all pseudo-experiments, and look at the observed data last.

    Parameters
    ----------
    card
        The card, from :func:`hepcs.config.read_card`.
    where
        Where the work is done and recorded.
    blind
        Whether to stop before the observed data are looked at: the result has null distributions and expected
        sensitivity alone. A run with the same checkpoint then opens them.

    Raises
    ------
    CardError, InputError, ComputationError
        With what is wrong and what to do; CardError if the checkpoint is of another run.
    """
    started, clock = datetime.now(UTC), Stopwatch()
    with _engine(card, where) as engine:
        loaded, campaign = _prepare(card, engine.preparation, where, clock)
        with _recording(card, loaded, campaign, where) as record:
            mapper = _joining(engine, record)
            with clock("pseudo-experiments"):
                outcomes = (
                    run_pseudo_experiments(
                        campaign, mapper, where.progress, workers=engine.most_workers, checkpoint=record
                    )
                    if calibrated_by is None
                    else borrowed_outcomes(card, loaded.reports, calibrated_by)
                )
            observations: Observations = {}
            openings = () if record is None else record.openings
            if not blind:
                openings = _open(card, record)
                with clock("observed data"):
                    observations = _observe(campaign, mapper, where.progress)
            with clock("calibration"):
                results = search_results(campaign, outcomes, observations)
                combined = combined_results(campaign, results)
            with clock("average images"):
                results = with_average_images(
                    results, loaded.images, card.card.images.half_width, engine.preparation, where.progress
                )
            origins = (this_origin(), *engine.origins) if record is None else record.origins
    result = RunResult(
        card=card,
        samples=tuple(map(_unseen, loaded.reports)) if blind else loaded.reports,
        bins=loaded.pools.bins,
        features=loaded.features,
        searches=results,
        combined=combined,
        warnings=(),
        provenance=_provenance(started, clock, engine, origins, openings),
    )
    warnings = (*_warnings(loaded, result), *mixture_warnings(card, origins), *engine.notes)
    if calibrated_by is not None:
        name = calibrated_by.card.card.name
        warnings += (f"calibrated by the pseudo-experiments of {name}, of the same background and searches",)
    return result.with_warnings(warnings)


def run_part(card: LocatedCard, part: tuple[int, int], where: Where) -> int:
    """Run one of several disjoint parts of a card's pseudo-experiments, for independent jobs.

    The checkpoints of all parts together, merged by :func:`hepcs.running.checkpoint.merge_checkpoints`, leave
    nothing for :func:`run` to do but to look at the observed data and to calibrate.

    Parameters
    ----------
    card, where
        As for :func:`run`; there must be a checkpoint.
    part
        I and N: the I-th of N parts, 1 <= I <= N. Each has its share of every kind of pseudo-experiment.

    Returns
    -------
    Outcomes in the checkpoint.

    Raises
    ------
    ArgumentError
        For a part that there is not.
    CardError, InputError, ComputationError
        As for :func:`run`.
    """
    assert where.checkpoint is not None, "a part is nothing but its checkpoint"
    clock = Stopwatch()
    with _engine(card, where) as engine:
        loaded, campaign = _prepare(card, engine.preparation, where, clock)
        with _recording(card, loaded, campaign, where) as record:
            run_pseudo_experiments(
                campaign,
                _joining(engine, record),
                where.progress,
                workers=engine.most_workers,
                checkpoint=record,
                part=part,
            )
    return read_checkpoint(where.checkpoint).n_tasks


def _engine(card: LocatedCard, where: Where) -> AbstractContextManager[Engine]:
    """Where the work of a card is done."""
    return open_execution(
        card.card.execution,
        workers=where.workers,
        scheduler=where.scheduler,
        client=where.client,
        cache=cache_folder(card),
    )


def _prepare(card: LocatedCard, mapper: Mapper, where: Where, clock: Stopwatch) -> tuple[Loaded, Campaign]:
    """Samples and searches of a card; a checkpoint that cannot be resumed is refused before they are prepared."""
    path = where.checkpoint if where.resume else None
    if path is not None and path.is_file() and not is_blank(path):
        refuse_unlike(read_checkpoint(path), card_identity(card))
    with clock("prepare samples"):
        loaded = load(card, mapper, where.progress)
    with clock("prepare searches"):
        searches = build_searches(Context(card.card, loaded.pools, loaded.columns, card.where))
        return loaded, campaign_of(card.card, loaded.pools, searches)


@contextmanager
def _recording(
    card: LocatedCard, loaded: Loaded, campaign: Campaign, where: Where
) -> Iterator[Checkpoint | None]:
    """The checkpoint of a run, open for writing; None if none is kept."""
    path = where.checkpoint
    if path is None:
        yield None
        return
    inputs = {report.role: tuple(file.digest for file in report.inputs) for report in loaded.reports}
    fits = [tuple(search.name for search in group.searches) for group in campaign.groups]
    identity = run_identity(card, loaded.pools, inputs, fits)
    with open_checkpoint(path, identity, resume=where.resume, guard=where.guard) as checkpoint:
        if checkpoint.n_found:
            logger.info(
                "%s: %d outcomes of pseudo-experiments are there, and not run again", path, checkpoint.n_found
            )
        yield checkpoint


def _joining(engine: Engine, checkpoint: Checkpoint | None) -> Mapper:
    """The mapper of an engine; the checkpoint knows the origin of each result before it gets the result."""
    if checkpoint is None:
        return engine.mapper

    def mapper(
        function: Callable[[Item], Result], items: Sequence[Item], *, ordered: bool = True
    ) -> Iterator[Result]:
        for result in engine.mapper(function, items, ordered=ordered):
            for origin in engine.origins:
                checkpoint.join(origin)
            yield result

    return mapper


def _open(card: LocatedCard, checkpoint: Checkpoint | None) -> tuple[tuple[str, str], ...]:
    """Note that the observed data are looked at, and when; all such notes of the run."""
    what = "data" if card.card.samples.is_real_search else "pseudo-data"
    if checkpoint is None:
        return ((datetime.now(UTC).isoformat(timespec="seconds"), what),)
    checkpoint.opened(what)
    return checkpoint.openings


def _unseen(report: SampleReport) -> SampleReport:
    """Of data that are not looked at, how many events there are, and no more."""
    return replace(report, averages=(), nonzero_pixels=()) if report.role == "data" else report


def _observe(campaign: Campaign, mapper: Mapper, progress: Progress) -> Observations:
    """What each search observes; the checkpoint keeps nothing of it."""
    tasks = campaign.observed_tasks()
    found = tracked(mapper(campaign.observe, tasks), "observed data", len(tasks), progress)
    return {
        task: {name: (outcome, observation) for name, outcome, observation in rows}
        for task, rows in zip(tasks, found, strict=True)
    }


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


def _provenance(
    started: datetime,
    clock: Stopwatch,
    engine: Engine,
    origins: Sequence[Origin],
    openings: Sequence[tuple[str, str]],
) -> Provenance:
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
        openings=tuple(f"{when}: {what}" for when, what in openings),
    )


def _warnings(loaded: Loaded, result: RunResult) -> Iterator[str]:
    """What the reader of the results should know."""
    pools = loaded.pools
    yield from small_background(pools)
    for sample in loaded.reports:
        yield from _sample_warnings(sample)
    for search in result.searches:
        if search.n_invalid:
            yield f"{search.title}: {search.n_invalid} data sets gave no statistic, and were left out"
        null = search.statistics(Kind.BACKGROUND_ONLY)
        if np.mean(null == 0) > 0.5:
            yield f"{search.title}: the statistic of most background-only pseudo-experiments is 0: it tells little"
    for kind, searches in by_kind(result):
        yield from kind.warnings(result, searches)


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
    for feature, n in sample.lacking.items():
        yield (
            f"{sample.role}: {n} of the events in the evaluation region lack the feature {feature}, and are left "
            f"out of all data sets, beside {sample.n_evaluation} that are in them"
        )
    if sample.mass_ratio is not None and abs(sample.mass_ratio[1] - 1) > UNLIKE_MASS:
        yield (
            f"{sample.role}: m_jj as the files hold it is {sample.mass_ratio[1]:.3f} times ours in the median: "
            "are jets, their radius, corrections and `units` the same?"
        )
    if sample.weights is not None and sample.weights.negative_share:
        yield (
            f"{sample.role}: {sample.weights.negative_share:.1%} of the events have negative weights. Events are "
            "drawn by positive ones with the same m_jj spectrum: features differ as far as events of either sign "
            "do"
        )
    if sample.n_unusable:
        n_read = sample.cutflow.counts[0]
        yield f"{sample.role}: {sample.n_unusable} of {n_read} events could not be used; see the cutflow"

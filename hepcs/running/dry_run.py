"""What a card would run: measured on a few events of its own input, nothing written but the cache's checksums."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import psutil
from rich.table import Table

from hepcs._core.errors import InputError
from hepcs._core.progress import Progress, serial_mapper, silent
from hepcs._core.randomness import Stream, generator
from hepcs.config import LocatedCard
from hepcs.config.sources import PythiaSource, Source
from hepcs.datasets.bootstrap import Kind, Task
from hepcs.datasets.loading import Loaded, cache_folder, list_source, load, search_folders
from hepcs.datasets.samples import Pools, Sample
from hepcs.running.execution.local import available_cores
from hepcs.running.pseudo_experiments import Campaign, campaign_of, run_items
from hepcs.searches.kinds import Context, build_searches

# Events of each sample that the probes read: the second one has more, and the difference tells the pace. More are
# read where so few leave nothing to search.
PROBES = (400, 800)
MORE = (1, 10, 100)


@dataclass(frozen=True)
class SampleEstimate:
    """What a probe says about a sample: its entries, how many lie in the evaluation region, and seconds to prepare it."""

    role: str
    n_entries: int
    in_evaluation: float
    seconds: float


@dataclass(frozen=True)
class SearchEstimate:
    """What a search would cost: its data sets, and the seconds of processor time of each."""

    title: str
    n_data_sets: int
    seconds: float


@dataclass(frozen=True)
class Estimate:
    """What a card would run.

    Attributes
    ----------
    samples, searches
        One for each sample and each search of the card.
    once
        Seconds that the searches take once, before the pseudo-experiments.
    seconds
        Wall-clock time of the run with `workers` processes and nothing in the cache.
    memory
        Bytes that all processes hold together.
    """

    name: str
    samples: tuple[SampleEstimate, ...]
    searches: tuple[SearchEstimate, ...]
    once: float
    workers: int
    seconds: float
    memory: int


def estimate(card: LocatedCard, *, workers: int | None = None, progress: Progress = silent) -> Estimate:
    """Estimate a run by doing all of its steps on a few events of its own input, in this process.

    Parameters
    ----------
    card
        The card.
    workers
        Processes of the run; the card's, or all cores, if None.
    progress
        Called for each step.

    Raises
    ------
    InputError, CardError
        As the run would, if an input cannot be read, or nothing of it can be searched.
    """
    workers = workers or card.card.execution.workers or available_cores()
    entries = {role: _entries(card, source) for role, source in card.card.samples.by_role().items()}
    progress("probing samples", 0, 2)
    few, few_seconds, n_few = _probe(card, PROBES[0], MORE)
    progress("probing samples", 1, 2)
    more, more_seconds, n_more = _probe(card, 2 * n_few, (1,))
    progress("probing samples", 2, 2)
    read = {report.role: report.cutflow.counts[0] for report in more.reports}
    # The second probe had everything compiled and imported: its pace is that of a run.
    pace = max(more_seconds - few_seconds / 2, more_seconds / 4) / max(sum(read.values()), 1)
    samples = tuple(
        SampleEstimate(
            report.role,
            entries[report.role],
            report.n_evaluation * entries[report.role] / max(read[report.role], 1),
            entries[report.role] * pace,
        )
        for report in more.reports
    )
    pools = _grown(more.pools, {one.role: one.n_entries / max(read[one.role], 1) for one in samples})
    start = time.perf_counter()
    campaign = campaign_of(card.card, pools, build_searches(Context(card.card, pools, more.columns)))
    once = time.perf_counter() - start
    costs = _seconds_of(campaign, progress)
    n_observed = len(campaign.observed_tasks())
    searches = tuple(
        SearchEstimate(search.title, len(campaign.tasks(name)) + n_observed, costs[name])
        for name, search in campaign.searches.items()
    )
    searching = sum(one.n_data_sets * one.seconds for one in searches)
    preparing = sum(one.seconds for one in samples)
    return Estimate(
        card.card.name,
        samples,
        searches,
        once,
        workers,
        (preparing + searching) / workers + once,
        _memory(campaign, workers),
    )


def _entries(card: LocatedCard, source: Source) -> int:
    """Entries of a sample, whatever becomes of them."""
    if isinstance(source, PythiaSource):
        return source.events
    listing = list_source(source, search_folders(card), cache_folder(card))
    return sum(chunk.n_entries for chunk in listing.chunks)


def _probe(card: LocatedCard, n: int, factors: tuple[int, ...]) -> tuple[Loaded, float, int]:
    """The samples of a card cut down to n events, or more if so few leave nothing; seconds, and events of each."""
    for factor in factors:
        cut, start = _cut_down(card, factor * n), time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="hepcs-probe-") as folder:
            execution = cut.card.execution.model_copy(update={"cache": folder})
            probed = replace(cut, card=cut.card.model_copy(update={"execution": execution}))
            try:
                loaded = _in_memory(load(probed, serial_mapper))
            except InputError:
                if factor == factors[-1]:
                    raise
                continue
        return loaded, time.perf_counter() - start, factor * n
    raise AssertionError("no factor")


def _cut_down(card: LocatedCard, n: int) -> LocatedCard:
    """The card with at most n events of each sample, and without what would need more."""

    def cut(source: Source) -> Source:
        key = "events" if isinstance(source, PythiaSource) else "max_events"
        most = getattr(source, key)
        return source.model_copy(update={key: n if most is None else min(most, n), "checksum": None}
                                 if key == "max_events" else {key: min(most, n)})  # fmt: skip

    samples = card.card.samples
    changed = {}
    for name in type(samples).model_fields:
        value = getattr(samples, name)
        if name in {"signals", "priors"}:
            changed[name] = {key: cut(source) for key, source in value.items()}
        elif name in {"labelled", "background", "signal", "data", "simulation"} and value is not None:
            changed[name] = cut(value)
    injection = card.card.injection.model_copy(update={"epsilon": (0,)})
    update = {"samples": samples.model_copy(update=changed), "injection": injection}
    return replace(card, card=card.card.model_copy(update=update))


def _in_memory(loaded: Loaded) -> Loaded:
    """The same, apart from files that go."""

    def held(sample: Sample) -> Sample:
        return replace(sample, features={name: np.array(one) for name, one in sample.features.items()})

    return replace(loaded, pools=_each(loaded.pools, held))


def _each(pools: Pools, change: Mapping[str, float] | object) -> Pools:
    """Pools with every sample changed by a function."""
    assert callable(change)
    return Pools(
        change(pools.background),
        pools.bins,
        {name: change(sample) for name, sample in pools.signals.items()},
        None if pools.data is None else change(pools.data),
        {role: change(sample) for role, sample in pools.others.items()},
    )


def _grown(pools: Pools, factors: Mapping[str, float]) -> Pools:
    """Samples of the size of the run: the probed events again and again, each time a little moved."""
    first = 0

    def grow(sample: Sample) -> Sample:
        nonlocal first
        rng = generator(1, Stream.STUDY, sample.role)
        n = max(round(sample.n_events * factors[sample.role]), sample.n_events)
        chosen = rng.integers(0, sample.n_events, n)
        features = {}
        for name, values in sample.features.items():
            grown = values[sample.rows[chosen]]
            features[name] = grown * (1 + 0.01 * rng.standard_normal(grown.shape, dtype=np.float32))
        # Anywhere in the bin: a training region needs events even where the probe had none.
        m_jj = np.concatenate([sample.m_jj[chosen], pools.bins.centres])[:n] if n else sample.m_jj
        moved = Sample(
            m_jj,
            features,
            np.arange(n),
            max(round(sample.n_selected * n / sample.n_events), n),
            sample.role,
            first,
        )
        first += n
        return moved

    return _each(pools, grow)


def _seconds_of(campaign: Campaign, progress: Progress) -> dict[str, float]:
    """Processor time of a data set of each search; the first data set of each also loads and warms up."""
    seconds = {}
    for done, name in enumerate(campaign.wanted):
        progress("probing searches", done, len(campaign.wanted))
        tries = [
            run_items(campaign, [(Task(Kind.BACKGROUND_ONLY, 0, index), (name,))]).seconds[name]
            for index in range(2)
        ]
        seconds[name] = min(tries)
    progress("probing searches", len(campaign.wanted), len(campaign.wanted))
    # A fit that several searches share is done once for all of them.
    for group in campaign.groups:
        names = [search.name for search in group.searches]
        if len(names) > 1:
            together = run_items(campaign, [(Task(Kind.BACKGROUND_ONLY, 0, 1), tuple(names))]).seconds
            seconds |= {name: together[name] for name in names}
    return seconds


def _memory(campaign: Campaign, workers: int) -> int:
    """Bytes of shared features, and of what each process holds: as this one does, and a data set of its own."""
    samples = [campaign.pools.background, *campaign.pools.signals.values(), *campaign.pools.others.values()]
    samples += [campaign.pools.data] if campaign.pools.data is not None else []
    features = sum(values.nbytes for sample in samples for values in sample.features.values())
    resident = psutil.Process().memory_info().rss - features
    return int(features + workers * max(resident, 0))


def estimate_rows(estimate: Estimate) -> tuple[tuple[str, str], ...]:
    """The estimate in words: what, and how much."""
    samples = [
        row
        for sample in estimate.samples
        for row in (
            (
                f"{sample.role}: events (in the evaluation region)",
                f"{sample.n_entries:,} (about {sample.in_evaluation:,.0f})",
            ),
            (f"{sample.role}: preparation, processor time", _duration(sample.seconds)),
        )
    ]
    searches = [
        (
            f"{one.title}: data sets x processor time of one",
            f"{one.n_data_sets:,} x {_short(one.seconds)} = {_duration(one.n_data_sets * one.seconds)}",
        )
        for one in estimate.searches
    ]
    return (
        *samples,
        *searches,
        (f"time with {estimate.workers} processes, nothing cached", _duration(estimate.seconds)),
        ("memory of all processes", f"{estimate.memory / 1e9:.1f} GB"),
    )


def render_estimate(estimate: Estimate) -> Table:
    """The estimate as a table for the terminal."""
    table = Table(title=f"{estimate.name}: what would run", show_header=False)
    table.add_column("what")
    table.add_column("how much", justify="right")
    for row in estimate_rows(estimate):
        table.add_row(*row)
    return table


def _short(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"

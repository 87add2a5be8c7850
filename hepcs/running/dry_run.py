"""What a card would run: measured on a few events of its own input, nothing written but the cache's checksums."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray
from rich.table import Table
from scipy.optimize import brentq

from hepcs._core.errors import InputError
from hepcs._core.progress import Progress, serial_mapper, silent
from hepcs._core.randomness import Stream, generator
from hepcs.config import LocatedCard
from hepcs.config.sources import PythiaSource, Source
from hepcs.datasets.bootstrap import Kind, Task
from hepcs.datasets.cached_sources import cache_folder, check_cache, list_source
from hepcs.datasets.loading import Loaded, check_injections, load
from hepcs.datasets.samples import MassBins, Pools, Sample
from hepcs.results import Outcome
from hepcs.running.cautions import small_background
from hepcs.running.execution.local import available_cores
from hepcs.running.pseudo_experiments import Campaign, campaign_of, run_items
from hepcs.searches.kinds import Context, build_searches, kind_of
from hepcs.sources.files import search_folders

# Events of each sample that the first of two probes reads; the second one reads twice as many, and the difference
# tells the pace. Both read more where so few leave nothing to search.
PROBE = 400
MORE = (1, 10, 100)


@dataclass(frozen=True)
class SampleEstimate:
    """What a probe says of a sample: entries, how many of them can be searched, and seconds of processor time."""

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
class RunEstimate:
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
    warnings
        What the run would warn of, as far as the probe can tell.
    """

    name: str
    samples: tuple[SampleEstimate, ...]
    searches: tuple[SearchEstimate, ...]
    once: float
    workers: int
    seconds: float
    memory: int
    warnings: tuple[str, ...] = ()


def estimate(card: LocatedCard, *, workers: int | None = None, progress: Progress = silent) -> RunEstimate:
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
    check_cache(card)
    entries = {role: _entries(card, source) for role, source in card.card.samples.by_role().items()}
    probed, pace = _probe(card, entries, progress)
    factors = {
        report.role: entries[report.role] / max(report.cutflow.counts[0], 1) for report in probed.reports
    }
    samples = tuple(
        SampleEstimate(
            report.role,
            entries[report.role],
            report.n_evaluation * factors[report.role],
            entries[report.role] * pace,
        )
        for report in probed.reports
    )
    pools = _grown(probed.pools, factors, absolute=card.card.samples.luminosity is not None)
    whole = {name: one for name, one in pools.signals.items() if factors[one.role] <= 1}
    check_injections(card, replace(pools, signals=whole))
    start = time.perf_counter()
    context = Context(card.card, pools, probed.columns, card.where)
    campaign = campaign_of(card.card, pools, build_searches(context))
    once = time.perf_counter() - start
    costs, outcomes = _tried(campaign, progress)
    n_observed = len(campaign.observed_tasks())
    searches = tuple(
        SearchEstimate(search.title, len(campaign.tasks(name)) + n_observed, costs[name])
        for name, search in campaign.searches.items()
    )
    searching = sum(one.n_data_sets * one.seconds for one in searches)
    preparing = sum(one.seconds for one in samples)
    return RunEstimate(
        card.card.name,
        samples,
        searches,
        once,
        workers,
        (preparing + searching) / workers + once,
        _memory(campaign, workers),
        tuple(_warnings(card, pools, campaign, outcomes)),
    )


def _warnings(
    card: LocatedCard, pools: Pools, campaign: Campaign, outcomes: Mapping[str, list[Outcome]]
) -> Iterator[str]:
    """What is known before the run."""
    yield from small_background(pools)
    for name, search in campaign.searches.items():
        forecast = kind_of(card.card.searches[name]).forecast
        yield from forecast(card.card, name, search.title, outcomes.get(name, []))


def _entries(card: LocatedCard, source: Source) -> int:
    """Entries of a sample, whatever becomes of them."""
    if isinstance(source, PythiaSource):
        return source.events
    listing = list_source(source, search_folders(card), cache_folder(card))
    return sum(chunk.n_entries for chunk in listing.chunks)


def _probe(card: LocatedCard, entries: Mapping[str, int], progress: Progress) -> tuple[Loaded, float]:
    """Samples of a card cut down to a few events, and the processor time that one event takes, seconds.

    Raises InputError as the run would, if as many events as are looked at leave nothing to search.
    """
    for factor in MORE:
        n = factor * PROBE
        is_cut = n < max(entries.values())
        try:
            progress("probing samples", 0, 2)
            _, few_seconds = _loaded(card, n)
            progress("probing samples", 1, 2)
            loaded, seconds = _loaded(card, 2 * n)
            progress("probing samples", 2, 2)
        except InputError as error:
            if not is_cut:
                raise
            if factor == MORE[-1]:
                raise InputError(f"of the first {n:,} events of each sample: {error}") from error
            continue
        n_read = sum(report.cutflow.counts[0] for report in loaded.reports)
        # The second time everything was compiled and imported: its pace is that of a run.
        return loaded, max(seconds - few_seconds / 2, seconds / 4) / max(n_read, 1)
    raise AssertionError("no factor")


def _loaded(card: LocatedCard, n: int) -> tuple[Loaded, float]:
    """The samples of a card cut down to n events, and the processor time that this took, seconds."""
    start = time.process_time()
    with tempfile.TemporaryDirectory(prefix="hepcs-probe-") as folder:
        return _in_memory(load(_cut_down(card, n, folder), serial_mapper)), time.process_time() - start


def _cut_down(card: LocatedCard, n: int, cache: str) -> LocatedCard:
    """The card with at most n events of each sample, and without what would need more."""

    def cut(source: Source) -> Source:
        if isinstance(source, PythiaSource):
            return source.model_copy(update={"events": min(source.events, n)})
        most = n if source.max_events is None else min(source.max_events, n)
        # The files were verified when they were listed.
        return source.model_copy(update={"max_events": most, "checksum": None})

    samples = card.card.samples
    changed: dict[str, Source | dict[str, Source]] = {}
    for role, source in samples.by_role().items():
        group, _, name = role.partition(".")
        if name:
            changed.setdefault(group, {})[name] = cut(source)  # type: ignore[index]
        else:
            changed[group] = cut(source)
    update = {
        "samples": samples.model_copy(update=changed),
        "injection": card.card.injection.model_copy(update={"epsilon": (0,)}),
        "execution": card.card.execution.model_copy(update={"cache": cache}),
    }
    return replace(card, card=card.card.model_copy(update=update))


def _in_memory(loaded: Loaded) -> Loaded:
    """The same, apart from files that go."""

    def held(sample: Sample) -> Sample:
        return replace(sample, features={name: np.array(one) for name, one in sample.features.items()})

    return replace(loaded, pools=_each(loaded.pools, held, held))


def _each(
    pools: Pools, of_background: Callable[[Sample], Sample], of_signal: Callable[[Sample], Sample]
) -> Pools:
    """Pools with every sample changed: those whose m_jj falls, and those that have a peak."""
    return Pools(
        of_background(pools.background),
        pools.bins,
        {name: of_signal(sample) for name, sample in pools.signals.items()},
        None if pools.data is None else of_background(pools.data),
        {
            role: of_signal(sample) if role.startswith("priors.") else of_background(sample)
            for role, sample in pools.others.items()
        },
    )


def _grown(pools: Pools, factors: Mapping[str, float], *, absolute: bool = False) -> Pools:
    """Samples of the size of the run: the probed events again and again, each time a little moved.

    Weights are kept; or they keep their sum, where they are expectations at a luminosity (`absolute`).
    """
    first = 0

    def grow(sample: Sample, *, falls: bool) -> Sample:
        nonlocal first
        rng = generator(1, Stream.STUDY, sample.role)
        n_probed = sample.n_events
        if n_probed == 0:  # of a labelled sample, whose first events may be background alone
            return sample
        n = max(round(n_probed * factors[sample.role]), n_probed)
        chosen = rng.integers(0, n_probed, n)
        features = {}
        for name, values in sample.features.items():
            grown = values[sample.rows[chosen]]
            features[name] = grown * (1 + 0.01 * rng.standard_normal(grown.shape, dtype=np.float32))
        grown_sample = Sample(
            m_jj=_falling(sample.m_jj.mean(), n, pools.bins, rng) if falls else sample.m_jj[chosen],
            features=features,
            rows=np.arange(n),
            n_selected=max(round(sample.n_selected * n / n_probed), n),
            role=sample.role,
            first_event=first,
            **_weights(sample, chosen, absolute=absolute),
        )
        first += n
        return grown_sample

    return _each(pools, partial(grow, falls=True), partial(grow, falls=False))


def _weights(sample: Sample, chosen: NDArray[np.int64], *, absolute: bool) -> dict[str, Any]:
    """Weights of some events of a sample, as fields of another one."""
    if sample.weights is None or sample.positive_weights is None:
        return {}
    share = sample.n_events / chosen.size if absolute else 1.0
    return {
        "weights": share * sample.weights[chosen],
        "positive_weights": share * sample.positive_weights[chosen],
        "weight_outside": share * sample.weight_outside * chosen.size / sample.n_events,
    }


def _falling(mean: float, n: int, bins: MassBins, rng: np.random.Generator) -> NDArray[np.float64]:
    """n masses of an exponential over the evaluation region: few events leave bins empty that many would not.

    With x = (m - low) / (high - low) the density exp(-a x) has the mean 1 / a - 1 / (exp(a) - 1).
    """
    width = bins.high - bins.low
    wanted = min(max((mean - bins.low) / width, 0.01), 0.99)
    a = float(brentq(lambda a: 1 / a - 1 / math.expm1(a) - wanted, -200, 201))
    x = -np.log1p(rng.random(n) * math.expm1(-a)) / a
    return np.minimum(bins.low + width * x, np.nextafter(bins.high, bins.low))


def _tried(campaign: Campaign, progress: Progress) -> tuple[dict[str, float], dict[str, list[Outcome]]]:
    """Processor time and outcomes of two data sets of each search; the first of each also loads and warms up."""
    seconds: dict[str, float] = {}
    outcomes: dict[str, list[Outcome]] = {}
    for done, name in enumerate(campaign.wanted):
        progress("probing searches", done, len(campaign.wanted))
        tries = [run_items(campaign, [(Task(Kind.BACKGROUND_ONLY, 0, index), (name,))]) for index in range(2)]
        seconds[name] = min(one.seconds[name] for one in tries)
        outcomes[name] = [row[2] for one in tries for row in one.rows if row[2].valid]
    progress("probing searches", len(campaign.wanted), len(campaign.wanted))
    # A fit that several searches share is done once for all of them.
    for group in campaign.groups:
        names = [search.name for search in group.searches]
        if len(names) > 1:
            together = run_items(campaign, [(Task(Kind.BACKGROUND_ONLY, 0, 1), tuple(names))]).seconds
            seconds |= {name: together[name] for name in names}
    return seconds, outcomes


def _memory(campaign: Campaign, workers: int) -> int:
    """Bytes of shared features, and of what each process holds: as this one does, and a data set of its own."""
    samples = [campaign.pools.background, *campaign.pools.signals.values(), *campaign.pools.others.values()]
    samples += [campaign.pools.data] if campaign.pools.data is not None else []
    features = sum(values.nbytes for sample in samples for values in sample.features.values())
    resident = psutil.Process().memory_info().rss - features
    return int(features + workers * max(resident, 0))


def estimate_rows(estimate: RunEstimate) -> tuple[tuple[str, str], ...]:
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


def render_estimate(estimate: RunEstimate) -> Table:
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

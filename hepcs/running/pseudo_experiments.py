"""All searches on all data sets of a card: each data set is drawn once, and handed to every search."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from typing import Literal

from hepcs._core.errors import ArgumentError, ComputationError
from hepcs._core.progress import Mapper, Progress, tracked
from hepcs._core.randomness import Stream, generator
from hepcs._core.threads import one_thread
from hepcs.config import Card
from hepcs.config.running import Nuisances, PseudoExperiments
from hepcs.datasets.bootstrap import DataSet, EventView, Injection, Kind, Task, draw_data_set, whole
from hepcs.datasets.samples import Pools, Sample
from hepcs.results import Observation, Outcome
from hepcs.running.checkpoint import Checkpoint
from hepcs.searches.base import Found, Inputs, Search, outcome_of

# A run with more failed pseudo-experiments than this share is not to be trusted.
INVALID_TOLERANCE = 0.01
# Chunks that each worker should get at least: small ones keep all busy to the end, and are little to lose.
CHUNKS_A_WORKER = 8

#: Data sets of a search: those that all searches share, or toys of its own.
Null = Literal["shared", "own"]
#: The outcome of a search, with its name and what data set it is of.
Row = tuple[str, Null, Outcome]
#: A task, and the searches that want it.
Item = tuple[Task, tuple[str, ...]]


@dataclass(frozen=True)
class FitGroup:
    """Searches that share one fit of each data set.

    Attributes
    ----------
    searches
        In the order of the card.
    samples
        The whole samples that a search is given, by role, for each search by its name; none where it has no entry.
    """

    searches: tuple[Search, ...]
    samples: Mapping[str, Mapping[str, EventView]]

    def inputs(self, search: Search, data: DataSet, *, truth: bool) -> Inputs:
        """What a search is given beside a data set."""
        return Inputs(self.samples.get(search.name, {}), data.injected if truth else None)

    def search(
        self, data: DataSet, names: Sequence[str], seed: int, key: tuple[int | str, ...]
    ) -> Iterator[tuple[Search, Found]]:
        """What each of the named searches finds in a data set; random numbers are keyed by `key`."""
        first = self.searches[0]
        # A fit that a search without the truth has a part in is made without it.
        truth = all(search.section.needs_truth for search in self.searches)
        inputs = self.inputs(first, data, truth=truth)
        fit = first.fit(data.view, inputs, generator(seed, Stream.SEARCH, *key, first.fit_key))
        for search in self.searches:
            if search.name in names:
                rng = generator(seed, Stream.JUDGE, *key, search.name)
                inputs = self.inputs(search, data, truth=search.section.needs_truth)
                yield search, search.judge(fit, data.view, inputs, rng)


@dataclass(frozen=True)
class Campaign:
    """The searches of a card, and the samples that their data sets are drawn from; it can be sent to a process.

    Attributes
    ----------
    pools, seed
        What data sets are drawn from, and the seed of the run.
    groups
        The searches by their fits.
    wanted
        Numbers of pseudo-experiments of each search.
    injections
        Signal events of the observed and the doped data sets.
    nuisances
        Uncertainties of the signal in the doped ones, if there are any.
    """

    pools: Pools
    seed: int
    groups: tuple[FitGroup, ...]
    wanted: Mapping[str, PseudoExperiments]
    injections: tuple[Injection, ...]
    nuisances: Nuisances | None = None

    @property
    def searches(self) -> Mapping[str, Search]:
        """The searches by name, in the order of the card."""
        found = {search.name: search for group in self.groups for search in group.searches}
        return {name: found[name] for name in self.wanted}

    def observed_tasks(self) -> tuple[Task, ...]:
        """The observed data sets: the data of a real search, else one for each injection."""
        injections = (Injection(),) if self.pools.data is not None else self.injections
        return tuple(Task(Kind.OBSERVED, one.epsilon, 0, one.signal) for one in injections)

    def tasks(self, search: str, part: tuple[int, int] = (1, 1)) -> tuple[Task, ...]:
        """The pseudo-experiments of a search, or the I-th of N disjoint parts of them for ``part = (I, N)``.

        Each part has its share of every kind. Raises ArgumentError unless 1 <= I <= N.
        """
        which, n_parts = part
        if not 1 <= which <= n_parts:
            raise ArgumentError(f"part {which}/{n_parts}: expected I/N with 1 <= I <= N")
        wanted = self.wanted[search]
        null = [Task(Kind.BACKGROUND_ONLY, 0, index) for index in range(wanted.background_only)]
        doped = [
            Task(Kind.DOPED, one.epsilon, index, one.signal)
            for one in self.injections
            if one.epsilon > 0
            for index in range(wanted.doped)
        ]
        return tuple([*null, *doped][which - 1 :: n_parts])

    def run(self, task: Task, names: Sequence[str]) -> Iterator[tuple[Row, float]]:
        """Outcomes of the named searches in the data set of a task, each with its seconds of processor time.

        The same for the same task, wherever it runs and with whatever other searches.
        """
        data = draw_data_set(self.pools, task, self.seed, self.nuisances)
        for group in self.groups:
            chosen = [search for search in group.searches if search.name in names]
            if not chosen:
                continue
            start = time.process_time()
            rows = [*self._rows(group, data, task, chosen)]
            seconds = (time.process_time() - start) / len(chosen)
            yield from ((row, seconds if row[1] == "shared" else 0.0) for row in rows)

    def _rows(self, group: FitGroup, data: DataSet, task: Task, chosen: Sequence[Search]) -> Iterator[Row]:
        names, n_events = [search.name for search in chosen], data.view.n_events
        for search, found in group.search(data, names, self.seed, task.key):
            yield search.name, "shared", outcome_of(task, found, n_events)
        for search in chosen:
            if search.is_calibrated_by_toys:
                view = search.toy(data, generator(self.seed, Stream.TOY, *task.key, search.name))
                toy = replace(data, view=view)
                for _, found in group.search(toy, [search.name], self.seed, (*task.key, "toy")):
                    yield search.name, "own", outcome_of(task, found, view.n_events)

    def observe(self, task: Task) -> list[tuple[str, Outcome, Observation]]:
        """Search an observed data set, and keep everything about it."""
        data, found_by = draw_data_set(self.pools, task, self.seed), []
        names = tuple(self.wanted)
        shown = None if self.pools.data is not None else data.injected
        for group in self.groups:
            for search, found in group.search(data, names, self.seed, task.key):
                observation = search.observe(found, data.view, shown)
                found_by.append((search.name, outcome_of(task, found, data.view.n_events), observation))
        return found_by


def campaign_of(card: Card, pools: Pools, searches: Sequence[Search]) -> Campaign:
    """The searches of a card on its samples, after what each does once in a run (:meth:`Search.prepare`)."""
    by_fit: dict[str, list[Search]] = {}
    for search in searches:
        samples = _samples_of(search, pools)
        with one_thread():
            # Searches that share a fit share what was trained for it.
            rng = generator(card.seed, Stream.PREPARE, search.fit_key)
            prepared = search.prepare(Inputs(samples), rng)
        by_fit.setdefault(search.fit_key, []).append(prepared)
    groups = tuple(
        FitGroup(
            tuple(group),
            {search.name: _samples_of(search, pools) for search in group if search.needs_samples},
        )
        for group in by_fit.values()
    )
    injections = dict.fromkeys(
        Injection(epsilon, signal if epsilon else "")
        for signal in card.samples.signal_names or ("",)
        for epsilon in card.injection.of(signal)
    )
    names = {name for section in card.searches.values() for name in section.feature_names}
    return Campaign(
        pools.only(names),
        card.seed,
        groups,
        {name: card.pseudo_experiments_of(name) for name in card.searches},
        tuple(injections),
        card.injection.nuisances,
    )


def _samples_of(search: Search, pools: Pools) -> dict[str, EventView]:
    """The samples that a search is given as a whole, by role, with the features that it looks at."""
    section = search.section
    wanted: dict[str, Sample] = {
        role: sample for role, sample in pools.others.items() if role.split(".")[0] in section.roles
    }
    if section.needs_truth or "background" in section.roles:
        wanted["background"] = pools.background
    if section.needs_truth and "signal" in section.roles:
        wanted |= {f"signal.{name}": sample for name, sample in pools.signals.items()}
    return {role: whole(sample.only(section.feature_names), pools.bins) for role, sample in wanted.items()}


@dataclass(frozen=True)
class Finished:
    """Outcomes of a chunk of items, and the seconds of processor time of each search in it."""

    rows: tuple[Row, ...]
    seconds: Mapping[str, float]


def run_items(campaign: Campaign, items: Sequence[Item]) -> Finished:
    """Run some items, in this process."""
    rows, seconds = [], dict.fromkeys(campaign.wanted, 0.0)
    with one_thread():
        for task, names in items:
            for row, spent in campaign.run(task, names):
                rows.append(row)
                seconds[row[0]] += spent
    return Finished(tuple(rows), seconds)


@dataclass
class Outcomes:
    """Outcomes of pseudo-experiments by search, null and task, as they come; and what they cost."""

    by_search: dict[tuple[str, Null], dict[Task, Outcome]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    n_run: dict[str, int] = field(default_factory=dict)

    def add(self, rows: Iterable[Row]) -> None:
        """Take up outcomes."""
        for name, null, outcome in rows:
            self.by_search.setdefault((name, null), {})[outcome.task] = outcome

    def seconds_of(self, search: str) -> float:
        """Processor time of one data set of a search, s; NaN if all came from a checkpoint."""
        n_run = self.n_run.get(search, 0)
        return self.seconds[search] / n_run if n_run else float("nan")


def run_pseudo_experiments(
    campaign: Campaign,
    mapper: Mapper,
    progress: Progress,
    *,
    workers: int,
    checkpoint: Checkpoint | None = None,
    part: tuple[int, int] = (1, 1),
) -> Outcomes:
    """Outcomes of all pseudo-experiments, taken from a checkpoint as far as it holds them.

    Each finished chunk is recorded before the next one is taken up. Chunks are only what is sent to a worker at a
    time: an outcome does not depend on them, nor on their order.

    Raises
    ------
    ComputationError
        If more than 1 % of all give no statistic for a search, as soon as that is certain.
    """
    outcomes, failures = Outcomes(), Failures(campaign)
    wanted = {name: campaign.tasks(name, part) for name in campaign.wanted}
    if checkpoint is not None:
        for name, null in _nulls(campaign):
            done, tasks = checkpoint.done(name, null), set(wanted[name])
            rows = [(name, null, outcome) for task, outcome in done.items() if task in tasks]
            outcomes.add(rows)
            failures.count(rows)
    chunks = _chunks(campaign, _missing(campaign, wanted, outcomes), workers)
    if not chunks:
        return outcomes
    parts = mapper(partial(run_items, campaign), chunks, ordered=False)
    for finished in tracked(parts, "pseudo-experiments", len(chunks), progress):
        if checkpoint is not None:
            checkpoint.record(finished.rows)
        outcomes.add(finished.rows)
        failures.count(finished.rows)
        for name, null, _ in finished.rows:
            if null == "shared":
                outcomes.n_run[name] = outcomes.n_run.get(name, 0) + 1
        for name, spent in finished.seconds.items():
            outcomes.seconds[name] = outcomes.seconds.get(name, 0.0) + spent
    return outcomes


def _nulls(campaign: Campaign) -> Iterator[tuple[str, Null]]:
    for name, search in campaign.searches.items():
        yield name, "shared"
        if search.is_calibrated_by_toys:
            yield name, "own"


def _missing(campaign: Campaign, wanted: Mapping[str, Sequence[Task]], outcomes: Outcomes) -> list[Item]:
    """What is still to be done: each task with the searches that lack an outcome, in the order of the tasks."""
    lacking: dict[Task, dict[str, None]] = {}
    for name, null in _nulls(campaign):
        done = outcomes.by_search.get((name, null), {})
        for task in wanted[name]:
            if task not in done:
                lacking.setdefault(task, {})[name] = None
    return [(task, tuple(lacking[task])) for task in sorted(lacking)]


def _chunks(campaign: Campaign, items: Sequence[Item], workers: int) -> list[tuple[Item, ...]]:
    """Items in chunks of the same searches, as small as these want them."""
    searches, chunks = campaign.searches, []
    for names, same in groupby(items, key=lambda item: item[1]):
        run = tuple(same)
        most = min(searches[name].cost.chunk for name in names)
        size = max(1, min(most, len(items) // (CHUNKS_A_WORKER * workers)))
        chunks += [run[start : start + size] for start in range(0, len(run), size)]
    return chunks


class Failures:
    """Pseudo-experiments without a statistic, of each search, among all that the card asks for."""

    def __init__(self, campaign: Campaign) -> None:
        self._campaign = campaign
        self._n_all = {(name, null): len(campaign.tasks(name)) for name, null in _nulls(campaign)}
        self._done = dict.fromkeys(self._n_all, 0)
        self._failed = dict.fromkeys(self._n_all, 0)

    def count(self, rows: Iterable[Row]) -> None:
        """Count the outcomes of some; raises ComputationError if more than 1 % of all of a search failed."""
        for name, null, outcome in rows:
            self._done[name, null] += 1
            self._failed[name, null] += not outcome.valid
        for (name, null), failed in self._failed.items():
            n_all = self._n_all[name, null]
            if failed > INVALID_TOLERANCE * n_all:
                title = self._campaign.searches[name].title
                raise ComputationError(
                    f"{title}: {failed} of {n_all} pseudo-experiments gave no statistic, and more than "
                    f"{INVALID_TOLERANCE:.0%} of failures are not to be trusted, so the run ends with "
                    f"{self._done[name, null]} of them done: {_advice(null)}"
                )


def _advice(null: Null) -> str:
    if null == "own":
        return "its fit does not converge. Give it fewer parameters, or more events"
    return "its training or its fit fails. Give it more events, wider windows, or another setting"

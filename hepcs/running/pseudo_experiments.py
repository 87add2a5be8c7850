"""Searches on all data sets of a card, and what their statistics mean: the same for every kind of search."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError, ComputationError
from hepcs._core.progress import Mapper, Progress, tracked
from hepcs._core.randomness import Stream, generator
from hepcs.calibration import (
    ParetoTail,
    calibrate,
    calibrate_many,
    extrapolate_tail,
    fit_pareto_tail,
    median_and_quartiles,
)
from hepcs.config import LocatedCard
from hepcs.datasets.bootstrap import Kind, Task
from hepcs.running.ledger import Ledger
from hepcs.searches.results import Doped, Observed, SearchResult
from hepcs.searches.base import (
    Observation,
    Outcome,
    SearchFamily,
    chunks_of,
    run_chunk,
    statistics_of,
    tasks_of,
)

logger = logging.getLogger(__name__)

# A run with more failed pseudo-experiments than this share is not to be trusted.
INVALID_TOLERANCE = 0.01


def run_family(
    card: LocatedCard,
    family: SearchFamily,
    mapper: Mapper,
    progress: Progress,
    workers: int,
    ledger: Ledger | None = None,
) -> tuple[SearchResult, ...]:
    """Run a family of searches on all data sets of a card.

    The few observed data sets come first, so that the progress says where their p-values are; they are searched
    whenever this is called, since a ledger keeps no histograms. Each search is calibrated by its own
    background-only pseudo-experiments: those that a ledger holds are not run again, the others are recorded there.
    """
    start = time.perf_counter()
    tasks = _all_tasks(card)
    observed = [task for task in tasks if task.kind is Kind.OBSERVED]
    title = family.searches[0][1]
    observations = list(tracked(mapper(family.observe, observed), f"{title}: data", len(observed), progress))
    outcomes = run_pseudo_experiments(
        family,
        pseudo_experiments(card),
        mapper,
        progress,
        workers=workers,
        ledger=ledger,
        observed=[members[0].outcome for members in observations],
    )
    for task, members in zip(observed, observations, strict=True):
        outcomes[task] = tuple(observation.outcome for observation in members)
    seconds = time.perf_counter() - start
    return tuple(
        _search_result(
            card,
            *names,
            [outcomes[task][i] for task in tasks],
            [members[i] for members in observations],
            seconds / len(family.searches),
        )
        for i, names in enumerate(family.searches)
    )


def _all_tasks(card: LocatedCard) -> tuple[Task, ...]:
    wanted = card.card.pseudo_experiments
    return tasks_of(wanted.background_only, wanted.doped, card.card.injection.epsilon)


def pseudo_experiments(card: LocatedCard, part: tuple[int, int] = (1, 1)) -> tuple[Task, ...]:
    """The pseudo-experiments of a card, or the I-th of N disjoint parts of them for ``part = (I, N)``.

    Each part has its share of every kind. Raises ArgumentError unless 1 <= I <= N.
    """
    which, n_parts = part
    if not 1 <= which <= n_parts:
        raise ArgumentError(f"part {which}/{n_parts}: expected I/N with 1 <= I <= N")
    tasks = [task for task in _all_tasks(card) if task.kind is not Kind.OBSERVED]
    return tuple(tasks[which - 1 :: n_parts])


def names_of(family: SearchFamily) -> tuple[str, ...]:
    """Names of the searches of a family, by which a ledger knows it."""
    return tuple(name for name, _ in family.searches)


def run_pseudo_experiments(
    family: SearchFamily,
    tasks: Sequence[Task],
    mapper: Mapper,
    progress: Progress,
    *,
    workers: int,
    ledger: Ledger | None = None,
    observed: Sequence[Outcome] = (),
    n_all: int | None = None,
) -> dict[Task, tuple[Outcome, ...]]:
    """Outcomes of pseudo-experiments by task, taken from a ledger as far as it holds them.

    Each finished chunk is recorded before the next one is taken up. Chunks are only what is sent to a worker at a
    time: an outcome does not depend on them, nor on their order. The progress says where the p-values of the first
    search of the family are, for the data sets in which it `observed` something. `n_all` counts the
    pseudo-experiments of the card, if these are only a part of them.

    Raises
    ------
    ComputationError
        If more than 1 % of all give no statistic for a search, as soon as that is certain.
    """
    names = names_of(family)
    found = {} if ledger is None else ledger.done(names)
    outcomes = {task: found[task] for task in tasks if task in found}
    failures = Failures([title for _, title in family.searches], n_all or len(tasks))
    failures.count(outcomes.values())
    missing = [task for task in tasks if task not in found]
    if not missing:
        return outcomes
    # Small chunks keep all workers busy to the end, and are little to lose.
    chunks = list(chunks_of(missing, max(1, min(20, len(missing) // (8 * workers)))))
    parts = mapper(partial(run_chunk, family), chunks, ordered=False)
    title = family.searches[0][1]
    running = RunningP(observed)
    running.count(members[0] for members in outcomes.values())
    for part in tracked(parts, f"{title}: pseudo-experiments", len(chunks), progress, running.note):
        if ledger is not None:
            ledger.append(names, part)
        outcomes.update({members[0].task: members for members in part})
        running.count(members[0] for members in part)
        failures.count(part)
    return outcomes


class Failures:
    """Pseudo-experiments without a statistic, of each search of a family, among `n_all` that the card asks for."""

    def __init__(self, titles: Sequence[str], n_all: int) -> None:
        self._titles, self._n_all, self._n = titles, n_all, 0
        self._failed = [0] * len(titles)

    def count(self, outcomes: Iterable[tuple[Outcome, ...]]) -> None:
        """Count those of further pseudo-experiments; raises ComputationError if they are too many by now."""
        for members in outcomes:
            self._n += 1
            for i, outcome in enumerate(members):
                self._failed[i] += not outcome.valid
        for title, failed in zip(self._titles, self._failed, strict=True):
            if failed > INVALID_TOLERANCE * self._n_all:
                raise ComputationError(
                    f"{title}: {failed} of {self._n_all} pseudo-experiments gave no statistic, more than "
                    f"{INVALID_TOLERANCE:.0%}: the calibration cannot be trusted, and the run ends with {self._n} "
                    "of them done. A fit needs more events or fewer parameters (fits.parameters); or leave this "
                    "search out of the card, and run again"
                )


class RunningP:
    """p-values of observed data sets while their background-only pseudo-experiments run; the calibration is apart.

    Data sets without a statistic are left out. Of more than three, the first, a middle one and the last are told.
    """

    def __init__(self, observed: Sequence[Outcome]) -> None:
        valid = [outcome for outcome in observed if outcome.valid]
        self._told = valid if len(valid) <= 3 else [valid[0], valid[len(valid) // 2], valid[-1]]
        self._above = [0] * len(self._told)
        self._n = 0

    def count(self, outcomes: Iterable[Outcome]) -> None:
        """Count those of background-only pseudo-experiments that are valid."""
        for outcome in outcomes:
            if outcome.valid and outcome.task.kind is Kind.BACKGROUND_ONLY:
                self._n += 1
                for i, observed in enumerate(self._told):
                    self._above[i] += outcome.statistic >= observed.statistic

    def note(self) -> str:
        """``p so far 3/240 (epsilon = 0), < 1/240 (epsilon = 850)``; empty before the first one."""
        if self._n == 0 or not self._told:
            return ""
        values = [f"{above}/{self._n}" if above else f"< 1/{self._n}" for above in self._above]
        epsilons = [observed.task.epsilon for observed in self._told]
        if any(epsilons):
            values = [f"{p} (epsilon = {epsilon})" for p, epsilon in zip(values, epsilons, strict=True)]
        return f"p so far {', '.join(values)}"


def _search_result(
    card: LocatedCard,
    name: str,
    title: str,
    outcomes: Sequence[Outcome],
    observations: Sequence[Observation],
    seconds: float,
) -> SearchResult:
    """Calibrate one search."""
    wanted, epsilons = card.card.pseudo_experiments, card.card.injection.epsilon
    null = statistics_of(outcomes, Kind.BACKGROUND_ONLY, 0)
    return SearchResult(
        name=name,
        title=title,
        outcomes=tuple(outcomes),
        observed=observed_results(observations, null, card.card.seed),
        doped=tuple(
            doped_result(outcomes, epsilon, null) for epsilon in epsilons if epsilon > 0 and wanted.doped > 0
        ),
        seconds=seconds,
    )


def observed_results(
    observations: Sequence[Observation], null: NDArray[np.float64], seed: int
) -> tuple[Observed, ...]:
    """Calibrate the observed data sets, and extrapolate the tail beside a lower bound (SPEC, section 4)."""
    calibrations = [
        calibrate(observation.outcome.statistic, null) if observation.outcome.valid else None
        for observation in observations
    ]
    bounded = any(one is not None and one.bound == "lower" for one in calibrations)
    tail = _tail(null, seed) if bounded else None
    return tuple(
        Observed(
            observation.outcome.task.epsilon,
            observation,
            calibration,
            extrapolate_tail(tail, calibration.observed)
            if tail is not None and calibration is not None and calibration.bound == "lower"
            else None,
        )
        for observation, calibration in zip(observations, calibrations, strict=True)
    )


def _tail(null: NDArray[np.float64], seed: int) -> ParetoTail | None:
    """Fit of the null sample's tail; None if too few pseudo-experiments make one."""
    try:
        return fit_pareto_tail(null, rng=generator(seed, Stream.TAIL))
    except ArgumentError as error:
        logger.info("no extrapolation beyond the pseudo-experiments: %s", error)
        return None


def doped_result(outcomes: Sequence[Outcome], epsilon: int, null: NDArray[np.float64]) -> Doped:
    """Median and quartiles over the doped pseudo-experiments of an epsilon (paper, section 4)."""
    values = statistics_of(outcomes, Kind.DOPED, epsilon)
    wanted = sum(outcome.task.kind is Kind.DOPED and outcome.task.epsilon == epsilon for outcome in outcomes)
    if values.size == 0:
        raise ComputationError(
            f"none of the {wanted} doped pseudo-experiments with epsilon = {epsilon} is valid"
        )
    lower, median, upper = np.quantile(values, (0.25, 0.5, 0.75))
    z = median_and_quartiles(calibrate_many(values, null))
    return Doped(epsilon, len(values), wanted - len(values), (float(lower), float(median), float(upper)), z)

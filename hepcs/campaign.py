"""Searches on all data sets of a card, and what their statistics mean: the same for every kind of search."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from hepcs.bootstrap import Kind
from hepcs.calibration import (
    ParetoTail,
    calibrate,
    calibrate_many,
    extrapolate_tail,
    fit_pareto_tail,
    median_and_quartiles,
)
from hepcs.datacard import LocatedCard
from hepcs.errors import ArgumentError, ComputationError
from hepcs.progress import Mapper, Progress, tracked
from hepcs.randomness import Stream, generator
from hepcs.results import Doped, Observed, SearchResult
from hepcs.search import Observation, Outcome, SearchFamily, chunks_of, run_chunk, statistics_of, tasks_of

logger = logging.getLogger(__name__)

# A run with more failed pseudo-experiments than this share is not to be trusted.
INVALID_TOLERANCE = 0.01


def run_family(
    card: LocatedCard, family: SearchFamily, mapper: Mapper, progress: Progress, workers: int
) -> tuple[SearchResult, ...]:
    """Run a family of searches on all data sets of a card.

    Each is calibrated by its own background-only pseudo-experiments.
    """
    wanted, epsilons = card.card.pseudo_experiments, card.card.injection.epsilon
    tasks = tasks_of(wanted.background_only, wanted.doped, epsilons)
    observed = [task for task in tasks if task.kind is Kind.OBSERVED]
    others = [task for task in tasks if task.kind is not Kind.OBSERVED]
    title = family.searches[0][1]
    start = time.perf_counter()
    observations = list(tracked(mapper(family.observe, observed), f"{title}: data", len(observed), progress))
    outcomes = {
        task: tuple(observation.outcome for observation in members)
        for task, members in zip(observed, observations, strict=True)
    }
    # Small chunks keep all workers busy to the end.
    chunks = list(chunks_of(others, max(1, min(20, len(others) // (8 * workers)))))
    parts = mapper(partial(run_chunk, family), chunks, ordered=False)
    for part in tracked(parts, f"{title}: pseudo-experiments", len(chunks), progress):
        outcomes.update({members[0].task: members for members in part})
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


def _search_result(
    card: LocatedCard,
    name: str,
    title: str,
    outcomes: Sequence[Outcome],
    observations: Sequence[Observation],
    seconds: float,
) -> SearchResult:
    """Calibrate one search."""
    _check_invalid(title, outcomes)
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


def _check_invalid(title: str, outcomes: Sequence[Outcome]) -> None:
    toys = [outcome for outcome in outcomes if outcome.task.kind is not Kind.OBSERVED]
    invalid = sum(not outcome.valid for outcome in toys)
    if invalid > INVALID_TOLERANCE * len(toys):
        raise ComputationError(
            f"{title}: {invalid} of {len(toys)} pseudo-experiments gave no statistic, more than "
            f"{INVALID_TOLERANCE:.0%}: the calibration cannot be trusted"
        )


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

"""From the outcomes of all data sets to results: each search calibrated, and all searches together."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError, ComputationError
from hepcs._core.randomness import Stream, generator
from hepcs.calibration import (
    ParetoTail,
    calibrate,
    calibrate_many,
    extrapolate_tail,
    fit_pareto_tail,
    median_and_quartiles,
)
from hepcs.calibration.combination import combine, combine_many
from hepcs.datasets.bootstrap import Injection, Kind, Task
from hepcs.results import Combined, Doped, Observation, Observed, Outcome, SearchResult, statistics_of
from hepcs.running.pseudo_experiments import Campaign, Outcomes

logger = logging.getLogger(__name__)

#: What each search observed in a data set, by its name.
Observations = Mapping[Task, Mapping[str, tuple[Outcome, Observation]]]


def search_results(
    campaign: Campaign, outcomes: Outcomes, observations: Observations
) -> tuple[SearchResult, ...]:
    """Each search, calibrated by its own pseudo-experiments; without observations, what it may expect."""
    return tuple(
        _search_result(campaign, name, outcomes, {task: found[name] for task, found in observations.items()})
        for name in campaign.wanted
    )


def _search_result(
    campaign: Campaign,
    name: str,
    outcomes: Outcomes,
    observations: Mapping[Task, tuple[Outcome, Observation]],
) -> SearchResult:
    search, tasks = campaign.searches[name], campaign.tasks(name)
    seen = [outcome for outcome, _ in observations.values()]
    shared, used = (
        (*seen, *(outcomes.by_search[name, null][task] for task in tasks))
        for null in ("shared", "own" if search.is_calibrated_by_toys else "shared")
    )
    null = statistics_of(used, Kind.BACKGROUND_ONLY)
    injections = [one for one in campaign.injections if one.epsilon > 0 and campaign.wanted[name].doped > 0]
    return SearchResult(
        name=name,
        title=search.title,
        outcomes=used,
        shared=shared,
        observed=_observed(observations, null, campaign.seed),
        doped=tuple(_doped(used, injection, null) for injection in injections),
        seconds=outcomes.seconds_of(name),
    )


def _observed(
    observations: Mapping[Task, tuple[Outcome, Observation]], null: NDArray[np.float64], seed: int
) -> tuple[Observed, ...]:
    """Calibrate the observed data sets, and extrapolate the tail beside a lower bound (SPEC, section 4)."""
    calibrations = {
        task: calibrate(outcome.statistic, null) if outcome.valid else None
        for task, (outcome, _) in observations.items()
    }
    bounded = any(one is not None and one.bound == "lower" for one in calibrations.values())
    tail = _tail(null, seed) if bounded else None
    return tuple(
        Observed(
            task.injection,
            outcome,
            observation,
            calibration := calibrations[task],
            extrapolate_tail(tail, calibration.observed)
            if tail is not None and calibration is not None and calibration.bound == "lower"
            else None,
        )
        for task, (outcome, observation) in observations.items()
    )


def _tail(null: NDArray[np.float64], seed: int) -> ParetoTail | None:
    """Fit of the null sample's tail; None if too few pseudo-experiments make one."""
    try:
        return fit_pareto_tail(null, rng=generator(seed, Stream.TAIL))
    except ArgumentError as error:
        logger.info("no extrapolation beyond the pseudo-experiments: %s", error)
        return None


def _doped(outcomes: Sequence[Outcome], injection: Injection, null: NDArray[np.float64]) -> Doped:
    """Median and quartiles over the doped pseudo-experiments of an injection (paper, section 4)."""
    values = statistics_of(outcomes, Kind.DOPED, injection.epsilon, injection.signal)
    wanted = sum(
        outcome.task.kind is Kind.DOPED and outcome.task.injection == injection for outcome in outcomes
    )
    if values.size == 0:
        raise ComputationError(f"none of the {wanted} doped pseudo-experiments with {injection} is valid")
    lower, median, upper = map(float, _quartiles(values))
    z = median_and_quartiles(calibrate_many(values, null))
    return Doped(injection, len(values), wanted - len(values), (lower, median, upper), z)


def combined_results(campaign: Campaign, results: Sequence[SearchResult]) -> tuple[Combined, ...]:
    """All searches together, by the data sets that all of them have seen; nothing for a single one.

    Studies that know the truth are left out: no search of real data could take part in them.
    """
    joint = [one for one in results if not campaign.searches[one.name].section.needs_truth]
    if len(joint) < 2:
        return ()
    null = _joint_statistics(campaign, joint, Kind.BACKGROUND_ONLY, Injection())
    # In a real search the data have no injection, whatever the doped pseudo-experiments have.
    seen = [observed.injection for observed in joint[0].observed]
    found = []
    for injection in dict.fromkeys((*seen, *campaign.injections)):
        combination = doped = None
        if injection in seen:
            combination = combine(_joint_statistics(campaign, joint, Kind.OBSERVED, injection)[0], null)
        rows = _joint_statistics(campaign, joint, Kind.DOPED, injection)
        if injection.epsilon > 0 and len(rows):
            many = [one.calibration for one in combine_many(rows, null)]
            lower, median, upper = map(float, _quartiles([one.observed for one in many]))
            doped = Doped(injection, len(rows), 0, (lower, median, upper), median_and_quartiles(many))
        names = tuple(one.name for one in joint)
        found.append(Combined(injection, names, len(null), combination, doped))
    return tuple(found)


def _joint_statistics(
    campaign: Campaign, joint: Sequence[SearchResult], kind: Kind, injection: Injection
) -> NDArray[np.float64]:
    """Statistics of the data sets that all have seen, shape (data sets, searches), NaN where one is not valid."""
    wanted = [campaign.wanted[one.name] for one in joint]
    n = {
        Kind.OBSERVED: 1,
        Kind.BACKGROUND_ONLY: min(one.background_only for one in wanted),
        Kind.DOPED: min(one.doped for one in wanted),
    }[kind]
    table = np.full((n, len(joint)), np.nan)
    for column, result in enumerate(joint):
        for outcome in result.shared:
            task = outcome.task
            if task.kind is kind and task.injection == injection and task.index < n and outcome.valid:
                table[task.index, column] = outcome.statistic
    return table


def _quartiles(values: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.quantile(values, (0.25, 0.5, 0.75)))

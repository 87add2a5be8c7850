"""A search without a resonance: events above thresholds of a score, beside those of background pseudo-experiments.

The harness of all searches calibrates it: pseudo-experiments are bootstraps of background events that are neither
searched nor trained on, of the size of the data; the largest excess over all thresholds is the statistic, and its
p is counted among theirs. What stands for the mass is S_T, the sum of the pT of all objects, in a single bin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import InputError
from hepcs._core.progress import Mapper, Progress, serial_mapper, silent
from hepcs._core.randomness import Stream, generator
from hepcs.config.representation import CountSection
from hepcs.config.values import HIGHEST_ENERGY
from hepcs.datasets.bootstrap import EventView, Injection, draw_signal, whole
from hepcs.datasets.samples import MassBins, Pools, Sample
from hepcs.results import Observation, SearchResult
from hepcs.running.calibrating import search_results
from hepcs.running.pseudo_experiments import Campaign, FitGroup, run_pseudo_experiments
from hepcs.searches.base import Inputs, Search
from hepcs.statistics.significance import local_significance

Floats = NDArray[np.float64]
SCORE = "score"


@dataclass(frozen=True)
class Counts:
    """Events above each threshold, (t,), those that are expected, and the local significance of the excess."""

    observed: Floats
    expected: Floats
    local_significance: Floats

    @property
    def statistic(self) -> float:
        """The largest local significance."""
        return float(self.local_significance.max())

    @property
    def members(self) -> tuple[float, ...]:
        """See :class:`hepcs.searches.base.Found`."""
        return (self.statistic,)

    @property
    def valid(self) -> bool:
        """Whether it may be used."""
        return bool(np.isfinite(self.local_significance).all())

    @property
    def details(self) -> Mapping[str, float]:
        """Events above each threshold."""
        return {f"above_{i}": float(one) for i, one in enumerate(self.observed)}


@dataclass(frozen=True)
class CountSearch(Search):
    """The search; `thresholds` and the exact `shares` above them, (t,), are known once it is prepared."""

    thresholds: tuple[float, ...] = ()
    shares: tuple[float, ...] = ()

    def prepare(self, inputs: Inputs, rng: np.random.Generator) -> CountSearch:  # noqa: ARG002
        """Thresholds from the background that pseudo-experiments are drawn from.

        Raises InputError if too few events are above one: their number must be known better than a data set's.
        """
        section: Any = self.section
        scores = np.sort(inputs.samples["background"].features(SCORE)[:, 0].astype(np.float64))
        thresholds = np.quantile(scores, 1 - np.array(section.efficiencies), method="higher")
        above = len(scores) - np.searchsorted(scores, thresholds, "left")
        if above.min() < 10:
            raise InputError(
                f"count.efficiencies: {section.efficiencies[int(above.argmin())]:g} of {len(scores)} background "
                "events are fewer than 10; expected larger efficiencies, or more events"
            )
        return replace(
            self, thresholds=tuple(thresholds.tolist()), shares=tuple((above / len(scores)).tolist())
        )

    def fit(self, data: EventView, inputs: Inputs, rng: np.random.Generator) -> None:
        """Nothing is learned from a data set."""

    def judge(self, fit: None, data: EventView, inputs: Inputs, rng: np.random.Generator) -> Counts:  # noqa: ARG002
        """Events above the thresholds, beside their share of all events of the data set."""
        scores, times = data.features(SCORE)[:, 0], data.multiplicity
        observed = np.array([times[scores >= one].sum() for one in self.thresholds], dtype=np.float64)
        expected = np.array(self.shares) * times.sum()
        return Counts(observed, expected, local_significance(observed, expected, "exact"))

    def observe(self, found: Counts, data: EventView, injected: NDArray[np.bool_] | None) -> Observation:  # noqa: ARG002
        """The numbers of each threshold."""
        columns = zip(
            self.thresholds,
            found.observed.tolist(),
            found.expected.tolist(),
            found.local_significance.tolist(),
            strict=True,
        )
        names = ("threshold", "observed", "expected", "local_significance")
        return Observation(None, {"thresholds": [dict(zip(names, one, strict=True)) for one in columns]})


def sample_of(scores: Floats, events: NDArray[np.floating], role: str, first_event: int) -> Sample:
    """Events (n, 19, 4) with their scores (n,), as the harness takes samples; of S_T in place of a mass."""
    total = np.minimum(events[..., 0].astype(np.float64).sum(axis=1), np.nextafter(HIGHEST_ENERGY, 0))
    features = {SCORE: scores.astype(np.float32)[:, np.newaxis]}
    return Sample(total, features, np.arange(len(total)), len(total), role, first_event)


def count(
    section: CountSection,
    background: Sample,
    signals: Mapping[str, Sample],
    seed: int,
    *,
    mapper: Mapper = serial_mapper,
    workers: int = 1,
    progress: Progress = silent,
) -> SearchResult:
    """Search a part of the background with the injected events of the section, calibrated by the rest.

    Parameters
    ----------
    section
        What is asked for.
    background
        Events that no network was trained on.
    signals
        By name.
    seed
        Of the run.
    mapper, workers, progress
        Where the pseudo-experiments run, and who is told.

    Raises
    ------
    InputError
        If too few events are above a threshold.
    """
    searched = generator(seed, Stream.PREPARE, "count").random(background.n_events) < section.data_share
    pool, data = (background.take(mask, int(mask.sum())) for mask in (~searched, searched))
    injection = Injection(section.injected, section.signal or "")
    names = {} if section.signal is None else {section.signal: signals[section.signal]}
    if section.signal is not None:
        data = _with_signal(data, names[section.signal], section.injected, seed)
    pools = Pools(pool, MassBins(0.0, HIGHEST_ENERGY, 1), names, data)
    search = CountSearch("count", section.title or "events above a threshold", section)
    prepared = search.prepare(
        Inputs({"background": whole(pool, pools.bins)}), generator(seed, Stream.PREPARE, search.fit_key)
    )
    wanted = section.pseudo_experiments
    campaign = Campaign(pools, seed, (FitGroup((prepared,), {}),), {"count": wanted}, (injection,))
    outcomes = run_pseudo_experiments(campaign, mapper, progress, workers=workers)
    observations = {
        task: {name: (outcome, observation) for name, outcome, observation in campaign.observe(task)}
        for task in campaign.observed_tasks()
    }
    return search_results(campaign, outcomes, observations)[0]


def _with_signal(data: Sample, signal: Sample, epsilon: int, seed: int) -> Sample:
    """Data with injected signal events."""
    chosen = np.flatnonzero(
        draw_signal(signal, epsilon, generator(seed, Stream.SIGNAL, "count", signal.role))
    )
    scores = [one.features[SCORE][one.rows[rows]] for one, rows in ((data, slice(None)), (signal, chosen))]
    m_jj = np.concatenate([data.m_jj, signal.m_jj[chosen]])
    return replace(
        data,
        m_jj=m_jj,
        features={SCORE: np.concatenate(scores)},
        rows=np.arange(len(m_jj)),
        n_selected=len(m_jj),
        role="data",
    )

"""The idealised fit, the best that any fit could do: its estimate is the background itself (SPEC, section 5)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hepcs.config.searches import Statistic
from hepcs.datasets.bootstrap import Task, draw_data_set, spectrum
from hepcs.datasets.samples import Pools
from hepcs.datasets.spectra import mass_histogram
from hepcs.searches.base import NamedHistogram, Observation, Outcome
from hepcs.statistics.bumphunter import test_statistic


@dataclass(frozen=True)
class IdealisedFitScan:
    """A spectrum, the original background, and what lies above it: each of shape (b,)."""

    observed: NDArray[np.float64]
    expected: NDArray[np.float64]
    local_significance: NDArray[np.float64]
    statistic: float


@dataclass(frozen=True)
class IdealisedFitSearch:
    """The statistic between the data sets of Cluster Scanning and the original background spectrum."""

    pools: Pools
    statistic: Statistic
    seed: int
    expected: NDArray[np.float64]
    name: str = "idealised_fit"
    title: str = "idealised fit"

    def run(self, task: Task) -> Outcome:
        """Compare the spectrum of a task."""
        return self._outcome(task, self.scan(task))

    def scan(self, task: Task) -> IdealisedFitScan:
        """Spectrum and local significance of a task."""
        observed = spectrum(draw_data_set(self.pools, task, self.seed), self.pools.bins)
        statistic, significance = test_statistic(observed, self.expected, self.statistic)
        return IdealisedFitScan(observed, self.expected, significance, statistic)

    def observe(self, task: Task) -> Observation:
        """Compare the spectrum of a task, with the histograms of it."""
        scan, bins = self.scan(task), self.pools.bins
        nothing = np.zeros(bins.n_bins)
        histograms = (
            NamedHistogram("spectrum", "events", mass_histogram(scan.observed, bins, "events")),
            NamedHistogram(
                "background_estimate",
                "the original background spectrum",
                mass_histogram(scan.expected, bins, "events"),
            ),
            NamedHistogram(
                "local_significance",
                "local significance of the excess over the original background",
                mass_histogram(scan.local_significance, bins, "local significance", nothing),
            ),
        )
        return Observation(self._outcome(task, scan), histograms, {}, scan)

    def _outcome(self, task: Task, scan: IdealisedFitScan) -> Outcome:
        return Outcome(task, scan.statistic, (scan.statistic,), int(scan.observed.sum()))


def idealised_fit_search(pools: Pools, statistic: Statistic, seed: int) -> IdealisedFitSearch:
    """The idealised fit of a card: its estimate is the spectrum of all background events, scaled to the data."""
    index = pools.bins.index(pools.background.m_jj)
    counts = np.bincount(index, minlength=pools.bins.n_bins).astype(np.float64)
    scale = 1.0 if pools.data is None else pools.data.n_events / pools.background.n_events
    return IdealisedFitSearch(pools.without_features(), statistic, seed, scale * counts)

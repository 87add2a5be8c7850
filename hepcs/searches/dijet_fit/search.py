"""Dijet fits as searches: the test statistic between a spectrum and its fit (paper, appendix A)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError, ComputationError
from hepcs._core.randomness import Stream, generator
from hepcs.background import DijetFit, fit_dijet
from hepcs.config.searches import Fits, Statistic
from hepcs.datasets.bootstrap import Kind, Task, draw_data_set, draw_signal, spectrum
from hepcs.datasets.samples import Pools
from hepcs.datasets.spectra import mass_histogram
from hepcs.searches.base import NamedHistogram, Observation, Outcome
from hepcs.statistics.bumphunter import test_statistic


@dataclass(frozen=True)
class FitScan:
    """A spectrum, and the dijet function fitted to it.

    Attributes
    ----------
    observed
        Events in each bin, shape (b,).
    fit
        The fit, with its expectation.
    local_significance
        Z_b of the excesses over the fit, shape (b,).
    statistic
        The card's statistic of spectrum and fit; NaN if the fit did not converge.
    """

    observed: NDArray[np.float64]
    fit: DijetFit
    local_significance: NDArray[np.float64]
    statistic: float


@dataclass(frozen=True)
class FitSearch:
    """An n-parameter dijet fit as a search.

    Pseudo-experiments are Poisson toys of `toy_expectation`, the function fitted to the original background
    (`reference`; in a real search scaled to the size of the data), plus the drawn signal when doped: the same
    signal events that the other searches see.
    """

    pools: Pools
    n_parameters: int
    section: Fits
    statistic: Statistic
    seed: int
    reference: DijetFit
    toy_expectation: NDArray[np.float64]

    @property
    def name(self) -> str:
        """``fit_3``, ``fit_4`` or ``fit_5``."""
        return f"fit_{self.n_parameters}"

    @property
    def title(self) -> str:
        """Name for people."""
        return f"{self.n_parameters}-parameter fit"

    def run(self, task: Task) -> Outcome:
        """Fit the spectrum of a task."""
        return self._outcome(task, self.scan(task))

    def scan(self, task: Task) -> FitScan:
        """Spectrum, fit and local significance of a task."""
        observed = self.spectrum(task)
        fit = fit_dijet(
            observed,
            self.pools.bins.centres,
            self.n_parameters,
            sqrt_s=self.section.sqrt_s,
            start=self.reference.log_parameters,
        )
        return fit_scan(observed, fit, self.statistic)

    def spectrum(self, task: Task) -> NDArray[np.float64]:
        """The observed spectrum, or a toy of the reference fit with the signal of the task, shape (b,)."""
        if task.kind is Kind.OBSERVED:
            return spectrum(draw_data_set(self.pools, task, self.seed), self.pools.bins)
        toy = generator(self.seed, Stream.TOY, *task.key, self.n_parameters)
        counts = toy.poisson(self.toy_expectation).astype(np.float64)
        if task.epsilon == 0:
            return counts
        if self.pools.signal is None:
            raise ArgumentError(f"epsilon = {task.epsilon}, and there is no signal sample")
        rng = generator(self.seed, Stream.SIGNAL, *task.key)
        drawn = draw_signal(self.pools.signal, task.epsilon, rng)
        bins = self.pools.bins
        return counts + np.bincount(bins.index(self.pools.signal.m_jj), weights=drawn, minlength=bins.n_bins)

    def observe(self, task: Task) -> Observation:
        """Fit the spectrum of a task, with histograms of spectrum, fit and local significance."""
        scan, bins = self.scan(task), self.pools.bins
        histograms = (
            NamedHistogram("spectrum", "events", mass_histogram(scan.observed, bins, "events")),
            NamedHistogram(
                "background_estimate",
                f"{self.n_parameters}-parameter dijet function fitted to the events",
                mass_histogram(scan.fit.expected, bins, "events", scan.fit.expected_error**2),
            ),
            NamedHistogram(
                "local_significance",
                "local significance of the excess over the fit",
                mass_histogram(scan.local_significance, bins, "local significance", np.zeros(bins.n_bins)),
            ),
        )
        summary = {"fit": fit_summary(scan.fit), "reference_fit": fit_summary(self.reference)}
        return Observation(self._outcome(task, scan), histograms, summary, scan)

    def _outcome(self, task: Task, scan: FitScan) -> Outcome:
        """The statistic, with what the tree of pseudo-experiments keeps of the fit."""
        return Outcome(
            task=task,
            statistic=scan.statistic,
            members=(scan.statistic,),
            n_events=int(scan.observed.sum()),
            valid=scan.fit.converged,
            details={"chi2": scan.fit.chi2},
        )


def fit_scan(observed: NDArray[np.float64], fit: DijetFit, statistic: Statistic) -> FitScan:
    """Compare a spectrum, shape (b,), with a fit to it."""
    value, significance = test_statistic(observed, fit.expected, statistic)
    return FitScan(observed, fit, significance, value if fit.converged else math.nan)


def fit_summary(fit: DijetFit) -> dict[str, Any]:
    """Parameters, covariance and quality of a fit, in plain JSON types.

    The first parameter is ln p1, in which the fit is made: p1 itself can be outside the range of a float.
    """
    n = fit.n_parameters
    return {
        "parameter_names": ["ln_p1", *(f"p{i}" for i in range(2, n + 1))],
        "parameters": fit.log_parameters[:n].tolist(),
        "covariance": fit.log_covariance.tolist(),
        "chi2": fit.chi2,
        "pearson_chi2": fit.pearson_chi2,
        "ndof": fit.ndof,
        "p_value": fit.p_value,
        "converged": fit.converged,
    }


def fit_search(pools: Pools, n_parameters: int, section: Fits, statistic: Statistic, seed: int) -> FitSearch:
    """The search of an n-parameter fit, with its reference fitted to the original background.

    In a real search the background sample's spectrum is scaled to the size of the data, and the toys with it.

    Raises
    ------
    ComputationError
        If the reference fit does not converge.
    """
    background = pools.background
    counts = np.bincount(pools.bins.index(background.m_jj), minlength=pools.bins.n_bins).astype(np.float64)
    fit = fit_dijet(counts, pools.bins.centres, n_parameters, sqrt_s=section.sqrt_s)
    if not fit.converged:
        raise ComputationError(
            f"the {n_parameters}-parameter fit to the original background did not converge "
            f"(edm = {fit.edm:.3g}): leave {n_parameters} out of fits.parameters, or give it more events"
        )
    scale = 1.0 if pools.data is None else pools.data.n_events / background.n_events
    return FitSearch(
        pools.without_features(), n_parameters, section, statistic, seed, fit, scale * fit.expected
    )

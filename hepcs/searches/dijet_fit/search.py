"""Dijet fits as searches: the test statistic between a spectrum and its fit (paper, appendix A)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ComputationError
from hepcs.background import DijetFit as Fit
from hepcs.background import fit_dijet
from hepcs.datasets.bootstrap import DataSet, EventView, binned, with_background
from hepcs.results import MassSpectrum, Observation
from hepcs.searches.base import Inputs, Search
from hepcs.searches.dijet_fit.section import DijetFit
from hepcs.searches.kinds import Context
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
        The statistic of spectrum and fit; NaN if the fit did not converge.
    """

    observed: NDArray[np.float64]
    fit: Fit
    local_significance: NDArray[np.float64]
    statistic: float

    @property
    def members(self) -> tuple[float, ...]:
        """The statistic alone."""
        return (self.statistic,)

    @property
    def valid(self) -> bool:
        """Whether the fit converged."""
        return self.fit.converged

    @property
    def details(self) -> Mapping[str, float]:
        """The quality of the fit."""
        return {"chi2": self.fit.chi2}


@dataclass(frozen=True)
class FitSearch(Search):
    """An n-parameter dijet fit as a search.

    Its own toys are Poisson fluctuations of `toy_expectation`, the function fitted to the original background
    (`reference`; in a real search scaled to the size of the data), plus the drawn signal when doped: the same
    signal events that the other searches see.
    """

    section: DijetFit
    sqrt_s: float
    reference: Fit
    toy_expectation: NDArray[np.float64]

    @property
    def is_calibrated_by_toys(self) -> bool:
        """As the card says."""
        return self.section.toys

    def toy(self, data: DataSet, rng: np.random.Generator) -> EventView:
        """A Poisson toy of the fit to the original background, with the injected events of a data set."""
        background = binned(rng.poisson(self.toy_expectation), data.view.bins)
        return with_background(data.view, background, data.n_injected)

    def fit(self, data: EventView, inputs: Inputs, rng: np.random.Generator) -> Fit:  # noqa: ARG002
        """The function fitted to the spectrum of a data set."""
        return fit_dijet(
            data.spectrum,
            data.bins.centres,
            self.section.parameters,
            sqrt_s=self.sqrt_s,
            start=self.reference.log_parameters,
        )

    def judge(self, fit: Fit, data: EventView, inputs: Inputs, rng: np.random.Generator) -> FitScan:  # noqa: ARG002
        """Compare a spectrum with the fit to it."""
        value, significance = test_statistic(data.spectrum, fit.expected, self.section.statistic)
        return FitScan(data.spectrum, fit, significance, value if fit.converged else math.nan)

    def observe(
        self,
        found: FitScan,
        data: EventView,  # noqa: ARG002
        injected: NDArray[np.bool_] | None,  # noqa: ARG002
    ) -> Observation:
        """The spectrum, the fit and its numbers."""
        spectrum = MassSpectrum(
            found.observed,
            found.fit.expected,
            found.fit.expected_error**2,
            found.local_significance,
            what="events",
            estimate=f"{self.section.parameters}-parameter dijet function fitted to the events",
        )
        summary = {"fit": fit_summary(found.fit), "reference_fit": fit_summary(self.reference)}
        return Observation(spectrum, summary, result=found)


def fit_summary(fit: Fit) -> dict[str, Any]:
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


def build(name: str, section: DijetFit, context: Context) -> FitSearch:
    """The search of a section, with its reference fitted to the original background.

    In a real search the background sample's spectrum is scaled to the size of the data, and the toys with it.

    Raises
    ------
    ComputationError
        If the reference fit does not converge.
    """
    pools, sqrt_s, n = context.pools, context.card.regions.sqrt_s, section.parameters
    counts = pools.bins.counts(pools.background.m_jj)
    fit = fit_dijet(counts, pools.bins.centres, n, sqrt_s=sqrt_s)
    if not fit.converged:
        raise ComputationError(
            f"searches.{name}: the {n}-parameter fit to the original background did not converge "
            f"(edm = {fit.edm:.3g}): take another number of parameters, or give it more events"
        )
    scale = 1.0 if pools.data is None else pools.data.n_events / pools.background.n_events
    title = section.title or f"{n}-parameter fit"
    return FitSearch(name, title, section, sqrt_s, fit, scale * fit.expected)

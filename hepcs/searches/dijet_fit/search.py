"""Dijet fits as searches: the test statistic between a spectrum and its fit (paper, appendix A)."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError, CardError, ComputationError
from hepcs.background import DijetFit, fit_dijet
from hepcs.background.functions import MAX_PARAMETERS
from hepcs.datasets.bootstrap import DataSet, EventView, binned, with_background
from hepcs.datasets.samples import MassBins
from hepcs.results import MassSpectrum, Observation
from hepcs.searches.base import Inputs, Search, injected_histograms
from hepcs.searches.dijet_fit.section import DijetFitSection
from hepcs.searches.kinds import Context
from hepcs.statistics.bumphunter import test_statistic
from hepcs.statistics.windows import scan_bins
from hepcs.studies.families import Family
from hepcs.studies.spurious import function_error

logger = logging.getLogger(__name__)

# Numbers of a fit that its summary has as they are.
_PLAIN = ("chi2", "pearson_chi2", "ndof", "p_value", "converged", "edm", "n_calls")


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
    window
        First bin of the most significant window, and the bin behind the last one; None for single bins.
    """

    observed: NDArray[np.float64]
    fit: DijetFit
    local_significance: NDArray[np.float64]
    statistic: float
    window: tuple[int, int] | None = None

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
    signal events that the other searches see. `relative_error`, shape (b,), is the uncertainty of the fitted
    counts that the statistic takes into account; that of the card if None.
    """

    section: DijetFitSection
    sqrt_s: float
    reference: DijetFit
    toy_expectation: NDArray[np.float64]
    relative_error: NDArray[np.float64] | None = field(default=None, kw_only=True)

    @property
    def is_calibrated_by_toys(self) -> bool:
        """As the card says."""
        return self.section.toys

    def toy(self, data: DataSet, rng: np.random.Generator) -> EventView:
        """A Poisson toy of the fit to the original background, with the injected events of a data set."""
        background = binned(rng.poisson(self.toy_expectation), data.view.bins)
        return with_background(data.view, background, data.n_injected)

    def fit(self, data: EventView, inputs: Inputs, rng: np.random.Generator) -> Any:  # noqa: ARG002
        """The function fitted to the spectrum of a data set."""
        return fit_dijet(
            data.spectrum,
            data.bins.centres,
            self.section.parameters,
            sqrt_s=self.sqrt_s,
            start=self.reference.log_parameters,
            widths=data.bins.widths,
        )

    def judge(self, fit: Any, data: EventView, inputs: Inputs, rng: np.random.Generator) -> Any:  # noqa: ARG002
        """Compare a spectrum with the fit to it."""
        section, window = self.section, None
        error = section.statistic.background_error if self.relative_error is None else self.relative_error
        value, significance = test_statistic(data.spectrum, fit.expected, section.statistic, error)
        if section.windows is not None:
            form = section.statistic.local_significance
            excess = scan_bins(data.spectrum, fit.expected, section.windows.widths, form, error)
            value, window = excess.significance, excess.window
        return FitScan(data.spectrum, fit, significance, value if fit.converged else math.nan, window)

    def observe(
        self,
        found: Any,
        data: EventView,
        injected: NDArray[np.bool_] | None,
    ) -> Observation:
        """The spectrum, the fit and its numbers."""
        spectrum = MassSpectrum(
            found.observed,
            found.fit.expected,
            found.fit.expected_error**2,
            found.local_significance,
            what="events",
            estimate=f"{self.section.parameters}-parameter dijet function fitted to the events",
            window=None if found.window is None else bin_range(data.bins, *found.window),
            local_z=None if found.window is None else found.statistic,
        )
        summary = {"fit": fit_summary(found.fit), "reference_fit": fit_summary(self.reference)}
        if self.relative_error is not None:
            summary["background_uncertainty"] = {"relative": self.relative_error.tolist()}
        return Observation(spectrum, summary, tuple(injected_histograms(data, injected)), result=found)


def fit_summary(fit: DijetFit) -> dict[str, Any]:
    """Parameters, covariance and quality of a fit, in plain JSON types.

    The first parameter is ln p1, in which the fit is made: p1 itself can be outside the range of a float.
    """
    n = fit.n_parameters
    return {
        "parameter_names": ["ln_p1", *(f"p{i}" for i in range(2, n + 1))],
        "parameters": fit.log_parameters[:n].tolist(),
        "sqrt_s": fit.sqrt_s,
        "centres": fit.centres.tolist(),
        "widths": None if fit.widths is None else fit.widths.tolist(),
        "covariance": fit.log_covariance.tolist(),
        "chi2": fit.chi2,
        "pearson_chi2": fit.pearson_chi2,
        "ndof": fit.ndof,
        "p_value": fit.p_value,
        "converged": fit.converged,
        "edm": fit.edm,
        "n_calls": fit.n_calls,
    }


def restore(section: DijetFitSection, observation: Observation) -> FitScan | None:
    """What was found, from a run folder; None for a template, of which the summary says all that is drawn.

    Of the covariance of the fitted counts only the diagonal is kept.
    """
    summary, spectrum = observation.summary.get("fit"), observation.spectrum
    if summary is None or spectrum is None:
        return None
    numbers = {
        key: np.array(summary[key], dtype=np.float64) for key in ("parameters", "covariance", "centres")
    }
    n, widths = numbers["parameters"].size, summary.get("widths")
    if widths is not None:
        widths = np.array(widths, dtype=np.float64)
    fit = DijetFit(
        n_parameters=n,
        sqrt_s=summary["sqrt_s"],
        centres=numbers["centres"],
        log_parameters=np.pad(numbers["parameters"], (0, MAX_PARAMETERS - n)),
        log_covariance=numbers["covariance"],
        expected=spectrum.expected,
        expected_covariance=np.diag(spectrum.variance),
        widths=widths,
        **{key: summary[key] for key in _PLAIN},
    )
    window = None
    if section.windows is not None and spectrum.window is not None:
        # Centres lie between edges, also of bins of different widths.
        first, stop = np.searchsorted(numbers["centres"], spectrum.window)
        window = int(first), int(stop)
    error = observation.summary.get("background_uncertainty")
    relative = None if error is None else np.array(error["relative"], dtype=np.float64)
    value, _ = test_statistic(spectrum.observed, spectrum.expected, section.statistic, relative)
    statistic = value if spectrum.local_z is None else spectrum.local_z
    return FitScan(
        spectrum.observed, fit, spectrum.local_significance, statistic if fit.converged else math.nan, window
    )


def build(name: str, section: DijetFitSection, context: Context) -> FitSearch:
    """The search of a section, with its reference fitted to the original background.

    In a real search the background sample's spectrum is scaled to the size of the data, and the toys with it.

    Raises
    ------
    CardError
        If its signal templates cannot be made.
    ComputationError
        If the reference fit does not converge.
    """
    pools, sqrt_s, n = context.pools, context.card.regions.sqrt_s, section.parameters
    background, bins = pools.background, pools.bins
    counts, variances = background.spectrum(bins), background.variances(bins)
    fit = fit_dijet(counts, bins.centres, n, sqrt_s=sqrt_s, widths=bins.widths, variances=variances)
    if not fit.converged:
        where = context.where(f"searches.{name}")
        raise ComputationError(
            f"{where}: the {n}-parameter fit to the original background did not converge "
            f"(edm = {fit.edm:.3g}): take another number of parameters, or give it more events"
        )
    if section.template is not None:
        from hepcs.searches.dijet_fit.template import TemplateSearch, templates_of

        title = section.title or f"{n}-parameter fit with a signal template"
        try:
            templates = templates_of(section.template, pools)
        except ArgumentError as error:
            raise CardError(f"{context.where(f'searches.{name}.template')}: {error}") from error
        return TemplateSearch(name, title, section, sqrt_s, fit, pools.scale * fit.expected, templates)
    title = section.title or f"{n}-parameter fit" + (", windows" if section.windows is not None else "")
    of_function = None
    if section.statistic.background_uncertainty == "measured":
        family: Family = f"dijet_{n}"  # type: ignore[assignment]
        of_function = function_error(
            counts, bins.centres, family, sqrt_s=sqrt_s, widths=bins.widths, variances=variances
        )
        logger.info("%s: measured uncertainty of the fit, up to %.2g", name, of_function.max())
    return FitSearch(
        name, title, section, sqrt_s, fit, pools.scale * fit.expected, relative_error=of_function
    )


def bin_range(bins: MassBins, first: int, stop: int) -> tuple[float, float]:
    """m_jj [low, high), GeV, of some adjacent bins."""
    return float(bins.edges[first]), float(bins.edges[stop])

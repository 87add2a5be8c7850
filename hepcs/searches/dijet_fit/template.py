"""A signal of given shape, scanned over m_jj, with the dijet function as profiled background."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError
from hepcs.background import MassScan, SignalTemplates, gaussian_templates, sample_templates, scan_masses
from hepcs.datasets.bootstrap import EventView
from hepcs.datasets.samples import Pools
from hepcs.results.outcomes import MassSpectrum, Observation
from hepcs.searches.base import Inputs, injected_histograms
from hepcs.searches.dijet_fit.search import FitSearch
from hepcs.searches.dijet_fit.section import Template


@dataclass(frozen=True)
class TemplateScan:
    """A spectrum, shape (b,), and the scan of its masses."""

    observed: NDArray[np.float64]
    scan: MassScan

    @property
    def statistic(self) -> float:
        """The largest local significance over the masses; NaN if a fit failed."""
        return self.scan.statistic

    @property
    def members(self) -> tuple[float, ...]:
        """The statistic alone."""
        return (self.statistic,)

    @property
    def valid(self) -> bool:
        """Whether the fits converged."""
        return bool(np.isfinite(self.statistic))

    @property
    def details(self) -> Mapping[str, float]:
        """Where the signal was found, GeV, and how much of it."""
        best = self.scan.best
        return {"best_mass": float(self.scan.masses[best]), "strength": float(self.scan.strength[best])}


@dataclass(frozen=True)
class TemplateSearch(FitSearch):
    """The largest local significance over the masses; its toys are those of the fit."""

    templates: SignalTemplates

    def fit(self, data: EventView, inputs: Inputs, rng: np.random.Generator) -> MassScan:  # noqa: ARG002
        """Background and signal fitted together at each mass."""
        return scan_masses(data.spectrum, self.templates, self.section.parameters, sqrt_s=self.sqrt_s)

    def judge(
        self,
        fit: MassScan,
        data: EventView,
        inputs: Inputs,  # noqa: ARG002
        rng: np.random.Generator,  # noqa: ARG002
    ) -> TemplateScan:
        """The scan says it all."""
        return TemplateScan(data.spectrum, fit)

    def observe(
        self,
        found: TemplateScan,
        data: EventView,
        injected: NDArray[np.bool_] | None,
    ) -> Observation:
        """The spectrum over the background at the best mass, and the scan."""
        scan, best = found.scan, found.scan.best
        expected = scan.background
        excess = np.maximum(found.observed - expected, 0.0)
        share = np.flatnonzero(self.templates.shares[best] > 0.05)
        edges = data.bins.edges
        spectrum = MassSpectrum(
            found.observed,
            expected,
            np.zeros_like(expected),
            np.divide(excess, np.sqrt(expected), out=np.zeros_like(excess), where=expected > 0),
            what="events",
            estimate=f"{self.section.parameters}-parameter dijet function beside a signal at "
            f"{scan.masses[best]:g} GeV",
            window=(float(edges[share[0]]), float(edges[share[-1] + 1])),
            local_z=found.statistic,
        )
        summary = {
            "mass": float(scan.masses[best]),
            "strength": float(scan.strength[best]),
            "strength_error": float(scan.strength_error[best]),
            "masses": scan.masses.tolist(),
            "local_z": scan.local_z.tolist(),
        }
        return Observation(spectrum, summary, tuple(injected_histograms(data, injected)), result=found)


def templates_of(section: Template, pools: Pools) -> SignalTemplates:
    """The templates of a section, one at each mass that is `step` apart inside the evaluation region."""
    bins, edges = pools.bins, pools.bins.edges
    masses = np.arange(bins.low + section.step, bins.high - section.step / 2, section.step)
    if masses.size == 0:
        raise ArgumentError(
            f"no mass fits between {bins.low:g} and {bins.high:g} GeV in steps of {section.step:g}"
        )
    if section.shape == "gaussian":
        return gaussian_templates(masses, edges, relative_width=section.width)
    signal = next(iter(pools.signals.values()))
    mass = section.mass or signal.median
    return sample_templates(signal.m_jj, mass, masses, edges, weights=signal.positive_weights)

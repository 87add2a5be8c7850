"""The idealised fit (SPEC, section 5): data against the background spectrum that they were drawn from.

It is what a fit would be whose function were exactly right and had no parameters; the tail of the bin-by-bin
statistic remains, so a fit that looks at windows, or for the shape of a signal, can find more than it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hepcs.config.schema import Card
from hepcs.datasets.bootstrap import EventView
from hepcs.results import MassSpectrum, Observation
from hepcs.searches.base import Inputs, Search, injected_histograms
from hepcs.searches.idealised_fit.section import IdealisedFit
from hepcs.searches.kinds import Context, bins_text, statistic_widths
from hepcs.statistics.bumphunter import test_statistic


@dataclass(frozen=True)
class IdealisedFitScan:
    """A spectrum, the original background, and what lies above it: each of shape (b,)."""

    observed: NDArray[np.float64]
    expected: NDArray[np.float64]
    local_significance: NDArray[np.float64]
    statistic: float
    valid: bool = True
    details: Mapping[str, float] = field(default_factory=dict)

    @property
    def members(self) -> tuple[float, ...]:
        """The statistic alone."""
        return (self.statistic,)


@dataclass(frozen=True)
class IdealisedFitSearch(Search):
    """The statistic between the shared data sets and the original background spectrum, shape (b,)."""

    section: IdealisedFit
    expected: NDArray[np.float64]

    def fit(self, data: EventView, inputs: Inputs, rng: np.random.Generator) -> NDArray[np.float64]:  # noqa: ARG002
        """Nothing is learned from the data set: its background is known."""
        return self.expected

    def judge(
        self,
        fit: NDArray[np.float64],
        data: EventView,
        inputs: Inputs,  # noqa: ARG002
        rng: np.random.Generator,  # noqa: ARG002
    ) -> IdealisedFitScan:
        """Compare the spectrum of a data set."""
        value, significance = test_statistic(data.spectrum, fit, self.section.statistic)
        return IdealisedFitScan(data.spectrum, fit, significance, value)

    def observe(
        self,
        found: IdealisedFitScan,
        data: EventView,
        injected: NDArray[np.bool_] | None,
    ) -> Observation:
        """The spectrum and the original background."""
        return Observation(
            MassSpectrum(
                found.observed,
                found.expected,
                np.zeros_like(found.expected),
                found.local_significance,
                what="events",
                estimate="the original background spectrum",
            ),
            histograms=tuple(injected_histograms(data, injected)),
            result=found,
        )


def build(name: str, section: IdealisedFit, context: Context) -> IdealisedFitSearch:
    """The search of a section: its estimate is the spectrum of all background events, scaled to the data."""
    pools = context.pools
    title = section.title or "idealised fit"
    return IdealisedFitSearch(name, title, section, pools.scale * pools.background.spectrum(pools.bins))


def trials(section: IdealisedFit, card: Card) -> str:
    """Where it looks for an excess."""
    return bins_text(card, statistic_widths(section.statistic, card))

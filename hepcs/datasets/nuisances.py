"""Systematic uncertainties of a signal, drawn anew in each doped pseudo-experiment.

=================  ==================================================================================
``energy_scale``   m_jj of each signal event times 1 + delta theta
``resolution``     its distance from the median of the signal times 1 + delta theta, so the width is
``acceptance``     the number of signal events times (1 + delta)^theta
``luminosity``     the same, of a source of its own
=================  ==================================================================================

The theta are independent and N(0, 1), cut at 4. Rates are log-normal, since no number of events is below zero.
With doped pseudo-experiments that scatter so, limits and sensitivities average over the uncertainties, as in the
hybrid of Cousins and Highland (NIM A 320 (1992) 331). Observed data sets and the background stay as they are, and
so do features: those of images and shapes hardly depend on the energy scale.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hepcs.config.running import Nuisances
from hepcs.datasets.samples import MassBins, Sample

#: Where the deviations end: 6e-5 of them are cut.
MOST_SIGMA = 4.0


@dataclass(frozen=True)
class SignalVariation:
    """One draw of the nuisances.

    Attributes
    ----------
    scale
        What m_jj is multiplied by.
    stretch
        What distances from the median m_jj are multiplied by.
    rate
        What the number of signal events is multiplied by.
    """

    scale: float
    stretch: float
    rate: float

    def m_jj(self, m_jj: NDArray[np.float64], median: float) -> NDArray[np.float64]:
        """m_jj of varied events, GeV, shape of `m_jj`; `median` is that of the signal."""
        return np.asarray(self.scale * (median + self.stretch * (m_jj - median)))

    def events(self, epsilon: int, rng: np.random.Generator) -> int:
        """Varied number of events: rounded to a neighbour at random, so that its mean is kept."""
        return int(np.floor(self.rate * epsilon + rng.random()))


def draw_variation(nuisances: Nuisances, rng: np.random.Generator) -> SignalVariation:
    """Draw all nuisances once."""
    scale, resolution, acceptance, luminosity = np.clip(rng.standard_normal(4), -MOST_SIGMA, MOST_SIGMA)
    rate = (1 + nuisances.acceptance) ** acceptance * (1 + nuisances.luminosity) ** luminosity
    return SignalVariation(
        scale=float(1 + nuisances.energy_scale * scale),
        stretch=float(1 + nuisances.resolution * resolution),
        rate=float(rate),
    )


def largest_rate(nuisances: Nuisances) -> float:
    """The largest factor by which a number of events can be varied."""
    return float(((1 + nuisances.acceptance) * (1 + nuisances.luminosity)) ** MOST_SIGMA)


def wider_window(window: tuple[float, float], nuisances: Nuisances) -> tuple[float, float]:
    """The m_jj, GeV, [low, high), that events of a signal can have that variations bring into a window."""
    low, high = window
    scale, narrowest = MOST_SIGMA * nuisances.energy_scale, MOST_SIGMA * nuisances.resolution
    below, above = low / (1 + scale), high / (1 - scale)
    # What a stretch by 1 - r brings in is r / (1 - r) of the window away from it.
    reach = narrowest / (1 - narrowest) * (above - below)
    return max(below - reach, 0.0), above + reach


def varied_sample(
    sample: Sample, bins: MassBins, variation: SignalVariation
) -> tuple[Sample, NDArray[np.bool_]]:
    """A sample with another m_jj, and which of its events are then in the region, shape (n,).

    m_jj outside of the region is not to be binned: take the events of the mask.
    """
    if variation.scale == 1.0 and variation.stretch == 1.0:
        m_jj = sample.m_jj
    else:
        m_jj = variation.m_jj(sample.m_jj, sample.median)
    return replace(sample, m_jj=m_jj), (m_jj >= bins.low) & (m_jj < bins.high)

"""Systematic uncertainties of a signal, drawn anew in each doped pseudo-experiment.

=================  ==================================================================================
``energy_scale``   m_jj of each signal event times 1 + delta theta
``resolution``     its distance from the median of the signal times 1 + delta theta, so the width is
``acceptance``     the number of signal events times (1 + delta)^theta
``luminosity``     the same, of a source of its own
=================  ==================================================================================

Where ``corrections`` of the jets tell the first two, m_jj of each event is interpolated linearly between what it
is with its jets varied down, as they are, and up: by the scale of their energies, and by their smearing.

The theta are independent and N(0, 1), cut at 4. Rates are log-normal, since no number of events is below zero.
With doped pseudo-experiments that scatter so, limits and sensitivities average over the uncertainties, as in the
hybrid of Cousins and Highland (NIM A 320 (1992) 331). Observed data sets and the background stay as they are, and
so do features and cuts on jets: those of images and shapes hardly depend on the energy scale, and what the cuts
lose or gain is in the acceptance, as the report tells by its events with energies up and down.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from hepcs.config.running import Nuisances
from hepcs.datasets.samples import MassBins, Sample

#: Where the deviations end: 6e-5 of them are cut.
MOST_SIGMA = 4.0
#: No dijet of any collider has an m_jj outside of this, GeV.
ANY_M_JJ = 0.0, 1e6


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
    thetas
        Standard deviations by which the jets of each event are varied, by the name of the uncertainty.
    """

    scale: float
    stretch: float
    rate: float
    thetas: Mapping[str, float] = field(default_factory=dict)

    def m_jj(self, sample: Sample) -> NDArray[np.float64]:
        """m_jj of the varied events of a signal, shape (n,), GeV."""
        m_jj = sample.m_jj
        if self.scale != 1.0 or self.stretch != 1.0:
            median = sample.median
            m_jj = self.scale * (median + self.stretch * (m_jj - median))
        for name, theta in self.thetas.items():
            m_jj = m_jj * (1 + abs(theta) * sample.shifts[name][0 if theta > 0 else 1])
        return m_jj

    def events(self, epsilon: int, rng: np.random.Generator) -> int:
        """Varied number of events: rounded to a neighbour at random, so that its mean is kept."""
        return int(np.floor(self.rate * epsilon + rng.random()))


def draw_variation(nuisances: Nuisances, rng: np.random.Generator) -> SignalVariation:
    """Draw all nuisances once."""
    scale, resolution, acceptance, luminosity = np.clip(rng.standard_normal(4), -MOST_SIGMA, MOST_SIGMA)
    rate = (1 + nuisances.acceptance) ** acceptance * (1 + nuisances.luminosity) ** luminosity
    thetas = {"energy_scale": float(scale), "resolution": float(resolution)}
    return SignalVariation(
        scale=1 + _as_number(nuisances.energy_scale) * thetas["energy_scale"],
        stretch=1 + _as_number(nuisances.resolution) * thetas["resolution"],
        rate=float(rate),
        thetas={name: thetas[name] for name in nuisances.of_corrections},
    )


def _as_number(uncertainty: float | str) -> float:
    """That of all events alike."""
    return 0.0 if isinstance(uncertainty, str) else uncertainty


def largest_rate(nuisances: Nuisances) -> float:
    """The largest factor by which a number of events can be varied."""
    return float(((1 + nuisances.acceptance) * (1 + nuisances.luminosity)) ** MOST_SIGMA)


def wider_window(window: tuple[float, float], nuisances: Nuisances) -> tuple[float, float]:
    """The m_jj, GeV, [low, high), that events of a signal can have that variations bring into a window.

    Any at all, where the jets of each event tell how far it is moved.
    """
    if nuisances.of_corrections:
        return ANY_M_JJ
    low, high = window
    scale, narrowest = (
        MOST_SIGMA * _as_number(one) for one in (nuisances.energy_scale, nuisances.resolution)
    )
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
    m_jj = variation.m_jj(sample)
    return replace(sample, m_jj=m_jj), (m_jj >= bins.low) & (m_jj < bins.high)

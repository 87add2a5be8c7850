"""Where a sample came from, and what was left of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from hepcs.features.image_summary import AverageImages
    from hepcs.jets import Cutflow, Rejection
    from hepcs.sources.base import InputFile, SkippedFile

# Steps of the cutflow that remove defective input, not physics.
DEFECTS = ("readable constituents", "at least two jets")


@dataclass(frozen=True)
class Slice:
    """The files of one entry of `files`, which share a cross-section.

    Attributes
    ----------
    files
        The entry, as the card has it.
    cross_section
        pb; None if the card names none.
    sum_of_weights
        Over all generated events.
    scale
        What the weight of its generator is multiplied by.
    n_events
        Events in the evaluation region.
    """

    files: str
    cross_section: float | None
    sum_of_weights: float
    scale: float
    n_events: int


@dataclass(frozen=True)
class WeightReport:
    """What the weights of a sample come to, in the evaluation region.

    Attributes
    ----------
    total
        Sum of weights: expected events at the luminosity, or without one the effective size.
    n_effective
        (sum w)^2 / sum w^2: events without weights that are worth as much.
    negative_share
        Share of events with a negative weight.
    spectrum, variances
        Sums of weights, and of their squares, in each bin of m_jj, shape (b,).
    acceptance
        Share of all weights, of the events that were generated, whose events were selected at any m_jj.
    slices
        The parts of the sample.
    """

    total: float
    n_effective: float
    negative_share: float
    spectrum: NDArray[np.float64]
    variances: NDArray[np.float64]
    acceptance: float
    slices: tuple[Slice, ...] = ()


@dataclass(frozen=True)
class SampleReport:
    """Where a sample came from and what was left of it.

    Attributes
    ----------
    role
        Of the sample on the card, such as ``background`` or ``signals.wide``.
    inputs, cutflow, rejections
        Input files; events after each step; unusable events, listed up to a limit.
    skipped
        Input files that cannot be read, and were left out.
    n_selected
        Events that passed the selection at any m_jj.
    n_evaluation
        Those of them in the evaluation region, that data sets are drawn from.
    lacking
        Events of the evaluation region, by feature, that lack it and so are left out of all data sets and of both
        numbers; an event may lack several features.
    n_weightless
        Constituents that were left out because their weight is zero, as PUPPI's is for most of pile-up.
    n_repeated
        Events of the evaluation region that came before in the sample, and so are left out.
    energy_spectra
        Events in each bin of m_jj, shape (b,), with jets ``nominal``, and varied by their uncertainties, by the
        names of :func:`~hepcs.jets.energy.smeared_jets`; empty if there is none.
    reused
        Whether the prepared sample was found in the cache.
    weights
        What the weights of its events come to; None where each counts as one.
    mass_ratio
        Quantiles of m_jj as the file holds it over ours, at -1, 0 and 1 standard deviations; None if it holds
        none.
    averages
        Average images by class: all events; background and signal apart for a labelled sample.
    nonzero_pixels
        By the same classes: jets with 0, 1, ... non-zero pixels in their image, shape (pixels^2 + 1,); empty
        if they were not counted.
    """

    role: str
    inputs: tuple[InputFile, ...]
    cutflow: Cutflow
    rejections: tuple[Rejection, ...]
    n_selected: int
    n_evaluation: int
    reused: bool
    averages: tuple[AverageImages, ...]
    nonzero_pixels: tuple[NDArray[np.int64], ...] = ()
    skipped: tuple[SkippedFile, ...] = ()
    lacking: Mapping[str, int] = field(default_factory=dict)
    n_weightless: int = 0
    n_repeated: int = 0
    energy_spectra: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    weights: WeightReport | None = None
    mass_ratio: tuple[float, float, float] | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """What the averages and pixel counts are of: ``background`` and ``signal``, or the role."""
        return ("background", "signal") if len(self.averages) == 2 else (self.role,)

    @property
    def acceptance(self) -> tuple[float, float]:
        """Share of the events read, by weight, that were selected at any m_jj, and its standard deviation.

        The latter is binomial, by the effective size where events have weights.
        """
        if not self.cutflow.counts or self.cutflow.counts[0] == 0:
            return 0.0, 0.0
        share, size = self.n_selected / self.cutflow.counts[0], float(self.cutflow.counts[0])
        if self.weights is not None:
            share = self.weights.acceptance
            # As many events as all that were read, each worth as much as those in the evaluation region.
            size *= min(self.weights.n_effective / max(self.n_evaluation, 1), 1.0)
        return share, float(np.sqrt(max(share * (1 - share), 0.0) / max(size, 1.0)))

    @property
    def n_unusable(self) -> int:
        """Events whose input is defective: rejected, as opposed to cut away."""
        before = dict(zip(self.cutflow.names, (self.cutflow.counts[0], *self.cutflow.counts), strict=False))
        after = self.cutflow.as_dict()
        return sum(before[name] - after[name] for name in DEFECTS if name in after)

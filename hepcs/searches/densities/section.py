"""The keys that searches by densities have on the card beside those of all searches by score and cut."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from hepcs.config.values import PositiveInteger, Problem, Section
from hepcs.searches.cut_and_fit.section import CutAndFit
from hepcs.searches.cut_and_fit.windows import sliding_windows

if TYPE_CHECKING:
    from hepcs.neural.settings import TrainingSettings
    from hepcs.searches.kinds import Context

# Fewer events than this are no sample of a density.
FEWEST = 500


class FlowSection(Section):
    """A normalising flow of the features, given m_jj, and its training."""

    hidden: PositiveInteger = Field(32, description="units of each of two hidden layers")
    components: PositiveInteger = Field(8, description="Gaussians of the mixture of each feature")
    epochs: PositiveInteger = Field(6, description="most epochs of the training")
    batch: PositiveInteger = Field(1024, description="events of a step")
    learning_rate: Annotated[float, Field(strict=True, gt=0, le=1)] = Field(2e-3, description="of Adam")
    patience: PositiveInteger = Field(3, description="epochs without progress after which it ends")
    averaged: PositiveInteger = Field(3, description="best epochs whose parameters are averaged")

    def training(self) -> TrainingSettings:
        """Settings of the common training loop."""
        from hepcs.neural.settings import TrainingSettings

        return TrainingSettings(
            epochs=self.epochs,
            batch=self.batch,
            learning_rate=self.learning_rate,
            patience=self.patience,
            averaged=self.averaged,
        )


class DensityCutAndFit(CutAndFit):
    """A score from densities of the features."""

    flow: FlowSection = Field(FlowSection(), description="the density, a normalising flow")

    @property
    def packages(self) -> tuple[str, ...]:
        """What computes flows."""
        return ("jax", "equinox", "optax")


class OutsideCutAndFit(DensityCutAndFit):
    """A score from a density of the background in each window, interpolated from outside of it."""

    retrain: bool = Field(
        False,
        description="train the densities outside of the windows anew in each data set; if not, once, on the "
        "`background` sample, and p is conditional on them",
    )

    @property
    def roles(self) -> tuple[str, ...]:
        """What densities are trained on once."""
        return () if self.retrain else ("background",)

    @property
    def conditional_on(self) -> str:
        """The densities outside."""
        if self.retrain:
            return ""
        return (
            "The densities outside of the windows were trained once, on the sample that pseudo-experiments are "
            "drawn from, in folds by the event; all else is trained anew in each data set: p is conditional on "
            "these densities."
        )

    def problems_of(self, context: Context) -> Iterator[Problem]:
        """Too few events outside of a window, or in it."""
        pools = context.pools
        windows = sliding_windows(pools.bins.n_bins, self.window, self.sideband)
        counts = pools.bins.counts(pools.searched.m_jj)
        share = 1 - 1 / self.folds
        for name, bins in (("in", windows.inside), ("outside of", ~windows.inside)):
            events = share * (bins @ counts)
            if events.min() < FEWEST:
                low, high = windows.bounds(pools.bins.edges)[int(np.argmin(events))]
                yield (
                    "window",
                    f"{events.min():.0f} events of all folds but one lie {name} the window of {low:g} to {high:g} "
                    f"GeV, expected {FEWEST} or more to train on. Take wider windows, more events, or end the "
                    "evaluation region earlier",
                )
                return

"""ANODE: the density of the data in each window, over that of the background, interpolated from outside.

Nachman, Shih, PRD 101 (2020) 075042.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from hepcs.config.values import PositiveInteger
from hepcs.searches.cut_and_fit.kind import score_kind
from hepcs.searches.cut_and_fit.training import Events, Scores, Training
from hepcs.searches.cut_and_fit.windows import SlidingWindows, sliding_windows
from hepcs.searches.densities.section import FlowSection, OutsideCutAndFit

if TYPE_CHECKING:
    from hepcs.searches.densities.outside import OutsideDensities


class Anode(OutsideCutAndFit):
    """ANODE: ratio of two densities."""

    trained_on: ClassVar[str] = "the density of each window, over one interpolated from outside of it"
    usual_title: ClassVar[str] = "ANODE"
    kind: Literal["anode"] = "anode"
    window_epochs: PositiveInteger = Field(
        5, description="most epochs in which the density outside becomes that of the window"
    )

    def training(self) -> AnodeTraining:
        """The density of each window anew in each data set."""
        return AnodeTraining(
            self.folds,
            self.flow,
            self.flow.model_copy(update={"epochs": self.window_epochs}),
            (self.window, self.sideband),
            retrain=self.retrain,
        )


@dataclass(frozen=True)
class AnodeTraining(Training):
    """Ratios of densities; `outside` are those that were trained once."""

    folds: int
    flow: FlowSection
    in_window: FlowSection
    window: tuple[int, int | None]
    retrain: bool = False
    outside: OutsideDensities | None = None

    def prepare(self, samples: Mapping[str, Events], rng: np.random.Generator) -> Self:
        """Train the densities outside on the background sample, unless each data set trains its own."""
        if self.retrain:
            return self
        from hepcs.searches.densities.outside import refuse_failed, train_outside

        events = samples["background"]
        windows = sliding_windows(events.view.bins.n_bins, *self.window)
        outside = train_outside(events, windows, self.folds, self.flow, rng)
        refuse_failed(outside.n_failed, "the densities outside of the windows")
        return replace(self, outside=outside)

    def scores(
        self,
        data: Events,
        windows: SlidingWindows,
        samples: Mapping[str, Events],  # noqa: ARG002
        rng: np.random.Generator,
    ) -> Scores:
        """See :meth:`Training.scores`.

        Both densities are those at the centre of the window, for all events: a score of the features alone, which
        does not shape the spectrum.
        """
        from hepcs.neural.densities import joined, train_flows
        from hepcs.searches.densities.outside import fold_weights, mass_condition, train_outside
        from hepcs.searches.densities.ratio import floored_ratio

        (of_outside,) = rng.spawn(1)
        outside = self.outside or train_outside(data, windows, self.folds, self.flow, of_outside)
        bins, folds = data.view.bins, outside.folds.of(data.event)
        each = fold_weights(folds, self.folds, data.weights).astype(np.float32)
        inside = windows.inside[:, data.bin]
        background = joined(outside.flows)
        # All windows together. The density outside is where that of a window begins: what it is not told stays.
        found = train_flows(
            outside.scaling.inward(data.x, rng),
            mass_condition(data.m_jj, bins),
            np.concatenate([np.where(one, each, 0) for one in inside]),
            rng,
            self.in_window.training(),
            start=background,
        )
        z, values = outside.scaling.inward(data.x), np.empty(inside.shape)
        centres = mass_condition(windows.bounds(bins.edges).mean(axis=1), bins)
        for window, centre in enumerate(centres):
            groups = window * self.folds + folds
            ours, theirs = (flows.log_density(z, centre, groups) for flows in (found, background))
            values[window] = floored_ratio(ours, theirs, z.shape[1])
        return Scores(values, folds, outside.n_failed + int(found.failed.sum()))


KIND = score_kind(
    Anode, "in each window, the density of the data over an interpolated one", "arXiv:2001.04990"
)

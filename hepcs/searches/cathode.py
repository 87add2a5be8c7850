"""CATHODE: in each window, trees that tell the data from events drawn from a density of the background.

A flow, conditional on m_jj, is trained outside of the window and sampled inside: background as it would be there,
as much of it as one wants (Hallin et al., PRD 106 (2022) 055006).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from hepcs.searches.cut_and_fit.classifier import Scorer
from hepcs.searches.cut_and_fit.kind import score_kind
from hepcs.searches.cut_and_fit.section import TreesCutAndFit
from hepcs.searches.cut_and_fit.training import Events, Scores, Training, balanced_weights
from hepcs.searches.cut_and_fit.windows import SlidingWindows, sliding_windows
from hepcs.searches.densities.section import FlowSection, OutsideCutAndFit

if TYPE_CHECKING:
    from hepcs.searches.densities.outside import OutsideDensities


class Cathode(OutsideCutAndFit, TreesCutAndFit):
    """CATHODE with an autoregressive flow and boosted trees."""

    trained_on: ClassVar[str] = (
        "the data of each window against events drawn from a density that was trained outside of it"
    )
    usual_title: ClassVar[str] = "CATHODE"
    kind: Literal["cathode"] = "cathode"
    oversampling: Annotated[float, Field(strict=True, gt=0, le=100)] = Field(
        4.0, description="events drawn from the density for each one in the window"
    )

    def training(self) -> CathodeTraining:
        """Trees anew in each window of each data set."""
        return CathodeTraining(
            self.scorer(),
            self.folds,
            self.flow,
            self.oversampling,
            (self.window, self.sideband),
            retrain=self.retrain,
        )

    @property
    def packages(self) -> tuple[str, ...]:
        """What trains flows, and grows trees."""
        return ("lightgbm", *super().packages)


@dataclass(frozen=True)
class DrawnBackground:
    """Background drawn from densities.

    Attributes
    ----------
    densities
        Where it was drawn from.
    x
        For each window, features of k samples, shape (k, n, d): of the flow that has not seen a fold.
    """

    densities: OutsideDensities
    x: tuple[NDArray[np.float32], ...]


@dataclass(frozen=True)
class CathodeTraining(Training):
    """Trees of the data of each window against drawn events; `background` is what was drawn once."""

    scorer: Scorer
    folds: int
    flow: FlowSection
    oversampling: float
    window: tuple[int, int | None]
    retrain: bool = False
    background: DrawnBackground | None = None

    def prepare(self, samples: Mapping[str, Events], rng: np.random.Generator) -> Self:
        """Train the densities on the background sample, unless each data set trains its own."""
        if self.retrain:
            return self
        from hepcs.searches.densities.outside import refuse_failed

        events = samples["background"]
        drawn = self._drawn(events, sliding_windows(events.view.bins.n_bins, *self.window), rng)
        refuse_failed(drawn.densities.n_failed, "the densities outside of the windows")
        return replace(self, background=drawn)

    def scores(
        self,
        data: Events,
        windows: SlidingWindows,
        samples: Mapping[str, Events],  # noqa: ARG002
        rng: np.random.Generator,
    ) -> Scores:
        """See :meth:`Training.scores`."""
        background = self.background or self._drawn(data, windows, rng)
        folds = background.densities.folds.of(data.event)
        values = np.empty((windows.n_windows, len(data)))
        known = background.densities.scaling.filled(data.x)
        for scores, inside, drawn in zip(values, windows.inside, background.x, strict=True):
            scores[:] = self._window(known, data.weights, inside[data.bin], folds, drawn, rng)
        return Scores(values, folds, background.densities.n_failed)

    def _window(
        self,
        x: NDArray[np.float32],
        weights: NDArray[np.float64],
        inside: NDArray[np.bool_],
        folds: NDArray[np.int64],
        drawn: NDArray[np.float32],
        rng: np.random.Generator,
    ) -> NDArray[np.float64]:
        """Scores of all events by the trees of a window: data (n, d), drawn events (k, m, d)."""
        scores = np.empty(len(x))
        for fold, background in enumerate(drawn):
            seen, held_out = np.flatnonzero(inside & (folds != fold)), folds == fold
            is_data = np.arange(len(seen) + len(background)) < len(seen)
            each = balanced_weights(np.concatenate([weights[seen], np.ones(len(background))]), is_data)
            model = self.scorer.fit(np.concatenate([x[seen], background]), each, is_data, rng)
            scores[held_out] = model.score(x[held_out])
        return scores

    def _drawn(self, events: Events, windows: SlidingWindows, rng: np.random.Generator) -> DrawnBackground:
        """Train densities on events, and draw from them as many events as the oversampling says."""
        from hepcs.searches.densities.outside import mass_condition, train_outside

        (of_training,), bins = rng.spawn(1), events.view.bins
        densities = train_outside(events, windows, self.folds, self.flow, of_training)
        found = []
        for flows, inside, ends in zip(
            densities.flows, windows.inside, windows.bounds(bins.edges), strict=True
        ):
            here = inside[events.bin]
            n = round(self.oversampling * float(events.view.weights[here].sum()))
            m_jj = smeared(events.m_jj[here], events.view.weights[here], ends, (self.folds, n), rng)
            groups = np.repeat(np.arange(self.folds), n)
            z = flows.sample(mass_condition(m_jj.ravel(), bins), groups, rng)
            found.append(densities.scaling.outward(z).reshape(self.folds, n, -1))
        return DrawnBackground(densities, tuple(found))


def smeared(
    m_jj: NDArray[np.float64],
    multiplicity: NDArray[np.integer],
    ends: NDArray[np.float64],
    shape: tuple[int, ...],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """m_jj drawn from a Gaussian kernel density of the events (n,) of a window, reflected at its ends.

    The width is Scott's, of the events of the window.
    """
    drawn = rng.choice(m_jj, shape, p=multiplicity / multiplicity.sum())
    width = float(np.std(m_jj)) * max(len(m_jj), 1) ** -0.2
    low, high = ends
    moved = (drawn + width * rng.standard_normal(shape) - low) % (2 * (high - low))
    return np.asarray(low + np.minimum(moved, 2 * (high - low) - moved))


KIND = score_kind(
    Cathode, "in each window, a classifier of the data against a sampled density", "arXiv:2109.00546"
)

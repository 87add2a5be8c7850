"""GIS: events that are more frequent at the m_jj of a window than a little below and above it.

A density of all data, given m_jj, is compared with itself at other m_jj (Stein, Seljak, Dai, arXiv:2012.11638).
The density there is made by Gaussianizing iterative slices, whence the name; here it is the flow that all searches
by densities have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from hepcs.config.values import Problem
from hepcs.searches.cut_and_fit.kind import score_kind
from hepcs.searches.cut_and_fit.training import Events, Scores, Training
from hepcs.searches.cut_and_fit.windows import SlidingWindows, sliding_windows
from hepcs.searches.densities.section import DensityCutAndFit, FlowSection

if TYPE_CHECKING:
    from hepcs.searches.kinds import Context


class Gis(DensityCutAndFit):
    """Local over-density in m_jj."""

    trained_on: ClassVar[str] = "a density of all data, given m_jj: at each window over that beside it"
    usual_title: ClassVar[str] = "GIS"
    kind: Literal["gis"] = "gis"
    distance: Annotated[float, Field(strict=True, gt=0)] = Field(
        250.0, description="from the centre of a window to where it is compared with, below and above, GeV"
    )

    def training(self) -> GisTraining:
        """One density for each fold, anew in each data set."""
        return GisTraining(self.folds, self.flow, self.distance)

    def problems_of(self, context: Context) -> Iterator[Problem]:
        """Whether what windows are compared with lies in the region, and outside of them."""
        edges = context.pools.bins.edges
        bounds = sliding_windows(len(edges) - 1, self.window, self.sideband).bounds(edges)
        middle = bounds.mean(axis=1)
        room = float(min((middle - edges[0]).min(), (edges[-1] - middle).min()))
        half = float((bounds[:, 1] - bounds[:, 0]).max() / 2)
        if not half <= self.distance <= room:
            yield (
                "distance",
                f"found {self.distance:g} GeV; expected {half:g} or more, so as to be outside of all windows, and "
                f"{room:g} or less, so as to be inside of the evaluation region",
            )


@dataclass(frozen=True)
class GisTraining(Training):
    """Ratio of a density to itself at other m_jj."""

    folds: int
    flow: FlowSection
    distance: float

    def scores(
        self,
        data: Events,
        windows: SlidingWindows,
        samples: Mapping[str, Events],  # noqa: ARG002
        rng: np.random.Generator,
    ) -> Scores:
        """See :meth:`Training.scores`."""
        from hepcs.datasets.folds import assign_folds
        from hepcs.neural.densities import train_flows
        from hepcs.neural.scaling import logit_scaling
        from hepcs.searches.densities.outside import fold_weights
        from hepcs.searches.densities.ratio import floored_ratio

        bounds, folds = windows.bounds(data.view.bins.edges), assign_folds(data.event, self.folds, rng)
        width = float(bounds[0, 1] - bounds[0, 0])
        places = np.arange(data.view.bins.low, data.view.bins.high + width / 2, width)
        scaling = logit_scaling(data.x)
        flows = train_flows(
            scaling.inward(data.x, rng),
            local_condition(data.m_jj, places),
            fold_weights(folds, self.folds, data.weights),
            rng,
            self.flow.training(),
            hidden=self.flow.hidden,
            components=self.flow.components,
        )
        z, values = scaling.inward(data.x), np.empty((windows.n_windows, len(data)))
        for scores, centre in zip(values, bounds.mean(axis=1), strict=True):
            here, below, above = (
                flows.log_density(z, local_condition(np.array([at]), places)[0], folds)
                for at in (centre, centre - self.distance, centre + self.distance)
            )
            beside = np.logaddexp(below, above) - np.log(2)
            scores[:] = floored_ratio(here, beside, z.shape[1])
        return Scores(values, folds, int(flows.failed.sum()))


def local_condition(m_jj: NDArray[np.floating], places: NDArray[np.floating]) -> NDArray[np.float32]:
    """Nearness of m_jj (n,), GeV, to each of q places: (n, q), where a density may change."""
    spacing = places[1] - places[0]
    return np.exp(-0.5 * ((m_jj[:, np.newaxis] - places) / spacing) ** 2).astype(np.float32)


KIND = score_kind(Gis, "events more frequent at one m_jj than beside it, by a density", "arXiv:2012.11638")

"""Regularised likelihood: distance from a manifold of the data, smaller where its density exceeds that of m_jj.

``R = |x - g(g^-1(x))|^2 / (1 + p_u(g^-1(x)) / p_KDE(m_jj))`` with the map g from the manifold, the density p_u on
it, and a kernel density of m_jj, which takes out how rare a high m_jj itself is (LHC Olympics, arXiv:2101.08320).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from hepcs.config.values import PositiveInteger, Problem
from hepcs.searches.cut_and_fit.columns import columns_left_out
from hepcs.searches.cut_and_fit.kind import score_kind
from hepcs.searches.cut_and_fit.training import Events, Scores, Training
from hepcs.searches.cut_and_fit.windows import SlidingWindows
from hepcs.searches.densities.folds import KnownFolds, known_folds
from hepcs.searches.densities.section import DensityCutAndFit, FlowSection

if TYPE_CHECKING:
    from hepcs.neural.manifolds import ManifoldFlows
    from hepcs.neural.scaling import LogitScaling
    from hepcs.searches.kinds import Context

# Of the kernel density of m_jj: fine bins, which are smeared.
_FINE = 400


class RegularisedLikelihood(DensityCutAndFit):
    """Outliers of a flow on a manifold."""

    trained_on: ClassVar[str] = "a manifold that nearly all events lie on, and a density on it"
    usual_title: ClassVar[str] = "regularised likelihood"
    kind: Literal["regularised_likelihood"] = "regularised_likelihood"
    dimensions: PositiveInteger = Field(2, description="dimensions of the manifold, fewer than features")
    layers: PositiveInteger = Field(6, description="couplings of the map onto the manifold")
    retrain: bool = Field(
        False,
        description="train anew in each data set; if not, once, on the `background` sample, and p is conditional "
        "on these models",
    )

    def training(self) -> ManifoldTraining:
        """Once, or anew."""
        return ManifoldTraining(self.folds, self.flow, self.dimensions, self.layers, retrain=self.retrain)

    @property
    def roles(self) -> tuple[str, ...]:
        """What is trained on once."""
        return () if self.retrain else ("background",)

    @property
    def is_trained_once(self) -> bool:
        """Whether no data set trains anything."""
        return not self.retrain

    def problems_of(self, context: Context) -> Iterator[Problem]:
        """Whether the features have more dimensions than the manifold."""
        left_out = columns_left_out(context.columns.get(self.features, ()))
        d = int(np.prod(context.pools.background.features[self.features].shape[1:])) - len(left_out)
        if self.dimensions >= d:
            yield (
                "dimensions",
                f"found {self.dimensions}, and {self.features!r} has {d} features of each event; expected fewer",
            )


@dataclass(frozen=True)
class Manifolds:
    """Trained models of k folds."""

    scaling: LogitScaling
    flows: ManifoldFlows
    folds: KnownFolds


@dataclass(frozen=True)
class ManifoldTraining(Training):
    """Distance from manifolds, regularised; `models` were trained once."""

    folds: int
    flow: FlowSection
    dimensions: int
    layers: int
    retrain: bool = False
    models: Manifolds | None = None

    def prepare(self, samples: Mapping[str, Events], rng: np.random.Generator) -> Self:
        """Train on the background sample, unless each data set trains its own."""
        if self.retrain:
            return self
        from hepcs.searches.densities.outside import refuse_failed

        models = self._trained(samples["background"], rng)
        refuse_failed(int(models.flows.failed.sum()), "the manifolds and their densities")
        return replace(self, models=models)

    def scores(
        self,
        data: Events,
        windows: SlidingWindows,  # noqa: ARG002
        samples: Mapping[str, Events],  # noqa: ARG002
        rng: np.random.Generator,
    ) -> Scores:
        """See :meth:`Training.scores`."""
        models = self.models or self._trained(data, rng)
        folds = models.folds.of(data.event)
        distance, log_density = models.flows.judge(models.scaling.inward(data.x), folds)
        spectrum = mass_density(data.m_jj, data.multiplicity, (data.view.bins.low, data.view.bins.high))
        values = distance / (1 + np.exp(log_density) / spectrum)
        return Scores(values[np.newaxis], folds, int(models.flows.failed.sum()))

    def _trained(self, events: Events, rng: np.random.Generator) -> Manifolds:
        from hepcs.neural.manifolds import train_manifolds
        from hepcs.neural.scaling import logit_scaling
        from hepcs.searches.densities.outside import fold_weights

        scaling, folds = logit_scaling(events.x), known_folds(events.event, self.folds, rng)
        flows = train_manifolds(
            scaling.inward(events.x, rng),
            fold_weights(folds.of(events.event), self.folds, events.weights),
            rng,
            self.flow.training(),
            n_kept=self.dimensions,
            hidden=self.flow.hidden,
            n_layers=self.layers,
            components=self.flow.components,
        )
        return Manifolds(scaling, flows, folds)


def mass_density(
    m_jj: NDArray[np.float64], multiplicity: NDArray[np.integer], ends: tuple[float, float]
) -> NDArray[np.float64]:
    """Gaussian kernel density of m_jj at the events, in units of one over the standard deviation of m_jj.

    The kernel, of Scott's width, is reflected at the ends of the region, and sums over fine bins.

    Parameters
    ----------
    m_jj, multiplicity
        Of the events, shape (n,); m_jj in GeV.
    ends
        Of the region, GeV.
    """
    from scipy.ndimage import gaussian_filter1d

    counts, edges = np.histogram(m_jj, _FINE, ends, weights=multiplicity)
    total, step = counts.sum(), edges[1] - edges[0]
    mean = np.average(m_jj, weights=multiplicity)
    spread = np.sqrt(np.average((m_jj - mean) ** 2, weights=multiplicity))
    smooth = gaussian_filter1d(counts.astype(np.float64), spread * total**-0.2 / step, mode="reflect")
    return np.interp(m_jj, (edges[1:] + edges[:-1]) / 2, smooth) * (spread / (total * step))


KIND = score_kind(
    RegularisedLikelihood, "distance from a manifold, over its density and that of m_jj", "arXiv:2101.08320"
)

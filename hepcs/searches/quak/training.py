"""The space of losses: how likely each event is as background, and by each prior."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from hepcs.searches.cut_and_fit.training import Events, Scores, Training
from hepcs.searches.cut_and_fit.windows import SlidingWindows
from hepcs.searches.densities.folds import KnownFolds, known_folds
from hepcs.searches.densities.section import FlowSection

if TYPE_CHECKING:
    from hepcs.datasets.samples import MassBins
    from hepcs.neural.densities import Flows
    from hepcs.neural.scaling import LogitScaling

#: Of events that are unlike background, whatever else.
UNLIKE_ANY = "unlike any"

# Share of background events below whose density all are alike.
_RARE = 1e-4


@dataclass(frozen=True)
class LossSpace:
    """Trained densities.

    Attributes
    ----------
    scaling
        Of the features.
    background
        A stack of k densities, given m_jj, each without the events of a fold.
    folds
        Those of the events of the background.
    floor
        ln p below which events are equally unlike background.
    priors
        By name, a stack of k densities.
    expected
        By name, how likely a prior makes its own events, out of fold: values of :meth:`orders`, rising.
    """

    scaling: LogitScaling
    background: Flows
    folds: KnownFolds
    floor: float
    priors: Mapping[str, Flows]
    expected: Mapping[str, NDArray[np.float64]]

    def orders(
        self, x: NDArray[np.floating], m_jj: NDArray[np.floating], folds: NDArray[np.integer], bins: MassBins
    ) -> dict[str, NDArray[np.float64]]:
        """Of n events, ln(p_prior / p_background) of each prior, and -ln p_background: shape (n,) each."""
        from hepcs.searches.densities.outside import mass_condition

        z = self.scaling.inward(x)
        background = self.background.log_density(z, mass_condition(m_jj, bins), folds)
        background = np.logaddexp(background, self.floor)
        nothing = np.zeros((len(x), 1), dtype=np.float32)
        found = {
            name: flows.log_density(z, nothing, folds) - background for name, flows in self.priors.items()
        }
        return {**found, UNLIKE_ANY: -background}


@dataclass(frozen=True)
class QuakTraining(Training):
    """Orders of the events of a data set, as rows of :attr:`Scores.values`; `space` is what was trained once."""

    folds: int
    flow: FlowSection
    of_priors: FlowSection
    retrain: bool = False
    space: LossSpace | None = None

    @property
    def hypotheses(self) -> tuple[str, ...]:
        """Names of the orders: the priors, then that of what is unlike any."""
        assert self.space is not None
        return (*self.space.priors, UNLIKE_ANY)

    def prepare(self, samples: Mapping[str, Events], rng: np.random.Generator) -> Self:
        """Train all densities on samples."""
        from hepcs.neural.scaling import logit_scaling
        from hepcs.searches.densities.outside import refuse_failed

        events = samples["background"]
        # Densities are compared where background is; what lies further out is on the edge for all of them.
        scaling = logit_scaling(events.x)
        background, folds = self._of_background(events, scaling, rng)
        refuse_failed(int(background.failed.sum()), "the density of the background")
        z, own = scaling.inward(events.x), folds.of(events.event)
        floor = self._floor(background, z, events, own)
        space = LossSpace(scaling, background, folds, floor, {}, {})
        priors, expected = {}, {}
        for role, prior in samples.items():
            group, _, name = role.partition(".")
            if group != "priors":
                continue
            known = known_folds(prior.event, self.folds, rng).of(prior.event)
            nothing = np.zeros((len(prior), 1), dtype=np.float32)
            trained = self._trained(scaling.inward(prior.x, rng), nothing, prior, known, self.of_priors, rng)
            refuse_failed(int(trained.failed.sum()), f"the density of the prior {name!r}")
            priors[name] = trained
            one = replace(space, priors={name: trained})
            expected[name] = np.sort(one.orders(prior.x, prior.m_jj, known, prior.view.bins)[name])
        return replace(self, space=replace(space, priors=priors, expected=expected))

    def scores(
        self,
        data: Events,
        windows: SlidingWindows,  # noqa: ARG002
        samples: Mapping[str, Events],  # noqa: ARG002
        rng: np.random.Generator,
    ) -> Scores:
        """Values of :meth:`LossSpace.orders`, shape (h, m) for the h hypotheses, rather than by window."""
        assert self.space is not None
        space = self.space
        if self.retrain:
            background, known = self._of_background(data, space.scaling, rng)
            space = replace(space, background=background, folds=known)
        folds = space.folds.of(data.event)
        values = np.stack([*space.orders(data.x, data.m_jj, folds, data.view.bins).values()])
        return Scores(values, folds, int(space.background.failed.sum()))

    def _of_background(
        self, events: Events, scaling: LogitScaling, rng: np.random.Generator
    ) -> tuple[Flows, KnownFolds]:
        from hepcs.searches.densities.outside import mass_condition

        folds = known_folds(events.event, self.folds, rng)
        conditions = mass_condition(events.m_jj, events.view.bins)
        own = folds.of(events.event)
        return self._trained(scaling.inward(events.x, rng), conditions, events, own, self.flow, rng), folds

    def _trained(
        self,
        z: NDArray[np.float32],
        conditions: NDArray[np.float32],
        events: Events,
        folds: NDArray[np.int64],
        flow: FlowSection,
        rng: np.random.Generator,
    ) -> Flows:
        from hepcs.neural.densities import train_flows
        from hepcs.searches.densities.outside import fold_weights

        weights = fold_weights(folds, self.folds, events.weights)
        settings = flow.training()
        return train_flows(
            z, conditions, weights, rng, settings, hidden=flow.hidden, components=flow.components
        )

    @staticmethod
    def _floor(flows: Flows, z: NDArray[np.float32], events: Events, folds: NDArray[np.int64]) -> float:
        from hepcs.searches.densities.outside import mass_condition

        conditions = mass_condition(events.m_jj, events.view.bins)
        values = flows.log_density(z, conditions, folds)
        return float(np.quantile(values, _RARE, weights=events.view.weights, method="inverted_cdf"))

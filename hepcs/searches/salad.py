"""SALAD: in each window, trees that tell the data from simulation that was reweighted in the sidebands.

Andreassen, Nachman, Shih, PRD 101 (2020) 095004 (arXiv:2001.05001). There one network is a function of features
and m_jj, and so interpolates; trees are constant between the sidebands. Here a classifier of its own learns the
ratio of data and simulation in each sideband, and its logarithm is interpolated in m_jj.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from hepcs.datasets.folds import assign_folds
from hepcs.searches.cut_and_fit.classifier import RowTrainer, Scorer, Trained
from hepcs.searches.cut_and_fit.kind import score_kind
from hepcs.searches.cut_and_fit.section import SimulationCutAndFit, TreesSection
from hepcs.searches.cut_and_fit.training import Events, Scores, Training, balanced_weights

if TYPE_CHECKING:
    from hepcs.searches.cut_and_fit.windows import SlidingWindows

#: Most that a simulated event is weighted up or down: in places where a sample has hardly any events, a ratio
#: means little, and one event must not stand for hundreds.
MOST_RATIO = 20.0


class Salad(SimulationCutAndFit):
    """Data against simulation that is reweighted to them in the sidebands."""

    trained_on: ClassVar[str] = (
        "the data of each window against simulation, reweighted to them in its sidebands"
    )
    usual_title: ClassVar[str] = "SALAD"
    kind: Literal["salad"] = "salad"
    reweighting: TreesSection = Field(
        TreesSection(rounds=50),
        description="trees of the ratio of data and simulation: more than of the score, since all of it is wanted",
    )

    def training(self) -> AgainstReweighted:
        """Anew in each window."""
        return AgainstReweighted(self.scorer(), self.folds, self.reweighting.classifier())


@dataclass(frozen=True)
class _Both:
    """Data, and behind them simulation."""

    x: NDArray[np.float32]
    m_jj: NDArray[np.float64]
    bins: NDArray[np.int64]
    weights: NDArray[np.float64]
    is_data: NDArray[np.bool_]

    def classifier(
        self,
        trainer: RowTrainer,
        rows: NDArray[np.int64],
        factors: NDArray[np.float64],
        rng: np.random.Generator,
    ) -> Trained:
        """Data against simulation among some rows, whose weights are multiplied by factors."""
        labels = self.is_data[rows]
        return trainer.fit(rows, balanced_weights(self.weights[rows] * factors, labels), labels, rng)


@dataclass(frozen=True)
class AgainstReweighted(Training):
    """By models that tell the data of each window from simulation with the weights of :meth:`_factors`.

    Attributes
    ----------
    scorer, reweighter
        Of the score, and of the ratio of data and simulation; the scores of the latter must be log odds.
    folds
        k of the k-fold training.
    """

    scorer: Scorer
    folds: int
    reweighter: Scorer

    def scores(
        self,
        data: Events,
        windows: SlidingWindows,
        samples: Mapping[str, Events],
        rng: np.random.Generator,
    ) -> Scores:
        """See :meth:`Training.scores`."""
        pair = (data, samples["simulation"])
        x, m_jj, bins, weights, events = (
            np.concatenate([getattr(one, name) for one in pair])
            for name in ("x", "m_jj", "bin", "weights", "event")
        )
        n = len(data)
        folds = assign_folds(events, self.folds, rng)
        trainer, reweighter = self.scorer.on(x), self.reweighter.on(x)
        both = _Both(x, m_jj, bins, weights, np.arange(len(x)) < n)
        values = np.empty((windows.n_windows, n))
        for scores, inside, *sidebands in zip(
            values, windows.inside, windows.lower, windows.upper, strict=True
        ):
            for fold in range(self.folds):
                seen = folds != fold
                used = [np.flatnonzero(region[bins] & seen) for region in (inside, *sidebands)]
                model = both.classifier(trainer, used[0], self._factors(both, reweighter, used, rng), rng)
                held_out = np.flatnonzero(folds[:n] == fold)
                scores[held_out] = model.score(x[held_out])
        return Scores(values, folds[:n])

    @staticmethod
    def _factors(
        both: _Both,
        reweighter: RowTrainer,
        regions: Sequence[NDArray[np.int64]],
        rng: np.random.Generator,
    ) -> NDArray[np.float64]:
        """Factors of the rows of the window, which comes first: 1 for data, the interpolated ratio for others."""
        window, *sidebands = regions
        simulated = window[~both.is_data[window]]
        logs, centres = [], []
        for rows in sidebands:
            model = both.classifier(reweighter, rows, np.ones(rows.size), rng)
            logs.append(model.score(both.x[simulated]))
            real = rows[both.is_data[rows]]
            centres.append(np.average(both.m_jj[real], weights=both.weights[real]))
        share = (both.m_jj[simulated] - centres[0]) / (centres[1] - centres[0])
        ratio = np.exp((1 - share) * logs[0] + share * logs[1])
        factors = np.ones(window.size)
        factors[~both.is_data[window]] = np.clip(ratio, 1 / MOST_RATIO, MOST_RATIO)
        return factors


KIND = score_kind(
    Salad, "in each window, data against simulation reweighted to them in the sidebands", "arXiv:2001.05001"
)

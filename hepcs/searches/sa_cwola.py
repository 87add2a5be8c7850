"""SA-CWoLa: in each window, trees that tell it from its sidebands in data, and must not in simulation.

Features that change with m_jj tell a window from its sidebands without any signal. A simulation knows how, if not
exactly: what separates its window from its sidebands is unlearned (Benkendorfer, Le Pottier, Nachman, PRD 104
(2021) 035003, arXiv:2009.02205).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from hepcs.datasets.folds import assign_folds
from hepcs.searches.cut_and_fit.classifier import Scorer
from hepcs.searches.cut_and_fit.folded import out_of_fold_scores
from hepcs.searches.cut_and_fit.kind import score_kind
from hepcs.searches.cut_and_fit.section import SimulationCutAndFit
from hepcs.searches.cut_and_fit.training import Events, Scores, Training, sideband_weights

if TYPE_CHECKING:
    from hepcs.searches.cut_and_fit.windows import SlidingWindows


class SaCwola(SimulationCutAndFit):
    """CWoLa hunting with a term that unlearns simulation."""

    trained_on: ClassVar[str] = (
        "each window against its sidebands, and against itself where simulation tells the two apart"
    )
    usual_title: ClassVar[str] = "SA-CWoLa"
    kind: Literal["sa_cwola"] = "sa_cwola"
    strength: Annotated[float, Field(strict=True, gt=0, le=100)] = Field(
        1.0, description="weight of the simulation against that of the data; at 1 it cancels what both share"
    )

    def training(self) -> Unlearned:
        """Anew in each window."""
        return Unlearned(self.scorer(), self.folds, self.strength)


@dataclass(frozen=True)
class Unlearned(Training):
    """By models of window against sidebands, with simulated events of the opposite labels.

    The loss of arXiv:2009.02205, section III, as weighted events: with the strength lambda the best classifier is
    ``(p_window,data + lambda p_sidebands,sim) / (p_sidebands,data + lambda p_window,sim)``, which for lambda = 1
    is 1 where data are background, and the simulation is right.
    """

    scorer: Scorer
    folds: int
    strength: float

    def scores(
        self,
        data: Events,
        windows: SlidingWindows,
        samples: Mapping[str, Events],
        rng: np.random.Generator,
    ) -> Scores:
        """See :meth:`Training.scores`."""
        both = (data, samples["simulation"])
        x, bins, weights, events = (
            np.concatenate([getattr(one, name) for one in both]) for name in ("x", "bin", "weights", "event")
        )
        n, is_data = len(data), np.arange(len(x)) < len(data)
        folds, trainer = assign_folds(events, self.folds, rng), self.scorer.on(x)
        values = np.empty((windows.n_windows, n))
        for scores, *regions in zip(values, windows.inside, windows.lower, windows.upper, strict=True):
            rows = np.flatnonzero(np.any(regions, axis=0)[bins])
            real, inside = is_data[rows], regions[0][bins[rows]]
            used = np.empty(rows.size)
            for chosen, share in ((real, 1.0), (~real, self.strength)):
                there = rows[chosen]
                balanced = sideband_weights(bins[there], weights[there], *regions)
                # As much in all as the data, whatever the number of simulated events.
                used[chosen] = balanced * (share * weights[rows[real]].sum() / balanced.sum())
            scores[:] = out_of_fold_scores(trainer, x, rows, used, inside == real, folds, rng, only=n)
        return Scores(values, folds[:n])


KIND = score_kind(
    SaCwola,
    "in each window, a classifier against sidebands that unlearns what simulation tells apart",
    "arXiv:2009.02205",
)

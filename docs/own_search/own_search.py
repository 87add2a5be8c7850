"""A search of your own: events whose two jets are heavy and two-pronged, by a sum of standardised features."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from hepcs.searches.cut_and_fit.classifier import Scorer
from hepcs.searches.cut_and_fit.kind import score_kind
from hepcs.searches.cut_and_fit.section import CutAndFit


class HeavyJets(CutAndFit):
    """Its section of the card: the keys of every search by score and cut, and none of its own."""

    kind: Literal["heavy_jets"] = "heavy_jets"

    def scorer(self) -> "MassSum":
        """What is trained."""
        return MassSum()


@dataclass(frozen=True)
class MassSum(Scorer):
    """Sum of features, each in units of its spread: with the standard event features, heavy two-pronged jets."""

    signs: tuple[int, ...] = (1, 1, -1, -1)

    def fit(self, x, weights, labels, rng):
        """Learn mean and spread from the events of the other folds, (n, d) with weights (n,)."""
        mean = np.average(x, axis=0, weights=weights)
        spread = np.sqrt(np.average((x - mean) ** 2, axis=0, weights=weights))
        return Standardised(mean, np.array(self.signs) / spread)


@dataclass(frozen=True)
class Standardised:
    """The trained score."""

    mean: np.ndarray
    direction: np.ndarray

    def score(self, x):
        """Features (n, d) to scores (n,): larger is more anomalous."""
        return (x - self.mean) @ self.direction


KIND = score_kind(HeavyJets, "heavy jets with two prongs", "docs/own_search of hepcs")

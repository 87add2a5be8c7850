"""The chains of trainings of Tag N' Train."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hepcs.datasets.folds import assign_folds
from hepcs.searches.cut_and_fit.classifier import RowTrainer, Scorer
from hepcs.searches.cut_and_fit.cuts import ranks
from hepcs.searches.cut_and_fit.training import Events, Scores, Training, balanced_weights

if TYPE_CHECKING:
    from hepcs.searches.cut_and_fit.windows import SlidingWindows


#: Bins of the jets' momentum, in each of which events are tagged.
N_MOMENTA = 20


@dataclass(frozen=True)
class _Jets:
    """What a chain of trainings works on: m events, the first and the second jet of each.

    `trainers` and `x` (m, d) are those of the classifiers, by jet; `groups` (m,) those in which events are tagged.
    """

    trainers: tuple[RowTrainer, RowTrainer]
    x: tuple[NDArray[np.float32], NDArray[np.float32]]
    weights: NDArray[np.float64]
    multiplicity: NDArray[np.int64]
    folds: NDArray[np.int64]
    groups: NDArray[np.int64]


@dataclass(frozen=True)
class TaggedJets(Training):
    """By classifiers of each jet that were trained on tags of the other one.

    No event is scored by a model that has seen it, nor were the tags that trained the model made by one: for each
    held-out fold there is a chain of trainings of its own on the other folds. Inside of a chain, too, an event is
    tagged by models that were not trained on it, since what a classifier remembers of its training would be taken
    for what is signal-like in the next one.

    Tags are shares of the events of like momentum, so that both classes have the same spectrum: features change
    with the momentum, which both jets share, and a classifier would learn little else.

    Attributes
    ----------
    scorer, first
        The classifiers, and the first score, which knows no labels.
    folds
        k >= 3.
    first_feature
        What the first score is of.
    iterations
        Trainings after another.
    shares
        Background-like and signal-like events by the score of the other jet.
    in_window
        Whether signal-like events are those of a window alone.
    by_mass
        Whether the first jet is the heavier one, by the first column of the features, or any of the two.
    """

    scorer: Scorer
    folds: int
    first: Scorer
    first_feature: str
    iterations: int
    shares: tuple[float, float]
    in_window: bool
    by_mass: bool

    def scores(
        self,
        data: Events,
        windows: SlidingWindows,
        samples: Mapping[str, Events],  # noqa: ARG002
        rng: np.random.Generator,
    ) -> Scores:
        """See :meth:`Training.scores`: the lower one of the ranks of both jets, so that a cut is one on each."""
        folds = assign_folds(data.event, self.folds, rng)
        swap = self._swapped(data, rng)[:, np.newaxis, np.newaxis]
        ordered = partial(_in_order, data, swap)
        x = ordered(data.feature)
        jets = _Jets(
            trainers=(self.scorer.on(x[0]), self.scorer.on(x[1])),
            x=x,
            weights=data.weights,
            multiplicity=data.multiplicity,
            folds=folds,
            groups=folds * N_MOMENTA + _momentum_bins(data),
        )
        known = self._first_scores(ordered(self.first_feature), jets, rng)
        everywhere = np.ones(len(data), dtype=np.bool_)
        uses = [(everywhere, everywhere)]
        if self.in_window:
            beside = windows.inside | windows.lower | windows.upper
            uses = [
                (inside[data.bin], near[data.bin])
                for inside, near in zip(windows.inside, beside, strict=True)
            ]
        found = np.stack([self._joint(jets, use, known, rng) for use in uses])
        lifts = [self._lift(one, data.multiplicity) for one in found]
        first = np.stack([known[(fold + 1) % self.folds] for fold in range(self.folds)])
        before = np.take_along_axis(first, folds[np.newaxis, np.newaxis], axis=0)[0]
        ranked = self._ranked(before, jets, rng)
        numbers = {
            "lift_first": self._lift(ranked, data.multiplicity),
            "lift_last": float(np.mean(lifts)),
        }
        return Scores(found.min(axis=1), folds, numbers=numbers)

    def _swapped(self, data: Events, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Whether the jets of an event change places, shape (m,); copies of an event alike."""
        if self.by_mass:
            mass = data.features()[..., 0]
            return np.asarray(mass[:, 0] < mass[:, 1])
        distinct, event = np.unique(data.event, return_inverse=True)
        return np.asarray((rng.random(distinct.size) < 0.5)[event])

    def _first_scores(
        self, x: tuple[NDArray[np.float32], NDArray[np.float32]], jets: _Jets, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """First scores by held-out fold and jet, shape (k, 2, m); of the events of a fold itself, none (NaN).

        The model of the folds f and g, which has seen neither, scores g where f is held out, and f where g is.
        """
        known = np.full((self.folds, 2, len(x[0])), np.nan)
        trainer = self.first.on(np.concatenate(x))
        for f in range(self.folds):
            for g in range(f + 1, self.folds):
                seen = np.flatnonzero((jets.folds != f) & (jets.folds != g))
                rows = np.concatenate((seen, seen + len(x[0])))
                # The first score knows copies alone, whatever weights the classifiers have.
                weights = np.tile(jets.multiplicity[seen].astype(np.float64), 2)
                model = trainer.fit(rows, weights, np.zeros(rows.size, dtype=np.bool_), rng)
                for held_out, asked in ((f, g), (g, f)):
                    here = jets.folds == asked
                    for jet in (0, 1):
                        known[held_out, jet, here] = model.score(x[jet][here])
        return known

    def _joint(
        self,
        jets: _Jets,
        use: tuple[NDArray[np.bool_], NDArray[np.bool_]],
        known: NDArray[np.float64],
        rng: np.random.Generator,
    ) -> NDArray[np.float64]:
        """Ranks of both jets by the last classifiers, shape (2, m).

        `use` (m,) are the events that may be tagged as signal-like, and as background-like.
        """
        last = np.empty((2, len(jets.folds)))
        for fold in range(self.folds):
            scores = known[fold]
            for _ in range(self.iterations - 1):
                labels, used = self._tags(scores, jets, use, fold, rng)
                following = np.full_like(scores, np.nan)
                for asked in range(self.folds):
                    if asked != fold:
                        here = jets.folds == asked
                        following[:, here] = _trained(jets, labels, used & ~here, here, rng)
                scores = following
            here = jets.folds == fold
            labels, used = self._tags(scores, jets, use, fold, rng)
            last[:, here] = _trained(jets, labels, used, here, rng)
        return self._ranked(last, jets, rng)

    def _tags(
        self,
        scores: NDArray[np.float64],
        jets: _Jets,
        use: tuple[NDArray[np.bool_], NDArray[np.bool_]],
        held_out: int,
        rng: np.random.Generator,
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Labels for the training of each jet by the score of the other, and the events with one; (2, m) each."""
        least, most = self.shares
        known = jets.folds != held_out
        places = self._ranked(scores[::-1], jets, rng, np.where(known, jets.groups, -1))
        high, low = (places > 1 - most) & use[0], (places < least) & use[1]
        return high, (high | low) & known

    def _ranked(
        self,
        scores: NDArray[np.float64],
        jets: _Jets,
        rng: np.random.Generator,
        groups: NDArray[np.int64] | None = None,
    ) -> NDArray[np.float64]:
        """Ranks within each fold, or in each group from number 0 on, shape (2, m)."""
        places, within = np.full(scores.shape, 0.5), jets.folds if groups is None else groups
        order = np.argsort(within, kind="stable")
        for here in np.split(order, np.flatnonzero(np.diff(within[order])) + 1):
            if within[here[0]] >= 0:
                for jet, one in enumerate(scores):
                    places[jet, here] = ranks(one[here], jets.multiplicity[here], rng)
        return places

    def _lift(self, places: NDArray[np.float64], multiplicity: NDArray[np.int64]) -> float:
        """Events with both jets signal-like, over those expected of independent jets; 1 if they are."""
        high = places > 1 - self.shares[1]
        both, one, other = (np.average(tag, weights=multiplicity) for tag in (high.all(axis=0), *high))
        return float(both / (one * other))


def _momentum_bins(data: Events) -> NDArray[np.int64]:
    """Bins of equal share in the mean pT of both jets, where the features have one; or in m_jj, shape (m,)."""
    value = data.m_jj
    if data.transverse_momentum is not None:
        value = data.transverse_momentum.mean(axis=1)
    edges = np.quantile(value, np.linspace(0, 1, N_MOMENTA + 1)[1:-1])
    return np.asarray(np.searchsorted(edges, value), dtype=np.int64)


def _in_order(
    data: Events, swap: NDArray[np.bool_], name: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Features of the first and of the second jet, (m, d) each."""
    values = data.features(name)
    ordered = np.where(swap, values[:, ::-1], values)
    return ordered[:, 0], ordered[:, 1]


def _trained(
    jets: _Jets,
    labels: NDArray[np.bool_],
    used: NDArray[np.bool_],
    asked: NDArray[np.bool_],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Scores of both jets of the events `asked`, by classifiers of events that are `used`; shape (2, n)."""
    found = []
    for trainer, x, label, there in zip(jets.trainers, jets.x, labels, used, strict=True):
        rows = np.flatnonzero(there)
        weights = balanced_weights(jets.weights[rows], label[rows])
        found.append(trainer.fit(rows, weights, label[rows], rng).score(x[asked]))
    return np.stack(found)

"""What scores are trained on, and by which model each event is scored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from toy_views import BINS, drawn, inputs_of, observed, pools_of

from hepcs._core.errors import ArgumentError, ComputationError
from hepcs.datasets.bootstrap import EventView, Part, whole
from hepcs.searches.cut_and_fit.classifier import BoostedTrees, Scorer
from hepcs.searches.cut_and_fit.training import (
    AgainstSample,
    AgainstSidebands,
    Events,
    Once,
    OnData,
    Scores,
    Training,
    balanced_weights,
    sideband_weights,
)
from hepcs.searches.cut_and_fit.windows import sliding_windows

POOLS = pools_of(2500, 200)
INPUTS = inputs_of(POOLS)
WINDOWS = sliding_windows(16)
SMALL = BoostedTrees(rounds=8, leaves=6)


@dataclass(frozen=True)
class Remembered:
    """Scores 1 for the events that it was trained on."""

    seen: np.ndarray

    def score(self, x: np.ndarray) -> np.ndarray:
        return np.isin(x[:, 0], self.seen).astype(float)


@dataclass(frozen=True)
class Memory(Scorer):
    """Remembers the identities of its training events."""

    def fit(
        self, x: np.ndarray, weights: np.ndarray, labels: np.ndarray, rng: np.random.Generator
    ) -> Remembered:
        return Remembered(x[:, 0].copy())


@dataclass(frozen=True)
class Direction:
    """Scores along a direction."""

    axis: np.ndarray

    def score(self, x: np.ndarray) -> np.ndarray:
        return x @ self.axis


@dataclass(frozen=True)
class Means(Scorer):
    """The difference of the weighted means of both classes, or the mean where there is one."""

    def fit(
        self, x: np.ndarray, weights: np.ndarray, labels: np.ndarray, rng: np.random.Generator
    ) -> Direction:
        means = [
            np.average(x[chosen], axis=0, weights=weights[chosen])
            for chosen in (labels, ~labels)
            if chosen.any()
        ]
        return Direction(means[0] - means[-1] if len(means) > 1 else means[0])


def events_of(samples: Mapping[str, EventView], feature: str) -> dict[str, Events]:
    return {role: Events(view, feature) for role, view in samples.items()}


def scores_by(
    training: Training,
    data: EventView,
    feature: str,
    rng: np.random.Generator,
    samples: Mapping[str, EventView] = INPUTS.samples,
) -> Scores:
    known = events_of(samples, feature)
    return training.prepare(known, rng).scores(Events(data, feature), WINDOWS, known, rng)


def of_data(scorer: Scorer) -> Training:
    return OnData(scorer, 3)


def of_sidebands(scorer: Scorer) -> Training:
    return AgainstSidebands(scorer, 3)


def of_background(scorer: Scorer) -> Training:
    return AgainstSample(scorer, 3, "background")


def of_signal(scorer: Scorer) -> Training:
    return Once(scorer, 3, signal="signal")


def of_background_once(scorer: Scorer) -> Training:
    return Once(scorer, 3)


Way = Callable[[Scorer], Training]
TRAININGS: list[Way] = [of_data, of_sidebands, of_background, of_signal, of_background_once]


@pytest.mark.parametrize("training", TRAININGS)
@pytest.mark.parametrize("epsilon", [0, 100])
def test_no_event_is_scored_by_a_model_that_saw_it(training: Way, epsilon: int) -> None:
    """Neither in the data set, nor in the whole samples that some are trained on."""
    data = drawn(POOLS, epsilon).view
    found = scores_by(training(Memory()), data, "identity", np.random.default_rng(1))
    assert found.values.shape[1] == found.folds.size == len(data.m_jj)
    assert not found.values.any()
    assert set(found.folds) == {0, 1, 2}


def test_where_events_are_not_known_again_a_model_sees_what_it_is_asked_about() -> None:
    """The test above can fail: here the same events have other identities in the sample."""
    data, known = drawn(POOLS).view, INPUTS.samples["background"].parts[0]
    other = EventView((replace(known, sample=replace(known.sample, first_event=100_000)),), BINS)
    samples = {"background": other}
    found = scores_by(of_background(Memory()), data, "identity", np.random.default_rng(1), samples)
    inside = WINDOWS.inside[0][data.bins.index(data.m_jj)]
    assert found.values[0][inside].mean() > 0.5


def copied(data: EventView) -> EventView:
    """The same data set with a row for each copy of an event."""
    parts = []
    for part in data.parts:
        rows = np.repeat(np.arange(part.sample.n_events), part.multiplicity)
        sample = replace(
            part.sample, m_jj=part.sample.m_jj[rows], rows=part.sample.rows[rows], n_selected=10**6
        )
        parts.append(Part(sample, np.ones(rows.size, dtype=np.int64)))
    return EventView(tuple(parts), data.bins)


@pytest.mark.parametrize("training", TRAININGS)
def test_copies_and_multiplicities_are_the_same(training: Way) -> None:
    data = drawn(POOLS, 100).view
    other = copied(data)
    assert data.multiplicity.max() > 2
    counted, repeated = (
        scores_by(training(Means()), view, "event", np.random.default_rng(2)) for view in (data, other)
    )
    assert np.allclose(
        np.repeat(counted.values, data.multiplicity, axis=1), repeated.values, rtol=1e-5, atol=1e-6
    )
    assert np.array_equal(np.repeat(counted.folds, data.multiplicity), repeated.folds)


@pytest.mark.parametrize("training", TRAININGS)
def test_the_same_generator_gives_the_same_bits(training: Way) -> None:
    data = drawn(POOLS, 100).view
    scorer = Means() if training in {of_data, of_background_once} else SMALL
    once, again, other = (
        scores_by(training(scorer), data, "event", np.random.default_rng(seed)) for seed in (3, 3, 4)
    )
    assert np.array_equal(once.values, again.values)
    assert np.array_equal(once.folds, again.folds)
    assert not np.array_equal(once.values, other.values)


@pytest.mark.parametrize("training", [of_sidebands, of_background])
def test_where_labels_mean_nothing_the_auc_is_one_half(training: Way) -> None:
    """Features that know nothing of m_jj, or of the data set, though its events come in copies."""
    data = drawn(POOLS).view
    found = scores_by(training(SMALL), data, "event", np.random.default_rng(5))
    bins = data.bins.index(data.m_jj)
    aucs = []
    for scores, inside, beside in zip(
        found.values, WINDOWS.inside, WINDOWS.lower | WINDOWS.upper, strict=True
    ):
        used = (inside | beside)[bins]
        aucs += [
            roc_auc_score(inside[bins[here]], scores[here], sample_weight=data.multiplicity[here])
            for here in (used & (found.folds == fold) for fold in range(3))
        ]
    # Windows overlap, so that a third of the 33 is independent; each has an error of some 0.02.
    assert np.mean(aucs) == pytest.approx(0.5, abs=4 * 0.02 / np.sqrt(11))


def test_shuffled_labels_teach_the_supervised_models_nothing() -> None:
    rng = np.random.default_rng(6)
    background = INPUTS.samples["background"]
    sample, is_signal = background.parts[0].sample, rng.random(background.n_events) < 0.3
    views = [whole(sample.take(mask, int(mask.sum())), BINS) for mask in (is_signal, ~is_signal)]
    shuffled = dict(zip(("signal", "background"), views, strict=True))
    found = scores_by(Once(SMALL, 5, signal="signal"), background, "event", rng, shuffled)
    aucs = [
        roc_auc_score(is_signal[found.folds == fold], found.values[0][found.folds == fold])
        for fold in range(5)
    ]
    assert np.mean(aucs) == pytest.approx(0.5, abs=4 / np.sqrt(12 * is_signal.sum()))


def test_events_that_the_models_were_not_trained_on_are_scored_by_some_model() -> None:
    other = whole(replace(POOLS.background, first_event=10**6), BINS)
    found = scores_by(of_signal(SMALL), other, "event", np.random.default_rng(7))
    assert np.isfinite(found.values).all()
    assert set(found.folds) == {0, 1, 2}


def test_scores_do_not_depend_on_what_is_in_the_same_data_set() -> None:
    """Where models are trained once."""
    rng = np.random.default_rng(8)
    known = events_of(INPUTS.samples, "event")
    models = of_signal(SMALL).prepare(known, rng)
    one, two = (drawn(POOLS, 50, index).view for index in (0, 1))
    first, second = (models.scores(Events(view, "event"), WINDOWS, known, rng) for view in (one, two))
    _, at_one, at_two = np.intersect1d(one.event, two.event, return_indices=True)
    assert at_one.size > 500
    assert np.array_equal(first.values[0][at_one], second.values[0][at_two])


def test_features_of_jets_are_laid_side_by_side() -> None:
    jets = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    sample = replace(POOLS.background.take(np.arange(2500) < 3, 3), features={"jets": jets})
    view = whole(sample, BINS)
    assert Events(view, "jets").x.tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert Events(view, "jets", {"jets": (1,)}).x.tolist() == [[1, 3], [5, 7], [9, 11]]
    assert Events(view, "other", {"jets": (1,)}).features("jets").tolist() == [
        [[1], [3]],
        [[5], [7]],
        [[9], [11]],
    ]


def test_the_window_has_half_of_the_weight_and_each_sideband_a_quarter() -> None:
    rng = np.random.default_rng(9)
    bins, times = rng.choice(6, 500, p=[0.3, 0.25, 0.2, 0.1, 0.1, 0.05]), rng.integers(1, 4, 500)
    windows = sliding_windows(6)
    regions = windows.inside[0], windows.lower[0], windows.upper[0]
    weights = sideband_weights(bins, times, *regions)
    shares = [weights[region[bins]].sum() / times.sum() for region in regions]
    assert np.allclose(shares, [0.5, 0.25, 0.25])
    inside = regions[0][bins]
    assert np.allclose(weights[inside] / times[inside], weights[inside][0] / times[inside][0])


def test_classes_are_balanced() -> None:
    labels = np.array([True, False, False, True])
    weights = balanced_weights(np.array([1.0, 2.0, 6.0, 3.0]), labels)
    assert weights.tolist() == [0.5, 0.5, 1.5, 1.5]
    with pytest.raises(ComputationError, match="no signal-like events to train on"):
        balanced_weights(np.ones(3), np.zeros(3, bool))


def without(data: EventView, first: int, last: int) -> EventView:
    """A data set without the events of some bins."""
    sample = data.parts[0].sample
    bins = data.bins.index(sample.m_jj)
    empty = (bins >= first) & (bins <= last)
    return EventView((Part(sample, np.where(empty, 0, data.parts[0].multiplicity)),), data.bins)


def test_windows_without_events_are_refused() -> None:
    data, rng = observed(POOLS).view, np.random.default_rng(10)
    with pytest.raises(ArgumentError, match="window of bins 2 to 3 holds no event"):
        scores_by(of_sidebands(SMALL), without(data, 2, 3), "event", rng)
    with pytest.raises(ArgumentError, match="upper sideband of bins 4 to 5 holds no event"):
        scores_by(of_sidebands(SMALL), without(data, 4, 5), "event", rng)
    with pytest.raises(ComputationError, match="no signal-like events to train on in a window"):
        scores_by(of_background(SMALL), without(data, 2, 3), "event", rng)


def test_folds_need_events() -> None:
    few = whole(POOLS.background.take(np.arange(2500) < 2, 2), BINS)
    with pytest.raises(ArgumentError, match="3 folds cannot be made of 2"):
        scores_by(of_data(Means()), few, "event", np.random.default_rng(11))

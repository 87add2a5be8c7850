"""Boosted trees, and k-fold training with them."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

from hepcs._core.errors import ArgumentError, MissingDependencyError
from hepcs.datasets.folds import assign_folds
from hepcs.searches.cut_and_fit.classifier import BoostedTrees
from hepcs.searches.cut_and_fit.folded import out_of_fold_scores


def two_classes(n: int, seed: int, shift: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, 3), the first of which is shifted for one half of the events, and their labels."""
    rng = np.random.default_rng(seed)
    labels = rng.random(n) < 0.5
    x = rng.normal(size=(n, 3)).astype(np.float32)
    x[:, 0] += shift * labels
    return x, labels


def test_trees_find_the_likelihood_ratio() -> None:
    x, labels = two_classes(20_000, 1)
    model = BoostedTrees().fit(x, np.ones(len(x)), labels, np.random.default_rng(2))
    other, truth = two_classes(20_000, 3)
    found, best = roc_auc_score(truth, model.score(other)), roc_auc_score(truth, other[:, 0])
    assert best - 0.01 < found <= best + 0.005


def test_they_are_as_good_as_those_of_scikit_learn() -> None:
    (x, labels), (other, truth) = two_classes(20_000, 4), two_classes(20_000, 5)
    weights = np.random.default_rng(6).exponential(size=len(x))
    ours = BoostedTrees().fit(x, weights, labels, np.random.default_rng(7))
    theirs = HistGradientBoostingClassifier(max_iter=40, early_stopping=False, random_state=0)
    theirs.fit(x, labels, sample_weight=weights)
    difference = roc_auc_score(truth, ours.score(other)) - roc_auc_score(
        truth, theirs.decision_function(other)
    )
    assert abs(difference) < 0.005


def test_weights_count() -> None:
    x, labels = two_classes(20_000, 8)
    # Half of the events have the wrong label, and next to no weight.
    wrong = np.random.default_rng(9).random(len(x)) < 0.5
    weights = np.where(wrong, 1e-3, 1.0)
    model = BoostedTrees().fit(x, weights, labels ^ wrong, np.random.default_rng(10))
    assert roc_auc_score(labels, model.score(x)) > 0.74


def test_only_ratios_of_weights_matter() -> None:
    x, labels = two_classes(4000, 11)
    once, scaled = (
        BoostedTrees().fit(x, np.full(len(x), weight), labels, np.random.default_rng(12)).score(x)
        for weight in (1.0, 1e-4)
    )
    assert np.array_equal(once, scaled)


@pytest.mark.parametrize("trees", [BoostedTrees(), BoostedTrees(bagging=0.5, members=3)])
def test_the_same_generator_makes_the_same_trees(
    trees: BoostedTrees, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, labels = two_classes(5000, 13)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    once, again = (
        trees.fit(x, np.ones(len(x)), labels, np.random.default_rng(14)).score(x) for _ in range(2)
    )
    assert np.array_equal(once, again)
    other = trees.fit(x, np.ones(len(x)), labels, np.random.default_rng(15)).score(x)
    assert np.array_equal(once, other) == (trees.bagging == 1)


def test_training_on_rows_is_training_on_these_events() -> None:
    x, labels = two_classes(6000, 16)
    rows = np.sort(np.random.default_rng(17).permutation(len(x))[:4000])
    trainer = BoostedTrees().on(x)
    part = trainer.fit(rows, np.ones(4000), labels[rows], np.random.default_rng(18))
    alone = BoostedTrees().fit(x[rows], np.ones(4000), labels[rows], np.random.default_rng(18))
    # The bins are those of all events, or of these alone: nearly the same ones.
    assert np.corrcoef(part.score(x), alone.score(x))[0, 1] > 0.95
    swapped = labels.copy()
    swapped[np.setdiff1d(np.arange(len(x)), rows)] ^= True
    blind = trainer.fit(rows, np.ones(4000), swapped[rows], np.random.default_rng(18))
    assert np.array_equal(part.score(x), blind.score(x))


def test_missing_features_are_a_value_of_their_own() -> None:
    x, labels = two_classes(4000, 19, shift=0)
    x[labels & (np.arange(len(x)) % 2 == 0), 1] = np.nan
    model = BoostedTrees().fit(x, np.ones(len(x)), labels, np.random.default_rng(20))
    assert np.isfinite(model.score(x)).all()
    assert roc_auc_score(labels, model.score(x)) > 0.7


@pytest.mark.parametrize("copies", [1, 4])
def test_shuffled_labels_teach_nothing(copies: int) -> None:
    # Each event has a label of its own, and its copies stand in the data set beside it: folds by the row would
    # learn it by heart.
    x, _ = two_classes(3000, 21)
    labels = np.random.default_rng(22).random(len(x)) < 0.5
    rows = np.repeat(np.arange(len(x)), copies)
    folds = assign_folds(rows, 5, np.random.default_rng(23))
    by_row = np.random.default_rng(24).integers(0, 5, rows.size)
    aucs = []
    for fold in (folds, by_row):
        scores = out_of_fold_scores(
            BoostedTrees().on(x[rows]),
            x[rows],
            np.arange(rows.size),
            np.ones(rows.size),
            labels[rows],
            fold,
            np.random.default_rng(25),
        )
        aucs.append(np.mean([roc_auc_score(labels[rows][fold == k], scores[fold == k]) for k in range(5)]))
    error = 1 / np.sqrt(3 * len(x))
    assert abs(aucs[0] - 0.5) < 4 * error
    if copies > 1:
        assert aucs[1] > 0.5 + 10 * error


def test_events_that_are_not_trained_on_are_scored_as_well() -> None:
    x, labels = two_classes(4000, 26)
    rows = np.flatnonzero(x[:, 1] > 0)
    folds = assign_folds(np.arange(len(x)), 4, np.random.default_rng(27))
    scores = out_of_fold_scores(
        BoostedTrees().on(x), x, rows, np.ones(rows.size), labels[rows], folds, np.random.default_rng(28)
    )
    assert np.isfinite(scores).all()
    assert roc_auc_score(labels[x[:, 1] < 0], scores[x[:, 1] < 0]) > 0.7


def test_what_cannot_be_trained_on_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    x, labels = two_classes(100, 29)
    trainer, rng, rows = BoostedTrees().on(x), np.random.default_rng(30), np.arange(100)
    with pytest.raises(ArgumentError, match="events of both classes"):
        trainer.fit(rows, np.ones(100), np.ones(100, bool), rng)
    with pytest.raises(ArgumentError, match="finite and above 0"):
        trainer.fit(rows, np.zeros(100), labels, rng)
    with pytest.raises(ArgumentError, match="one shape"):
        trainer.fit(rows, np.ones(99), labels, rng)
    with pytest.raises(ArgumentError, match=r"know features \(n, 3\)"):
        trainer.fit(rows, np.ones(100), labels, rng).score(x[:, :2])
    with pytest.raises(ArgumentError, match=r"shape \(n, d\)"):
        BoostedTrees().on(x[0])
    with pytest.raises(ArgumentError, match="do not match"):
        out_of_fold_scores(trainer, x, rows, np.ones(100), labels, rows[:50], rng)
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(MissingDependencyError, match="lightgbm is needed to train boosted trees"):
        BoostedTrees().on(x)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"rounds": 0}, "rounds"),
        ({"bins": 256}, "bins"),
        ({"bagging": 0.0}, "bagging"),
        ({"members": 2}, "the same"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict, reason: str) -> None:
    with pytest.raises(ArgumentError, match=reason):
        BoostedTrees(**settings)

"""Flows: known densities, their integral, and samples that are like what they were trained on."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

pytest.importorskip("jax")

from hepcs._core.errors import ArgumentError, ComputationError
from hepcs.neural.densities import Flows, train_flows
from hepcs.neural.settings import TrainingSettings

SETTINGS = TrainingSettings(epochs=10, batch=512, learning_rate=3e-3, patience=5)
N = 12_000
SLOPE, SPREAD = 0.6, 0.5


def events(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two features: the second one follows the first, and the first one the condition."""
    condition = rng.uniform(-1.7, 1.7, (n, 1))
    first = SLOPE * condition[:, 0] + SPREAD * rng.normal(size=n)
    return np.column_stack([first, -first + rng.normal(size=n)]), condition


def true_log_density(x: np.ndarray, condition: np.ndarray) -> np.ndarray:
    first = stats.norm.logpdf(x[:, 0], SLOPE * condition[:, 0], SPREAD)
    return first + stats.norm.logpdf(x[:, 1], -x[:, 0])


@pytest.fixture(scope="module")
def flows() -> Flows:
    """Two: one of all events, one of those below -0.5 or above 0.5."""
    x, condition = events(N, np.random.default_rng(1))
    weights = np.stack([np.ones(N), np.abs(condition[:, 0]) > 0.5]).astype(float)
    return train_flows(x, condition, weights, np.random.default_rng(2), SETTINGS)


@pytest.mark.parametrize("group", [0, 1])
def test_the_density_is_that_of_the_gaussian(flows: Flows, group: int) -> None:
    """Also where the second flow has seen no event: it interpolates."""
    x, condition = events(8192, np.random.default_rng(3))
    found = flows.log_density(x, condition, np.full(8192, group))
    expected = true_log_density(x, condition)
    # The mean difference is the Kullback-Leibler divergence.
    assert abs(np.mean(expected - found)) < 0.02
    gap = np.abs(condition[:, 0]) < 0.5
    assert abs(np.mean((expected - found)[gap])) < 0.06
    assert np.std((expected - found)[gap]) < 0.25


def test_it_integrates_to_one(flows: Flows) -> None:
    steps = np.linspace(-8, 8, 90)
    x = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    values = flows.log_density(x, np.array([0.7]), np.zeros(len(x), int))
    assert np.exp(values).sum() * (steps[1] - steps[0]) ** 2 == pytest.approx(1, abs=0.01)


def test_samples_have_the_distribution_given_the_condition(flows: Flows) -> None:
    condition = np.full((8192, 1), 1.0)
    drawn = flows.sample(condition, np.zeros(8192, int), np.random.default_rng(4))
    assert drawn.mean(axis=0) == pytest.approx([SLOPE, -SLOPE], abs=0.05)
    assert np.cov(drawn, rowvar=False)[0] == pytest.approx([SPREAD**2, -(SPREAD**2)], abs=0.04)
    assert drawn[:, 1].std() == pytest.approx(np.sqrt(1 + SPREAD**2), abs=0.05)
    again = flows.sample(condition, np.zeros(8192, int), np.random.default_rng(4))
    assert np.array_equal(drawn, again)


def test_trainings_that_learn_nothing_and_diverge_are_flagged(flows: Flows) -> None:
    assert not flows.failed.any()
    x, condition = events(N, np.random.default_rng(1))
    weights, rng = np.ones((2, N)), np.random.default_rng(2)
    # Far from standardised: what was learned is worse than nothing.
    assert train_flows(x * 1e4, condition, weights, rng, SETTINGS, start=flows).failed.all()


def test_wrong_shapes_and_no_events_are_refused(flows: Flows) -> None:
    x, condition = events(100, np.random.default_rng(1))
    rng = np.random.default_rng(2)
    with pytest.raises(ArgumentError, match=r"conditions \(n, q\)"):
        train_flows(x, condition[:, 0], np.ones((1, 100)), rng, SETTINGS)
    with pytest.raises(ComputationError, match="no events to train a network on"):
        train_flows(x, condition, np.zeros((2, 100)), rng, SETTINGS, start=flows)

"""The training loop: many nets at once, as good as each alone; what diverges or learns nothing is told."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hepcs._core.errors import ArgumentError, ComputationError, InputError
from hepcs.neural.backend import jax, jnp
from hepcs.neural.layers import Dense
from hepcs.neural.settings import TrainingSettings
from hepcs.neural.stacking import evaluate, load, save, stacked
from hepcs.neural.training import Fitted, PerEvent, fit, split_off

N, G = 2000, 3
SETTINGS = TrainingSettings(epochs=15, batch=64, learning_rate=1e-2, patience=15)


@dataclass(frozen=True)
class Net:
    def __call__(self, key: Any) -> Dense:
        return Dense((2, 16, 1), key)


def squares(model: Any, batch: Any, key: Any) -> Any:
    return jnp.square(model(batch["x"])[:, 0] - batch["y"])


def infinite(model: Any, batch: Any, key: Any) -> Any:
    """Of the events with y > 90 alone."""
    return squares(model, batch, key) + jnp.where(batch["y"] > 90, jnp.inf, 0.0)


def answer(model: Any, batch: Any) -> Any:
    return model(batch["x"])[:, 0]


LOSS = PerEvent(squares)


def data_of(seed: int = 1) -> dict[str, np.ndarray]:
    x = np.random.default_rng(seed).normal(size=(N, 2))
    return {"x": x.astype(np.float32), "y": np.sin(x[:, 0]) + 0.3 * x[:, 1] ** 2}


DATA = data_of()


def fitted(
    weights: np.ndarray, data: dict[str, np.ndarray] = DATA, seed: int = 1, loss: Any = LOSS, **options: Any
) -> Fitted:
    rng = np.random.default_rng(seed)
    train, held_out = split_off(weights, 0.25, rng)
    return fit(stacked(Net(), len(weights), rng), loss, data, train, held_out, rng, SETTINGS, **options)


FOLDS = np.arange(N) % G
OTHERS = (np.arange(G)[:, np.newaxis] != FOLDS).astype(float)


def test_nets_learn_together_what_they_have_not_seen() -> None:
    found = fitted(OTHERS)
    predicted = evaluate(found.models, answer, DATA, groups=FOLDS)
    assert predicted.shape == (N,)
    assert np.mean((predicted - DATA["y"]) ** 2) < 0.1 * np.var(DATA["y"])
    assert found.n_failed == 0
    assert found.losses.shape == found.held_out_losses.shape == (15, G)
    assert (found.held_out_losses[-1] < 0.4 * found.held_out_losses[0]).all()
    # Each of its own: the nets differ, and each row comes from the net of its group.
    every = evaluate(found.models, answer, DATA, chunk=500)
    np.testing.assert_allclose(every[FOLDS, np.arange(N)], predicted, rtol=1e-5, atol=1e-6)
    assert not np.allclose(every[0], every[1], atol=1e-3)


def test_events_without_weight_are_never_looked_at() -> None:
    hidden = np.zeros((G, N), dtype=bool)
    hidden[1, :300] = True
    weights = np.where(hidden, 0.0, 1.0)
    other = {"x": DATA["x"], "y": np.where(hidden[1], -50.0, DATA["y"])}
    one, two = fitted(weights), fitted(weights, other)
    say = [evaluate(found.models, answer, DATA) for found in (one, two)]
    assert np.array_equal(say[0][1], say[1][1])
    assert not np.array_equal(say[0][0], say[1][0])


def test_weights_count_as_copies_do() -> None:
    """Of two answers for the same event the net finds the mean by weight."""
    y = np.where(np.arange(N) < N // 2, 0.0, 1.0)
    data = {"x": np.zeros((N, 2), np.float32), "y": y}
    weights = np.stack([np.ones(N), np.where(y == 1, 3.0, 1.0), np.where(y == 1, 30.0, 10.0)])
    means = evaluate(fitted(weights, data).models, answer, data)[:, 0]
    np.testing.assert_allclose(means, [0.5, 0.75, 0.75], atol=0.05)


def test_the_same_generator_gives_the_same_bits() -> None:
    once, again, other = (evaluate(fitted(OTHERS, seed=s).models, answer, DATA) for s in (4, 4, 5))
    assert np.array_equal(once, again)
    assert not np.array_equal(once, other)


def test_a_group_that_diverges_is_told_and_harms_no_other() -> None:
    weights = np.ones((G, N))
    weights[0, 0] = weights[2, 0] = 0
    data = {"x": DATA["x"], "y": np.where(np.arange(N) == 0, 99.0, DATA["y"])}
    found = fitted(weights, data, loss=PerEvent(infinite))
    assert found.diverged.tolist() == [False, True, False]
    assert found.n_failed == 1
    assert np.isnan(found.losses[1:, 1]).all()
    assert np.isfinite(evaluate(found.models, answer, data)).all()
    assert (found.held_out_losses[-1, [0, 2]] < 0.2).all()


def test_a_net_that_learns_nothing_has_collapsed() -> None:
    y = DATA["y"]
    noise = {"x": np.random.default_rng(9).normal(size=(N, 2)), "y": y}
    assert fitted(OTHERS, noise, trivial=0.9 * np.var(y)).collapsed.all()
    assert not fitted(OTHERS, trivial=0.9 * np.var(y)).collapsed.any()


def test_training_stops_when_the_held_out_part_gets_no_better() -> None:
    rng = np.random.default_rng(2)
    noise = {"x": DATA["x"], "y": rng.normal(size=N)}
    told: list[tuple[int, int]] = []
    train, held_out = split_off(OTHERS, 0.25, rng)
    settings = replace(SETTINGS, epochs=200, patience=4)
    found = fit(
        stacked(Net(), G, rng), LOSS, noise, train, held_out, rng, settings,
        progress=lambda _, done, total: told.append((done, total)),
    )  # fmt: skip
    losses = found.held_out_losses
    assert len(losses) < 100
    best = np.nanargmin(losses, axis=0)
    assert (np.isfinite(losses).sum(axis=0) - 1 - best == 4).all()
    assert told == [(i + 1, 200) for i in range(len(losses))]
    # The nets that are kept are those of the best epochs: better than those that came last.
    said = evaluate(found.models, answer, noise)
    kept = np.average((said - noise["y"]) ** 2, axis=1, weights=held_out)
    assert (kept < losses[best + 4, np.arange(G)]).all()


def test_networks_are_kept_in_plain_arrays(tmp_path: Path) -> None:
    models = fitted(OTHERS).models
    save(tmp_path / "nets.npz", models)
    like = stacked(Net(), G, np.random.default_rng(77))
    again = load(tmp_path / "nets.npz", like)
    assert np.array_equal(evaluate(again, answer, DATA), evaluate(models, answer, DATA))
    with pytest.raises(InputError, match="other networks"):
        load(tmp_path / "nets.npz", stacked(Net(), G + 1, np.random.default_rng(7)))
    (tmp_path / "nets.npz").write_text("no arrays")
    with pytest.raises(InputError, match="no file of networks"):
        load(tmp_path / "nets.npz", like)


def test_what_cannot_be_trained_is_refused() -> None:
    weights = np.ones((G, N))
    for wrong in (np.ones((G, N - 1)), np.ones((G + 1, N)), -weights, weights * np.nan):
        models = stacked(Net(), G, np.random.default_rng(1))
        with pytest.raises(ArgumentError):
            fit(models, LOSS, DATA, wrong, wrong, np.random.default_rng(1), SETTINGS)
    weights[2] = 0
    with pytest.raises(ComputationError, match=r"groups \[2\] of 3: take fewer folds"):
        fitted(weights)
    with pytest.raises(ArgumentError, match="held-out share"):
        split_off(weights, 1.0, np.random.default_rng(1))


@pytest.mark.slow
def test_other_processes_and_numbers_of_threads_give_the_same_bits() -> None:
    """The environment of a batch system may size XLA's threads; a task keeps to one all the same."""
    code = (
        "import sys; sys.path[:0] = sys.argv[1:]; import test_training as t, hashlib\n"
        "found = t.evaluate(t.fitted(t.OTHERS).models, t.answer, t.DATA)\n"
        "print(hashlib.sha256(found.tobytes()).hexdigest())"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code, str(Path(__file__).parent)],
            env={**os.environ, "NPROC": threads}, capture_output=True, text=True, check=True,
        ).stdout
        for threads in ("1", "7")
    }  # fmt: skip
    assert len(said) == 1
    assert os.environ.get("NPROC") is None
    assert len(jax.devices()) >= 1

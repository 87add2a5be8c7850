"""From a card to scores and a p-value: networks, what is stored, what is refused, and the search by counts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toy_objects import events, file_of

from hepcs._core.errors import ArgumentError, CardError, ComputationError, InputError
from hepcs._core.randomness import Stream, generator
from hepcs.analysis.__main__ import main
from hepcs.config.reading import read_representation
from hepcs.config.representation import (
    CountSection,
    Encoding,
    NetworkTraining,
    ReconstructionSection,
    RepresentationCard,
)
from hepcs.neural.backend import jax
from hepcs.neural.stacking import host, stacked
from hepcs.representation.counting import count, sample_of
from hepcs.representation.loading import load_events
from hepcs.representation.networks import EventEncoders, raw_features, scale_of
from hepcs.representation.performance import performance_of
from hepcs.representation.storing import restore
from hepcs.representation.training import Representation, reconstruct, refuse_collapsed, represent
from hepcs.sources.event_objects import write_objects

CARD = """
name: toy
background: {{kind: adc2021, files: "{folder}/background.h5"}}
signals:
  many: {{kind: adc2021, files: "{folder}/many.h5"}}
representation: {{dimension: 8, heads: 2, layers: 1, hidden: 8, training: {{epochs: 3, batch: 64}}}}
autoencoder: {{widths: [16, 8], latent: 2, training: {{epochs: 5, batch: 128}}}}
count: {{efficiencies: [0.1, 0.05], data_share: 0.3, signal: many, injected: 30,
  pseudo_experiments: {{background_only: 60, doped: 10}}}}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A card and its files."""
    folder = tmp_path_factory.mktemp("represent")
    file_of(folder / "background.h5", 800)
    file_of(folder / "many.h5", 200, 2, more=3)
    (folder / "toy.yaml").write_text(CARD.format(folder=folder))
    return folder


@pytest.fixture(scope="module")
def run(place: Path) -> Path:
    """What the command made of it."""
    assert main(["represent", str(place / "toy.yaml"), "--output", str(place / "run"), "--quiet"]) == 0
    return place / "run"


def card_of(place: Path, *overrides: str) -> RepresentationCard:
    return read_representation(place / "toy.yaml", overrides)[0]


@pytest.mark.slow
def test_the_command_writes_weights_curves_embeddings_and_the_card(place: Path, run: Path) -> None:
    names = {path.name for path in run.iterdir()}
    assert names == {
        "autoencoder.npz",
        "card.json",
        "count.json",
        "embeddings.npz",
        "encoder.npz",
        "model.json",
        "performance.json",
        "trained_on.npz",
        "training.png",
    }
    card = card_of(place)
    assert RepresentationCard.model_validate(json.loads((run / "card.json").read_text())) == card
    samples = load_events(card, (), place)
    assert len(samples.training) + len(samples.background) == 800
    with np.load(run / "embeddings.npz", allow_pickle=False) as arrays:
        assert arrays["representation.signals.many"].shape == (200, 8)
        scores = {name: arrays[f"score.{name}"] for name in ("background", "signals.many")}
    found = json.loads((run / "performance.json").read_text())["many"]
    assert found["auc"] == performance_of(*scores.values()).auc
    losses = json.loads((run / "model.json").read_text())["losses"]
    assert np.shape(losses["representation"]) == (3, 2)
    p = json.loads((run / "count.json").read_text())["calibration"]
    assert 0 <= p["p_low"] <= p["p"] <= p["p_high"] <= 1
    assert p["n_null"] == 60


@pytest.mark.slow
def test_what_is_stored_scores_as_what_was_trained(place: Path, run: Path) -> None:
    card = card_of(place)
    trained, samples = restore(run, card), load_events(card, (), place)
    with np.load(run / "embeddings.npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(trained.scores(samples.background), arrays["score.background"])
    with pytest.raises(
        ArgumentError, match="mine: 2 of 7 events are among those that the representation was"
    ):
        trained.refuse_seen(np.concatenate([samples.background[:5], samples.training[:2]]), "mine")
    # The card may search for something else, with what was trained.
    again = place / "again"
    arguments = ["represent", str(place / "toy.yaml"), "--model", str(run), "--output", str(again)]
    assert main([*arguments, "--set", "count=null", "--quiet"]) == 0
    assert not (again / "count.json").exists()
    assert (again / "performance.json").read_bytes() == (run / "performance.json").read_bytes()


@pytest.mark.slow
def test_what_is_of_another_card_or_version_is_refused_with_the_difference(
    place: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = card_of(place, "representation.training.epochs=4", "seed=2", "name=other")
    with pytest.raises(InputError) as error:
        restore(run, other)
    told = str(error.value).splitlines()[1:-1]
    assert sorted(told) == ["  representation.training.epochs: 3 there, 4 here", "  seed: 1 there, 2 here"]
    monkeypatch.setattr("hepcs.representation.storing.version", lambda name: "99")
    with pytest.raises(InputError, match=r"version: .* there, 99 here"):
        restore(run, card_of(place))
    with pytest.raises(InputError, match="holds no stored representation"):
        restore(place, card_of(place))


def test_problems_of_a_card_are_told_with_their_place(place: Path) -> None:
    with pytest.raises(CardError) as error:
        card_of(place, "count.signal=few", "representation.kind=byol", "signals.many.kind=root", "lr=3")
    text = str(error.value)
    assert "representation.kind: found 'byol', expected raw, clr, anomaly_clr or anomaly_clr_plus" in text
    assert "signals.many.kind: found 'root', expected one of adc2021, pythia" in text
    assert "lr: unknown key" in text
    with pytest.raises(CardError, match=r"count.signal: found 'few', which is none of the signals: many"):
        card_of(place, "count.signal=few")
    with pytest.raises(
        CardError, match=r"representation.heads: found 3, which do not divide the dimension 8"
    ):
        card_of(place, "representation.heads=3")


def test_events_that_are_there_twice_are_refused(place: Path) -> None:
    card = card_of(place)
    several = events(300)
    write_objects(place / "twice.h5", np.concatenate([several, several[:7]]))
    twice = card.background.model_copy(update={"files": (str(place / "twice.h5"),)})
    with pytest.raises(InputError, match="7 of 307 events are there more than once"):
        load_events(card.model_copy(update={"background": twice}), (), place)


def test_raw_objects_are_scored_as_they_are() -> None:
    several = events(300)
    rng = np.random.default_rng(1)
    found = represent(Encoding(kind="raw"), several, rng)
    x = found.of(several)
    assert x.shape == (300, 56)
    np.testing.assert_allclose(x[:, 0], several[:, 0, 0] / scale_of(several), rtol=1e-6)
    np.testing.assert_allclose(x[:, 1], several[:, 0, 2] / np.pi, rtol=1e-5)
    np.testing.assert_array_equal(x, raw_features(several, found.scale))


def test_a_collapsed_training_is_an_error() -> None:
    """Such as one of a network whose weights have all become zero."""
    section = Encoding(dimension=4, heads=1, layers=1, hidden=4)
    untrained = host(stacked(EventEncoders(section, 20.0), 1, np.random.default_rng(1)))
    refuse_collapsed(Representation(section, 20.0, untrained, np.zeros((0, 2))), events(200))
    nothing = jax.tree.map(lambda a: 0 * a, untrained)
    with pytest.raises(ComputationError, match="collapsed: all events have one representation"):
        refuse_collapsed(Representation(section, 20.0, nothing, np.zeros((0, 2))), events(200))


def test_a_diverged_training_is_an_error() -> None:
    section = ReconstructionSection(
        widths=(4,), latent=1, training=NetworkTraining(epochs=5, batch=64, learning_rate=1e30)
    )
    with pytest.raises(ComputationError, match="the training of the reconstruction diverged"):
        reconstruct(section, raw_features(events(200), 20.0), np.random.default_rng(1))


def scored(n: int, seed: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    objects = np.abs(rng.normal(size=(n, 19, 4)))
    return rng.normal(shift, 1, n), objects


SECTION = CountSection.model_validate(
    {"efficiencies": [0.02, 0.01], "pseudo_experiments": {"background_only": 400, "doped": 20}}
)


def test_counts_find_what_is_injected_and_nothing_else() -> None:
    background = sample_of(*scored(8000, 1), "background", 0)
    signals = {"far": sample_of(*scored(300, 2, 3.0), "signals.far", 8000)}
    section = SECTION.model_copy(update={"signal": "far", "injected": 40})
    found = count(section, background, signals, 1)
    observed = found.observed[0]
    thresholds = observed.observation.summary["thresholds"]
    # 8000 x 0.2 events, of which 2 % are 32, and 40 x 0.83 of the signal.
    assert thresholds[0]["expected"] == pytest.approx(0.02 * (1600 + 40), rel=0.1)
    assert thresholds[0]["observed"] > 50
    assert observed.calibration is not None
    assert observed.calibration.bound == "lower"
    assert found.doped[0].z.median.z > 2
    assert found.doped[0].injection.epsilon == 40


@pytest.mark.slow
def test_p_of_background_alone_is_uniform() -> None:
    """Of many data sets, each searched with pseudo-experiments from its own other events."""
    section = SECTION.model_copy(
        update={
            "pseudo_experiments": SECTION.pseudo_experiments.model_copy(
                update={"background_only": 100, "doped": 0}
            )
        }
    )
    p = []
    for seed in range(60):
        found = count(section, sample_of(*scored(5000, seed), "background", 0), {}, seed)
        assert found.observed[0].calibration is not None
        p.append(found.observed[0].calibration.p)
    # The pool is four times the data: counts differ from its expectation by more than those of a bootstrap.
    assert np.mean(np.array(p) < 0.2) == pytest.approx(0.2, abs=0.17)
    assert 0.3 < np.mean(p) < 0.65


def test_thresholds_need_events() -> None:
    section = SECTION.model_copy(update={"efficiencies": (0.001,)})
    with pytest.raises(InputError, match=r"0.001 of .* background events are fewer than 10"):
        count(section, sample_of(*scored(2000, 1), "background", 0), {}, 1)


def test_the_searched_part_is_not_what_pseudo_experiments_are_drawn_from() -> None:
    scores, objects = scored(3000, 1)
    sample = sample_of(scores, objects, "background", 0)
    searched = generator(1, Stream.PREPARE, "count").random(3000) < 0.2
    # With all searched scores moved far up, every threshold is exceeded by all data and by no pseudo-experiment.
    moved = replace(
        sample, features={"score": np.where(searched, 9, scores)[:, np.newaxis].astype(np.float32)}
    )
    found = count(SECTION, moved, {}, 1)
    assert found.observed[0].observation.summary["thresholds"][0]["observed"] == searched.sum()
    assert max(one.details["above_0"] for one in found.outcomes if one.task.index or one.task.kind) < 150

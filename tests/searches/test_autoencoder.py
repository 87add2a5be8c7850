"""The autoencoder: events off the plane of all others, which it cannot give back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import toy_networks as toy
from toy_networks import COMMON, POOLS, QUICK
from toy_views import BINS, inputs_of, observed, search_of

from hepcs._core.errors import CardError, ComputationError
from hepcs.datasets.samples import Pools, Sample
from hepcs.running.execution.local import local_mapper
from hepcs.searches.autoencoder import AutoencoderSection
from hepcs.searches.base import Inputs

SECTION = AutoencoderSection(**COMMON, features="event", widths=(16,), latent=2)


@pytest.fixture(scope="module")
def search() -> Any:
    return toy.prepared(SECTION)


def test_a_signal_is_found_in_its_window(search: Any) -> None:
    toy.finds_a_signal(search)


def test_without_signal_local_significances_are_normal(search: Any) -> None:
    toy.is_calm_without_signal(search)


def test_it_sees_nothing_where_features_are_alike(search: Any) -> None:
    toy.sees_nothing_in_signal_like_background(search)


def test_no_event_is_judged_by_a_network_that_saw_it() -> None:
    toy.never_judges_what_it_saw(SECTION)


def test_the_same_generator_gives_the_same_bits(search: Any) -> None:
    toy.has_the_same_bits_again(SECTION, search)


def test_members_are_averaged() -> None:
    both = SECTION.model_copy(update={"network": QUICK.model_copy(update={"members": 2})})
    judges = toy.judges_of(toy.prepared(both))
    assert len(judges.networks) == 2
    assert not np.array_equal(judges.values, toy.judges_of(toy.prepared(SECTION)).values)


RETRAINED = SECTION.model_copy(update={"retrain": True})


def test_trained_anew_in_each_data_set_it_needs_no_background() -> None:
    search = search_of(RETRAINED, POOLS)
    assert search.cost.retrain
    assert not RETRAINED.is_trained_once
    assert RETRAINED.roles == ()
    assert SECTION.roles == ("background",)
    assert search.prepare(Inputs(), np.random.default_rng(1)) == search
    data = observed(POOLS, 250).view
    found = toy.found_in(search, data)
    assert found.valid
    assert found.statistic > 4
    assert not np.array_equal(found.scan.kept, toy.found_in(search, data, 2).scan.kept)


def test_a_training_that_diverges_is_counted_and_its_data_set_is_invalid() -> None:
    wild = QUICK.model_copy(update={"learning_rate": 1e38})
    search = search_of(RETRAINED.model_copy(update={"network": wild}), POOLS)
    found = toy.found_in(search, observed(POOLS, 250).view)
    assert found.failed_trainings >= 3
    assert not found.valid
    once = search_of(SECTION.model_copy(update={"network": wild}), POOLS)
    with pytest.raises(ComputationError, match=r"3 diverged, .* Lower network\.learning_rate"):
        once.prepare(inputs_of(POOLS), np.random.default_rng(1))


def test_features_that_tell_nothing_are_a_collapse() -> None:
    """Independent features through one number: nothing is learned in a single short epoch."""
    still = QUICK.model_copy(update={"learning_rate": 1e-9})
    search = search_of(RETRAINED.model_copy(update={"network": still}), POOLS)
    assert toy.found_in(search, observed(POOLS).view).failed_trainings == 3


def images(n: int, rng: np.random.Generator) -> np.ndarray:
    """Jets of one spot, whose brightness and width vary, shape (n, 2, 64)."""
    row = np.arange(8) - 3.5
    squares = np.square(row)[:, np.newaxis] + np.square(row)
    width = rng.uniform(1.0, 2.0, size=(n, 2, 1, 1))
    return np.exp(-squares / (2 * width**2)).reshape(n, 2, 64).astype(np.float32)


def image_pools(n: int) -> Pools:
    rng = np.random.default_rng(2)
    m_jj = rng.uniform(3000, 4600, n)
    rows = np.arange(n)
    return Pools(Sample(m_jj, {"event": images(n, rng)}, rows, n, "toys", 0), BINS, {})


@pytest.mark.slow
def test_images_are_given_back_by_convolutions_and_two_spots_are_not() -> None:
    pools = image_pools(600)
    section = SECTION.model_copy(
        update={
            "architecture": "image",
            "channels": (8, 4, 2),
            "scale": "common",
            "network": QUICK.model_copy(update={"epochs": 12}),
            "efficiencies": (0.2,),
        }
    )
    trained = toy.prepared(section, pools)
    normal = toy.judges_of(trained).values
    x = images(100, np.random.default_rng(3)).reshape(100, 2, 8, 8)
    two = np.roll(x, 3, axis=3) + np.roll(x, -3, axis=3)
    other = Pools(
        Sample(np.full(100, 3500.0), {"event": two.reshape(100, 2, 64)}, np.arange(100), 100, "toys", 10**6),
        BINS,
        {},
    )
    odd = trained.fit(observed(other).view, Inputs(), np.random.default_rng(1)).values[0]
    assert np.median(odd) > np.quantile(normal, 0.99)


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"architecture": "image"}, r"architecture: image needs square images .* 'event' has 3 columns"),
        ({"latent": 3}, r"latent: 3 features through 3 numbers are no autoencoder, expected 2 or fewer"),
    ],
)
def test_what_cannot_be_is_refused(keys: dict[str, Any], problem: str) -> None:
    with pytest.raises(CardError, match=problem):
        search_of(SECTION.model_copy(update=keys), POOLS)


def test_its_section() -> None:
    assert (SECTION.is_trained_once, SECTION.needs_truth) == (True, False)
    assert SECTION.packages == ("jax", "equinox", "optax")


def _scores(seed: int) -> np.ndarray:
    search = search_of(RETRAINED, POOLS)
    values: np.ndarray = search.fit(observed(POOLS).view, Inputs(), np.random.default_rng(seed)).values
    return values


@pytest.mark.slow
def test_worker_processes_compute_the_same_bits() -> None:
    here = [_scores(seed) for seed in (1, 2)]
    there = list(local_mapper(2)(_scores, (1, 2)))
    assert all(np.array_equal(a, b) for a, b in zip(here, there, strict=True))

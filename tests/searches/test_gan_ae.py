"""GAN-AE: what most events are not like scores high."""

from __future__ import annotations

from typing import Any

import pytest
import toy_networks as toy
from toy_networks import COMMON, POOLS
from toy_views import search_of

from hepcs._core.errors import CardError
from hepcs.searches.gan_ae import GanAeSection

SECTION = GanAeSection(**COMMON, features="event", widths=(16,), latent=2)


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


def test_a_latent_space_as_large_as_the_features_is_refused() -> None:
    with pytest.raises(CardError, match=r"latent: is 3, and there are 3 features; expected 2 or fewer"):
        search_of(SECTION.model_copy(update={"latent": 3}), POOLS)

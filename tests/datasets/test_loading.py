"""From the samples of a card to pools."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from toys import toy_pools

from hepcs.config.samples import PseudoData
from hepcs.config.searches import Statistic
from hepcs.datasets.bootstrap import Kind, Task, draw_data_set
from hepcs.datasets.loading import every_second, set_apart
from hepcs.searches.dijet_fit.idealised import idealised_fit_search


def test_two_halves_make_the_whole() -> None:
    sample = toy_pools().background
    even, odd = every_second(sample, "even"), every_second(sample, "odd")
    np.testing.assert_array_equal(np.sort([*even.rows, *odd.rows]), np.sort(sample.rows))
    assert even.n_events == odd.n_events == sample.n_events // 2
    for half in (even, odd):
        assert half.n_selected == sample.n_selected // 2
        assert half.features is sample.features
        np.testing.assert_array_equal(half.m_jj, sample.m_jj[np.isin(sample.rows, half.rows)])


def test_one_event_more_goes_to_the_even_half() -> None:
    sample = toy_pools().background
    odd_number = sample.take(np.arange(sample.n_events) < 5, 7)
    assert every_second(odd_number, "even").n_events == 3
    assert every_second(odd_number, "odd").n_selected == 3


def test_parts_set_apart_share_no_event_and_make_the_whole() -> None:
    sample = toy_pools().background
    parts = []
    for which in range(5):
        others, part = set_apart(sample, PseudoData(one_in=5, which=which))
        np.testing.assert_array_equal(np.sort([*others.rows, *part.rows]), np.sort(sample.rows))
        assert part.n_events == pytest.approx(sample.n_events / 5, abs=1)
        # The same share of the events outside of the evaluation region.
        assert part.n_selected / part.n_events == pytest.approx(sample.n_selected / sample.n_events, rel=0.01)
        parts.append(part.rows)
    assert len(np.unique(np.concatenate(parts))) == sample.n_events


def test_pseudo_experiments_have_the_size_of_the_pseudo_data_and_come_from_the_others() -> None:
    pools = toy_pools()
    others, part = set_apart(pools.background, PseudoData(one_in=4, which=1))
    pools = replace(pools, background=others, data=part)
    observed = draw_data_set(pools, Task(Kind.OBSERVED, 100, 0), 1)
    assert observed.parts[0].sample is part
    assert observed.parts[1].sample is pools.signal
    sizes = []
    for index in range(40):
        (null,) = draw_data_set(pools, Task(Kind.BACKGROUND_ONLY, 0, index), 1).parts
        assert null.sample is others
        sizes.append(null.multiplicity.sum())
    assert np.mean(sizes) == pytest.approx(part.n_events, abs=4 * np.sqrt(part.n_events / 40))
    # The idealised fit knows the background at the size of the data.
    expected = idealised_fit_search(pools, Statistic(), 1).expected
    assert expected.sum() == pytest.approx(part.n_events)

"""From the samples of a card to pools."""

from __future__ import annotations

import numpy as np
from toys import toy_pools

from hepcs.loading import every_second


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

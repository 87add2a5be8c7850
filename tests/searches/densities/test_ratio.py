"""A ratio of densities that says nothing where there are no events."""

from __future__ import annotations

import numpy as np
import pytest

from hepcs.searches.densities.ratio import floored_ratio


def test_it_is_the_ratio_where_events_are_and_nothing_where_none_are() -> None:
    background = np.array([-3.0, -5.0, -60.0, -60.0])
    found = floored_ratio(np.add(background, [1.0, -0.5, 40.0, 3.0]), background, 4)
    assert found[:2] == pytest.approx([1.0, -0.5], abs=0.01)
    assert found[2:] == pytest.approx([0.0, 0.0], abs=0.01)
    # Features far from any background, of which the data have many.
    assert floored_ratio(np.array([-4.0]), np.array([-60.0]), 4)[0] > 5

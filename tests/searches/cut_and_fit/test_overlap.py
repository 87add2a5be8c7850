"""Whether simulation holds events wherever the data do."""

from __future__ import annotations

import numpy as np
import pytest

from hepcs.searches.cut_and_fit.overlap import gap

RNG = np.random.default_rng(1)
DATA = RNG.normal(size=4000)


@pytest.mark.parametrize(
    "simulation", [RNG.normal(size=3000), RNG.normal(0.3, 1.2, 3000), RNG.uniform(-5, 5, 3000)]
)
def test_simulation_that_is_off_or_wider_overlaps(simulation: np.ndarray) -> None:
    assert gap(DATA, simulation) is None


def test_where_the_simulation_ends_is_named() -> None:
    lacking = gap(DATA, DATA[DATA < 0.5])
    assert lacking is not None
    low, high, share, found = lacking
    assert low == pytest.approx(0.5, abs=0.2)
    assert high == DATA.max()
    assert share == pytest.approx(0.3, abs=0.03)
    assert found == 0


def test_a_hole_is_named_and_a_handful_of_events_does_not_fill_it() -> None:
    hole = (DATA > -0.6) & (DATA < 0.0)
    lacking = gap(DATA, np.concatenate([DATA[~hole], [-0.3]]))
    assert lacking is not None
    assert -0.7 < lacking[0] < lacking[1] < 0.1


@pytest.mark.parametrize("value", [1.0, 2.0])
def test_constants_and_whole_numbers(value: float) -> None:
    same = gap(np.ones(100), np.full(50, value))
    assert (same is None) == (value == 1.0)
    assert gap(RNG.poisson(3.0, 500).astype(float), RNG.poisson(3.0, 500).astype(float)) is None

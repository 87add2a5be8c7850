"""What to know of a run before it is begun."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hepcs.datasets.samples import MassBins, Pools, Sample
from hepcs.running.cautions import small_background

BINS = MassBins(3000.0, 4600.0, 8)


def sample(weights: NDArray[np.float64] | None, n: int) -> Sample:
    m_jj = np.linspace(3000, 4599, n)
    return Sample(m_jj, {}, np.arange(n), n, weights=weights, positive_weights=weights)


def test_weighted_samples_that_are_worth_less_than_they_are_drawn_as() -> None:
    light, heavy = sample(np.full(1000, 0.1), 1000), sample(np.full(1000, 5.0), 1000)
    assert not [*small_background(Pools(light, BINS))]
    (said,) = small_background(Pools(heavy, BINS))
    assert said.startswith("the background sample is worth 1,000 events") and "5,000 are expected" in said
    # Pseudo-data are drawn in the same way, from events of their own.
    few = sample(np.full(50, 4.0), 50)
    small, drawn = small_background(Pools(light, BINS, data=few))
    assert "(worth 1000 events without weights in the evaluation region)" in small
    assert drawn.startswith("the pseudo-data sample is worth 50 events") and "200 are expected" in drawn
    assert not [*small_background(Pools(light, BINS, data=sample(None, 50)))]

"""Signal-fraction improvement, against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from hepcs._core.errors import ArgumentError
from hepcs.searches.cluster_scanning.enrichment import signal_fraction_improvement


def test_sfi_by_hand() -> None:
    # 10 of 100 in all; 6 of 20, 4 of 40 and 0 of 40 in the clusters.
    np.testing.assert_allclose(signal_fraction_improvement([6, 4, 0], [20, 40, 40]), [3.0, 1.0, 0.0])


def test_clusters_alike_have_an_sfi_of_one() -> None:
    np.testing.assert_allclose(signal_fraction_improvement([3, 30, 9], [10, 100, 30]), 1.0)


def test_the_background_mean_of_the_sfi_is_one() -> None:
    rng = np.random.default_rng(2)
    signal, background = rng.poisson(5, 50), rng.poisson(400, 50)
    sfi = signal_fraction_improvement(signal, background)
    assert np.average(sfi, weights=background) == pytest.approx(1.0)


def test_clusters_without_background_or_jets() -> None:
    sfi = signal_fraction_improvement([1, 0, 2], [0, 0, 5])
    assert np.isposinf(sfi[0])
    assert np.isnan(sfi[1])


@pytest.mark.parametrize(
    ("signal", "background", "words"),
    [
        ([1, 2], [1, 2, 3], "must be alike"),
        ([[1, 2]], [[1, 2]], "must be alike"),
        ([-1, 2], [1, 2], "cannot be negative"),
        ([0, 0], [1, 2], "found 0 and 3 jets"),
        ([1, 0], [0, 0], "found 1 and 0 jets"),
    ],
)
def test_what_cannot_be_compared_is_refused(signal: list[int], background: list[int], words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        signal_fraction_improvement(signal, background)

"""Mass bins and samples."""

from __future__ import annotations

import numpy as np
import pytest

from hepcs._core.errors import ArgumentError
from hepcs.datasets.samples import MassBins, Sample

BINS = MassBins(3000.0, 4600.0, 16, (3000.0, 3100.0))


def test_bins_are_closed_below_and_open_above() -> None:
    np.testing.assert_array_equal(BINS.index(np.array([3000.0, 3099.999, 3100.0, 4599.999])), [0, 0, 1, 15])
    np.testing.assert_array_equal(BINS.in_training(np.array([3000.0, 3099.999, 3100.0])), [True, True, False])
    assert BINS.centres[0] == 3050
    assert BINS.edges[-1] == 4600


@pytest.mark.parametrize("m_jj", [2999.999, 4600.0, 9000.0])
def test_outside_is_refused_not_dropped(m_jj: float) -> None:
    with pytest.raises(ArgumentError, match="outside the evaluation region"):
        BINS.index(np.array([3500.0, m_jj]))


def test_take_keeps_events_and_features_together() -> None:
    m_jj = np.array([3000.0, 3200.0, 3400.0])
    features = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    sample = Sample(m_jj, features, np.arange(3), 5)
    part = sample.take(np.array([True, False, True]), 4)
    np.testing.assert_array_equal(part.m_jj, [3000, 3400])
    np.testing.assert_array_equal(part.features[part.rows], features[[0, 2]])
    assert (part.n_events, part.n_selected) == (2, 4)


def test_inconsistent_samples_are_refused() -> None:
    features = np.zeros((3, 2, 2), dtype=np.float32)
    with pytest.raises(ArgumentError, match="n_selected"):
        Sample(np.full(3, 3000.0), features, np.arange(3), 2)
    with pytest.raises(ArgumentError, match="shape"):
        Sample(np.full(3, 3000.0), features[:, 0], np.arange(3), 3)
    with pytest.raises(ArgumentError, match="alike"):
        Sample(np.full(3, 3000.0), features, np.arange(2), 3)

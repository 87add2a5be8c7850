"""Mass bins and samples."""

from __future__ import annotations

import numpy as np
import pytest

from hepcs._core.errors import ArgumentError
from hepcs.datasets.samples import MassBins, Pools, Sample

BINS = MassBins(3000.0, 4600.0, 16)
JETS = np.arange(12, dtype=np.float32).reshape(3, 2, 2)


def test_bins_are_closed_below_and_open_above() -> None:
    np.testing.assert_array_equal(BINS.index(np.array([3000.0, 3099.999, 3100.0, 4599.999])), [0, 0, 1, 15])
    assert BINS.centres[0] == 3050
    assert BINS.edges[-1] == 4600


def test_counts_are_sums_of_weights() -> None:
    m_jj = np.array([3000.0, 3050.0, 4599.0])
    np.testing.assert_array_equal(BINS.counts(m_jj)[[0, 15]], [2, 1])
    np.testing.assert_array_equal(BINS.counts(m_jj, np.array([1, 2, 5]))[[0, 15]], [3, 5])


@pytest.mark.parametrize("m_jj", [2999.999, 4600.0, 9000.0])
def test_outside_is_refused_not_dropped(m_jj: float) -> None:
    with pytest.raises(ArgumentError, match="outside the evaluation region"):
        BINS.index(np.array([3500.0, m_jj]))


def test_take_keeps_events_and_features_together() -> None:
    sample = Sample(np.array([3000.0, 3200.0, 3400.0]), {"jets": JETS}, np.arange(3), 5)
    part = sample.take(np.array([True, False, True]), 4)
    np.testing.assert_array_equal(part.m_jj, [3000, 3400])
    np.testing.assert_array_equal(part.features["jets"][part.rows], JETS[[0, 2]])
    assert (part.n_events, part.n_selected) == (2, 4)


def test_a_search_is_sent_what_it_looks_at() -> None:
    sample = Sample(np.full(3, 3000.0), {"jets": JETS, "events": JETS[:, 0]}, np.arange(3), 3)
    pools = Pools(sample, BINS, {"signal": sample}, None, {"simulation": sample}).only(["events"])
    for one in (pools.background, pools.signals["signal"], pools.others["simulation"]):
        assert list(one.features) == ["events"]
    assert pools.searched is pools.background


def test_inconsistent_samples_are_refused() -> None:
    with pytest.raises(ArgumentError, match="n_selected"):
        Sample(np.full(3, 3000.0), {}, np.arange(3), 2)
    with pytest.raises(ArgumentError, match="shape"):
        Sample(np.full(3, 3000.0), {"jets": np.zeros((3, 3, 2), dtype=np.float32)}, np.arange(3), 3)
    with pytest.raises(ArgumentError, match="alike"):
        Sample(np.full(3, 3000.0), {}, np.arange(2), 3)


EDGES = (3000.0, 3100.0, 3250.0, 3600.0)


def test_bins_of_different_widths() -> None:
    bins = MassBins.of(EDGES)
    np.testing.assert_array_equal(bins.widths, [100, 150, 350])
    np.testing.assert_array_equal(bins.centres, [3050, 3175, 3425])
    np.testing.assert_array_equal(bins.counts(np.array([3000.0, 3100.0, 3249.0, 3599.0])), [1, 2, 1])
    with pytest.raises(ArgumentError, match="outside the evaluation region"):
        bins.index(np.array([3600.0]))


def test_edges_of_one_width_are_the_uniform_bins() -> None:
    assert MassBins.of(BINS.edges) == BINS
    assert MassBins.of(MassBins.of(EDGES).edges) == MassBins.of(EDGES)
    assert BINS.widths is None


@pytest.mark.parametrize("edges", [[3000.0], [3000.0, 3200.0, 3100.0], [3000.0, 3000.0, 3100.0]])
def test_edges_that_do_not_rise_are_refused(edges: list[float]) -> None:
    with pytest.raises(ArgumentError, match="edges"):
        MassBins.of(edges)


def test_edges_are_those_of_the_region() -> None:
    with pytest.raises(ArgumentError, match="are not 4 from 3000 to 3600"):
        MassBins(3000.0, 3600.0, 4, EDGES)

"""CWoLa hunting, on events whose features have nothing to do with m_jj but for the signal's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hepcs._core.errors import ArgumentError
from hepcs.background import dijet_function
from hepcs.searches.cut_and_fit.classifier import BoostedTrees
from hepcs.searches.cut_and_fit.cwola import HuntSettings, hunt, training_weights
from hepcs.searches.cut_and_fit.scan import CutScan
from hepcs.searches.cut_and_fit.windows import sliding_windows

CENTRES = np.arange(3050.0, 4600, 100)
CURVE = dijet_function(CENTRES, [1.0, 12.0, -6.0], 13_000.0)
WINDOWS = sliding_windows(16)
QUICK = HuntSettings(BoostedTrees(rounds=15, leaves=8, bins=63), (0.02, 0.005), n_folds=3)


def events(n: int, n_signal: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """m_jj bins and features: a signal in the bins 6 and 7, close together in both features."""
    rng = np.random.default_rng(seed)
    bins = np.concatenate([rng.choice(16, n, p=CURVE / CURVE.sum()), rng.integers(6, 8, n_signal)])
    x = np.concatenate([rng.normal(size=(n, 2)), rng.normal(1.5, 0.15, size=(n_signal, 2))])
    return bins, x.astype(np.float32)


def hunted(
    bins: np.ndarray,
    x: np.ndarray,
    times: np.ndarray | None = None,
    seed: int = 0,
    settings: HuntSettings = QUICK,
) -> CutScan:
    times = np.ones(len(bins), int) if times is None else times
    return hunt(
        bins, times, np.arange(len(bins)), x, WINDOWS, CENTRES, np.random.default_rng(seed), sqrt_s=13_000.0,
        settings=settings,
    )  # fmt: skip


def test_a_signal_that_no_fit_of_all_events_sees_is_found_in_its_window() -> None:
    scan = hunted(*events(30_000, 250, 1))
    assert scan.best[0] == 4  # bins 6 and 7
    assert scan.statistic > 6
    s, b = scan.observed[scan.best], scan.expected[scan.best]
    assert s - b > 80


def test_without_signal_no_window_stands_out_and_the_share_is_kept() -> None:
    scans = [hunted(*events(30_000, 0, seed)) for seed in (2, 3, 4)]
    for scan in scans:
        assert np.allclose(scan.kept.sum(axis=-1), [[600, 150]], atol=2)
        assert scan.n_failed == 0
        assert scan.spectrum.sum() == 30_000
    z = np.array([scan.local_z for scan in scans])
    assert abs(z.mean()) < 0.5
    assert 0.7 < z.std() < 1.4


def test_events_that_are_not_there_do_not_matter() -> None:
    bins, x = events(12_000, 0, 5)
    times = np.random.default_rng(6).poisson(1, len(bins))
    there = times > 0
    full = hunted(bins, x, times)
    part = hunt(
        bins[there], times[there], np.flatnonzero(there), x[there], WINDOWS, CENTRES, np.random.default_rng(0),
        sqrt_s=13_000.0, settings=QUICK,
    )  # fmt: skip
    assert np.array_equal(full.kept, part.kept)
    assert full.spectrum.sum() == times.sum()


def test_the_same_generator_gives_the_same_scan() -> None:
    bins, x = events(6000, 0, 7)
    once, again, other = (hunted(bins, x, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(once.kept, again.kept)
    assert not np.array_equal(once.kept, other.kept)


def test_the_settings_of_the_fit_arrive() -> None:
    bins, x = events(6000, 0, 8)
    scan = hunted(bins, x, settings=replace(QUICK, n_parameters=4, form="exact", efficiencies=(0.05,)))
    assert (scan.n_parameters == 4).all()
    plain = hunted(bins, x, settings=replace(QUICK, n_parameters=4, efficiencies=(0.05,)))
    assert np.array_equal(scan.kept, plain.kept)
    assert not np.array_equal(scan.local_z, plain.local_z)


def test_the_window_has_half_of_the_weight_and_each_sideband_a_quarter() -> None:
    rng = np.random.default_rng(9)
    bins, times = rng.choice(6, 500, p=[0.3, 0.25, 0.2, 0.1, 0.1, 0.05]), rng.integers(1, 4, 500)
    windows = sliding_windows(6)
    regions = windows.inside[0], windows.lower[0], windows.upper[0]
    weights = training_weights(bins, times, *regions)
    shares = [weights[region[bins]].sum() / times.sum() for region in regions]
    assert np.allclose(shares, [0.5, 0.25, 0.25])
    inside = regions[0][bins]
    assert np.allclose(weights[inside] / times[inside], weights[inside][0] / times[inside][0])


def test_what_cannot_be_hunted_in_is_refused() -> None:
    bins, x = events(300, 0, 10)
    with pytest.raises(ArgumentError, match="window of bins 2 to 3 holds no event"):
        hunted(np.where(np.isin(bins, (2, 3)), 0, bins), x)
    with pytest.raises(ArgumentError, match="upper sideband of bins 4 to 5 holds no event"):
        hunted(np.where(np.isin(bins, (4, 5)), 0, bins), x)
    with pytest.raises(ArgumentError, match="same n events"):
        hunted(bins, x[:-1])
    with pytest.raises(ArgumentError, match="in bins 0 to 15"):
        hunted(bins + 16, x)
    with pytest.raises(ArgumentError, match="must not be negative"):
        hunted(bins, x, -np.ones(300, int))
    with pytest.raises(ArgumentError, match="301 folds cannot be made of 300"):
        hunted(bins, x, settings=replace(QUICK, n_folds=301))

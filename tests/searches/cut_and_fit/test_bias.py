"""Sculpting and bias."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from toy_views import drawn, pools_of, search_of

from hepcs._core.errors import ArgumentError
from hepcs.background import dijet_function
from hepcs.searches.base import Inputs
from hepcs.searches.cut_and_fit.bias import measured_uncertainty, relative_bias, sculpting
from hepcs.searches.cut_and_fit.scan import CutScan, scan_cuts
from hepcs.searches.cut_and_fit.windows import sliding_windows
from hepcs.searches.pca_outliers import PcaOutliers

CENTRES = np.arange(3050.0, 4600, 100)
CURVE = dijet_function(CENTRES, [1.0, 12.0, -6.0], 13_000.0)
CURVE = CURVE / CURVE.sum()
WINDOWS = sliding_windows(16)


def scans(n: int, excess: float = 0.0, total: float = 6000.0) -> list[CutScan]:
    """Scans of spectra whose windows hold a share `excess` too much after the cut."""
    rng = np.random.default_rng(1)
    mean = total * CURVE * (1 + excess * WINDOWS.inside[:, np.newaxis])
    return [
        scan_cuts(2e5 * CURVE, rng.poisson(mean), WINDOWS, [0.03], CENTRES, sqrt_s=13_000.0) for _ in range(n)
    ]


def test_no_bias_is_found_where_there_is_none() -> None:
    bias = relative_bias(scans(100))
    assert abs(bias.delta[0]) < 4 * bias.error[0]
    assert not bias.exceeds.any()
    assert np.abs(bias.mean_z).max() < 0.4
    assert bias.sd_z.mean() == pytest.approx(1, abs=0.1)


def test_a_bias_is_found_and_measured() -> None:
    bias = relative_bias(scans(50, excess=0.2))
    assert bias.delta[0] == pytest.approx(0.2, abs=4 * bias.error[0])
    assert bias.exceeds.all()
    assert (bias.mean_z > 0.8).all()
    assert bias.delta_by_window.shape == (11, 1)


def test_the_uncertainty_is_the_bias_beyond_fluctuations() -> None:
    assert measured_uncertainty(scans(40, excess=0.2), 50)[0] == pytest.approx(0.2, abs=0.03)
    assert measured_uncertainty(scans(40), 1e9)[0] < 0.03
    # All data sets have the fluctuations of the sample that they are drawn from: these are no bias.
    rng, found, mistaken = np.random.default_rng(4), [], []
    for _ in range(15):
        sample = rng.poisson(6000 * CURVE * np.ones((11, 1, 1)))
        drawn = [
            scan_cuts(2e5 * CURVE, rng.poisson(sample), WINDOWS, [0.03], CENTRES, sqrt_s=13_000.0)
            for _ in range(20)
        ]
        found.append(measured_uncertainty(drawn, 1)[0])
        mistaken.append(measured_uncertainty(drawn, 1e9)[0])
    assert np.mean(found) < 0.4 * np.mean(mistaken)
    with pytest.raises(ArgumentError, match="some size"):
        measured_uncertainty(scans(2), 0)


def test_a_search_measures_the_bias_of_its_cut_and_believes_it() -> None:
    """Where a feature widens in two bins, the cut keeps more of these: an excess that is none."""
    plain = pools_of(12_000)
    wider = np.where((plain.background.m_jj >= 3600) & (plain.background.m_jj < 3800), 1.5, 1.0)
    event = plain.background.features["event"].copy()
    event[:, 2] = event[:, :2].sum(axis=1) + wider * (event[:, 2] - event[:, :2].sum(axis=1))
    shaped = replace(plain, background=replace(plain.background, features={"event": event}))
    section = PcaOutliers(efficiencies=(0.05, 0.2), folds=2, background_uncertainty="measured")
    found = []
    for pools in (plain, shaped):
        search = search_of(section, pools).prepare(Inputs(), np.random.default_rng(1))
        assert search.tested is None
        found.append(search)
    assert max(found[0].measured) < 0.5 * min(found[1].measured)
    assert found[1].measured[0] > 0.2
    assert search_of(section, plain).prepare(Inputs(), np.random.default_rng(1)).measured == found[0].measured
    data, results = drawn(shaped, index=3).view, []
    for search in (found[1], search_of(section.model_copy(update={"background_uncertainty": 0.0}), shaped)):
        rng = np.random.default_rng(5)
        results.append(search.judge(search.fit(data, Inputs(), rng), data, Inputs(), rng))
    assert results[1].statistic > 4
    assert results[0].statistic < 0.6 * results[1].statistic
    summary = found[1].observe(results[0], data, None).summary
    assert summary["background_uncertainty"] == {"relative": list(found[1].measured)}


def test_failed_fits_take_no_part_in_the_bias() -> None:
    good = scans(3)
    failed = scan_cuts(2e5 * CURVE, np.zeros((1, 16)), WINDOWS, [0.03], CENTRES, sqrt_s=13_000.0)
    bias, plain = relative_bias([*good, failed]), relative_bias(good)
    assert np.allclose(bias.delta, plain.delta)
    assert np.allclose(bias.mean_z, plain.mean_z)
    assert np.isnan(relative_bias([failed]).delta).all()


def test_an_even_cut_does_not_sculpt() -> None:
    rng = np.random.default_rng(2)
    before = np.round(2e5 * CURVE)
    kept = rng.binomial(before.astype(int), 0.01, size=(11, 200, 16))
    found = sculpting(before, kept, WINDOWS)
    assert (found.ndof == 13).all()
    assert found.chi2.mean() == pytest.approx(13, rel=0.05)
    assert found.p.mean() == pytest.approx(0.5, abs=0.05)
    assert found.jsd.max() < 5e-3


def test_a_cut_that_follows_the_mass_sculpts_whatever_it_does_inside_the_window() -> None:
    before = np.round(2e5 * CURVE)
    even = np.broadcast_to(0.01 * before, (11, 1, 16)).copy()
    even[WINDOWS.inside[:, np.newaxis]] *= 1.5
    assert np.allclose(sculpting(before, even, WINDOWS).chi2, 0, atol=1e-9)
    tilted = np.broadcast_to(0.01 * before * np.linspace(0.5, 2, 16), (11, 1, 16))
    found = sculpting(before, tilted, WINDOWS)
    assert (found.p < 1e-6).all()
    assert (found.jsd > 5e-3).all()


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ArgumentError, match="same windows and cuts"):
        relative_bias([])
    with pytest.raises(ArgumentError, match="do not match 11 windows"):
        sculpting(CURVE, np.ones((3, 16)), WINDOWS)
    with pytest.raises(ArgumentError, match="cannot keep more events"):
        sculpting(np.ones(16), np.full((11, 1, 16), 2.0), WINDOWS)

"""What the figures show of the assumptions about clusters, against numbers of one's own."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from assumption_figures import (
    cluster_enrichment,
    deviation_distribution,
    smallest_cluster_bins,
    spectra_minus_total,
)
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle, StepPatch
from scipy import stats
from toys import BINS

from hepcs._core.errors import ArgumentError
from hepcs.plots.style import style_context
from hepcs.searches.cluster_scanning.scan import ScanResult


def scan(n_rich: int = 2, k: int = 20) -> ScanResult:
    """Clusters with one spectrum but for their fluctuations; the first ones rise in the sixth bin."""
    rng = np.random.default_rng(4)
    spectra = rng.poisson(200, (k, 16))
    deviations = rng.normal(0, 1, (k, 16))
    deviations = np.clip(deviations, -2.9, 2.9)
    spectra[:n_rich, 5] += 150
    deviations[:n_rich, 5] = 6.2
    rich = np.arange(k) < n_rich
    nothing = np.zeros(16)
    return ScanResult(spectra, deviations, rich, nothing, nothing, nothing, 0.0)


def texts(figure: Figure, panel: int = 0) -> list[str]:
    legend = figure.axes[panel].get_legend()
    assert legend is not None
    return [legend.get_title().get_text(), *(text.get_text() for text in legend.get_texts())]


def steps(figure: Figure, panel: int = 0) -> list[np.ndarray]:
    patches = figure.axes[panel].patches
    return [np.asarray(patch.get_data().values) for patch in patches if isinstance(patch, StepPatch)]


# ------------------------------------------------------------------------------------- smallest cluster-bin


def test_smallest_cluster_bins_are_counted() -> None:
    values = [55.0] * 7 + [56.0] * 5 + [60.0, 19.0, 20.0]
    figure = smallest_cluster_bins(values, "heading")
    axes = figure.axes[0]
    assert steps(figure)[0].sum() == 15
    assert texts(figure) == ["heading", "15 background-only pseudo-experiments", "median 55; below 20: 1"]
    (median,) = (line for line in axes.lines if len(line.get_xdata()))
    assert list(median.get_xdata()) == [55, 55]
    assert "[jets]" in axes.get_xlabel()
    assert axes.get_ylabel().startswith("Pseudo-experiments / ")
    # Whole numbers lie in the middle of the bins.
    edges = axes.patches[0].get_data().edges
    assert np.all(edges % 1 == 0.5)


def test_one_smallest_cluster_bin_is_enough_and_none_is_not() -> None:
    smallest_cluster_bins([3.0]).draw_without_rendering()
    with pytest.raises(ArgumentError, match="no pseudo-experiments"):
        smallest_cluster_bins([])


# ------------------------------------------------------------------------------------------------ deviations


def test_deviations_are_shown_bin_by_bin_and_in_sum() -> None:
    found = scan()
    figure = deviation_distribution(found, BINS)
    above, below = figure.axes[0], figure.axes[1]
    counts = np.asarray(above.collections[0].get_array())
    assert counts.shape[0] == 16
    assert np.nansum(counts) == 20 * 16
    np.testing.assert_array_equal(np.nansum(counts, axis=1), 20)
    edges = below.patches[0].get_data().edges
    np.testing.assert_allclose(np.diff(edges), 0.5)
    assert edges[0] == -4
    assert edges[-1] > 6.2
    # The deviations of the sixth bin end in the bin from 6.0 to 6.5.
    assert counts[5, np.searchsorted(edges, 6.2) - 1] == 2
    # Stacked: all clusters behind the signal-poor ones.
    everything, poor, expected = steps(figure, 1)
    np.testing.assert_array_equal(everything, np.histogram(found.deviations, edges)[0])
    np.testing.assert_array_equal(poor, np.histogram(found.deviations[2:], edges)[0])
    np.testing.assert_allclose(expected, 18 * 16 * np.diff(stats.norm.cdf(edges)))
    assert below.get_xlabel() == "Deviation from the robust mean [robust SD]"
    assert above.get_ylabel() == "$m_{jj}$ [TeV]"
    assert figure.axes[2].get_ylabel() == "Clusters"


def test_the_tests_of_normality_are_in_the_legend() -> None:
    figure = deviation_distribution(
        scan(),
        BINS,
        signal_poor_p={"Shapiro-Wilk": 0.43, "Jarque-Bera": 0.71},
        all_p={"Shapiro-Wilk": 3.1e-22, "Jarque-Bera": 0.0},
        title="heading",
    )
    found = texts(figure, 1)
    assert found[0] == "heading"
    assert "18 signal-poor clusters x 16 bins" in found
    assert "2 signal-rich" in found
    assert "$N(0, 1)$, sum 288" in found
    assert found[-3:] == [
        "$p$ of Shapiro-Wilk, Jarque-Bera:",
        "signal-poor clusters: $0.43$, $0.71$",
        r"all clusters: $3.1 \times 10^{-22}$, $< 10^{-300}$",
    ]
    assert len(texts(deviation_distribution(scan(), BINS), 1)) == 4


@pytest.mark.parametrize("style", ["plain", "CMS", "ATLAS"])
def test_deviations_are_drawn_in_all_styles(style: str) -> None:
    with style_context(style):  # type: ignore[arg-type]
        figure = deviation_distribution(scan(), BINS, signal_poor_p={"Shapiro-Wilk": 0.4}, title="a heading")
    figure.draw_without_rendering()
    legend, axes = figure.axes[1].get_legend(), figure.axes[1]
    assert legend is not None
    below = axes.xaxis.get_tightbbox()
    assert below is not None
    assert legend.get_window_extent().y1 <= below.y0
    assert axes.get_yscale() == "log", "tails are to be seen"
    assert figure.axes[0].get_position().x0 == axes.get_position().x0


def test_how_often_the_ensemble_fails_the_tests() -> None:
    ensemble = [{"A": 0.01, "B": 0.4}, {"A": 0.04, "B": 0.05}, {"A": 0.9, "B": 0.001}, {"A": 0.3, "B": 0.5}]
    figure = deviation_distribution(scan(), BINS, signal_poor_p={"A": 0.3, "B": 0.5}, ensemble_p=ensemble)
    legend = figure.axes[1].get_legend()
    assert legend is not None
    assert "signal-poor clusters of 4 scans, $p$ < 0.05 in: 50 %, 25 %" in [
        text.get_text() for text in legend.get_texts()
    ]


def test_no_deviation_at_all() -> None:
    flat = dataclasses.replace(
        scan(), deviations=np.zeros((20, 16)), signal_rich=np.zeros(20, dtype=np.bool_)
    )
    deviation_distribution(flat, BINS).draw_without_rendering()


# --------------------------------------------------------------------------------------------- minus the total


def test_spectra_minus_total_with_both_estimators() -> None:
    found = scan()
    figure = spectra_minus_total(found, BINS, 0.2, "heading")
    shares = found.spectra / found.spectra.sum(axis=1, keepdims=True)
    difference = shares - found.spectra.sum(axis=0) / found.spectra.sum()
    drawn = steps(figure)
    assert len(drawn) == 20 + 6
    for row in difference:
        assert any(np.allclose(values, row) for values in drawn[:20])
    mean, low, high, robust, robust_low, robust_high = drawn[20:]
    np.testing.assert_allclose(mean, difference.mean(axis=0))
    np.testing.assert_allclose(high - low, 2 * difference.std(axis=0))
    # The two clusters pull the plain mean and SD in their bin, and not the robust ones.
    assert mean[5] - robust[5] > 3 * abs(mean[:5] - robust[:5]).max()
    assert (high - low)[5] > 2 * (robust_high - robust_low)[5]
    np.testing.assert_allclose((robust_high + robust_low) / 2, robust)
    assert texts(figure) == [
        "heading",
        "18 signal-poor clusters",
        "2 signal-rich",
        r"mean and mean $\pm$ SD",
        "the same, outlier-robust",
    ]
    axes = figure.axes[0]
    assert axes.get_xlabel() == "$m_{jj}$ [GeV]"
    assert axes.get_ylabel() == "Share of jets $-$ share of all jets / 100 GeV"


def test_empty_clusters_are_no_spectra() -> None:
    found = scan()
    spectra = found.spectra.copy()
    spectra[-1] = 0
    figure = spectra_minus_total(dataclasses.replace(found, spectra=spectra), BINS, 0.2)
    assert len(steps(figure)) == 19 + 6
    assert "17 signal-poor clusters" in texts(figure)


# --------------------------------------------------------------------------------------------------------- SFI


def test_sfi_is_sorted_and_has_poisson_errors() -> None:
    sfi = np.array([0.5, 9.0, np.nan, 3.0, np.inf])
    jets = np.array([4, 81, 0, 9, 2])
    rich = np.array([False, True, False, False, True])
    figure = cluster_enrichment(sfi, jets, rich, "heading")
    axes = figure.axes[0]
    bars = sorted(
        (patch.get_x() + patch.get_width() / 2, patch.get_height())
        for patch in axes.patches
        if isinstance(patch, Rectangle)
    )
    np.testing.assert_allclose(bars, [(1, 9.0), (2, 3.0), (3, 0.5)])
    segments = [segment for one in axes.collections for segment in one.get_segments()]  # type: ignore[attr-defined]
    spans = sorted((float(segment[0, 1]), float(segment[1, 1])) for segment in segments)
    np.testing.assert_allclose(spans, [(0.25, 0.75), (2.0, 4.0), (8.0, 10.0)])
    found = texts(figure)
    assert found[0] == "heading"
    assert set(found[1:]) == {
        "SFI = 1: as in all events",
        "SFI = 2: 2 clusters above",
        "1 signal-rich clusters",
        "2 signal-poor clusters",
    }
    assert axes.get_ylabel() == "Signal-fraction improvement SFI"


def test_no_finite_sfi() -> None:
    with pytest.raises(ArgumentError, match="no cluster has a finite SFI"):
        cluster_enrichment([np.nan, np.inf], [0, 1], np.array([True, False]))

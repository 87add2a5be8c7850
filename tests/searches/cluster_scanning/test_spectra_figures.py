"""Spectra of the clusters as they are drawn, against the numbers of the scan."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch
from numpy.typing import NDArray
from toy_run import toy_run

from hepcs.plots.style import VERMILION
from hepcs.searches.cluster_scanning.figures import figures
from hepcs.searches.cluster_scanning.scan import ScanResult, scan_spectra
from hepcs.searches.cluster_scanning.section import ClusterScanning
from hepcs.searches.cluster_scanning.spectra_figures import (
    normalised_spectra,
    signal_rich_and_poor,
    standardised_spectra,
)

BINS = toy_run().bins


def scan() -> ScanResult:
    """The scan that is drawn of the data with signal."""
    ensemble = toy_run().searches[0].observed[1].observation.result
    return ensemble.scans[ensemble.representative]


def steps(axes: Axes) -> list[NDArray[np.float64]]:
    """Values of all step histograms."""
    return [np.asarray(patch.get_data().values) for patch in axes.patches if isinstance(patch, StepPatch)]


def legend_texts(figure: Figure, panel: int = 0) -> list[str]:
    legend = figure.axes[panel].get_legend()
    assert legend is not None
    return [legend.get_title().get_text(), *(text.get_text() for text in legend.get_texts())]


def test_normalised_spectra_sum_to_one() -> None:
    found = scan()
    axes = normalised_spectra(found, BINS, "heading").axes[0]
    drawn = steps(axes)
    assert len(drawn) == 8
    np.testing.assert_allclose([values.sum() for values in drawn], 1.0)
    rich = [
        np.asarray(patch.get_data().values)
        for patch in axes.patches
        if isinstance(patch, StepPatch) and patch.get_edgecolor() == to_rgba(VERMILION)
    ]
    assert len(rich) == found.n_signal_rich > 0
    expected = found.spectra[found.signal_rich] / found.spectra[found.signal_rich].sum(axis=1, keepdims=True)
    np.testing.assert_allclose(rich, expected)


def test_standardised_spectra_show_the_threshold() -> None:
    found = scan()
    figure = standardised_spectra(found, BINS, 3.5, "heading")
    axes = figure.axes[0]
    assert {tuple(values) for values in steps(axes)} == {tuple(row) for row in found.deviations}
    assert 3.5 in [line.get_ydata()[0] for line in axes.lines if len(line.get_ydata())]
    n = found.n_signal_rich
    assert legend_texts(figure) == [
        "heading",
        f"{8 - n} signal-poor clusters",
        f"{n} signal-rich cluster" + ("s" if n > 1 else ""),
        r"threshold $\theta$ = 3.5",
    ]


def test_signal_rich_against_scaled_signal_poor() -> None:
    found = scan()
    figure = signal_rich_and_poor(found, BINS)
    axes, panel = figure.axes
    band, expected = (patch.get_data() for patch in axes.patches if isinstance(patch, StepPatch))
    np.testing.assert_allclose(expected.values, found.expected)
    np.testing.assert_allclose(band.values - band.baseline, 2 * np.sqrt(found.expected))
    points = axes.containers[0].lines[0]
    np.testing.assert_allclose(points.get_ydata(), found.observed)
    np.testing.assert_allclose(points.get_xdata(), BINS.centres)
    np.testing.assert_allclose(steps(panel)[0], found.local_significance)
    assert steps(panel)[0].max() == found.statistic
    assert axes.get_ylabel() == "Jets / 100 GeV"


def test_points_have_poisson_intervals() -> None:
    # The central 68.27 % interval for no count ends at 1.84, that for 4 counts is [2.09, 7.16].
    empty = dataclasses.replace(scan(), observed=np.array([0.0, 4.0, *[9.0] * 14]), expected=np.full(16, 2.0))
    bars = signal_rich_and_poor(empty, BINS).axes[0].containers[0].lines[2][0].get_segments()
    np.testing.assert_allclose(bars[0][:, 1], [0, 1.841], atol=2e-3)
    np.testing.assert_allclose(bars[1][:, 1], [2.086, 7.163], atol=2e-3)


@pytest.mark.parametrize(("rich", "words"), [(False, "no cluster is"), (True, "every cluster is")])
def test_nothing_and_everything_selected(rich: bool, words: str) -> None:
    counts = np.random.default_rng(2).poisson(40, (8, 16))
    flat = scan_spectra(counts, ClusterScanning(theta=1e3), centres=BINS.centres)
    if rich:
        flat = dataclasses.replace(flat, signal_rich=~flat.signal_rich, observed=counts.sum(axis=0) * 1.0)
    figure = signal_rich_and_poor(flat, BINS, "heading")
    assert legend_texts(figure)[0] == f"heading\n{words} signal-rich: the statistic is 0"
    figure.draw_without_rendering()


def test_a_variant_is_drawn_with_its_own_threshold() -> None:
    scans = "{cluster_scanning: {k: 8, ensemble: 1}, low: {like: cluster_scanning, theta: 2.0, ensemble: 1}}"
    result = toy_run(searches=scans, epsilon="[150]", background_only=10, doped=0)
    drawn = {one.name: one for one in figures(result, result.searches)}
    for name, theta in (("cluster_scanning", 3), ("low", 2)):
        one = drawn[f"{name}_standardised_spectra_epsilon_0150"]
        assert rf"threshold $\theta$ = {theta}" in legend_texts(one.figure)
        assert one.heading.endswith("the background with 150 injected signal events")
        assert "ook for" in one.caption

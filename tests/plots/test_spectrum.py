"""The figure of any spectrum with its estimate."""

from __future__ import annotations

import dataclasses

import numpy as np
from matplotlib.figure import Figure
from toys import BINS

from hepcs.plots import mass_spectrum
from hepcs.results import MassSpectrum

EXPECTED = np.linspace(160.0, 10.0, 16)
OBSERVED = np.round(EXPECTED) + np.where(np.arange(16) == 5, 60, 0)
Z = np.maximum(OBSERVED - EXPECTED, 0) / np.sqrt(EXPECTED)
SPECTRUM = MassSpectrum(OBSERVED, EXPECTED, np.full(16, 9.0), Z, "events after a cut", "a guess")


def texts(figure: Figure) -> list[str]:
    legend = figure.axes[0].get_legend()
    assert legend is not None
    return [legend.get_title().get_text(), *(text.get_text() for text in legend.get_texts())]


def test_it_draws_counts_estimate_error_and_the_best_bin() -> None:
    figure = mass_spectrum(SPECTRUM, BINS, "heading")
    axes, panel = figure.axes
    points = axes.containers[0].lines[0]
    np.testing.assert_array_equal(points.get_ydata(), OBSERVED)
    steps = [patch.get_data() for patch in axes.patches if hasattr(patch, "get_data")]
    np.testing.assert_allclose(steps[0].values - steps[0].baseline, 6.0)
    np.testing.assert_allclose(steps[1].values, EXPECTED)
    assert texts(figure)[0] == "heading"
    assert f"largest excess: local $Z$ = {Z[5]:.1f}" in texts(figure)
    window = axes.patches[0].get_extents()
    left, right = axes.transData.inverted().transform([(window.x0, 0), (window.x1, 0)])[:, 0]
    np.testing.assert_allclose([left, right], [3500, 3600])
    assert axes.get_ylabel() == "Events / 100 GeV"
    assert panel.get_xlabel() == "$m_{jj}$ [GeV]"


def test_a_window_of_its_own_is_drawn_instead() -> None:
    figure = mass_spectrum(dataclasses.replace(SPECTRUM, window=(3800.0, 4200.0), local_z=2.25), BINS)
    assert "largest excess: local $Z$ = 2.2" in texts(figure)
    window = figure.axes[1].patches[0].get_extents()
    inverted = figure.axes[1].transData.inverted()
    np.testing.assert_allclose(inverted.transform([(window.x0, 0), (window.x1, 0)])[:, 0], [3800, 4200])


def test_without_excess_nor_error_there_is_none_to_see() -> None:
    nothing = np.zeros(16)
    figure = mass_spectrum(dataclasses.replace(SPECTRUM, variance=nothing, local_significance=nothing), BINS)
    assert texts(figure)[1:] == ["events $S$", "estimate $B$"]
    figure.draw_without_rendering()
    empty = MassSpectrum(nothing, nothing, nothing, nothing, "jets", "none", unit="jets")
    mass_spectrum(empty, BINS).draw_without_rendering()

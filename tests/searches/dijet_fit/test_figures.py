"""Fitted spectra and mass scans as they are drawn, against the numbers of the fits."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch
from numpy.typing import NDArray
from toy_run import toy_run

from hepcs._core.errors import ArgumentError
from hepcs.background import fit_dijet
from hepcs.searches.dijet_fit.figures import figures, fitted_spectrum

BINS = toy_run().bins


def steps(axes: Axes) -> list[NDArray[np.float64]]:
    """Values of all step histograms."""
    return [np.asarray(patch.get_data().values) for patch in axes.patches if isinstance(patch, StepPatch)]


def legend_texts(figure: Figure, panel: int = 0) -> list[str]:
    legend = figure.axes[panel].get_legend()
    assert legend is not None
    return [legend.get_title().get_text(), *(text.get_text() for text in legend.get_texts())]


def test_fitted_spectrum_has_a_panel_of_pulls_for_each_fit() -> None:
    entries = [(search.title, search.observed[1].observation.result) for search in toy_run().searches[1:]]
    observed = entries[0][1].observed
    figure = fitted_spectrum(observed, [(title, found.fit) for title, found in entries], BINS, "heading")
    axes, *panels = figure.axes
    assert len(panels) == 2
    for panel, (title, found) in zip(panels, entries, strict=True):
        expected = (observed - found.fit.expected) / np.sqrt(found.fit.expected)
        np.testing.assert_allclose(steps(panel)[0], expected)
        assert title in [text.get_text() for text in panel.texts]
    assert panels[0].get_ylim() == panels[1].get_ylim()
    fit = entries[0][1].fit
    assert legend_texts(figure)[:2] == ["heading", "events"]
    assert f"= {fit.chi2:.1f}/13, $p = {fit.p_value:.2g}" in legend_texts(figure)[2]
    curve = next(line for line in axes.lines if len(line.get_xdata()) == 400)
    np.testing.assert_allclose(
        np.interp(BINS.centres, curve.get_xdata(), curve.get_ydata()), fit.expected, rtol=1e-4
    )


def test_a_fit_that_did_not_converge_is_said_and_not_drawn() -> None:
    found = toy_run().searches[1].observed[1].observation.result
    failed = dataclasses.replace(found.fit, converged=False)
    figure = fitted_spectrum(found.observed, [("a fit", failed)], BINS)
    assert legend_texts(figure)[2] == "a fit: did not converge"
    assert steps(figure.axes[1]) == []
    figure.draw_without_rendering()


def test_a_spectrum_with_empty_bins_is_drawn() -> None:
    counts = np.array([9.0, 5, 3, 2, 1, 0, 2, 1, 0, 0, 0, 1, 0, 0, 0, 0])
    fit = fit_dijet(counts, BINS.centres, 3, sqrt_s=13000.0)
    figure = fitted_spectrum(counts, [("a fit", fit)], BINS)
    figure.draw_without_rendering()
    assert figure.axes[0].get_ylim()[0] == pytest.approx(0.1)


def test_no_fit() -> None:
    with pytest.raises(ArgumentError, match="at least one fit"):
        fitted_spectrum(np.ones(16), [], BINS)


def test_a_mass_scan_is_drawn_for_a_template() -> None:
    searches = "{fit_3: {kind: dijet_fit, parameters: 3}, bump: {like: fit_3, template: {step: 100}}}"
    result = toy_run(searches=searches, epsilon="[300]", background_only=10, doped=0)
    drawn = {one.name: one for one in figures(result, result.searches)}
    assert list(drawn) == ["fitted_spectrum_epsilon_0300", "bump_mass_scan_epsilon_0300"]
    found = result.searches[1].observed[0].observation.result.scan
    curve, best = drawn["bump_mass_scan_epsilon_0300"].figure.axes[0].lines
    np.testing.assert_array_equal(curve.get_xdata(), found.masses)
    np.testing.assert_allclose(curve.get_ydata(), found.local_z)
    assert best.get_xdata()[0] == found.best_mass == pytest.approx(3500, abs=100)

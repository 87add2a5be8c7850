"""A run over bins of different widths: its searches, and all that leaves it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import uproot
from matplotlib.patches import StepPatch
from toy_run import toy_run

from hepcs.output import read_run, results_digest, write_run
from hepcs.output.figures import draw_figures
from hepcs.plots.spectrum import mass_spectrum

EDGES = [3000, 3130, 3270, 3420, 3580, 3750, 3930, 4120, 4320, 4530]
REGIONS = f"{{bins: {EDGES}}}"
SEARCHES = (
    "{cluster_scanning: {k: 8, ensemble: 2, background_estimate: fit_of_sum}, "
    "fit_3: {kind: dijet_fit, parameters: 3}, fit_windows: {like: fit_3, windows: {widths: [2]}}, "
    "bump: {like: fit_3, template: {step: 200}}}"
)


def test_a_run_is_written_read_and_drawn(tmp_path: Path) -> None:
    result = toy_run(searches=SEARCHES, regions=REGIONS, background_only=20, doped=2, epsilon="[0, 200]")
    write_run(result, tmp_path / "run")
    run = read_run(tmp_path / "run")
    assert run.bins == result.bins
    assert results_digest(run.result) == results_digest(result)
    edges = result.bins.edges
    np.testing.assert_array_equal(edges, EDGES)
    # The fit is one of counts per GeV, over the widths, and its window lies on edges.
    for written, found in zip(result.searches[2].observed, run.search("fit_windows").observed, strict=True):
        scan, again = written.observation.result, found.observation.result
        assert again.window == scan.window is not None
        assert again.statistic == scan.statistic
        np.testing.assert_allclose(again.fit.curve(run.bins.centres) * np.diff(edges), again.fit.expected)
        assert written.observation.spectrum.window == tuple(edges[list(scan.window)])
    with uproot.open(tmp_path / "run" / "results.root") as file:
        np.testing.assert_array_equal(file["fit_3/observed/epsilon_0200/spectrum"].axis().edges(), edges)
    assert "9 bins of 130 to 210 GeV" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def test_figures_show_counts_per_100_gev() -> None:
    result = toy_run(searches=SEARCHES, regions=REGIONS, background_only=20, doped=2, epsilon="[0, 200]")
    drawn = {one.name: one.figure for one in draw_figures(result)}
    figure = mass_spectrum(result.searches[1].observed[1].observation.spectrum, result.bins)
    expected = result.searches[1].observed[1].observation.spectrum.expected
    steps = [patch.get_data().values for patch in figure.axes[0].patches if isinstance(patch, StepPatch)]
    assert any(np.allclose(values, expected * 100 / np.diff(result.bins.edges)) for values in steps)
    assert figure.axes[0].get_ylabel() == "Events / 100 GeV"
    points = [np.asarray(line.get_ydata()) for line in figure.axes[0].lines]
    observed = result.searches[1].observed[1].observation.spectrum.observed
    assert any(
        values.shape == observed.shape and np.allclose(values, observed * 100 / np.diff(result.bins.edges))
        for values in points
    )
    curve = next(
        line for line in drawn["fitted_spectrum_epsilon_0200"].axes[0].lines if len(line.get_xdata()) == 400
    )
    at_centres = np.interp(result.bins.centres, curve.get_xdata(), curve.get_ydata())
    np.testing.assert_allclose(at_centres, expected * 100 / np.diff(result.bins.edges), rtol=1e-3)

"""A spectrum in bins of m_jj with its background estimate: the figure of any search that compares the two."""

from __future__ import annotations

import mplhep
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hepcs.datasets.samples import MassBins
from hepcs.plots.style import (
    BLACK,
    BLUE,
    GREY,
    M_JJ,
    VERMILION,
    Caption,
    draw_counts,
    drawn_share,
    fit_legend,
    legend_below,
    line_width,
    per_bin,
    stacked_axes,
)
from hepcs.results import MassSpectrum

CAPTION = Caption(
    "Spectrum and background estimate",
    "What the search compares in bins of m_jj, the background estimate with its error (band), and the "
    "largest excess (shaded). Look for an excess in neighbouring bins with the width of the mass resolution, "
    "and for agreement elsewhere: pulls that rise or fall over the whole range mean that the estimate has "
    "the wrong shape. What the excess is worth, the calibration says, since the search looked in many places.",
)


def mass_spectrum(spectrum: MassSpectrum, bins: MassBins, title: str = "") -> Figure:
    """A spectrum with its estimate, the window of the largest excess shaded, and the pulls below.

    Parameters
    ----------
    spectrum
        In b bins; drawn with its Poisson errors.
    bins
        The b bins.
    title
        Heading of the legend.
    """
    figure, (axes, panel) = stacked_axes((3, 1))
    edges, share = bins.edges, drawn_share(bins)
    expected, error = spectrum.expected * share, np.sqrt(spectrum.variance) * share
    excess = spectrum.largest_excess(edges)
    if excess.z > 0:
        for one in (axes, panel):
            one.axvspan(
                excess.low, excess.high, color=GREY, alpha=0.25, linewidth=0,
                label=f"largest excess: local $Z$ = {excess.z:.1f}",
            )  # fmt: skip
    if error.any():
        axes.stairs(
            expected + error, edges, baseline=expected - error, fill=True, color=BLUE, alpha=0.25, linewidth=0,
            label="error of $B$",
        )  # fmt: skip
    mplhep.histplot(
        expected, bins=edges, edges=False, color=BLUE, label="estimate $B$", linewidth=line_width(1), ax=axes
    )
    draw_counts(axes, spectrum.observed, bins, colour=BLACK, label=f"{spectrum.unit} $S$")
    axes.set_ylabel(f"{spectrum.unit.capitalize()} / {per_bin(bins)}")
    axes.set_ylim(bottom=0)
    axes.set_xlim(bins.low, bins.high)
    # Up to the end of the error bars, and to 1 for an empty panel.
    tops = np.maximum((spectrum.observed + 2 * np.sqrt(spectrum.observed)) * share, expected + error)
    fit_legend(axes, edges, np.maximum(tops, 1.0), title=title or None)
    draw_pulls(panel, spectrum.observed, spectrum.expected, spectrum.local_significance, bins)
    return figure


def draw_pulls(
    panel: Axes,
    observed: NDArray[np.float64],
    expected: NDArray[np.float64],
    local: NDArray[np.float64],
    bins: MassBins,
) -> None:
    """(S - B) / sqrt(B) in each bin, excesses filled, and the local significance where that is another number."""
    known = expected > 0
    pulls = np.zeros_like(expected)
    pulls[known] = (observed - expected)[known] / np.sqrt(expected[known])
    excess = np.maximum(pulls, 0.0)
    panel.stairs(excess, bins.edges, fill=True, color=VERMILION, alpha=0.8)
    panel.stairs(pulls, bins.edges, baseline=None, color=BLACK, linewidth=line_width(0.7))
    if not np.allclose(local, excess):
        panel.stairs(
            local, bins.edges, baseline=None, color=BLUE, linestyle="--", linewidth=line_width(1),
            label="local $Z$",
        )  # fmt: skip
        legend_below(panel)
    panel.axhline(0, color=BLACK, linewidth=line_width(0.5))
    low, high = float(pulls.min()), float(max(pulls.max(), np.nanmax(local)))
    panel.set_ylim(min(1.15 * low, -2.0), max(1.15 * high, 3.0))
    panel.set_ylabel(r"$(S-B)/\sqrt{B}$", loc="center")
    panel.set_xlabel(M_JJ)

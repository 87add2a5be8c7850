"""Spectra of the clusters of one scan (paper, Figs. 2, 3 and 4)."""

from __future__ import annotations

import mplhep
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hepcs.datasets.samples import MassBins
from hepcs.plots.spectrum import draw_pulls
from hepcs.plots.style import (
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
    new_figure,
    per_bin,
    stacked_axes,
)
from hepcs.searches.cluster_scanning.scan import ScanResult, normalise

NORMALISED = Caption(
    "Normalised spectra of the clusters",
    "Share of a cluster's jets in each bin of m_jj. Look for single clusters (signal-rich ones are coloured) "
    "that rise above the bundle in a few neighbouring bins. A bundle that widens as a whole, or clusters "
    "that differ in slope, mean that the jets of background change with m_jj in a way that the training "
    "region does not know.",
)
STANDARDISED = Caption(
    "Standardised spectra of the clusters",
    "Deviation of each cluster from the robust mean over all clusters, in robust standard deviations. "
    "Clusters that cross the dashed threshold upwards in any bin are signal-rich. Look for several clusters "
    "that cross it in the same bins; single crossings here and there are expected from fluctuations.",
)
SIGNAL_RICH = Caption(
    "Signal-rich against signal-poor clusters",
    "Jets of the signal-rich clusters, and the signal-poor ones scaled to as many: the background estimate. "
    "Look for an excess in neighbouring bins with the width of the mass resolution, and for agreement "
    "elsewhere: pulls that rise or fall over the whole range mean that the selection shapes the spectrum. "
    "Both hold the same number of jets in all, signal included: beside a strong signal the estimate lies too "
    "high, and pulls below zero there come of the signal, not of the data. "
    "The largest excess is this scan's statistic, unless the card wants another. It is no significance by "
    "itself, since the clusters were selected to stand out: what it is worth, the calibration says.",
)


def normalised_spectra(scan: ScanResult, bins: MassBins, title: str = "", unit: str = "jets") -> Figure:
    """The m_jj spectrum of the jets of each cluster, normalised to one (paper, Fig. 2).

    Parameters
    ----------
    scan
        k clusters, b bins; the signal-rich clusters are drawn on top of the others.
    bins
        The b bins.
    title
        Heading of the legend.
    unit
        What is clustered and counted.
    """
    figure = new_figure(6.4, 4.8)
    axes = figure.subplots()
    spectra = normalise(scan.spectra) * drawn_share(bins)
    _draw_clusters(axes, spectra, scan.signal_rich, bins)
    axes.set_ylim(0, 1.05 * max(float(spectra.max()), 1e-3))
    axes.set_xlabel(M_JJ)
    axes.set_ylabel(f"Share of {unit} / {per_bin(bins)}")
    legend_below(axes, title=title or None)
    return figure


def standardised_spectra(scan: ScanResult, bins: MassBins, theta: float, title: str = "") -> Figure:
    """The normalised spectra, standardised over clusters in each bin, with the threshold (paper, Fig. 3).

    Parameters
    ----------
    scan, bins, title
        As for :func:`normalised_spectra`.
    theta
        The selection threshold, robust standard deviations.
    """
    figure = new_figure(6.4, 4.8)
    axes = figure.subplots()
    _draw_clusters(axes, scan.deviations, scan.signal_rich, bins)
    axes.axhline(theta, color="black", linestyle="--", label=rf"threshold $\theta$ = {theta:g}")
    axes.axhline(0, color="black", linewidth=line_width(0.5))
    axes.set_xlabel(M_JJ)
    axes.set_ylabel("Deviation [robust SD]")
    low, high = float(scan.deviations.min()), float(scan.deviations.max())
    axes.set_ylim(min(1.08 * low, -1.0), 1.08 * max(high, theta))
    legend_below(axes, title=title or None)
    return figure


def _draw_clusters(
    axes: Axes, spectra: NDArray[np.float64], signal_rich: NDArray[np.bool_], bins: MassBins
) -> None:
    """A step line for each cluster, those of the signal-rich ones on top."""
    groups = (
        (~signal_rich, "signal-poor", GREY, 0.5, 0.7, 2),
        (signal_rich, "signal-rich", VERMILION, 1.0, 1.0, 3),
    )
    for chosen, name, colour, width, alpha, order in groups:
        n = int(chosen.sum())
        label = f"{n} {name} cluster" + ("" if n == 1 else "s")
        line = line_width(width)
        axes.plot([], [], color=colour, linewidth=line, label=label)
        if n == 0:
            continue
        mplhep.histplot(
            list(spectra[chosen]),
            bins=bins.edges,
            histtype="step",
            edges=False,
            color=[colour] * n,
            linewidth=line,
            alpha=alpha,
            zorder=order,
            ax=axes,
        )
    axes.set_xlim(bins.low, bins.high)


def signal_rich_and_poor(scan: ScanResult, bins: MassBins, title: str = "", unit: str = "jets") -> Figure:
    """Sum of the signal-rich spectra against the scaled signal-poor ones, and the pulls below (paper, Fig. 4).

    The band is the Poisson deviation sqrt(B) that the Gaussian local significance is measured in; the errors of
    the signal-rich counts are their own Poisson intervals. Below, excesses are filled and deficits are not: pulls
    that rise or fall over the whole range mean that the selection shapes the spectrum. The local significance is
    drawn as well where it is another number than the excess.

    Parameters
    ----------
    scan, bins, title, unit
        As for :func:`normalised_spectra`.
    """
    figure, (axes, panel) = stacked_axes((3, 1))
    edges, share = bins.edges, drawn_share(bins)
    expected, sigma = scan.expected * share, np.sqrt(scan.expected) * share
    if scan.expected.any():
        axes.stairs(
            expected + sigma, edges, baseline=expected - sigma, fill=True, color=BLUE, alpha=0.25, linewidth=0,
            label="Poisson deviation of $B$",
        )  # fmt: skip
        mplhep.histplot(
            expected,
            bins=edges,
            edges=False,
            color=BLUE,
            label="signal-poor clusters, scaled: $B$",
            linewidth=line_width(1),
            ax=axes,
        )
    draw_counts(axes, scan.observed, bins, colour=VERMILION, label="signal-rich clusters: $S$")
    axes.set_ylabel(f"{unit.capitalize()} / {per_bin(bins)}")
    axes.set_ylim(bottom=0)
    lines = [title] if title else []
    if not scan.expected.any():
        which = "no cluster is" if scan.n_signal_rich == 0 else "every cluster is"
        lines.append(f"{which} signal-rich: the statistic is 0")
    axes.set_xlim(bins.low, bins.high)
    # Up to the end of the error bars, and to 1 for an empty panel.
    tops = np.maximum((scan.observed + 2 * np.sqrt(scan.observed)) * share, expected + sigma)
    fit_legend(axes, edges, np.maximum(tops, 1.0), title="\n".join(lines) or None)
    draw_pulls(panel, scan.observed, scan.expected, scan.local_significance, bins)
    return figure

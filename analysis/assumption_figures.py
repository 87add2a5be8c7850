"""What the method assumes about the clusters, looked at (paper, Figs. 7, 8 and 9, and eq. C.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import mplhep
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray
from scipy import special

from hepcs._core.errors import ArgumentError
from hepcs.datasets.samples import MassBins
from hepcs.plots.style import (
    BLACK,
    BLUE,
    GREY,
    M_JJ,
    VERMILION,
    drawn_share,
    fit_legend,
    legend_below,
    line_width,
    math_number,
    new_figure,
    per_bin,
    size_scale,
)
from hepcs.searches.cluster_scanning.scan import ScanResult, normalise
from hepcs.statistics.robust import robust_mean_and_sd

# Bins of the deviations, in robust standard deviations.
_WIDTH = 0.5
_LEAST_REACH = 4.0
# The paper asks for cluster-bins that hardly ever hold fewer jets.
FEW_JETS = 20
#: p-values below it reject normality.
LEVEL = 0.05


def smallest_cluster_bins(smallest: ArrayLike, title: str = "") -> Figure:
    """Distribution of the smallest cluster-bin over background-only pseudo-experiments (paper, Fig. 7).

    Parameters
    ----------
    smallest
        Jets in the least populated bin of any cluster, shape (n,), one number for each pseudo-experiment.
    title
        Heading of the legend.

    Raises
    ------
    ArgumentError
        If there is none.
    """
    values = np.asarray(smallest, dtype=np.float64)
    if values.size == 0:
        raise ArgumentError("no pseudo-experiments to draw the smallest cluster-bin of")
    figure = new_figure(6.4, 4.8)
    axes = figure.subplots()
    low, high = float(values.min()), float(values.max())
    edges = np.asarray(MaxNLocator(40, integer=True, min_n_ticks=1).tick_values(low, high + 1)) - 0.5
    width = float(edges[1] - edges[0])
    counts, _ = np.histogram(values, edges)
    mplhep.histplot(
        counts, bins=edges, histtype="fill", color=GREY, alpha=0.6, ax=axes,
        label=f"{values.size:,} background-only pseudo-experiments",
    )  # fmt: skip
    few = int((values < FEW_JETS).sum())
    median = float(np.median(values))
    top = float(counts.max())
    axes.plot(
        [median, median], [0, top], color=VERMILION, label=f"median {median:g}; below {FEW_JETS}: {few:,}"
    )
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, 1.05 * top)
    axes.set_xlabel(r"Smallest cluster-bin $\min_{i,b} N_{i,b}$ [jets]")
    axes.set_ylabel("Pseudo-experiments / jet" if width == 1 else f"Pseudo-experiments / {width:g} jets")
    fit_legend(axes, edges, counts, title=title or None)
    return figure


def deviation_distribution(
    scan: ScanResult,
    bins: MassBins,
    *,
    signal_poor_p: Mapping[str, float] | None = None,
    all_p: Mapping[str, float] | None = None,
    ensemble_p: Sequence[Mapping[str, float]] = (),
    title: str = "",
) -> Figure:
    """Distribution of the deviations over clusters, bin by bin and in sum, against N(0, 1) (paper, Fig. 8).

    Parameters
    ----------
    scan
        k clusters, b bins.
    bins
        The b bins.
    signal_poor_p, all_p
        p-values of tests of normality by their names, for the signal-poor clusters alone and for all clusters.
    ensemble_p
        The same of the signal-poor clusters of each scan of the ensemble: how many are below :data:`LEVEL`.
    title
        Heading of the legend.
    """
    figure = new_figure(6.4, 7.0)
    grid: Any = figure.add_gridspec(
        2, 2, height_ratios=(1, 1.4), width_ratios=(30, 1), hspace=0.06, wspace=0.04
    )
    above = figure.add_subplot(grid[0, 0])
    axes = figure.add_subplot(grid[1, 0], sharex=above)
    edges = _deviation_edges(scan.deviations)
    drawn = _draw_by_bin(above, scan, bins, edges)
    bar = figure.colorbar(drawn, cax=figure.add_subplot(grid[0, 1]))
    bar.set_label("Clusters")
    bar.ax.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    highest = _draw_in_sum(axes, scan, edges)
    _write_p_values(
        axes, {"signal-poor clusters": signal_poor_p or {}, "all clusters": all_p or {}}, ensemble_p
    )
    axes.set_xlim(edges[0], edges[-1])
    axes.set_yscale("log")
    axes.set_ylim(0.5, 2 * max(highest, 1.0))
    axes.set_xlabel("Deviation from the robust mean [robust SD]")
    axes.set_ylabel(f"Cluster-bins / {_WIDTH:g} SD")
    # In one column: the p-values stand below the names of their tests.
    legend_below(axes, columns=1, title=title or None, fontsize=8 * size_scale())
    return figure


def _deviation_edges(deviations: NDArray[np.float64]) -> NDArray[np.float64]:
    """Edges of the bins of the deviations, which hold all of them."""
    reach = np.abs(deviations).max(initial=_LEAST_REACH)
    low = -_WIDTH * np.ceil(max(_LEAST_REACH, -float(deviations.min())) / _WIDTH)
    high = _WIDTH * (np.floor(reach / _WIDTH) + 1)
    return np.arange(low, high + _WIDTH / 2, _WIDTH)


def _draw_by_bin(axes: Axes, scan: ScanResult, bins: MassBins, edges: NDArray[np.float64]) -> QuadMesh:
    """Clusters by deviation and m_jj bin."""
    counts = np.array([np.histogram(column, edges)[0] for column in scan.deviations.T], dtype=np.float64)
    drawn = axes.pcolormesh(
        edges, bins.edges / 1000, np.where(counts > 0, counts, np.nan), cmap="viridis_r", rasterized=True
    )
    axes.set_ylabel(M_JJ.replace("GeV", "TeV"))
    axes.set_ylim(bins.low / 1000, bins.high / 1000)
    axes.tick_params(labelbottom=False)
    return drawn


def _draw_in_sum(axes: Axes, scan: ScanResult, edges: NDArray[np.float64]) -> float:
    """Cluster-bins by deviation, with N(0, 1) of the signal-poor ones; returns the largest number in a bin."""
    poor = np.histogram(scan.deviations[~scan.signal_rich], edges)[0]
    rich = np.histogram(scan.deviations[scan.signal_rich], edges)[0]
    n_poor, n_bins = int((~scan.signal_rich).sum()), scan.deviations.shape[1]
    mplhep.histplot(
        [poor, rich],
        bins=edges,
        histtype="fill",
        stack=True,
        color=[GREY, VERMILION],
        label=[f"{n_poor} signal-poor clusters x {n_bins} bins", f"{scan.n_signal_rich} signal-rich"],
        ax=axes,
    )
    expected = poor.sum() * np.diff(special.ndtr(edges))
    axes.stairs(expected, edges, color=BLACK, linewidth=line_width(1), label=f"$N(0, 1)$, sum {poor.sum()}")
    return float((poor + rich).max())


def _write_p_values(
    axes: Axes, tests: Mapping[str, Mapping[str, float]], ensemble: Sequence[Mapping[str, float]]
) -> None:
    """Rows of the legend: the names of the tests, then the p-values of each set of clusters in their order."""
    names = list(dict.fromkeys(test for p_values in tests.values() for test in p_values))
    if names:
        axes.plot([], [], linestyle="", label=f"$p$ of {', '.join(names)}:")
    for name, p_values in tests.items():
        if p_values:
            texts = [f"${_p_text(p_values[test])}$" if test in p_values else "-" for test in names]
            axes.plot([], [], linestyle="", label=f"{name}: {', '.join(texts)}")
    if names and ensemble:
        below = [sum(one.get(test, 1.0) < LEVEL for one in ensemble) / len(ensemble) for test in names]
        shares = ", ".join(f"{100 * share:.0f} %" for share in below)
        axes.plot(
            [],
            [],
            linestyle="",
            label=f"signal-poor clusters of {len(ensemble)} scans, $p$ < {LEVEL} in: {shares}",
        )


def _p_text(p: float) -> str:
    """A p-value for mathtext, also one that is too small for a float."""
    return math_number(p) if p > 0 else r"< 10^{-300}"


def spectra_minus_total(scan: ScanResult, bins: MassBins, outlier_fraction: float, title: str = "") -> Figure:
    """Normalised spectra minus that of all jets, with plain and robust mean and SD (paper, Fig. 9).

    Parameters
    ----------
    scan
        k clusters, b bins.
    bins
        The b bins.
    outlier_fraction
        Share f of the clusters that the robust estimators drop in each bin.
    title
        Heading of the legend.

    Raises
    ------
    ArgumentError
        If too few clusters are filled to estimate anything from.
    """
    figure = new_figure(6.4, 4.8)
    axes = figure.subplots()
    filled = scan.spectra.sum(axis=1) > 0
    total = scan.spectra.sum(axis=0) / scan.spectra.sum()
    difference = (normalise(scan.spectra)[filled] - total) * drawn_share(bins)
    rich = scan.signal_rich[filled]
    _draw_lines(axes, difference[~rich], bins, GREY, 0.4, f"{int((~rich).sum())} signal-poor clusters")
    _draw_lines(axes, difference[rich], bins, VERMILION, 0.9, f"{int(rich.sum())} signal-rich")
    robust = robust_mean_and_sd(difference, outlier_fraction, axis=0)
    plain = difference.mean(axis=0), difference.std(axis=0)
    for (mean, sd), colour, style, name in (
        (plain, BLUE, "--", "mean and mean $\\pm$ SD"),
        (robust, BLACK, "-", "the same, outlier-robust"),
    ):
        for values, width, label in ((mean, 1.2, name), (mean - sd, 0.8, None), (mean + sd, 0.8, None)):
            axes.stairs(
                values, bins.edges, baseline=None, color=colour, linestyle=style, linewidth=line_width(width),
                label=label, zorder=4,
            )  # fmt: skip
    axes.set_xlim(bins.low, bins.high)
    low = float(min(difference.min(), *((mean - sd).min() for mean, sd in (plain, robust))))
    high = float(max(difference.max(), *((mean + sd).max() for mean, sd in (plain, robust))))
    axes.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))
    axes.set_xlabel(M_JJ)
    axes.set_ylabel(f"Share of jets $-$ share of all jets / {per_bin(bins)}")
    legend_below(axes, title=title or None)
    return figure


def _draw_lines(
    axes: Axes, spectra: NDArray[np.float64], bins: MassBins, colour: str, alpha: float, label: str
) -> None:
    """A step line for each cluster of a kind, and one legend entry for all."""
    axes.plot([], [], color=colour, linewidth=line_width(0.5), label=label)
    for values in spectra:
        axes.stairs(
            values, bins.edges, baseline=None, color=colour, alpha=alpha, linewidth=line_width(0.5), zorder=2
        )


def cluster_enrichment(
    sfi: ArrayLike, signal_jets: ArrayLike, signal_rich: NDArray[np.bool_], title: str = ""
) -> Figure:
    """Signal-fraction improvement of each cluster, the largest first (paper, eq. C.1 and appendix C).

    Parameters
    ----------
    sfi
        SFI of each cluster, shape (k,), from :func:`.enrichment.signal_fraction_improvement`; a cluster
        without background, or without jets, is left out.
    signal_jets
        Its jets of signal events, shape (k,): the errors are their Poisson ones.
    signal_rich
        The selected clusters, shape (k,).
    title
        Heading of the legend.

    Raises
    ------
    ArgumentError
        If no cluster has a finite SFI.
    """
    values, jets = np.asarray(sfi, dtype=np.float64), np.asarray(signal_jets, dtype=np.float64)
    finite = np.flatnonzero(np.isfinite(values))
    if finite.size == 0:
        raise ArgumentError("no cluster has a finite SFI to draw")
    order = finite[np.argsort(-values[finite], kind="stable")]
    errors = values[order] / np.sqrt(np.maximum(jets[order], 1))
    figure = new_figure(6.4, 4.8)
    axes = figure.subplots()
    ranks = np.arange(len(order))
    for chosen, name, colour in (
        (signal_rich[order], "signal-rich", VERMILION),
        (~signal_rich[order], "signal-poor", GREY),
    ):
        axes.bar(
            ranks[chosen] + 1, values[order][chosen], width=0.8, color=colour, alpha=0.8,
            label=f"{int(chosen.sum())} {name} clusters", yerr=errors[chosen],
            error_kw={"elinewidth": line_width(0.5)},
        )  # fmt: skip
    above = int((values[order] > 2).sum())
    axes.axhline(1, color=BLACK, linewidth=line_width(0.7), linestyle="--", label="SFI = 1: as in all events")
    axes.axhline(
        2, color=BLACK, linewidth=line_width(0.7), linestyle=":", label=f"SFI = 2: {above} clusters above"
    )
    axes.set_xlim(0, len(order) + 1)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_minor_locator(MaxNLocator(len(order), integer=True, steps=[1]))
    axes.set_xlabel("Cluster, in order of SFI")
    axes.set_ylabel("Signal-fraction improvement SFI")
    fit_legend(
        axes, np.arange(len(order) + 1) + 0.5, np.maximum(values[order] + errors, 2), title=title or None
    )
    return figure

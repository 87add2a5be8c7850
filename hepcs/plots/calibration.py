"""The distribution of the background-only statistics, and where the data lie in it (paper, Fig. 10).

:func:`calibration_distribution` draws one search, :func:`calibration_panels` several of them above each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from string import ascii_lowercase

import mplhep
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError
from hepcs.calibration import Calibration
from hepcs.datasets.bootstrap import Kind
from hepcs.plots.style import (
    GREY,
    Caption,
    colours,
    fit_legend,
    line_width,
    math_number,
    new_figure,
    size_scale,
    stacked_axes,
)
from hepcs.results import Doped, Observed, SearchResult
from hepcs.results.wording import epsilon_text

CAPTION = Caption(
    "Calibration",
    "Distribution of the statistic over background-only pseudo-experiments. The p-value is the share of them "
    "to the right of the observed line. Look for how far the line is from the bulk, and how many "
    "pseudo-experiments are left of the tail there: beyond the last one only a bound can be given.",
)
# Bins over the background-only values.
_BINS = 40
# Below the lowest count that there is, 1, on the logarithmic axis.
_FLOOR = 0.5
_SIGNS = {None: "=", "lower": ">", "upper": "<", "undetermined": r"\approx"}


def calibration_distribution(search: SearchResult) -> Figure:
    """Distribution of the background-only statistics with the observed values and the doped pseudo-experiments.

    Solid lines are the observed data sets, with p and Z in the legend, written as bounds where they are bounds;
    dashed lines and bands are medians and quartiles of doped pseudo-experiments of the same colour's epsilon.

    Raises
    ------
    ArgumentError
        If the search has no background-only pseudo-experiment.
    """
    null = search.statistics(Kind.BACKGROUND_ONLY)
    if null.size == 0:
        raise ArgumentError(f"{search.title}: no background-only pseudo-experiments to draw")
    figure = new_figure(6.4, 4.8)
    axes = figure.subplots()
    edges = _edges(null)
    counts, _ = np.histogram(null, edges)
    mplhep.histplot(
        counts,
        bins=edges,
        histtype="fill",
        color=GREY,
        alpha=0.6,
        label=f"{null.size:,} background-only pseudo-experiments",
        ax=axes,
    )
    axes.set_yscale("log")
    axes.set_ylim(_FLOOR, 1.5 * counts.max())
    top = float(axes.get_ylim()[1])
    drawn = [*(one.injection for one in search.observed), *(one.injection for one in search.doped)]
    injections = dict.fromkeys(drawn)
    palette = dict(zip(injections, colours(len(injections)), strict=True))
    for observed in search.observed:
        # Without any injection, as in a real search, there is no epsilon to speak of.
        injected = f", {epsilon_text(observed.injection)}" if len(search.observed) > 1 else ""
        _draw_observed(axes, observed, f"observed{injected}", palette[observed.injection], top)
    for doped in search.doped:
        _draw_doped(axes, doped, palette[doped.injection], top)
    axes.set_xlim(*_limits(search, edges))
    axes.set_xlabel(f"Test statistic, {search.title}")
    axes.set_ylabel(f"Pseudo-experiments / {edges[1] - edges[0]:.3g}")
    many = len(search.observed) + len(search.doped) > 4
    fit_legend(axes, axes.get_xlim(), [top], fontsize=(8.5 if many else 10) * size_scale())
    return figure


@dataclass(frozen=True)
class CalibrationPanel:
    """One panel of :func:`calibration_panels`.

    Attributes
    ----------
    title
        What was calibrated.
    null
        Background-only statistics, shape (N,).
    doped
        Doped pseudo-experiments, one entry for each epsilon to be drawn.
    """

    title: str
    null: NDArray[np.float64]
    doped: tuple[Doped, ...]


def calibration_panels(panels: Sequence[CalibrationPanel]) -> Figure:
    """Calibration distributions above each other on one axis, such as single scans and ensembles (paper, Fig. 10).

    Dashed lines and bands are medians and quartiles of doped pseudo-experiments, with the median Z in the
    legend, written as a bound where it is one. An epsilon has the same colour in all panels.

    Raises
    ------
    ArgumentError
        If there is no panel, or one without background-only statistics.
    """
    if not panels or any(panel.null.size == 0 for panel in panels):
        raise ArgumentError("calibration panels need background-only pseudo-experiments in each of them")
    edges = _edges(np.concatenate([panel.null for panel in panels]))
    injections = sorted({doped.injection for panel in panels for doped in panel.doped})
    palette = dict(zip(injections, colours(len(injections)), strict=True))
    quartiles = [value for panel in panels for doped in panel.doped for value in doped.statistic_quartiles]
    high = max([float(edges[-1]), *quartiles])
    figure, all_axes = stacked_axes((1.0,) * len(panels), height=2.2 * len(panels))
    for letter, axes, panel in zip(ascii_lowercase, all_axes, panels, strict=False):
        counts, _ = np.histogram(panel.null, edges)
        zeros = int((panel.null == 0).sum())
        label = f"{panel.null.size:,} background-only" + (f", {zeros:,} of them at 0" if zeros else "")
        mplhep.histplot(counts, bins=edges, histtype="fill", color=GREY, alpha=0.6, label=label, ax=axes)
        axes.set_yscale("log")
        axes.set_ylim(_FLOOR, 1.5 * counts.max())
        top = float(axes.get_ylim()[1])
        for doped in panel.doped:
            _draw_doped(axes, doped, palette[doped.injection], top)
        axes.set_xlim(float(edges[0]) - 0.02 * high, 1.02 * high)
        axes.set_ylabel(f"Pseudo-exp. / {edges[1] - edges[0]:.3g}")
        # Beside the panel: above the distributions it would flatten them.
        axes.legend(
            loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0, alignment="left",
            title=f"({letter}) {panel.title}",
        )  # fmt: skip
    all_axes[-1].set_xlabel("Test statistic")
    return figure


def significance_text(calibration: Calibration) -> str:
    """p and Z for a legend, such as ``p = 0.012, Z = 2.25`` or ``p < 1/1000, Z > 3.09``."""
    z = f"$Z {_SIGNS[calibration.bound]} {calibration.z:.2f}$"
    if calibration.bound == "lower":
        return f"$p$ < 1/{calibration.n_null}, {z}"
    if calibration.bound == "upper":
        return f"$p$ > 1 - 1/{calibration.n_null}, {z}"
    return f"$p = {math_number(calibration.p)}$, {z}"


def _edges(null: NDArray[np.float64]) -> NDArray[np.float64]:
    """Edges at round values, from 0 or the smallest statistic to the largest one."""
    low, high = min(0.0, float(null.min())), float(null.max())
    if not high > low:
        high = low + 1.0
    return np.asarray(MaxNLocator(_BINS, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high))


def _limits(search: SearchResult, edges: NDArray[np.float64]) -> tuple[float, float]:
    """Limits that hold the histogram and every line and band."""
    observed = (entry.outcome.statistic for entry in search.observed if entry.calibration is not None)
    quartiles = chain.from_iterable(doped.statistic_quartiles for doped in search.doped)
    values = [float(edges[0]), float(edges[-1]), *observed, *quartiles]
    margin = 0.03 * (max(values) - min(values))
    return min(values) - margin, max(values) + margin


def _draw_observed(axes: Axes, observed: Observed, name: str, colour: str, top: float) -> None:
    """A solid line at the observed statistic."""
    if observed.calibration is None:
        axes.plot([], [], color=colour, label=f"{name}: no valid statistic")
        return
    statistic = observed.outcome.statistic
    label = f"{name}: {significance_text(observed.calibration)}"
    axes.plot([statistic, statistic], [_FLOOR, top], color=colour, linewidth=line_width(1.3), label=label)


def _draw_doped(axes: Axes, doped: Doped, colour: str, top: float) -> None:
    """A dashed line at the median of the doped statistics, and a band between the quartiles."""
    lower, median, upper = doped.statistic_quartiles
    z = doped.z.median
    label = rf"{doped.n_used} doped, {epsilon_text(doped.injection)}: median $Z {_SIGNS[z.bound]} {z.z:.2f}$"
    axes.fill_between([lower, upper], _FLOOR, top, color=colour, alpha=0.2, linewidth=0)
    axes.plot([median, median], [_FLOOR, top], color=colour, linestyle="--", label=label)

"""Significance against the number of injected events (paper, Figs. 5a, 5b and 11)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import offset_copy
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError
from hepcs.calibration import Quantile
from hepcs.plots.style import (
    SERIES,
    Caption,
    colours,
    fit_legend,
    line_width,
    new_figure,
    size_scale,
    stacked_axes,
)
from hepcs.results import Doped
from hepcs.studies.comparison import SignificanceImprovement
from hepcs.studies.crossing import Crossing
from hepcs.studies.sensitivity import Curve

CAPTION = Caption(
    "Sensitivity",
    "Median significance over doped pseudo-experiments, with quartiles, against the number of injected "
    "signal events. Look for where each search crosses 3; arrows and open markers are lower bounds, set by "
    "the number of background-only pseudo-experiments; equal ones are drawn a little below each other.",
)

# Points between equal bounds of two curves.
_SHIFT = 5.0
# Exact points of each curve; triangles are kept for bounds.
_MARKERS = ("o", "s", "D", "P", "X", "p")
#: So many curves can be told apart.
MOST_CURVES = len(SERIES)
_BOUNDS = {None: 0, "lower": 1, "upper": -1, "undetermined": 0}
EPSILON = r"Injected signal events $\epsilon$"
_EVIDENCE = 3.0
# The intervals of N_3sigma lie above each other, so far apart in Z.
_STEP = 0.12


@dataclass(frozen=True)
class SensitivityCurve:
    """Quantiles of Z over doped pseudo-experiments, for m numbers of injected events in rising order.

    Attributes
    ----------
    title
        Name of the search, for people.
    epsilon
        Injected events, shape (m,).
    z
        Lower quartile, median and upper quartile of Z, shape (3, m); NaN where nothing is known.
    bound
        What each of them is, shape (3, m): 0 exact, 1 a lower bound, -1 an upper bound.
    crossing
        Where the median reaches Z = 3, for the legend; None to leave it out.
    band
        Whether the band between the quartiles is drawn.
    """

    title: str
    epsilon: NDArray[np.int64]
    z: NDArray[np.float64]
    bound: NDArray[np.int64]
    crossing: Crossing | None = None
    band: bool = True


@dataclass(frozen=True)
class Improvement:
    """Significance improvement SI of one search over another, for m numbers of injected events in rising order.

    Attributes
    ----------
    title, baseline
        Names of the two; the first one is that of a curve in the same figure.
    epsilon
        Injected events, shape (m,).
    ratio, low, high
        Median Z over median Z of the baseline, and its interval, shape (m,); NaN where there is none.
    bound
        Shape (m,): 0 exact, 1 a lower bound (Z is one), -1 an upper bound (that of the baseline is one).
    """

    title: str
    baseline: str
    epsilon: NDArray[np.int64]
    ratio: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    bound: NDArray[np.int64]


def doped_curve(title: str, doped: Sequence[Doped]) -> SensitivityCurve:
    """The curve of a search, from its doped pseudo-experiments with one signal.

    Raises
    ------
    ArgumentError
        If there are none, or they are of several signals.
    """
    if len({entry.injection.signal for entry in doped}) != 1:
        raise ArgumentError(f"{title}: a curve needs doped pseudo-experiments of one signal")
    doped = sorted(doped, key=lambda entry: entry.injection.epsilon)
    quantiles = [(entry.z.lower_quartile, entry.z.median, entry.z.upper_quartile) for entry in doped]
    epsilon = np.array([entry.injection.epsilon for entry in doped])
    return SensitivityCurve(title, epsilon, *_values_and_bounds(quantiles))


def study_curve(curve: Curve, title: str, *, band: bool = True) -> SensitivityCurve:
    """The curve of one search of a sensitivity study, with where it reaches Z = 3."""
    quantiles = list(zip(curve.lower_quartile, curve.median, curve.upper_quartile, strict=True))
    return SensitivityCurve(title, curve.epsilon, *_values_and_bounds(quantiles), curve.crossing, band)


def study_improvement(
    improvements: Sequence[SignificanceImprovement], title: str, baseline: str
) -> Improvement:
    """SI of a sensitivity study, for the panel below the curves."""

    def column(name: str) -> NDArray[np.float64]:
        found = [getattr(entry, name) for entry in improvements]
        return np.array([np.nan if value is None else value for value in found], dtype=np.float64)

    return Improvement(
        title=title,
        baseline=baseline,
        epsilon=np.array([entry.epsilon for entry in improvements]),
        ratio=column("value"),
        low=column("low"),
        high=column("high"),
        bound=np.array([_BOUNDS[entry.bound] for entry in improvements]),
    )


def _values_and_bounds(
    quantiles: Sequence[tuple[Quantile, ...]],
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    values = [[np.nan if one.bound == "undetermined" else one.z for one in column] for column in quantiles]
    return np.array(values).T, np.array([[_BOUNDS[one.bound] for one in column] for column in quantiles]).T


def sensitivity_curves(
    curves: Sequence[SensitivityCurve],
    improvements: Sequence[Improvement] = (),
    *,
    title: str = "",
    signal_to_background: float | None = None,
) -> Figure:
    """Median and quartiles of Z against epsilon for several searches, and SI below (paper, Figs. 5 and 11).

    Lines are medians, bands reach from the lower to the upper quartile. What is only a bound, for want of
    background-only pseudo-experiments, is dotted and has triangles that point to where the value lies.

    Parameters
    ----------
    curves
        At least one.
    improvements
        For the panel below; without any there is none. Each has the colour of the curve with its title.
    title
        Heading of the legend.
    signal_to_background
        S/B in the evaluation region for one injected event, for a second axis; none if None.

    Raises
    ------
    ArgumentError
        If there is no curve.
    """
    if not curves:
        raise ArgumentError("a sensitivity figure needs at least one curve")
    panel: Axes | None = None
    if improvements:
        figure, (axes, panel) = stacked_axes((3, 1.1), height=7.0)
    else:
        figure = new_figure(6.4, 5.4)
        axes = figure.subplots()
    palette = dict(zip((curve.title for curve in curves), colours(len(curves)), strict=True))
    marks = {curve.title: _MARKERS[index % len(_MARKERS)] for index, curve in enumerate(curves)}
    shifts = _apart(curves)
    for row, curve in enumerate(curves):
        if curve.band:
            _draw_band(axes, curve, palette[curve.title])
        _draw_points(
            axes, curve.epsilon, curve.z[1], curve.bound[1], palette[curve.title], marks[curve.title],
            curve.title + _crossing_text(curve.crossing), shifts[row],
        )  # fmt: skip
        if curve.crossing is not None:
            _draw_crossing(axes, curve.crossing, palette[curve.title], _STEP * row)
    _explain(axes, np.concatenate([curve.bound.ravel() for curve in curves]))
    largest = max(int(curve.epsilon.max()) for curve in curves)
    axes.set_xlim(0, 1.05 * largest)
    axes.set_ylim(bottom=min(0.0, 1.1 * min(float(np.nanmin(curve.z)) for curve in curves)))
    axes.axhline(_EVIDENCE, color="black", linewidth=line_width(0.5), linestyle="--", zorder=1)
    axes.set_ylabel("Global significance $Z$")
    edges, tops = _tops(curves, 1.05 * largest)
    fit_legend(axes, edges, tops, side="left", title=title or None, fontsize=9 * size_scale())
    if panel is not None:
        _draw_improvements(panel, improvements, palette, marks)
    (panel or axes).set_xlabel(EPSILON)
    if signal_to_background is not None:
        _second_axis(axes, 100 * signal_to_background)
    return figure


def _draw_crossing(axes: Axes, crossing: Crossing, colour: str, foot: float) -> None:
    """A thin line down from Z = 3 to Z = `foot`, where it stands on the interval of N_3sigma."""
    if crossing.epsilon is None:
        return
    axes.plot(
        [crossing.epsilon] * 2, [foot, _EVIDENCE], color=colour, linewidth=line_width(0.5), zorder=1
    )  # fmt: skip
    if crossing.low is not None and crossing.high is not None:
        axes.plot(
            [crossing.low, crossing.high], [foot, foot], color=colour, linewidth=line_width(2.5), zorder=4
        )


def _draw_band(axes: Axes, curve: SensitivityCurve, colour: str) -> None:
    """From the lower to the upper quartile; dotted edges where a quartile is a bound."""
    axes.fill_between(curve.epsilon, curve.z[0], curve.z[2], color=colour, alpha=0.15, linewidth=0)
    for z, bound in ((curve.z[0], curve.bound[0]), (curve.z[2], curve.bound[2])):
        dotted = np.where(_touched(bound != 0), z, np.nan)
        axes.plot(curve.epsilon, dotted, color=colour, linestyle=":", linewidth=line_width(0.6))


def _draw_points(
    axes: Axes,
    epsilon: NDArray[np.int64],
    values: NDArray[np.float64],
    bound: NDArray[np.int64],
    colour: str,
    marker: str,
    label: str,
    shift: float = 0.0,
) -> None:
    """A solid line through exact points, a dotted one to and between bounds, and triangles at the bounds.

    What belongs to bounds is drawn `shift` points lower, so that equal ones of several curves can be seen.
    """
    lower = offset_copy(axes.transData, fig=axes.get_figure(root=True), y=-shift, units="points")
    exact = np.where(bound == 0, values, np.nan)
    axes.plot(epsilon, exact, color=colour, marker=marker, label=label, zorder=3)
    dotted = np.where(_touched(bound != 0), values, np.nan)
    axes.plot(epsilon, dotted, color=colour, linestyle=":", zorder=3, transform=lower)
    for sign, triangle in ((1, "^"), (-1, "v")):
        some = bound == sign
        if some.any():
            axes.plot(
                epsilon[some], values[some], color=colour, marker=triangle, linestyle="", zorder=4,
                markerfacecolor="white", transform=lower,
            )  # fmt: skip


def _apart(curves: Sequence[SensitivityCurve]) -> list[float]:
    """How many points lower the bounds of each curve are drawn: those that equal another's would hide it."""
    taken: list[set[tuple[int, float]]] = []
    shifts = []
    for curve in curves:
        bounds = curve.bound[1] != 0
        mine = set(zip(curve.epsilon[bounds].tolist(), curve.z[1][bounds].round(2).tolist(), strict=True))
        free = next((row for row, others in enumerate(taken) if not mine & others), len(taken))
        if free == len(taken):
            taken.append(set())
        taken[free] |= mine
        shifts.append(_SHIFT * free * size_scale())
    return shifts


def _crossing_text(crossing: Crossing | None) -> str:
    """N_3sigma for the legend, as a bound where it is one, and nothing where the level is not reached."""
    if crossing is None or (crossing.epsilon is None and crossing.beyond is None):
        return ""
    sign = r"\leq" if crossing.bound == "upper" else "="
    number = crossing.epsilon
    if number is None:
        sign, number = ">", crossing.beyond
    return rf", $N_{{{crossing.level:g}\sigma}} {sign} {number:.0f}$"


def _touched(bound: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Bounds and their neighbours: the ends of the dotted segments."""
    touched = bound.copy()
    touched[:-1] |= bound[1:]
    touched[1:] |= bound[:-1]
    return touched


def _explain(axes: Axes, bounds: NDArray[np.int64]) -> None:
    """Legend entries for what all curves have."""
    axes.fill_between([], [], [], color="grey", alpha=0.3, linewidth=0, label="quartiles")
    for sign, triangle, name in ((1, "^", "lower"), (-1, "v", "upper")):
        if (bounds == sign).any():
            axes.plot(
                [], [], color="grey", linestyle=":", marker=triangle, markerfacecolor="white",
                label=f"{name} bounds only",
            )  # fmt: skip


def _tops(curves: Sequence[SensitivityCurve], end: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The highest thing drawn between neighbouring epsilon of any curve, and where these intervals lie."""
    edges = np.unique(np.concatenate([[0.0, end], *(curve.epsilon for curve in curves)]))
    tops = np.full(len(edges) - 1, _EVIDENCE)
    for curve in curves:
        highest = np.fmax(np.fmax(curve.z[1], curve.z[2]), curve.z[0])
        inside = (edges >= curve.epsilon.min()) & (edges <= curve.epsilon.max())
        at_edges = np.where(inside, np.interp(edges, curve.epsilon, highest), 0.0)
        tops = np.fmax(tops, np.fmax(at_edges[:-1], at_edges[1:]))
    return edges, tops


def _draw_improvements(
    panel: Axes,
    improvements: Sequence[Improvement],
    palette: dict[str, str],
    marks: dict[str, str],
) -> None:
    """The panel of SI, with a line at 1; colours and markers are those of the curves above."""
    highest = 1.0
    for entry in improvements:
        colour, marker = palette.get(entry.title, "black"), marks.get(entry.title, "o")
        known = np.isfinite(entry.ratio)
        panel.fill_between(entry.epsilon, entry.low, entry.high, color=colour, alpha=0.15, linewidth=0)
        label = f"{entry.title} / {entry.baseline}"
        _draw_points(
            panel, entry.epsilon[known], entry.ratio[known], entry.bound[known], colour, marker, label
        )
        highest = max([highest, *entry.ratio[known], *entry.high[np.isfinite(entry.high)]])
    panel.axhline(1, color="black", linewidth=line_width(0.5), linestyle="--", zorder=1)
    panel.set_ylim(0, 1.35 * highest)
    panel.set_ylabel("SI", loc="center")
    panel.yaxis.set_major_locator(MaxNLocator(4, prune="upper"))
    baselines = " and ".join(dict.fromkeys(entry.baseline for entry in improvements))
    panel.text(
        0.03, 0.92, f"median $Z$ / that of: {baselines}; band: 68 % interval",
        transform=panel.transAxes, va="top", fontsize=9 * size_scale(),
    )  # fmt: skip


def _second_axis(axes: Axes, percent: float) -> None:
    """S/B in percent above the panel."""
    axes.tick_params(which="both", top=False)
    above = axes.secondary_xaxis(
        "top", functions=(partial(np.multiply, percent), partial(np.multiply, 1 / percent))
    )
    above.set_xlabel("$S/B$ [%]", loc="right")

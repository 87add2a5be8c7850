"""Upper limits on the number of signal events: CLs against epsilon, and the limits of several searches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from hepcs._core.errors import ArgumentError
from hepcs.plots.sensitivity import EPSILON
from hepcs.plots.style import BLACK, VERMILION, line_width, new_figure
from hepcs.studies.limits import Limit, UpperLimits

# The bands of an exclusion are green and yellow in every paper.
_BAND_68, _BAND_95 = "#00CC00", "#FFCC00"
# Upper end of the axis: a CLs is at most 1.
_TOP = 1.5


def exclusion(
    epsilon: ArrayLike,
    expected: ArrayLike,
    observed: ArrayLike | None = None,
    *,
    level: float = 0.05,
    floor: float = 1e-3,
    expected_limit: float | None = None,
    observed_limit: float | None = None,
    title: str = "",
) -> Figure:
    """CLs of the injected signal against its number of events, expected without signal and observed.

    Parameters
    ----------
    epsilon
        Injected events, shape (m,), rising.
    expected
        CLs expected without signal, shape (5, m): quantiles at -2, -1, 0, 1 and 2 standard deviations.
    observed
        CLs of the data, shape (m,); None to draw only what is expected.
    level
        CLs at and below which a signal is excluded.
    floor
        Least CLs that is drawn: what pseudo-experiments cannot resolve lies there, and the axis ends there.
    expected_limit, observed_limit
        Smallest epsilon that is excluded, in the median and by the data, for the legend; None where none is.
    title
        Heading of the legend.

    Raises
    ------
    ArgumentError
        For shapes that do not fit together.
    """
    x, quantiles = np.asarray(epsilon, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    seen = None if observed is None else np.asarray(observed, dtype=np.float64)
    if x.ndim != 1 or quantiles.shape != (5, *x.shape) or (seen is not None and seen.shape != x.shape):
        raise ArgumentError(
            f"epsilon (m,), expected (5, m) and observed (m,) do not fit together: found {x.shape}, "
            f"{quantiles.shape} and {None if seen is None else seen.shape}"
        )
    figure = new_figure(6.4, 4.8)
    axes = figure.subplots()
    _draw_quantiles(axes, x, np.maximum(quantiles, floor), expected_limit)
    if seen is not None:
        label = "observed" + _limit_text(observed_limit)
        axes.plot(x, np.maximum(seen, floor), color=BLACK, marker="o", label=label)
    thin = line_width(0.8)
    axes.axhline(level, color=VERMILION, linewidth=thin, label=rf"CL$_\mathrm{{s}}$ = {level:g}")
    for limit, style in ((expected_limit, "--"), (observed_limit, "-")):
        if limit is not None:
            axes.plot([limit, limit], [floor, level], color=VERMILION, linestyle=style, linewidth=thin)
    axes.set_yscale("log")
    axes.set_xlim(float(x.min()), float(x.max()))
    axes.set_ylim(floor, _TOP)
    axes.set_xlabel(EPSILON)
    axes.set_ylabel(r"CL$_\mathrm{s}$")
    _legend_above(axes, title)
    return figure


def _draw_quantiles(
    axes: Axes, x: NDArray[np.float64], quantiles: NDArray[np.float64], limit: float | None
) -> None:
    """What is expected without signal: the median, and bands of one and two standard deviations."""
    axes.fill_between(x, quantiles[0], quantiles[4], color=_BAND_95, linewidth=0, label="expected, 95 %")
    axes.fill_between(x, quantiles[1], quantiles[3], color=_BAND_68, linewidth=0, label="expected, 68 %")
    label = "expected, median" + _limit_text(limit)
    axes.plot(x, quantiles[2], color=BLACK, linestyle="--", label=label)


def _legend_above(axes: Axes, title: str) -> None:
    """A legend above the panel, which curves and bands fill from corner to corner."""
    axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1.01), ncols=2, title=title or None, alignment="left",
        borderaxespad=0,
    )  # fmt: skip


def _limit_text(limit: float | None) -> str:
    return "" if limit is None else rf": $\epsilon$ < {limit:.0f}"


def upper_limit_bands(searches: Sequence[tuple[str, UpperLimits]], title: str = "") -> Figure:
    """Expected upper limits of several searches with their bands, and the observed ones where there are any.

    A limit beyond the list of epsilon is only a bound: a triangle at the end of the list points to where it lies.
    Where the doped pseudo-experiments are too few for the lower end of a band, it begins at the median.

    Parameters
    ----------
    searches
        Name and limits of each, from the top down; those without a median are left out.
    title
        Heading of the legend.

    Raises
    ------
    ArgumentError
        If there is no search, or the confidence levels differ.
    """
    levels = {limits.confidence for _, limits in searches}
    if len(levels) != 1:
        raise ArgumentError(f"expected limits of one confidence level, found {sorted(levels)}")
    searches = [(name, limits) for name, limits in searches if limits.expected[2].epsilon is not None]
    if not searches:
        raise ArgumentError("no search has an expected limit: there are too few doped pseudo-experiments")
    figure = new_figure(6.4, 1.8 + 0.5 * len(searches))
    axes = figure.subplots()
    for row, (_, limits) in enumerate(searches):
        _draw_limits(axes, row, limits)
    axes.set_yticks(range(len(searches)), [name for name, _ in searches])
    axes.tick_params(axis="y", which="both", left=False, right=False)
    axes.set_ylim(len(searches) - 0.4, -0.6)
    axes.set_xlim(0, 1.06 * max(int(limits.epsilon.max()) for _, limits in searches))
    axes.set_xlabel(
        rf"Upper limit on {EPSILON[0].lower()}{EPSILON[1:]}, {100 * levels.pop():g} % CL$_\mathrm{{s}}$"
    )
    if any(limit.epsilon is None for _, limits in searches for limit in limits.expected):
        note = "bands begin at the median where lower ends are not resolved"
        title = f"{title}\n{note}" if title else note
    _legend_above(axes, title)
    return figure


def _draw_limits(axes: Axes, row: int, limits: UpperLimits) -> None:
    """The limits of one search; the first row names what is what for the legend."""

    def named(label: str) -> str | None:
        return None if row else label

    median = float(limits.expected[2].epsilon or 0)
    ends = [median if limit.epsilon is None else limit.epsilon for limit in limits.expected]
    for (low, high), colour, name in (
        ((ends[0], ends[4]), _BAND_95, "expected, 95 %"),
        ((ends[1], ends[3]), _BAND_68, "expected, 68 %"),
    ):
        axes.barh(row, high - low, 0.7, left=low, color=colour, label=named(name), zorder=2)
    axes.plot(
        [ends[2]] * 2, [row - 0.35, row + 0.35], color=BLACK, linestyle="--", zorder=3,
        label=named("expected, median"),
    )  # fmt: skip
    if limits.low is not None and limits.high is not None:
        axes.plot(
            [limits.low, limits.high], [row] * 2, color=BLACK, linewidth=line_width(1), zorder=4,
            label=named("interval of the median"),
        )  # fmt: skip
    for limit in limits.expected:
        _draw_bound(axes, limit, row, "white")
    if limits.observed is not None and limits.observed.epsilon is not None:
        axes.plot(
            [limits.observed.epsilon], [row], color=BLACK, marker="o", linestyle="", zorder=4,
            label=named("observed"),
        )  # fmt: skip
        _draw_bound(axes, limits.observed, row, BLACK)


def _draw_bound(axes: Axes, limit: Limit, row: int, colour: str) -> None:
    """A triangle that points to the side where a limit lies, if it is only a bound."""
    if limit.bound is not None and limit.epsilon is not None:
        marker = ">" if limit.bound == "lower" else "<"
        axes.plot(
            [limit.epsilon], [row], color=BLACK, marker=marker, linestyle="", zorder=5, markerfacecolor=colour
        )

"""All searches of a card side by side: what each found, and what it was expected to find."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hepcs._core.errors import ArgumentError
from hepcs.calibration import Calibration, ZSummary
from hepcs.plots.style import BLACK, BLUE, GREY, Caption, line_width, new_figure, size_scale

CAPTION = Caption(
    "All searches side by side",
    "The significance that each search finds in the observed data set (one panel for each, where signal events "
    "were injected), with its 68 % interval, and the median over doped pseudo-experiments, with quartiles. "
    "Triangles are bounds, set by the number of background-only pseudo-experiments. Look for searches that see "
    "the same excess, and for observed values inside of what was expected. The best of several searches is no "
    "p-value of the whole: that of all searches together counts in that there were several.",
)
#: Panels beside each other; more go into further rows.
ABREAST = 4
_TRIANGLES = {"lower": ">", "upper": "<", "undetermined": "d"}


@dataclass(frozen=True)
class Compared:
    """One search with one injection: what was observed, and what was expected; None where nothing was."""

    title: str
    observed: Calibration | None
    expected: ZSummary | None


def searches_side_by_side(panels: Mapping[str, Sequence[Compared]]) -> Figure:
    """Significances of several searches, a panel for each injection.

    Parameters
    ----------
    panels
        The searches by the name of the injection: the same ones in each, from the top down.

    Raises
    ------
    ArgumentError
        If there is nothing to draw, or the panels have different searches.
    """
    titles = {tuple(row.title for row in rows) for rows in panels.values()}
    if len(titles) != 1 or not all(titles):
        raise ArgumentError(f"expected the same searches in each of the panels, found {sorted(titles)}")
    (names,) = titles
    n_columns = min(len(panels), ABREAST)
    n_rows = -(-len(panels) // n_columns)
    # Two-line names need more room.
    spacing = 0.44 if any("\n" in name for name in names) else 0.34
    figure = new_figure(2.6 * n_columns + 1.2, (spacing * len(names) + 1.1) * n_rows)
    grid = figure.subplots(
        n_rows,
        n_columns,
        sharex=True,
        sharey=True,
        squeeze=False,
        gridspec_kw={"hspace": 0.35, "wspace": 0.08},
    )
    drawn = dict(zip(panels, grid.flat, strict=False))
    for name, axes in drawn.items():
        for position, row in enumerate(panels[name]):
            _draw_expected(axes, position, row.expected)
            _draw_observed(axes, position, row.observed)
        axes.set_title(name, loc="left", fontsize=10 * size_scale())
        axes.axvline(0, color=GREY, linewidth=line_width(0.5), zorder=1)
        axes.axvline(3, color=BLACK, linewidth=line_width(0.5), linestyle="--", zorder=1)
        axes.tick_params(axis="y", which="both", left=False, right=False)
        axes.set_xlabel("Global $Z$")
        axes.tick_params(labelbottom=True)
    first = grid[0, 0]
    first.set_yticks(range(len(names)), names)
    first.set_ylim(len(names) - 0.4, -0.6)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    _explain(grid[-1, 0])
    return figure


def _draw_observed(axes: Axes, position: int, found: Calibration | None) -> None:
    """A point with its interval; a triangle for a bound, with the end of the interval that there is."""
    if found is None:
        return
    low, high = (found.z if end is None else end for end in (found.z_low, found.z_high))
    axes.plot(
        [min(low, found.z), max(high, found.z)],
        [position] * 2,
        color=BLACK,
        linewidth=line_width(1),
        zorder=4,
    )
    axes.plot([found.z], [position], color=BLACK, marker=_TRIANGLES.get(found.bound or "", "o"), zorder=5)


def _draw_expected(axes: Axes, position: int, expected: ZSummary | None) -> None:
    """An open point at the median, on a bar between the quartiles."""
    if expected is None:
        return
    low, median, high = expected.lower_quartile, expected.median, expected.upper_quartile
    axes.barh(position, high.z - low.z, 0.6, left=low.z, color=BLUE, alpha=0.3, linewidth=0, zorder=2)
    axes.plot(
        [median.z], [position], color=BLUE, marker=_TRIANGLES.get(median.bound or "", "D"), mfc="white",
        zorder=3,
    )  # fmt: skip


def _explain(axes: Axes) -> None:
    """The legend, below all panels."""
    handles = [
        axes.plot([], [], color=BLACK, marker="o", label="observed, 68 % interval")[0],
        axes.plot([], [], color=BLUE, marker="D", mfc="white", linestyle="", label="expected median")[0],
        axes.fill_between([], [], color=BLUE, alpha=0.3, linewidth=0, label="expected quartiles"),
        axes.plot([], [], color=GREY, marker=">", linestyle="", label="lower bound")[0],
    ]
    axes.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(0, -0.12 - 0.5 / np.sqrt(axes.get_ylim()[0] + 1)),
        ncols=2, borderaxespad=0,
    )  # fmt: skip

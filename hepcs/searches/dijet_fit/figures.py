"""The m_jj spectrum with the dijet functions fitted to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError
from hepcs.background import DijetFit
from hepcs.datasets.samples import MassBins
from hepcs.plots.style import (
    BLACK,
    LINES,
    M_JJ,
    VERMILION,
    Caption,
    colours,
    draw_counts,
    drawn_curve,
    drawn_share,
    fit_legend,
    line_width,
    math_number,
    new_figure,
    per_bin,
    size_scale,
    stacked_axes,
)
from hepcs.results import RunResult, SearchResult
from hepcs.results.wording import data_set, data_set_name, legend_text
from hepcs.searches.dijet_fit.search import FitScan
from hepcs.searches.kinds import Drawing

FITS = Caption(
    "Spectrum of all events with the dijet fits",
    "Events in bins of m_jj and the smooth functions fitted to them, with pulls below. Look for neighbouring "
    "positive pulls at the mass of the excess. A trend of the pulls over the whole range means that the "
    "function does not describe the background, and its p-value says the same.",
)
MASSES = Caption(
    "Local significance by mass",
    "Local significance of a signal of the template's shape, fitted together with the background, at each "
    "mass. The largest one is the statistic. Look for a peak as wide as the template, and how far it stands "
    "above the others.",
)
# The panels of pulls reach at least so far.
_LEAST_REACH = 3.5


def figures(result: RunResult, searches: Sequence[SearchResult]) -> Iterator[Drawing]:
    """For each observed data set all fits to it in one figure, and the mass scan of each template."""
    for injection in result.observed_injections:
        subject, title = data_set(result, injection), legend_text(result, injection)
        observations = [
            (search, observed.observation)
            for search in searches
            for observed in search.observed
            if observed.injection == injection
        ]
        scans = [
            (search.title, one.result) for search, one in observations if isinstance(one.result, FitScan)
        ]
        if scans:
            fits = [(name, scan.fit) for name, scan in scans]
            figure = fitted_spectrum(scans[0][1].observed, fits, result.bins, title)
            name = f"fitted_spectrum_{data_set_name(result, injection)}"
            yield Drawing(name, figure, f"{FITS.heading}, {subject}", FITS.text)
        for search, one in observations:
            if "masses" in one.summary:
                figure = mass_scan(one.summary, f"{search.title}\n{title}")
                name = f"{search.name}_mass_scan_{data_set_name(result, injection)}"
                yield Drawing(name, figure, f"{MASSES.heading}, {search.title}, {subject}", MASSES.text)


def mass_scan(summary: Mapping[str, Any], title: str = "") -> Figure:
    """Local Z against the mass of the signal, the best one marked; `summary` is that of the observation."""
    figure = new_figure(6.4, 4.4)
    axes = figure.subplots()
    masses, z = (np.array(summary[key], dtype=np.float64) for key in ("masses", "local_z"))
    strength, error = (np.array(summary[key], dtype=np.float64) for key in ("strength", "strength_error"))
    axes.plot(masses, z, color=BLACK, marker="o")
    label = rf"{summary['mass']:g} GeV: {strength:.0f} $\pm$ {error:.0f} events"
    axes.axvline(summary["mass"], color=VERMILION, linestyle="--", label=label)
    half = (masses[-1] - masses[0]) / max(2 * (masses.size - 1), 1) or 1.0
    axes.set_xlim(masses[0] - half, masses[-1] + half)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("Mass of the signal [GeV]")
    axes.set_ylabel("Local $Z$")
    edges = np.append(masses - half, masses[-1] + half)
    fit_legend(axes, edges, np.fmax(np.nan_to_num(z), 1.0), title=title or None)
    return figure


def fitted_spectrum(
    observed: NDArray[np.float64], fits: Sequence[tuple[str, DijetFit]], bins: MassBins, title: str = ""
) -> Figure:
    """A spectrum with its fits, and a panel of pulls (S - B) / sqrt(B) for each of them.

    Parameters
    ----------
    observed
        Events in each bin, shape (b,), drawn with Poisson errors.
    fits
        Name and fit, at least one; of one that did not converge only that is said.
    bins
        The b bins.
    title
        Heading of the legend.

    Raises
    ------
    ArgumentError
        If there is no fit.
    """
    if not fits:
        raise ArgumentError("a fitted spectrum needs at least one fit")
    heights = (3.2, *[1.2] * len(fits))
    figure, (axes, *panels) = stacked_axes(heights, height=4.2 + 1.1 * len(fits))
    converged = [fit for _, fit in fits if fit.converged]
    draw_counts(axes, observed, bins, colour="black", label="events")
    share = drawn_share(bins)
    largest = max((float(np.abs(pulls(observed, fit)).max()) for fit in converged), default=0.0)
    reach = max(_LEAST_REACH, 1.15 * largest)
    for (name, fit), colour, line, panel in zip(fits, colours(len(fits)), cycle(LINES), panels, strict=False):
        _draw_curve(axes, name, fit, bins, colour, line)
        _draw_pulls(panel, name, pulls(observed, fit) if fit.converged else None, bins, colour)
        # On one scale, with room for the name.
        panel.set_ylim(-reach, 1.8 * reach)
    panels[-1].set_xlabel(M_JJ)
    axes.set_xlim(bins.low, bins.high)
    axes.set_ylabel(f"Events / {per_bin(bins)}")
    axes.set_yscale("log")
    drawn = np.concatenate([observed * share, *(fit.expected * share for fit in converged)])
    smallest = float(drawn[drawn > 0].min(initial=max(float(drawn.max()), 1.0)))
    axes.set_ylim(bottom=max(0.5 * smallest, 0.1))
    # Up to the end of the error bars, and to 1 without events.
    tops = share * np.max([observed + 2 * np.sqrt(observed), *(fit.expected for fit in converged)], axis=0)
    fit_legend(axes, bins.edges, np.maximum(tops, 1.0), title=title or None)
    return figure


def pulls(observed: NDArray[np.float64], fit: DijetFit) -> NDArray[np.float64]:
    """(S - B) / sqrt(B) in each bin, shape (b,)."""
    return np.asarray((observed - fit.expected) / np.sqrt(fit.expected))


def _draw_curve(axes: Axes, name: str, fit: DijetFit, bins: MassBins, colour: str, line: Any) -> None:
    """The curve of one fit, or a line in the legend that says why there is none."""
    if not fit.converged:
        axes.plot([], [], color=colour, linestyle=line, label=f"{name}: did not converge")
        return
    masses = np.linspace(bins.low, bins.high, 400)
    quality = rf"$\chi^2$/ndof = {fit.chi2:.1f}/{fit.ndof}, $p = {math_number(fit.p_value)}$"
    axes.plot(
        masses, drawn_curve(fit.curve(masses), bins), color=colour, linestyle=line, label=f"{name}: {quality}"
    )


def _draw_pulls(
    panel: Axes, name: str, values: NDArray[np.float64] | None, bins: MassBins, colour: str
) -> None:
    """The panel of pulls of one fit."""
    panel.set_ylabel("Pull", loc="center")
    panel.text(0.03, 0.93, name, transform=panel.transAxes, va="top", fontsize=10 * size_scale())
    if values is None:
        panel.text(0.5, 0.4, "did not converge", transform=panel.transAxes, ha="center", va="center")
        return
    panel.stairs(values, bins.edges, fill=True, color=colour, alpha=0.8)
    for level in (-2, 0, 2):
        panel.axhline(level, color="black", linewidth=line_width(0.4), linestyle="-" if level == 0 else ":")

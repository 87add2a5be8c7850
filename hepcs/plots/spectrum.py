"""The m_jj spectrum with the dijet functions fitted to it."""

from __future__ import annotations

from collections.abc import Sequence

import mplhep
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hepcs.background import DijetFit
from hepcs.errors import ArgumentError
from hepcs.plots.style import LINES, M_JJ, colours, fit_legend, math_number, per_bin, stacked_axes
from hepcs.samples import MassBins

# The panels of pulls reach at least so far.
_LEAST_REACH = 3.5


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
    heights = (3.2, *[1.0] * len(fits))
    figure, (axes, *panels) = stacked_axes(heights, height=4.2 + 0.9 * len(fits))
    converged = [fit for _, fit in fits if fit.converged]
    largest = max((float(np.abs(pulls(observed, fit)).max()) for fit in converged), default=0.0)
    reach = max(_LEAST_REACH, 1.15 * largest)
    masses = np.linspace(bins.low, bins.high, 400)
    mplhep.histplot(
        observed, bins=bins.edges, histtype="errorbar", yerr=True, w2method="poisson", color="black",
        label="events", ax=axes,
    )  # fmt: skip
    for (name, fit), colour, line, panel in zip(fits, colours(len(fits)), LINES, panels, strict=False):
        if fit.converged:
            quality = rf"$\chi^2$/ndof = {fit.chi2:.1f}/{fit.ndof}, $p = {math_number(fit.p_value)}$"
            axes.plot(masses, fit.curve(masses), color=colour, linestyle=line, label=f"{name}: {quality}")
            _draw_pulls(panel, pulls(observed, fit), bins, colour, reach)
        else:
            axes.plot([], [], color=colour, linestyle=line, label=f"{name}: did not converge")
        panel.set_ylabel("Pull", loc="center")
        panel.set_title(name, loc="left", y=1.0, pad=-4, va="top", x=0.01, fontsize="small")
    axes.set_xlim(bins.low, bins.high)
    axes.set_yscale("log")
    smallest = min(
        float(values[values > 0].min(initial=1e9)) for values in (observed, *(f.expected for f in converged))
    )
    axes.set_ylim(bottom=max(0.5 * smallest, 0.1))
    axes.set_ylabel(f"Events / {per_bin(bins)}")
    panels[-1].set_xlabel(M_JJ)
    tops = np.max([observed + 2 * np.sqrt(observed), *(fit.expected for fit in converged)], axis=0)
    fit_legend(axes, bins.edges, tops, title=title or None)
    return figure


def pulls(observed: NDArray[np.float64], fit: DijetFit) -> NDArray[np.float64]:
    """(S - B) / sqrt(B) in each bin, shape (b,)."""
    return np.asarray((observed - fit.expected) / np.sqrt(fit.expected))


def _draw_pulls(panel: Axes, values: NDArray[np.float64], bins: MassBins, colour: str, reach: float) -> None:
    """Pulls of one fit, on the symmetric scale that all panels share."""
    panel.stairs(values, bins.edges, fill=True, color=colour, alpha=0.8)
    for level in (-2, 0, 2):
        panel.axhline(level, color="black", linewidth=0.6, linestyle="-" if level == 0 else ":")
    panel.set_ylim(-reach, reach)

"""Figures of a search by score and cut: its spectrum, the local Z of all windows, and whether the cut is sound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from hepcs.plots.spectrum import mass_spectrum
from hepcs.plots.style import (
    BLACK,
    BLUE,
    GREY,
    M_JJ,
    VERMILION,
    colours,
    legend_below,
    line_width,
    new_figure,
)
from hepcs.results import RunResult, SearchResult
from hepcs.results.wording import data_set, data_set_name, legend_text
from hepcs.searches.cut_and_fit.report import BiasOfCut, bias_of
from hepcs.searches.kinds import Drawing

_SPECTRUM = (
    "The m_jj spectrum of the events that the best cut keeps, and the dijet function fitted to it outside of "
    "the most significant window (shaded). Look for an excess that fills the window, and for a fit that "
    "describes both sides. The local Z in the window counts the error of the estimate; what it is worth, the "
    "calibration says, since many windows and cuts were looked at."
)
_WINDOWS = (
    "Local significance of each window, by cut. The largest of all is the statistic. Look for neighbouring "
    "windows and cuts that agree; a single one that stands out is more likely a fluctuation."
)
_SOUNDNESS = (
    "Background-only pseudo-experiments: above, the mean of (S - B) / B over windows (delta_sys) with its error, "
    "beside the relative statistical error of B (shaded); below, how far the spectrum after the cut has another "
    "shape than that before it, outside of the windows (Jensen-Shannon divergence, mean and spread). Look for "
    "points outside of the shaded band: there the cut shapes the spectrum so that the fit predicts wrongly."
)


def figures(result: RunResult, searches: Sequence[SearchResult]) -> Iterator[Drawing]:
    """For each search: of each observed data set spectrum and windows; of the null, bias and sculpting."""
    for search in searches:
        for observed in search.observed:
            spectrum, label = observed.observation.spectrum, data_set_name(result, observed.injection)
            if spectrum is None:
                continue
            subject = data_set(result, observed.injection)
            title = f"{search.title}\n{legend_text(result, observed.injection)}"
            yield Drawing(
                f"{search.name}_spectrum_{label}",
                mass_spectrum(spectrum, result.bins, f"{title}\n{spectrum.what}"),
                f"{search.title}: spectrum after the best cut, {subject}",
                _SPECTRUM,
            )
            yield Drawing(
                f"{search.name}_windows_{label}",
                local_significances(observed.observation.summary, title),
                f"{search.title}: local significance of all windows, {subject}",
                _WINDOWS,
            )
        yield Drawing(
            f"{search.name}_bias",
            soundness(bias_of(search.outcomes), search.title),
            f"{search.title}: bias and sculpting without signal",
            _SOUNDNESS,
        )


def local_significances(summary: Any, title: str = "") -> Figure:
    """Local Z against the centre of the window, a line for each cut; `summary` is that of the observation."""
    figure = new_figure(6.4, 4.4)
    axes = figure.subplots()
    windows = np.array(summary["windows"], dtype=np.float64)
    z = np.array(summary["local_z"], dtype=np.float64)
    centres, efficiencies = windows.mean(axis=1), summary["efficiencies"]
    labels = summary.get("labels") or [f"{100 * efficiency:g} % kept" for efficiency in efficiencies]
    for column, label, colour in zip(z.T, labels, colours(len(labels)), strict=True):
        axes.plot(centres, column, marker="o", color=colour, label=label)
    axes.axhline(0, color=BLACK, linewidth=line_width(0.5))
    axes.set_xlabel(f"Centre of the window, {M_JJ}")
    axes.set_ylabel("Local $Z$")
    legend_below(axes, columns=3, title=title or None)
    return figure


def soundness(biases: Sequence[BiasOfCut], title: str = "") -> Figure:
    """Bias of the estimate and sculpting by the share that a cut keeps."""
    figure = new_figure(6.4, 5.2)
    axes, panel = figure.subplots(2, 1, sharex=True, gridspec_kw={"hspace": 0.08})
    x = np.array([bias.efficiency for bias in biases])
    delta, error, statistical = (
        np.array([getattr(bias, name) for bias in biases]) for name in ("delta", "error", "statistical")
    )
    edges = (x / 1.4, x * 1.4)
    for left, right, height in zip(*edges, statistical, strict=True):
        axes.fill_between([left, right], -height, height, color=GREY, alpha=0.3, linewidth=0)
    axes.fill_between([], [], color=GREY, alpha=0.3, label="statistical error of $B$")
    axes.errorbar(x, delta, error, fmt="o", color=VERMILION, label=r"$\delta_{sys}$: mean of $(S-B)/B$")
    axes.axhline(0, color=BLACK, linewidth=line_width(0.5))
    axes.set_ylabel("Relative bias")
    axes.set_title(title)
    axes.legend()
    panel.errorbar(
        x, [bias.jsd for bias in biases], [bias.jsd_spread for bias in biases], fmt="s", color=BLUE
    )
    panel.set_ylabel("JSD [bit]")
    panel.set_ylim(bottom=0)
    panel.set_xscale("log")
    panel.set_xlim(x.min() / 2, x.max() * 2)
    panel.set_xlabel("Share of events that the cut keeps")
    figure.align_ylabels([axes, panel])
    return figure

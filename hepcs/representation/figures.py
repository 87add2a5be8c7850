"""Figures of a representation: its training, and how well the scores tell signals from background."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hepcs.plots.style import GREY, LINES, SERIES, new_figure, style_context
from hepcs.representation.performance import EFFICIENCIES
from hepcs.representation.storing import TrainedRepresentation


def draw_training(trained: TrainedRepresentation) -> Figure:
    """Losses of each epoch, of the training and of held-out events."""
    curves = {
        "representation": trained.representation.losses,
        "reconstruction": trained.reconstruction.losses,
    }
    with style_context("plain"):
        figure = new_figure(9, 4)
        for axes, (name, losses) in zip(figure.subplots(1, 2), curves.items(), strict=True):
            for column, label in enumerate(("training", "held out")):
                epochs = np.arange(1, len(losses) + 1)
                axes.plot(epochs, losses[:, column], LINES[column], color=SERIES[column], label=label)
            axes.set_xlabel("Epoch")
            axes.set_ylabel(f"Loss of the {name}")
            if len(losses):
                axes.legend()
            else:
                axes.text(0.5, 0.5, "not trained: raw objects", ha="center", transform=axes.transAxes)
    return figure


def draw_improvements(
    curves: Mapping[str, Mapping[str, Sequence[NDArray[np.float64]]]], titles: Mapping[str, str]
) -> Figure:
    """Significance improvement against signal efficiency: for each signal, curves of each representation.

    Parameters
    ----------
    curves
        By signal and representation, the curves (100,) of several trainings: their mean and spread are drawn.
    titles
        Of signals and representations.
    """
    with style_context("plain"):
        figure = new_figure(10, 8)
        spacing = {"hspace": 0.35, "wspace": 0.2}
        grid = figure.subplots(2, -(-len(curves) // 2), squeeze=False, gridspec_kw=spacing)
        panels = grid.ravel()
        for axes, (signal, of_signal) in zip(panels, curves.items(), strict=False):
            for i, (name, several) in enumerate(of_signal.items()):
                table = np.stack(several)
                known = np.isfinite(table).all(axis=0)
                mean, spread = table[:, known].mean(axis=0), table[:, known].std(axis=0)
                x = EFFICIENCIES[known]
                axes.plot(x, mean, LINES[i], color=SERIES[i], label=titles.get(name, name))
                axes.fill_between(x, mean - spread, mean + spread, color=SERIES[i], alpha=0.2, linewidth=0)
            axes.plot(EFFICIENCIES, np.sqrt(EFFICIENCIES), color=GREY, linewidth=1)
            axes.set_yscale("log")
            axes.set_ylim(bottom=0.3)
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_formatter("")
            axes.set_title(titles.get(signal, signal))
        for axes in grid[-1]:
            axes.set_xlabel(r"Signal efficiency $\epsilon_S$")
        for axes in grid[:, 0]:
            axes.set_ylabel(r"$\epsilon_S / \sqrt{\epsilon_B}$")
        panels[0].legend(loc="upper right")
        for axes in panels[len(curves) :]:
            axes.set_visible(False)
    return figure


def draw_comparison(
    values: Mapping[str, Mapping[str, tuple[float, float]]],
    titles: Mapping[str, str],
    ylabel: str,
    *,
    log: bool = False,
) -> Figure:
    """A number with its spread, by signal and by what was varied."""
    with style_context("plain"):
        figure = new_figure(9, 5)
        axes = figure.subplots()
        names = list(dict.fromkeys(name for of_signal in values.values() for name in of_signal))
        for i, (signal, of_signal) in enumerate(values.items()):
            x = np.arange(len(names)) + 0.12 * (i - (len(values) - 1) / 2)
            mean, spread = np.array([of_signal.get(name, (np.nan, np.nan)) for name in names]).T
            axes.errorbar(
                x,
                mean,
                spread,
                fmt="osDPX"[i % 5],
                color=SERIES[i],
                capsize=3,
                label=titles.get(signal, signal),
            )
        axes.set_xticks(range(len(names)), [titles.get(name, name) for name in names])
        axes.minorticks_off()
        axes.set_ylabel(ylabel)
        if log:
            axes.set_yscale("log")
        axes.legend(ncols=2)
    return figure

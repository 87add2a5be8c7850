"""Figures of the comparison of searches."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from comparison_rows import bound_of, cell, over_bound, realistic, rows_of
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

Content = Mapping[str, Any]
_COLOURS = plt.get_cmap("tab20").colors  # type: ignore[attr-defined]
FIGURES = ("n3sigma", "curves", "cost", "null")


def write_figures(folder: Path, content: Content) -> None:
    """Draw all into a folder, as PNG."""
    folder.mkdir(exist_ok=True)
    for name, draw in zip(FIGURES, (heat_map, curves, cost, null), strict=True):
        figure = draw(content)
        figure.savefig(folder / f"comparison_{name}.png", dpi=110)
        plt.close(figure)


def heat_map(content: Content) -> Figure:
    """N_3sigma of every search and combination by signal; the colour says how far above the least of any it is."""
    rows = rows_of(content)
    signals = list(content["signals"])
    ratios = np.array(
        [[over_bound(content, one, signal) or np.nan for signal in signals] for one in rows.values()]
    )
    figure, axes = plt.subplots(
        figsize=(3.4 + 1.05 * len(signals), 1.6 + 0.4 * len(rows)), layout="constrained"
    )
    axes.set_facecolor("0.88")
    known = ratios[np.isfinite(ratios)]
    if known.size:
        most = max(2.0, float(known.max()))
        norm = LogNorm(1, most)
        image = axes.imshow(
            np.ma.masked_invalid(ratios), norm=norm, cmap="viridis_r", aspect="auto", interpolation="none"
        )
        bar = figure.colorbar(image, label=r"$N_{3\sigma}$ over the least of any search, truth known or not")
        ticks = [one for one in (1, 1.5, 2, 3, 5, 8, 12, 20) if one <= most]
        bar.set_ticks(ticks, labels=[f"{one:g}" for one in ticks])
        bar.ax.minorticks_off()
    for row, entry in enumerate(rows.values()):
        for column, signal in enumerate(signals):
            light = known.size and np.isfinite(ratios[row, column]) and norm(ratios[row, column]) > 0.55
            one = entry["n3sigma"].get(signal)
            by_counting = one is None or one["value"] is None or one["reading"] == "counted"
            text = cell(one) + ("" if by_counting else " ~")
            axes.text(
                column, row, text, ha="center", va="center", color="white" if light else "0.1", fontsize=9
            )
    axes.set_xticks(range(len(signals)), [one.replace("_", " ") for one in signals], rotation=30, ha="right")
    axes.set_yticks(range(len(rows)), [one["title"] for one in rows.values()])
    axes.tick_params(length=0, which="both", top=False, right=False)
    axes.set_title(r"signal events for a median $Z$ of 3", fontsize=11)
    return figure


def curves(content: Content) -> Figure:
    """Median Z against the number of signal events, a panel for each signal."""
    signals = list(content["signals"])
    names = [*realistic(content)]
    n_columns = 4
    n_rows = -(-len(signals) // n_columns)
    figure, panels = plt.subplots(
        n_rows,
        n_columns,
        figsize=(3.4 * n_columns, 2.9 * n_rows + 0.9),
        sharey=True,
        layout="constrained",
        squeeze=False,
    )
    for panel in panels.flat[len(signals) :]:
        panel.axis("off")
    for signal, panel in zip(signals, panels.flat, strict=False):
        panel.axhline(3, color="0.6", linewidth=0.8)
        for i, name in enumerate(names):
            entry = content["searches"][name]
            # What stays below would hide the others.
            seen = any((z or 0) >= 2 for z, _ in entry["curves"].get(signal, {"median": ()})["median"])
            _curve(panel, entry, signal, _COLOURS[i % len(_COLOURS)], alpha=1.0 if seen else 0.3)
        if (bound := bound_of(content, signal)) is not None:
            _curve(panel, content["searches"][bound], signal, "black", linestyle="--", title="best of any")
        panel.set_title(signal.replace("_", " "), fontsize=10)
        panel.set_xscale("log")
        panel.set_ylim(-0.6, 5.2)
    for panel in panels[-1]:
        panel.set_xlabel("signal events")
    for panel in panels[:, 0]:
        panel.set_ylabel(r"median $Z$")
    handles = {
        content["searches"][name]["title"]: Line2D([], [], color=_COLOURS[i % len(_COLOURS)])
        for i, name in enumerate(names)
    }
    handles["best of any"] = Line2D([], [], color="black", linestyle="--")
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=5, fontsize=8)
    return figure


def _curve(panel: Axes, entry: Content, signal: str, colour: Any, title: str = "", **style: Any) -> None:
    found = entry["curves"].get(signal)
    if found is None:
        return
    z = np.array([np.nan if value is None else value for value, _ in found["median"]])
    style = {"linestyle": "-" if found["reading"] == "counted" else ":"} | style
    panel.plot(found["epsilon"], z, color=colour, label=title or entry["title"], linewidth=1.4, **style)
    at_bound = np.array([bound is not None for _, bound in found["median"]])
    panel.plot(np.array(found["epsilon"])[at_bound], z[at_bound], "^", color=colour, markersize=4)


def cost(content: Content) -> Figure:
    """Seconds of a data set, and how far above the best of any a search is: geometric mean over signals."""
    figure, axes = plt.subplots(figsize=(8.4, 4.4), layout="constrained")
    for i, entry in enumerate(realistic(content).values()):
        ratios = [over_bound(content, entry, signal, beyond=True) for signal in content["signals"]]
        known = [one for one in ratios if one is not None]
        if not known or not entry["seconds"]:
            continue
        mean = float(np.exp(np.mean(np.log(known))))
        is_least = any(entry["n3sigma"][signal]["value"] is None for signal in content["signals"])
        colour = _COLOURS[i % len(_COLOURS)]
        axes.plot(
            entry["seconds"], mean, "^" if is_least else "o", color=colour, markersize=8, label=entry["title"]
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:g}")
    axes.set_xlabel("seconds of one core for a data set")
    axes.set_ylabel(r"$N_{3\sigma}$ over the best of any, mean of all signals")
    axes.set_title("triangles: some signals are not reached, so the mean is at least so large", fontsize=9)
    axes.margins(0.1, 0.12)
    if axes.get_legend_handles_labels()[0]:
        figure.legend(loc="outside right upper", fontsize=8)
    return figure


def null(content: Content) -> Figure:
    """Without signal: bias of the estimate by cut, and how often the local p-value of the best window is small."""
    cuts = {name: one for name, one in realistic(content).items() if one["delta_sys"] or one["local_p_size"]}
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(11, 1.5 + 0.33 * len(cuts)), sharey=True, layout="constrained"
    )
    markers = "os^Dv"
    efficiencies = sorted({cut for one in cuts.values() for cut in one["delta_sys"]}, key=float, reverse=True)
    for row, entry in enumerate(cuts.values()):
        for i, cut in enumerate(efficiencies):
            if (found := entry["delta_sys"].get(cut)) is not None:
                left.errorbar(
                    100 * found["value"], row + 0.15 * (i - 1), xerr=100 * found["error"],
                    fmt=markers[i % len(markers)], color=f"C{i}", markersize=4,
                )  # fmt: skip
                left.plot(
                    [-100 * found["statistical"], 100 * found["statistical"]], [row + 0.15 * (i - 1)] * 2,
                    color=f"C{i}", alpha=0.25, linewidth=5, solid_capstyle="butt",
                )  # fmt: skip
        for i, (alpha, found) in enumerate((entry["local_p_size"] or {}).items()):
            low, high = found["value"] - found["low"], found["high"] - found["value"]
            right.errorbar(
                found["value"], row, xerr=[[low], [high]], fmt="o", color=f"C{i}", markersize=4,
                label=f"local $p$ ≤ {alpha}" if row == 0 else None,
            )  # fmt: skip
    for i, alpha in enumerate((0.05, 0.01)):
        right.axvline(alpha, color=f"C{i}", linestyle=":", linewidth=1)
    for i, cut in enumerate(efficiencies):
        left.plot([], [], markers[i % len(markers)], color=f"C{i}", label=f"{100 * float(cut):g} % kept")
    left.axvline(0, color="0.6", linewidth=0.8)
    left.set_yticks(range(len(cuts)), [one["title"] for one in cuts.values()])
    left.invert_yaxis()
    left.set_xlabel(r"$\delta_\mathrm{sys}$, %; bars: statistical error of one data set")
    if efficiencies:
        left.legend(fontsize=8)
    right.set_xscale("log")
    right.set_xlabel("share of data sets without signal")
    if any(one["local_p_size"] for one in cuts.values()):
        right.legend(fontsize=8)
    return figure

"""The figure of the searches of the LHC Olympics: Z against signal events, and the improvement of scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from rivals_page import SIGNAL

Content = Mapping[str, Any]


def draw(rows: Mapping[str, Content]) -> Figure:
    """Median statistic in standard deviations of the null, and significance improvement, of each search."""
    names = list(rows)
    figure = Figure(figsize=(12, 1.2 + 0.3 * len(names)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    places = np.arange(len(names))[::-1]
    epsilons = sorted({int(epsilon) for entry in rows.values() for epsilon in entry["doped"][SIGNAL]})
    colours = colormaps["viridis"]
    for place, entry in zip(places, rows.values(), strict=True):
        null = np.array(entry["null"], dtype=np.float64)
        for epsilon, values in entry["doped"][SIGNAL].items():
            z = (np.nanmedian(np.array(values, dtype=np.float64)) - np.nanmean(null)) / np.nanstd(
                null, ddof=1
            )
            left.plot(z, place, "o", color=colours(np.log(int(epsilon) / 50) / np.log(20)), markersize=6)
        if entry["sic"]:
            error = np.std(entry["sic"], ddof=1) if len(entry["sic"]) > 1 else 0.0
            right.errorbar(np.mean(entry["sic"]), place, xerr=error, fmt="o", color="0.2")
    left.axvline(3, color="0.6", linewidth=0.8)
    left.axvline(0, color="0.8", linewidth=0.8)
    left.set_xscale("symlog", linthresh=3)
    left.set_xlabel("median statistic, SD of the null from its mean")
    for epsilon in epsilons:
        left.plot([], [], "o", color=colours(np.log(epsilon / 50) / np.log(20)), label=f"{epsilon}")
    left.set_xticks([-1, 0, 1, 3, 10, 30], ["-1", "0", "1", "3", "10", "30"])
    left.minorticks_off()
    figure.legend(title="signal events", fontsize=8, ncols=len(epsilons), loc="outside lower center")
    left.set_yticks(places, [entry["title"] for entry in rows.values()])
    right.set_xlabel(r"largest $\epsilon_S / \sqrt{\epsilon_B}$ with 250 signal events")
    right.axvline(1, color="0.8", linewidth=0.8)
    for axes in (left, right):
        axes.grid(axis="y", color="0.92")
        axes.set_axisbelow(True)
    return figure

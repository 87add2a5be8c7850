"""What the jets of the signal-rich clusters look like: their average images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize, SymLogNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from mpl_toolkits.axes_grid1 import ImageGrid  # type: ignore[import-untyped]
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError
from hepcs.plots.images import DECADES, ETA, PHI, all_jets
from hepcs.plots.style import Caption, new_figure, size_scale
from hepcs.results import Observed, RunResult
from hepcs.searches.cluster_scanning.report import unit_of

CLUSTERS = Caption(
    "Average jet images of the signal-rich clusters",
    "What the jets of each signal-rich cluster look like: the average image, before reprocessing, of all "
    "jets that the cluster holds in the scan nearest to the mean of the ensemble. Above each: its jets, "
    "largest deviation z, local significance Z of its own excess over the signal-poor clusters and, where "
    "the truth is known, how much richer in signal it is than all jets (SFI). Lower row: minus the average "
    "over all jets of the data, or of the background of a simulated sample. Look for a second prong, and for "
    "clusters that resemble each other: one kind of jet may fill several clusters.",
)
#: Clusters side by side in one figure; more go into further rows.
ABREAST = 4
# Differences below this share of the largest one are on a linear scale.
_LINEAR = 0.02


def draw_clusters(result: RunResult, observed: Observed, title: str) -> Figure | None:
    """The figure of the signal-rich clusters of the representative scan, most deviating first.

    None without any cluster, or without average images of them.

    Parameters
    ----------
    result
        The run, for the average over all jets and the size of the images.
    observed
        The observed data set, with ``average_images/cluster_...`` among its histograms.
    title
        What the data set is.
    """
    images = {
        int(named.path.rpartition("_")[2]): np.asarray(named.histogram.values(), dtype=np.float64)
        for named in observed.observation.histograms
        if "/average_images/cluster_" in named.path
    }
    rows = [
        row for row in observed.observation.summary.get("selected_clusters", ()) if row["cluster"] in images
    ]
    average = all_jets(result.samples)
    if not rows or average is None:
        return None
    names = []
    for row in rows:
        sfi = "" if row["sfi"] is None else f", SFI {row['sfi']:.1f}"
        names.append(
            f"cluster {row['cluster']}: {row[unit_of(row)]:,} {unit_of(row)}\n"
            f"$z$ = {row['largest_deviation']:.1f}, $Z$ = {row['local_significance']:.1f}{sfi}"
        )
    shown = np.stack([images[row["cluster"]] for row in rows])
    half_width = result.card.card.images.half_width
    return selected_clusters(shown, average, names, half_width, title)


def selected_clusters(
    images: NDArray[np.float64],
    average: NDArray[np.float64],
    names: Sequence[str],
    half_width: float,
    title: str = "",
) -> Figure:
    """Average images of clusters, and below each its difference from the average over all jets.

    Parameters
    ----------
    images
        Images before reprocessing, each with a sum of one, shape (n, pixels, pixels), the first axis eta'.
    average
        Average over all jets, shape (pixels, pixels).
    names
        What stands above each cluster.
    half_width
        The images cover [-half_width, half_width) in eta' and phi'.
    title
        What the data set is.

    Raises
    ------
    ArgumentError
        If there is no image.
    """
    if len(images) == 0:
        raise ArgumentError("no image of a cluster to draw")
    size = size_scale()
    n_columns = min(len(images), ABREAST)
    n_rows = -(-len(images) // n_columns)
    height = 5.2 * n_rows + 0.4
    figure = new_figure(2.1 * max(n_columns, 2) + 1.6, height)
    # Between rows there is room for the labels of one and the titles of the next.
    figure.subplots_adjust(bottom=0.6 / height, top=1 - 0.9 / height, hspace=0.34)
    differences = images - average
    reach = float(np.abs(differences).max()) or 1.0
    brightest = float(images.max())
    scales = (
        _Scale(
            "viridis", LogNorm(brightest * 10.0**-DECADES, brightest, clip=True), "Share of $p_T$ / pixel"
        ),
        _Scale(
            "RdBu_r",
            SymLogNorm(_LINEAR * reach, vmin=-reach, vmax=reach),
            "Minus average / pixel",
            _signed_decades(reach),
        ),
    )
    for row in range(n_rows):
        shown = slice(row * n_columns, (row + 1) * n_columns)
        grid = ImageGrid(
            figure, (n_rows, 1, row + 1), nrows_ncols=(2, n_columns), axes_pad=0.12 * size,
            cbar_mode="edge", cbar_location="right", cbar_pad=0.12 * size, cbar_size="6%",
        )  # fmt: skip
        for below, (of_kind, scale) in enumerate(zip((images, differences), scales, strict=True)):
            drawn = _draw_row(grid.axes_row[below], of_kind[shown], half_width, scale)
            bar = figure.colorbar(drawn, cax=grid.cbar_axes[below])
            bar.set_label(scale.label, loc="center", fontsize=10 * size)
            if scale.ticks is not None:
                bar.set_ticks(scale.ticks)
        for axes, name in zip(grid.axes_row[0], names[shown], strict=False):
            axes.set_title(name, fontsize=8 * size)
        if row == 0 and title:
            grid[0].annotate(
                title, (0, 1), xycoords="axes fraction", xytext=(0, 28 * size),
                textcoords="offset points", fontsize=10 * size,
            )  # fmt: skip
    return figure


@dataclass(frozen=True)
class _Scale:
    """Colours of a row of images, and their bar, with ticks of its own if none are given."""

    colours: str
    norm: Normalize
    label: str
    ticks: Sequence[float] | None = None


def _draw_row(
    panels: Sequence[Axes], images: NDArray[np.float64], half_width: float, scale: _Scale
) -> AxesImage:
    """Images side by side, of which the last is returned; panels without one are hidden."""
    drawn = [_draw(axes, image, half_width, scale) for axes, image in zip(panels, images, strict=False)]
    for axes in panels[len(images) :]:
        # Of the size of the others, so that all rows are alike.
        axes.set_xlim(-half_width, half_width)
        axes.set_ylim(-half_width, half_width)
        axes.set_visible(False)
    return drawn[-1]


def _signed_decades(reach: float) -> list[float]:
    """Ticks at 0 and at the powers of ten of both signs, on the logarithmic part of the scale."""
    powers = [
        10.0**n for n in range(math.ceil(math.log10(2 * _LINEAR * reach)), math.floor(math.log10(reach)) + 1)
    ]
    return [*(-power for power in reversed(powers)), 0.0, *powers]


def _draw(axes: Axes, image: NDArray[np.float64], half_width: float, scale: _Scale) -> AxesImage:
    """One image, the first axis to the right."""
    extent = (-half_width, half_width, -half_width, half_width)
    drawn = axes.imshow(
        image.T, origin="lower", extent=extent, interpolation="nearest", cmap=scale.colours, norm=scale.norm
    )
    ticks = (-half_width / 2, 0.0, half_width / 2)
    axes.set_xticks(ticks)
    axes.set_yticks(ticks)
    axes.set_xlabel(ETA, loc="center")
    axes.set_ylabel(PHI, loc="center")
    return drawn

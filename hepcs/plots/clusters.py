"""What the jets of the signal-rich clusters look like: the clusters' centres as images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.colors import PowerNorm, SymLogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from mpl_toolkits.axes_grid1 import ImageGrid  # type: ignore[import-untyped]
from numpy.typing import NDArray

from hepcs.errors import ArgumentError
from hepcs.features import Compression, restore
from hepcs.plots.style import new_figure, size_scale
from hepcs.results import RunResult
from hepcs.scan import ScanResult

#: At most so many clusters in one figure.
MOST = 6
# Differences below this share of the largest one are on a linear scale.
_LINEAR = 0.02


def draw_clusters(
    result: RunResult, search: str, scan: ScanResult, centres: NDArray[np.floating], title: str
) -> Iterator[tuple[str, Figure]]:
    """The figure of the signal-rich clusters of a scan, most deviating first; none without any, or without images.

    Parameters
    ----------
    result
        The run, for how its images were made.
    search
        Name of the search.
    scan, centres
        The scan and its cluster centres, shape (k, d).
    title
        What the data set is.
    """
    images = centre_images(centres, result.image_basis, result.card.card.images.pixels)
    if images is None or scan.n_signal_rich == 0:
        return
    largest = scan.deviations.max(axis=1)
    chosen = np.flatnonzero(scan.signal_rich)
    chosen = chosen[np.argsort(-largest[chosen], kind="stable")]
    names = [f"cluster {cluster}, $z$ = {largest[cluster]:.1f}" for cluster in chosen]
    average = np.average(images, axis=0, weights=scan.spectra.sum(axis=1))
    half_width = result.card.card.images.half_width
    yield f"{search}_selected_clusters", selected_clusters(images[chosen], average, names, half_width, title)


def centre_images(
    centres: NDArray[np.floating], basis: Compression | None, pixels: int
) -> NDArray[np.float64] | None:
    """Cluster centres as reprocessed images, shape (k, pixels, pixels), the first axis eta'.

    Parameters
    ----------
    centres
        Centres in the space of the features, shape (k, d).
    basis
        How the images were compressed; None if the features are the pixels.
    pixels
        Pixels along an axis.

    Returns
    -------
    The images, or None if the features cannot be seen as images.
    """
    if basis is not None:
        centres = restore(centres, basis)
    if centres.shape[1] != pixels**2:
        return None
    return np.asarray(centres, dtype=np.float64).reshape(-1, pixels, pixels)


def selected_clusters(
    images: NDArray[np.float64],
    average: NDArray[np.float64],
    names: Sequence[str],
    half_width: float,
    title: str = "",
) -> Figure:
    """Images of clusters, and below each its difference from the average over all jets.

    Parameters
    ----------
    images
        Reprocessed images, each with a sum of one, shape (n, pixels, pixels), the first axis eta'; the first
        :data:`MOST` are drawn.
    average
        Average over all jets, shape (pixels, pixels).
    names
        Name of each cluster.
    half_width
        The images cover [-half_width, half_width) in eta' and phi'.
    title
        What the data set is.

    Raises
    ------
    ArgumentError
        If there is no image.
    """
    shown = images[:MOST]
    if len(shown) == 0:
        raise ArgumentError("no image of a cluster to draw")
    scale = size_scale()
    figure = new_figure(2.1 * len(shown) + 1.4, 4.7)
    grid = ImageGrid(
        figure,
        111,
        nrows_ncols=(2, len(shown)),
        axes_pad=0.15 * scale,
        cbar_mode="edge",
        cbar_location="right",
        cbar_pad=0.12 * scale,
        cbar_size="6%",
    )
    # The core outshines all else: on these scales faint prongs show.
    values, differences = 100 * shown, 100 * (shown - average)
    reach = float(np.abs(differences).max()) or 1.0
    rows = (
        (values, "viridis", PowerNorm(0.5, 0.0, float(values.max()), clip=True), "Share of the image [%]"),
        (differences, "RdBu_r", SymLogNorm(_LINEAR * reach, vmin=-reach, vmax=reach), "Minus average [%]"),
    )
    extent = (-half_width, half_width, -half_width, half_width)
    ticks = (-half_width / 2, 0.0, half_width / 2)
    for row, (panels, colours, norm, label) in enumerate(rows):
        for column, image in enumerate(panels):
            axes = grid[row * len(shown) + column]
            drawn = axes.imshow(
                image.T, origin="lower", extent=extent, interpolation="nearest", cmap=colours, norm=norm
            )
            axes.set_xticks(ticks)
            axes.set_yticks(ticks)
            axes.set_xlabel(r"$\eta'$", loc="center")
            axes.set_ylabel(r"$\phi'$", loc="center")
            if row == 0:
                axes.set_title(names[column], fontsize=9 * scale)
        bar = figure.colorbar(drawn, cax=grid.cbar_axes[row])
        bar.set_label(label, loc="center", fontsize=10 * scale)
        if row == 0:
            bar.set_ticks(list(MaxNLocator(4).tick_values(0.0, float(values.max()))[:-1]))
    grid[0].text(0.0, 1.17, title, transform=grid[0].transAxes, fontsize=10 * scale, va="bottom")
    return figure

"""How sparsely jet images are filled (paper, Fig. 6)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import mplhep
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError
from hepcs.datasets.reports import SampleReport
from hepcs.plots.style import Caption, colours, fit_legend, line_width, new_figure

CAPTION = Caption(
    "Filled pixels",
    "How many pixels of an image are not empty. Look for classes that differ, and for images that are nearly "
    "empty (few particles) or nearly full (noise, pile-up).",
)
# Bins, at most, over the numbers of pixels that occur.
_BINS = 60


def pixel_counts(sample: SampleReport) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Name of each class of a sample, and its images by their number of non-zero pixels, where there are any."""
    for name, counts in zip(sample.classes, sample.nonzero_pixels, strict=False):
        if counts.any():
            yield name, counts


def nonzero_pixels(samples: Sequence[tuple[str, NDArray[np.int64]]], pixels: int, title: str = "") -> Figure:
    """Distribution of the number of non-zero pixels of jet images, each normalised to one (paper, Fig. 6).

    Parameters
    ----------
    samples
        Name, and images with 0, 1, ... non-zero pixels, shape (at most pixels^2 + 1,), of each sample.
    pixels
        Pixels along each axis of an image.
    title
        Heading of the legend.

    Raises
    ------
    ArgumentError
        If there is no sample, or one without images.
    """
    if not samples or not all(counts.any() for _, counts in samples):
        raise ArgumentError("a distribution of non-zero pixels needs images of every sample")
    figure = new_figure(6.4, 4.8)
    axes = figure.subplots()
    n_values = max(int(np.flatnonzero(counts)[-1]) + 1 for _, counts in samples)
    width = -(-n_values // _BINS)
    edges = np.arange(0, n_values + width, width) - 0.5
    tops = np.zeros(len(edges) - 1)
    for (name, counts), colour in zip(samples, colours(len(samples)), strict=True):
        values = np.arange(len(counts))
        shares, _ = np.histogram(values, edges, weights=counts / counts.sum())
        below_100 = counts[:100].sum() / counts.sum()
        label = f"{name}: median {weighted_median(counts)}, {100 * below_100:.3g} % below 100"
        mplhep.histplot(
            shares, bins=edges, histtype="step", edges=True, color=colour, label=label,
            linewidth=line_width(1), ax=axes,
        )  # fmt: skip
        tops = np.maximum(tops, shares)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(bottom=0)
    axes.set_xlabel(f"Non-zero pixels of an image, of {pixels} x {pixels}")
    axes.set_ylabel("Share of images" + (f" / {width} pixels" if width > 1 else ""))
    fit_legend(axes, edges, tops, title=title or None)
    return figure


def weighted_median(counts: NDArray[np.int64]) -> int:
    """The median of the values 0, 1, ..., which occur `counts` times."""
    running = np.cumsum(counts)
    return int(np.searchsorted(running, running[-1] / 2))

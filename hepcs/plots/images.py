"""Average jet images (paper, Fig. 1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from mpl_toolkits.axes_grid1 import ImageGrid  # type: ignore[import-untyped]
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError
from hepcs.datasets.reports import SampleReport
from hepcs.plots.style import Caption, new_figure, size_scale

if TYPE_CHECKING:
    from hepcs.features.image_summary import AverageImages

CAPTION = Caption(
    "Average jet images",
    "Average images of the jets before reprocessing, each jet centred, rotated and flipped. Look for a "
    "second prong to the side of the core: a jet of a heavy particle that decays to two quarks has one, a "
    "QCD jet falls off smoothly. If all panels look the same, shape cannot tell the classes apart.",
)
#: Decades of the colour scale below the brightest pixel.
DECADES = 5
#: Labels of the axes of an image; phi' is an angle.
ETA, PHI = r"$\eta'$", r"$\phi'$ [rad]"

Panel = tuple[str, NDArray[np.float64]]


def average_panels(samples: Sequence[SampleReport]) -> tuple[Panel, ...]:
    """Titles and images of Fig. 1, as far as the samples have them.

    With signal: all background jets, and the lighter and the heavier jets of each signal. Without: the lighter and
    the heavier jets of the data of a real search, or else of the background. Nothing without events.
    """
    found = dict(_by_class(samples))
    background = found.get("background")
    signals = {name: averages for name, averages in found.items() if name not in {"background", "data"}}
    if background is not None and signals:
        of = f"of {background.n_events:,} events"
        of_signals = (panel for name, averages in signals.items() for panel in _both_panels(name, averages))
        return ((f"background, all jets\n{of}", _both_jets(background)), *of_signals)
    name = "data" if "data" in found else "background"
    return _both_panels(name, found[name]) if name in found else ()


def _by_class(samples: Sequence[SampleReport]) -> Iterator[tuple[str, AverageImages]]:
    """What is searched, injected, or drawn from, by its name, as far as there are events of it."""
    for sample in samples:
        group, _, name = sample.role.partition(".")
        if group in {"labelled", "background", "data", "signal", "signals"}:
            for of_class, averages in zip(sample.classes, sample.averages, strict=False):
                if averages.n_events > 0:
                    yield name or of_class, averages


def _both_panels(name: str, averages: AverageImages) -> tuple[Panel, Panel]:
    of = f"of {averages.n_events:,} events"
    return (f"{name}, lighter jets\n{of}", averages.lighter), (
        f"{name}, heavier jets\n{of}",
        averages.heavier,
    )


def all_jets(samples: Sequence[SampleReport]) -> NDArray[np.float64] | None:
    """Average image over all jets of the data, else of the background, shape (p, p); None without either."""
    found = dict(_by_class(samples))
    averages = found.get("data", found.get("background"))
    return None if averages is None else _both_jets(averages)


def _both_jets(averages: AverageImages) -> NDArray[np.float64]:
    """Average over both jets of each event."""
    return np.asarray((averages.lighter + averages.heavier) / 2)


def average_images(panels: Sequence[Panel], half_width: float) -> Figure:
    """Average images before reprocessing, on one logarithmic colour scale (paper, Fig. 1).

    Parameters
    ----------
    panels
        Title and image of each panel; images of shape (pixels, pixels), the first axis eta', each with a sum
        of one.
    half_width
        The images cover [-half_width, half_width) in eta' and phi'.

    Raises
    ------
    ArgumentError
        If all images are empty.
    """
    brightest = max(float(image.max()) for _, image in panels)
    if not brightest > 0:
        raise ArgumentError("average images of no events cannot be drawn")
    norm = LogNorm(brightest * 10.0**-DECADES, brightest)
    viridis = mpl.colormaps["viridis"]
    # A pixel without any pT has no logarithm: as dark as the faintest.
    colour_map = viridis.with_extremes(bad=viridis(0.0))
    figure = new_figure(3.3 * len(panels) + 1.0, 3.6)
    grid = ImageGrid(
        figure,
        111,
        nrows_ncols=(1, len(panels)),
        axes_pad=0.42 * size_scale(),
        cbar_mode="single",
        cbar_pad=0.12 * size_scale(),
        cbar_size="4%",
    )
    extent = (-half_width, half_width, -half_width, half_width)
    for axes, (title, image) in zip(grid, panels, strict=True):
        drawn = axes.imshow(
            image.T, origin="lower", extent=extent, norm=norm, cmap=colour_map, interpolation="nearest"
        )
        # The corners are empty; above the panel an experiment's label may stand.
        axes.text(
            0.04, 0.96, title, transform=axes.transAxes, color="white", va="top", fontsize=11 * size_scale()
        )
        axes.set_xlabel(ETA, loc="center")
        axes.set_xticks(np.linspace(-half_width, half_width, 5)[:: 2 if len(panels) > 3 else 1])
        axes.tick_params(which="both", color="white")
    grid[0].set_ylabel(PHI, loc="center")
    bar = figure.colorbar(drawn, cax=grid.cbar_axes[0], extend="min")
    bar.set_label(r"Mean share of the jet's $p_\mathrm{T}$ / pixel")
    return figure

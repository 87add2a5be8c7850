"""What each figure draws, against the numbers that it was given."""

from __future__ import annotations

import dataclasses
import io
from typing import Literal

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch
from numpy.typing import NDArray
from PIL import Image
from toy_run import toy_run

from hepcs._core.errors import ArgumentError
from hepcs.calibration import calibrate
from hepcs.datasets.reports import SampleReport
from hepcs.features.image_summary import AverageImages
from hepcs.plots import average_images, average_panels, calibration_distribution
from hepcs.plots.calibration import significance_text
from hepcs.plots.style import fit_legend, math_number, new_figure, style_context, tight_box


def steps(axes: Axes) -> list[NDArray[np.float64]]:
    """Values of all step histograms."""
    return [np.asarray(patch.get_data().values) for patch in axes.patches if isinstance(patch, StepPatch)]


def legend_texts(figure: Figure, panel: int = 0) -> list[str]:
    legend = figure.axes[panel].get_legend()
    assert legend is not None
    return [legend.get_title().get_text(), *(text.get_text() for text in legend.get_texts())]


def size_of(figure: Figure, box: object) -> tuple[int, int]:
    """Pixels of a saved figure."""
    saved = io.BytesIO()
    figure.savefig(saved, format="png", dpi=100, bbox_inches=box)
    with Image.open(saved) as image:
        return image.size


@pytest.mark.parametrize("style", ["plain", "CMS", "laid out"])
def test_a_figure_has_the_room_that_it_needs(style: str) -> None:
    """As much as for a file of its own, in the style that it was made in, and after its layout."""
    with style_context("CMS" if style == "CMS" else "plain"):
        figure = Figure(figsize=(5, 4), layout="constrained") if style == "laid out" else new_figure(3, 2)
        axes = figure.subplots()
        axes.set_ylabel("events in each of many bins and more")
        axes.set_xlabel("$m_{jj}$ [GeV]\n\n", fontsize="xx-large")
    box = tight_box(figure)
    assert size_of(figure, box) == size_of(figure, "tight")


# ------------------------------------------------------------------------------------- average images


def report(role: str, *averages: AverageImages) -> SampleReport:
    return dataclasses.replace(toy_run().samples[0], role=role, averages=averages)


def averages(n: int, lighter: float, heavier: float) -> AverageImages:
    return AverageImages(n, np.full((4, 4), lighter), np.full((4, 4), heavier))


def test_images_of_background_and_signal() -> None:
    background, signal = averages(10, 1.0, 3.0), averages(5, 4.0, 5.0)
    for samples in (
        [report("labelled", background, signal)],
        [report("background", background), report("signal", signal)],
    ):
        panels = average_panels(samples)
        assert [title for title, _ in panels] == [
            "background, all jets\nof 10 events", "signal, lighter jets\nof 5 events",
            "signal, heavier jets\nof 5 events",
        ]  # fmt: skip
        assert [image[0, 0] for _, image in panels] == [2.0, 4.0, 5.0]


def test_images_without_signal() -> None:
    background = averages(10, 1.0, 3.0)
    panels = average_panels([report("background", background)])
    assert [(title, image[0, 0]) for title, image in panels] == [
        ("background, lighter jets\nof 10 events", 1.0),
        ("background, heavier jets\nof 10 events", 3.0),
    ]
    panels = average_panels([report("background", background), report("data", averages(7, 6.0, 8.0))])
    assert [(title, image[0, 0]) for title, image in panels] == [
        ("data, lighter jets\nof 7 events", 6.0),
        ("data, heavier jets\nof 7 events", 8.0),
    ]
    panels = average_panels([report("labelled", background, averages(0, 0.0, 0.0))])
    assert [title.partition("\n")[0] for title, _ in panels] == [
        "background, lighter jets", "background, heavier jets",
    ]  # fmt: skip
    assert average_panels([report("background", averages(0, 0.0, 0.0))]) == ()


def test_the_first_axis_of_an_image_is_drawn_along_x() -> None:
    image = np.zeros((4, 4))
    image[3, 0] = 1.0
    figure = average_images([("one", image)], 0.8)
    axes = figure.axes[0]
    drawn = axes.images[0]
    assert tuple(drawn.get_extent()) == (-0.8, 0.8, -0.8, 0.8)
    assert drawn.origin == "lower"
    assert np.argwhere(np.asarray(drawn.get_array()) == 1).tolist() == [[0, 3]]
    assert (axes.get_xlabel(), axes.get_ylabel()) == (r"$\eta'$", r"$\phi'$ [rad]")
    assert type(drawn.norm).__name__ == "LogNorm"
    figure.draw_without_rendering()


def test_panels_share_one_colour_scale() -> None:
    figure = average_images([("a", np.full((2, 2), 0.1)), ("b", np.full((2, 2), 0.001))], 0.8)
    scales = [(axes.images[0].norm.vmin, axes.images[0].norm.vmax) for axes in figure.axes if axes.images]
    assert len(scales) == 2
    np.testing.assert_allclose(scales, [(1e-6, 0.1)] * 2)


def test_no_image_at_all() -> None:
    with pytest.raises(ArgumentError, match="no events"):
        average_images([("a", np.zeros((2, 2)))], 0.8)


# ----------------------------------------------------------------------------------------- calibration


def test_calibration_shows_every_value() -> None:
    search = toy_run().searches[0]
    figure = calibration_distribution(search)
    axes = figure.axes[0]
    assert steps(axes)[0].sum() == 40
    positions = [line.get_xdata()[0] for line in axes.lines]
    statistics = [entry.outcome.statistic for entry in search.observed]
    assert positions == [*statistics, search.doped[0].statistic_quartiles[1]]
    low, high = axes.get_xlim()
    quartiles = search.doped[0].statistic_quartiles
    assert low < min(0.0, *positions)
    assert max(*positions, *quartiles) < high
    band = axes.collections[0].get_paths()[0].get_extents()
    assert (band.x0, band.x1) == (quartiles[0], quartiles[2])
    assert legend_texts(figure)[2].startswith(r"observed, $\epsilon$ = 0: $p = ")
    assert "$p$ < 1/40, $Z > 1.96$" in legend_texts(figure)[3]
    assert legend_texts(figure)[1] == "40 background-only pseudo-experiments"
    assert "5 doped, $\\epsilon$ = 150: median $Z > 1.96$" in legend_texts(figure)


def test_calibration_without_a_statistic() -> None:
    search = toy_run().searches[0]
    failed = dataclasses.replace(search.observed[0], calibration=None)
    figure = calibration_distribution(dataclasses.replace(search, observed=(failed,), doped=()))
    assert legend_texts(figure)[2] == "observed: no valid statistic"
    with pytest.raises(ArgumentError, match="no background-only"):
        calibration_distribution(dataclasses.replace(search, outcomes=()))


def test_bounds_are_written_as_bounds() -> None:
    null = np.arange(1000.0)
    assert significance_text(calibrate(2000.0, null)) == "$p$ < 1/1000, $Z > 3.09$"
    assert significance_text(calibrate(-1.0, null)) == "$p$ > 1 - 1/1000, $Z < -3.09$"
    assert significance_text(calibrate(900.0, null)) == "$p = 0.10$, $Z = 1.28$"


# ---------------------------------------------------------------------------------------------- helpers


@pytest.mark.parametrize(
    ("value", "expected"), [(0.5, "0.50"), (0.012, "0.012"), (5.5e-8, r"5.5 \times 10^{-8}"), (0.0, "0.0")]
)
def test_math_number(value: float, expected: str) -> None:
    assert math_number(value) == expected


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("scale", ["linear", "log"])
def test_the_legend_gets_room_above_what_it_covers(scale: str, side: Literal["left", "right"]) -> None:
    # Flat, so that without room the legend would lie on it.
    figure = new_figure(5, 4)
    axes = figure.subplots()
    axes.plot([0, 1], [10, 10], label="a line")
    axes.set_xlim(0, 1)
    axes.set_yscale(scale)
    axes.set_ylim(1, 10.5)
    fit_legend(axes, [0, 1], [10], side=side)
    figure.draw_without_rendering()
    legend = axes.get_legend()
    assert legend is not None
    line = axes.transData.transform((0.5, 10))[1]
    box, panel = legend.get_window_extent(), axes.get_window_extent()
    assert panel.y0 < line < box.y0
    near, far = (
        (box.x0 - panel.x0, panel.x1 - box.x1) if side == "left" else (panel.x1 - box.x1, box.x0 - panel.x0)
    )
    assert 0 < near < far

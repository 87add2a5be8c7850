"""Non-zero pixels of images, upper limits, and calibrations side by side."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from matplotlib.figure import Figure
from toy_run import toy_run

from hepcs._core.errors import ArgumentError
from hepcs.calibration import calibrate_many, median_and_quartiles
from hepcs.datasets.bootstrap import Injection, Kind
from hepcs.plots import (
    CalibrationPanel,
    calibration_panels,
    exclusion,
    nonzero_pixels,
    pixel_counts,
    upper_limit_bands,
)
from hepcs.plots.pixels import weighted_median
from hepcs.plots.style import style_context
from hepcs.results import Doped
from hepcs.studies.limits import Limit, UpperLimits


def texts(figure: Figure, panel: int = 0) -> list[str]:
    legend = figure.axes[panel].get_legend()
    assert legend is not None
    return [legend.get_title().get_text(), *(text.get_text() for text in legend.get_texts())]


# --------------------------------------------------------------------------------------------------- pixels


def test_shares_of_images_sum_to_one() -> None:
    rng = np.random.default_rng(1)
    background = np.bincount(rng.poisson(40, 5000), minlength=1601)
    signal = np.bincount(rng.poisson(110, 300))
    figure = nonzero_pixels([("background", background), ("signal", signal)], 40, "heading")
    axes = figure.axes[0]
    drawn = [patch.get_data() for patch in axes.patches]
    np.testing.assert_allclose([step.values.sum() for step in drawn], 1.0)
    np.testing.assert_array_equal(drawn[0].edges, drawn[1].edges)
    width = int(drawn[0].edges[1] - drawn[0].edges[0])
    assert width > 1
    assert axes.get_ylabel() == f"Share of images / {width} pixels"
    assert axes.get_xlabel() == "Non-zero pixels of an image, of 40 x 40"
    values = np.repeat(np.arange(len(signal)), signal)
    below = 100 * np.mean(values < 100)
    assert texts(figure) == [
        "heading",
        "background: median 40, 100 % below 100",
        f"signal: median {np.median(values):.0f}, {below:.3g} % below 100",
    ]
    centre = drawn[0].edges[:-1] + width / 2
    assert np.average(centre, weights=drawn[1].values) == pytest.approx(values.mean(), abs=width / 2)


def test_the_median_of_counts() -> None:
    assert weighted_median(np.array([0, 3, 0, 2])) == 1
    assert weighted_median(np.array([0, 1, 0, 2])) == 3
    assert weighted_median(np.array([5])) == 0


def test_images_are_needed() -> None:
    with pytest.raises(ArgumentError, match="needs images"):
        nonzero_pixels([], 40)
    with pytest.raises(ArgumentError, match="needs images"):
        nonzero_pixels([("a", np.zeros(5, dtype=np.int64))], 40)


def test_a_sample_gives_its_classes() -> None:
    sample = toy_run().samples[0]
    assert [name for name, _ in pixel_counts(sample)] == ["background", "signal"]


# --------------------------------------------------------------------------------------------------- limits


EPSILON = np.array([100.0, 200.0, 300.0])
EXPECTED = np.array([[0.3, 0.02, 0.0], [0.4, 0.1, 0.004], [0.6, 0.2, 0.03], [0.8, 0.4, 0.1], [0.9, 0.6, 0.3]])


def test_bands_and_lines_are_what_was_given() -> None:
    figure = exclusion(EPSILON, EXPECTED, [0.7, 0.3, 0.0], expected_limit=280.4, observed_limit=260.0)
    axes = figure.axes[0]
    outer, inner = (band.get_paths()[0].get_extents() for band in axes.collections)
    # What cannot be resolved is drawn at the floor.
    assert (outer.y0, outer.y1) == pytest.approx((0.001, 0.9))
    assert (inner.y0, inner.y1) == pytest.approx((0.004, 0.8))
    curves = {str(line.get_label()): line for line in axes.lines}
    np.testing.assert_allclose(curves[r"expected, median: $\epsilon$ < 280"].get_ydata(), EXPECTED[2])
    np.testing.assert_allclose(curves[r"observed: $\epsilon$ < 260"].get_ydata(), [0.7, 0.3, 0.001])
    assert list(curves[r"CL$_\mathrm{s}$ = 0.05"].get_ydata()) == [0.05, 0.05]
    assert axes.get_yscale() == "log"
    assert axes.get_ylim() == (0.001, 1.5)
    assert axes.get_xlabel() == r"Injected signal events $\epsilon$"
    assert axes.get_ylabel() == r"CL$_\mathrm{s}$"
    assert {"expected, 68 %", "expected, 95 %"} <= set(texts(figure))


def test_only_what_is_expected() -> None:
    figure = exclusion(EPSILON, EXPECTED, title="heading")
    assert texts(figure)[0] == "heading"
    assert "expected, median" in texts(figure)
    assert not any("observed" in text for text in texts(figure))


@pytest.mark.parametrize("style", ["plain", "CMS", "ATLAS"])
def test_the_legend_of_limits_stands_above_and_is_not_wider(style: str) -> None:
    with style_context(style):  # type: ignore[arg-type]
        figure = exclusion(
            EPSILON, EXPECTED, EXPECTED[3], expected_limit=2806, observed_limit=2604, title="a"
        )
    figure.draw_without_rendering()
    axes = figure.axes[0]
    legend = axes.get_legend()
    assert legend is not None
    box, panel = legend.get_window_extent(), axes.get_window_extent()
    assert box.y0 >= panel.y1
    assert box.x1 <= panel.x1


def test_shapes_that_do_not_fit_are_named() -> None:
    with pytest.raises(ArgumentError, match=r"found \(3,\), \(4, 3\)"):
        exclusion(EPSILON, EXPECTED[:4])
    with pytest.raises(ArgumentError, match=r"and \(2,\)"):
        exclusion(EPSILON, EXPECTED, [0.1, 0.2])


def limits(expected: list[float], observed: Limit | None = None, bounds: str = "     ") -> UpperLimits:
    """Limits at five quantiles; < and > in `bounds` mark those that are bounds."""
    signs = {" ": None, "<": "upper", ">": "lower"}
    return UpperLimits(
        confidence=0.95,
        epsilon=np.array([100, 500]),
        observed=observed,
        expected=tuple(
            Limit(value, signs[sign])  # type: ignore[arg-type]
            for value, sign in zip(expected, bounds, strict=True)
        ),
        low=None,
        high=None,
        resolution=0.01,
        n_null=100,
        n_doped={100: 60, 500: 60},
    )


def test_limits_of_searches_are_rows_with_bands() -> None:
    figure = upper_limit_bands(
        [
            ("mine", limits([100, 150, 200, 300, 500], Limit(250.0, None), "<   >")),
            ("other", limits([120, 200, 260, 350, 480])),
        ],
        "heading",
    )
    axes = figure.axes[0]
    bars = [
        (bar.get_y() + bar.get_height() / 2, bar.get_x(), bar.get_x() + bar.get_width())
        for bar in axes.patches
    ]
    np.testing.assert_allclose(bars, [(0, 100, 500), (0, 150, 300), (1, 120, 480), (1, 200, 350)])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["mine", "other"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]
    dashed = [line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == "--"]
    assert dashed == [200, 260]
    points = {line.get_marker(): line.get_xdata()[0] for line in axes.lines if line.get_marker() in "o<>"}
    assert points == {"o": 250.0, "<": 100, ">": 500}
    assert texts(figure) == ["heading", "expected, median", "observed", "expected, 95 %", "expected, 68 %"]
    assert axes.get_xlabel() == r"Upper limit on injected signal events $\epsilon$, 95 % CL$_\mathrm{s}$"


def test_limits_of_different_levels_do_not_mix() -> None:
    with pytest.raises(ArgumentError, match="one confidence level"):
        upper_limit_bands([])
    other = dataclasses.replace(limits([1, 2, 3, 4, 5]), confidence=0.9)
    with pytest.raises(ArgumentError, match=r"found \[0\.9, 0\.95\]"):
        upper_limit_bands([("a", limits([1, 2, 3, 4, 5])), ("b", other)])


# ---------------------------------------------------------------------------------------------- calibrations


def doped(epsilon: int, values: np.ndarray, null: np.ndarray) -> Doped:
    lower, median, upper = (float(value) for value in np.quantile(values, (0.25, 0.5, 0.75)))
    z = median_and_quartiles(calibrate_many(values, null))
    return Doped(Injection(epsilon, "signal"), values.size, 0, (lower, median, upper), z)


def test_panels_share_bins_axis_and_colours() -> None:
    search = toy_run().searches[0]
    null = search.statistics(Kind.BACKGROUND_ONLY)
    single = np.where(np.arange(40) < 13, 0.0, null + 1)
    panels = [
        CalibrationPanel(
            "one scan", single, (doped(150, null[:9] + 3, single), doped(70, null[:9] + 9, single))
        ),
        CalibrationPanel("ensembles", null, (doped(150, null[:9] + 1, null),)),
    ]
    figure = calibration_panels(panels)
    first, second = figure.axes
    steps = [axes.patches[0].get_data() for axes in figure.axes]
    assert [step.values.sum() for step in steps] == [40, 40]
    np.testing.assert_array_equal(steps[0].edges, steps[1].edges)
    assert first.get_xlim() == second.get_xlim()
    assert texts(figure, 0)[:2] == ["(a) one scan", "40 background-only, 13 of them at 0"]
    assert texts(figure, 1)[:2] == ["(b) ensembles", "40 background-only"]
    assert any(r"9 doped, $\epsilon$ = 70: median $Z >" in text for text in texts(figure, 0))
    colours = [
        {line.get_label().split(":")[0]: line.get_color() for line in axes.lines} for axes in figure.axes
    ]
    assert colours[0][r"9 doped, $\epsilon$ = 150"] == colours[1][r"9 doped, $\epsilon$ = 150"]
    assert len(set(colours[0].values())) == 2
    assert second.get_xlabel() == "Test statistic"
    assert first.get_xlabel() == ""
    high = max(panels[0].doped[1].statistic_quartiles)
    assert first.get_xlim()[1] > high


def test_panels_without_doped_pseudo_experiments() -> None:
    calibration_panels([CalibrationPanel("a", np.zeros(3), ())]).draw_without_rendering()
    with pytest.raises(ArgumentError, match="background-only"):
        calibration_panels([])
    with pytest.raises(ArgumentError, match="background-only"):
        calibration_panels([CalibrationPanel("a", np.zeros(0), ())])

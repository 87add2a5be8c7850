"""Significance against injected events: what is exact, what is a bound, and what the legend says of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from toy_run import toy_run

from hepcs._core.errors import ArgumentError
from hepcs.calibration import Quantile
from hepcs.datasets.bootstrap import Injection
from hepcs.plots import SensitivityCurve, doped_curve, sensitivity_curves, study_curve, study_improvement
from hepcs.plots.sensitivity import Improvement
from hepcs.plots.style import BLUE, VERMILION, style_context
from hepcs.studies.comparison import significance_improvement
from hepcs.studies.crossing import Crossing
from hepcs.studies.sensitivity import SearchStatistics, sensitivity

EPSILON = np.array([100, 200, 300, 400])


def curve(title: str = "a search", scale: float = 1.0, n_bounds: int = 1) -> SensitivityCurve:
    """Median Z of 1, 2, 3, 4 times `scale`, quartiles 0.5 away; the last ones are lower bounds."""
    median = scale * np.array([1.0, 2.0, 3.0, 4.0])
    bound = np.zeros((3, 4), dtype=np.int64)
    bound[1, 4 - n_bounds :] = 1
    bound[2, 3 - n_bounds :] = 1
    return SensitivityCurve(title, EPSILON, np.array([median - 0.5, median, median + 0.5]), bound)


def crossing(epsilon: float | None, bound: str | None = None, beyond: float | None = None) -> Crossing:
    return Crossing("counted", 3.0, epsilon, None, None, bound, beyond, "", 1.0, np.zeros(0))  # type: ignore[arg-type]


def lines(axes: Axes, colour: str, style: str = "-") -> list[Line2D]:
    return [
        line
        for line in axes.lines
        if to_rgba(line.get_color()) == to_rgba(colour)
        and line.get_linestyle() == style
        and len(line.get_xdata())
    ]


def texts(figure: Figure) -> list[str]:
    legend = figure.axes[0].get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


def known(line: Line2D) -> list[tuple[float, float]]:
    """Points of a line that are drawn."""
    x, y = np.asarray(line.get_xdata(), dtype=float), np.asarray(line.get_ydata(), dtype=float)
    return [(float(a), float(b)) for a, b in zip(x, y, strict=True) if np.isfinite(b)]


def test_exact_medians_are_solid_and_bounds_are_dotted() -> None:
    figure = sensitivity_curves([curve()])
    axes = figure.axes[0]
    (solid,) = lines(axes, VERMILION)
    assert known(solid) == [(100, 1), (200, 2), (300, 3)]
    dotted = [line for line in lines(axes, VERMILION, ":") if line.get_linewidth() == solid.get_linewidth()]
    assert [known(line) for line in dotted] == [[(300, 3), (400, 4)]]
    (triangles,) = (line for line in axes.lines if line.get_marker() == "^" and len(line.get_xdata()))
    assert known(triangles) == [(400, 4)]
    assert triangles.get_linestyle() == "None"
    assert triangles.get_markerfacecolor() == "white"
    assert "lower bounds only" in texts(figure)


def test_without_bounds_none_are_spoken_of() -> None:
    exact = SensitivityCurve("a", EPSILON, curve().z, np.zeros((3, 4), dtype=np.int64))
    figure = sensitivity_curves([exact])
    assert texts(figure) == ["a", "quartiles"]
    assert not any(line.get_marker() in "^v" for line in figure.axes[0].lines if line.get_marker() != "None")


def test_upper_bounds_point_down() -> None:
    low = SensitivityCurve("a", EPSILON, curve().z, np.tile([-1, 0, 0, 0], (3, 1)))
    figure = sensitivity_curves([low])
    (triangles,) = (
        line for line in figure.axes[0].lines if line.get_marker() == "v" and len(line.get_xdata())
    )
    assert known(triangles) == [(100, 1)]
    assert texts(figure)[-1] == "upper bounds only"


def test_the_band_reaches_from_quartile_to_quartile_and_is_dotted_where_it_is_a_bound() -> None:
    axes = sensitivity_curves([curve()]).axes[0]
    band = axes.collections[0].get_paths()[0].get_extents()
    assert (band.x0, band.x1, band.y0, band.y1) == (100, 400, 0.5, 4.5)
    thin = [line for line in lines(axes, VERMILION, ":") if line.get_linewidth() < 1]
    assert [(200, 2.5), (300, 3.5), (400, 4.5)] in [known(line) for line in thin]


def test_axes_are_labelled_and_three_sigma_is_marked() -> None:
    figure = sensitivity_curves([curve()], title="heading")
    axes = figure.axes[0]
    assert axes.get_xlabel() == r"Injected signal events $\epsilon$"
    assert axes.get_ylabel() == "Global significance $Z$"
    assert any(list(line.get_ydata()) == [3.0, 3.0] for line in axes.lines)
    legend = axes.get_legend()
    assert legend is not None
    assert legend.get_title().get_text() == "heading"
    assert axes.get_ylim()[0] <= 0
    assert len(figure.axes) == 1


def test_the_second_axis_is_signal_over_background() -> None:
    figure = sensitivity_curves([curve()], signal_to_background=1 / 20000)
    above = figure.axes[0].child_axes[0]
    assert above.get_xlabel() == "$S/B$ [%]"
    figure.draw_without_rendering()
    # 400 events are 2 % of the background; the axis ends 5 % above.
    assert above.get_xlim()[1] == pytest.approx(2.1)


@pytest.mark.parametrize(
    ("where", "words"),
    [
        (crossing(310.4), r", $N_{3\sigma} = 310$"),
        (crossing(100.0, bound="upper"), r", $N_{3\sigma} \leq 100$"),
        (crossing(None, beyond=400.0), r", $N_{3\sigma} > 400$"),
        (crossing(None), ""),
        (None, ""),
    ],
)
def test_where_the_median_crosses_is_in_the_legend(where: Crossing | None, words: str) -> None:
    found = curve()
    figure = sensitivity_curves([SensitivityCurve(found.title, found.epsilon, found.z, found.bound, where)])
    assert texts(figure)[0] == "a search" + words
    verticals = [
        line
        for line in figure.axes[0].lines
        if len(set(line.get_xdata())) == 1 and len(line.get_xdata()) == 2
    ]
    expected = [] if where is None or where.epsilon is None else [where.epsilon]
    assert [line.get_xdata()[0] for line in verticals] == expected


def test_intervals_of_crossings_do_not_hide_each_other() -> None:
    where = replace(crossing(310.0), low=200.0, high=400.0)
    curves = [
        SensitivityCurve(found.title, found.epsilon, found.z, found.bound, where)
        for found in (curve("one"), curve("other", 2.0))
    ]
    axes = sensitivity_curves(curves).axes[0]
    bars = [line for line in axes.lines if list(line.get_xdata()) == [200.0, 400.0]]
    feet = [line for line in axes.lines if list(line.get_xdata()) == [310.0, 310.0]]
    heights = [set(bar.get_ydata()) for bar in bars]
    assert all(len(height) == 1 for height in heights)
    assert len(set.union(*heights)) == 2
    assert [{min(foot.get_ydata())} for foot in feet] == heights, "each stands on its own interval"


def test_improvements_have_the_colour_of_their_curve_and_bounds_too() -> None:
    nan = np.nan
    entry = Improvement(
        "mine", "other", EPSILON, np.array([nan, 2.0, 1.5, 1.2]), np.array([nan, 1.8, nan, nan]),
        np.array([nan, 2.3, nan, nan]), np.array([0, 0, 1, -1]),
    )  # fmt: skip
    figure = sensitivity_curves([curve("other"), curve("mine", 2.0)], [entry])
    axes, panel = figure.axes
    assert axes.get_xlabel() == ""
    assert panel.get_xlabel() == r"Injected signal events $\epsilon$"
    assert panel.get_ylabel() == "SI"
    assert panel.get_xlim() == axes.get_xlim()
    (solid,) = lines(panel, BLUE)
    assert known(solid) == [(200, 2.0)]
    markers = {line.get_marker(): known(line) for line in lines(panel, BLUE, "None")}
    assert markers == {"^": [(300, 1.5)], "v": [(400, 1.2)]}
    assert [text.get_text() for text in panel.texts] == ["median $Z$ / that of: other; band: 68 % interval"]
    assert panel.get_ylim()[1] > 2.3


@pytest.mark.parametrize("style", ["plain", "CMS", "ATLAS"])
def test_the_legend_hides_nothing(style: str) -> None:
    titles = [f"a search with a long name, number {i}" for i in range(5)]
    with style_context(style):  # type: ignore[arg-type]
        figure = sensitivity_curves([curve(title, 1 + 0.2 * i) for i, title in enumerate(titles)])
    figure.draw_without_rendering()
    axes = figure.axes[0]
    legend = axes.get_legend()
    assert legend is not None
    box = legend.get_window_extent()
    assert box.x1 < axes.get_window_extent().x1
    for line in axes.lines:
        if len(line.get_xdata()):
            path = line.get_path().transformed(line.get_transform())
            assert not path.intersects_bbox(box, filled=False)


def test_a_stored_search_becomes_a_curve() -> None:
    search = toy_run().searches[0]
    found = doped_curve(search.title, search.doped)
    z = search.doped[0].z
    assert found.title == "Cluster Scanning"
    assert found.epsilon.tolist() == [150]
    assert found.z[:, 0].tolist() == [z.lower_quartile.z, z.median.z, z.upper_quartile.z]
    expected = [z.lower_quartile.bound, z.median.bound, z.upper_quartile.bound]
    assert found.bound[:, 0].tolist() == [1 if one == "lower" else 0 for one in expected]
    assert found.bound[1, 0] == 1
    sensitivity_curves([found]).draw_without_rendering()


def test_nothing_to_draw_is_an_error() -> None:
    with pytest.raises(ArgumentError, match="a search: a curve needs doped pseudo-experiments of one signal"):
        doped_curve("a search", ())
    (doped,) = toy_run().searches[0].doped
    with pytest.raises(ArgumentError, match="of one signal"):
        doped_curve("a search", (doped, replace(doped, injection=Injection(150, "narrow"))))
    with pytest.raises(ArgumentError, match="at least one curve"):
        sensitivity_curves([])


def test_a_study_becomes_curves_and_improvements() -> None:
    rng = np.random.default_rng(5)
    searches = [
        SearchStatistics(name, rng.normal(0, 1, 400), {e: rng.normal(slope * e, 1, 101) for e in (1, 2, 4)})
        for name, slope in (("mine", 1.2), ("other", 0.65))
    ]
    found = sensitivity(searches, rng=rng, n_bootstrap=20, readings=("counted",))
    mine, other = found["mine"].curves["counted"], found["other"].curves["counted"]
    drawn = study_curve(mine, "Mine")
    assert drawn.z[1].tolist() == [quantile.z for quantile in mine.median]
    # 4.8 standard deviations above the mean are beyond 400 pseudo-experiments.
    assert drawn.bound[1].tolist() == [0, 0, 1]
    assert drawn.crossing is mine.crossing
    ratio = study_improvement(significance_improvement(mine, other), "Mine", "Other")
    assert ratio.epsilon.tolist() == [1, 2, 4]
    assert ratio.ratio[0] == pytest.approx(mine.median[0].z / other.median[0].z)
    assert ratio.bound.tolist() == [0, 0, 1]
    assert np.isnan(ratio.low[2])
    sensitivity_curves([drawn, study_curve(other, "Other")], [ratio]).draw_without_rendering()


def test_what_is_undetermined_is_not_drawn() -> None:
    quantile = Quantile(2.0, "undetermined")
    search = toy_run().searches[0]
    doped = replace(search.doped[0], z=replace(search.doped[0].z, median=quantile))
    found = doped_curve(search.title, (doped,))
    assert np.isnan(found.z[1, 0])

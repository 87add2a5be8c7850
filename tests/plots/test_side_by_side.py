"""All searches side by side: what is observed, what is expected, and what is only a bound."""

from __future__ import annotations

import numpy as np
import pytest

from hepcs._core.errors import ArgumentError
from hepcs.calibration import calibrate, calibrate_many, median_and_quartiles
from hepcs.plots import Compared, searches_side_by_side
from hepcs.plots.side_by_side import ABREAST

NULL = np.arange(1000.0)
EXPECTED = median_and_quartiles(calibrate_many(np.array([700.0, 900.0, 990.0]), NULL))


def rows(*names: str) -> list[Compared]:
    return [Compared(name, calibrate(900.0, NULL), EXPECTED) for name in names]


def test_points_intervals_and_quartiles_are_where_the_numbers_are() -> None:
    figure = searches_side_by_side({"a": [Compared("one", calibrate(900.0, NULL), EXPECTED)]})
    (axes,) = figure.axes
    found = calibrate(900.0, NULL)
    drawn = [line for line in axes.lines if len(line.get_xdata())]
    (interval,) = (line for line in drawn if len(line.get_xdata()) == 2 and list(line.get_ydata()) == [0, 0])
    assert list(interval.get_xdata()) == [found.z_low, found.z_high]
    points = {line.get_marker(): line.get_xdata()[0] for line in drawn if len(line.get_xdata()) == 1}
    assert points == {"o": found.z, "D": EXPECTED.median.z}
    (bar,) = axes.patches
    assert (bar.get_x(), bar.get_x() + bar.get_width()) == pytest.approx(
        (EXPECTED.lower_quartile.z, EXPECTED.upper_quartile.z)
    )
    assert [label.get_text() for label in axes.get_yticklabels()] == ["one"]


def test_bounds_are_triangles_and_what_is_not_there_is_not_drawn() -> None:
    above, below = calibrate(2000.0, NULL), calibrate(-1.0, NULL)
    figure = searches_side_by_side(
        {"a": [Compared("up", above, None), Compared("down", below, None), Compared("blind", None, None)]}
    )
    markers = {
        line.get_marker(): line.get_ydata()[0] for line in figure.axes[0].lines if len(line.get_xdata()) == 1
    }
    assert markers == {">": 0, "<": 1}


def test_panels_are_wrapped() -> None:
    names = [str(i) for i in range(ABREAST + 1)]
    figure = searches_side_by_side({name: rows("x", "y") for name in names})
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in shown] == names
    assert len({round(axes.get_position().y0, 3) for axes in shown}) == 2
    figure.draw_without_rendering()


def test_the_same_searches_in_each() -> None:
    with pytest.raises(ArgumentError, match="same searches"):
        searches_side_by_side({"a": rows("x"), "b": rows("y")})
    with pytest.raises(ArgumentError, match="same searches"):
        searches_side_by_side({})

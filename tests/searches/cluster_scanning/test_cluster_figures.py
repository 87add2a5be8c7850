"""Average images of the selected clusters."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from toy_run import blob, toy_run

from hepcs._core.errors import ArgumentError
from hepcs.images import image_histogram
from hepcs.plots.style import style_context
from hepcs.results import NamedHistogram, Observed
from hepcs.searches.cluster_scanning.cluster_figures import ABREAST, draw_clusters, selected_clusters


def titles_of(figure: Any) -> list[str]:
    return [axes.get_title() for axes in figure.axes if axes.get_visible() and axes.get_title()]


def with_images(observed: Observed) -> Observed:
    """An observed data set with an average image of each selected cluster."""
    observation = observed.observation
    named = tuple(
        NamedHistogram(
            f"member_00/average_images/cluster_{row['cluster']:02d}", "", image_histogram(blob(0.2), 0.8)
        )
        for row in observation.summary["selected_clusters"]
    )
    observation = dataclasses.replace(observation, histograms=(*observation.histograms, *named))
    return dataclasses.replace(observed, observation=observation)


def test_the_first_axis_is_drawn_to_the_right() -> None:
    image = np.zeros((1, 40, 40))
    image[0, 30, 20] = 1.0
    with style_context("plain"):
        figure = selected_clusters(image, np.full((40, 40), 1 / 1600), ["a"], 0.8, "a title")
    drawn = figure.axes[0].images[0]
    row, column = np.unravel_index(int(np.argmax(drawn.get_array())), (40, 40))
    assert (row, column) == (20, 30)
    assert list(drawn.get_extent()) == [-0.8, 0.8, -0.8, 0.8]
    # The difference is below.
    below = next(axes for axes in figure.axes[1:] if axes.images).images[0]
    assert below.get_array().max() == pytest.approx(1 - 1 / 1600)


def test_every_cluster_is_drawn() -> None:
    many = np.stack([blob(0.1 + 0.05 * i) for i in range(ABREAST + 2)])
    names = [str(i) for i in range(ABREAST + 2)]
    with style_context("CMS"):
        figure = selected_clusters(many, many.mean(axis=0), names, 0.8)
        with pytest.raises(ArgumentError, match="no image"):
            selected_clusters(many[:0], many[0], [], 0.8)
    assert titles_of(figure) == names


def test_numbers_stand_above_the_clusters_and_the_most_deviating_is_first() -> None:
    result = toy_run()
    observed = with_images(result.searches[0].observed[1])
    rows = observed.observation.summary["selected_clusters"]
    assert rows, "the toy must select something"
    with style_context("plain"):
        figure = draw_clusters(result, observed, "")
        assert draw_clusters(result, result.searches[0].observed[1], "") is None, "without images"
    assert [title.partition(":")[0] for title in titles_of(figure)] == [
        f"cluster {row['cluster']}" for row in rows
    ]
    assert f"{rows[0]['jets']:,} jets" in titles_of(figure)[0]
    assert f"SFI {rows[0]['sfi']:.1f}" in titles_of(figure)[0]
    deviations = [row["largest_deviation"] for row in rows]
    assert deviations == sorted(deviations, reverse=True)

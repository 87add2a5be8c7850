"""All figures of a run: which there are, and what a reader needs to see on each."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.path import Path as Curve
from toy_run import toy_run

from hepcs.plots import DRAWERS, Entry, ExperimentLabel, make_figures, style_context
from hepcs.results import RunResult

STYLES = ("plain", "CMS", "ATLAS")


def in_style(style: str) -> RunResult:
    """The toy run with another style in its card, and with one data set less to draw."""
    if style == "plain":
        return toy_run()
    result = toy_run(epsilon=(150,), fits=(3,))
    output = result.card.card.output.model_copy(update={"style": style})
    card = dataclasses.replace(result.card, card=result.card.card.model_copy(update={"output": output}))
    return dataclasses.replace(result, card=card)


@lru_cache
def figures(style: str = "plain") -> dict[str, Figure]:
    """All figures of the toy run, laid out as they are saved."""
    found = dict(make_figures(in_style(style)))
    for figure in found.values():
        figure.draw_without_rendering()
    return found


def drawn_curves(axes: Axes) -> Iterator[Curve]:
    """Every curve, step line, filled histogram and error bar in the coordinates of the display."""
    for line in axes.lines:
        if len(line.get_xdata()):
            yield line.get_path().transformed(line.get_transform())
    for patch in axes.patches:
        yield patch.get_path().transformed(patch.get_transform())
    for collection in axes.collections:
        if isinstance(collection, LineCollection):
            for path in collection.get_paths():
                yield path.transformed(collection.get_transform())


def test_names() -> None:
    assert list(figures()) == [
        "average_images",
        "nonzero_pixels",
        "cluster_scanning_normalised_spectra_epsilon_0000",
        "cluster_scanning_standardised_spectra_epsilon_0000",
        "cluster_scanning_signal_rich_epsilon_0000",
        "fitted_spectrum_epsilon_0000",
        "cluster_scanning_normalised_spectra_epsilon_0150",
        "cluster_scanning_standardised_spectra_epsilon_0150",
        "cluster_scanning_signal_rich_epsilon_0150",
        "fitted_spectrum_epsilon_0150",
        "cluster_scanning_calibration",
        "fit_3_calibration",
        "fit_4_calibration",
    ]


@pytest.mark.parametrize("style", STYLES)
def test_every_axis_is_labelled(style: str) -> None:
    for name, figure in figures(style).items():
        if name == "average_images":
            *images, bar = (axes for axes in figure.axes if axes.get_visible())
            drawn = [axes for axes in images if axes.images]
            assert [axes.get_xlabel() for axes in drawn] == [r"$\eta'$"] * 3
            assert drawn[0].get_ylabel() == r"$\phi'$ [rad]"
            assert bar.get_ylabel().startswith("Mean share")
            continue
        assert all(axes.get_ylabel() for axes in figure.axes), name
        assert figure.axes[-1].get_xlabel(), name
        if "calibration" not in name and name != "nonzero_pixels":
            assert figure.axes[-1].get_xlabel() == "$m_{jj}$ [GeV]"
            assert "GeV" in figure.axes[0].get_ylabel() or "robust SD" in figure.axes[0].get_ylabel()
            assert all(axes.get_xlim() == (3000, 4600) for axes in figure.axes)


@pytest.mark.parametrize("style", STYLES)
def test_legends_hide_nothing(style: str) -> None:
    """A legend lies inside its panel and on no curve, or below the panel with its numbers and label."""
    n_legends = 0
    for name, figure in figures(style).items():
        for axes in figure.axes:
            legend = axes.get_legend()
            if legend is None:
                continue
            n_legends += 1
            box, panel = legend.get_window_extent(), axes.get_window_extent()
            assert panel.x0 <= box.x0, name
            if "normalised" in name or "standardised" in name:
                below = axes.xaxis.get_tightbbox()
                assert below is not None
                assert box.y1 <= below.y0, name
                assert box.y1 > below.y0 - 0.1 * panel.height, f"{name}: far away"
                assert box.x1 <= panel.x1 + 0.1 * panel.width, name
                continue
            assert panel.y0 <= box.y0 < box.y1 <= panel.y1, name
            assert box.x0 < box.x1 <= panel.x1, name
            for curve in drawn_curves(axes):
                assert not curve.intersects_bbox(box, filled=False), name
    assert n_legends == len(figures(style)) - 1 == (12 if style == "plain" else 7)


@pytest.mark.parametrize("style", STYLES)
def test_panels_are_aligned_and_nothing_is_cut(style: str) -> None:
    for name, figure in figures(style).items():
        if name == "average_images":
            continue
        assert len({axes.get_position().x0 for axes in figure.axes}) == 1, name
        for axes in figure.axes:
            high = axes.get_ylim()[1]
            for curve in drawn_curves(axes):
                heights = axes.transData.inverted().transform(curve.vertices)[:, 1]
                heights = heights[np.isfinite(heights)]
                assert heights.max() <= high * (1 + 1e-9), name


def test_panels_have_the_range_of_what_is_drawn() -> None:
    """Legends take no room from spectra that are to be compared."""
    for name, figure in figures().items():
        if "standardised" not in name:
            continue
        axes = figure.axes[0]
        low, high = axes.get_ylim()
        heights = np.concatenate(
            [axes.transData.inverted().transform(one.vertices)[:, 1] for one in drawn_curves(axes)]
        )
        heights = heights[np.isfinite(heights)]
        assert heights.max() - heights.min() > 0.8 * (high - low)


def test_deficits_are_seen_below_the_signal_rich_spectrum() -> None:
    name = "cluster_scanning_signal_rich_epsilon_0150"
    panel = figures()[name].axes[1]
    ensemble = toy_run().searches[0].observed[1].observation.result
    scan = ensemble.scans[ensemble.representative]
    filled, line, *_ = (patch.get_data().values for patch in panel.patches)
    np.testing.assert_allclose(line, (scan.observed - scan.expected) / np.sqrt(scan.expected))
    np.testing.assert_allclose(filled, scan.local_significance)
    assert line.min() < 0
    assert panel.get_ylim()[0] < line.min()


def test_drawing_touches_no_state_of_pyplot() -> None:
    before = dict(mpl.rcParams)
    for _ in islice(make_figures(in_style("CMS")), 3):
        assert dict(mpl.rcParams) == before
    assert plt.get_fignums() == []


def test_a_figure_keeps_its_style_when_saved_elsewhere(tmp_path: Path) -> None:
    with style_context("CMS"):
        figures("CMS")["fit_3_calibration"].savefig(tmp_path / "inside.png", metadata={"Software": None})
    figures("CMS")["fit_3_calibration"].savefig(tmp_path / "outside.png", metadata={"Software": None})
    assert (tmp_path / "inside.png").read_bytes() == (tmp_path / "outside.png").read_bytes()
    assert figures("CMS")["fit_3_calibration"].get_size_inches()[0] > 12


@pytest.mark.parametrize("style", STYLES)
def test_styles_ignore_the_settings_of_the_user(style: str) -> None:
    with style_context(style):
        expected = dict(mpl.rcParams)
    with mpl.rc_context({"font.size": 33, "axes.grid": True, "lines.linewidth": 9}), style_context(style):
        assert dict(mpl.rcParams) == expected


def test_fonts_of_the_styles_come_with_mplhep() -> None:
    assert "TeX Gyre Heros" in fontManager.get_font_names()


def test_a_label_only_for_those_who_ask() -> None:
    assert not any("CMS" in text.get_text() for text in figures("CMS")["fit_3_calibration"].axes[0].texts)
    name, figure = next(
        make_figures(in_style("CMS"), label=ExperimentLabel("CMS", "Work in progress", "13 TeV"))
    )
    assert name == "average_images"
    texts = {text.get_text() for text in figure.axes[0].texts}
    assert {"CMS", "Work in progress", "13 TeV"} <= texts
    figure.draw_without_rendering()
    by_text = {text.get_text(): text.get_window_extent() for text in figure.axes[0].texts}
    assert by_text["CMS"].x1 < by_text["Work in progress"].x0


def test_another_search_brings_its_own_figures() -> None:
    @dataclasses.dataclass(frozen=True)
    class Mine:
        number: float

    def draw(result: RunResult, entries: Sequence[Entry]) -> Iterator[tuple[str, Figure]]:
        for search, observed in entries:
            figure = Figure()
            figure.subplots().set_title(f"{observed.observation.result.number:g}")
            yield f"{search.name}_mine", figure

    result = toy_run()
    search = result.searches[1]
    observation = dataclasses.replace(search.observed[1].observation, result=Mine(4.5))
    observed = dataclasses.replace(search.observed[1], observation=observation)
    mine = dataclasses.replace(search, name="mine", observed=(observed,), doped=())
    result = dataclasses.replace(result, searches=(mine,))
    names = [name for name, _ in make_figures(result)]
    assert names == ["average_images", "nonzero_pixels", "mine_calibration"]
    found = dict(make_figures(result, drawers={**DRAWERS, Mine: draw}))
    assert list(found) == ["average_images", "nonzero_pixels", "mine_mine_epsilon_0150", "mine_calibration"]
    assert found["mine_mine_epsilon_0150"].axes[0].get_title() == "4.5"


def with_more_epsilons(result: RunResult) -> RunResult:
    """The same doped pseudo-experiments once more, as if with twice as much signal."""
    searches = [
        dataclasses.replace(search, doped=(*search.doped, dataclasses.replace(search.doped[0], epsilon=300)))
        for search in result.searches
    ]
    return dataclasses.replace(result, searches=tuple(searches))


def test_sensitivity_is_drawn_where_there_is_a_curve() -> None:
    result = with_more_epsilons(toy_run())
    found = dict(make_figures(result, drawers={}))
    assert "sensitivity" in found
    assert "sensitivity_2" not in found
    many = dataclasses.replace(
        result,
        searches=tuple(dataclasses.replace(result.searches[0], name=f"n{i}", title=f"{i}") for i in range(7)),
    )
    found = dict(make_figures(many, drawers={}))
    texts = [
        [text.get_text() for text in found[name].axes[0].get_legend().get_texts()]
        for name in ("sensitivity", "sensitivity_2")
    ]
    assert texts[0][:6] == list("012345")
    assert texts[1][0] == "6"


@pytest.mark.parametrize("title", [r"broken $\pt{x$", "5 $", "$m_{jj}$"])
def test_titles_of_a_card_are_drawn_as_they_are(title: str) -> None:
    result = toy_run(epsilon=(150,), fits=(3,))
    searches = tuple(dataclasses.replace(search, title=title) for search in result.searches)
    entitled = dataclasses.replace(result, searches=searches)
    labels = {}
    for name, figure in make_figures(entitled):
        figure.draw_without_rendering()
        labels[name] = figure.axes[0].get_xlabel()
    escaped = title.replace("$", r"\$")
    assert labels["cluster_scanning_calibration"] == f"Test statistic, {escaped}"

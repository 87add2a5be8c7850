"""All figures of a run: which there are, and what a reader needs to see on each."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
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

from hepcs.datasets.bootstrap import Injection
from hepcs.output import make_figures
from hepcs.plots import ExperimentLabel, style_context
from hepcs.results import RunResult
from hepcs.searches.kinds import Drawing

STYLES = ("plain", "CMS", "ATLAS")
FEW = "{cluster_scanning: {k: 8, ensemble: 2}, fit_3: {kind: dijet_fit, parameters: 3}}"


def in_style(style: str) -> RunResult:
    """The toy run with another style in its card, and with one data set less to draw."""
    if style == "plain":
        return toy_run()
    result = toy_run(epsilon="[150]", searches=FEW)
    output = result.card.card.output.model_copy(update={"style": style})
    card = dataclasses.replace(result.card, card=result.card.card.model_copy(update={"output": output}))
    return dataclasses.replace(result, card=card)


@lru_cache
def drawings(style: str = "plain") -> tuple[Drawing, ...]:
    """All figures of the toy run, laid out as they are saved."""
    found = tuple(make_figures(in_style(style)))
    for one in found:
        one.figure.draw_without_rendering()
    return found


def figures(style: str = "plain") -> dict[str, Figure]:
    return {one.name: one.figure for one in drawings(style)}


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
    spectra = ("normalised_spectra", "standardised_spectra", "signal_rich")
    injections = ("epsilon_0000", "epsilon_0150")
    assert list(figures()) == [
        "average_images",
        "nonzero_pixels",
        *(f"cluster_scanning_{what}_{injection}" for injection in injections for what in spectra),
        *(f"fitted_spectrum_{injection}" for injection in injections),
        "cluster_scanning_calibration",
        "fit_3_calibration",
        "fit_4_calibration",
        "searches",
    ]


def test_every_figure_says_what_it_shows_and_what_to_look_for() -> None:
    assert all("ook " in one.caption for one in drawings())
    headings = [one.heading for one in drawings()]
    assert len(set(headings)) == len(headings)
    assert "Calibration, 3-parameter fit" in headings
    subject = "Cluster Scanning, the background with 150 injected signal events"
    assert f"Signal-rich against signal-poor clusters, {subject}" in headings


@pytest.mark.slow
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
        if name == "searches":
            assert all(axes.get_xlabel() == "Global $Z$" for axes in figure.axes if axes.get_visible())
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
            if name == "searches":
                continue
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
    assert n_legends == len(figures(style)) - 1 == (13 if style == "plain" else 8)


@pytest.mark.parametrize("style", STYLES)
def test_panels_are_aligned_and_nothing_is_cut(style: str) -> None:
    for name, figure in figures(style).items():
        if name in {"average_images", "searches"}:
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
    label = ExperimentLabel("CMS", "Work in progress", "13 TeV")
    first = next(make_figures(in_style("CMS"), label=label))
    figure = first.figure
    assert first.name == "average_images"
    texts = {text.get_text() for text in figure.axes[0].texts}
    assert {"CMS", "Work in progress", "13 TeV"} <= texts
    figure.draw_without_rendering()
    by_text = {text.get_text(): text.get_window_extent() for text in figure.axes[0].texts}
    assert by_text["CMS"].x1 < by_text["Work in progress"].x0


def names(result: RunResult) -> list[str]:
    return [one.name for one in make_figures(result)]


def test_a_search_without_figures_of_its_own_has_its_spectrum() -> None:
    """The idealised fit draws nothing itself; it knows the truth, which stands beside it."""
    result = toy_run(searches="{fit_3: {kind: dijet_fit, parameters: 3}, idealised_fit: {}}", epsilon="[150]")
    found = {one.name: one for one in make_figures(result)}
    spectrum = found["idealised_fit_spectrum_epsilon_0150"]
    assert spectrum.heading == (
        "Spectrum and background estimate, idealised fit, the background with 150 injected signal events"
    )
    assert "fit_3_spectrum_epsilon_0150" not in found
    side_by_side = found["searches"].figure.axes[0]
    labels = [label.get_text() for label in side_by_side.get_yticklabels()]
    assert labels == ["3-parameter fit", "idealised fit\n(study: knows the truth)"]


def test_a_blind_run_draws_what_may_be_expected() -> None:
    assert names(toy_run(blind=True)) == [
        "average_images", "nonzero_pixels", "cluster_scanning_calibration", "fit_3_calibration",
        "fit_4_calibration", "searches",
    ]  # fmt: skip


def with_more_epsilons(result: RunResult, *injections: Injection) -> RunResult:
    """The same doped pseudo-experiments once more, as if with another signal."""
    searches = [
        dataclasses.replace(
            search,
            doped=(
                *search.doped,
                *(dataclasses.replace(search.doped[0], injection=one) for one in injections),
            ),
        )
        for search in result.searches
    ]
    return dataclasses.replace(result, searches=tuple(searches), combined=())


@pytest.mark.slow
def test_sensitivity_is_drawn_where_there_is_a_curve() -> None:
    result = with_more_epsilons(toy_run(searches=FEW), Injection(300, "signal"))
    found = {one.name: one.figure for one in make_figures(result)}
    assert "sensitivity" in found
    assert "sensitivity_2" not in found
    several = (Injection(300, "signal"), Injection(100, "narrow"), Injection(200, "narrow"))
    assert {"sensitivity_signal", "sensitivity_narrow"} <= set(
        names(with_more_epsilons(toy_run(searches=FEW), *several))
    )


@pytest.mark.slow
def test_so_many_curves_take_two_figures() -> None:
    fits = ", ".join(f"n{i}: {{kind: dijet_fit, parameters: 3, title: '{i}'}}" for i in range(6))
    result = with_more_epsilons(toy_run(searches=f"{{{fits}}}", doped=2), Injection(300, "signal"))
    together = toy_run(searches=f"{{{fits}}}", doped=2).combined
    more = dataclasses.replace(together[1], injection=Injection(300, "signal"))
    assert more.doped is not None
    more = dataclasses.replace(more, doped=dataclasses.replace(more.doped, injection=more.injection))
    found = {
        one.name: one.figure for one in make_figures(dataclasses.replace(result, combined=(*together, more)))
    }
    texts = []
    for name in ("sensitivity", "sensitivity_2"):
        legend = found[name].axes[0].get_legend()
        assert legend is not None
        texts.append([text.get_text() for text in legend.get_texts()])
    assert texts[0][:6] == list("012345")
    assert texts[1][0] == "all searches together"


@pytest.mark.parametrize("title", [r"broken $\pt{x$", "5 $", "$m_{jj}$"])
def test_titles_of_a_card_are_drawn_as_they_are(title: str) -> None:
    result = toy_run(epsilon="[150]", searches=FEW)
    searches = tuple(dataclasses.replace(search, title=title) for search in result.searches[:1])
    entitled = dataclasses.replace(result, searches=searches)
    labels, headings = {}, {}
    for one in make_figures(entitled):
        one.figure.draw_without_rendering()
        labels[one.name] = one.figure.axes[0].get_xlabel()
        headings[one.name] = one.heading
    escaped = title.replace("$", r"\$")
    assert labels["cluster_scanning_calibration"] == f"Test statistic, {escaped}"
    assert headings["cluster_scanning_calibration"] == f"Calibration, {title}"

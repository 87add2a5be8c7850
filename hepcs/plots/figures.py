"""All figures of a run, drawn one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from matplotlib.figure import Figure

from hepcs.plots.calibration import calibration_distribution
from hepcs.plots.images import average_images, average_panels
from hepcs.plots.pixels import nonzero_pixels, pixel_counts
from hepcs.plots.sensitivity import MOST_CURVES, doped_curve, sensitivity_curves
from hepcs.plots.style import ExperimentLabel, add_label, plain_text, style_context
from hepcs.results import Observed, RunResult, SearchResult
from hepcs.searches.cluster_scanning.cluster_figures import draw_clusters
from hepcs.searches.cluster_scanning.search import ScanEnsemble
from hepcs.searches.cluster_scanning.spectra_figures import (
    normalised_spectra,
    signal_rich_and_poor,
    standardised_spectra,
)
from hepcs.searches.dijet_fit.figures import fitted_spectrum
from hepcs.searches.dijet_fit.search import FitScan

NamedFigure = tuple[str, Figure]
#: A search and what it observed, of one epsilon and of one type of result.
Entry = tuple[SearchResult, Observed]
#: Draws the entries of one epsilon and one type of result; gives names without the epsilon.
Drawer = Callable[[RunResult, Sequence[Entry]], Iterator[NamedFigure]]


def make_figures(
    result: RunResult,
    *,
    drawers: Mapping[type, Drawer] | None = None,
    label: ExperimentLabel | None = None,
) -> Iterator[NamedFigure]:
    """The figures of a run with their names, one at a time, in the style that the card names.

    Parameters
    ----------
    result
        The run.
    drawers
        How to draw the `result` of an observation, by its type: :data:`DRAWERS` by default. A search of another
        kind brings its own, ``{**DRAWERS, MyResult: draw_mine}``; a type without drawer has no such figures.
    label
        Experiment's label above each figure; none by default.
    """
    searches = tuple(replace(search, title=plain_text(search.title)) for search in result.searches)
    result = replace(result, searches=searches)
    figures = _all_figures(result, DRAWERS if drawers is None else drawers)
    while True:
        # The style is left before a figure is handed out; the figure keeps its own.
        with style_context(result.card.card.output.style):
            name, figure = next(figures, ("", None))
            if figure is None:
                return
            add_label(figure.axes[0], label)
        yield name, figure


def draw_scans(result: RunResult, entries: Sequence[Entry]) -> Iterator[NamedFigure]:
    """Figs. 2 to 4 of the paper for the representative member of each ensemble."""
    theta = result.card.card.cluster_scanning.theta
    for search, observed in entries:
        ensemble: ScanEnsemble = observed.observation.result
        member = ensemble.representative
        scan, n = ensemble.scans[member], len(ensemble.scans)
        title = f"{search.title}, {epsilon_text(result, observed.epsilon)}"
        if n > 1:
            title += f"\nscan {member + 1} of {n}, the nearest to their mean"
        yield f"{search.name}_normalised_spectra", normalised_spectra(scan, result.bins, title)
        yield f"{search.name}_standardised_spectra", standardised_spectra(scan, result.bins, theta, title)
        yield f"{search.name}_signal_rich", signal_rich_and_poor(scan, result.bins, title)
        yield from draw_clusters(result, search.name, observed, title)


def draw_fits(result: RunResult, entries: Sequence[Entry]) -> Iterator[NamedFigure]:
    """The m_jj spectrum with all fits to it in one figure."""
    scans: list[FitScan] = [observed.observation.result for _, observed in entries]
    fits = [(search.title, scan.fit) for (search, _), scan in zip(entries, scans, strict=True)]
    title = epsilon_text(result, entries[0][1].epsilon)
    yield "fitted_spectrum", fitted_spectrum(scans[0].observed, fits, result.bins, title)


DRAWERS: Mapping[type, Drawer] = {ScanEnsemble: draw_scans, FitScan: draw_fits}


def epsilon_text(result: RunResult, epsilon: int) -> str:
    """What data set it is, for a legend."""
    if result.card.card.samples.is_real_search:
        return "data"
    return rf"background and $\epsilon$ = {epsilon} signal events" if epsilon else "background only"


def _all_figures(result: RunResult, drawers: Mapping[type, Drawer]) -> Iterator[NamedFigure]:
    panels = average_panels(result.samples)
    if panels:
        yield "average_images", average_images(panels, result.card.card.images.half_width)
    filled = [one for sample in result.samples for one in pixel_counts(sample)]
    if filled:
        yield "nonzero_pixels", nonzero_pixels(filled, result.card.card.images.pixels)
    epsilons = dict.fromkeys(observed.epsilon for search in result.searches for observed in search.observed)
    for epsilon in epsilons:
        for kind, entries in _by_type(result, epsilon).items():
            if kind in drawers:
                for name, figure in drawers[kind](result, entries):
                    yield f"{name}_epsilon_{epsilon:04d}", figure
    for search in result.searches:
        yield f"{search.name}_calibration", calibration_distribution(search)
    curves = [doped_curve(search) for search in result.searches if search.doped]
    # One epsilon is no curve.
    if curves and len(curves[0].epsilon) > 1:
        for number, start in enumerate(range(0, len(curves), MOST_CURVES), start=1):
            name = "sensitivity" if number == 1 else f"sensitivity_{number}"
            yield name, sensitivity_curves(curves[start : start + MOST_CURVES])


def _by_type(result: RunResult, epsilon: int) -> dict[type, list[Entry]]:
    """The entries of an epsilon by the type of the observation's result, in order of the searches."""
    entries: dict[type, list[Entry]] = {}
    for search in result.searches:
        for observed in search.observed:
            if observed.epsilon == epsilon:
                entries.setdefault(type(observed.observation.result), []).append((search, observed))
    return entries

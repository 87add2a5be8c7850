"""All figures of a run, drawn one at a time: those of any run here, and those of its searches beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from hepcs._core.progress import Progress, silent, tracked
from hepcs.calibration import Calibration, ZSummary
from hepcs.datasets.bootstrap import Injection
from hepcs.plots import calibration, images, pixels, sensitivity, side_by_side, spectrum
from hepcs.plots.calibration import calibration_distribution
from hepcs.plots.images import average_images, average_panels
from hepcs.plots.pixels import nonzero_pixels, pixel_counts
from hepcs.plots.sensitivity import MOST_CURVES, doped_curve, sensitivity_curves
from hepcs.plots.side_by_side import Compared, searches_side_by_side
from hepcs.plots.spectrum import mass_spectrum
from hepcs.plots.style import Caption, ExperimentLabel, add_label, plain_text, style_context
from hepcs.results import RunResult, SearchResult
from hepcs.results.wording import KNOWS_TRUTH, TOGETHER, data_set, data_set_name, epsilon_text, legend_text
from hepcs.searches.kinds import Drawing, by_kind

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_figures(
    result: RunResult, *, label: ExperimentLabel | None = None, progress: Progress = silent
) -> Iterator[Drawing]:
    """The figures of a run, one at a time, in the style that the card names.

    Parameters
    ----------
    result
        The run.
    label
        Experiment's label above each figure; none by default.
    progress
        Called as the figures of each kind of search, and those of all of them, are drawn.
    """
    drawings = _all_figures(_for_mathtext(result), progress)
    while True:
        # The style is left before a figure is handed out; the figure keeps its own.
        with style_context(result.card.card.output.style):
            drawing = next(drawings, None)
            if drawing is None:
                return
            add_label(drawing.figure.axes[0], label)
        # Only in figures are titles mathtext.
        yield replace(drawing, heading=drawing.heading.replace(r"\$", "$"))


def comparison(result: RunResult) -> Drawing | None:
    """The figure of all searches side by side; None of a run that neither observed nor expects anything."""
    with style_context(result.card.card.output.style):
        return next(_side_by_side(_for_mathtext(result)), None)


def _for_mathtext(result: RunResult) -> RunResult:
    """The run with titles that figures can hold."""
    searches = tuple(replace(search, title=plain_text(search.title)) for search in result.searches)
    return replace(result, searches=searches)


def _all_figures(result: RunResult, progress: Progress) -> Iterator[Drawing]:
    """Of the samples first, then those of each kind of search, then those of all searches."""
    card, kinds = result.card.card, list(by_kind(result))
    steps = tracked(range(len(kinds) + 3), "figures", len(kinds) + 3, progress)
    next(steps)
    panels = average_panels(result.samples)
    if panels:
        yield _drawing("average_images", average_images(panels, card.images.half_width), images.CAPTION)
    filled = [one for sample in result.samples for one in pixel_counts(sample)]
    if filled:
        yield _drawing("nonzero_pixels", nonzero_pixels(filled, card.images.pixels), pixels.CAPTION)
    for kind, searches in kinds:
        next(steps)
        n_drawn = 0
        for drawing in kind.figures(result, searches):
            yield drawing
            n_drawn += 1
        if n_drawn == 0:
            yield from _spectra(result, searches)
    next(steps)
    for search in result.searches:
        figure = calibration_distribution(search)
        yield _drawing(f"{search.name}_calibration", figure, calibration.CAPTION, search.title)
    next(steps)
    yield from _sensitivity(result)
    if len(result.searches) > 1:
        yield from _side_by_side(result)
    next(steps, None)


def _drawing(name: str, figure: Figure, caption: Caption, *subjects: str) -> Drawing:
    return Drawing(name, figure, ", ".join((caption.heading, *subjects)), caption.text)


def _spectra(result: RunResult, searches: Sequence[SearchResult]) -> Iterator[Drawing]:
    """The spectrum of each search that compares one."""
    for search in searches:
        for observed in search.observed:
            compared, injection = observed.observation.spectrum, observed.injection
            if compared is not None:
                title = f"{search.title}\n{legend_text(result, injection)}"
                yield _drawing(
                    f"{search.name}_spectrum_{data_set_name(result, injection)}",
                    mass_spectrum(compared, result.bins, title),
                    spectrum.CAPTION,
                    search.title,
                    data_set(result, injection),
                )


def _sensitivity(result: RunResult) -> Iterator[Drawing]:
    """Curves of all searches, for each signal; one epsilon is no curve."""
    entries = [(search.title, search.doped) for search in result.searches if search.doped]
    together = tuple(one.doped for one in result.combined if one.doped is not None)
    entries += [(TOGETHER, together)] if together else []
    signals = dict.fromkeys(one.injection.signal for _, doped in entries for one in doped)
    for signal in signals:
        curves = [
            doped_curve(title, its)
            for title, doped in entries
            if len(its := [one for one in doped if one.injection.signal == signal]) > 1
        ]
        name = "_".join(filter(None, ("sensitivity", signal if len(signals) > 1 else "")))
        for start in range(0, len(curves), MOST_CURVES):
            figure = sensitivity_curves(curves[start : start + MOST_CURVES])
            number = start // MOST_CURVES + 1
            subject = [signal] if len(signals) > 1 else []
            yield _drawing(name if number == 1 else f"{name}_{number}", figure, sensitivity.CAPTION, *subject)


def _side_by_side(result: RunResult) -> Iterator[Drawing]:
    """All searches in one figure, where anything was observed or expected."""
    found: dict[str, tuple[Mapping[Injection, Calibration | None], Mapping[Injection, ZSummary]]] = {}
    for search in result.searches:
        title = f"{search.title}\n({KNOWS_TRUTH})" if result.knows_truth(search.name) else search.title
        observed = {one.injection: one.calibration for one in search.observed}
        found[title] = observed, {one.injection: one.z for one in search.doped}
    if result.combined:
        found[TOGETHER] = (
            {
                one.injection: one.combination.calibration
                for one in result.combined
                if one.combination is not None
            },
            {one.injection: one.doped.z for one in result.combined if one.doped is not None},
        )
    injections = {one for numbers in found.values() for by_injection in numbers for one in by_injection}
    panels = {
        _panel_title(result, injection): [
            Compared(title, observed.get(injection), expected.get(injection))
            for title, (observed, expected) in found.items()
        ]
        for injection in sorted(injections, key=lambda one: (one.signal, one.epsilon))
    }
    if panels:
        yield _drawing("searches", searches_side_by_side(panels), side_by_side.CAPTION)


def _panel_title(result: RunResult, injection: Injection) -> str:
    if injection.epsilon:
        return epsilon_text(injection)
    return "data" if result.is_real_search else "no signal"

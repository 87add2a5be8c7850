"""Figures of Cluster Scanning: the scan nearest to the ensemble's mean (paper, Figs. 2 to 4), and its clusters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from matplotlib.figure import Figure

from hepcs.plots.style import Caption
from hepcs.results import Observed, RunResult, SearchResult
from hepcs.results.wording import data_set, data_set_name, legend_text
from hepcs.searches.cluster_scanning.cluster_figures import CLUSTERS, draw_clusters
from hepcs.searches.cluster_scanning.section import ClusterScanning
from hepcs.searches.cluster_scanning.spectra_figures import (
    NORMALISED,
    SIGNAL_RICH,
    STANDARDISED,
    normalised_spectra,
    signal_rich_and_poor,
    standardised_spectra,
)
from hepcs.searches.kinds import Drawing


def figures(result: RunResult, searches: Sequence[SearchResult]) -> Iterator[Drawing]:
    """For each search and observed data set: spectra of the clusters, and what the selected ones look like."""
    for search in searches:
        for observed in search.observed:
            if observed.observation.result is not None:
                for what, figure, caption in _of_data_set(result, search, observed):
                    yield Drawing(
                        f"{search.name}_{what}_{data_set_name(result, observed.injection)}",
                        figure,
                        f"{caption.heading}, {search.title}, {data_set(result, observed.injection)}",
                        caption.text,
                    )


def _of_data_set(
    result: RunResult, search: SearchResult, observed: Observed
) -> Iterator[tuple[str, Figure, Caption]]:
    section, found, bins = result.card.card.searches[search.name], observed.observation.result, result.bins
    assert isinstance(section, ClusterScanning)
    assert observed.observation.spectrum is not None
    unit = observed.observation.spectrum.unit
    scan, n = found.scans[found.representative], len(found.members)
    title = f"{search.title}, {legend_text(result, observed.injection)}"
    if n > 1:
        title += f"\nscan {found.representative + 1} of {n}, the nearest to their mean"
    yield "normalised_spectra", normalised_spectra(scan, bins, title, unit), NORMALISED
    yield "standardised_spectra", standardised_spectra(scan, bins, section.theta, title), STANDARDISED
    yield "signal_rich", signal_rich_and_poor(scan, bins, title, unit), SIGNAL_RICH
    clusters = draw_clusters(result, observed, title)
    if clusters is not None:
        yield "selected_clusters", clusters, CLUSTERS

"""What Cluster Scanning says in the report: the selected clusters, where it looks, and what to be careful of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from hepcs.config.schema import Card
from hepcs.datasets.bootstrap import Kind
from hepcs.datasets.samples import MassBins
from hepcs.results import Outcome, RunResult, SearchResult
from hepcs.results.wording import NOTHING, data_set, data_set_name
from hepcs.searches.cluster_scanning.section import ClusterScanning
from hepcs.searches.kinds import Block, Table, bins_text, statistic_widths

# Jets in the smallest cluster-bin below which the standardised spectra are no longer near normal.
FEW_JETS = 10


def report(result: RunResult, searches: Sequence[SearchResult]) -> Iterator[Block]:
    """The signal-rich clusters of each observed data set, with the figure of what their jets look like."""
    for search in searches:
        section = result.card.card.searches[search.name]
        if isinstance(section, ClusterScanning) and not section.retrain:
            text = "The clusters were found once, of the background sample: p is conditional on them."
            yield Block(f"{search.title}: clusters", (text,))
        for observed in search.observed:
            rows = observed.observation.summary["selected_clusters"]
            heading = f"{search.title}: selected clusters, {data_set(result, observed.injection)}"
            if not rows:
                yield Block(
                    heading, ("No cluster of the scan nearest to the mean of the ensemble is signal-rich.",)
                )
                continue
            unit = unit_of(rows[0])
            table = Table(
                ("cluster", unit, "largest deviation", "at m_jj [GeV]", "local Z", "SFI"),
                tuple(_row(row, result.bins) for row in rows),
                "Signal-rich clusters of the scan nearest to the mean of the ensemble. Local Z: the largest "
                "excess of the cluster alone over the signal-poor clusters, scaled to as many. SFI: how "
                f"much richer in signal than all {unit}, by the truth where it is known.",
            )
            figure = f"{search.name}_selected_clusters_{data_set_name(result, observed.injection)}"
            yield Block(heading, tables=(table,), figures=(figure,))


def unit_of(row: Mapping[str, Any]) -> str:
    """What a selected cluster consists of."""
    return "events" if "events" in row else "jets"


def _row(row: Mapping[str, Any], bins: MassBins) -> tuple[str, ...]:
    def range_of(bin_: int) -> str:
        return f"[{bins.edges[bin_]:g}, {bins.edges[bin_ + 1]:g})"

    local = row["local_significance"]
    return (
        str(row["cluster"]),
        f"{row[unit_of(row)]:,}",
        f"{row['largest_deviation']:.1f}",
        range_of(row["most_deviating_bin"]),
        f"{local:.1f} at {range_of(row['most_significant_bin'])}" if local > 0 else NOTHING,
        NOTHING if row["sfi"] is None else f"{row['sfi']:.1f}",
    )


def warnings(result: RunResult, searches: Sequence[SearchResult]) -> Iterator[str]:
    """Clusters too small for the standardisation to make sense (paper, appendix C)."""
    for search in searches:
        pseudo = [one for one in search.outcomes if one.task.kind is not Kind.OBSERVED]
        yield from forecast(result.card.card, search.name, search.title, pseudo)


def forecast(card: Card, name: str, title: str, outcomes: Sequence[Outcome]) -> Iterator[str]:
    """The same from a few outcomes, and a number of clusters that fits: their sizes fall as 1 / k."""
    section = card.searches[name]
    assert isinstance(section, ClusterScanning)
    smallest = [outcome.details["smallest_cluster_bin"] for outcome in outcomes]
    if smallest and np.median(smallest) < FEW_JETS:
        fits = max(int(section.k * np.median(smallest) / FEW_JETS), 2)
        yield (
            f"{title}: the smallest cluster-bin of a data set holds {np.median(smallest):.0f} entries "
            "in the median, too few for spectra that are standardised as if they were normal: a smaller "
            f"searches.{name}.k than {section.k} would be safer, such as {fits}, or wider bins"
        )


def trials(section: ClusterScanning, card: Card) -> str:
    """Where a scan looks for an excess, and how often."""
    widths = statistic_widths(section.statistic, card) if section.windows is None else section.windows.widths
    scans = "1 scan" if section.ensemble == 1 else f"{section.ensemble} scans of an ensemble"
    return f"{bins_text(card, widths)}; {section.k} clusters; {scans}"

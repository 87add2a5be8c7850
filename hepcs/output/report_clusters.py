"""What the searches say of the observed spectra: fits, and the clusters that were selected."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from hepcs.datasets.samples import MassBins
from hepcs.output.page import Markup, element, join, table
from hepcs.output.sentences import data_set, short_data_set
from hepcs.output.table import NOTHING
from hepcs.results import Observed, RunResult, SearchResult


def fits_section(result: RunResult) -> Markup:
    """Parameters and quality of each fit to an observed spectrum."""
    real = result.card.card.samples.is_real_search
    rows = [
        _fit_row(search, observed, fit, real)
        for search in result.searches
        for observed in search.observed
        if isinstance(fit := observed.observation.summary.get("fit"), Mapping)
    ]
    if not rows:
        return Markup()
    return table(
        ("fit", "data set", "parameters", "chi2 / ndof", "p-value", "converged"),
        rows,
        caption="Dijet functions fitted to the spectrum of all events; errors from the covariance. p1 is given by "
        "its logarithm. A small p-value says that the function does not describe the spectrum.",
        classes=("nowrap", "nowrap", "", "nowrap", "number", ""),
    )


def _fit_row(search: SearchResult, observed: Observed, fit: Mapping[str, Any], real: bool) -> tuple[str, ...]:
    covariance = np.array(fit["covariance"], dtype=np.float64)
    errors = np.sqrt(np.clip(np.diag(covariance), 0, None))
    parameters = [
        element("div", f"{name} = {value:.4g} ± {error:.2g}", class_="nowrap")
        for name, value, error in zip(fit["parameter_names"], fit["parameters"], errors, strict=True)
    ]
    return (
        search.title,
        short_data_set(observed.epsilon, real),
        join(*parameters),
        f"{fit['chi2']:.1f} / {fit['ndof']}",
        f"{fit['p_value']:#.2g}",
        "yes" if fit["converged"] else "no",
    )


def clusters_section(
    result: RunResult, figures_of: Callable[[SearchResult, int], tuple[Markup, ...]]
) -> Markup:
    """The signal-rich clusters of each observed data set, with what their jets look like.

    Parameters
    ----------
    result
        The run.
    figures_of
        Gives the figures of the clusters of a search and a number of injected events.
    """
    real = result.card.card.samples.is_real_search
    parts: list[Markup] = []
    for search in result.searches:
        for observed in search.observed:
            selected = observed.observation.summary.get("selected_clusters")
            if selected is None:
                continue
            parts.append(element("h3", f"{search.title}: {data_set(observed.epsilon, real)}"))
            if not selected:
                parts.append(element("p", "No cluster of the representative scan is signal-rich."))
                continue
            parts.append(
                table(
                    ("cluster", "jets", "largest deviation", "at m_jj [GeV]", "local Z", "SFI"),
                    [_cluster_row(row, result.bins) for row in selected],
                    caption="Signal-rich clusters of the scan nearest to the mean of the ensemble. Local Z: the "
                    "largest excess of the cluster alone over the signal-poor clusters, scaled to as many jets. "
                    "SFI: how much richer in signal than "
                    "all jets, by the truth where it is known",
                    classes=("number", "number", "number", "nowrap", "nowrap", "number"),
                )
            )
            parts += figures_of(search, observed.epsilon)
    return join(*parts)


def _cluster_row(row: Mapping[str, Any], bins: MassBins) -> tuple[str, ...]:
    def range_of(bin_: int) -> str:
        return f"[{bins.edges[bin_]:g}, {bins.edges[bin_ + 1]:g})"

    local = row["local_significance"]
    return (
        str(row["cluster"]),
        f"{row['jets']:,}",
        f"{row['largest_deviation']:.1f}",
        range_of(row["most_deviating_bin"]),
        f"{local:.1f} at {range_of(row['most_significant_bin'])}" if local > 0 else NOTHING,
        NOTHING if row["sfi"] is None else f"{row['sfi']:.1f}",
    )

"""What dijet fits say in the report: parameters and quality of each fit, and the best mass of each template."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from hepcs.config.schema import Card
from hepcs.results import Observed, RunResult, SearchResult
from hepcs.results.wording import NOTHING, short_data_set
from hepcs.searches.dijet_fit.section import DijetFitSection
from hepcs.searches.kinds import Block, Table, bins_text, statistic_widths


def report(result: RunResult, searches: Sequence[SearchResult]) -> Iterator[Block]:
    """One block with a table of all fits, and one of all templates."""
    entries = [(search, observed) for search in searches for observed in search.observed]
    fits = [_fit_row(result, *one) for one in entries if "fit" in one[1].observation.summary]
    templates = [_template_row(result, *one) for one in entries if "masses" in one[1].observation.summary]
    tables = []
    if fits:
        tables.append(
            Table(
                ("fit", "data set", "parameters", "chi2 / ndof", "p-value", "converged"),
                tuple(fits),
                "Dijet functions fitted to the spectrum of all events; errors from the covariance. p1 is "
                "given by its logarithm. A small p-value says that the function does not describe the "
                "spectrum.",
            )
        )
    if templates:
        tables.append(
            Table(
                ("fit", "data set", "mass [GeV]", "signal events", "local Z"),
                tuple(templates),
                "Signal of given shape fitted together with the dijet function: where it is most significant.",
            )
        )
    if tables:
        yield Block("Dijet fits", tables=tuple(tables))


def trials(section: DijetFitSection, card: Card) -> str:
    """Where a fit looks for an excess."""
    if section.template is not None:
        shape = (
            "the signal sample"
            if section.template.shape == "signal"
            else f"width {section.template.width:.1%}"
        )
        return f"{bins_text(card)}; a signal with the shape of {shape} every {section.template.step:g} GeV"
    if section.windows is not None:
        return bins_text(card, section.windows.widths)
    return bins_text(card, statistic_widths(section.statistic, card))


def _fit_row(result: RunResult, search: SearchResult, observed: Observed) -> tuple[str, ...]:
    fit: Mapping[str, Any] = observed.observation.summary["fit"]
    covariance = np.array(fit["covariance"], dtype=np.float64)
    errors = np.sqrt(np.clip(np.diag(covariance), 0, None))
    parameters = [
        f"{name} = {value:.4g} ± {error:.2g}"
        for name, value, error in zip(fit["parameter_names"], fit["parameters"], errors, strict=True)
    ]
    return (
        search.title,
        short_data_set(result, observed.injection),
        ", ".join(parameters),
        f"{fit['chi2']:.1f} / {fit['ndof']}",
        f"{fit['p_value']:#.2g}",
        "yes" if fit["converged"] else "no",
    )


def _template_row(result: RunResult, search: SearchResult, observed: Observed) -> tuple[str, ...]:
    summary, outcome = observed.observation.summary, observed.outcome
    strength, error = (np.array(summary[key], dtype=np.float64) for key in ("strength", "strength_error"))
    return (
        search.title,
        short_data_set(result, observed.injection),
        f"{summary['mass']:g}",
        f"{strength:.0f} ± {error:.0f}",
        f"{outcome.statistic:.2f}" if outcome.valid else NOTHING,
    )

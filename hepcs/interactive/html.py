"""Results as HTML for a notebook: the answer, the table, and the spectrum that tells its numbers."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from hepcs.datasets.bootstrap import Injection
from hepcs.output.advice import next_steps
from hepcs.output.report import search_details
from hepcs.output.report_sections import answers, numbers_table
from hepcs.results import RunResult, SearchResult


def run_html(result: RunResult, folder: Path | None) -> str:
    """A run: the answer in words, warnings, the table, and what to do next."""
    return (
        _environment()
        .get_template("notebook.html")
        .render(
            title=result.card.card.name,
            sentences=list(answers(result)),
            warnings=result.warnings,
            table=numbers_table(result),
            spectra=(),
            next_steps=next_steps(result),
            folder=folder,
        )
    )


def search_html(result: RunResult, search: SearchResult, injection: Injection | None) -> str:
    """A search: what it says of the observed data sets, or of one of them, with their spectra."""
    found = next(one for one in search_details(result, {}) if one.name == search.name)
    wanted = [injection in {None, one.injection} for one in search.observed]
    shown = [one for one, wants in zip(search.observed, wanted, strict=True) if wants]
    spectra = [one.observation.spectrum is not None for one in search.observed]
    with_spectrum = [wants for wants, has in zip(wanted, spectra, strict=True) if has]
    return (
        _environment()
        .get_template("notebook.html")
        .render(
            title=search.title,
            sentences=[text for text, wants in zip(found.sentences, wanted, strict=True) if wants],
            warnings=(),
            table=None,
            spectra=[one for one, wants in zip(found.spectra, with_spectrum, strict=True) if wants and shown],
            next_steps=(),
            folder=None,
        )
    )


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("hepcs.output"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )

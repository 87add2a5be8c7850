"""A kind of search by score and cut: its section and its words; all else is common."""

from __future__ import annotations

from hepcs._core.deferring import deferred
from hepcs.searches.cut_and_fit.section import CutAndFit
from hepcs.searches.kinds import SearchKind

_HERE = "hepcs.searches.cut_and_fit"


def score_kind(section: type[CutAndFit], summary: str, paper: str) -> SearchKind:
    """The kind of a section, with the search, figures, report and warnings of all searches by score and cut."""
    return SearchKind(
        section=section,
        summary=summary,
        paper=paper,
        build=deferred(f"{_HERE}.search", "build"),
        figures=deferred(f"{_HERE}.figures", "figures"),
        report=deferred(f"{_HERE}.report", "report"),
        warnings=deferred(f"{_HERE}.report", "warnings"),
        hyperparameters=deferred(f"{_HERE}.report", "hyperparameters"),
        trials=deferred(f"{_HERE}.report", "trials"),
    )

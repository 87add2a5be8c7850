"""Dijet functions fitted to the m_jj spectrum of all events."""

from hepcs._core.deferring import deferred
from hepcs.searches.dijet_fit.section import DijetFitSection
from hepcs.searches.kinds import SearchKind

_HERE = "hepcs.searches.dijet_fit"

KIND = SearchKind(
    section=DijetFitSection,
    summary="a smooth function fitted to the spectrum of all events",
    paper="arXiv:2402.17714, appendix A",
    build=deferred(f"{_HERE}.search", "build"),
    figures=deferred(f"{_HERE}.figures", "figures"),
    report=deferred(f"{_HERE}.report", "report"),
    trials=deferred(f"{_HERE}.report", "trials"),
    restore=deferred(f"{_HERE}.search", "restore"),
)

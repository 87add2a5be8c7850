"""The idealised fit: data against the background spectrum that they were drawn from."""

from hepcs._core.deferring import deferred
from hepcs.searches.idealised_fit.section import IdealisedFit
from hepcs.searches.kinds import SearchKind

_HERE = "hepcs.searches.idealised_fit"

KIND = SearchKind(
    section=IdealisedFit,
    summary="the spectrum of all events against the background itself (needs the truth)",
    paper="arXiv:2402.17714, section 5",
    build=deferred(f"{_HERE}.search", "build"),
    trials=deferred(f"{_HERE}.search", "trials"),
)

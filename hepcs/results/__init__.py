"""What a run found: frozen, complete, and independent of the kinds of its searches."""

from hepcs.results.outcomes import (
    JetGroup,
    LocalExcess,
    MassSpectrum,
    NamedHistogram,
    Observation,
    Outcome,
    statistics_of,
)
from hepcs.results.run import Combined, Doped, Observed, Provenance, RunResult, SearchResult

__all__ = [
    "Combined",
    "Doped",
    "JetGroup",
    "LocalExcess",
    "MassSpectrum",
    "NamedHistogram",
    "Observation",
    "Observed",
    "Outcome",
    "Provenance",
    "RunResult",
    "SearchResult",
    "statistics_of",
]

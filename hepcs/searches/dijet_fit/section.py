"""The section of dijet fits on the card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from hepcs.config.searches import SearchSection, Statistic
from hepcs.config.values import Problem

if TYPE_CHECKING:
    from hepcs.config.schema import Card


class DijetFit(SearchSection):
    """A dijet function fitted to the spectrum of all events (Cluster Scanning, eq. 3.1 and appendix A)."""

    published: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "fit_3": {"parameters": 3},
        "fit_4": {"parameters": 4},
    }

    kind: Literal["dijet_fit"] = "dijet_fit"
    parameters: Annotated[int, Field(strict=True, ge=3, le=5)] = Field(4, description="non-zero parameters")
    statistic: Statistic = Statistic()
    toys: bool = Field(
        True,
        description="calibrate by Poisson toys of the fit to the background, as published, rather than by the data "
        "sets that all searches share",
    )

    def problems_in(self, card: Card) -> Iterator[Problem]:
        """Whether the bins are enough."""
        n_bins = card.regions.n_bins
        if n_bins <= self.parameters:
            yield "parameters", f"{self.parameters} parameters need more than the {n_bins} bins of m_jj"
        for key, text in self.statistic.problems_in(n_bins):
            yield f"statistic.{key}", text

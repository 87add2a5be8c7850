"""The section of the idealised fit on the card."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from hepcs.config.searches import SearchSection, Statistic
from hepcs.config.values import Problem

if TYPE_CHECKING:
    from hepcs.config.schema import Card


class IdealisedFit(SearchSection):
    """Compares with the original background spectrum itself, which only simulation knows."""

    kind: Literal["idealised_fit"] = "idealised_fit"
    statistic: Statistic = Field(Statistic(), description="of the spectrum against the true background")

    @property
    def needs_truth(self) -> bool:
        """Always."""
        return True

    def problems_in(self, card: Card) -> Iterator[Problem]:
        """Whether the statistic fits the bins."""
        for key, text in self.statistic.problems_in(card.regions.n_bins):
            yield f"statistic.{key}", text

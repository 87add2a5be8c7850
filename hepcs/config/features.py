"""What the section of every feature kind has in common; each kind has its own beside its maker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from hepcs.config.kinds import OneOf
from hepcs.config.values import Problem, Section

if TYPE_CHECKING:
    from hepcs.config.schema import Card


class FeatureSection(Section):
    """What a search can be given of each jet or event. A subclass has `kind: Literal["its_name"] = "its_name"`."""

    kind: str

    @property
    def packages(self) -> tuple[str, ...]:
        """Packages, by the names under which they are installed, that compute its values."""
        return ()

    def problems_in(self, card: Card) -> Iterator[Problem]:  # noqa: ARG002
        """What does not go together with the rest of the card: keys relative to the section."""
        return iter(())


AnyFeature = Annotated[FeatureSection, OneOf("hepcs.features")]

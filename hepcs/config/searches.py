"""What the sections of searches have in common; the section of each kind stands beside that search."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from hepcs.config.kinds import OneOf
from hepcs.config.running import OwnPseudoExperiments
from hepcs.config.values import PositiveInteger, Problem, Section, Text

if TYPE_CHECKING:
    from hepcs.config.schema import Card


class SearchSection(Section):
    """What every search has on the card. A subclass has `kind: Literal["its_name"] = "its_name"`."""

    # The searches of this kind that a card without `searches` has: their keys by name.
    published: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    kind: str
    title: Text | None = Field(
        None, description="name for people; the kind's own, or that of the search, if absent"
    )
    pseudo_experiments: OwnPseudoExperiments = Field(
        OwnPseudoExperiments(), description="numbers of this search, where they differ from the card's"
    )

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features that the search looks at."""
        return ()

    @property
    def roles(self) -> tuple[str, ...]:
        """Samples that it needs as a whole.

        ``simulation``, ``priors``, ``background`` (what pseudo-experiments are drawn from) and, with the truth,
        ``signal``.
        """
        return ()

    @property
    def needs_truth(self) -> bool:
        """Whether it knows signal from background: a study, which no search of real data can do."""
        return False

    @property
    def packages(self) -> tuple[str, ...]:
        """Packages, by the names under which they are installed, that compute its results."""
        return ()

    def problems_in(self, card: Card) -> Iterator[Problem]:  # noqa: ARG002
        """What does not go together with the rest of the card: keys relative to the section."""
        return iter(())


AnySearch = Annotated[SearchSection, OneOf("hepcs.searches")]


class Statistic(Section):
    """The test statistic of a spectrum against its background estimate (Cluster Scanning, eqs. 3.2 and 3.3)."""

    kind: Literal["maximum_local_significance", "bumphunter"] = Field(
        "maximum_local_significance",
        description="largest Z of single bins, or -ln p of the most significant window of adjacent bins",
    )
    local_significance: Literal["gaussian", "exact"] = Field(
        "gaussian", description="Z of a bin: (S - B) / sqrt(B), or the normal quantile of its Poisson tail"
    )
    background_uncertainty: Annotated[float, Field(strict=True, ge=0, le=1)] | Literal["measured"] = Field(
        0.0,
        description="uncertainty of the background estimate, divided by it, that widens the local significance, "
        "such as the bias that its tests have found. `measured`, of dijet fits: by other functions, bin by bin",
    )
    max_width: PositiveInteger | None = Field(
        None, description="bumphunter: bins in the widest window; half of all bins if absent"
    )

    @property
    def background_error(self) -> float:
        """The uncertainty as a number; 0 where it is to be measured."""
        return 0.0 if isinstance(self.background_uncertainty, str) else self.background_uncertainty

    def _problems(self) -> Iterator[Problem]:
        if self.background_uncertainty and self.kind == "bumphunter":
            yield "background_uncertainty", "is of maximum_local_significance; the statistic is bumphunter"
        if self.max_width is not None and self.kind != "bumphunter":
            yield "max_width", f"is for kind: bumphunter; the statistic is {self.kind}"

    def problems_in(self, n_bins: int, *, measures: bool = False) -> Iterator[Problem]:
        """What does not go together with so many bins of m_jj, nor with a search that is no dijet fit."""
        if self.background_uncertainty == "measured" and not measures:
            yield (
                "background_uncertainty",
                "is measured of dijet fits and searches by score and cut; expected a number such as 0.01",
            )
        if self.max_width is not None and self.max_width > n_bins:
            yield "max_width", f"is {self.max_width}, and there are {n_bins} bins of m_jj"

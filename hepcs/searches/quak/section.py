"""The section of QUAK on the card."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from hepcs.config.values import PositiveInteger, Problem
from hepcs.searches.cut_and_fit.section import Efficiencies
from hepcs.searches.densities.section import FEWEST, DensityCutAndFit

if TYPE_CHECKING:
    from hepcs.searches.kinds import Context
    from hepcs.searches.quak.training import QuakTraining


class Quak(DensityCutAndFit):
    """Quasi-anomalous knowledge."""

    trained_on: ClassVar[str] = "a density of the background, and one of each signal prior"
    usual_title: ClassVar[str] = "QUAK"
    kind: Literal["quak"] = "quak"
    efficiencies: Efficiencies = Field(
        (0.003, 0.01, 0.03),
        description="shares of all events at which categories end, for each order; their fits are combined",
    )
    prior_epochs: PositiveInteger = Field(20, description="most epochs of the density of a prior")
    retrain: bool = Field(
        False,
        description="train the density of the background anew in each data set; if not, once, on the `background` "
        "sample, and p is conditional on it",
    )

    def training(self) -> QuakTraining:
        """Densities of the priors once, that of the background once or anew."""
        from hepcs.searches.quak.training import QuakTraining

        of_priors = self.flow.model_copy(update={"epochs": self.prior_epochs})
        return QuakTraining(self.folds, self.flow, of_priors, retrain=self.retrain)

    @property
    def roles(self) -> tuple[str, ...]:
        """What densities are of."""
        return ("background", "priors")

    @property
    def is_trained_once(self) -> bool:
        """Whether no data set trains anything."""
        return not self.retrain

    @property
    def conditional_on(self) -> str:
        """The priors, in any case."""
        if self.retrain:
            return "The densities of the priors were trained once: p is conditional on them."
        return super().conditional_on

    def _problems(self) -> Iterator[Problem]:
        yield from super()._problems()
        if self.local_significance == "exact":
            yield (
                "local_significance",
                "is exact, and categories are combined by their variances; expected asymptotic",
            )

    def problems_of(self, context: Context) -> Iterator[Problem]:
        """Priors without enough events."""
        for role, sample in context.pools.others.items():
            known = (1 - 1 / self.folds) * sample.n_events
            if role.startswith("priors.") and known < FEWEST:
                yield (
                    "",
                    f"{known:.0f} events of {role!r} in the evaluation region are in all folds but one, expected "
                    f"{FEWEST} or more to train a density on. Give more, or leave it out",
                )

"""The section of a score of constituents by networks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from hepcs.config.values import PositiveInteger, Problem, SearchName
from hepcs.searches.cut_and_fit.network_section import NetworkCutAndFit

if TYPE_CHECKING:
    from hepcs.searches.kinds import Context


class ConstituentsCutAndFit(NetworkCutAndFit):
    """A score of the hardest constituents of both jets, whose momenta it divides by that of the jet."""

    normalises_momenta: ClassVar[bool] = True

    features: SearchName = Field(
        "constituents", description="features that the score is of, of the kind constituents"
    )
    most: PositiveInteger = Field(
        20,
        description="constituents that are looked at of a jet, the hardest ones; fewer where there are fewer",
    )

    def problems_of(self, context: Context) -> Iterator[Problem]:
        """Whether the features are constituents."""
        x, columns = context.pools.searched.features[self.features], context.columns.get(self.features, ())
        other = bool(columns) and tuple(columns[:3]) != ("pt_0", "delta_eta_0", "delta_phi_0")
        if x.ndim != 3 or x.shape[-1] % 3 or other:
            yield (
                "features",
                f"{self.features!r} are no constituents of jets, as the features of the kind `constituents` are: "
                f"found {x.shape[1:]} numbers of an event, expected pT, eta and phi of some for each of two jets",
            )

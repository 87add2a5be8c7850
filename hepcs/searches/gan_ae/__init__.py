"""GAN-AE: an autoencoder against an adversary that tells events from what it makes of them, without m_jj.

Vaslin, Barra, Donini, EPJ C 83 (2023) 1008; in the LHC Olympics, arXiv:2101.08320.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from hepcs.config.values import PositiveInteger, PositiveNumber, Problem, SearchName
from hepcs.searches.cut_and_fit.columns import columns_left_out
from hepcs.searches.cut_and_fit.kind import score_kind
from hepcs.searches.cut_and_fit.network_section import NetworkCutAndFit

if TYPE_CHECKING:
    from hepcs.searches.gan_ae.network import Adversarial
    from hepcs.searches.kinds import Context

_Weight = Annotated[float, Field(strict=True, ge=0, le=1e6)]


class GanAeSection(NetworkCutAndFit):
    """Euclidean distance of an event from what an adversarially trained autoencoder makes of it."""

    usual_title: ClassVar[str] = "GAN-AE"
    kind: Literal["gan_ae"] = "gan_ae"
    features: SearchName = Field("substructure", description="features that the score is of")
    widths: tuple[PositiveInteger, ...] = Field(
        (64, 32), description="nodes of the layers of the encoder; the decoder has them backwards"
    )
    latent: PositiveInteger = Field(6, description="numbers that an event, or each jet, is squeezed into")
    adversary: tuple[PositiveInteger, ...] = Field(
        (32, 16), description="nodes of the layers of the adversary"
    )
    distance: PositiveNumber = Field(5.0, description="epsilon: weight of the distance beside the adversary")
    independence: _Weight = Field(
        5.0,
        description="alpha: weight of the distance correlation (DisCo) between the score and m_jj; 0: none",
    )

    def untrained(self) -> Adversarial:
        """The network."""
        from hepcs.searches.gan_ae.network import Adversarial

        return Adversarial(self.widths, self.latent, self.adversary, self.distance, self.independence)

    def problems_of(self, context: Context) -> Iterator[Problem]:
        """Whether there are more features than numbers to squeeze them into."""
        left_out = columns_left_out(context.columns.get(self.features, ()))
        n = context.pools.searched.features[self.features].shape[-1] - len(left_out)
        if self.latent >= n:
            yield "latent", f"is {self.latent}, and there are {n} features; expected {n - 1} or fewer"


KIND = score_kind(
    GanAeSection, "distance to what an autoencoder makes of an event against an adversary", "arXiv:2305.15179"
)

"""Variational autoencoder whose latent space does not know m_jj: bump hunting in latent space (BuHuLaSpa).

The LHC Olympics 2020, Rep. Prog. Phys. 84 (2021) 124201; the autoencoder: Kingma and Welling, arXiv:1312.6114.
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
    from hepcs.searches.kinds import Context
    from hepcs.searches.vae.network import Variational


class VaeSection(NetworkCutAndFit):
    """Minus the logarithm of the likelihood of an event, by a variational autoencoder."""

    usual_title: ClassVar[str] = "variational autoencoder"
    kind: Literal["vae"] = "vae"
    features: SearchName = Field("substructure", description="features that the score is of")
    widths: tuple[PositiveInteger, ...] = Field(
        (64, 32), description="nodes of the layers of the encoder; the decoder has them backwards"
    )
    latent: PositiveInteger = Field(
        4, description="dimensions of the latent space of an event, or of each jet"
    )
    beta_reco: PositiveNumber = Field(
        10.0, description="weight of the reconstruction beside the divergence from the prior: 1 / sigma^2"
    )
    independence: Annotated[float, Field(strict=True, ge=0, le=1e6)] = Field(
        10.0, description="weight of the distance correlation between the latent space and m_jj; 0: none"
    )
    score: Literal["likelihood", "reconstruction", "latent"] = Field(
        "likelihood",
        description="bound of -log p, its part of the reconstruction, or its part of the latent space",
    )
    scale: Literal["each", "common"] = Field(
        "each",
        description="each: every column has variance 1, as for quantities of different units; common: one scale "
        "for all, as for pixels and principal components of images",
    )

    def untrained(self) -> Variational:
        """The network."""
        from hepcs.searches.vae.network import Variational

        return Variational(
            self.widths, self.latent, self.beta_reco, self.independence, self.score, self.scale == "common"
        )

    def problems_of(self, context: Context) -> Iterator[Problem]:
        """Whether there are more features than dimensions of the latent space."""
        left_out = columns_left_out(context.columns.get(self.features, ()))
        n = context.pools.searched.features[self.features].shape[-1] - len(left_out)
        if self.latent >= n:
            yield "latent", f"is {self.latent}, and there are {n} features; expected {n - 1} or fewer"


KIND = score_kind(
    VaeSection,
    "likelihood by a variational autoencoder, latent space without m_jj",
    "arXiv:2101.08320, BuHuLaSpa",
)

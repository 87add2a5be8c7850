"""VRNN: a variational recurrent network that reads the constituents of a jet one after the other.

Kahn, Gonski, Ochoa, Williams, Brooijmans, JINST 16 (2021) P08012; the network: Chung et al., arXiv:1506.02216. In
each step it guesses the next constituent; how far its belief must move when it sees it is how odd the jet is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from hepcs.config.values import PositiveInteger, PositiveNumber
from hepcs.searches.cut_and_fit.constituents_section import ConstituentsCutAndFit
from hepcs.searches.cut_and_fit.kind import score_kind

if TYPE_CHECKING:
    from hepcs.searches.vrnn.network import Recurrent


class VrnnSection(ConstituentsCutAndFit):
    """KL of the constituents of both jets, by a variational recurrent network."""

    usual_title: ClassVar[str] = "VRNN"
    kind: Literal["vrnn"] = "vrnn"
    hidden: PositiveInteger = Field(
        16, description="numbers that the network remembers of the constituents before"
    )
    latent: PositiveInteger = Field(4, description="dimensions of the latent space of a constituent")
    divergence: PositiveNumber = Field(
        0.1,
        description="weight of the KL divergence, times the share of pT of a constituent, beside the error",
    )

    def untrained(self) -> Recurrent:
        """The network."""
        from hepcs.searches.vrnn.network import Recurrent

        return Recurrent(self.most, self.hidden, self.latent, self.divergence)


KIND = score_kind(
    VrnnSection, "how odd constituents are, one after the other, for a recurrent VAE", "arXiv:2105.09274"
)

"""Autoencoder: events that a network, trained to say all others again through a few numbers, fails to say.

Heimel, Kasieczka, Plehn, Thompson, SciPost Phys. 6 (2019) 030; Farina, Nakai, Shih, PRD 101 (2020) 075021. It
knows what most events are like, and nothing of a signal: its power does not depend on how much there is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from hepcs.config.values import PositiveInteger, Problem, SearchName
from hepcs.searches.cut_and_fit.columns import columns_left_out
from hepcs.searches.cut_and_fit.kind import score_kind
from hepcs.searches.cut_and_fit.network_section import NetworkCutAndFit

if TYPE_CHECKING:
    from hepcs.searches.autoencoder.network import Reconstruction
    from hepcs.searches.kinds import Context

_Channels = Annotated[tuple[PositiveInteger, PositiveInteger, PositiveInteger], Field()]


class AutoencoderSection(NetworkCutAndFit):
    """Mean squared error of the features that an autoencoder gives back."""

    usual_title: ClassVar[str] = "autoencoder"
    kind: Literal["autoencoder"] = "autoencoder"
    features: SearchName = Field("substructure", description="features that the score is of")
    architecture: Literal["dense", "image"] = Field(
        "dense",
        description="dense: fully connected layers, for any features; image: convolutions, for the pixels of jet "
        "images, a hundred times the work",
    )
    widths: tuple[PositiveInteger, ...] = Field(
        (64, 32), description="dense: nodes of the layers of the encoder; the decoder has them backwards"
    )
    channels: _Channels = Field((32, 16, 4), description="image: channels of the convolutions of the encoder")
    latent: PositiveInteger = Field(6, description="numbers that an event, or each jet, is squeezed into")
    scale: Literal["each", "common"] = Field(
        "each",
        description="each: every column has variance 1, as for quantities of different units; common: one scale "
        "for all, as for pixels and principal components of images",
    )

    def untrained(self) -> Reconstruction:
        """The network."""
        from hepcs.searches.autoencoder.network import Reconstruction

        return Reconstruction(
            self.architecture == "image", self.widths, self.channels, self.latent, self.scale == "common"
        )

    def problems_of(self, context: Context) -> Iterator[Problem]:
        """Whether there are images where they are needed, and more features than numbers to squeeze them into."""
        left_out = columns_left_out(context.columns.get(self.features, ()))
        n = context.pools.searched.features[self.features].shape[-1] - len(left_out)
        side = round(n**0.5)
        if self.architecture == "image" and (side * side != n or side % 4):
            yield (
                "architecture",
                f"image needs square images whose side is a multiple of 4, and {self.features!r} has {n} columns; "
                "take features of the kind pixels, or architecture: dense",
            )
        if self.latent >= n:
            yield (
                "latent",
                f"{n} features through {self.latent} numbers are no autoencoder, expected {n - 1} or fewer",
            )


KIND = score_kind(
    AutoencoderSection,
    "what an autoencoder of all events fails to give back",
    "arXiv:1808.08979, arXiv:1808.08992",
)

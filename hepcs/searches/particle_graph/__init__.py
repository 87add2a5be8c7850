"""Particle-graph autoencoder: constituents and their nearest neighbours, through few numbers each and back.

Tsan et al., arXiv:2111.12849; edges as in Wang et al., ACM Trans. Graph. 38 (2019) 146.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from hepcs.config.values import PositiveInteger, Problem
from hepcs.searches.cut_and_fit.constituents_section import ConstituentsCutAndFit
from hepcs.searches.cut_and_fit.kind import score_kind

if TYPE_CHECKING:
    from hepcs.searches.particle_graph.network import ParticleGraphs


class ParticleGraphSection(ConstituentsCutAndFit):
    """What a graph autoencoder fails to give back of the constituents of both jets."""

    usual_title: ClassVar[str] = "particle-graph autoencoder"
    kind: Literal["particle_graph"] = "particle_graph"
    neighbours: PositiveInteger = Field(
        6, description="nearest constituents that each one exchanges messages with"
    )
    width: PositiveInteger = Field(16, description="nodes of the layers that make messages")
    latent: PositiveInteger = Field(2, description="numbers that a constituent is squeezed into")
    error: Literal["squares", "chamfer"] = Field(
        "squares",
        description="squares: constituent by constituent; chamfer: to the nearest one, in any order",
    )

    def untrained(self) -> ParticleGraphs:
        """The network."""
        from hepcs.searches.particle_graph.network import ParticleGraphs

        return ParticleGraphs(self.most, self.neighbours, self.width, self.latent, self.error == "chamfer")

    def _problems(self) -> Iterator[Problem]:
        yield from super()._problems()
        if self.latent >= 3:
            yield "latent", "a constituent is three numbers: pT, eta, phi; expected 1 or 2"
        if self.neighbours >= self.most:
            yield "neighbours", f"expected fewer than the {self.most} constituents of a jet (`most`)"


KIND = score_kind(
    ParticleGraphSection, "what a graph autoencoder of constituents fails to give back", "arXiv:2111.12849"
)

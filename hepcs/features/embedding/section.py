"""The section of embeddings on the card."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from hepcs._core.deferring import deferred
from hepcs.config.features import FeatureSection
from hepcs.config.values import PositiveInteger, PositiveNumber, Problem, Seed, Text
from hepcs.features.kinds import FeatureKind

if TYPE_CHECKING:
    from hepcs.config.schema import Card


class Embedding(FeatureSection):
    """What a network says of each jet in a few numbers, learned from `samples.training`, which is not searched."""

    kind: Literal["embedding"] = "embedding"
    method: Literal["contrastive", "ucluster", "latent"] = Field(
        "contrastive",
        description="contrastive: alike for a jet rotated, split collinearly, or smeared, unlike for one with a "
        "prong more or elsewhere (AnomalyCLR); ucluster: a task of mass bins and a clustering loss; latent: "
        "latent space of an autoencoder of the jet's substructure",
    )
    per: Literal["jet", "event"] = Field(
        "jet", description="event: the numbers of both jets in one row, those of the lighter one first"
    )
    dimension: Annotated[int, Field(strict=True, ge=2, le=256)] = Field(8, description="numbers of a jet")
    most: Annotated[int, Field(strict=True, ge=8, le=500)] = Field(
        30, description="constituents that a network sees of a jet, the hardest ones"
    )
    width: PositiveInteger = Field(32, description="nodes of the layers; a multiple of `heads`")
    heads: PositiveInteger = Field(4, description="of the attention among constituents")
    layers: PositiveInteger = Field(2, description="of the attention among constituents")
    loss: Literal["clr", "anomaly_clr", "anomaly_clr_plus"] = Field(
        "anomaly_clr_plus", description="of contrastive: without, or with augmentations that make anomalies"
    )
    temperature: PositiveNumber = Field(0.1, description="of the losses clr and anomaly_clr")
    mass_bins: Annotated[int, Field(strict=True, ge=2, le=1000)] = Field(
        10, description="of ucluster: bins of mass / pT, of equal size, that it learns to tell"
    )
    clusters: Annotated[int, Field(strict=True, ge=2, le=1000)] = Field(
        20, description="of ucluster: points to which it draws jets"
    )
    clustering: PositiveNumber = Field(1.0, description="of ucluster: weight of the clustering loss")
    training_jets: PositiveInteger = Field(50_000, description="jets to train on; drawn, if there are more")
    epochs: PositiveInteger = Field(15, description="most epochs of the training")
    batch: Annotated[int, Field(strict=True, ge=2)] = Field(256, description="jets of a step")
    learning_rate: PositiveNumber = Field(1e-3, description="of Adam")
    seed: Seed = Field(1, description="of the training")
    model: Text | None = Field(
        None,
        description="file of the trained network: read if it is there, whatever samples there are, else written",
    )

    @property
    def packages(self) -> tuple[str, ...]:
        """What trains networks, and computes substructure."""
        return ("jax", "equinox", "optax", *(("fastjet",) if self.method == "latent" else ()))

    def _problems(self) -> Iterator[Problem]:
        if self.width % self.heads:
            yield "width", f"{self.width} nodes cannot be shared by {self.heads} heads, expected a multiple"

    def problems_in(self, card: Card) -> Iterator[Problem]:
        """Whether there is something to learn from."""
        there = self.model is not None and Path(self.model).expanduser().is_file()
        if card.samples.training is None and not there:
            yield (
                "",
                "learns from events that are not searched: give them as `samples.training`, or name the file of a "
                "trained network as `model`",
            )


EMBEDDING = FeatureKind(
    Embedding,
    "what a network learned to say of a jet: contrastive, UCluster, autoencoder",
    deferred("hepcs.features.embedding.maker", "maker"),
)

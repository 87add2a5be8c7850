"""The card of ``hepcs represent``: samples of event objects, a representation, and what finds anomalies in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from hepcs.config.event_objects import ObjectSource
from hepcs.config.running import PseudoExperiments
from hepcs.config.searches import SearchSection
from hepcs.config.values import (
    Name,
    OneOrMore,
    PositiveInteger,
    PositiveNumber,
    Problem,
    SearchName,
    Section,
    Seed,
    Text,
)

Augmentation = Literal["add", "split", "shift"]
RepresentationKind = Literal["raw", "clr", "anomaly_clr", "anomaly_clr_plus"]
_Share = Annotated[float, Field(strict=True, gt=0, lt=1)]


class NetworkTraining(Section):
    """How a network is trained, by Adam."""

    epochs: PositiveInteger = Field(description="most passes through the events")
    batch: PositiveInteger = Field(description="events of a step")
    learning_rate: PositiveNumber = Field(1e-3, description="of Adam")
    patience: PositiveInteger = Field(
        10, description="epochs without a lower held-out loss, after which it ends"
    )


class Encoding(Section):
    """The representation of events: a transformer, trained by a contrastive loss (AnomalyCLR, section 4)."""

    kind: RepresentationKind = Field(
        "anomaly_clr_plus",
        description="raw: the objects as they are; clr: blind to physical augmentations; anomaly_clr: which also "
        "sees anomaly augmentations; anomaly_clr_plus: these alone, without pairs of events",
    )
    anomalies: Annotated[tuple[Augmentation, ...], Field(min_length=1), OneOrMore] = Field(
        ("add", "split", "shift"), description="anomaly augmentations, of which each event gets one at random"
    )
    temperature: PositiveNumber = Field(0.1, description="of clr and anomaly_clr")
    dimension: PositiveInteger = Field(32, description="of the representation, and of the transformer")
    heads: PositiveInteger = 4
    layers: PositiveInteger = 2
    hidden: PositiveInteger = Field(
        64, description="nodes of the networks behind the attention, and of the head"
    )
    training: NetworkTraining = NetworkTraining(epochs=15, batch=256, learning_rate=1e-3)

    def _problems(self) -> Iterator[Problem]:
        if self.dimension % self.heads:
            yield "heads", f"found {self.heads}, which do not divide the dimension {self.dimension}"
        if len(set(self.anomalies)) != len(self.anomalies):
            yield "anomalies", f"each once, found {list(self.anomalies)}"


class ReconstructionSection(Section):
    """The autoencoder of a representation, whose error is the score."""

    widths: Annotated[tuple[PositiveInteger, ...], Field(min_length=1)] = Field(
        (256, 128, 64, 32, 16),
        description="nodes of the layers of the encoder; the decoder's are the same, backwards",
    )
    latent: PositiveInteger = 5
    training: NetworkTraining = NetworkTraining(epochs=100, batch=4096, learning_rate=1e-3)


class CountSection(SearchSection):
    """A search without a mass: events above thresholds of the score, beside those of pseudo-experiments."""

    kind: Literal["count"] = "count"
    efficiencies: Annotated[tuple[_Share, ...], Field(min_length=1), OneOrMore] = Field(
        (0.01, 0.003, 0.001), description="shares of the background above the thresholds"
    )
    data_share: _Share = Field(
        0.2,
        description="share of what no network is trained on that is searched; pseudo-experiments of the same "
        "size are drawn from the rest",
    )
    signal: SearchName | None = Field(None, description="what is injected, of `signals`; nothing if absent")
    injected: Annotated[int, Field(strict=True, ge=0)] = Field(0, description="number of injected events")
    pseudo_experiments: PseudoExperiments = PseudoExperiments(background_only=2000, doped=100)  # type: ignore[assignment]

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The score."""
        return ("score",)

    @property
    def roles(self) -> tuple[str, ...]:
        """The background, whose score sets the thresholds."""
        return ("background",)


class RepresentationCard(Section):
    """A card of ``hepcs represent``."""

    name: Name
    description: Text | None = None
    seed: Seed = 1
    background: ObjectSource = Field(description="what is known, or data where anomalies are few")
    signals: dict[SearchName, ObjectSource] = Field({}, description="what the score is tried on, by name")
    training_share: _Share = Field(
        0.5,
        description="share of the background that networks are trained on; the rest is scored and searched",
    )
    representation: Encoding = Encoding()
    autoencoder: ReconstructionSection = ReconstructionSection()
    count: CountSection | None = Field(None, description="a search in the events that are not trained on")

    def _problems(self) -> Iterator[Problem]:
        if self.count is not None:
            known = ", ".join(self.signals) or "none"
            if self.count.signal is not None and self.count.signal not in self.signals:
                yield "count.signal", f"found {self.count.signal!r}, which is none of the signals: {known}"
            if (self.count.signal is None) != (self.count.injected == 0):
                yield "count.injected", "give both `signal` and a number of `injected` events, or neither"

"""The section of a score by networks, and how these are trained; free of JAX, which only the training imports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from hepcs.config.values import PositiveInteger, PositiveNumber, Section
from hepcs.searches.cut_and_fit.section import CutAndFit

if TYPE_CHECKING:
    from hepcs.neural.settings import TrainingSettings
    from hepcs.searches.cut_and_fit.networks import Network, TrainedNetworks

_Share = Annotated[float, Field(strict=True, gt=0, lt=1)]


class NetworkSection(Section):
    """How networks are trained."""

    epochs: PositiveInteger = Field(30, description="most epochs of a training")
    batch: PositiveInteger = Field(512, description="events of a step")
    learning_rate: PositiveNumber = Field(1e-3, description="of Adam")
    held_out: _Share = Field(0.15, description="share of the training events by which a network stops")
    patience: PositiveInteger = Field(5, description="epochs without a lower held-out loss before it stops")
    averaged: PositiveInteger = Field(3, description="best epochs whose parameters are averaged")
    members: PositiveInteger = Field(1, description="networks of each fold whose scores are averaged")

    def settings(self) -> TrainingSettings:
        """For the training loop."""
        from hepcs.neural.settings import TrainingSettings

        return TrainingSettings(self.epochs, self.batch, self.learning_rate, self.patience, self.averaged)


class NetworkCutAndFit(CutAndFit):
    """A score by networks that know no labels; a kind derives from it, and writes `untrained`."""

    network: NetworkSection = Field(NetworkSection(), description="training of the networks")
    retrain: bool = Field(
        False,
        description="train anew in each data set, rather than once on all background events, k-fold; p is "
        "conditional on the networks otherwise",
    )

    @property
    def trained_on(self) -> str:  # type: ignore[override]
        """What a network is trained on, in words."""
        if self.retrain:
            return "all events of the data set, without labels"
        return "background events, without labels"

    def untrained(self) -> Network:
        """The network of the search."""
        raise NotImplementedError

    def training(self) -> TrainedNetworks:
        """All folds together."""
        from hepcs.searches.cut_and_fit.networks import TrainedNetworks

        network = self.network
        return TrainedNetworks(
            self.untrained(), self.folds, network.settings(), network.members, network.held_out, self.retrain
        )

    @property
    def is_trained_once(self) -> bool:
        """Unless each data set trains anew."""
        return not self.retrain

    @property
    def roles(self) -> tuple[str, ...]:
        """All events that pseudo-experiments are drawn from, unless each of these trains anew."""
        return () if self.retrain else ("background",)

    @property
    def packages(self) -> tuple[str, ...]:
        """What trains networks."""
        return ("jax", "equinox", "optax")

"""Training: from background events to a representation, from that to an autoencoder and its scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ComputationError
from hepcs._core.progress import Progress, silent
from hepcs.config.representation import Encoding, NetworkTraining, ReconstructionSection
from hepcs.neural.autoencoders import Autoencoder, DenseHalves
from hepcs.neural.contrastive import Contrastive, dispersion
from hepcs.neural.layers import Standardised
from hepcs.neural.settings import TrainingSettings
from hepcs.neural.stacking import evaluate, stacked
from hepcs.neural.training import Fitted, PerEvent, fit, split_off
from hepcs.representation.augmentations import OneAnomaly, physical
from hepcs.representation.networks import EventEncoder, EventEncoders, raw_features, scale_of

Events = NDArray[np.float32]
HELD_OUT = 0.1
#: Mean of 1 - cos of the angle between two representations, below which all are one.
LEAST_DISPERSION = 1e-4


@dataclass(frozen=True)
class Representation:
    """What events become.

    Attributes
    ----------
    section
        What it is.
    scale
        Mean pT of leptons and jets of the training, GeV.
    encoder
        A stack of one network; None of raw objects.
    losses
        Of each epoch: training and held out, (e, 2).
    """

    section: Encoding
    scale: float
    encoder: EventEncoder | None
    losses: NDArray[np.float64]

    def of(self, events: Events) -> NDArray[np.float32]:
        """Representations (n, d) of events (n, 19, 4)."""
        if self.encoder is None:
            return raw_features(events, self.scale)
        return evaluate(self.encoder, _represent, events, groups=np.zeros(len(events), np.int64)).astype(
            np.float32
        )


@dataclass(frozen=True)
class ReconstructionNetwork:
    """An autoencoder of representations.

    Attributes
    ----------
    model
        A stack of one network.
    losses
        Of each epoch: training and held out, (e, 2).
    """

    model: Autoencoder
    losses: NDArray[np.float64]

    def scores(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Mean squared error of each, (n,); larger is more anomalous."""
        return evaluate(self.model, _errors, x, groups=np.zeros(len(x), np.int64))


def represent(
    section: Encoding, events: Events, rng: np.random.Generator, *, progress: Progress = silent
) -> Representation:
    """Train a representation of events (n, 19, 4), nearly all of which are background.

    Raises
    ------
    ComputationError
        If the training diverges, or collapses: all events get one representation.
    """
    scale = scale_of(events)
    if section.kind == "raw":
        return Representation(section, scale, None, np.zeros((0, 2)))
    loss = Contrastive(section.kind, physical, OneAnomaly(section.anomalies), section.temperature)
    train, held_out = split_off(np.ones((1, len(events))), HELD_OUT, rng)
    models = stacked(EventEncoders(section, scale), 1, rng)
    fitted = fit(models, loss, events, train, held_out, rng, _settings(section.training), progress=progress)
    found = Representation(section, scale, fitted.models, _losses(fitted, section.kind))
    refuse_collapsed(found, events)
    return found


def reconstruct(
    section: ReconstructionSection,
    x: NDArray[np.float32],
    rng: np.random.Generator,
    *,
    progress: Progress = silent,
) -> ReconstructionNetwork:
    """Train an autoencoder of representations (n, d), all in one unit and not centred, as of raw objects.

    Raises ComputationError if the training diverges.
    """
    unit = float(np.sqrt(np.square(x, dtype=np.float64).mean()))
    d = x.shape[1]
    inputs = Standardised(np.zeros((1, d), np.float32), np.full((1, d), unit, np.float32))
    halves = stacked(DenseHalves(d, section.widths, section.latent), 1, rng)
    train, held_out = split_off(np.ones((1, len(x))), HELD_OUT, rng)
    fitted = fit(
        Autoencoder(inputs, *halves),
        PerEvent(_reconstruction_error),
        x,
        train,
        held_out,
        rng,
        _settings(section.training),
        progress=progress,
    )
    return ReconstructionNetwork(fitted.models, _losses(fitted, "reconstruction"))


def _represent(model: EventEncoder, events: Any) -> Any:
    return model.represent(events)


def _errors(model: Autoencoder, x: Any) -> Any:
    return model.errors(x)


def _reconstruction_error(model: Autoencoder, x: Any, key: Any) -> Any:  # noqa: ARG001
    return model.errors(x)


def _settings(section: NetworkTraining) -> TrainingSettings:
    return TrainingSettings(
        epochs=section.epochs,
        batch=section.batch,
        learning_rate=section.learning_rate,
        patience=section.patience,
        averaged=1,
    )


def _losses(fitted: Fitted, what: str) -> NDArray[np.float64]:
    if fitted.n_failed:
        raise ComputationError(
            f"the training of the {what} diverged: its loss is no number after {len(fitted.losses)} epochs; take "
            "a smaller `learning_rate`"
        )
    return np.stack([fitted.losses[:, 0], fitted.held_out_losses[:, 0]], axis=1)


def refuse_collapsed(found: Representation, events: Events) -> None:
    """Raise ComputationError if all events (n, 19, 4) have one representation."""
    spread = dispersion(found.of(events[:5000]))
    if not spread > LEAST_DISPERSION:
        raise ComputationError(
            f"the training of {found.section.kind} collapsed: all events have one representation (mean of 1 - cos "
            f"of two of them {spread:.2g}, expected more than {LEAST_DISPERSION:g}); train with a smaller "
            "`learning_rate`, more events, or another `kind`"
        )

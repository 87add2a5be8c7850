"""A trained representation as files: plain arrays and JSON, and the card that it is of.

=====================  ==========================================================================================
`encoder.npz`          weights of the transformer; not of raw objects
`autoencoder.npz`      weights of the autoencoder
`embeddings.npz`       representation and score of each event, by sample: ``background``, ``signals.NAME``, ...
`trained_on.npz`       hashes of the events of the training
`model.json`           version, card, pT scale, dimension, losses of each epoch; written last
=====================  ==========================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from hepcs._core.differences import differences, shortened
from hepcs._core.errors import ArgumentError, InputError
from hepcs._core.storage import atomic_path, read_json, stored_arrays, write_json
from hepcs.config.representation import RepresentationCard
from hepcs.neural.autoencoders import Autoencoder, DenseHalves
from hepcs.neural.layers import Standardised
from hepcs.neural.stacking import load, save, stacked
from hepcs.representation.networks import EventEncoders
from hepcs.representation.training import Events, ReconstructionNetwork, Representation

MODEL = "model.json"


@dataclass(frozen=True)
class TrainedRepresentation:
    """A representation with its autoencoder, and the sorted hashes (n,) of the events that they have seen."""

    representation: Representation
    reconstruction: ReconstructionNetwork
    seen: NDArray[np.uint64]

    def scores(self, events: Events) -> NDArray[np.float64]:
        """Scores (n,) of events (n, 19, 4)."""
        return self.reconstruction.scores(self.representation.of(events))

    def refuse_seen(self, events: Events, what: str) -> None:
        """Raise ArgumentError if an event was trained on: its score is not that of an unknown one."""
        known = np.isin(hashes(events), self.seen)
        if known.any():
            raise ArgumentError(
                f"{what}: {int(known.sum())} of {len(events)} events are among those that the representation was "
                "trained on; search others, or train on others"
            )


def hashes(events: Events) -> NDArray[np.uint64]:
    """A number of 64 bits for each event (n, 19, 4), the same for the same bits."""
    rows = np.ascontiguousarray(events, dtype=np.float32)
    return np.array([xxh3_64_intdigest(row.tobytes()) for row in rows], dtype=np.uint64)


def store(folder: Path, card: RepresentationCard, trained: TrainedRepresentation) -> None:
    """Write a trained representation; raises ComputationError if that cannot be."""
    one, other = trained.representation, trained.reconstruction
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODEL).unlink(missing_ok=True)
    if one.encoder is not None:
        save(folder / "encoder.npz", one.encoder)
    save(folder / "autoencoder.npz", other.model)
    write_arrays(folder / "trained_on.npz", {"hashes": trained.seen})
    model = {
        "version": version("hepcs"),
        "card": card.model_dump(mode="json"),
        "scale": one.scale,
        "dimension": int(other.model.inputs.mean.shape[-1]),
        "losses": {"representation": one.losses.tolist(), "reconstruction": other.losses.tolist()},
    }
    write_json(folder / MODEL, model)


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """An npz file, whole or not at all."""
    with atomic_path(path) as there, there.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **dict(arrays))


def restore(folder: Path, card: RepresentationCard) -> TrainedRepresentation:
    """A stored representation.

    Raises
    ------
    InputError
        If it is not whole, or is of another version or another card; the text says what differs. What is searched,
        and what signals there are, may differ.
    """
    try:
        model = read_json(folder / MODEL)
        scale, d = float(model["scale"]), int(model["dimension"])
        losses = {name: np.array(values).reshape(-1, 2) for name, values in model["losses"].items()}
        there = _identity(model["card"], model["version"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{folder}: holds no stored representation ({type(error).__name__}: {error})"
        ) from error
    here = _identity(card.model_dump(mode="json"), version("hepcs"))
    if unlike := differences(there, here, ("there", "here")):
        raise InputError(
            f"{folder}: was stored for something else:\n{shortened(unlike)}\nTrain again, or take its own card"
        )
    encoder = None
    rng = np.random.default_rng(0)
    if card.representation.kind != "raw":
        like = stacked(EventEncoders(card.representation, scale), 1, rng)
        encoder = load(folder / "encoder.npz", like)
    shape, one = np.zeros((1, d), np.float32), card.autoencoder
    halves = stacked(DenseHalves(d, one.widths, one.latent), 1, rng)
    autoencoder = load(folder / "autoencoder.npz", Autoencoder(Standardised(shape, shape + 1), *halves))
    with stored_arrays(folder / "trained_on.npz") as arrays:
        seen = arrays["hashes"]
    return TrainedRepresentation(
        Representation(card.representation, scale, encoder, losses["representation"]),
        ReconstructionNetwork(autoencoder, losses["reconstruction"]),
        seen,
    )


# What a trained network does not depend on.
_FREE = {"name", "description", "signals", "count"}


def _identity(card: Mapping[str, Any], made_by: str) -> dict[str, Any]:
    """All that decides what is trained."""
    return {"version": made_by, **{key: value for key, value in card.items() if key not in _FREE}}

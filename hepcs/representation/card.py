"""What ``hepcs represent`` does with a card: train or restore, score all samples, search, and write it down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hepcs._core.progress import Mapper, Progress, serial_mapper, silent
from hepcs._core.randomness import Stream, generator
from hepcs._core.storage import write_json
from hepcs.config.representation import RepresentationCard
from hepcs.representation.counting import count, sample_of
from hepcs.representation.loading import EventSamples
from hepcs.representation.performance import Performance, performance_of
from hepcs.representation.storing import TrainedRepresentation, hashes, store, write_arrays
from hepcs.representation.training import reconstruct, represent
from hepcs.results import SearchResult


@dataclass(frozen=True)
class Represented:
    """What came of a card.

    Attributes
    ----------
    trained
        The networks.
    performance
        Of the score, by signal.
    search
        The search by counts, if the card asks for one.
    """

    trained: TrainedRepresentation
    performance: Mapping[str, Performance]
    search: SearchResult | None


def train(
    card: RepresentationCard, samples: EventSamples, *, progress: Progress = silent
) -> TrainedRepresentation:
    """Train what a card asks for; errors as of :func:`~hepcs.representation.training.represent`."""
    rng = generator(card.seed, Stream.PREPARE, "representation")
    representation = represent(card.representation, samples.training, rng, progress=progress)
    rng = generator(card.seed, Stream.PREPARE, "reconstruction")
    reconstruction = reconstruct(
        card.autoencoder, representation.of(samples.training), rng, progress=progress
    )
    return TrainedRepresentation(representation, reconstruction, np.unique(hashes(samples.training)))


def run_representation(
    card: RepresentationCard,
    samples: EventSamples,
    folder: Path,
    *,
    trained: TrainedRepresentation | None = None,
    mapper: Mapper = serial_mapper,
    workers: int = 1,
    progress: Progress = silent,
) -> Represented:
    """Train, unless something trained is given, and write everything into a folder.

    Raises
    ------
    ArgumentError
        If events that are scored were trained on.
    ComputationError
        If a training diverges or collapses, or nothing can be written.
    """
    if trained is None:
        trained = train(card, samples, progress=progress)
        store(folder, card, trained)
    named = {"background": samples.background}
    named |= {f"signals.{name}": events for name, events in samples.signals.items()}
    for name, events in named.items():
        trained.refuse_seen(events, name)
    embeddings = {name: trained.representation.of(events) for name, events in named.items()}
    scores = {name: trained.reconstruction.scores(one) for name, one in embeddings.items()}
    arrays: dict[str, NDArray[Any]] = {f"representation.{name}": one for name, one in embeddings.items()}
    write_arrays(folder / "embeddings.npz", arrays | {f"score.{name}": one for name, one in scores.items()})
    found = {
        name: performance_of(scores["background"], scores[f"signals.{name}"]) for name in samples.signals
    }
    write_json(folder / "performance.json", {name: _numbers(one) for name, one in found.items()})
    result = None
    if card.count is not None:
        background = sample_of(scores["background"], samples.background, "background", 0)
        following, signals = background.n_events, {}
        for name, events in samples.signals.items():
            signals[name] = sample_of(scores[f"signals.{name}"], events, f"signals.{name}", following)
            following += len(events)
        result = count(
            card.count, background, signals, card.seed, mapper=mapper, workers=workers, progress=progress
        )
        write_json(folder / "count.json", search_numbers(result))
    return Represented(trained, found, result)


def _numbers(one: Performance) -> dict[str, Any]:
    return {
        "auc": one.auc,
        "inverse_background": one.inverse_background,
        "is_lower_bound": one.bounded,
        "background_efficiency": one.background.tolist(),
    }


def search_numbers(result: SearchResult) -> dict[str, Any]:
    """The result of a search by counts in plain JSON types: thresholds, statistic, p with its interval."""
    observed = result.observed[0]
    doped = [
        {
            "injected": one.injection.epsilon,
            "signal": one.injection.signal,
            "z": {
                name: asdict(getattr(one.z, name)) for name in ("lower_quartile", "median", "upper_quartile")
            },
            "n": one.n_used,
        }
        for one in result.doped
    ]
    calibration = None if observed.calibration is None else asdict(observed.calibration)
    return {"calibration": calibration, **dict(observed.observation.summary), "doped": doped}

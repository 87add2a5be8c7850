"""The samples of a card of ``hepcs represent``: read, or generated into the cache and read."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hepcs._core.errors import InputError
from hepcs._core.progress import Mapper, Progress, serial_mapper, silent
from hepcs._core.randomness import Stream, generator
from hepcs.config.event_objects import ObjectFiles, ObjectSource
from hepcs.config.representation import RepresentationCard
from hepcs.generation import pythia
from hepcs.representation.training import Events
from hepcs.sources.event_objects import read_objects

logger = logging.getLogger(__name__)

# Fewer train nothing.
_FEWEST = 100


@dataclass(frozen=True)
class EventSamples:
    """Events (n, 19, 4): what networks are trained on, other background, and signals by name."""

    training: Events
    background: Events
    signals: Mapping[str, Events]


def load_events(
    card: RepresentationCard,
    folders: Sequence[Path],
    cache: Path,
    *,
    mapper: Mapper = serial_mapper,
    progress: Progress = silent,
) -> EventSamples:
    """All samples of a card; the background in two parts, at random.

    Parameters
    ----------
    card
        The card.
    folders
        Where its files are looked for.
    cache
        Where generated events are kept.
    mapper, progress
        For the generation.

    Raises
    ------
    InputError
        If a file cannot be used, an event is in both parts, or there are too few.
    """
    events = events_of(card.background, folders, cache, mapper=mapper, progress=progress)
    repeated = len(events) - len(np.unique(events, axis=0))
    if repeated:
        raise InputError(
            f"background: {repeated} of {len(events)} events are there more than once; what is trained on must "
            "not be searched: leave them out"
        )
    chosen = generator(card.seed, Stream.PREPARE, "training").random(len(events)) < card.training_share
    if min(chosen.sum(), (~chosen).sum()) < _FEWEST:
        raise InputError(
            f"background: {int(chosen.sum())} of {len(events)} events to train on, {int((~chosen).sum())} others; "
            f"expected {_FEWEST} of each at least"
        )
    signals = {
        name: events_of(section, folders, cache, mapper=mapper, progress=progress)
        for name, section in card.signals.items()
    }
    return EventSamples(events[chosen], events[~chosen], signals)


def events_of(
    section: ObjectSource,
    folders: Sequence[Path],
    cache: Path,
    *,
    mapper: Mapper = serial_mapper,
    progress: Progress = silent,
) -> Events:
    """The events of a section of the card, (n, 19, 4); generated first, if they are not there."""
    if isinstance(section, ObjectFiles):
        return read_objects(section, folders)
    files = pythia.generated_in(cache, section, mapper, progress)
    assert isinstance(files, ObjectFiles)
    return read_objects(files)

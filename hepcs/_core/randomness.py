"""Random numbers: each draw has a Generator of its own, keyed by the seed and by what is drawn.

Nothing depends on the order of the work, so any split over processes or machines gives the same numbers.
"""

from __future__ import annotations

import hashlib
from enum import IntEnum, unique

import numpy as np


@unique
class Stream(IntEnum):
    """What the numbers are for; the values are part of the reproducibility and never change."""

    BOOTSTRAP = 0
    SIGNAL = 1
    TOY = 2
    SEARCH = 3
    TAIL = 4
    IDEALISED = 5
    STUDY = 6
    PREPARE = 7
    JUDGE = 8
    NUISANCE = 9
    BOXES = 10


def generator(seed: int, stream: Stream, *key: int | str) -> np.random.Generator:
    """The Generator for one draw.

    Parameters
    ----------
    seed
        Seed of the run, >= 0.
    stream
        What is drawn.
    key
        Integers >= 0 and words that tell the draw from all others of the stream, such as kind, epsilon, index,
        and the search.
    """
    numbers = (entry if isinstance(entry, int) else _number_of(entry) for entry in key)
    sequence = np.random.SeedSequence(seed, spawn_key=(stream, *numbers))
    return np.random.Generator(np.random.PCG64DXSM(sequence))


def _number_of(word: str) -> int:
    """A number that hardly any two words share."""
    return int.from_bytes(hashlib.sha256(word.encode()).digest()[:8])

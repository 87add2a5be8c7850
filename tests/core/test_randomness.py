"""Random numbers keyed by what is drawn."""

from __future__ import annotations

import numpy as np

from hepcs._core.randomness import Stream, generator


def test_every_key_has_its_own_numbers() -> None:
    keys = [(1, Stream.BOOTSTRAP, 0, 0), (1, Stream.BOOTSTRAP, 0, 1), (1, Stream.BOOTSTRAP, 1, 0)]
    keys += [(1, Stream.SIGNAL, 0, 0), (2, Stream.BOOTSTRAP, 0, 0), (1, Stream.BOOTSTRAP, 0)]
    draws = [tuple(generator(seed, stream, *key).integers(0, 2**60, 4)) for seed, stream, *key in keys]
    assert len(set(draws)) == len(keys)


def test_the_same_key_gives_the_same_numbers_for_ever() -> None:
    """Changed numbers would break the comparison with stored results: see Stream."""
    np.testing.assert_array_equal(
        generator(20, Stream.SEARCH, 1, 2, 3).integers(0, 1000, 5),
        generator(20, Stream.SEARCH, 1, 2, 3).integers(0, 1000, 5),
    )
    assert [stream.value for stream in Stream] == [*range(11)]

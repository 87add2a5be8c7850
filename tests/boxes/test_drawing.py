"""What boxes hold."""

from __future__ import annotations

import numpy as np
import pytest

from hepcs._core.errors import ArgumentError
from hepcs.boxes.drawing import Contents, draw_contents

SIGNALS = {"narrow": 10_000, "wide": 10_000}


def test_so_many_are_empty_and_all_is_fixed_by_the_generator() -> None:
    drawn = [draw_contents(12, 4, SIGNALS, (50, 800), np.random.default_rng(seed)) for seed in range(200)]
    assert all(sum(one.signal is None for one in boxes) == 4 for boxes in drawn)
    assert draw_contents(12, 4, SIGNALS, (50, 800), np.random.default_rng(3)) == drawn[3]
    # Which ones are empty tells nothing: each is as often as any other, within four standard deviations.
    empty = np.array([[one.signal is None for one in boxes] for boxes in drawn]).mean(axis=0)
    assert np.abs(empty - 1 / 3).max() < 4 * np.sqrt(2 / 9 / 200)
    full = [one for boxes in drawn for one in boxes if one.signal]
    assert np.mean([one.signal == "wide" for one in full]) == pytest.approx(0.5, abs=0.05)
    numbers = np.array([one.n_injected for one in full])
    assert numbers.min() < 55 < 740 < numbers.max() <= 800
    assert np.median(numbers) == pytest.approx(200, rel=0.15), "uniform in the logarithm"


def test_all_empty_or_all_full() -> None:
    assert set(draw_contents(3, 3, {}, (1, 1), np.random.default_rng(1))) == {Contents(None, 0)}
    assert {one.n_injected for one in draw_contents(3, 0, {"a": 9}, (3, 3), np.random.default_rng(1))} == {3}


@pytest.mark.parametrize(
    ("n_boxes", "n_empty", "available", "numbers", "reason"),
    [
        (3, 4, SIGNALS, (1, 2), "4 empty boxes of 3"),
        (0, 0, SIGNALS, (1, 2), "0 empty boxes of 0"),
        (3, 1, SIGNALS, (5, 2), "5 to 2 signal events"),
        (3, 1, {}, (1, 2), "no signal to hide"),
        (3, 1, {"rare": 100}, (1, 60), "'rare' has 100 events, and 2 boxes could hold 60 of it each"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    n_boxes: int, n_empty: int, available: dict[str, int], numbers: tuple[int, int], reason: str
) -> None:
    with pytest.raises(ArgumentError, match=reason):
        draw_contents(n_boxes, n_empty, available, numbers, np.random.default_rng(1))

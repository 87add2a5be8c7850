"""What each box will hold: nothing, or some events of one of the signals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hepcs._core.errors import ArgumentError


@dataclass(frozen=True)
class Contents:
    """What is hidden in a box: `n_injected` events of `signal`, or nothing."""

    signal: str | None
    n_injected: int


def draw_contents(
    n_boxes: int,
    n_empty: int,
    available: Mapping[str, int],
    numbers: tuple[int, int],
    rng: np.random.Generator,
) -> tuple[Contents, ...]:
    """Which boxes are empty, and which signal the others hold and how much of it.

    Signals are drawn with equal probability, numbers of events uniformly in their logarithm.

    Parameters
    ----------
    n_boxes, n_empty
        Boxes, and those of them that hold nothing.
    available
        Events of each signal, by name. No event is in two boxes.
    numbers
        Least and largest number of injected events, both included.
    rng
        Where all is drawn from.

    Raises
    ------
    ArgumentError
        If there are more empty boxes than boxes, the numbers are no range, or some signal could run out.
    """
    low, high = numbers
    if not 0 <= n_empty <= n_boxes or n_boxes < 1:
        raise ArgumentError(
            f"{n_empty} empty boxes of {n_boxes}; expected at least one box, and 0 to all empty"
        )
    if not 1 <= low <= high:
        raise ArgumentError(f"{low} to {high} signal events; expected a range from 1 on")
    if n_boxes > n_empty and not available:
        raise ArgumentError("no signal to hide: name `samples.signal` or `samples.signals` on the card")
    full = rng.permutation(n_boxes) >= n_empty
    signals = rng.choice(sorted(available), n_boxes) if available else np.full(n_boxes, "")
    counts = np.exp(rng.uniform(np.log(low), np.log(high + 1), n_boxes)).astype(int).clip(low, high)
    # Whatever is drawn has to be possible, or the refusal would tell something of the keys.
    for name, n_events in available.items():
        if n_events < (n_boxes - n_empty) * high:
            raise ArgumentError(
                f"the signal {name!r} has {n_events:,} events, and {n_boxes - n_empty} boxes could hold {high:,} "
                "of it each. Ask for fewer, or generate more"
            )
    return tuple(
        Contents(str(signal), int(count)) if holds else Contents(None, 0)
        for holds, signal, count in zip(full, signals, counts, strict=True)
    )

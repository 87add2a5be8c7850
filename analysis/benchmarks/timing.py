"""Repetitions of what is timed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


@dataclass
class Laps:
    """Wall-clock and processor seconds of the repetitions of one thing.

    The figures are wall-clock times; where the processor was shared, the processor times beside them tell.
    """

    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def time(
        self,
        function: Callable[Arguments, Result],
        *arguments: Arguments.args,
        **keywords: Arguments.kwargs,
    ) -> Result:
        """Call a function once, and take the time."""
        wall, processor = time.perf_counter(), time.process_time()
        result = function(*arguments, **keywords)
        self.add(time.perf_counter() - wall, time.process_time() - processor)
        return result

    def add(self, wall: float, processor: float) -> None:
        """Take in a repetition that was timed elsewhere."""
        self.wall.append(wall)
        self.processor.append(processor)

    @property
    def median(self) -> float:
        """Median of the wall-clock times."""
        return statistics.median(self.wall)

    @property
    def least(self) -> float:
        """The shortest wall-clock time."""
        return min(self.wall)

    def to_json(self) -> dict[str, Any]:
        """All times, in seconds."""
        return {
            "wall": self.wall,
            "processor": self.processor,
            "median": self.median,
            "least": self.least,
        }


def median_ratio(numerator: Laps, denominator: Laps) -> float:
    """Median of the ratios of repetitions that were run in turn, so that both had the same machine."""
    return statistics.median(a / b for a, b in zip(numerator.wall, denominator.wall, strict=True))

"""How many events each step of a selection left, and which ones could not be used."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from hepcs._core.errors import ArgumentError


@dataclass(frozen=True)
class Rejection:
    """An event that could not be used: a defect of the input, as opposed to one that a cut removed."""

    file: str
    entry: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}: entry {self.entry}: {self.reason}"


@dataclass(frozen=True)
class Cutflow:
    """Numbers of events left after each step, in order; the first is what was read.

    Raises
    ------
    ArgumentError
        If names and counts differ in number, or a count is negative or above the one before.
    """

    names: tuple[str, ...]
    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.names) != len(self.counts):
            raise ArgumentError(f"cutflow with {len(self.names)} names and {len(self.counts)} counts")
        rises = any(later > earlier for earlier, later in pairwise(self.counts))
        if rises or min(self.counts, default=0) < 0:
            raise ArgumentError(f"the counts of a cutflow cannot rise or be negative, found {self.counts}")

    def __add__(self, other: Cutflow) -> Cutflow:
        """The cutflow of two chunks together; both must have the same steps."""
        if not isinstance(other, Cutflow):
            return NotImplemented
        if self.names != other.names:
            raise ArgumentError(f"cutflows of different steps: {self.names} and {other.names}")
        return Cutflow(self.names, tuple(a + b for a, b in zip(self.counts, other.counts, strict=True)))

    def then(self, name: str, count: int) -> Cutflow:
        """The same cutflow with one more step."""
        return Cutflow((*self.names, name), (*self.counts, int(count)))

    def as_dict(self) -> dict[str, int]:
        """Counts by name, in order."""
        return dict(zip(self.names, self.counts, strict=True))

    def __str__(self) -> str:
        width = max((len(name) for name in self.names), default=0)
        return "\n".join(f"{name:<{width}}  {count:>11,}" for name, count in self.as_dict().items())

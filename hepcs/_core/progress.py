"""How long work runs elsewhere, and how it says how far it is: the two hooks that steps are given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Progress(Protocol):
    """Is told how far the work is."""

    def __call__(self, description: str, done: int, total: int) -> None:
        """What is done, how many parts are finished and how many there are."""
        ...


class Mapper(Protocol):
    """Applies a function to items, in whatever processes, and yields the results."""

    def __call__(
        self, function: Callable[[Item], Result], items: Sequence[Item], *, ordered: bool = True
    ) -> Iterator[Result]:
        """Results in the order of `items`, or, unless `ordered`, each as soon as it is there."""
        ...


def silent(description: str, done: int, total: int) -> None:
    """A Progress that says nothing."""


def serial_mapper(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    ordered: bool = True,  # noqa: ARG001
) -> Iterator[Result]:
    """A Mapper that works in this process, always in order."""
    return map(function, items)


def tracked(
    results: Iterable[Result],
    description: str,
    total: int,
    progress: Progress,
) -> Iterator[Result]:
    """Pass results on, and report each once it was dealt with."""
    progress(description, 0, total)
    for done, result in enumerate(results, start=1):
        yield result
        progress(description, done, total)
